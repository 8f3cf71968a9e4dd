"""The golden cases that pass today, and that a case made wrong does not."""
import json
import pathlib
import shutil
import struct

from cases import GOLDEN, golden, verify
from program import folders, require, require_in, run

PASSING = ["checkpoints/*", "original/*", "objectives/*", "frontends/image_*", "frontends/audio_*"]


def passing():
    golden("original")
    found = [path for pattern in PASSING for path in sorted(GOLDEN.glob(pattern))]
    require(len(found) >= 12, f"only {len(found)} of the cases are there")
    results = json.loads(run("verify", "--json", *found))  # without the plugin that has some of the names too
    require(len(results) == len(found), "a case was left out")
    for result in results:
        require(result["ok"] and result["tensors"], f"{result['case']} does not hold")
        wanted = [name for name in header(pathlib.Path(result["case"])) if name.startswith("expect.")]
        require(len(result["tensors"]) == len(wanted), f"{result['case']} compares too few tensors")


def header(folder):
    data = (folder / "case.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return {name: value for name, value in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


def spoil(folder, name, factor):
    """Multiplies the last value of an expected tensor."""
    path = folder / "case.safetensors"
    data = bytearray(path.read_bytes())
    size = struct.unpack("<Q", data[:8])[0]
    end = 8 + size + header(folder)[name]["data_offsets"][1]
    struct.pack_into("<f", data, end - 4, struct.unpack_from("<f", data, end - 4)[0] * factor)
    path.write_bytes(data)


def spoiled(base):
    for name, tensor in (("objectives/latent_regression_l1", "expect.grad.prediction"),
                         ("checkpoints/ijepa", "expect.last_hidden_state"),
                         ("checkpoints/vjepa2", "expect.predictor_last_hidden_state"),
                         ("checkpoints/vit_mae", "expect.logits"), ("checkpoints/videomae", "expect.loss"),
                         ("checkpoints/vjepa2_classifier", "expect.logits"),
                         ("original/jepa", "expect.prediction.mask_token_0"), ("frontends/image_jpeg_420", "expect.view")):
        folder = shutil.copytree(golden(name), base / name)
        spoil(folder, tensor, 1.5 if "image" not in name else -40)
        text = verify(folder, code=1)
        require_in("FAIL  " + tensor.removeprefix("expect."), text)
        require_in("0 of 1 case holds", text)


def options_count(base):
    """The options of a case reach the component: another loss is another value."""
    folder = shutil.copytree(golden("objectives/latent_regression_l1"), base / "options")
    text = (folder / "case.toml").read_text()
    (folder / "case.toml").write_text(text.replace('loss = "l1"', 'loss = "l2"'))
    require_in("FAIL  loss", verify(folder, code=1))


def ported(base):
    """The loss that docs/porting.md ports."""
    for form in ("byol", "simsiam"):
        folder = shutil.copytree(golden(f"objectives/cosine_regression_{form}"), base / form)
        text = (folder / "case.toml").read_text()
        (folder / "case.toml").write_text(text.replace('"cosine_regression"', '"ported.cosine_regression"'))
        require_in("1 of 1 case holds", verify(folder))


def prefixed_and_sharded(base):
    """Weights below a model with a head, in two shards, are found."""
    source = golden("checkpoints/ijepa")
    folder = shutil.copytree(source, base / "sharded")
    (folder / "model.safetensors").unlink()
    data = (source / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entries = {name: value for name, value in json.loads(data[8:8 + size]).items() if name != "__metadata__"}
    shards, index = ({}, {}), {}
    for i, (name, value) in enumerate(sorted(entries.items())):
        begin, end = value["data_offsets"]
        shards[i % 2]["ijepa." + name] = (value, data[8 + size + begin:8 + size + end])
        index["ijepa." + name] = f"model-{i % 2}.safetensors"
    for number, shard in enumerate(shards):
        out, parts = {}, b""
        for name, (value, part) in shard.items():
            out[name] = {**value, "data_offsets": [len(parts), len(parts) + len(part)]}
            parts += part
        text = json.dumps(out).encode()
        (folder / f"model-{number}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + parts)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    verify(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-0.safetensors"}}))
    require_in("missing: ", verify(folder, code=1))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../x.safetensors"}}))
    require_in("no plain file name", verify(folder, code=1))


def model_faults(base):
    folder = shutil.copytree(golden("checkpoints/dinov2"), base / "faults")
    config = json.loads((folder / "config.json").read_text())

    def with_config(**changes):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        return verify(folder, code=1)

    require_in("left over: encoder.layer.2.norm1.weight", with_config(num_hidden_layers=2))
    require_in("missing: encoder.layer.3.norm1.weight", with_config(num_hidden_layers=4))
    require_in("of another shape: positions", with_config(image_size=70))
    require_in("'gelu_new'", with_config(hidden_act="gelu_new"))
    require_in("'radar'", with_config(model_type="radar"))
    require_in("'hidden_size'", with_config(hidden_size="wide"))
    require_in("heads", with_config(num_attention_heads=5))


with folders() as name:
    passing()
    print("passed: passing")
    for check in (spoiled, options_count, ported, prefixed_and_sharded, model_faults):
        check(pathlib.Path(name))
        print("passed:", check.__name__.replace("_", " "))
