"""Generative methods on every modality: each small configuration trains twenty steps, and its loss falls; what cannot
work says why."""
import math
import pathlib
import statistics

from program import SHARED, SOURCE, folders, losses, require, require_in, run, train

CONFIGS = SOURCE / "configs/generative"
FEW = dict(train__steps=20, train__batch_size=8, train__threads=1, log__every=1, log__tensorboard="false", optim__lr=3e-3,
           encoder__width=64, encoder__heads=2, encoder__depth=3, evaluate__every=0, evaluate__final_train_samples=40,
           evaluate__final_test_samples=40, evaluate__baselines="false", schedule__warmup_share=0.0)
SETS = {"-cifar10": "images/cifar10_small", "-esc10": "audio/esc10"}


def data_of(path):
    """The settings a configuration needs for its data; None where they are absent."""
    for ending, folder in SETS.items():
        if path.stem.endswith(ending):
            return {"modality__path": SHARED / "data" / folder} if (SHARED / "data" / folder).is_dir() else None
    return {}


def falls(path, folder, **settings):
    text = train(folder, experiment=path, **FEW, **settings)
    require_in("trained ", text)
    seen = [record["loss"] for record in losses(folder)]
    require(len(seen) == 20 and all(map(math.isfinite, seen)), f"{path.name}: twenty finite losses, got {seen}")
    require(statistics.mean(seen[-5:]) < 0.97 * statistics.mean(seen[:5]), f"{path.name}: the loss does not fall: {seen}")


def small_configurations(base):
    ran = 0
    for path in sorted(CONFIGS.glob("*.toml")):
        if "vit" in path.stem:  # published sizes
            continue
        data = data_of(path)
        if data is None:
            print(f"skipped: {path.name}, as its data are absent")
            continue
        falls(path, base / path.stem, **data)
        ran += 1
    require(ran >= 3, f"{ran} configurations were found")


def decoder_with_class_token(base):
    """As published; an encoder without one is the experiment's fault."""
    both = dict(encoder__class_token="true", predictor__class_token="true")
    falls(CONFIGS / "mae.toml", base / "class-token", **both)
    said = train(base / "no-token", experiment=CONFIGS / "mae.toml", code=2, **FEW, predictor__class_token="true")
    require_in("the predictor wants a class token", said)


def wrong_use():
    said = run("check", CONFIGS / "simmim.toml", code=2, masker__unit="[4,4]")
    require_in("masker.unit", said)
    said = run("check", CONFIGS / "mae.toml", code=2, encoder__type="convnet.resnet")
    require_in("transformer.random hides tokens, which convnet.resnet cannot do without", said)


with folders() as name:
    small_configurations(pathlib.Path(name))
    decoder_with_class_token(pathlib.Path(name))
    wrong_use()
print("generative: passed")
