"""Every bad input has a clear error and loses nothing."""
import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

from program import SOURCE, TINY, checkpoint, command, folders, require, require_in, run, train


def picture(path, value):
    """A grey 32 x 32 picture in the plainest format there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"P5 32 32 255\n" + bytes((value * 7 + i) % 256 for i in range(1024)))


def folder_run(base, name, path, code, **settings):
    return train(base / name, code=code, modality__type="image.folder", modality__path=path, modality__size=16,
                 modality__patch=4, **settings)


def paths(base):
    text = folder_run(base, "missing", base / "nowhere", 1)
    require_in("nowhere", text)
    (base / "empty").mkdir()
    require_in("empty", folder_run(base, "empty-run", base / "empty", 1))


def unreadable_pictures(base):
    data = base / "data"
    for label in ("cat", "dog"):
        for i in range(30):
            picture(data / label / f"{i}.pgm", i)
    (data / "cat/broken.pgm").write_bytes(b"P5 32 32 255\nshort")
    text = folder_run(base, "few-bad", data, 0)
    require_in("broken.pgm", text)
    require_in("broken.pgm", (base / "few-bad/quarantine.txt").read_text())
    require(json.loads((base / "few-bad/run.json").read_text())["unreadable_samples"] >= 1, "run.json counts none")
    for i in range(20):
        (data / f"dog/bad{i}.pgm").write_bytes(b"no picture")
    text = folder_run(base, "many-bad", data, 1)
    require_in("max_bad_share", text)
    require_in("bad", (base / "many-bad/quarantine.txt").read_text())
    require(json.loads((base / "many-bad/run.json").read_text())["status"] == "failed", "run.json does not say failed")
    folder_run(base, "many-allowed", data, 0, modality__max_bad_share=0.6)
    shutil.rmtree(data / "dog")
    picture(data / "dog/only.pgm", 3)
    folder_run(base, "one-image-class", data, 0, modality__max_bad_share=0.6)


def experiments(base):
    text = train(base / "patch", code=2, modality__patch=5)
    require_in("patch", text)
    require_in("--set", text)
    text = train(base / "plugin", code=2, encoder__type="sonar.net")
    require_in("sonar", text)
    run("train", base / "missing.toml", code=2)
    require_in("KEY=VALUE", run("train", TINY, "--set", code=2))
    require(not (base / "patch").exists(), "a wrong experiment left a run folder")
    for name in ("../x", "a/b", ".."):
        require_in(f"'{name}' cannot name a folder in runs/", run("train", TINY, code=2, name=name))
    train(base / "named", name="a/b", train__steps=1, evaluate__every=0)


def compositions(_):
    """What a first step would refuse, cairn check refuses."""
    def refused(experiment, wanted, **settings):
        require_in(wanted, run("check", SOURCE / "configs" / experiment, code=2, **settings))

    blocks = {"masker": '{type="video.multiblock"}'}
    refused("vjepa/quickstart.toml", "set groups = 2", predictor__groups=1, **blocks)
    refused("generative/mae.toml", "did not enter the encoder", predictor='{type="transformer.mlp"}')
    refused("contrastive/moco_v3.toml", "asked about whole views", predictor='{type="transformer.narrow"}')
    refused("contrastive/ibot.toml", "compares tokens, but contrastive.cross asks about none",
            masker='{type="contrastive.cross"}')
    refused("vjepa/quickstart.toml", "encoder.picture_tokenizer = true", modality__picture_share=0.5)
    refused("generative/videomae-moving_shapes.toml", "the values of a token", modality__picture_share=0.5,
            encoder__picture_tokenizer="true")
    refused("contrastive/moco_v3.toml", "asked about whole views",
            predictor='{type="transformer.windowed", window=[3, 3], shift=[1, 0]}')
    refused("ijepa/quickstart.toml", "works on whole views", projector='{type="transformer.mlp"}')
    refused("ijepa/quickstart.toml", "set mask_token = true", masker__hide="mask")
    refused("ijepa/quickstart.toml", "'predictor.mlp_ratio'", predictor__mlp_ratio=0.01)
    run("check", SOURCE / "configs/vjepa/quickstart.toml", predictor__groups=2, **blocks)


def beyond_the_machine(base):
    """What runs out of memory or threads is told so, with what to change."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (5 << 30, 5 << 30))
    text = train(base / "large", code=1, before=limit, encoder__width=16384, encoder__heads=1)
    require_in("memory ran out", text)
    require_in("lower train.batch_size", text)
    text = train(base / "threads", code=1, before=limit, train__workers=1024)
    require_in("train.workers", text)
    require_in("lower it", text)


def late_masks(base):
    """A mask that fails only now and then is told as one that fails at once."""
    text = train(base / "late", code=2, masker__type="image.multiblock", masker__min_keep=0, masker__target_scale="[0.01, 1.0]")
    require_in("'masker.target_scale'", text)
    require_in("--set #", text)


def used_folder(base):
    folder = base / "used"
    train(folder, train__steps=4)
    require_in("--resume", train(folder, code=1))
    with open(folder / "run.lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        require_in("in use by", train(folder, "--resume", code=1))
    facts = (folder / "run.json").read_text()
    began = json.loads(facts)["started"]
    text = train(folder, "--resume", code=2, train__steps=3)
    require_in("--set #1:1:13: error: 'train.steps': the run is at step 4 already, and 3 is less", text)
    require_in("'train.stop_at'", train(folder, "--resume", code=2, train__steps=5, train__stop_at=2))
    require((folder / "run.json").read_text() == facts, "a run that cannot go on was touched")
    time.sleep(1)
    train(folder, "--resume", train__steps=5)
    require(json.loads((folder / "run.json").read_text())["started"] == began, "a resumed run forgets when it began")


def names_alike(base):
    """Without --run, --resume goes on with a run of that very name; two runs may begin in one second."""
    for name in ("base", "base-slow"):
        shutil.copy(TINY, base / f"{name}.toml")
    few = dict(train__steps=2, train__threads=1, evaluate__every=0, evaluate__baselines="false", evaluate__lidar_samples=0)
    begin = lambda name, *words: subprocess.Popen(command("train", f"{name}.toml", "--device", "cpu", *words, **few),
                                                  cwd=base, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    both = [begin("base"), begin("base"), begin("base-slow")]
    require([process.wait(120) for process in both] == [0, 0, 0], "two runs of one second do not share a folder")
    require(begin("base", "--resume").wait(120) == 0, "a run of that name is found")
    later = {folder.name: (folder / "run.json").read_text().count("--resume") for folder in (base / "runs").iterdir()}
    require(sum(later.values()) == 1 and not any(count for name, count in later.items() if "slow" in name),
            f"another experiment's run is not gone on with: {later}")


def other_model(base):
    folder = base / "other"
    train(folder, train__steps=6)
    text = train(folder, "--resume", code=2, encoder__depth=3, train__steps=8)
    require_in("the run's network has 2, not 3", text)
    text = train(folder, "--resume", code=2, optim__type="sgd", train__steps=8)
    require_in("'optim.type': the run's optimizer is \"adamw\", not \"sgd\"", text)
    text = train(folder, "--resume", code=1, modality__channels=1, train__steps=8)
    require_in("of another shape", text)
    (folder / "config.toml").unlink()
    text = train(folder, "--resume", code=1, encoder__depth=3, train__steps=8)
    require_in("missing", text)
    require_in("blocks.2.", text)
    train(folder, "--resume", train__steps=6)


def full_disk(base):
    folder = base / "full"
    train(folder, train__stop_at=6)
    before = checkpoint(folder, 6)
    size = max(len(data) for data in before.values())
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
    text = train(folder, "--resume", code=1, before=limit)
    require_in("No space left", text)
    require_in(f"free some space and go on with --resume --run {folder}", text)
    require(checkpoint(folder, 6) == before, "the older checkpoint was touched")
    names = sorted(os.listdir(folder / "checkpoints"))
    require(names == ["step-00000006"], f"left behind: {names}")
    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    for words in (("extract", folder, "--out", base / "full.npy"), ("report", folder, "--no-views", "--out", base / "full.html")):
        text = run(*words, code=1, before=no_room)
        require_in("free some space and run the command again", text)
        require("--resume" not in text, f"nothing is trained here: {text}")
    train(folder, "--resume")
    whole = base / "not-full"
    train(whole)
    require(checkpoint(folder, 24) == checkpoint(whole, 24), "the run after the full disk differs")


def interrupt(base):
    folder = base / "interrupted"
    process = subprocess.Popen(command("train", TINY, "--run", folder, "--device", "cpu", train__steps=100000),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (folder / "metrics.jsonl").exists() or not (folder / "metrics.jsonl").read_text():
        time.sleep(0.05)
        require(process.poll() is None, "the run ended by itself")
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[1]
    require(process.returncode == 130, f"exit code {process.returncode} after an interrupt")
    require_in("--resume", text)
    require(json.loads((folder / "run.json").read_text())["status"] == "interrupted", "run.json does not say so")
    require(len(os.listdir(folder / "checkpoints")) > 0, "no checkpoint after an interrupt")


def interrupt_the_probe(base):
    folder = base / "interrupted-probe"
    process = subprocess.Popen(command("train", TINY, "--run", folder, "--device", "cpu", evaluate__every=100,
                                       evaluate__final_train_samples=4000,
                                       modality__train_samples=4000, modality__size=64, train__steps=2),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (folder / "checkpoints/step-00000002").exists():
        time.sleep(0.01)
        require(process.poll() is None, "the run ended by itself")
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[1]
    require(process.returncode == 130, f"exit code {process.returncode} after an interrupted probe")
    require_in("interrupted while probing", text)
    require(json.loads((folder / "run.json").read_text())["status"] == "interrupted", "run.json does not say so")


def commands(base):
    require_in("there is no command 'cairn trian'; did you mean 'train'?", run("trian", TINY, code=2))
    require_in("there is no command 'bench stop'; did you mean 'step'?", run("bench", "stop", code=2))
    require_in('"ok": false', run("check", TINY, "--json", "--set", "optim.lrr=1", code=2))


def names(base):
    """A name that stands for nothing is wrong use, whichever command is given it; it is told before work begins."""
    (base / "plain").write_text("kept")
    folder, plain = base / "named-run", base / "plain"
    train(folder, train__steps=1, evaluate__every=0)
    for words in (("masker", "block"), ("masker", "image.block"), ("masker", "sonar.block"), ("maskers",)):
        run("inspect", *words, code=2)
    for source in (base / "nowhere", base, plain):
        run("probe", source, code=2)
        run("extract", source, "--out", base / "x.npy", code=2)
        run("extract", source, "--energy", "--out", base / "x.npy", code=2)
        run("convert", source, base / "x", "--to", "cairn", code=2)
        require_in("no run here", run("report", source, code=2))
    for words in (("step",), ("optimizer",)):
        run("bench", *words, TINY, "--set", f"initial.path={base / 'nowhere'}", code=2)
    run("extract", folder, "--modality", "image.none", "--out", base / "x.npy", code=2)
    said = run("report", folder, base / "nowhere", "--out", base / "page.html", code=2)
    require("pictures" not in said and not (base / "page.html").exists(), f"a run was drawn although one is missing: {said}")
    for words in (("convert", folder, "", "--to", "cairn"), ("extract", folder, "--out", ""), ("preview", TINY, "--out", "")):
        require_in("a name is wanted", run(*words, code=2))
    for words in (("preview", TINY, "--out", plain), ("preview", TINY, "--out", plain / "below"), ("train", TINY, "--run", plain)):
        require_in("a file is in the way", run(*words, code=2))
    require(plain.read_text() == "kept", "a file was replaced")


def conversions(base):
    """What is no earlier conversion is not replaced, whatever it is."""
    folder, precious, parent = base / "converted-run", base / "precious", base / "parent"
    train(folder, train__steps=2)
    before = checkpoint(folder, 2)
    for place in (precious, parent / "inner"):
        place.mkdir(parents=True)
        (place / "thesis.txt").write_text("kept")
    shutil.copytree(folder, parent / "run")
    (base / "file").write_text("kept")
    for source, target in ((folder, folder), (folder, folder / "checkpoints"), (folder, precious), (folder, base / "file"),
                           (parent / "run", parent)):
        require_in("DST", run("convert", source, target, "--to", "cairn", code=2))
    require(checkpoint(folder, 2) == before and checkpoint(parent / "run", 2) == before, "a run was touched")
    require((precious / "thesis.txt").exists() and (base / "file").read_text() == "kept", "something was lost")
    for _ in range(2):
        run("convert", folder, base / "new", "--to", "cairn")
    run("convert", base / "new", base / "new", "--to", "huggingface", code=2)
    run("convert", folder, base / "new", "--to", "huggingface")


def written_places(base):
    """Features and pages replace neither weights, nor what they are made of, nor settings."""
    folder, own = base / "read-run", base / "read-own"
    train(folder, train__steps=2)
    run("convert", folder, own, "--to", "cairn")
    features = base / "features.safetensors"
    run("extract", folder, "--split", "test", "--out", features)
    step = folder / "checkpoints/step-00000002"
    kept = {path: path.read_bytes() for path in (step / "student.safetensors", own / "model.safetensors", features,
                                                 folder / "config.toml")}
    for source, target, words in ((folder, step / "student.safetensors", ()), (folder, step / "new.npy", ()),
                                  (own, step / "student.safetensors", ()), (own, own / "model.safetensors", ()),
                                  (folder, step / "new.safetensors", ("--energy", "--split", "test")),
                                  (folder, features, ("--input", f"{base}/./features.safetensors"))):
        require_in("--out", run("extract", source, "--out", target, *words, code=2))
    require_in(".html", run("report", folder, "--no-views", "--out", folder / "config.toml", code=2))
    require(all(path.read_bytes() == data for path, data in kept.items()), "a file was replaced")
    require(not list(step.glob("new*")), "features lie among the weights")
    run("extract", folder, "--split", "test", "--out", folder / "features.safetensors")
    run("report", folder, "--no-views", "--out", base / "page.HTM")


with folders() as name:
    base = pathlib.Path(name)
    for check in (paths, unreadable_pictures, experiments, compositions, beyond_the_machine, late_masks, used_folder, names_alike, other_model, full_disk,
                  interrupt, interrupt_the_probe, commands, names, conversions, written_places):
        check(base)
        print("passed:", check.__name__.replace("_", " "))
