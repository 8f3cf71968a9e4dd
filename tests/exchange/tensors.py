"""Reads and writes safetensors with the standard library alone, for the tests of this folder."""
import array
import json
import pathlib
import struct

CODES = {"F32": "f", "I64": "q", "U8": "B"}


def parts(path):
    """The header without metadata, the metadata, and the bytes behind the header."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return header, header.pop("__metadata__", {}), data[8 + size:]


def raw(path):
    """Every tensor as (dtype, shape, bytes)."""
    header, _, data = parts(path)
    return {name: (item["dtype"], item["shape"], data[slice(*item["data_offsets"])]) for name, item in header.items()}


def values(path, name):
    """Shape and values of one tensor."""
    dtype, shape, data = raw(path)[name]
    return shape, array.array(CODES[dtype], data)


def write(path, tensors):
    """`tensors`: name to (dtype, shape, bytes)."""
    header, position = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + len(data)]}
        position += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def noise(*shape):
    """float32 values between -1 and 1 that look random, as (dtype, shape, bytes)."""
    count, state, out = 1, 12345, array.array("f")
    for size in shape:
        count *= size
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        out.append(state / 2**30 - 1)
    return "F32", list(shape), out.tobytes()


def difference(left, right):
    """The largest difference between two lists of values."""
    assert len(left) == len(right), (len(left), len(right))
    return max(abs(a - b) for a, b in zip(left, right))
