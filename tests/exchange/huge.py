"""A ViT-H/14 sized I-JEPA folder (random weights, 2.5 GB) opens in at most 1.3 times the time that reading the file
takes, with a peak of memory of at most 1.2 times its size."""
import json
import os
import pathlib
import re
import resource
import struct
import subprocess
import sys
import time

from program import CAIRN, folders, require
from tensors import noise, write

WIDTH, DEPTH, HIDDEN, PATCH, SIDE = 1280, 32, 5120, 14, 224
CONFIG = {"architectures": ["IJepaModel"], "model_type": "ijepa", "hidden_size": WIDTH, "num_hidden_layers": DEPTH,
          "num_attention_heads": 16, "intermediate_size": HIDDEN, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
          "image_size": SIDE, "patch_size": PATCH, "num_channels": 3, "qkv_bias": True}


def shapes():
    yield "embeddings.patch_embeddings.projection.weight", [WIDTH, 3, PATCH, PATCH]
    yield "embeddings.patch_embeddings.projection.bias", [WIDTH]
    yield "embeddings.position_embeddings", [1, (SIDE // PATCH) ** 2, WIDTH]
    for i in range(DEPTH):
        head = f"encoder.layer.{i}."
        for part, rows, columns in (("attention.attention.query", WIDTH, WIDTH), ("attention.attention.key", WIDTH, WIDTH),
                                    ("attention.attention.value", WIDTH, WIDTH),
                                    ("attention.output.dense", WIDTH, WIDTH), ("intermediate.dense", HIDDEN, WIDTH),
                                    ("output.dense", WIDTH, HIDDEN)):
            yield f"{head}{part}.weight", [rows, columns]
            yield f"{head}{part}.bias", [rows]
        for norm in ("layernorm_before", "layernorm_after"):
            yield f"{head}{norm}.weight", [WIDTH]
            yield f"{head}{norm}.bias", [WIDTH]
    yield "layernorm.weight", [WIDTH]
    yield "layernorm.bias", [WIDTH]


def make(folder):
    """Writes the folder; values between -0.01 and 0.01 from a block of noise that repeats."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    header, position = {}, 0
    for name, shape in shapes():
        size = 4
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    values = struct.unpack("<262144f", noise(262144)[2])
    block = struct.pack("<262144f", *(value / 100 for value in values))
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, position, len(block)):
            file.write(block[:min(len(block), position - start)])
    return position


def seconds_to_read(path):
    """The best of three, with the file in the page cache as it is for the program."""
    best, buffer = float("inf"), bytearray(16 << 20)
    for _ in range(3):
        start = time.perf_counter()
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
        best = min(best, time.perf_counter() - start)
    return best


def peak(words):
    """Output and peak memory in bytes of one run of the program."""
    process = subprocess.Popen([str(CAIRN), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    require(status == 0, output)
    return output, usage.ru_maxrss * 1024


def main():
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < 8 << 30:
        print("skipped: less than 8 GB of memory")
        sys.exit(77)
    with folders() as name:
        base = pathlib.Path(name)
        size = make(base / "huge")
        write(base / "x.safetensors", {"pixel_values": noise(1, 3, SIDE, SIDE)})
        reading = seconds_to_read(base / "huge/model.safetensors")
        loads, most = [], 0
        for _ in range(3):
            output, memory = peak(["extract", base / "huge", "--input", base / "x.safetensors", "--out",
                                   base / "f.safetensors"])
            loads.append(float(re.search(r"in ([\d.]+) s", output)[1]))
            most = max(most, memory)
        print(f"file {size / 1e9:.2f} GB, read in {reading:.2f} s; opened in {min(loads):.2f} s, {min(loads) / reading:.2f} "
              f"times that; peak {most / 1e9:.2f} GB, {most / size:.2f} times the file")
        require(min(loads) <= 1.3 * reading, f"it opens in {loads} s, reading takes {reading} s")
        require(most <= 1.2 * size, f"the peak is {most} bytes")


main()
