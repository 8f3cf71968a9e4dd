"""What Cairn trained gives the same features in Python's transformers, from the folder that cairn convert wrote.

Runs its second half in the Python that CAIRN_TRANSFORMERS_PYTHON names, which has torch and transformers; `./dev test
--long` makes one. Skipped, with the reason, without it."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
PAIRS = {"ViTMAEForPreTraining": "mae.toml", "VJEPA2Model": "vjepa2.toml", "VideoMAEForPreTraining": "videomae.toml"}
CLIPS = {"VJEPA2Model": ("pixel_values_videos", (2, 4, 3, 16, 16)), "VideoMAEForPreTraining": ("pixel_values", (2, 4, 3, 16, 16))}
CLASSES = {"IJepaModel": {}, "ViTModel": {"encoder__class_token": "true", "encoder__pool": "cls"},
           "Dinov2Model": {"encoder__class_token": "true", "encoder__pool": "cls", "encoder__layer_scale": 0.5},
           "Dinov2WithRegistersModel": {"encoder__class_token": "true", "encoder__pool": "cls", "encoder__layer_scale": 0.5,
                                        "encoder__register_tokens": 3}}


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


def outputs(name, model, tensors):
    """What the class with a predictor gives for a golden case: its inputs, its outputs, and the encoder's features of whole views."""
    import torch
    views = next(iter(tensors.values()))
    batch = views.shape[0]
    if name == "VJEPA2Model":
        tokens = model(**tensors, skip_predictor=True).last_hidden_state
        count = tokens.shape[1]
        order = torch.stack([torch.randperm(count) for _ in range(batch)])
        seen, asked = order[:, :count // 2].sort(1)[0], order[:, count // 2:].sort(1)[0]
        found = model(**tensors, context_mask=[seen], target_mask=[asked])
        return ({**tensors, "context_mask": seen, "target_mask": asked},
                {"last_hidden_state": tokens, "predictor_last_hidden_state": found.predictor_output.last_hidden_state}, tokens)
    if name == "VideoMAEForPreTraining":
        count = model.config.num_frames // model.config.tubelet_size * (model.config.image_size // model.config.patch_size)**2
        masked = (torch.arange(count) % 4 != 1).expand(batch, -1)
        found = model(**tensors, bool_masked_pos=masked)
        return ({**tensors, "bool_masked_pos": masked.to(torch.uint8)}, {"logits": found.logits, "loss": found.loss.reshape(1)},
                model.videomae(**tensors).last_hidden_state)
    noise = torch.rand(batch, model.vit.embeddings.position_embeddings.shape[1] - 1)
    found = model(**tensors, noise=noise)
    ratio, model.vit.embeddings.config.mask_ratio = model.config.mask_ratio, 0.0
    in_order = torch.arange(noise.shape[1]).expand(batch, -1).float()
    tokens = model.vit(**tensors, noise=in_order).last_hidden_state
    model.vit.embeddings.config.mask_ratio = ratio
    return ({**tensors, "noise": noise}, {"logits": found.logits, "mask": found.mask, "loss": found.loss.reshape(1)}, tokens)


def with_predictor(name, folder, tensors, features):
    """Encoder against cairn extract; encoder and predictor as a golden case in the folder, for cairn verify."""
    import torch
    import transformers
    from safetensors.torch import load_file, save_file
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info.get(kind), f"{kind}: {info[kind]}"
    torch.manual_seed(0)
    with torch.no_grad():
        inputs, expected, tokens = outputs(name, model.eval(), load_file(tensors))
    difference = (load_file(features)["last_hidden_state"] - tokens).abs().max().item()
    print(f"{name}: {tuple(tokens.shape)}, largest difference {difference:.2e}")
    assert difference <= 1e-5, f"{name}: features differ by {difference}"
    case = {f"input.{key}": value for key, value in inputs.items()} | {f"expect.{key}": value for key, value in expected.items()}
    save_file({key: value.contiguous() for key, value in case.items()}, pathlib.Path(folder) / "case.safetensors")


def compare(python, function, model, *paths):
    done = subprocess.run([python, "-B", __file__, function, model, *map(str, paths)])
    if done.returncode:
        sys.exit(f"{model}: see above")


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
            compare(python, "in_python", model, folder, tensors, features)
        for model, experiment in PAIRS.items():
            folder, features = base / model, base / f"{model}.safetensors"
            key, shape = ("pixel_values", (2, 3, 16, 16)) if model.startswith("ViT") else CLIPS[model]
            write(tensors, {key: noise(*shape)})
            train(base / f"run-{model}", experiment=HERE / experiment, train__steps=20, train__threads=1, evaluate__every=0,
                  evaluate__baselines="false")
            run("convert", base / f"run-{model}", folder, "--to", "huggingface")
            run("extract", base / f"run-{model}", "--input", tensors, "--out", features)
            compare(python, "with_predictor", model, folder, tensors, features)
            print(run("verify", folder))


if len(sys.argv) > 1:
    {"in_python": in_python, "with_predictor": with_predictor}[sys.argv[1]](*sys.argv[2:])
else:
    main()
