"""Runs the commands of docs/plugin-guide.md that stand in ```console guide blocks, in one shell in an empty folder: from an
installed Cairn to a comparison of methods on a modality of one's own. A number behind `guide` is the exit code expected;
lines below a command are what it must print, `…` any number of lines, or anything within one."""
import re
import resource
import subprocess
import time

from sdk import BUILD, LONGEST, ROOT, environment, require, scratch

BLOCK = re.compile(r"^```console guide(?: (\d+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = "guide-exit-code"
MOST_SECONDS = 300  # of processor time, so that two cores of a busy machine are judged like those of an idle one
ROW = re.compile(r"^ *(JEPA|MAE|SimCLR) +\d", re.MULTILINE)


def commands():
    page = (ROOT / "docs/plugin-guide.md").read_text(encoding="utf-8")
    for block in BLOCK.finditer(page):
        for part in re.split(r"^\$ ", block[2], flags=re.MULTILINE)[1:]:
            line, *output = part.splitlines()
            yield line, int(block[1] or 0), output


def matches(expected, printed):
    def pattern(line):
        return r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line.rstrip()).replace("…", ".*") + r" *\n"
    return not expected or re.fullmatch("".join(map(pattern, expected)), printed) is not None


def script(steps):
    """The whole session; after each command its exit code on a line of its own."""
    return "".join(f"{line}\nprintf '\\n{MARK} %d\\n' $?\n" for line, _, _ in steps)


steps = list(commands())
with scratch() as folder:
    (folder / "build").symlink_to(BUILD)
    (folder / "home").mkdir()
    start = time.monotonic()
    done = subprocess.run(["bash"], input=script(steps), cwd=folder, text=True, timeout=LONGEST, errors="replace",
                          env=environment(PREFIX=str(folder / "prefix"), HOME=str(folder / "home"), CMAKE_GENERATOR="Ninja"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    print(f"{time.monotonic() - start:.0f} s in all, {processor:.0f} s of processor time")
    outputs = re.split(rf"^{MARK} (\d+)\n", done.stdout, flags=re.MULTILINE)
    for (line, code, expected), printed, found in zip(steps, outputs[:-1:2], outputs[1::2], strict=True):
        print(f"$ {line}\n{printed}")
        require(int(found) == code, f"exit code {found}, not {code}, of: {line}")
        require(matches(expected, printed.rstrip("\n") + "\n"), f"{line} prints\n{printed}expected\n" + "\n".join(expected))
    require(len(steps) > 8, "the page's commands were found")
    require(processor < MOST_SECONDS, f"{processor:.0f} s of processor time are less than {MOST_SECONDS}")
    names = set(ROW.findall(outputs[-3]))
    require(names == {"JEPA", "MAE", "SimCLR"}, f"the comparison has three methods, not {names}")
