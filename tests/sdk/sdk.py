"""What the tests of the SDK share: an installed Cairn in a folder of its own, and commands that see nothing else."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["CAIRN_BUILD"])
LONGEST = 3000  # seconds a command may take


def require(holds, what):
    if not holds:
        sys.exit(f"failed: {what}")


def require_in(part, text):
    require(part in text, f"{part!r} is in\n{text}")


@contextlib.contextmanager
def scratch():
    """A folder far from the sources, so that nothing of them is found by accident."""
    with tempfile.TemporaryDirectory(prefix="cairn-sdk-") as name:
        yield pathlib.Path(name).resolve()


def install(folder, build=BUILD, components=()):
    """Installs into one folder and moves that to another, which is returned: nothing may hold the first one's path."""
    for component in components or [None]:
        options = ["--component", component] if component else []
        run("cmake", "--install", build, "--prefix", folder / "first", *options, cwd=folder)
    (folder / "first").rename(folder / "prefix")
    return folder / "prefix"


def libtorch():
    """The LibTorch that the build uses."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    return next(line.split("=", 1)[1] for line in cache.splitlines() if line.startswith("LIBTORCH_ROOT"))


def unpack(folder):
    """The tarball that CPack makes, unpacked; there is no LibTorch in it."""
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder / "pack", cwd=folder)
    packed, = (folder / "pack").glob("*.tar.gz")
    run("tar", "xf", packed, cwd=folder)
    (folder / packed.name.removesuffix(".tar.gz")).rename(folder / "prefix")
    return folder / "prefix"


def environment(prefix=None, **more):
    """Nothing that names this build: a person's shell, with the program of `prefix` on the path."""
    kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR", "CAIRN_TORCH") if key in os.environ}
    path = "/usr/local/bin:/usr/bin:/bin"
    jobs = os.environ.get("CAIRN_JOBS") or str(len(os.sched_getaffinity(0)))
    return kept | {"PATH": f"{prefix}/bin:{path}" if prefix else path, "OMP_NUM_THREADS": "1",
                   "CMAKE_BUILD_PARALLEL_LEVEL": jobs} | more


def run(*words, cwd, prefix=None, code=0, **more):
    """Runs a command in `cwd`; returns what it prints. Another exit code ends the test."""
    words = [str(word) for word in words]
    start = time.monotonic()
    done = subprocess.run(words, cwd=cwd, env=environment(prefix, **more), text=True, timeout=LONGEST, errors="replace",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f"{time.monotonic() - start:6.1f} s  {' '.join(words)}", flush=True)
    require(done.returncode == code, f"exit code {code}, not {done.returncode}, of {' '.join(words)}\n{done.stdout}")
    return done.stdout


def configure(source, build, prefix, *options, code=0):
    return run("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", *options, cwd=source,
               prefix=prefix, code=code)


def build_twins(folder, prefix, *options):
    """tests/outside-plugin as two plugins, `first` and `second`, each in a build folder of its own."""
    for name in TWINS:
        configure(ROOT / "tests/outside-plugin", folder / name, prefix, f"-DOUTSIDE_NAME={name}", "-DCAIRN_PRECOMPILE=OFF",
                  *options)
        run("cmake", "--build", folder / name, cwd=folder, prefix=prefix)


def twin_paths(folder):
    return [word for name in TWINS for word in ("--plugin-path", folder / name / "plugins")]


TWINS = ("first", "second")
TOP = """cmake_minimum_required(VERSION 3.25)
project(all LANGUAGES CXX)
set(CMAKE_BUILD_TYPE Release)
enable_testing()
find_package(Cairn CONFIG REQUIRED)
"""
SHORT = {"train.stop_at": 3, "train.threads": 1, "train.workers": 1, "evaluate.final_train_samples": 64,
         "evaluate.final_test_samples": 64}


def build_together(folder, prefix, names):
    """Builds the plugins in these folders below `folder` as one project, which shares a precompiled header, and runs
    their own tests. Returns the folder of the plugins."""
    (folder / "CMakeLists.txt").write_text(TOP + "".join(f"add_subdirectory({name})\n" for name in names))
    configure(folder, folder / "build", prefix)
    run("cmake", "--build", folder / "build", cwd=folder, prefix=prefix)
    print(run("ctest", "--test-dir", folder / "build", "--output-on-failure", "--no-tests=error", cwd=folder, prefix=prefix))
    return folder / "build/plugins"


def train_shortly(folder, prefix, plugins, name):
    sets = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
    return run("cairn", "--plugin-path", plugins, "train", folder / name / "train.toml", "--run", folder / "runs" / name, *sets,
               cwd=folder, prefix=prefix)


def copy(source, folder):
    """Copies a project without what was built or trained in it."""
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("build", "runs"))
