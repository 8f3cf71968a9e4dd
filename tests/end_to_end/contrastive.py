"""Every small contrastive configuration, of pictures, films and sounds, takes 20 steps with a finite, falling loss; what
must not move does not."""
import math
import pathlib

from program import SOURCE, checkpoint, floats, folders, losses, require, require_in, run, tensors, train

FEW = dict(train__steps=20, train__batch_size=32, train__workers=1, train__threads=1, log__every=1, checkpoint__every=100,
           encoder__width=32, encoder__depth=1, encoder__heads=2, modality__train_samples=200, modality__test_samples=20,
           evaluate__every=0, evaluate__final_train_samples=40, evaluate__final_test_samples=20,
           evaluate__baselines="false", log__tensorboard="false", schedule__warmup_share=0.0)
SMALL_HEAD = dict(projector__hidden=128, projector__prototypes=128)
CONFIGS = SOURCE / "configs/contrastive"


def small():
    """Those whose data are drawn: ten methods on three kinds of them."""
    found = sorted(path for path in CONFIGS.glob("*.toml") if not path.stem.endswith("-cifar10"))
    require(len(found) == 30, f"{len(found)} configurations")
    return found


def mean(values):
    return sum(values) / len(values)


def student(folder, step):
    return tensors(checkpoint(folder, step)["student.safetensors"])


def falling(base):
    for path in small():
        folder = base / path.stem
        head = SMALL_HEAD if path.stem.startswith(("dino", "ibot")) else {}
        train(folder, experiment=path, **FEW, **head)
        values = [record["loss"] for record in losses(folder)]
        require(len(values) == 20 and all(map(math.isfinite, values)), f"{path.name}: {values}")
        require(mean(values[-5:]) < mean(values[:5]), f"{path.name} does not learn: {values}")
        print(f"  {path.stem}: {mean(values[:5]):.3f} to {mean(values[-5:]):.3f}")


def frozen_parts(base):
    """MoCo v3's patch embedding never moves, DINO's prototypes only after their steps; everything else does."""
    for name, part, frozen_to in (("moco_v3", "encoder.patch_embed.weight", 20), ("dino", "projector.prototypes", 2)):
        folder = base / f"frozen-{name}"
        settings = {**FEW, "train__steps": 4, "train__stop_at": 2, "checkpoint__keep": 5}
        rule = {} if name == "moco_v3" else {"optim__rule": '[{match = ["projector.prototypes"], freeze_steps = 2}]'}
        train(folder, experiment=CONFIGS / f"{name}.toml", **settings, **rule)
        first = student(folder, 2)
        train(folder, "--resume", experiment=CONFIGS / f"{name}.toml", **{**settings, "train__stop_at": 0}, **rule)
        last = student(folder, 4)
        require((first[part] == last[part]) == (frozen_to > 4), f"{name}: {part} is frozen wrongly")
        require(first["encoder.norm.weight"] != last["encoder.norm.weight"], f"{name}: the encoder does not move")


def resumes(base):
    """Queues, centres, an undrawn buffer, the teacher's own running means and SGD's moment survive a stop."""
    for name, more in (("swav", {}), ("byol", {"optim__type": "lars"}), ("lejepa", {}), ("dino", {"train__accumulate": 2})):
        settings = {**FEW, "train__steps": 6, **more}
        whole, parted = base / f"{name}-whole", base / f"{name}-parted"
        train(whole, experiment=CONFIGS / f"{name}.toml", **settings)
        train(parted, experiment=CONFIGS / f"{name}.toml", train__stop_at=3, **settings)
        train(parted, "--resume", experiment=CONFIGS / f"{name}.toml", **settings)
        require(checkpoint(whole, 6) == checkpoint(parted, 6), f"{name}: a resumed run differs")


def teacher_follows(base):
    """The teacher, its projector too, is the average of the students and nothing else: no gradient reaches it."""
    train(base / "follows", experiment=CONFIGS / "byol.toml",
          **{**FEW, "train__steps": 2, "checkpoint__every": 1, "checkpoint__keep": 5, "ema__momentum": "[0.75, 0.75]"})
    before, after = (checkpoint(base / "follows", step) for step in (1, 2))
    old, new, now = (tensors(saved[f"{branch}.safetensors"])
                     for saved, branch in ((before, "teacher"), (after, "teacher"), (after, "student")))
    require(not any(name.startswith("predictor.") for name in new), "the teacher has a predictor")
    for name in ("encoder.norm.weight", "projector.head.linear0.weight", "projector.head.linear1.weight"):
        wanted = [0.75 * a + 0.25 * b for a, b in zip(floats(old[name]), floats(now[name]))]
        error = max(abs(a - b) for a, b in zip(floats(new[name]), wanted))
        require(error < 1e-6 and old[name] != new[name], f"{name} of the teacher is off by {error}")


def running_means(base):
    """buffers = "own": the teacher's batch norms count batches themselves."""
    train(base / "own", experiment=CONFIGS / "byol.toml", **{**FEW, "train__steps": 3})
    own = checkpoint(base / "own", 3)
    name = "projector.head.norm0.running_mean"
    require(tensors(own["teacher.safetensors"])[name] != tensors(own["student.safetensors"])[name], "no means of its own")
    train(base / "copied", experiment=CONFIGS / "byol.toml", ema__buffers="copy", **{**FEW, "train__steps": 3})
    copied = checkpoint(base / "copied", 3)
    require(tensors(copied["teacher.safetensors"])[name] == tensors(copied["student.safetensors"])[name], "no copy")


def run_folder_config(base):
    """config.toml of a run with [[modality.view]] and [[optim.rule]] stands alone."""
    settings = {**FEW, "train__steps": 2}
    train(base / "one", experiment=CONFIGS / "dino.toml", **settings)
    train(base / "two", experiment=base / "one/config.toml")
    require(checkpoint(base / "one", 2) == checkpoint(base / "two", 2), "config.toml of the run gives another run")


def collapse(base):
    """SimSiam's features stay apart; where gradients reach its targets too, they fall into one."""
    spread = {}
    for source in ("student_detached", "student"):
        settings = {**FEW, "train__steps": 40, "optim__lr": 5e-3, "projector__last_norm": "none"}
        train(base / source, experiment=CONFIGS / "simsiam.toml", objective__source=source, **settings)
        spread[source] = losses(base / source)[-1]["spread"]
    print("  spread:", spread)
    require(spread["student_detached"] > 0.6 and spread["student"] < 0.3, f"the stop-gradient does not tell: {spread}")


def wrong_use(base):
    def check(config, wanted, **settings):
        require_in(wanted, run("check", CONFIGS / config, code=2, **settings))

    check("simclr.toml", "'decoder.*' is no parameter's name", optim__rule='[{match = ["decoder.*"]}]')
    check("simclr.toml", "divisor of train.batch_size", train__accumulate=3)
    check("simclr.toml", "compares 2 views", modality__view="[]")
    check("byol.toml", "recipe", modality__recipe="byol")


with folders() as name:
    for each in (falling, frozen_parts, resumes, teacher_follows, running_means, run_folder_config, collapse, wrong_use):
        each(pathlib.Path(name))
        print("passed:", each.__name__.replace("_", " "), flush=True)
