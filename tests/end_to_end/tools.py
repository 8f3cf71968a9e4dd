"""preview and bench: pictures of what training would see, figures of the loader, the optimizer and the step."""
import json
import os
import pathlib
import shutil
import subprocess

from program import TINY, folders, require, require_in, run


def shown_samples(*words):
    """Names of the samples whose pictures are drawn."""
    with folders() as fresh:
        return [file["sample"] for file in json.loads(run("preview", TINY, "--out", fresh, *words, "--json"))["pictures"]]


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
    shown = [shown_samples(*more) for more in (
        ("--samples", 2, "--step", 3), ("--samples", 4, "--step", 3),
        ("--samples", 4, "--step", 6, "--set", "train.batch_size=4"),
        ("--samples", 8, "--step", 3, "--set", "train.accumulate=2"),
        ("--samples", 9, "--step", 6, "--set", "train.batch_size=4"))]
    require(shown[0] == shown[1][:2], f"the first samples of a step, however many are drawn: {shown}")
    require(shown[1] == shown[2] == shown[3][:4] == shown[4], f"parts of a step come in turn: {shown}")
    require([len(each) for each in shown] == [2, 4, 4, 8, 4], f"no more than there are: {shown}")
    for own in ("sample.png", "sample-01.view-0.txt.bak", "notes.txt"):
        (pathlib.Path(folder) / own).write_text("kept")
    (pathlib.Path(folder) / "sample-00.view-0.wav").write_bytes(b"of an earlier call")
    run("preview", TINY, "--out", folder, "--samples", 1)
    left = sorted(file.name for file in pathlib.Path(folder).iterdir())
    require(left == ["notes.txt", "sample-00.png", "sample-01.view-0.txt.bak", "sample.png"],
            f"an earlier call's files go, and no others: {left}")


def loader():
    found = json.loads(run("bench", "loader", TINY, "--segments", 3, "--batches", 2, "--json"))
    rate = found["samples_per_second"]
    require(0 < rate["lowest"] <= rate["median"] <= rate["highest"], f"rates are in order: {rate}")
    require(found["samples"] == 6 * found["batch_size"], f"samples are counted: {found}")
    require(found["processor_ms_per_sample"]["median"] > 0, "the processor's time is counted")
    plain = json.loads(run("bench", "loader", TINY, "--statistics", "--batches", 2, "--json"))
    require(len(plain["mean"]) == 3 and all(0.2 < s < 5 for s in plain["std"]), f"a figure a channel: {plain}")
    require_in("samples/s", run("bench", "loader", TINY, "--segments", 1, "--batches", 1))
    own = json.loads(run("bench", "loader", "--segments", 1, "--batches", 1, "--set", "train.batch_size=2", "--json"))
    require(own["modality"] == "image.shapes" and own["batch_size"] == 2, f"Cairn's own stands in: {own}")


def optimizer():
    words = ("bench", "optimizer", "--width", 16, "--depth", 2, "--repeats", 3, "--stream-mb", 4)
    found = json.loads(run(*words, "--json"))
    require(found["parameters"] == 22_064, f"the parameters of such a transformer are counted: {found}")
    expected = 40 * found["parameters"] / found["step_ms"]["median"] / 1e6
    require(abs(found["gb_per_second"] / expected - 1) < 1e-6, f"the rate is that of the median: {found}")
    require(found["in_place_gb_per_second"] > 0 and found["norm_ms"]["median"] > 0, f"the rest is measured: {found}")
    require_in("of the memory's in-place rate", run(*words))
    run("bench", "optimizer", "--width", 0, code=2)
    words = ("bench", "optimizer", TINY, "--repeats", 3, "--stream-mb", 4)
    found = json.loads(run(*words, "--json"))
    # Only the encoder has a teacher, so some parameters need 32 bytes and some 40.
    require(found["optimizer"] == "adamw" and 32 < found["bytes_per_parameter"] < 40, f"of an experiment: {found}")
    slim = json.loads(run(*words, "--json", optim__moments="bfloat16"))
    require(abs(found["bytes_per_parameter"] - slim["bytes_per_parameter"] - 8) < 1e-9, f"narrow moments: {slim}")
    half = json.loads(run(*words, "--json", train__precision="bfloat16"))
    require(2 < half["bytes_per_parameter"] - found["bytes_per_parameter"] < 4, f"copies are counted: {half}")
    require_in("sgd, moving average", run(*words, optim__type="sgd"))
    require_in("excludes --width", run(*words, "--width", 16, code=2))
    require_in("--set requires experiment", run("bench", "optimizer", "--set", "optim.lr=1", code=2))


def step(folder):
    words = ("bench", "step", TINY, "--steps", 2, "--warm-up", 1, "--device", "cpu")
    found = json.loads(run(*words, "--json"))
    rate = 1e3 * found["batch_size"] / found["step_ms"]["median"]
    require(abs(found["samples_per_second"] / rate - 1) < 1e-6, f"the rate is that of the median: {found}")
    share = found["flops_per_step"] / (found["step_ms"]["median"] / 1e3) / found["peak_flops"]
    require(abs(found["utilisation"] / share - 1) < 1e-6 and 0 < share < 1.5, f"a share of the peak: {found}")
    require(0 <= found["wait_share"] < 1 and found["first_step_seconds"] > 0, f"waits are measured: {found}")
    require_in("that a matrix product reaches", run(*words))
    latin = json.loads(run(*words, "--json", "--set", "name=caf\udce9"))
    require(latin["experiment"] == "caf\ufffd", f"a name that is no UTF-8 is told: {latin}")
    own = json.loads(run("bench", "step", "--steps", 1, "--warm-up", 0, "--json", train__batch_size=2))
    require(own["experiment"] == "bench-vit-tiny" and own["batch_size"] == 2, f"Cairn's own stands in: {own}")
    trace = folder / "trace.json"
    run(*words, "--trace", trace)
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    require({"aten::linear", "aten::scaled_dot_product_attention"} <= names, "the trace holds the operators of a step")
    require_in("cannot write the trace", run(*words, "--trace", folder / "missing" / "trace.json", code=1))
    run("bench", code=2)


def cuda_half(folder):
    """LibTorch's CUDA half is loaded where a driver is: here one that offers no device."""
    compiler = shutil.which("cc")
    if not json.loads(run("info", "--json"))["cuda_build"] or not compiler:
        return print("skipped: the CUDA half, for want of a build with CUDA or of a C compiler")
    subprocess.run([compiler, "-shared", "-x", "c", "/dev/null", "-o", folder / "libcuda.so.1"], check=True)
    found = json.loads(run("info", "--json", before=lambda: os.environ.update(LD_LIBRARY_PATH=str(folder))))
    require(found["cuda_loaded"] and found["cuda_devices"] == 0, f"it is loaded, and finds no device: {found}")


with folders() as scratch:
    previews(pathlib.Path(scratch) / "pictures")
    loader()
    optimizer()
    step(pathlib.Path(scratch))
    cuda_half(pathlib.Path(scratch))
