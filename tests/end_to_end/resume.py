"""2N steps equal N steps, a stop, and N more, bit for bit: for 1, 2 and 4 workers, and after kill -9 at any moment."""
import json
import pathlib
import random
import subprocess
import time

from program import TINY, checkpoint, command, folders, require, require_in, train

STEPS = 24


def metrics(folder):
    return [json.loads(line) for line in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()]


def losses(folder):
    return [(line["step"], line["loss"]) for line in metrics(folder) if "loss" in line]


def stop_and_go_on(base, unbroken):
    for workers in (1, 2, 4):
        folder = base / f"workers-{workers}"
        train(folder, train__stop_at=11, train__workers=workers)
        text = train(folder, "--resume", train__workers=workers)
        require_in("going on at step 11", text)
        require(checkpoint(folder, STEPS) == checkpoint(unbroken, STEPS), f"{workers} workers: weights differ")
        require(losses(folder)[-2:] == losses(unbroken)[-2:], f"{workers} workers: losses differ")


def kill_anywhere(base, unbroken):
    chance = random.Random(7)
    folder = base / "killed"
    words = command("train", TINY, "--run", folder, "--resume", "--device", "cpu", checkpoint__every=2)
    start = time.monotonic()
    subprocess.run(command("train", TINY, "--run", base / "timed", "--device", "cpu", checkpoint__every=2), check=True,
                   capture_output=True)
    whole = time.monotonic() - start
    kills = 0
    for _ in range(200):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(timeout=chance.uniform(0.3, 1.0) * whole if kills < 12 else 300)
            require(code == 0, f"a resumed run ended with {code}")
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    require(kills > 0, "the run was never killed")
    require(checkpoint(folder, STEPS) == checkpoint(unbroken, STEPS), f"weights differ after {kills} kills")
    steps = [step for step, _ in losses(folder)]
    require(steps == sorted(set(steps)), f"metrics.jsonl repeats or misses steps: {steps}")


def depends_on_seed(base, unbroken):
    folder = base / "other-seed"
    train(folder, seed=1)
    require(checkpoint(folder, STEPS) != checkpoint(unbroken, STEPS), "another seed gives the same weights")


with folders() as name:
    base = pathlib.Path(name)
    unbroken = base / "unbroken"
    train(unbroken)
    stop_and_go_on(base, unbroken)
    kill_anywhere(base, unbroken)
    depends_on_seed(base, unbroken)
print("resume: bit-equal for 1, 2 and 4 workers and after kill -9")
