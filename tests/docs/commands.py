"""Runs the commands of README.md and docs/*.md that stand behind `$ ` in ```console blocks, with the program in place of
`./dev run`. A number behind the word console is the exit code expected; lines below a command are what it must print,
`…` any number of lines. Trainings take two steps on a few samples. Other commands (./dev test) are not run."""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

PROGRAM = os.environ["CAIRN_PROGRAM"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("CAIRN_SHARED", ROOT.parent / "shared"))
BLOCK = re.compile(r"^```console(?: (\d+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TINY = {"train.steps": 2, "train.stop_at": 0, "train.batch_size": 8, "train.threads": 1, "evaluate.every": 0, "evaluate.train_samples": 40,
        "evaluate.test_samples": 20, "evaluate.final_train_samples": 40, "evaluate.final_test_samples": 20,
        "evaluate.baselines": "false"}


def commands(page):
    """Every command of a page as (words, expected exit code, expected output lines)."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block[2], flags=re.MULTILINE)[1:]:
            line, *output = part.replace("\\\n", " ").splitlines()
            yield shlex.split(line, comments=True), int(block[1] or 0), output


def absent_data(words):
    """The data a command needs and this machine lacks, or None."""
    for word in words:
        path = word.removeprefix("modality.path=")
        if path.startswith("../shared") and not (SHARED / path.removeprefix("../shared/")).exists():
            return path
    return None


def program_words(words):
    """The words as run here, or None for a command that is not run."""
    start = 2 if words[:2] == ["./dev", "run"] else 1 if words[0] == "cairn" else 0
    if start == 0:
        return None
    words = [word.replace("../shared", str(SHARED)) for word in words[start:]]
    sets = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    return words + sets + ["--device", "cpu"] if words[0] == "train" and "--help" not in words else words


def matches(expected, printed):
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line.rstrip()) + r" *\n" for line in expected)
    return not expected or re.fullmatch(pattern, printed) is not None


def run(words, code, expected, folder, environment):
    """What is wrong with the command, or None."""
    done = subprocess.run([PROGRAM, *words], cwd=folder, env=environment, text=True, timeout=200,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != code:
        return f"exit code {done.returncode}, expected {code}\n{done.stdout}"
    return None if matches(expected, done.stdout) else f"prints\n{done.stdout}"


def main():
    environment = os.environ | {"CAIRN_PLUGIN_PATH": os.environ["CAIRN_GUIDE_PLUGINS"]}
    failed = ran = 0
    with tempfile.TemporaryDirectory(prefix="cairn-docs-") as name:
        folder = pathlib.Path(name)
        for entry in ("configs", "examples", "tests"):
            if (ROOT / entry).exists():
                (folder / entry).symlink_to(ROOT / entry)
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            for words, code, expected in commands(page):
                said = f"{page.name}: {shlex.join(words)}"
                inner = program_words(words)
                if inner is None or absent_data(words):
                    print(f"not run: {said}" + (f" (no {absent_data(words)})" if inner else ""))
                    continue
                fault = run(inner, code, expected, folder, environment)
                print(f"{'FAILED' if fault else 'ran'}: {said}" + (f"\n{fault}" if fault else ""))
                failed, ran = failed + (fault is not None), ran + 1
    if ran == 0:
        sys.exit("no command was found to run")
    sys.exit(1 if failed else 0)


main()
