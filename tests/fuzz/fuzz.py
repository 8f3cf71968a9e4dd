"""Builds the libFuzzer target under AddressSanitizer and lets it run: CAIRN_FUZZ_SECONDS seconds, 600 if not said.

The target is compiled with clang, apart from the rest of the build; LibTorch itself is as it came. Skipped, with the
reason, where clang with libFuzzer is missing."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("CAIRN_SHARED", ROOT.parent / "shared"))
BUILD = pathlib.Path(os.environ["CAIRN_FUZZ_BUILD"])
TORCH = pathlib.Path(os.environ["CAIRN_LIBTORCH"])
SECONDS = os.environ.get("CAIRN_FUZZ_SECONDS", "600")
SKIPPED = 77

SOURCES = ["tests/fuzz/readers.cpp", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "core/checkpoint").glob("*.cpp")),
           "core/interface/error.cpp", "core/interface/interfaces.cpp", "core/interface/options.cpp",
           "core/interface/suggest.cpp", "core/nn/positions.cpp", "core/nn/tokens.cpp"]


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def compiler():
    for name in ("clang++-14", "clang++"):
        if path := shutil.which(name):
            return path
    skip("there is no clang++ (Debian: clang-14, libclang-rt-14-dev)")


def flags():
    include = [f"-I{ROOT}/core", f"-I{ROOT}/core/include", "-isystem", f"{TORCH}/include", "-isystem",
               f"{TORCH}/include/torch/csrc/api/include"]
    return ["-std=c++20", "-O1", "-g", "-w", "-DFMT_HEADER_ONLY=1", "-fsanitize=fuzzer,address",
            "-fno-omit-frame-pointer", *include]


def require_fuzzer(clang):
    empty = "extern \"C\" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }"
    probe = [clang, "-fsanitize=fuzzer,address", "-x", "c++", "-", "-o", BUILD / "probe"]
    if subprocess.run(probe, input=empty, text=True, stderr=subprocess.DEVNULL).returncode:
        skip(f"{clang} cannot link a libFuzzer target (Debian: libclang-rt-14-dev)")


def build():
    BUILD.mkdir(parents=True, exist_ok=True)
    clang, objects = compiler(), []
    require_fuzzer(clang)
    for source in SOURCES:
        target = BUILD / (source.replace("/", "_") + ".o")
        objects.append(target)
        newest = max(path.stat().st_mtime for path in [ROOT / source, *(ROOT / "core/checkpoint").glob("*.h")])
        if target.exists() and target.stat().st_mtime > newest:
            continue
        done = subprocess.run([clang, *flags(), "-c", ROOT / source, "-o", target])
        if done.returncode:
            sys.exit(f"{source} does not compile with {clang}")
    program = BUILD / "fuzz_readers"
    link = [clang, *flags(), *objects, "-o", program, f"-L{TORCH}/lib", f"-Wl,-rpath,{TORCH}/lib", "-ltorch_cpu", "-lc10",
            "-Wl,--allow-shlib-undefined", "-Wl,--unresolved-symbols=ignore-in-shared-libs"]
    if subprocess.run(link).returncode:
        sys.exit(f"{program} does not link")
    return program


def safetensors(tensors):
    header = json.dumps(tensors).encode()
    size = max((item["data_offsets"][1] for item in tensors.values()), default=0)
    return struct.pack("<Q", len(header)) + header + bytes(size)


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def corpus(folder):
    """Sound files of every reader: their mutations are the inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {"safetensors": b"\0" + safetensors({"a": tensor("F32", [2, 3], 0, 24), "b": tensor("I64", [1], 24, 32),
                                                 "c": tensor("BOOL", [4], 32, 36)}),
             "config": b"\3" + json.dumps({"model_type": "ijepa", "hidden_size": 8, "num_hidden_layers": 1,
                                           "patch_size": 4, "image_size": [8, 16], "num_attention_heads": 2,
                                           "cairn": {"component": "a.b", "options": {"positions": "sincos"}}}).encode(),
             "cairn": b"\4" + json.dumps({"format": 1, "tokenizer": {"channels": 3, "patch": [4, 4],
                                                                     "axes": ["height", "width"]}, "grid": [2, 2],
                                          "encoder": {"component": "a.b", "options": {"x": [1, 2.5, "c", {}]}},
                                          "data": {"component": "c.d", "options": {}}}).encode()}
    for path in sorted((SHARED / "golden/original").glob("*/*.pth.tar")):
        with zipfile.ZipFile(path) as archive:
            pickle = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            seeds[f"pickle-{path.name}"] = b"\1" + archive.read(pickle)
    small = (b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq"
             b"\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x10tq\x07QK\x00K\x04K\x04"
             b"\x86q\x08K\x04K\x01\x86q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.")
    seeds["pickle-small"] = b"\1" + small
    whole = folder / "archive.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in (("x/data.pkl", small), ("x/version", b"3\n"), ("x/data/0", bytes(64))):
            archive.writestr(name, content)
    seeds["archive"] = b"\2" + whole.read_bytes()
    whole.unlink()
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


def main():
    program = build()
    seeds, grown = BUILD / "seeds", BUILD / "corpus"
    corpus(seeds)
    grown.mkdir(exist_ok=True)
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=0:max_allocation_size_mb=2048",
                                "OMP_NUM_THREADS": "1"}
    done = subprocess.run([program, f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=3000", "-max_len=65536",
                           "-print_final_stats=1", f"-artifact_prefix={BUILD}/", grown, seeds],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    print(done.stdout[-6000:])
    sys.exit(f"the readers fail on a file that libFuzzer left in {BUILD}" if done.returncode else 0)


main()
