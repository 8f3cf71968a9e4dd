"""The Python that checks what Cairn wrote, for the tests of this folder that compare with other programs.

CAIRN_TRANSFORMERS_PYTHON names it; it has torch, transformers, onnx and onnxruntime, and `./dev test --long` makes one."""
import os
import pathlib
import subprocess
import sys

from program import require, run, train
from tensors import noise, write

SKIPPED = 77
SMALL = {"train__steps": 20, "train__threads": 1, "evaluate__every": 0, "evaluate__baselines": "false",
         "evaluate__final_train_samples": 20, "evaluate__final_test_samples": 20}


def require_peer():
    """Ends the test as skipped, with the reason, where there is no such Python."""
    if not pathlib.Path(os.environ.get("CAIRN_TRANSFORMERS_PYTHON") or "/nowhere").exists():
        print("skipped: CAIRN_TRANSFORMERS_PYTHON names no Python with torch, transformers, onnx and onnxruntime")
        sys.exit(SKIPPED)


def in_peer(*words, code=0):
    """What a program in that Python says; fails unless it ends with `code`."""
    done = subprocess.run([os.environ["CAIRN_TRANSFORMERS_PYTHON"], "-B", *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    require(done.returncode == code, f"exit code {done.returncode}, expected {code}: {words}\n{done.stdout}")
    return done.stdout


def exchanged(base, name, key, shape, **settings):
    """Trains 20 steps and converts: the Hugging Face folder, an input of it, and the features that Cairn takes of that."""
    folder, inputs, features = base / name, base / f"{name}.in.safetensors", base / f"{name}.out.safetensors"
    write(inputs, {key: noise(*shape)})
    train(base / f"run-{name}", **SMALL, **settings)
    run("convert", base / f"run-{name}", folder, "--to", "huggingface")
    run("extract", base / f"run-{name}", "--input", inputs, "--out", features)
    return folder, inputs, features
