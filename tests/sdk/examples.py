"""The plugins of examples/ and scaffolds of every kind, alone and together, built against the unpacked tarball, tested by
their own ctest and trained for three steps. LibTorch is first missing, then beside the tarball's files, then elsewhere."""
import os
import pathlib
import shutil

from sdk import ROOT, build_together, configure, copy, libtorch, require, require_in, run, scratch, train_shortly, unpack

EXAMPLES = ("03-ecg-modality", "04-tabular-modality", "05-new-objective")
KINDS = ("modality", "encoder", "masker", "predictor", "objective")
LONGEST_SOURCE = 120
TOOLKIT = pathlib.Path("/usr/local/cuda/bin/nvcc")


def place_libtorch(folder, prefix):
    """Without LibTorch the tarball says so; it works with LibTorch beside its files, and from now on with CAIRN_TORCH."""
    require_in("set CAIRN_TORCH to the folder of LibTorch", run("cairn", "--version", cwd=folder, prefix=prefix, code=1))
    (prefix / "lib/libtorch").symlink_to(libtorch())
    require_in("no problem found", run("cairn", "check", prefix / "share/cairn/configs/quickstart.toml", cwd=folder, prefix=prefix))
    (prefix / "lib/libtorch").unlink()
    os.environ["CAIRN_TORCH"] = libtorch()


def scaffold(folder, prefix):
    """A plugin of every kind, and one of each kind alone; returns their names."""
    kinds = {"radar": KINDS} | {f"only_{kind}": (kind,) for kind in KINDS[1:]}  # sdk.outside has a modality alone
    for name, wanted in kinds.items():
        run("cairn", "new-plugin", name, *(f"--{kind}" for kind in wanted), cwd=folder, prefix=prefix)
        for source in (folder / name).rglob("*.cpp"):
            lines = source.read_text().count("\n")
            require(lines < LONGEST_SOURCE, f"{source.name} has {lines} lines, less than {LONGEST_SOURCE}")
    return tuple(kinds)


def build_kernel(folder, prefix):
    """A plugin with CUDA_SOURCES: compiled with a toolkit, its twin for the CPU alone without one."""
    compiler = shutil.which("nvcc") or (str(TOOLKIT) if TOOLKIT.exists() else None)
    if compiler is None:
        print("no CUDA toolkit: the kernel's twin for the CPU is built alone")
    options = [f"-DCMAKE_CUDA_COMPILER={compiler}"] if compiler else []
    text = configure(ROOT / "tests/outside-cuda", folder / "kernel", prefix, "-DCAIRN_PRECOMPILE=OFF", *options)
    require_in(f"gain: CUDA {'ON' if compiler else 'OFF'}", text)
    run("cmake", "--build", folder / "kernel", cwd=folder, prefix=prefix)
    plugin = folder / "kernel/plugins/cairn-gain.so"
    require((b".nv_fatbin" in plugin.read_bytes()) == bool(compiler), "the kernel is in the plugin")
    require_in("0 failed", run("cairn", "conform", plugin, cwd=folder, prefix=prefix))


with scratch() as folder:
    prefix = unpack(folder)
    place_libtorch(folder, prefix)
    names = (*EXAMPLES, *scaffold(folder, prefix))
    for name in EXAMPLES:
        copy(ROOT / "examples" / name, folder)
    plugins = build_together(folder, prefix, names)
    for name in names:
        require_in("run folder", train_shortly(folder, prefix, plugins, name))
    build_kernel(folder, prefix)
