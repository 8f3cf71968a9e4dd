"""What Cairn trained gives the same features in Python's transformers, from the folder that cairn convert wrote, and the
same bits when transformers has saved it and Cairn reads it again.

Runs its second half in the Python of peer.py; skipped, with the reason, without it."""
import pathlib
import sys

from peer import exchanged, in_peer, require_peer
from program import SOURCE, folders, require, run
from tensors import raw

EXPERIMENTS = SOURCE / "tests/exchange"
PICTURES = ("pixel_values", (2, 3, 16, 16))
CLIPS = (2, 4, 3, 16, 16)
PAIRS = {"ViTMAEForPreTraining": ("mae.toml", *PICTURES), "VJEPA2Model": ("vjepa2.toml", "pixel_values_videos", CLIPS),
         "VideoMAEForPreTraining": ("videomae.toml", "pixel_values", CLIPS)}
VIT = {"encoder__class_token": "true", "encoder__pool": "cls"}
CLASSES = {"IJepaModel": {}, "ViTModel": {**VIT, "encoder__activation": "quick_gelu"}, "Dinov2Model": {**VIT, "encoder__layer_scale": 0.5},
           "Dinov2WithRegistersModel": {**VIT, "encoder__layer_scale": 0.5, "encoder__register_tokens": 3}}


def loaded(name, folder):
    """The model as transformers loads it, saved again beside; fails where a tensor is missing, left over or of another shape."""
    import torch
    import transformers
    from safetensors.torch import load_file
    extra = {"add_pooling_layer": False} if name == "ViTModel" else {}
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True, **extra)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info.get(kind), f"{kind}: {info[kind]}"
    model.save_pretrained(f"{folder}.saved")
    pickled = pathlib.Path(f"{folder}.pickled")
    pickled.mkdir()
    torch.save(load_file(f"{folder}.saved/model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "config.json").write_bytes(pathlib.Path(folder, "config.json").read_bytes())
    return model.eval()


def require_same(name, got, wanted):
    """Two tensors of features, to 1e-5."""
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    difference = (got - wanted).abs().max().item()
    print(f"{name}: {tuple(got.shape)}, largest difference {difference:.2e}")
    assert difference <= 1e-5, f"{name}: features differ by {difference}"


def encoder_alone(name, folder, inputs, features):
    """The encoder against cairn extract; runs with torch and transformers at hand."""
    import torch
    import transformers
    from safetensors.torch import load_file
    with torch.no_grad():
        wanted = loaded(name, folder)(**load_file(inputs)).last_hidden_state
    require_same(name, load_file(features)["last_hidden_state"], wanted)
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


def with_predictor(name, folder, inputs, features):
    """Encoder against cairn extract; encoder and predictor as a golden case in the folder, for cairn verify."""
    import torch
    from safetensors.torch import load_file, save_file
    torch.manual_seed(0)
    with torch.no_grad():
        given, expected, tokens = outputs(name, loaded(name, folder), load_file(inputs))
    require_same(name, load_file(features)["last_hidden_state"], tokens)
    case = {f"input.{key}": value for key, value in given.items()} | {f"expect.{key}": value for key, value in expected.items()}
    save_file({key: value.contiguous() for key, value in case.items()}, pathlib.Path(folder) / "case.safetensors")


def require_bits(base, name):
    """The folder that transformers saved holds the weights of the run, in Cairn's own form, and so does its pickle."""
    mine, theirs, pickled = (base / f"{name}.{whose}" for whose in ("mine", "theirs", "unpickled"))
    run("convert", base / f"run-{name}", mine, "--to", "cairn")
    run("convert", base / f"{name}.saved", theirs, "--to", "cairn")
    trained, back = raw(mine / "model.safetensors"), raw(theirs / "model.safetensors")
    run("convert", base / f"{name}.pickled", pickled, "--to", "cairn")
    require(raw(pickled / "model.safetensors") == back, f"{name}: the pickle gave other bits")
    require(back and all(trained.get(key) == tensor for key, tensor in back.items()), f"{name}: other bits came back")
    lost = {key for key in trained if key not in back and key.startswith("encoder.")}
    require(not lost, f"{name}: these did not come back: {lost}")


def main():
    require_peer()
    with folders() as name:
        base = pathlib.Path(name)
        for kind, settings in CLASSES.items():
            print(in_peer(__file__, "encoder_alone", kind, *exchanged(base, kind, *PICTURES, **settings)))
            require_bits(base, kind)
        for kind, (experiment, *inputs) in PAIRS.items():
            paths = exchanged(base, kind, *inputs, experiment=EXPERIMENTS / experiment)
            print(in_peer(__file__, "with_predictor", kind, *paths))
            print(run("verify", paths[0]))
            require_bits(base, kind)


if len(sys.argv) > 1:
    {"encoder_alone": encoder_alone, "with_predictor": with_predictor}[sys.argv[1]](*sys.argv[2:])
else:
    main()
