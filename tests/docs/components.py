"""docs/components.md and docs/components.json say what the program says of its schemas."""
import difflib
import os
import pathlib
import subprocess
import sys

PROGRAM = os.environ["CAIRN_PROGRAM"]
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
SHOWN_LINES = 40


def printed(form):
    """What `cairn inspect` prints, with the plugins beside the core library only."""
    environment = {key: value for key, value in os.environ.items() if key != "CAIRN_PLUGIN_PATH"}
    done = subprocess.run([PROGRAM, "inspect", form], capture_output=True, text=True, env=environment, timeout=60)
    if done.returncode != 0 or done.stderr:
        sys.exit(f"cairn inspect {form}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def is_current(name, form):
    committed, current = (DOCS / name).read_text(encoding="utf-8"), printed(form)
    if committed == current:
        return True
    lines = difflib.unified_diff(committed.splitlines(), current.splitlines(), f"docs/{name}", "program", lineterm="", n=1)
    print("\n".join(list(lines)[:SHOWN_LINES]))
    print(f"docs/{name} is out of date; regenerate it with: ./dev run inspect {form} > docs/{name}")
    return False


results = [is_current("components.md", "--markdown"), is_current("components.json", "--json")]
sys.exit(0 if all(results) else 1)
