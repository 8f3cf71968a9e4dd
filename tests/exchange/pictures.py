"""Pictures and .npy files for the tests of this folder."""
import struct


def bmp(path, red):
    """A picture of 20 x 20 pixels of one colour."""
    pixels = bytes((0, 64, red)) * 400
    header = b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54)
    path.write_bytes(header + struct.pack("<IiiHHIIiiII", 40, 20, 20, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + pixels)


def pictures(base):
    """Nine pictures in two class folders."""
    for index in range(9):
        folder = base / ("apples" if index % 2 else "bananas")
        folder.mkdir(parents=True, exist_ok=True)
        bmp(folder / f"picture-{index}.bmp", 20 * index)
    return base
