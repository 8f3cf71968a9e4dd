"""--json of the commands that make something: train, report, convert and new-plugin print what they made."""
import json
import pathlib

from program import folders, require, run, train


def facts(text):
    """The object that ends what was printed; lines for people, on stderr, come before it."""
    return json.loads(text[text.index("\n{\n") if not text.startswith("{") else 0:])


with folders() as scratch:
    base = pathlib.Path(scratch)
    folder = base / "run"
    few = dict(train__steps=3, train__batch_size=8, evaluate__final_train_samples=20, evaluate__final_test_samples=20)
    trained = facts(train(folder, "--json", **few))
    require(trained.pop("run") == str(folder), f"train tells where the run lies: {trained}")
    require(trained == json.loads((folder / "run.json").read_text()), "and else run.json")

    found = json.loads(run("report", folder, "--no-views", "--json"))
    require(found["page"] == str(folder / "report.html") and [each["run"] for each in found["runs"]] == [str(folder)],
            f"report tells the page and whose it is: {found}")

    found = json.loads(run("convert", folder, base / "own", "--to", "cairn", "--json"))
    require(found["folder"] == str(base / "own") and "step-00000003" in found["source"], f"convert tells what it read: {found}")
    require(found["difference"] < 1e-5 and found["not_loaded"] == [], f"and that nothing was lost: {found}")

    found = json.loads(run("new-plugin", "radar", "--masker", "--folder", base / "radar", "--json"))
    made = sorted(str(file.relative_to(base / "radar")) for file in (base / "radar").rglob("*") if file.is_file())
    require(sorted(found["files"]) == made, f"new-plugin tells its files: {found}, {made}")
    require(any(step.startswith("ctest") for step in found["next_steps"]), f"and how to go on: {found}")
    require(not any("#" in step for step in found["next_steps"]), f"with commands that can be run: {found}")
