"""Damaged and hostile checkpoints are refused with a sentence: no crash, no code run, no memory taken without end."""
import json
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import zipfile

from program import CAIRN, SHARED, folders, require, train
from tensors import noise, raw, write

SIZES = {"original": "ijepa", "img_size": 64, "patch_size": 16, "embed_dim": 96, "depth": 2, "num_heads": 3,
         "predictor_embed_dim": 48, "predictor_depth": 2, "predictor_num_heads": 3}
MEMORY = 4 << 30


def refuse(source, sentence, base):
    """The program ends by itself, with an exit code that says so and this sentence, within bounds of memory."""
    bound = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    done = subprocess.run([str(CAIRN), "convert", str(source), str(base / "out"), "--to", "cairn"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=bound, timeout=60)
    require(done.returncode in (1, 2) and "error:" in done.stdout,
            f"{source.name}: exit code {done.returncode}, expected 1 and '{sentence}'\n{done.stdout}")
    require(sentence in done.stdout, f"{source.name}: expected '{sentence}' in\n{done.stdout}")
    require(not (base / "out").exists(), f"{source.name}: something was written")


def unicode(text):
    return b"X" + struct.pack("<I", len(text)) + text


def storage(key, count):
    return (b"((" + unicode(b"storage") + b"ctorch\nFloatStorage\n" + unicode(key) + unicode(b"cpu") + b"J"
            + struct.pack("<i", count) + b"tQ")


def tensor(key=b"0", claimed=16, offset=0, size=16, stride=1):
    number = lambda value: b"\x8a\x08" + struct.pack("<q", value)
    return (b"ctorch._utils\n_rebuild_tensor_v2\n" + storage(key, claimed) + number(offset) + number(size) + b"\x85"
            + number(stride) + b"\x85\x89ccollections\nOrderedDict\n)RtR")


def pickle(body):
    return b"\x80\x02" + body + b"."


def named(value):
    """A dictionary with one entry."""
    return pickle(b"}" + unicode(b"encoder") + value + b"s")


PICKLES = {
    "runs code": (named(b"cos\nsystem\n" + unicode(b"true") + b"\x85R"), "os.system"),
    "other class": (named(b"cnumpy.core.multiarray\nscalar\n"), "numpy.core.multiarray.scalar"),
    "empty": (b"", "cut off"),
    "no end": (b"\x80\x02}", "cut off"),
    "nothing to take": (pickle(b"R"), "takes more values"),
    "no mark": (pickle(b"t"), "closes what it has not opened"),
    "far memo": (pickle(b"}r\xff\xff\xff\x7f"), "impossible place"),
    "no memo": (pickle(b"j\x00\x00\x00\x10"), "never remembered"),
    "long string": (pickle(b"X\xff\xff\xff\xff"), "cut off"),
    "deep": (pickle(b")" + b"\x85" * 200000), "nested deeper"),
    "holds itself": (pickle(b"]q\x00h\x00a"), "holds itself"),
    "circle": (pickle(b"]q\x00]q\x01h\x00ah\x00h\x01a0"), "list"),
    "laughs": (pickle(b"]q\x00(NNNNNNNNNNe" + b"".join(
        b"]q" + bytes([i]) + b"(" + b"h" + bytes([i - 1]) + (b"h" + bytes([i - 1])) * 9 + b"e" for i in range(1, 12))
        + b"\x87"), "unfolds"),
    "odd dictionary": (pickle(b"}(" + unicode(b"a") + b"u"), "a key and no value"),
    "protocol": (b"\x80\x05}.", "protocol"),
    "unknown instruction": (pickle(b"\xf0"), "0xf0"),
    "two values": (pickle(b"NN"), "one value"),
    "more than there is": (named(tensor(claimed=1 << 28, size=1 << 28)), "claims more values"),
    "huge claim": (named(tensor(claimed=2**31 - 1, size=4)), "claims more values"),
    "beyond its storage": (named(tensor(offset=1 << 40)), "outside its storage"),
    "negative size": (named(tensor(size=-5)), ""),
    "negative offset": (named(tensor(offset=-5)), ""),
    "wide stride": (named(tensor(stride=1 << 60)), ""),
    "no record": (named(tensor(key=b"../../etc/passwd")), "cannot be read"),
    "class for a value": (named(b"ccollections\nOrderedDict\n"), "a class for a value"),
    "filled class": (pickle(b"ccollections\nOrderedDict\n" + unicode(b"a") + b"Ns"), "fills a class"),
    "class with arguments": (named(b"ccollections\nOrderedDict\n]\x85R"), "in a way that is not known"),
    "class at the end": (pickle(b"ccollections\nOrderedDict\n"), "one value"),
    "state of a list": (pickle(b"]}b"), "no dictionary"),
    "no encoder": (named(tensor()), "no encoder"),
}


def archive(path, content, packed=False):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, data in (("x/data.pkl", content), ("x/version", b"3\n"), ("x/data/0", bytes(64))):
            file.writestr(name, data)


def pickles(base):
    for name, (content, sentence) in PICKLES.items():
        folder = base / name
        folder.mkdir()
        (folder / "architecture.json").write_text(json.dumps(SIZES))
        archive(folder / "x.pth.tar", content)
        refuse(folder, sentence, base)
    bomb = base / "bomb"
    bomb.mkdir()
    (bomb / "architecture.json").write_text(json.dumps(SIZES))
    archive(bomb / "x.pth.tar", bytes(300 << 20), packed=True)
    refuse(bomb, "unpacks to", base)
    whole = (base / "no encoder/x.pth.tar").read_bytes()
    for name, data in {"text": b"hello", "half": whole[:len(whole) // 2], "no index": whole[:-60],
                       "magic": b"PK\x03\x04" + bytes(100)}.items():
        (bomb / "x.pth.tar").write_bytes(data)
        refuse(bomb, "this is no PyTorch zip archive" if name == "text" else "cannot be read", base)


def hubs(base):
    """Hugging Face folders whose config.json lies."""
    train(base / "run", train__steps=1, train__threads=1, evaluate__every=0, evaluate__baselines="false")
    good = base / "hub"
    subprocess.run([str(CAIRN), "convert", str(base / "run"), str(good), "--to", "huggingface"], check=True,
                   stdout=subprocess.DEVNULL)
    config = json.loads((good / "config.json").read_text())
    for key, value, sentence in (("num_hidden_layers", 10**12, "layers"), ("hidden_size", 10**12, "of another shape"),
                                 ("patch_size", [4], "patch_size"), ("image_size", "big", "image_size"),
                                 ("hidden_size", -1, "hidden_size"), ("num_attention_heads", 7, "'num_attention_heads' is 7"),
                                 ("model_type", "bert", "bert"), ("hidden_act", "mish", "mish"),
                                 ("patch_size", 8, "shape"), ("image_size", 10**12, "")):
        lying = shutil.copytree(good, base / "lying", dirs_exist_ok=True)
        own = {name: item for name, item in config.items() if name != "cairn"}
        (lying / "config.json").write_text(json.dumps(own | {key: value}))
        refuse(lying, sentence, base)
    for key in ("hidden_size", "model_type", "patch_size"):
        (lying / "config.json").write_text(json.dumps({name: item for name, item in config.items() if name != key}))
        refuse(lying, f"config.json: '{key}' is missing", base)
    (lying / "config.json").write_text("[" * 100000)
    refuse(lying, "no JSON object", base)
    (lying / "config.json").write_text(json.dumps(config))
    tensors = raw(good / "model.safetensors")
    data = (good / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    for name, content, sentence in (
            ("truncated", data[:-1], "truncated"), ("oversized header", struct.pack("<Q", 1 << 62) + data[8:], "100 MB"),
            ("negative offset", data.replace(b'"data_offsets":[0,', b'"data_offsets":[-1,', 1), "offset"),
            ("overlap", data.replace(b'"data_offsets":[0,', b'"data_offsets":[4,', 1), ""),
            ("wrong type", data.replace(b'"F32"', b'"F31"', 1), "F31"),
            ("whole numbers", data.replace(b'"F32"', b'"I32"', 1), "of another type"),
            ("whole numbers everywhere", data.replace(b'"F32"', b'"I32"'), "of another type"),
            ("flipped", data[:8] + bytes([data[8] ^ 1]) + data[9:], "JSON"),
            ("no header", data[:8] + b"\0" * size + data[8 + size:], "JSON")):
        (lying / "model.safetensors").write_bytes(content)
        refuse(lying, sentence, base)
    (lying / "model.safetensors").unlink()
    (lying / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../hub/model.safetensors"}}))
    refuse(lying, "no plain file name", base)
    tensors.pop("layernorm.weight")
    (lying / "model.safetensors.index.json").unlink()
    write(lying / "model.safetensors", tensors | {"layernorm.weight": noise(7)})
    refuse(lying, "norm.weight", base)


def own_folders(base):
    """A cairn.json whose options its weights contradict, or nothing can be built from."""
    good, lying = base / "own-good", base / "own-lying"
    subprocess.run([str(CAIRN), "convert", str(base / "run"), str(good), "--to", "cairn"], check=True, stdout=subprocess.DEVNULL)
    told = json.loads((good / "cairn.json").read_text())
    for part, key, value, sentence in (("encoder", "heads", 5, "encoder.heads"), ("predictor", "heads", 5, "predictor.heads")):
        shutil.copytree(good, lying, dirs_exist_ok=True)
        changed = {**told, part: {**told[part], "options": {**told[part]["options"], key: value}}}
        (lying / "cairn.json").write_text(json.dumps(changed))
        refuse(lying, sentence, base)


def wrong_files(base):
    """Files that are no weights, and weights without what describes them."""
    hub, bare, pickled, own = (base / name for name in ("hub", "bare", "pickled", "own"))
    (base / "notes.toml").write_text("x = 1\n")
    refuse(base / "notes.toml", "of no known kind of weights", base)
    refuse(hub / "model.safetensors", "name the folder", base)
    refuse(base / "run/checkpoints/step-00000001/student.safetensors", "name the run", base)
    for folder in (bare, pickled):
        folder.mkdir()
    shutil.copy(hub / "model.safetensors", bare)
    refuse(bare, "config.json is missing", base)
    shutil.copy(hub / "config.json", pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"PK")
    refuse(pickled, "no PyTorch zip archive", base)
    refuse(pickled / "pytorch_model.bin", "name the folder", base)
    (pickled / "config.json").unlink()
    refuse(pickled, "config.json is missing", base)
    subprocess.run([str(CAIRN), "convert", str(base / "run"), str(own), "--to", "cairn"], check=True,
                   stdout=subprocess.DEVNULL)
    facts = json.loads((own / "cairn.json").read_text())
    facts["encoder"]["options"]["heads"] = 5
    (own / "cairn.json").write_text(json.dumps(facts))
    refuse(own, "cairn.json: encoder.heads", base)


def predictors(base):
    """Heads of a predictor, which no feature shows."""
    source = SHARED / "golden/checkpoints/vjepa2"
    if not source.is_dir():
        return print(f"left out: there is no {source}")
    lying = shutil.copytree(source, base / "vjepa2")
    config = json.loads((lying / "config.json").read_text())
    (lying / "config.json").write_text(json.dumps(config | {"pred_num_attention_heads": 7}))
    refuse(lying, "config.json: 'pred_num_attention_heads' is 7", base)


def main():
    with folders() as name:
        base = pathlib.Path(name)
        pickles(base)
        hubs(base)
        own_folders(base)
        wrong_files(base)
        predictors(base)


main()
