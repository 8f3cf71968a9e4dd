"""Every fenced block of the pages says what it is, and is held against what there is:
  console   commands that docs.commands runs (sdk.guide: those with `guide`)
  sh        commands that take an hour or a reader's data: options, files and settings must be known to the program
  cpp       quoted from a file, whole (docs.pages compares it) or line by line from the file of `<!-- from: FILE -->`
  python    the same, or code that compiles
  toml      TOML that can be read; parts of an experiment, that `cairn config` takes
  (none)    output and pictures of text; no command may stand in it"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib

PROGRAM = os.environ["CAIRN_PROGRAM"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(<!-- (?:file|from): (?P<file>\S+) -->\n)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^(?:\$ )?(\./dev|cairn|cmake|ctest|cpack|doxygen|python3?|pip)\b", re.MULTILINE)
EXPERIMENT_TABLES = {"modality", "encoder", "projector", "masker", "predictor", "objective", "ema", "optim", "schedule", "train",
                     "checkpoint", "evaluate", "log", "plugins", "distributed"}
PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]*\b")


def run(*words):
    return subprocess.run([PROGRAM, *words], cwd=ROOT, text=True, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def help_of(command, known={}):
    """What `cairn COMMAND --help` prints, of nested commands too."""
    key = tuple(command)
    if key not in known:
        known[key] = run(*command, "--help").stdout
    return known[key]


def command_faults(line):
    """What is wrong with a command that is not run."""
    words = shlex.split(line, comments=True)
    words = words[2:] if words[:2] == ["./dev", "run"] else words[1:] if words[:1] == ["cairn"] else []
    if words[:1] == ["--plugin-path"]:
        words = words[2:]
    if not words:
        return
    command = words[:2] if words[0] == "bench" else words[:1]
    text = help_of(command)
    for word in words:
        if word.startswith("--") and not re.search(re.escape(word.split("=")[0]) + r"\b", text):
            yield f"cairn {shlex.join(command)} has no option {word}"
        if word.startswith(("configs/", "examples/", "tests/")) and not PLACEHOLDER.search(word) and not (ROOT / word).exists():
            yield f"no such file: {word}"
    if words[0] == "train" and (ROOT / words[1]).exists():
        sets = [part for name, value in zip(words, words[1:]) if name == "--set" for part in (name, value.replace("seed=N", "seed=0"))]
        done = run("check", words[1], *sets)
        if done.returncode != 0:
            yield f"cairn check {shlex.join([words[1], *sets])} says\n{done.stdout}"


def quote_faults(text, file):
    """Lines of a block that the file it is taken from does not have, comments aside."""
    bare = lambda line: line.split("//")[0].strip()
    lines = {bare(line) for line in (ROOT / file).read_text(encoding="utf-8").splitlines()}
    return [f"{file} has no line: {line.strip()}" for line in text.splitlines() if bare(line) not in lines | {""}]


def code_faults(language, text, file):
    if file is not None:
        return quote_faults(text, file)
    if language == "cpp":
        return ["C++ that is quoted from no file: put <!-- from: FILE --> above it"]
    try:
        compile(text, "snippet", "exec")
    except SyntaxError as error:
        return [f"Python that does not compile: {error}"]
    return []


def toml_faults(text):
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [f"TOML that cannot be read: {error}"]
    if not tables.keys() <= EXPERIMENT_TABLES:
        return []
    with tempfile.TemporaryDirectory(prefix="cairn-docs-") as name:
        file = pathlib.Path(name) / "part.toml"
        file.write_text(f"extends = ['{ROOT}/configs/quickstart.toml']\n{text}")
        done = run("config", file)
    return [f"cairn config says\n{done.stdout}"] if done.returncode != 0 else []


def block_faults(language, text, file):
    if language.startswith("console"):
        return []
    if language == "sh":
        lines = text.replace("\\\n", " ").splitlines()
        return [fault for line in lines for fault in command_faults(line)]
    if language in ("cpp", "python"):
        return code_faults(language, text, file)
    if language == "toml":
        return toml_faults(text)
    if language:
        return [f"a block in a language that no test reads: {language}"]
    return [f"a command in a block that no test reads: {match[1]}; call it console or sh" for match in COMMAND.finditer(text)]


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("plugins/*/README.md")),
            *sorted(ROOT.glob("examples/*/README.md"))]


def main():
    faults, counts = [], {}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            language = block["language"]
            counts[language.split(" ")[0] or "none"] = counts.get(language.split(" ")[0] or "none", 0) + 1
            where = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 1}"
            faults += [f"{where}: {fault}" for fault in block_faults(language, block["text"], block["file"])]
    print("\n".join(faults))
    print(json.dumps(counts))
    sys.exit(1 if faults or not counts.get("console") else 0)


main()
