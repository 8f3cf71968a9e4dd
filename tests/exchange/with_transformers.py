"""What Cairn trained gives the same features in Python's transformers, from the folder that cairn convert wrote.

Runs its second half in the Python that CAIRN_TRANSFORMERS_PYTHON names, which has torch and transformers; `./dev test
--long` makes one. Skipped, with the reason, without it."""
import os
import pathlib
import subprocess
import sys

SKIPPED = 77
CLASSES = {"IJepaModel": {}, "ViTModel": {"encoder__class_token": "true", "encoder__pool": "cls"},
           "Dinov2Model": {"encoder__class_token": "true", "encoder__pool": "cls", "encoder__layer_scale": 0.5}}


def in_python(name, folder, tensors, features):
    """Loads the folder as transformers does and compares; runs with torch and transformers at hand."""
    import torch
    import transformers
    from safetensors.torch import load_file
    own = getattr(transformers, name)
    extra = {"add_pooling_layer": False} if name == "ViTModel" else {}
    model, info = own.from_pretrained(folder, output_loading_info=True, **extra)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info.get(kind), f"{kind}: {info[kind]}"
    with torch.no_grad():
        wanted = model.eval()(**load_file(tensors)).last_hidden_state
    got = load_file(features)["last_hidden_state"]
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    difference = (got - wanted).abs().max().item()
    print(f"{name}: {tuple(got.shape)}, largest difference {difference:.2e}")
    assert difference <= 1e-5, f"{name}: features differ by {difference}"
    assert type(transformers.AutoModel.from_pretrained(folder)).__name__ == name


def main():
    python = os.environ.get("CAIRN_TRANSFORMERS_PYTHON", "")
    if not python or not pathlib.Path(python).exists():
        print("skipped: CAIRN_TRANSFORMERS_PYTHON names no Python with torch and transformers")
        sys.exit(SKIPPED)
    from program import folders, run, train
    from tensors import noise, write
    with folders() as name:
        base = pathlib.Path(name)
        tensors = base / "input.safetensors"
        write(tensors, {"pixel_values": noise(2, 3, 16, 16)})
        for model, settings in CLASSES.items():
            folder, features = base / model, base / f"{model}.safetensors"
            train(base / f"run-{model}", train__steps=20, train__threads=1, evaluate__every=0, evaluate__baselines="false",
                  **settings)
            run("convert", base / f"run-{model}", folder, "--to", "huggingface")
            run("extract", base / f"run-{model}", "--input", tensors, "--out", features)
            done = subprocess.run([python, "-B", __file__, model, folder, tensors, features])
            if done.returncode:
                sys.exit(f"{model}: see above")


if len(sys.argv) > 1:
    in_python(*sys.argv[1:])
else:
    main()
