"""Training on tar shards: what is in them counts, not who wrote them; the same pictures in a folder give the same run."""
import io
import pathlib
import random
import shutil
import subprocess
import tarfile

from program import TINY, checkpoint, folders, losses, require, require_in, run, train

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
FEW = dict(train__steps=6, log__every=1, log__tensorboard="false", evaluate__every=0, evaluate__baselines="false",
           evaluate__lidar_samples=0, evaluate__final_train_samples=12, evaluate__final_test_samples=6, train__threads=1)


def picture(seed):
    """A small picture of noise, as a binary PPM."""
    return b"P6\n20 18\n255\n" + random.Random(seed).randbytes(20 * 18 * 3)


def names():
    """Class folders, one of whose names is longer than a plain header can hold."""
    for number, label in enumerate(("ants", "bees" * 30, "wasps")):
        for i in range(12):
            yield f"{label}/{number}-{i:02d}.ppm", number, picture(100 * number + i)


def write_folder(folder):
    for name, _, content in names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def add(tar, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def write_webdataset(folder):
    """Three shards with labels beside the pictures, as WebDataset's TarWriter and img2dataset leave them."""
    folder.mkdir()
    samples = list(names())
    for shard in range(3):
        with tarfile.open(folder / f"part-{shard:04d}.tar", "w", format=tarfile.GNU_FORMAT) as tar:
            for i, (_, label, content) in enumerate(samples[12 * shard:12 * shard + 12]):
                key = f"{12 * shard + i:06d}"
                add(tar, f"{key}.cls", str(label).encode())
                add(tar, f"{key}.json", b"{}")
                add(tar, f"{key}.ppm", content)


def require_dali_reads(shard):
    """The index beside a tar file, read as DALI does: as many lines of "ending offset size name ..." as it says."""
    first, *lines = shard.with_suffix(".idx").read_text().splitlines()
    version, count = first.split()
    require(version == "v1.2", "a version that DALI knows")
    found = {}
    for line in lines[:int(count)]:
        words = line.split()
        require(len(words) % 4 == 0 and words, "four words for each file")
        for ending, offset, size, name in zip(*[iter(words)] * 4):
            require(name.partition(".")[2] == ending and int(offset) % 512 == 0, "an ending and a block's offset")
            found[name] = shard.read_bytes()[int(offset):int(offset) + int(size)]
    with tarfile.open(shard) as tar:
        require(found == {member.name: tar.extractfile(member).read() for member in tar}, "every file of the tar file")


def experiment(folder, kind, path):
    """The tiny experiment, on the data at `path`."""
    text = TINY.read_text().replace('type = "image.shapes"', f'type = "{kind}"\npath = "{path}"')
    text = text.replace("train_samples = 50\n", "").replace("test_samples = 30\n", "")
    file = folder / f"{kind}-{pathlib.Path(path).stem[:20]}.toml"
    file.write_text(text)
    return file


def result(folder, kind, path, **settings):
    file = experiment(folder, kind, path)
    out = folder / f"run-{kind}-{pathlib.Path(path).stem[:20]}-{len(settings)}"
    train(out, experiment=file, **FEW, **settings)
    return [record["loss"] for record in losses(out)], checkpoint(out, 6)


def tar_of(path, label, name="a"):
    with tarfile.open(path, "w") as tar:
        for ending, data in ((".txt", b"x"), (".cls", label)):
            member = tarfile.TarInfo(name + ending)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def wrong_index(folder):
    """Nothing but an index file is replaced, and none is of two tar files."""
    folder.mkdir()
    tar_of(folder / "y.idx", b"cat")
    require_in("is there, and is no index file", run("index", folder / "y.idx", code=2))
    tar_of(folder / "a.tar", b"cat")
    tar_of(folder / "a.wds", b"cat")
    require_in("would share an index file", run("index", folder / "a.tar", folder / "a.wds", code=2))
    (folder / "a.idx").write_text("of another program\n")
    require_in("is there, and is no index file", run("index", folder / "a.tar", code=2))
    require_in("there is no", run("index", str(folder / "x-{0..2}.tar"), code=2))
    require_in("a pattern of no tar files", run("index", str(folder / "x-{5..3}.tar"), code=1))
    (folder / "beneath/train").mkdir(parents=True)
    tar_of(folder / "beneath/train/b.tar", b"cat")
    require_in("train/b.idx", run("index", folder / "beneath"))


with folders() as folder:
    base = pathlib.Path(folder)
    write_folder(base / "pictures")
    expected = result(base, "image.folder", base / "pictures")
    require(len(expected[0]) == 6, "six losses")
    for name, kind in FORMATS.items():
        with tarfile.open(base / f"{name}.tar", "w", format=kind) as tar:
            tar.add(base / "pictures", arcname="./set")
        require(result(base, "image.shards", base / f"{name}.tar") == expected, f"the same run from {name}")
    if shutil.which("tar"):
        subprocess.run(["tar", "--sort=name", "-cf", base / "command.tar", "-C", base / "pictures", "."], check=True)
        require(result(base, "image.shards", base / "command.tar") == expected, "the same run from GNU tar")

    write_webdataset(base / "web")
    require(result(base, "image.shards", base / "web") == expected, "the same run from WebDataset's layout")
    pattern = str(base / "web/part-{0000..0002}.tar")
    require(result(base, "image.shards", pattern) == expected, "the same run from a pattern")

    # With an index file beside each tar file, which is one that DALI reads.
    indexed = shutil.copytree(base / "web", base / "indexed")
    require(len(run("index", indexed, indexed / "part-0000.tar").splitlines()) == 3, "each index file is told once")
    require_in("does not exist; give a tar file", run("index", base / "none", code=1))
    wrong_index(base / "wrong")
    for shard in indexed.glob("*.tar"):
        require_dali_reads(shard)
    require(result(base, "image.shards", indexed) == expected, "the same run with index files")
    for index in indexed.glob("*.idx"):
        index.write_text(index.read_text().replace("v1.2", "v1.1"))
    told = train(base / "stale", experiment=experiment(base, "image.shards", indexed), **FEW)
    require(told.count("of 3 of 3 tar files the headers are read") == 1, "one warning of index files that do not serve")
    require([record["loss"] for record in losses(base / "stale")] == expected[0], "the same run without them")

    # Runs of samples are another order, the same for any number of workers and after a resume.
    runs = dict(modality__read_run=4, modality__read_mix=2)
    one = result(base, "image.shards", base / "web", train__workers=1, **runs)
    four = result(base, "image.shards", base / "web", train__workers=4, train__queue=2, **runs)
    require(one == four, "workers do not change the order")
    require(one[0] != expected[0], "another order")
    file = base / "image.shards-web.toml"
    train(base / "halves", experiment=file, train__stop_at=3, **FEW, **runs)
    train(base / "halves", "--resume", experiment=file, **FEW, **runs)
    require(checkpoint(base / "halves", 6) == one[1], "a resumed run is the unbroken one")

    compressed = base / "small.tar"
    subprocess.run(["gzip", "-k", base / "ustar.tar"], check=True)
    shutil.move(base / "ustar.tar.gz", compressed)
    said = run("train", experiment(base, "image.shards", compressed), "--run", base / "none", code=1, **FEW)
    require_in("is compressed", said)
    require_in("unpack it", said)
print("shards: the run of a folder, whoever wrote the tar file; runs read together resume bit-equal")
