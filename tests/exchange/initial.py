"""The table [initial]: training begins with weights of a run, of a published folder or of an original checkpoint."""
import json
import pathlib

from program import SHARED, SOURCE, TINY, checkpoint, folders, require, require_in, run, train
from tensors import raw

SMALL = {"train__threads": 1, "evaluate__every": 0, "evaluate__baselines": "false", "evaluate__final_train_samples": 20,
         "evaluate__final_test_samples": 20}
STILL = {"train__steps": 1, "optim__lr": 0, "ema__momentum": "[1, 1]", **SMALL}


def weights(folder, step, copy):
    return raw(pathlib.Path(folder) / f"checkpoints/step-{step:08d}/{copy}.safetensors")


def encoder(tensors):
    return {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}


def from_run(base, source):
    """Both copies and the predictor, bit for bit; or all from one copy."""
    student, teacher = weights(source, 4, "student"), weights(source, 4, "teacher")
    require(encoder(student) != encoder(teacher), "the source's copies are the same")
    train(base / "both", "--set", f"initial.path={source}", **STILL)
    require(weights(base / "both", 1, "student") == student, "the student is not the source's")
    require(weights(base / "both", 1, "teacher") == teacher, "the teacher is not the source's")
    log = (base / "both/log.txt").read_text()
    require_in("initial weights: student from student of", log)
    require_in("teacher from teacher of", log)
    train(base / "one", "--set", f"initial.path={source}", "--set", "initial.copy=teacher", **STILL)
    require(encoder(weights(base / "one", 1, "student")) == encoder(teacher), "the student is not the source's teacher")
    step = f"{source}/checkpoints/step-00000004/"
    train(base / "bare", "--set", f"initial.path={step}", "--set", 'initial.parts=["encoder"]', **STILL)
    bare = weights(base / "bare", 1, "student")
    require(encoder(bare) == encoder(student) and bare != student, "not the encoder alone was taken")


def resumed(base, source):
    """What was trained since is not overwritten."""
    words = ("--set", f"initial.path={source}")
    whole, cut = {"train__steps": 4, **SMALL}, {"train__steps": 4, "train__stop_at": 2, **SMALL}
    train(base / "whole", *words, **whole)
    train(base / "cut", *words, **cut)
    train(base / "cut", "--resume", *words, **whole)
    require(checkpoint(base / "whole", 4) == checkpoint(base / "cut", 4), "the resumed run differs")


def published(base, source):
    """A Hugging Face folder: its positions are a table, which is resized for another grid."""
    hub = base / "hub"
    run("convert", source, hub, "--to", "huggingface")
    train(base / "own-hub", "--set", f"initial.path={hub}", **STILL)
    require(encoder(weights(base / "own-hub", 1, "student")) == encoder(weights(source, 4, "teacher")), "the folder's weights")
    config = json.loads((hub / "config.json").read_text())
    config.pop("cairn")  # as a stranger's folder, which knows no options
    (hub / "config.json").write_text(json.dumps(config))
    words = ("--set", f"initial.path={hub}", "--set", "encoder.positions=learned")
    train(base / "from-hub", *words, **STILL)
    require_in("predictor starts fresh", (base / "from-hub/log.txt").read_text())
    train(base / "larger", *words, "--set", "modality.size=24", **STILL)
    require_in("positions resized from", (base / "larger/log.txt").read_text())


def other_widths(base):
    """Predictors that give pixels, or see what a projector gives: their widths are not the encoder's."""
    for method in ("generative/mae", "contrastive/byol"):
        name, few = method.split("/")[1], {"train__steps": 1, "train__batch_size": 8, "optim__lr": 0, **SMALL}
        words = {"experiment": SOURCE / f"configs/{method}.toml", **few}
        train(base / name, **words)
        run("convert", base / name, base / f"{name}-own", "--to", "cairn")
        for source in (base / name, base / f"{name}-own"):
            folder = base / f"{source.name}-next"
            train(folder, "--set", f"initial.path={source}", "--set", "initial.copy=student", "--set", "seed=5", **words)
            found, expected = weights(folder, 1, "student"), weights(base / name, 1, "student")
            statistics = ("running_mean", "running_var", "num_batches_tracked")  # which a step moves
            taken = [key for key in expected if key.startswith("predictor.") and not key.endswith(statistics)]
            require(taken and all(found[key] == expected[key] for key in taken), f"{source}: the predictor is taken")


def original(base):
    folder = SHARED / "golden/original/ijepa"
    if not folder.is_dir():
        return print(f"left out: there is no {folder}")
    words = [word for key, value in {
        "modality.size": 64, "modality.patch": 16, "encoder.width": 96, "encoder.depth": 2, "encoder.heads": 3,
        "predictor.width": 48, "predictor.depth": 2, "predictor.heads": 3, "initial.path": folder}.items()
             for word in ("--set", f"{key}={value}")]
    require_in("teacher from teacher of", run("check", TINY, *words))
    train(base / "original", *words, **STILL)


def refused(source):
    words = ("--set", f"initial.path={source}")
    text = run("check", TINY, *words, encoder__width=48, code=2)
    require_in("of another shape: blocks.0.", text)
    require_in("initial.path", text)
    require_in("of another shape", run("check", TINY, *words, "--set", "initial.partial=true", encoder__width=48))
    text = run("check", TINY, *words, encoder__position_order="yx", code=2)
    require_in("computes something else", text)
    require_in('encoder.position_order is "yx", the source has "xy"', text)
    require_in("no such source", run("check", TINY, initial__path="nowhere", code=2))
    require_in('must be one of "both", "student", "teacher"', run("check", TINY, *words, initial__copy="neither", code=2))


def main():
    with folders() as name:
        base = pathlib.Path(name)
        source = base / "source"
        train(source, train__steps=4, **SMALL)
        from_run(base, source)
        resumed(base, source)
        published(base, source)
        other_widths(base)
        original(base)
        refused(source)


main()
