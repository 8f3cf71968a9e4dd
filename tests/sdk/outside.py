"""From an installed and moved Cairn and an empty folder: scaffold a modality, build it beside tests/outside-plugin, run
what their own ctest runs (`cairn conform`, unit tests, `cairn check`), train. Then what a wrong machine is told."""
from sdk import ROOT, build_together, configure, copy, install, require, require_in, run, scratch, train_shortly

WRONG_NAMES = ("Radar", "transformer", "class", "a/b", "")


def scaffold(folder, prefix):
    require_in(f"-DCMAKE_PREFIX_PATH={prefix}", run("cairn", "new-plugin", "radar", cwd=folder, prefix=prefix))
    run("cairn", "new-plugin", "radar", cwd=folder, prefix=prefix, code=2)
    for name in WRONG_NAMES:
        run("cairn", "new-plugin", name, cwd=folder, prefix=prefix, code=2)


def no_trace_of_sources(folder):
    """Neither the installed package nor the build outside knows where Cairn's sources are."""
    for file in [*folder.glob("prefix/lib/cmake/Cairn/*"), folder / "build/build.ninja"]:
        require(f"{ROOT}/" not in file.read_text(), f"{file} names the sources")


def wrong_machines(folder, prefix):
    """Another compiler, another LibTorch and none stop the configuration with one sentence each."""
    compiler = folder / "c++-99"
    compiler.write_text('#!/bin/sh\nc++ -D__GNUC__=99 -Wno-builtin-macro-redefined "$@"\n')
    compiler.chmod(0o755)
    text = configure(folder / "radar", folder / "wrong", prefix, f"-DCMAKE_CXX_COMPILER={compiler}", code=1)
    require_in("this project is compiled with GNU 99", " ".join(text.split()))
    torch = folder / "torch"
    (torch / "include/torch/csrc/api/include/torch").mkdir(parents=True)
    (torch / "include/torch/csrc/api/include/torch/torch.h").touch()
    (torch / "version.py").write_text("__version__ = '2.10.0+cu128'\n")
    text = configure(folder / "radar", folder / "other", prefix, f"-DCAIRN_TORCH={torch}", code=1)
    require_in("is 2.10.0+cu128: set CAIRN_TORCH to", " ".join(text.split()))
    (prefix / "lib/libtorch").unlink()
    text = configure(folder / "radar", folder / "none", prefix, code=1)
    require_in("was not found: set CAIRN_TORCH to its folder", " ".join(text.split()))
    require_in("set CAIRN_TORCH to the folder of LibTorch", run("cairn", "--version", cwd=folder, prefix=prefix, code=1))


with scratch() as folder:
    prefix = install(folder)
    scaffold(folder, prefix)
    copy(ROOT / "tests/outside-plugin", folder)
    plugins = build_together(folder, prefix, ("outside-plugin", "radar"))
    no_trace_of_sources(folder)
    require_in("run folder", train_shortly(folder, prefix, plugins, "radar"))
    wrong_machines(folder, prefix)
