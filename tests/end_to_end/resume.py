"""2N steps equal N steps, a stop, and N more, bit for bit: for 1, 2 and 4 workers, and after kill -9 at any moment."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import time

from program import TINY, checkpoint, command, folders, losses, require, require_in, train

STEPS = 24


def step_losses(folder):
    return [(record["step"], record["loss"]) for record in losses(folder)]


def figures(folder):
    """All that metrics.jsonl tells of the steps, but for what the clock tells."""
    clock = ("seconds", "samples_per_second", "loader_wait_share")
    return [{key: value for key, value in record.items() if key not in clock} for record in losses(folder)]


def stop_and_go_on(base, unbroken):
    for workers in (1, 2, 4):
        folder = base / f"workers-{workers}"
        train(folder, train__stop_at=11, train__workers=workers)
        text = train(folder, "--resume", train__workers=workers)
        require_in("going on at step 11", text)
        require(checkpoint(folder, STEPS) == checkpoint(unbroken, STEPS), f"{workers} workers: weights differ")
        require(figures(folder)[-4:] == figures(unbroken)[-4:], f"{workers} workers: figures differ")


def steps_done(folder):
    """The last step that metrics.jsonl tells of, also while it is being written."""
    path = pathlib.Path(folder) / "metrics.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return max((json.loads(line)["step"] for line in lines), default=0)


def killed(words, folder, step, delay):
    """Whether kill -9 came `delay` seconds after `step` steps were done, before the run ended by itself."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and steps_done(folder) < step:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    return process.wait() < 0


def networks(folder):
    """The last checkpoint without what log.every decides."""
    return {name: data for name, data in checkpoint(folder, STEPS).items() if name != "watched.safetensors"}


def kill_anywhere(base, unbroken):
    chance = random.Random(7)
    folder = base / "killed"
    words = command("train", TINY, "--run", folder, "--resume", "--device", "cpu", checkpoint__every=2, log__every=1)
    kills = sum(killed(words, folder, 0, delay) for delay in (0.0, 0.05, 0.1))
    require(kills == 3, "a run ended before it could begin")
    kills += sum(killed(words, folder, step, chance.uniform(0, 0.05)) for step in (1, 2, 4, 7, 9, 12, 14, 16, 18, 20))
    text = train(folder, "--resume", checkpoint__every=2, log__every=1)
    require_in("trained teacher", text)
    require(networks(folder) == networks(unbroken), f"weights differ after {kills} kills")
    steps = [step for step, _ in step_losses(folder)]
    require(steps == list(range(1, STEPS + 1)), f"metrics.jsonl repeats or misses steps: {steps}")
    print(f"killed {kills} times")


def bfloat16_moments(base, unbroken):
    """They are rounded at random, by the number of the update: a resumed run rounds as an unbroken one."""
    train(base / "moments", optim__moments="bfloat16")
    whole = checkpoint(base / "moments", STEPS)
    optimizer, in_float32 = (len(files["optimizer.safetensors"]) for files in (whole, checkpoint(unbroken, STEPS)))
    require(optimizer < 0.6 * in_float32, f"moments of bfloat16 take {optimizer} bytes, of float32 {in_float32}")
    require(abs(step_losses(base / "moments")[-1][1] - step_losses(unbroken)[-1][1]) < 0.02, "bfloat16 moments: another loss")
    folder = base / "moments-resumed"
    train(folder, train__stop_at=11, optim__moments="bfloat16")
    train(folder, "--resume", optim__moments="bfloat16")
    require(checkpoint(folder, STEPS) == whole, "bfloat16 moments: weights differ")
    train(folder, "--resume", train__steps=STEPS + 2, checkpoint__keep=9)
    require(len(checkpoint(folder, STEPS + 2)["optimizer.safetensors"]) == in_float32, "moments are not converted")


def depends_on_seed(base, unbroken):
    folder = base / "other-seed"
    train(folder, seed=1)
    require(checkpoint(folder, STEPS) != checkpoint(unbroken, STEPS), "another seed gives the same weights")


def what_changed(base, unbroken):
    """Options of a network are the run's; others may change, and the log tells."""
    folder = base / "changed"
    train(folder, train__stop_at=11)
    config = (folder / "config.toml").read_text()
    for key, value in (("encoder.heads", 1), ("encoder.activation", "relu"), ("predictor.heads", 1)):
        text = train(folder, "--resume", "--set", f"{key}={value}", code=2)
        require_in(key, text)
        require_in("the run's network has", text)
        require((folder / "config.toml").read_text() == config, "a refused resume changed config.toml")
    text = train(folder, "--resume", optim__lr="2e-3")
    require_in("optim.lr was 0.001, is 0.002 from here on", text)
    require_in("train.stop_at was 11, is 0 from here on", text)
    require("modality" not in "".join(line for line in text.split("\n") if "from here on" in line), text)


def another_optimizer(base):
    """What one optimizer notes is of no use to another, also where it has the same shape."""
    folder = base / "sgd"
    train(folder, train__stop_at=2, optim__type="sgd")
    for other in ("lars", "adamw"):
        require_in(f'the run\'s optimizer is "sgd", not "{other}"', train(folder, "--resume", optim__type=other, code=2))


def damaged(base, unbroken):
    folder = base / "damaged"
    train(folder, checkpoint__keep=2)
    newest = folder / f"checkpoints/step-{STEPS:08d}"
    data = (newest / "student.safetensors").read_bytes()
    (newest / "student.safetensors").write_bytes(data[:-9])
    require_in("remove the checkpoint's folder to go on from the one before it", train(folder, "--resume", code=1))
    (newest / "student.safetensors").write_bytes(data)
    for state in ('{"step": "last"}', '[1]', '{"step": 27, "best": 3}', '{"st'):
        (newest / "state.json").write_text(state)
        text = train(folder, "--resume", code=1)
        require_in("not a checkpoint's state, or damaged", text)
        require_in("remove the checkpoint's folder", text)
    shutil.rmtree(newest)
    require_in("going on at step 18", train(folder, "--resume"))
    require(checkpoint(folder, STEPS) == checkpoint(unbroken, STEPS), "weights differ from the checkpoint before on")


def closed_terminal(base):
    """SIGHUP stops with a checkpoint, unless it was ignored before, as below nohup."""
    for ignored in (False, True):
        folder = base / f"hangup-{ignored}"
        words = command("train", TINY, "--run", folder, "--device", "cpu", log__every=1, train__steps=2000 if not ignored else 200)
        before = (lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if ignored else None
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=before)
        while process.poll() is None and steps_done(folder) < 3:
            time.sleep(0.002)
        process.send_signal(signal.SIGHUP)
        require(process.wait(timeout=120) == (0 if ignored else 130), f"SIGHUP, ignored {ignored}: {process.returncode}")
        status = json.loads((folder / "run.json").read_text())["status"]
        require(status == ("done" if ignored else "interrupted"), f"SIGHUP, ignored {ignored}: {status}")


with folders() as name:
    base = pathlib.Path(name)
    unbroken = base / "unbroken"
    train(unbroken)
    stop_and_go_on(base, unbroken)
    kill_anywhere(base, unbroken)
    bfloat16_moments(base, unbroken)
    depends_on_seed(base, unbroken)
    what_changed(base, unbroken)
    another_optimizer(base)
    damaged(base, unbroken)
    closed_terminal(base)
print("resume: bit-equal for 1, 2 and 4 workers, after kill -9 and with bfloat16 moments")
