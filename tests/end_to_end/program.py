"""Runs the real program in a folder of its own; what every end-to-end test shares."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

CAIRN = pathlib.Path(os.environ["CAIRN_PROGRAM"])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TINY = SOURCE / "tests/end_to_end/tiny.toml"
SHARED = pathlib.Path(os.environ.get("CAIRN_SHARED", SOURCE.parent / "shared"))


def command(*words, **settings):
    """cairn and its words; settings become --set, with _ _ for a dot."""
    sets = [word for key, value in settings.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]
    return [str(CAIRN), *map(str, words), *sets]


def run(*words, code=0, before=None, **settings):
    """Runs to the end and returns all it printed; fails unless it ends with `code`."""
    done = subprocess.run(command(*words, **settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          preexec_fn=before, timeout=300)
    if done.returncode != code:
        sys.exit(f"exit code {done.returncode}, expected {code}: {' '.join(map(str, done.args))}\n{done.stdout}")
    return done.stdout


def train(folder, *words, code=0, experiment=TINY, before=None, **settings):
    return run("train", experiment, "--run", folder, "--device", "cpu", *words, code=code, before=before, **settings)


def require(condition, text):
    if not condition:
        sys.exit(f"failed: {text}")


def require_in(wanted, text):
    require(wanted in text, f"expected {wanted!r} in:\n{text}")


def losses(folder):
    """The records of metrics.jsonl that carry a loss."""
    lines = (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if "loss" in record]


def checkpoint(folder, step):
    """The tensor files of a checkpoint, as bytes."""
    path = pathlib.Path(folder) / f"checkpoints/step-{step:08d}"
    return {file.name: file.read_bytes() for file in sorted(path.glob("*.safetensors"))}


def tensors(data):
    """Name to bytes of each tensor of a safetensors file."""
    size = struct.unpack("<Q", data[:8])[0]
    entries = json.loads(data[8:8 + size])
    return {name: data[8 + size + value["data_offsets"][0]:8 + size + value["data_offsets"][1]]
            for name, value in entries.items() if name != "__metadata__"}


def floats(data):
    """The values of a float32 tensor."""
    return struct.unpack(f"<{len(data) // 4}f", data)


def folders():
    """A temporary folder that goes when the test ends."""
    return tempfile.TemporaryDirectory(prefix="cairn-e2e-")
