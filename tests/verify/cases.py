"""Writes golden cases and reads what `cairn verify` says of them."""
import json
import os
import pathlib
import struct
import sys

from program import SHARED, run

PLUGINS = pathlib.Path(os.environ["CAIRN_TEST_PLUGINS"])
GOLDEN = SHARED / "golden"


def golden(name):
    """A golden case; ends the test as skipped, by name, where the cases are absent."""
    if not (GOLDEN / name).is_dir():
        print(f"skipped: golden case {name} is not at {GOLDEN}")
        sys.exit(77)
    return GOLDEN / name


def tensors(**values):
    """A safetensors file of float32 tensors given as (shape, numbers); dots in names are written as __."""
    header, data = {}, b""
    for name, (shape, numbers) in values.items():
        part = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name.replace("__", ".")] = {"dtype": "F32", "shape": shape,
                                           "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def case(folder, text=None, **values):
    """A golden case in a new folder."""
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "case.toml").write_text(text)
    if values:
        (folder / "case.safetensors").write_bytes(tensors(**values))
    return folder


def objective(name, options="", tolerance="absolute = 1e-6"):
    return (f'source = "by hand"\n[component]\nkind = "objective"\nname = "{name}"\n[component.options]\n{options}\n'
            f"[tolerance]\n{tolerance}\n")


def verify(*folders, code=0):
    """What the program says in words, the test's plugin on the path."""
    return run("--plugin-path", PLUGINS, "verify", *folders, code=code)


def facts(*folders, code=0):
    return json.loads(run("--plugin-path", PLUGINS, "verify", "--json", *folders, code=code))
