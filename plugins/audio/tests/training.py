"""Sound trains end to end: built-in tones with every masker, on the device's front end too, and recordings in a folder."""
import math
import pathlib
import struct

from program import SHARED, SOURCE, folders, losses, require, require_in, run, train

FEW = dict(train__steps=4, train__batch_size=6, evaluate__every=0, evaluate__final_train_samples=40, log__every=1,
           evaluate__final_test_samples=30, evaluate__baselines="false")
QUICK = SOURCE / "configs/ajepa/quickstart.toml"
MASKERS = {"audio.multiblock": {"masker__min_keep": 2},
           "audio.time_frequency": {"masker__min_keep": 2, "masker__targets": 2},
           "audio.curriculum": {"masker__from": "random", "masker__time_frequency_targets": 2}}


def wave(path, hertz, seconds=0.5, rate=8000, values=None):
    """A 16-bit WAV file."""
    values = values or [int(9000 * math.sin(2 * math.pi * hertz * i / rate)) for i in range(int(seconds * rate))]
    data = struct.pack(f"<{len(values)}h", *values)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
                     struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", len(data)) + data)


def finite(folder):
    found = losses(folder)
    require(len(found) == 4 and all(math.isfinite(record["loss"]) for record in found), f"odd losses: {found}")


def tones(base):
    for masker, settings in MASKERS.items():
        train(base / masker, experiment=QUICK, masker__type=masker, **settings, **FEW)
        finite(base / masker)
    for place in ("loader", "device"):
        train(base / place, experiment=QUICK, modality__compute=place, **FEW)
    # Without augmentation both compute the same, so the losses agree but for rounding.
    for one, other in zip(losses(base / "loader"), losses(base / "device")):
        require(abs(one["loss"] - other["loss"]) < 1e-3 * one["loss"], f"loader {one['loss']}, device {other['loss']}")
    train(base / "augmented", experiment=QUICK, modality__mixup=0.4, modality__crop_time="[0.6, 1.5]", modality__noise=0.5,
          modality__crop_frequency="[0.6, 1.5]", modality__time_mask=10, modality__frequency_mask=6,
          modality__gain_db="[-6, 6]", modality__time_shift=0.5, modality__normalise="measured", **FEW)
    finite(base / "augmented")


def m2d(base):
    """M2D's targets: the teacher sees only what is asked."""
    settings = dict(objective__0__loss="cosine", objective__0__centre_position="false", objective__0__asked_only="true")
    train(base / "m2d", experiment=QUICK, **settings, **FEW)
    finite(base / "m2d")


def preview(base):
    text = run("preview", QUICK, "--out", base / "heard", "--samples", 2)
    found = sorted(path.name for path in (base / "heard").glob("*.wav"))
    require(found == [f"sample-{i:02}.{part}-0.wav" for i in range(2) for part in ("context", "view")], f"found {found}")
    require_in("sample-01.context-0.wav", text)
    whole, masked = ((base / f"heard/sample-00.{part}-0.wav").read_bytes() for part in ("view", "context"))
    require(len(whole) == len(masked) and whole != masked, "what is masked is not heard")


def recordings(base):
    for label in ("high", "low"):
        for i in range(20):
            wave(base / f"clips/{label}/{i}.wav", (1500 if label == "high" else 300) + 10 * i)
    (base / "clips/low/broken.wav").write_bytes(b"RIFF....WAVEnothing")
    common = dict(experiment=QUICK, modality__type="audio.clips", modality__path=base / "clips", modality__sample_rate=8000,
                  modality__size=32, modality__n_mels=32, modality__patch="[8, 8]", **FEW)
    text = train(base / "folder", **common, modality__max_bad_share=0.5)
    finite(base / "folder")
    require_in("trained teacher", text)
    bad = (base / "folder/bad-samples.jsonl")
    found = [path for path in (base / "folder").iterdir() if "broken.wav" in (path.read_text(errors="ignore") if path.is_file() else "")]
    require(found or bad.exists(), "the broken clip is named nowhere")


def wrong_use(base):
    text = run("check", QUICK, code=2, modality__fit="stretch", modality__compute="device")
    require_in("modality.fit", text)
    text = run("check", QUICK, code=2, modality__patch="[7, 8]")
    require_in("does not divide the time of 96", text)
    text = run("check", QUICK, code=2, modality__f_max=5000)
    require_in("f_max", text)


def real_set(base):
    data = SHARED / "data/audio/fsdd"
    if not data.is_dir():
        print("skipped: FSDD, as the shared data are absent")
        return
    text = train(base / "fsdd", experiment=SOURCE / "configs/ajepa/fsdd.toml", modality__path=data, **FEW)
    require_in("trained teacher", text)


with folders() as name:
    wrong_use(pathlib.Path(name))
    tones(pathlib.Path(name))
    m2d(pathlib.Path(name))
    preview(pathlib.Path(name))
    recordings(pathlib.Path(name))
    real_set(pathlib.Path(name))
print("audio: passed")
