"""Holds DESIGN section 2: plugins see the public headers only, core knows no plugin, data flows one way."""

import re
import sys
from pathlib import Path

from sources import ROOT, all_sources, includes, resolve

ORDER = ("config", "data", "model", "train", "evaluate", "report", "bench", "cli")
APART = ("interface", "nn", "plugin", "kernels", "checkpoint", "distributed")
KIT = Path("sdk/conformance")  # what `cairn conform` runs; it stands between core's engine and its command line
SHARED_BY_PLUGINS = Path("plugins/media")  # a static library, copied into each plugin that uses it
ALLOWED_IN_PLUGIN_TESTS = ("tests/support", "core/checkpoint")  # the latter reads golden cases
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def plugin_fault(path, name, target):
    """What is wrong with a plugin's include, or None."""
    own = Path(*path.parts[:2])
    in_tests = "tests" in path.parts[2:]
    if target is None or any(folder in target.parents for folder in (own, Path("core/include"), SHARED_BY_PLUGINS)):
        return None
    if in_tests and any(Path(allowed) in target.parents for allowed in ALLOWED_IN_PLUGIN_TESTS):
        return None
    return f'a plugin includes "{name}", which is not public: only "cairn/..." and its own files are'


def core_fault(path, name, target):
    """What is wrong with an include of core, or None."""
    if target is None or (KIT in target.parents and path.parts[1] == "cli"):
        return None
    if target.parts[0] != "core":
        return f'core includes "{name}" from outside core'
    here, there = path.parts[1], target.parts[1]
    if here == there or there == "include":
        return None
    if here == "include":
        return f'a public header includes the private "{name}"'
    if here in APART:
        return None if there in APART else f'core/{here} must know nothing of the loop, but includes "{name}"'
    if here in ORDER and there in ORDER and ORDER.index(there) > ORDER.index(here):
        return f'core/{here} includes "{name}", which lies after it in {" -> ".join(ORDER)}'
    return None if here in ORDER else f"core/{here} has no place in the order of core's folders"


def kit_fault(name, target):
    """What is wrong with an include of the conformance kit, or None."""
    if target is None or KIT in target.parents or (target.parts[0] == "core" and target.parts[1] != "cli"):
        return None
    return f'the kit includes "{name}": it may see the engine, neither its command line nor a plugin'


def names_of_plugins(text, plugins):
    """Every string in C++ code that names a plugin or a component of one."""
    code = COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    pattern = re.compile(r'"(?:cairn-)?(?:' + "|".join(plugins) + r')(?:\.[a-z_]+)?"')
    return [(code.count("\n", 0, m.start()) + 1, m[0]) for m in pattern.finditer(code)]


def check(path, plugins):
    """The faults of one file as (line, text)."""
    fault_of = {"core": core_fault, "plugins": plugin_fault, "sdk": lambda _, *rest: kit_fault(*rest)}.get(path.parts[0])
    if fault_of is None:
        return []
    faults = [(line, fault_of(path, name, resolve(path, name))) for _, name, line in includes(path)]
    if path.parts[0] in ("core", "sdk"):
        text = (ROOT / path).read_text(encoding="utf-8")
        faults += [(line, f"{path.parts[0]} names a plugin: {name}") for line, name in names_of_plugins(text, plugins)]
    return [fault for fault in faults if fault[1]]


def self_test():
    """Shows that each rule can fail."""
    public, private = Path("core/include/cairn/error.h"), Path("core/config/settings.h")
    plugin = Path("plugins/image/modality.cpp")
    assert plugin_fault(plugin, "cairn/error.h", public) is None
    assert plugin_fault(plugin, "reader.h", Path("plugins/image/reader.h")) is None
    assert plugin_fault(plugin, "config/settings.h", private)
    assert plugin_fault(plugin, "x.h", Path("plugins/jepa/x.h"))
    assert plugin_fault(plugin, "media/picture.h", Path("plugins/media/picture.h")) is None
    assert plugin_fault(Path("plugins/media/picture.cpp"), "image/x.h", Path("plugins/image/x.h"))
    assert plugin_fault(plugin, "support/toy.h", Path("tests/support/toy.h"))
    assert plugin_fault(Path("plugins/image/tests/t.cpp"), "support/toy.h", Path("tests/support/toy.h")) is None
    assert core_fault(Path("core/data/loader.cpp"), "config/settings.h", private) is None
    assert core_fault(private, "data/loader.h", Path("core/data/loader.h"))
    assert core_fault(public, "config/settings.h", private)
    assert core_fault(Path("core/checkpoint/x.cpp"), "config/settings.h", private)
    assert core_fault(Path("core/new/x.cpp"), "config/settings.h", private)
    assert core_fault(Path("core/cli/conform.cpp"), "conformance/kit.h", Path("sdk/conformance/kit.h")) is None
    assert core_fault(Path("core/model/x.cpp"), "conformance/kit.h", Path("sdk/conformance/kit.h"))
    assert kit_fault("model/engine.h", Path("core/model/engine.h")) is None
    assert kit_fault("cli/commands.h", Path("core/cli/commands.h"))
    assert kit_fault("vit.h", Path("plugins/transformer/vit.h"))
    assert names_of_plugins('a = "image.folder";\nb = "image";', ["image"]) == [(1, '"image.folder"'), (2, '"image"')]
    assert names_of_plugins('// "image.folder"\nb = "an image";', ["image"]) == []


def main():
    self_test()
    plugins = sorted(p.name for p in (ROOT / "plugins").iterdir() if p.is_dir())
    sources = all_sources()
    faults = [f"{path}:{line}: error: {text}" for path in sources for line, text in check(path, plugins)]
    print("\n".join(faults) if faults else f"{len(sources)} files are where they may be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
