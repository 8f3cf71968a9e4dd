"""Fuzzes a reader of media: builds a plugin's fuzz_reader.cpp with libFuzzer and the sanitisers, feeds it broken files.

    python media.py image|video SOURCE BUILD LIBTORCH [SECONDS]     exit 77 where clang++ is missing
"""
import base64
import pathlib
import shutil
import subprocess
import sys
import tempfile

PICTURES = ("media/ffmpeg", "media/ffmpeg_picture", "media/across", "media/resample", "media/decode", "media/jpeg",
            "media/jpeg_scan", "media/orientation", "media/tiff", "media/webp",
            "media/weigh")
SOURCES = {"image": (*PICTURES, "image/tests/fuzz_reader"),
           "video": (*PICTURES, "video/video_file", "video/video_input", "video/webp_film", "video/yuv",
                     "video/tests/fuzz_reader")}
SEEDS = {"image": ("data/zoo/images/*",), "video": ("data/zoo/video/*", "golden/frontends/video_*/input.*")}
# An animated WebP of three frames of 8 x 8 pixels.
FILM = ("UklGRs4AAABXRUJQVlA4WAoAAAACAAAABwAABwAAQU5JTQYAAAAAAAAAAABBTk1GLgAAAAAAAAAAAAcAAAcAADIAAAJWUDhMFgAA"
        "AC8HwAEAD/Ab5Pm/R/j8RxomIKL/EQBBTk1GMAAAAAAAAAAAAAcAAAcAADIAAABWUDhMFwAAAC8HwAEAD/A5xkO93iN8/iMNIxDR"
        "/xAAAEFOTUY0AAAAAAAAAAAABwAABwAAMgAAAFZQOEwcAAAALwfAAQAPcKjXf4HeI3z+QwsK0jZgUXYi+h8cAA==")
SANITISERS = "address,undefined"
LIBRARIES = ("libavformat", "libavcodec", "libavutil", "libswscale", "libjpeg", "libwebp", "libwebpdemux")


def seeds(kind, source, corpus):
    """Small files of the shared folder, the starting points; returns how many."""
    files = [path for pattern in SEEDS[kind] for path in (source.parent / "shared").glob(pattern)]
    small = [path for path in files if path.is_file() and path.stat().st_size < 60_000 and path.suffix != ".tsv"]
    for number, path in enumerate(small):
        shutil.copy(path, corpus / f"{number}{path.suffix}")
    (corpus / "film.webp").write_bytes(base64.b64decode(FILM))
    return len(small) + 1


def build(kind, compiler, source, build_folder, torch, work):
    plugins = source / "plugins"
    includes = [f"-I{plugins}/{kind}", f"-I{plugins}", f"-I{source}/core/include", "-isystem", f"{torch}/include",
                "-isystem", f"{torch}/include/torch/csrc/api/include"]
    objects = []
    for name in SOURCES[kind]:
        objects.append(work / (name.replace("/", "_") + ".o"))
        subprocess.run([compiler, "-std=c++20", "-g1", "-O1", f"-fsanitize=fuzzer-no-link,{SANITISERS}", *includes, "-c",
                        f"{plugins}/{name}.cpp", "-o", objects[-1]], check=True)
    libraries = subprocess.run(["pkg-config", "--libs", *LIBRARIES], check=True, capture_output=True, text=True)
    subprocess.run([compiler, f"-fsanitize=fuzzer,{SANITISERS}", *objects, "-o", work / "fuzz", f"-L{build_folder}/lib",
                    "-lcairn_core", f"-L{torch}/lib", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{build_folder}/lib:{torch}/lib",
                    "-Wl,--allow-shlib-undefined", *libraries.stdout.split()], check=True)


def main():
    kind = sys.argv[1]
    source, build_folder, torch = (pathlib.Path(argument).resolve() for argument in sys.argv[2:5])
    seconds = sys.argv[5] if len(sys.argv) > 5 else "600"
    compiler = shutil.which("clang++-14") or shutil.which("clang++")
    if compiler is None:
        print("skipped: clang++ is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        work, corpus = pathlib.Path(folder), pathlib.Path(folder) / "corpus"
        corpus.mkdir()
        print(f"{seeds(kind, source, corpus)} files to begin with")
        build(kind, compiler, source, build_folder, torch, work)
        # FFmpeg itself is not instrumented; what it leaks counts all the same.
        return subprocess.run([work / "fuzz", corpus, f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=6000",
                               "-max_len=60000", f"-artifact_prefix={work}/", "-verbosity=1"]).returncode


if __name__ == "__main__":
    sys.exit(main())
