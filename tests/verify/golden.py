"""The golden cases that pass today, and that a case made wrong does not."""
import json
import pathlib
import re
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


def contents(path):
    """Name to (entry, bytes) of a safetensors file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entries = {name: value for name, value in json.loads(data[8:8 + size]).items() if name != "__metadata__"}
    return {name: (value, data[8 + size + value["data_offsets"][0]:8 + size + value["data_offsets"][1]])
            for name, value in entries.items()}


def store(path, parts):
    out, data = {}, b""
    for name, (value, part) in parts.items():
        out[name] = {**value, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(out).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


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
    shards, index = ({}, {}), {}
    for i, (name, part) in enumerate(sorted(contents(source / "model.safetensors").items())):
        shards[i % 2]["ijepa." + name] = part
        index["ijepa." + name] = f"model-{i % 2}.safetensors"
    for number, shard in enumerate(shards):
        store(folder / f"model-{number}.safetensors", shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    verify(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-0.safetensors"}}))
    require_in("missing: ", verify(folder, code=1))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../x.safetensors"}}))
    require_in("no plain file name", verify(folder, code=1))


def in_repository_words(parts, rules):
    """Names as the papers' repositories have them; queries, keys and values as one map."""
    renamed = {}
    for name, part in parts.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = part
    for name in [name for name in renamed if ".attn.query." in name]:
        three = [renamed.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        shape = three[0][0]["shape"]
        renamed[name.replace("query", "qkv")] = ({**three[0][0], "shape": [3 * shape[0], *shape[1:]]},
                                                 b"".join(part for _, part in three))
    return renamed


BLOCK = [(r"attention\.attention\.|attention\.(?=query|key|value|proj)", "attn."), (r"attention\.output\.dense", "attn.proj"),
         (r"intermediate\.dense", "mlp.fc1"), (r"(\d)\.output\.dense", r"\1.mlp.fc2"), ("layernorm_before", "norm1"),
         ("layernorm_after", "norm2"), ("layernorm", "norm"), ("layer_scale(.).lambda1", r"ls\1.gamma")]
IMAGE = [("decoder.decoder_encoder.layer.", "decoder_blocks."), ("encoder.layer.", "blocks."), ("^vit.", ""),
         ("^decoder\\.", ""), ("embeddings.patch_embeddings.projection", "patch_embed.proj"), ("embeddings.cls", "cls"),
         ("embeddings.mask", "mask"), ("embeddings.position_embeddings", "pos_embed")] + BLOCK
VIDEO = [(r"^encoder\.layer\.", "encoder/module.backbone.blocks."), (r"^predictor\.layer\.", "predictor/module.backbone.predictor_blocks."),
         ("^encoder.embeddings.patch_embeddings", "encoder/module.backbone.patch_embed"),
         ("^predictor.embeddings.predictor_embeddings", "predictor/module.backbone.predictor_embed"),
         ("^encoder.layernorm", "encoder/module.backbone.norm"), ("^predictor.layernorm", "predictor/module.backbone.predictor_norm"),
         ("^predictor.proj", "predictor/module.backbone.predictor_proj")] + BLOCK


def repository_layouts(base):
    """The models of transformers under the names of the papers' repositories give the same."""
    for name, rules, sizes in (("vit", IMAGE, {}), ("dinov2", IMAGE, {}), ("vit_mae", IMAGE, {"predictor_num_heads": 3, "norm_epsilon": 1e-12}),
                               ("vjepa2", VIDEO, {"predictor_num_heads": 3, "img_size": 64, "num_frames": 8})):
        source = golden(f"checkpoints/{name}")
        parts = in_repository_words(contents(source / "model.safetensors"), rules)
        parts = {key: part for key, part in parts.items() if not key.startswith("pooler.")}
        tokens = parts.pop("predictor.embeddings.mask_tokens", None)
        if tokens:
            step = len(tokens[1]) // 10
            for i in range(10):
                parts[f"predictor/module.backbone.mask_tokens.{i}"] = (
                    {"dtype": "F32", "shape": tokens[0]["shape"][1:]}, tokens[1][i * step:(i + 1) * step])
        folder = base / "repository" / name
        folder.mkdir(parents=True)
        shutil.copy(source / "case.safetensors", folder)
        (folder / "architecture.json").write_text(json.dumps({"num_heads": 3, **sizes}))
        mae = {f"model/{key}": part for key, part in parts.items()} if name == "vit_mae" else parts
        store(folder / "weights.safetensors", mae)
        verify(folder)
        lost = next(key for key in mae if key.endswith("blocks.1.norm2.weight"))
        store(folder / "weights.safetensors", {key: part for key, part in mae.items() if key != lost})
        require_in("missing: ", verify(folder, code=1))
        store(folder / "weights.safetensors", {**mae, lost.replace("norm2", "norm3"): mae[lost]})
        require_in("left over: ", verify(folder, code=1))


def hidden_rows(base):
    """Rows of a batch may hide different numbers of tokens, or none."""
    folder = shutil.copytree(golden("checkpoints/dinov2"), base / "hidden")
    parts = contents(folder / "case.safetensors")
    batch, _, height, width = parts["input.pixel_values"][0]["shape"]
    patch = json.loads((folder / "config.json").read_text())["patch_size"]
    count = height // patch * (width // patch)

    def with_mask(rows):
        mask = ({"dtype": "U8", "shape": [batch, count]}, b"".join(rows))
        store(folder / "case.safetensors", {**parts, "input.bool_masked_pos": mask})

    with_mask([bytes(count)] * batch)
    verify(folder)
    with_mask([bytes([0, 1, 1]) + bytes(count - 3)] + [bytes(count)] * (batch - 1))
    require_in("FAIL  last_hidden_state", verify(folder, code=1))
    store(folder / "case.safetensors", {**parts, "input.bool_masked_pos": ({"dtype": "U8", "shape": [1, 3]}, bytes(3))})
    require_in("the mask has the shape [1, 3]", verify(folder, code=1))


def model_faults(base):
    folder = shutil.copytree(golden("checkpoints/dinov2"), base / "faults")
    config = json.loads((folder / "config.json").read_text())

    def with_config(**changes):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        return verify(folder, code=1)

    require_in("left over: encoder.layer.2.norm1.weight", with_config(num_hidden_layers=2))
    require_in("missing: encoder.layer.3.norm1.weight", with_config(num_hidden_layers=4))
    require_in("of another shape: positions", with_config(image_size=70))
    require_in('hidden_act is "mish"', with_config(hidden_act="mish"))
    require_in("FAIL  last_hidden_state", with_config(hidden_act="relu"))
    require_in("'radar'", with_config(model_type="radar"))
    require_in("'hidden_size'", with_config(hidden_size="wide"))
    require_in("heads", with_config(num_attention_heads=5))


with folders() as name:
    passing()
    print("passed: passing")
    for check in (spoiled, options_count, ported, prefixed_and_sharded, repository_layouts, hidden_rows,
                  model_faults):
        check(pathlib.Path(name))
        print("passed:", check.__name__.replace("_", " "))
