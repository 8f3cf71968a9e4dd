"""examples/02-onnx makes an ONNX file of a folder that cairn convert wrote; onnxruntime gives what cairn extract gives.

The second half runs in the Python that CAIRN_TRANSFORMERS_PYTHON names, with onnx and onnxruntime; `./dev test --long`
makes one. Skipped, with the reason, without it."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
EXPORT = HERE.parents[1] / "examples/02-onnx/export.py"
SKIPPED = 77
INPUTS = {"IJepaModel": ("pixel_values", (3, 3, 16, 16)), "VJEPA2Model": ("pixel_values_videos", (3, 4, 3, 16, 16))}
SMALL = {"train__steps": 20, "train__threads": 1, "evaluate__every": 0, "evaluate__baselines": "false",
         "evaluate__final_train_samples": 20, "evaluate__final_test_samples": 20}


def in_python(model, tensors, features):
    """The ONNX file against the features that cairn extract wrote."""
    import onnxruntime
    from safetensors.numpy import load_file
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    wanted = load_file(features)["last_hidden_state"]
    got, = session.run(None, load_file(tensors))
    difference = float(abs(got - wanted).max())
    print(f"{pathlib.Path(model).stem}: {got.shape}, ONNX against cairn extract: largest difference {difference:.2e}")
    assert got.shape == wanted.shape and difference <= 1e-5


def checked(python, *words, code=0):
    """What Python says to these words; fails unless it ends with `code`."""
    done = subprocess.run([python, "-B", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != code:
        sys.exit(f"exit code {done.returncode}, expected {code}: {words}\n{done.stdout}")
    return done.stdout


def main():
    python = os.environ.get("CAIRN_TRANSFORMERS_PYTHON", "")
    if not python or not pathlib.Path(python).exists():
        print("skipped: CAIRN_TRANSFORMERS_PYTHON names no Python with transformers, onnx and onnxruntime")
        sys.exit(SKIPPED)
    from program import TINY, folders, require_in, run, train
    from tensors import noise, write
    with folders() as name:
        base = pathlib.Path(name)
        for kind, experiment in (("IJepaModel", TINY), ("VJEPA2Model", HERE / "vjepa2.toml")):
            folder, tensors, features, model = (base / f"{kind}{end}" for end in ("", ".in", ".out.safetensors", ".onnx"))
            key, shape = INPUTS[kind]
            tensors = tensors.with_suffix(".safetensors")
            write(tensors, {key: noise(*shape)})
            train(base / f"run-{kind}", experiment=experiment, **SMALL)
            run("convert", base / f"run-{kind}", folder, "--to", "huggingface")
            run("extract", base / f"run-{kind}", "--input", tensors, "--out", features)
            said = checked(python, EXPORT, folder, model)
            require_in("largest difference", said)
            print(said, checked(python, __file__, model, tensors, features), sep="")
        require_in("usage", checked(python, EXPORT, base, code=1))


if len(sys.argv) > 1:
    in_python(*sys.argv[1:])
else:
    main()
