"""A suite of two methods and two seeds: ranked, resumable after an interruption, no finished run made again."""
import json
import pathlib
import shutil
import signal
import subprocess
import time

from program import TINY, command, folders, require, require_in, run

SUITE = f"""
seeds = [0, 1]
budget = "samples"
amount = 800
set = ["evaluate.every=0", "evaluate.lidar_samples=8", "log.tensorboard=false", "train.threads=1"]

[[method]]
name = "plain"
experiment = "{TINY}"

[[method]]
name = "wide predictor"
experiment = "{TINY}"
set = ["predictor.width=24"]
"""


def result(folder):
    """What the comparison says, without what a clock decides."""
    found = json.loads((folder / "comparison.json").read_text())
    for row in found["methods"] + found["runs"]:
        for key in ("wall_seconds", "samples_per_second", "peak_memory_bytes", "folder"):
            row.pop(key, None)
    return found


def stamps(folder):
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/run.json")
            if json.loads(path.read_text())["status"] == "done"}


with folders() as name:
    base = pathlib.Path(name)
    suite = base / "suite.toml"
    suite.write_text(SUITE)
    # A SIGCHLD that is ignored, as some services pass it on, must not lose the exit codes.
    text = run("compare", suite, "--out", base / "whole", before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    require_in("800 samples a run, 2 seeds", text)
    require_in("paired t-test", text)
    require_in("all methods have the same [encoder] and [modality]", text)
    whole = result(base / "whole")
    require(sorted(m["method"] for m in whole["methods"]) == ["plain", "wide predictor"], "a method is missing")
    require(all(m["steps"] == 100 and m["runs"] == 2 and m["failed"] == 0 for m in whole["methods"]), "runs are missing")
    require(whole["methods"][0]["score"]["value"] >= whole["methods"][1]["score"]["value"], "the best is not first")
    for file in ("table.md", "table.csv", "report.html"):
        require((base / "whole" / file).stat().st_size > 100, f"{file} is missing")
    require((base / "whole/table.csv").read_text().count("\n") == 5, "the CSV has not one line a run")

    before = stamps(base / "whole")
    run("compare", suite, "--out", base / "whole", "--parallel", 2)
    require(stamps(base / "whole") == before, "a finished run was made again")

    # Interrupted in the middle of the second run, killed in the middle of a later one, then let run to its end.
    for sign, ended, at in ((signal.SIGINT, 130, 1), (signal.SIGKILL, -9, 2)):
        process = subprocess.Popen(command("compare", suite, "--out", base / "halves"), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while len(stamps(base / "halves")) < at and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sign)
        require(process.wait(60) == ended, f"a comparison that got {sign.name} ended with {process.returncode}")
    before = stamps(base / "halves")
    run("compare", suite, "--out", base / "halves")
    after = stamps(base / "halves")
    require(all(after[key] == before[key] for key in before), "a finished run was made again after an interruption")
    require(result(base / "halves") == whole, "an interrupted comparison ends with another table")

    suite.write_text(SUITE.replace("amount = 800", "amount = 1600"))
    require_in("trained with other settings", run("compare", suite, "--out", base / "whole", code=1))
    suite.write_text(SUITE.replace("[[method]]", "[[methode]]", 1))
    text = run("compare", suite, "--out", base / "x", code=2)
    require_in("unknown key 'methode' in the top level", text)
    require_in("did you mean 'method'?", text)
    suite.write_text(SUITE.replace("budget = \"samples\"", "budget = \"sample\""))
    require_in("did you mean 'samples'?", run("compare", suite, "--out", base / "x", code=2))
    suite.write_text(SUITE.replace('name = "wide predictor"', 'name = "plain"'))
    require_in("two of [[method]] are called 'plain'", run("compare", suite, "--out", base / "x", code=2))
    suite.write_text(SUITE.replace(str(TINY), "absent.toml", 1))
    absent = f"{suite}:9:14: error: experiment '{base / 'absent.toml'}' does not exist"
    require_in(absent, run("compare", suite, "--out", base / "x", code=2))
    for command_line in (("check", suite), ("train", suite), ("check", suite, TINY, "--json")):
        text = run(*command_line, code=2)
        require_in(f"{suite}:1:1: error: a suite of experiments, where one experiment is wanted", text)
        require_in("cairn compare takes it", text)
        require("unknown" not in text, f"a suite is held against an experiment's keys: {text}")
    text = run("compare", TINY, "--out", base / "x", code=2)
    require_in(f"{TINY}:1:1: error: an experiment, where a suite of them is wanted", text)
    require_in("cairn train takes it", text)
    require("unknown" not in text, f"an experiment is held against a suite's keys: {text}")
    suite.write_text(SUITE.replace("seeds = [0, 1]", "seeds = [0, 0]"))
    require_in("a seed stands twice", run("compare", suite, "--out", base / "x", code=2))

    # Every experiment is read before the first one trains, whatever the budget.
    suite.write_text(SUITE.replace('budget = "samples"', 'budget = "steps"').replace("predictor.width=24", "predictor.widht=24")
                     .replace('name = "plain"', 'name = "plain"\nset = ["encoder.dept=1"]'))
    text = run("compare", suite, "--out", base / "x", code=2)
    require_in("did you mean 'width'?", text)
    require_in("did you mean 'depth'?", text)
    require(not (base / "x").exists(), "a suite that cannot run left a folder")

    # Runs of an experiment that was edited meanwhile are not mixed with older ones.
    (base / "own.toml").write_text(f'extends = ["{TINY}"]\n')
    suite.write_text(SUITE.replace(str(TINY), "own.toml").replace("amount = 800", "amount = 16").replace("[0, 1]", "[0]"))
    run("compare", suite, "--out", base / "edited")
    (base / "own.toml").write_text(f'extends = ["{TINY}"]\n[optim]\nlr = 1e-4\n')
    require_in("trained with other settings", run("compare", suite, "--out", base / "edited", code=1))
    suite.write_text(SUITE.replace("predictor.width=24", "predictor.widht=24"))
    shutil.rmtree(base / "x", ignore_errors=True)
    text = run("compare", suite, "--out", base / "x", code=2)
    require_in("did you mean 'width'?", text)

    # The whole budget is spent, and what makes scores of another kind is told.
    suite.write_text(SUITE.replace("predictor.width=24", 'train.stop_at=3", "evaluate.neighbours=3')
                     .replace("amount = 800", "amount = 80").replace("[0, 1]", "[0]"))
    require_in("the methods differ: [evaluate] in neighbours", run("compare", suite, "--out", base / "unequal"))
    for method in result(base / "unequal")["methods"]:
        require(method["steps"] == 10, f"{method['method']} made {method['steps']} of 10 steps")
        require(method["p_to_best"] is None, "one seed has a p")

    # A method that cannot be trained leaves a gap, where a trial has to tell its pace too.
    (base / "bad.txt").write_text("missing.png\n")
    bad = ["modality.type=image.list", f"modality.path={base / 'bad.txt'}"]
    suite.write_text(SUITE.replace('budget = "samples"', 'budget = "seconds"').replace("amount = 800", "amount = 1")
                     .replace("[0, 1]", "[0]").replace('["predictor.width=24"]', json.dumps(bad)))
    text = run("compare", suite, "--out", base / "gap", code=1)
    require_in("the trial that measures 'wide predictor' failed", text)
    found = json.loads((base / "gap/comparison.json").read_text())
    require([r["status"] for r in found["runs"] if r["method"] == "plain"] == ["done"], "the sound method was not trained")

    # What ends a comparison at once ends its training too, which leaves a checkpoint.
    suite.write_text(SUITE.replace('budget = "samples"', 'budget = "steps"').replace("amount = 800", "amount = 1000000"))
    process = subprocess.Popen(command("compare", suite, "--out", base / "long"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    facts = base / "long/plain-seed0/run.json"
    while not facts.exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait(60)
    until = time.monotonic() + 60
    while json.loads(facts.read_text())["status"] == "running" and time.monotonic() < until:
        time.sleep(0.05)
    require(json.loads(facts.read_text())["status"] == "interrupted", "a training outlives its comparison")

    for names, said in ((("A/", "A:"), "would share the folder 'A_'"), (("α", "α"), "are called 'α'")):
        text = SUITE.replace('"plain"', f'"{names[0]}"').replace('"wide predictor"', f'"{names[1]}"')
        suite.write_text(text)
        require_in(said, run("compare", suite, "--out", base / "x", code=2))
    suite.write_text(SUITE.replace("predictor.width=24", "predictor.widht=24"))
    require_in("of method 'wide predictor'", run("compare", suite, "--out", base / "x", code=2))
print("compare: passed")
