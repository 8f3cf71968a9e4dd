"""Videos in tar shards are those of class folders: the same run, the same clips left out, the same probes."""
import io
import json
import pathlib
import shutil
import sys
import tarfile

from program import SHARED, SOURCE, checkpoint, folders, losses, require, require_in, run, train

CLIPS = SHARED / "data/video/actions"
CLASSES = ("fight", "kickflip", "ollie")
FEW = dict(train__steps=6, train__batch_size=4, log__every=1, log__tensorboard="false", evaluate__every=0,
           evaluate__baselines="false", evaluate__lidar_samples=0, evaluate__final_train_samples=12,
           evaluate__final_test_samples=6, train__threads=1, modality__frames=4, modality__size=32,
           modality__max_bad_share=0.5)


def write_folders(folder):
    """A few clips of each class, one of them broken and one cut off."""
    for part, count in (("train", 6), ("val", 2)):
        for label in CLASSES:
            (folder / part / label).mkdir(parents=True)
            for clip in sorted((CLIPS / part / label).glob("*.mp4"))[:count]:
                shutil.copy(clip, folder / part / label)
    first, second, *_ = sorted((folder / "train/ollie").glob("*.mp4"))
    first.write_bytes(b"no video")
    second.write_bytes(second.read_bytes()[:3000])


def write_shards(clips, folder):
    """The same in the same order, two shards for training and one for testing, as WebDataset lays them out."""
    folder.mkdir()
    for part, shards in (("train", 2), ("val", 1)):
        samples = [clip for label in CLASSES for clip in sorted((clips / part / label).glob("*.mp4"))]
        size = len(samples) // shards
        for number in range(shards):
            with tarfile.open(folder / f"{part}-{number:03d}.tar", "w") as tar:
                for clip in samples[number * size:(number + 1) * size]:
                    for ending, content in ((".mp4", clip.read_bytes()), (".cls", clip.parent.name.encode()),
                                            (".json", b"{}")):
                        entry = tarfile.TarInfo(clip.stem + ending)
                        entry.size = len(content)
                        tar.addfile(entry, io.BytesIO(content))


def experiment(kind, path):
    """The tiny experiment on these data; a changed type would drop what else its table says."""
    file = path.with_suffix(".toml")
    text = (SOURCE / "configs/vjepa/tiny.toml").read_text().replace("../base", str(SOURCE / "configs/base"))
    file.write_text(text.replace('type = "video.clips"', f'type = "{kind}"\npath = "{path}"'))
    return file


def left_out(out):
    """The names of the clips that a run could not read."""
    lines = (out / "quarantine.txt").read_text().splitlines()
    return {pathlib.PurePath(word.rstrip(":").split(".tar:")[-1]).name for line in lines for word in line.split()
            if word.rstrip(":").endswith(".mp4")}


def result(out, kind, path, *words, **settings):
    train(out, *words, experiment=experiment(kind, path), **FEW, **settings)
    return [record["loss"] for record in losses(out)], checkpoint(out, 6)


def probe(out, labels):
    said = run("probe", out, "--kind", "linear", "--labels", labels, "--json")
    found = json.loads(said[said.index("{"):])  # behind what is said of clips that cannot be read
    return found["accuracy"], found["test"], found["classes"]


if not CLIPS.exists():
    print(f"skipped: no clips at {CLIPS}")
    sys.exit(0)

with folders() as name:
    base = pathlib.Path(name)
    write_folders(base / "clips")
    write_shards(base / "clips", base / "shards")
    expected = result(base / "of-clips", "video.clips", base / "clips")
    require(len(expected[0]) == 6, "six losses")
    require(result(base / "of-shards", "video.shards", base / "shards") == expected, "the same run")
    require(left_out(base / "of-clips") == left_out(base / "of-shards") != set(), "the same clips are left out")
    held = result(base / "held", "video.shards", base / "shards", modality__decode_cache_mb=64)
    require(held == expected, "the same run from decoded frames in memory")
    require(len(run("index", base / "shards").splitlines()) == 3, "an index file of each")
    require(result(base / "indexed", "video.shards", base / "shards") == expected, "the same run with index files")

    runs = dict(modality__read_run=4, modality__read_mix=2)
    whole = result(base / "whole", "video.shards", base / "shards", train__workers=2, **runs)
    train(base / "halves", experiment=experiment("video.shards", base / "shards"), train__stop_at=3, **FEW, **runs)
    halves = result(base / "halves", "video.shards", base / "shards", "--resume", **runs)
    require(halves[1] == whole[1], "a resumed run is the unbroken one")

    for labels in ("arrow", "speed"):
        require(probe(base / "of-shards", labels) == probe(base / "of-clips", labels), f"the same probe of {labels}")

    file = experiment("video.shards", base / "shards")
    few = {key: value for key, value in FEW.items() if key.startswith(("modality", "train__batch"))}
    run("check", file, **few)
    bench = json.loads(run("bench", "loader", file, "--json", "--batches", 4, **few))
    require(bench["samples_per_second"]["median"] > 0, "the loader's speed")
print("video shards: the run of class folders, with the same clips left out; resumed, indexed and probed alike")
