"""Every configuration is sound; the small ones take steps on the real sets they are for."""
import pathlib
import subprocess
import tomllib

from program import SHARED, SOURCE, checkpoint, command, folders, losses, require, require_in, run, train

FEW = dict(train__steps=3, train__batch_size=8, evaluate__every=0, evaluate__final_train_samples=40,
           evaluate__final_test_samples=40, evaluate__baselines="false")
SETS = {"photos10": "photos10", "scenes15": "scenes15", "sign_digits": "sign_digits", "cifar10": "cifar10_small",
        "mnist": "mnist_idx"}


def check(paths, *words):
    """The files that are found sound, and what is said about the others."""
    done = subprocess.run(command("check", *paths, *words), capture_output=True, text=True)
    sound = [path for path in paths if f"{path}: no problem found" in done.stdout]
    require((done.returncode == 0) == (len(sound) == len(paths)), f"exit code {done.returncode}\n{done.stderr}")
    return sound, done.stderr


def every_configuration():
    paths = [path for path in sorted((SOURCE / "configs").rglob("*.toml")) if path.parent.name not in ("base", "compare")]
    sound, _ = check(paths)
    require(len(sound) > 40, f"only {len(sound)} configurations need nothing")
    others = [path for path in paths if path not in sound]
    require(len(check(others, "--set", "modality.path=somewhere")[0]) == len(others), "not sound with a path")


def every_suite():
    groups = {}
    for path in sorted((SOURCE / "configs/compare").glob("*.toml")):
        suite = tomllib.loads(path.read_text())
        for data in suite.get("data", [{"set": []}]):
            for method in suite["method"]:
                sets = (*suite["set"], *data["set"], *method.get("set", []), "train.steps=1")
                groups.setdefault(sets, []).append(path.parent / method["experiment"])
    for sets, experiments in groups.items():
        sound, said = check(experiments, *(word for item in sets for word in ("--set", item)))
        require(sound == experiments, said)


def real_sets(base):
    data = SHARED / "data/images"
    if not data.is_dir():
        print("skipped: real sets, as the shared data are absent")
        return
    for config, folder in SETS.items():
        text = train(base / config, experiment=SOURCE / f"configs/ijepa/{config}.toml", modality__path=data / folder, **FEW)
        require_in("trained teacher", text)
    train(base / "bare", experiment=SOURCE / "configs/quickstart.toml", modality__type="image.folder",
          modality__path=data / "photos10", **FEW)


def real_clips(base):
    data = SHARED / "data/video/actions"
    if not data.is_dir():
        print("skipped: real clips, as the shared data are absent")
        return
    for config in ("actions", "tiny"):
        text = train(base / config, experiment=SOURCE / f"configs/vjepa/{config}.toml", modality__path=data, **FEW)
        require_in("trained teacher", text)


def pictures_in_turn(base):
    """Half of the batches are pictures; a resumed run sees the same ones."""
    experiment = SOURCE / "configs/vjepa/dense.toml"
    few = dict(FEW, modality__train_samples=40, objective__seen_ramp="[0, 1]")
    require_in("1 x 4 x 4", run("check", experiment))
    train(base / "dense", experiment=experiment, **few)
    record = losses(base / "dense")[-1]
    require(record["regression_seen"] > 0, f"no loss of seen tokens: {record}")
    train(base / "resumed", experiment=experiment, train__stop_at=2, **few)
    train(base / "resumed", "--resume", experiment=experiment, **few)
    require(checkpoint(base / "resumed", 3) == checkpoint(base / "dense", 3), "a resumed run saw other pictures")
    text = run("preview", experiment, "--out", base / "preview", "--samples", 2)
    require("(1 x 4 x 4)" in text and "(4 x 4 x 4)" in text, f"a picture and a clip of the step's batch: {text}")


with folders() as name:
    pictures_in_turn(pathlib.Path(name))
    real_sets(pathlib.Path(name))
    real_clips(pathlib.Path(name))
every_configuration()
every_suite()
print("presets: passed")
