"""Runs compare.sh on programs that print known figures."""
import os
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).with_name("compare.sh")
PEER = "import json\nprint('a line before')\nprint(json.dumps({'ms_per_step': 3.0}))\n"
PROGRAM = '#!/bin/sh\n[ "$1 $2" = "bench optimizer" ] && printf \'{\\n"step_ms": {"median": 2.0}}\\n\'\n'


def run(*words, **environment):
    return subprocess.run(["bash", SCRIPT, *words], env=os.environ | environment, text=True, capture_output=True)


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "optimizer_step.py").write_text(PEER)
    program = folder / "cairn"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    done = run("optimizer", PYTHON=sys.executable, PEERS=name, CAIRN=str(program), ROUNDS="2")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 2, done
    assert lines[0].startswith("PyTorch, three passes") and lines[0].endswith("1.50 x"), done.stdout
    assert lines[1].startswith("Cairn, one pass") and "2.000 ms" in lines[1], done.stdout
    assert run("optimizer", PYTHON=sys.executable, PEERS=name, CAIRN="/bin/false", ROUNDS="1").returncode != 0
    assert run("images", "/absent").returncode == 2
    assert run().returncode == 2
print("medians and ratios are as they should be")
