"""examples/06-collapse, shortened: what should collapse does, what should not does not, and the curves are there."""
import json
import pathlib
import re

from program import SOURCE, folders, losses, require, require_in, run

EXAMPLE = SOURCE / "examples/06-collapse"
STEPS = 40
SMALL = ["encoder.width=32", "optim.lr=3e-3", "log.every=5", "evaluate.final_train_samples=80", "evaluate.baselines=false",
         "evaluate.final_test_samples=40", "train.threads=1", "train.batch_size=32", "log.tensorboard=false",
         "modality.train_samples=400"]


def shortened(folder):
    """The suite with fewer steps of a smaller encoder, found from anywhere."""
    text = (EXAMPLE / "suite.toml").read_text()
    text = re.sub(r'experiment = "(.*)"', rf'experiment = "{EXAMPLE}/\1"', text)
    text = re.sub(r"amount = \d+", f"amount = {STEPS}", text)
    more = json.dumps(SMALL)[1:-1]
    text = re.sub(r"^set = \[(.*)\]$", lambda found: f"set = [{found[1]}, {more}]", text, count=1, flags=re.M)
    suite = folder / "suite.toml"
    suite.write_text(text)
    return suite


def last(out, method, key):
    """The mean of the last quarter of a curve."""
    curve = [record[key] for record in losses(out / f"{method}-seed0")]
    return sum(curve[-2:]) / 2


with folders() as name:
    base = pathlib.Path(name)
    text = run("compare", shortened(base), "--out", base / "out")
    print(text)
    methods = ["none", "stop-gradient", "EMA", "asymmetric_head", "EMA_and_asymmetric_head", "variance_term"]
    std = {method: last(base / "out", method, "feature_std") for method in methods}
    rank = {method: last(base / "out", method, "effective_rank") for method in methods}
    print(std, rank, sep="\n")
    fallen, apart = ("none", "stop-gradient"), methods[3:]
    require(2 * max(std[m] for m in fallen) < min(std[m] for m in apart), "the feature std does not tell who collapses")
    require(max(rank[m] for m in fallen) < min(rank[m] for m in apart), "the rank does not tell who collapses")
    alarms = {m: json.loads((base / f"out/{m}-seed0/run.json").read_text())["alarms"] for m in methods}
    require(all(alarms[m] for m in fallen) and not any(alarms[m] for m in apart), f"alarms: {alarms}")
    report = (base / "out/report.html").read_text()
    for curve in ("feature std", "effective rank"):
        require_in(curve, report.lower())
print("collapse: passed")
