"""The project's sources and who includes whom, for the checks in this folder."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("core", "plugins", "sdk", "tests", "examples")
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def all_sources():
    """Every source of the project, as paths relative to its root, sorted."""
    found = [p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.suffix in SUFFIXES and p.is_file()]
    return sorted(p.relative_to(ROOT) for p in found if "build" not in p.relative_to(ROOT).parts)


def includes(path):
    """(kind, name, line) of each include of a file; kind is '<' or '"'."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in INCLUDE.finditer(text)]


def resolve(path, name):
    """The project's file that an include of `name` in `path` means, or None."""
    plugin = [Path(*path.parts[:2])] if path.parts[0] == "plugins" else []
    for folder in [path.parent, *plugin, Path("plugins"), Path("core"), Path("core/include"), Path("sdk"), Path("tests")]:
        if (ROOT / folder / name).is_file():
            return Path((ROOT / folder / name).resolve().relative_to(ROOT))
    return None


def closure(path):
    """A file with all project files it includes, and every foreign name that any of them includes."""
    seen, foreign, todo = set(), set(), [path]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for _, name, _ in includes(current):
            target = resolve(current, name)
            todo.append(target) if target else foreign.add(name)
    return seen, foreign
