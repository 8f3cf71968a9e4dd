"""Features of tensor files and of data sets: names, shapes, order, endings, and what is refused."""
import json
import pathlib
import struct

from pictures import pictures
from program import SOURCE, folders, require, require_in, run, train
from tensors import difference, noise, parts, raw, values, write

SMALL = {"train__steps": 2, "train__threads": 1, "evaluate__every": 0, "evaluate__baselines": "false",
         "evaluate__final_train_samples": 20, "evaluate__final_test_samples": 20}


def npy(path):
    data = path.read_bytes()
    require(data[:8] == b"\x93NUMPY\x01\x00", f"{path} is no .npy file")
    size = struct.unpack("<H", data[8:10])[0]
    require((10 + size) % 64 == 0, "the header of the .npy file is not aligned")
    return eval(data[10:10 + size]), data[10 + size:]


def tensor_files(base, source):
    tensors = base / "x.safetensors"
    write(tensors, {"pixel_values": noise(5, 3, 16, 16)})
    out = base / "f.safetensors"
    run("extract", source, "--input", tensors, "--out", out, "--layers", "0,1", "--batch-size", 2)
    found = raw(out)
    require({name: item[1] for name, item in found.items()} ==
            {"last_hidden_state": [5, 16, 32], "pooled": [5, 32], "layer.0": [5, 16, 32], "layer.1": [5, 16, 32]},
            f"holds {found.keys()}")
    single = base / "single.safetensors"
    run("extract", source, "--input", tensors, "--out", single, "--batch-size", 5)
    for name in ("last_hidden_state", "pooled"):
        require(difference(values(out, name)[1], values(single, name)[1]) < 1e-5, f"{name} depends on the batch size")
    run("extract", source, "--input", tensors, "--out", out, "--level", "pooled", "--precision", "bfloat16")
    require({name: item[:2] for name, item in raw(out).items()} == {"pooled": ("BF16", [5, 32])}, "no bfloat16")
    run("extract", source, "--input", tensors, "--out", base / "f.npy")
    header, data = npy(base / "f.npy")
    require(header == {"descr": "<f4", "fortran_order": False, "shape": (5, 16, 32)}, f"the header says {header}")
    require(data == raw(single)["last_hidden_state"][2], "the .npy file holds other values")
    require(npy(base / "f.pooled.npy")[0]["shape"] == (5, 32), "no pooled features beside")


def data_sets(base, source):
    out = base / "set.safetensors"
    folder = pictures(base / "pictures")
    words = ("--data", folder, "--modality", "image.folder")
    text = run("extract", source, *words, "--out", out, "--json")
    facts = json.loads(text)
    require(facts["samples"] == 9 and not facts["unreadable"], f"says {facts}")
    names = {"last_hidden_state", "pooled", "sample_id", "label", "split", "path"}
    require(set(raw(out)) == names, f"holds {set(raw(out))}")
    (count, width), text = values(out, "path")
    paths = [bytes(text[row * width:(row + 1) * width]).rstrip(b"\0").decode() for row in range(count)]
    require(sorted(pathlib.Path(path).name for path in paths) == [f"picture-{index}.bmp" for index in range(9)],
            f"paths are {paths}")
    classes = json.loads(parts(out)[1]["classes"])
    for path, label in zip(paths, values(out, "label")[1]):
        require(classes[label] in path, f"{path} is not of class {classes[label]}")
    require_in("neither .safetensors nor .npy", run("extract", base / "nowhere", "--out", base / "x.txt", code=2))
    require_in("--max-bad-share", run("extract", source, *words, "--out", out, "--max-bad-share", 5, code=2))
    run("extract", source, *words, "--out", base / "again.safetensors", "--workers", 1)
    require(raw(out) == raw(base / "again.safetensors"), "features depend on the number of workers")
    (folder / "apples/picture-1.bmp").write_bytes(b"BM no picture")
    require_in("--max-bad-share = 0", run("extract", source, *words, "--out", base / "none.safetensors",
                                    "--max-bad-share", 0, code=1))
    require(not (base / "none.safetensors").exists(), "a file was left behind")
    text = run("extract", source, *words, "--out", out, "--max-bad-share", 0.5)
    require_in("picture-1.bmp", text)
    require(values(out, "pooled")[0] == [8, 32], "the unreadable picture has features")
    run("extract", source, "--out", out, "--level", "pooled", "--split", "test")
    require(values(out, "pooled")[0] == [30, 32], "the run's own test part was not used")


def energies(base, source):
    out = base / "energy.safetensors"
    text = run("extract", source, "--energy", "--out", out, "--split", "test", "--plans", 3, "--json")
    facts = json.loads(text)
    require(facts["samples"] == 30 and 0.0 < facts["mean_energy"] < 10.0, f"says {facts}")
    require({name: item[1] for name, item in raw(out).items()} ==
            {"energy": [30], "token_energy": [30, 16], "sample_id": [30], "label": [30], "split": [30]}, f"holds {raw(out)}")
    mean = sum(values(out, "energy")[1]) / 30
    require(abs(mean - facts["mean_energy"]) < 1e-4, f"the mean is {mean}")
    run("extract", source, "--energy", "--out", base / "again.safetensors", "--split", "test", "--plans", 3, "--workers", 1)
    require(raw(out) == raw(base / "again.safetensors"), "energies differ from call to call")
    require_in("neither a run nor", run("extract", base, "--energy", "--out", out, code=2))
    for words in (("--layers", 1), ("--level", "pooled"), ("--precision", "bfloat16"), ("--weights", "student"), ("--partial",)):
        require_in(f"{words[0]} excludes --energy", run("extract", source, "--energy", "--out", out, *words, code=2))
    folder = pictures(base / "scored")
    said = run("extract", source, "--energy", "--data", folder, "--out", out, code=2)
    require_in("--data: image.shapes makes its samples itself and takes no path; name how samples are prepared, as in --modality", said)
    run("extract", source, "--energy", "--data", folder, "--modality", "image.folder", "--out", out)
    require(raw(out)["energy"][1] == [9], "pictures of a folder are not scored")


def other_data(base, source):
    """What the network was not trained for is refused in the user's terms, whoever prepares the samples."""
    own, out, folder = base / "own-network", base / "other.npy", pictures(base / "other")
    run("convert", source, own, "--to", "cairn")
    wanted = "modality.patch: the network was trained with patches of 4 x 4 and 3 channels, and these samples come with patches of 8 x 8"
    for words in ((source,), (own,), (source, "--modality", "image.folder", "--data", folder), (source, "--energy")):
        said = run("extract", *words, "--set", "patch=8", "--out", out, code=2)
        require_in(wanted, said)
        require_in("set modality.patch=4", said)
    require_in(wanted, run("probe", source, "--set", "modality.patch=8", code=2))
    require_in("modality.channels: ", run("extract", source, "--set", "channels=1", "--out", out, code=2))
    said = run("extract", source, "--modality", "audio.tones", "--out", out, code=2)
    require_in("trained on samples of height x width, and those of audio.tones are of time x frequency", said)
    sound = base / "sound"
    train(sound, experiment=SOURCE / "configs/ajepa/quickstart.toml", **SMALL)
    run("extract", sound, "--modality", "audio.tones", "--set", "test_samples=5", "--split", "test", "--out", base / "tones.npy")
    said = run("extract", sound, "--modality", "image.shapes", "--out", out, code=2)
    require_in("trained on samples of time x frequency, and those of image.shapes are of height x width", said)
    require(not out.exists(), "features were written")
    run("probe", source, "--modality", "image.folder", "--data", folder, "--kind", "knn", "--folds", 3)


def preparation(base, source):
    """What preprocessor_config.json asks for is done, or refused by name."""
    hub, folder, out = base / "hub", pictures(base / "prepared"), base / "prepared.safetensors"
    run("convert", source, hub, "--to", "huggingface")
    file = hub / "preprocessor_config.json"
    told = json.loads(file.read_text())

    def extract(code=0, **changes):
        file.write_text(json.dumps({**told, **changes}))
        return run("extract", hub, "--data", folder, "--level", "pooled", "--out", out, code=code)

    def features(**changes):
        extract(**changes)
        return values(out, "pooled")[1]

    usual = features()
    raw_values = {f"image_{key}": [255 * value for value in told[f"image_{key}"]] for key in ("mean", "std")}
    for changes in ({"do_rescale": False, **raw_values}, {"rescale_factor": 1.0, **raw_values}, {"do_center_crop": None},
                    {"do_center_crop": False, "crop_size": None, "size": {"height": 16, "width": 16}}):
        require(difference(usual, features(**changes)) < 1e-4, f"other features with {changes}")
    require(difference(usual, features(do_rescale=False)) > 1e-3, "do_rescale = false changes nothing")
    for changes in ({"do_resize": False}, {"resample": 1}, {"crop_size": {"height": 16, "width": 8}}, {"image_mean": None},
                    {"image_std": []}, {"rescale_factor": 0}, {"size": {"height": 16, "width": 8}}):
        require_in(f"preprocessor_config.json: '{next(iter(changes))}'", extract(code=2, **changes))
    write(base / "ready.safetensors", {"pixel_values": noise(1, 3, 16, 16)})
    run("extract", hub, "--input", base / "ready.safetensors", "--out", out)  # asks nothing of that file


def wrong_use(base, source):
    tensors = base / "wrong.safetensors"
    for item, sentence in ((("other", noise(1, 3, 16, 16)), "holds none of pixel_values"),
                           (("pixel_values", noise(1, 16, 16)), "the network sees 2 axes"),
                           (("pixel_values", noise(1, 1, 16, 16)), "1 channels"),
                           (("pixel_values", noise(0, 3, 16, 16)), "no sample in it"),
                           (("pixel_values", noise(1, 3, 17, 16)), "17")):
        write(tensors, dict([item]))
        require(sentence in (text := run("extract", source, "--input", tensors, "--out", base / "w.safetensors",
                                         code=2 if sentence == "17" else 1)), text)
    write(tensors, {"pixel_values": noise(1, 3, 16, 16)})
    require_in("neither .safetensors nor .npy", run("extract", source, "--input", tensors, "--out", base / "w.txt", code=2))
    require_in("no block 7", run("extract", source, "--input", tensors, "--out", base / "w.npy", "--layers", 7, code=2))
    require_in("takes no path", run("extract", source, "--data", base, "--out", base / "w.npy", code=2))
    require(not list(base.glob("w.*")), f"left behind: {list(base.glob('w.*'))}")


def main():
    with folders() as name:
        base = pathlib.Path(name)
        train(base / "run", **SMALL)
        tensor_files(base, base / "run")
        data_sets(base, base / "run")
        energies(base, base / "run")
        other_data(base, base / "run")
        preparation(base, base / "run")
        wrong_use(base, base / "run")


main()
