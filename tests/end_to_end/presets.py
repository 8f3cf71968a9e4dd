"""Every configuration is sound; the small ones take steps on the real sets they are for.

The large ones are only resolved, unless the one argument is "large": then they, and nothing else, are built as well.
"""
import pathlib
import subprocess
import sys

from program import SHARED, SOURCE, command, folders, require_in, run, train

FEW = dict(train__steps=3, train__batch_size=8, evaluate__every=0, evaluate__final_train_samples=40,
           evaluate__final_test_samples=40, evaluate__baselines="false")
LARGE = ("vitl", "vith", "vitg", "huge", "large")
SETS = {"photos10": "photos10", "scenes15": "scenes15", "sign_digits": "sign_digits", "cifar10": "cifar10_small",
        "mnist": "mnist_idx"}


def needs_a_path(path):
    done = subprocess.run(command("config", path), capture_output=True, text=True)
    return "'modality.path' (" in done.stderr


def every_configuration(large):
    for path in sorted((SOURCE / "configs").rglob("*.toml")):
        if path.parent.name in ("base", "compare") or (large and not any(word in path.name for word in LARGE)):
            continue
        settings = {"modality__path": "somewhere"} if needs_a_path(path) else {}
        if not large and any(word in path.name for word in LARGE):
            run("config", path, **settings)
        else:
            require_in("no problem found", run("check", path, **settings))


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


if sys.argv[1:] == ["large"]:
    every_configuration(large=True)
else:
    with folders() as name:
        real_sets(pathlib.Path(name))
        real_clips(pathlib.Path(name))
    every_configuration(large=False)
print("presets: passed")
