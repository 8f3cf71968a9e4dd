"""Runs clang-tidy (.clang-tidy) over the sources of a build folder, several at a time.

usage: tidy.py BUILD_FOLDER [--all]

Without --all only sources that include no tensors and no other heavy library are checked: those take clang-tidy up to
half a minute each.
A file is checked again only when it, a project header it includes, or .clang-tidy has changed.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sources import ROOT, closure

HEAVY = ("torch/", "ATen/", "c10/", "toml", "CLI/", "nlohmann/", "catch2/", "boost/")


def without_precompiled_header(entry):
    """The compile command as clang can use it: GCC's precompiled header and ccache taken out."""
    words = entry["command"].split()
    start = next(i for i, word in enumerate(words) if word.endswith(("g++", "c++", "clang++", "g++-12")))
    kept, skip = [], False
    for word in words[start:]:
        if skip:
            skip = False
        elif word == "-include":
            skip = True
        elif word not in ("-fpch-preprocess", "-Winvalid-pch"):
            kept.append(word)
    return {**entry, "command": " ".join(kept)}


def sources_of(entry, build):
    """The entry for each source it compiles: one, or all that a unity file of the build folder includes."""
    path = Path(entry["file"])
    if build not in path.parents:
        return [entry]
    members = re.findall(r'^#include "(.+)"$', path.read_text(), re.MULTILINE)
    return [{**entry, "file": member, "command": entry["command"].replace(str(path), member)} for member in members]


def digest(files):
    """One hash over the content of files and the configuration."""
    total = hashlib.sha256()
    for path in [Path(".clang-tidy"), *sorted(files)]:
        total.update((ROOT / path).read_bytes())
    return total.hexdigest()


def tidy(program, folder, path, files):
    """clang-tidy's findings in one source, empty when clean."""
    stamp = folder / (str(path).replace("/", "_") + ".clean")
    wanted = digest(files)
    if stamp.exists() and stamp.read_text() == wanted:
        return ""
    result = subprocess.run([program, "-quiet", "-p", str(folder), str(ROOT / path)], capture_output=True, text=True)
    if result.returncode == 0:
        stamp.write_text(wanted)
        return ""
    return result.stdout or result.stderr


def main():
    if not 2 <= len(sys.argv) <= 3 or (len(sys.argv) == 3 and sys.argv[2] != "--all"):
        print(__doc__)
        return 2
    program = shutil.which("clang-tidy-14")
    if program is None:
        print("skipped: clang-tidy-14 is not installed")
        return 77
    build = Path(sys.argv[1])
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    entries = json.loads((build / "compile_commands.json").read_text())
    entries = [source for e in entries if not e["file"].endswith(".cu") for source in sources_of(e, build.resolve())]
    entries = [e for e in entries if ROOT in Path(e["file"]).parents and build.resolve() not in Path(e["file"]).parents]
    (folder / "compile_commands.json").write_text(json.dumps([without_precompiled_header(e) for e in entries]))
    work = {}
    for path in sorted({Path(e["file"]).relative_to(ROOT) for e in entries}):
        files, foreign = closure(path)
        if len(sys.argv) == 3 or not any(name.startswith(HEAVY) for name in foreign):
            work[path] = files
    start = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = 0
        for text in pool.map(lambda item: tidy(program, folder, *item), work.items()):
            print(text, end="", flush=True)
            bad += bool(text)
    print(f"clang-tidy: {len(work)} files, {bad} with findings, {time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
