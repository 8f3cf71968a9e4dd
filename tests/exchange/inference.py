"""The program of examples/01-features gives the features that cairn extract writes."""
import os
import pathlib
import subprocess

from pictures import bmp
from program import folders, require, require_in, run, train
from tensors import noise, values, write


def example(*words, code=0):
    done = subprocess.run([os.environ["CAIRN_EXAMPLE"], *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    require(done.returncode == code, f"exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def main():
    with folders() as name:
        base = pathlib.Path(name)
        train(base / "run", train__steps=2, train__threads=1, evaluate__every=0, evaluate__baselines="false")
        run("convert", base / "run", base / "own", "--to", "cairn")
        write(base / "x.safetensors", {"pixel_values": noise(2, 3, 16, 16)})
        run("extract", base / "own", "--input", base / "x.safetensors", "--out", base / "f.safetensors")
        text = example(base / "own", base / "x.safetensors")
        require_in("tokens [2, 16, 32], pooled [2, 32]", text)
        total = float(text.split("sum ")[1])
        require(abs(total - sum(values(base / "f.safetensors", "pooled")[1])) < 1e-3, f"the sum is {total}")
        (base / "pictures").mkdir()
        bmp(base / "pictures/red.bmp", 200)
        run("convert", base / "run", base / "hub", "--to", "huggingface")
        text = example(base / "hub", base / "pictures/red.bmp")
        require_in("tokens [1, 16, 32], pooled [1, 32]", text)
        run("extract", base / "hub", "--data", base / "pictures", "--out", base / "g.safetensors")
        total = float(text.split("sum ")[1])
        require(abs(total - sum(values(base / "g.safetensors", "pooled")[1])) < 1e-3, f"the sum is {total}")
        (base / "pictures.txt").write_text("pictures/red.bmp\n")
        run("extract", base / "hub", "--data", base / "pictures.txt", "--out", base / "l.safetensors")
        require(values(base / "l.safetensors", "pooled") == values(base / "g.safetensors", "pooled"), "the list differs")
        require_in("no such source", example(base / "nothing", base / "x.safetensors", code=1))
        require_in("cannot read", example(base / "own", base / "missing.safetensors", code=1))


main()
