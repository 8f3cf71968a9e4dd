"""Two plugins from different build folders in one process: parts of one are trained with parts of the other, and what one
throws is caught by its type in the core. Everything runs under AddressSanitizer and UndefinedBehaviorSanitizer, built
here from the sources."""
from sdk import BUILD, ROOT, TWINS, build_twins, install, libtorch, require, require_in, run, scratch, twin_paths

FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
EXPERIMENT = """name = "exchange"
[modality]
type = "first.data"
bad_every = 9
max_bad_share = 0.2
[encoder]
type = "first.net"
[masker]
type = "second.halves"
[predictor]
type = "second.guess"
[[objective]]
type = "first.loss"
[train]
steps = 6
batch_size = 8
threads = 1
[checkpoint]
every = 3
[evaluate]
every = 0
"""
# What is thrown, exit code, what is said of it.
FAULTS = {
    "configuration": (2, "it was asked for"),
    "standard": (1, "plugin 'second', component 'loss': out of luck"),
    "torch": (1, "plugin 'second', component 'loss': a tensor of the wrong shape"),
    "number": (1, "plugin 'second', component 'loss': threw something that is no std::exception"),
}


def sanitized_build():
    """A build of the core and the program with sanitizers, kept for the next time; not optimised, which takes longer."""
    build = BUILD / "tests/sdk/sanitized"
    run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCAIRN_SANITIZE=ON", "-DCAIRN_UNITY=ON", "-DCAIRN_CUDA=OFF",
        "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0", f"-DLIBTORCH_ROOT={libtorch()}", "-DBUILD_TESTING=OFF",
        cwd=ROOT)
    run("cmake", "--build", build, "--target", "cairn", cwd=ROOT)
    return build


def train(folder, prefix, run_name, *sets, code=0):
    words = [word for setting in sets for word in ("--set", setting)]
    said = run("cairn", *twin_paths(folder), "train", "exchange.toml", "--run", f"runs/{run_name}", *words, cwd=folder,
               prefix=prefix, code=code)
    require("Sanitizer" not in said and "runtime error" not in said, f"no sanitizer complains\n{said}")
    return said


with scratch() as folder:
    prefix = install(folder, sanitized_build(), ("runtime", "sdk", "link"))
    build_twins(folder, prefix, f"-DCMAKE_CXX_FLAGS={FLAGS}")
    for name in TWINS:
        plugin = folder / name / f"plugins/cairn-{name}.so"
        require(b"__asan_" in plugin.read_bytes(), "the plugins are built with the sanitizer")
        said = run("cairn", "conform", plugin, cwd=folder, prefix=prefix)
        require("Sanitizer" not in said and "runtime error" not in said, f"no sanitizer complains\n{said}")
    require(b"__asan_" in (prefix / "lib/libcairn_core.so").read_bytes(), "the core is built with the sanitizer")
    (folder / "exchange.toml").write_text(EXPERIMENT)
    require_in("run folder", train(folder, prefix, "sound"))
    require_in("noise #", (folder / "runs/sound/quarantine.txt").read_text())
    require_in("run folder", train(folder, prefix, "swapped", "modality.type=second.data", "encoder.type=second.net",
                                   "predictor.type=first.guess", "masker.type=first.halves"))
    for fault, (code, text) in FAULTS.items():
        said = train(folder, prefix, fault, "objective=[{type='second.loss', fault='" + fault + "'}]", code=code)
        require_in(text, said)
