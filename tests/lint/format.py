"""Fails when a source is not in the project's format (.clang-format); ./dev format rewrites it."""

import shutil
import subprocess
import sys

from sources import ROOT, all_sources


def main():
    program = shutil.which("clang-format-14")
    if program is None:
        print("skipped: clang-format-14 is not installed")
        return 77
    files = [str(path) for path in all_sources()]
    result = subprocess.run([program, "--dry-run", "-Werror", *files], cwd=ROOT, capture_output=True, text=True)
    bad = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error: code should" in line})
    if result.returncode != 0:
        print("\n".join(bad) or result.stderr)
        print(f"{len(bad)} files are not in the project's format; run ./dev format")
        return 1
    print(f"{len(files)} files are in the project's format")
    return 0


if __name__ == "__main__":
    sys.exit(main())
