"""Every configuration is sound; the small ones take steps on the real sets they are for."""
import pathlib
import subprocess
import tomllib

from program import SHARED, SOURCE, command, folders, require_in, run, train

FEW = dict(train__steps=3, train__batch_size=8, evaluate__every=0, evaluate__final_train_samples=40,
           evaluate__final_test_samples=40, evaluate__baselines="false")
SETS = {"photos10": "photos10", "scenes15": "scenes15", "sign_digits": "sign_digits", "cifar10": "cifar10_small",
        "mnist": "mnist_idx"}


def needs_a_path(path):
    done = subprocess.run(command("config", path), capture_output=True, text=True)
    return "'modality.path' (" in done.stderr


def every_configuration():
    for path in sorted((SOURCE / "configs").rglob("*.toml")):
        if path.parent.name in ("base", "compare"):
            continue
        settings = {"modality__path": "somewhere"} if needs_a_path(path) else {}
        require_in("no problem found", run("check", path, **settings))


def every_suite():
    for path in sorted((SOURCE / "configs/compare").glob("*.toml")):
        suite = tomllib.loads(path.read_text())
        for data in suite.get("data", [{"set": []}]):
            for method in suite["method"]:
                sets = [*suite["set"], *data["set"], *method.get("set", []), "train.steps=1"]
                words = [word for item in sets for word in ("--set", item)]
                require_in("no problem found", run("check", path.parent / method["experiment"], *words))


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


with folders() as name:
    real_sets(pathlib.Path(name))
    real_clips(pathlib.Path(name))
every_configuration()
every_suite()
print("presets: passed")
