"""cairn probe: every kind on a trained run, its figures, its cache, and what it refuses."""
import json
import pathlib
import shutil

from program import SOURCE, folders, require, require_in, run, train

with folders() as name:
    base = pathlib.Path(name)
    train(base / "run")
    facts = json.loads((base / "run/run.json").read_text())
    trained = facts["results"][0]

    def probe(*words, source=base / "run"):
        return json.loads(run("probe", source, "--json", "--device", "cpu", *words))

    linear = probe("--kind", "linear")
    require(linear["accuracy"]["value"] == trained["linear"], f"linear: {linear}, the run says {trained}")
    require(linear["accuracy"]["low"] <= linear["accuracy"]["value"] <= linear["accuracy"]["high"], "no interval")
    require(linear["test"] == trained["test"], "the test part is another one")
    files = sorted((base / "run/features").iterdir())
    require(len(files) > 0, "nothing was cached")
    require(probe("--kind", "knn")["accuracy"]["value"] == trained["knn"], "kNN differs from the run's")
    require(sorted((base / "run/features").iterdir()) == files, "kNN did not find the cached features")

    checkpoints = sorted((base / "run/checkpoints").iterdir())
    older = probe("--kind", "knn", "--cache", "none", source=checkpoints[0])
    require(older["checkpoint"] == str(checkpoints[0]), "another checkpoint was probed")
    few = probe("--kind", "linear", "--low-shot", 2, "--seeds", 3)
    require(len(few["seeds"]) == 3 and few["seeds"][0]["train"] <= 16, f"low-shot: {few}")
    folded = probe("--kind", "linear", "--folds", 4)
    require(folded["test"] == 80, f"not every sample was tested: {folded}")
    attentive = probe("--kind", "attentive", "--epochs", 2, "--blocks", 1, "--lr", 1e-3, "--weight-decay", 0.01)
    require(0.0 <= attentive["accuracy"]["value"] <= 1.0 and attentive["seeds"][0]["lr"] == 1e-3, f"{attentive}")
    tuned = probe("--kind", "finetune", "--epochs", 2)
    require(tuned["test"] == linear["test"], f"{tuned}")
    recipe = probe("--kind", "attentive", "--epochs", 1, "--recipe", "vjepa2")
    require(recipe["seeds"][0]["blocks"] == 3 and recipe["seeds"][0]["lr"] in (5e-3, 3e-3, 1e-3, 3e-4, 1e-4), f"{recipe}")
    views = probe("--kind", "linear", "--views", 3)
    require(views["views"] == 3 and views["test"] == linear["test"], f"views: {views}")
    require(probe("--kind", "finetune", "--epochs", 1, "--views", 2)["test"] == linear["test"], "views of a tuned network")
    require(probe("--kind", "linear")["accuracy"] == linear["accuracy"], "probing changed the run")
    require_in("bootstrap", run("probe", base / "run", "--kind", "linear"))

    own, hub = base / "own", base / "hub"
    run("convert", base / "run", own, "--to", "cairn")
    run("convert", base / "run", hub, "--to", "huggingface")
    kept = probe("--kind", "linear", source=own)
    require(kept["accuracy"] == linear["accuracy"], f"the converted network: {kept}")
    require(not (own / "features").exists(), "features were put beside weights")
    data = ("--modality", "image.shapes", "--set", "modality.train_samples=50", "--set", "modality.test_samples=30")
    published = probe("--kind", "linear", *data, source=hub)
    require(abs(published["accuracy"]["value"] - trained["linear"]) < 0.1, f"the published folder: {published}")
    require(probe("--kind", "finetune", "--epochs", 1, *data, source=hub)["test"] == 30, "finetune of a published folder")
    require(probe("--kind", "knn", "--set", "evaluate.neighbours=3", source=own)["seeds"][0]["neighbours"] == 3, "k")
    student = probe("--kind", "linear", "--weights", "student")
    require("student of" in student["weights"] and "teacher of" in linear["weights"], "which weights were probed")

    require_in("modality.path: must be given", run("probe", hub, code=2))
    takes_none = "--data: image.shapes makes its samples itself and takes no path; name how samples are prepared"
    require_in(takes_none, run("probe", base / "run", "--data", base, code=2))
    require_in("--modality image.folder", run("probe", base / "run", "--data", base, code=2))
    require_in("settable are", run("probe", own, "--set", "optim.lr=1", code=2))
    require_in("evaluate.neighbours", run("probe", own, "--set", "evaluate.neighbours=0", code=2))
    require_in("holds no network", run("probe", base, code=2))

    # Labels from a table: the same classes under other names, several of a sample, and numbers.
    samples = [(f"{part} shape #{i}", i % 8) for part, count in (("training", 50), ("test", 30)) for i in range(count)]

    def table(head, cells):
        lines = [["path", *head], *([name, *map(str, cells(label))] for name, label in samples)]
        (base / "labels.csv").write_text("".join(",".join(line) + "\n" for line in lines))
        return base / "labels.csv"

    named = probe("--labels", table(["kind"], lambda c: ["abcdefgh"[c]]))
    require(named["classes"] == list("abcdefgh") and named["accuracy"] == linear["accuracy"], f"a table: {named}")
    several = table(["even", "low"], lambda c: [int(c % 2 == 0), int(c < 4)])
    for kind in ("linear", "knn"):
        found = probe("--labels", several, "--task", "multi-label", "--kind", kind)
        require(0.3 < found["mAP"]["low"] <= found["mAP"]["value"] <= found["mAP"]["high"] <= 1.0, f"{kind}: {found}")
    require("mAP" in probe("--labels", several, "--task", "multi-label", "--kind", "finetune", "--epochs", 1), "no mAP")
    numbers = probe("--labels", table(["x"], lambda c: [2 * c]), "--task", "values")
    require(numbers["values"] == ["x"] and numbers["R2"]["value"] < 1.0, f"numbers: {numbers}")
    require_in("R2", run("probe", base / "run", "--labels", base / "labels.csv", "--task", "values"))
    beyond = table(["x"], lambda c: [c])
    require_in("is neither 0 nor 1", run("probe", base / "run", "--labels", beyond, "--task", "multi-label", code=1))
    (base / "other.csv").write_text("path,kind\nelse.png,a\nmore.png,b\n")
    require_in("none of the", run("probe", base / "run", "--labels", base / "other.csv", code=1))
    require_in("give a table", run("probe", base / "run", "--task", "values", code=2))
    (base / "misspelt.csv").write_text("path,kind\n" + "".join(f"{sample},a\n" for sample, _ in samples) + "else.png,b\n")
    require_in("paths that match no sample of the data: 1 of 81, such as 'else.png'",
               run("probe", base / "run", "--labels", base / "misspelt.csv", code=1))
    require_in("one class each", run("probe", base / "run", "--task", "multi-label", code=1))

    require_in("finetune", run("probe", base / "run", "--kind", "magic", code=2))
    require_in("boxes,classes,multi-label,values", run("probe", base / "run", "--task", "banana", code=2))
    require_in("excludes", run("probe", base / "run", "--folds", 3, "--views", 2, code=2))
    require_in("frozen features", run("probe", base / "run", "--folds", 3, "--kind", "finetune", code=2))
    require_in("fewer samples than folds", run("probe", base / "run", "--folds", 99, code=2))
    require_in("0 is not a number above 0", run("probe", base / "run", "--low-shot", 0, code=2))
    require_in("--low-shot 1e+09: classes with fewer samples, which give all they have: 8", run("probe", base / "run", "--low-shot", 1e9))
    require("--low-shot" not in run("probe", base / "run", "--low-shot", 2), "two samples a class are said to be too many")
    require_in("--epochs does nothing with --kind knn", run("probe", base / "run", "--kind", "knn", "--epochs", 3))
    alike = probe("--kind", "knn", "--seeds", 3)
    require(alike["accuracy"]["low"] < alike["accuracy"]["high"], f"seeds that cannot differ claim to be sure: {alike}")
    require_in("not finite", run("probe", base / "run", "--kind", "finetune", "--epochs", 1, "--lr", 1e30, code=1))
    raw = probe("--kind", "linear", "--raw")
    require(raw["seeds"][0]["width"] > linear["seeds"][0]["width"] and raw["raw"] and not linear["raw"], f"raw input: {raw}")
    require_in("linear probe of the raw input, without the network: ", run("probe", base / "run", "--raw"))

    # Where a run's folder takes no features, the probe goes on without; a folder that was asked for must take them.
    shutil.rmtree(base / "run/features")
    (base / "run/features").write_text("in the way")
    said = run("probe", base / "run", "--kind", "attentive", "--epochs", 1)
    require(said.count("warning: ") == 1 and "features cannot be kept" in said, f"one warning line: {said}")
    require_in("cannot be kept", run("probe", base / "run", "--cache", base / "run/features", code=1))
    (base / "run/features").unlink()
    require_in("no tokens", run("probe", base / "run", "--kind", "attentive", "--raw", code=2))
    for labels in ("arrow", "speed"):
        require_in("time axis", run("probe", base / "run", "--kind", "knn", "--labels", labels, code=1))

    # What a clip that stands still cannot tell.
    train(base / "films", experiment=SOURCE / "configs/vjepa/quickstart.toml", train__steps=2, train__batch_size=8,
          train__threads=1, evaluate__every=0, evaluate__final_train_samples=40, evaluate__final_test_samples=40)
    films = ("--kind", "linear", "--train-samples", 200, "--test-samples", 100)
    for labels in ("arrow", "speed"):
        asked = probe(*films, "--labels", labels, source=base / "films")
        require(asked["test"] == 200 and len(asked["classes"]) == 2, f"{labels}: {asked}")
    grid = probe(*films, "--set", "modality.evaluate_clips=2", "--set", "modality.evaluate_crops=1", source=base / "films")
    plain = probe(*films, source=base / "films")
    require(grid["views"] == 2 and plain["views"] == 1 and grid["test"] == plain["test"], f"clips of a film: {grid}")
    still = probe(*films, "--labels", "speed", "--raw", "--set", "modality.frame_step=0", source=base / "films")
    require(still["accuracy"]["value"] == 0.5, f"clips that stand still have a speed: {still}")
print("probe: passed")
