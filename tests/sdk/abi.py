"""The public headers are those of the SDK ABI they call themselves: comments and spaces aside, a change of any of them
needs another kSdkAbi, or nobody may have built a plugin against the last one yet. `abi.py --record` writes down what is."""
import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = ROOT / "core/include"
TEXT_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
RECORD = pathlib.Path(__file__).with_name("abi.txt")


def code(header):
    """A header without comments, each run of spaces as one."""
    text = TEXT_OR_COMMENT.sub(lambda match: match[0] if match[0][0] == '"' else " ", header.read_text(encoding="utf-8"))
    return " ".join(text.split())


def current():
    """(ABI number, hash of all headers)."""
    whole = hashlib.sha256()
    for header in sorted(HEADERS.rglob("*.h")):
        whole.update(f"{header.relative_to(HEADERS)}\n{code(header)}\n".encode())
    number = re.search(r"kSdkAbi = (\d+);", (HEADERS / "cairn/plugin.h").read_text())[1]
    package = re.search(r"set\(CAIRN_SDK_ABI (\d+)\)", (ROOT / "sdk/cmake/CairnPlugin.cmake").read_text())[1]
    if number != package:
        sys.exit(f"kSdkAbi in plugin.h is {number}, CAIRN_SDK_ABI in sdk/cmake/CairnPlugin.cmake is {package}: make them equal")
    return number, whole.hexdigest()


if sys.argv[1:] == ["--record"]:
    RECORD.write_text(" ".join(current()) + "\n")
    sys.exit()
number, found = current()
recorded, expected = RECORD.read_text().split()
if found == expected and number == recorded:
    print(f"SDK ABI {number}, {found}")
elif number == recorded:
    sys.exit(f"the public headers changed, but the SDK ABI is still {number}: bump sdk_abi (kSdkAbi in plugin.h and "
             f"CAIRN_SDK_ABI in CairnPlugin.cmake) or revert; then run: python3 {pathlib.Path(__file__).relative_to(ROOT)} --record")
else:
    sys.exit(f"the SDK ABI is {number} now: run python3 {pathlib.Path(__file__).relative_to(ROOT)} --record")
