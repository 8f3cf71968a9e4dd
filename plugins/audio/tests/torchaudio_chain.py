"""The whole chain, file to spectrogram, against soundfile and torchaudio on twenty real clips; skipped where they are absent.

    python -m venv V; V/bin/pip install torch torchaudio soundfile
    CAIRN_PROGRAM=build/bin/cairn PYTHONPATH=tests/end_to_end V/bin/python plugins/audio/tests/torchaudio_chain.py
"""
import json
import pathlib
import shutil
import struct
import sys

from program import SHARED, folders, require, run

try:
    import soundfile
    import torch
    import torchaudio
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

RATE = 16000
KALDI = dict(frontend='"kaldi_fbank"', n_mels=128)
MEL = dict(frontend='"mel_spectrogram"', n_fft=400, hop_length=160, n_mels=80)
TOLERANCE = dict(absolute=0.01, relative=1e-3)


def clips():
    data = SHARED / "data/audio"
    if not data.is_dir():
        print("skipped: the shared data are absent")
        sys.exit(77)
    esc = [sorted(folder.glob("*.ogg"))[3] for folder in sorted((data / "esc10").iterdir()) if folder.is_dir()]
    digits = sorted((data / "fsdd").rglob("*.wav"))
    return esc + digits[:: len(digits) // 10][:10]


def expected(path, options):
    values, rate = soundfile.read(path, dtype="float32", always_2d=True)
    wave = torch.from_numpy(values).mean(1)
    if rate != RATE:
        wave = torchaudio.functional.resample(wave, rate, RATE)
    if options is KALDI:
        return torchaudio.compliance.kaldi.fbank(wave[None], sample_frequency=RATE, window_type="hanning",
                                                 num_mel_bins=128, htk_compat=True, use_energy=False, dither=0.0)
    wave = wave[: len(wave) // 160 * 160]  # a view has whole hops, and the end is mirrored
    mel = torchaudio.transforms.MelSpectrogram(RATE, n_fft=400, hop_length=160, n_mels=80)(wave)
    return (mel + 2 ** -23).log().T.contiguous()


def write_case(folder, path, options):
    spectrogram = expected(path, options)
    folder.mkdir(parents=True)
    shutil.copy(path, folder / path.name)
    text = json.dumps({"expect.spectrogram": {"dtype": "F32", "shape": list(spectrogram.shape),
                                              "data_offsets": [0, 4 * spectrogram.numel()]}}).encode()
    data = struct.pack(f"<{spectrogram.numel()}f", *spectrogram.flatten().tolist())
    (folder / "case.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    lines = ['source = "torchaudio"', "[input]", f'file = "{path.name}"', "[component]", 'kind = "modality"',
             'name = "audio.audio"', "[component.options]", f"size = {len(spectrogram)}"]
    lines += [f"{key} = {value}" for key, value in options.items()] + ["[tolerance]"]
    lines += [f"{key} = {value}" for key, value in TOLERANCE.items()]
    (folder / "case.toml").write_text("\n".join(lines) + "\n")


found = clips()
require(len(found) == 20, f"{len(found)} clips instead of 20")
with folders() as name:
    for options in (KALDI, MEL):
        for i, path in enumerate(found):
            write_case(pathlib.Path(name) / options["frontend"].strip('"') / f"{i:02}-{path.stem}", path, options)
    results = json.loads(run("verify", "--json", name))
    require(len(results) == 40 and all(result["ok"] for result in results), "a clip differs")
    worst = max(tensor["absolute_error"] for result in results for tensor in result["tensors"])
print(f"40 spectrograms of 20 clips agree, largest difference {worst:.2g}")
