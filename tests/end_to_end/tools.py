"""preview and bench: pictures of what training would see, figures of the loader."""
import json
import pathlib

from program import TINY, folders, require, require_in, run


def previews(folder):
    out = run("preview", TINY, "--out", folder, "--samples", 2)
    require_in("context 0 of view 0: sees", out)
    files = sorted(pathlib.Path(folder).glob("*.png"))
    require([file.name for file in files] == ["sample-00.png", "sample-01.png"], f"two pictures, not {files}")
    require(all(file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for file in files), "the files are PNGs")
    before = files[0].read_bytes()
    run("preview", TINY, "--out", folder, "--samples", 2)
    require(files[0].read_bytes() == before, "the same step gives the same picture")
    run("preview", TINY, "--out", folder, "--samples", 2, "--step", 3)
    require(files[0].read_bytes() != before, "another step gives another picture")


def loader():
    found = json.loads(run("bench", "loader", TINY, "--segments", 3, "--batches", 2, "--json"))
    rate = found["samples_per_second"]
    require(0 < rate["lowest"] <= rate["median"] <= rate["highest"], f"rates are in order: {rate}")
    require(found["samples"] == 6 * found["batch_size"], f"samples are counted: {found}")
    require(found["processor_ms_per_sample"]["median"] > 0, "the processor's time is counted")
    plain = json.loads(run("bench", "loader", TINY, "--statistics", "--batches", 2, "--json"))
    require(len(plain["mean"]) == 3 and all(0.2 < s < 5 for s in plain["std"]), f"a figure a channel: {plain}")
    require_in("samples/s", run("bench", "loader", TINY, "--segments", 1, "--batches", 1))
    run("bench", "loader", code=2)
    run("bench", code=2)


with folders() as scratch:
    previews(pathlib.Path(scratch) / "pictures")
    loader()
