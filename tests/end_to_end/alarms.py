"""Collapse is told early, once and with advice; a healthy run is left alone. Losses that leap or are not finite."""
import json
import pathlib

from program import checkpoint, folders, losses, require, require_in, train

SHORT = dict(train__steps=400, train__threads=1, train__batch_size=16, log__every=10, evaluate__every=0, evaluate__baselines="false",
             checkpoint__every=500)
# The target is the student's own output, with its gradient, and nothing keeps it from being constant.
COLLAPSE = {"objective.0.source": "student", "objective.0.target_norm": "none", "ema.momentum": "[0.0, 0.0]"}


def raised(folder):
    return json.loads((folder / "run.json").read_text())["alarms"]


with folders() as name:
    base = pathlib.Path(name)
    words = [word for key, value in COLLAPSE.items() for word in ("--set", f"{key}={value}")]
    text = train(base / "collapse", *words, train__stop_at=70, **SHORT)
    alarms = raised(base / "collapse")
    require([alarm["kind"] for alarm in alarms] == ["collapse"], f"alarms of a collapse: {alarms}")
    ranks = {record["step"]: record["effective_rank"] for record in losses(base / "collapse")}
    falls = max(ranks, key=ranks.get)
    require(alarms[0]["step"] <= falls + 40, f"the rank falls from step {falls} on, the alarm comes at {alarms}")
    require_in("give the targets a teacher, raise ema.momentum or lower optim.lr; see docs/collapse.md", text)
    log = (base / "collapse/log.txt").read_text()
    require(log.count("the representation is collapsing") == 1, "the alarm is not in log.txt once")
    require([r["step"] for r in losses(base / "collapse") if "alarm/collapse" in r] == [alarms[0]["step"]],
            "the alarm is not in metrics.jsonl once")
    train(base / "collapse", *words, "--resume", train__stop_at=75, **SHORT)
    again = [alarm for alarm in raised(base / "collapse") if alarm["kind"] == "collapse"]
    require(again == alarms, f"a resumed run forgets its alarm or tells it again: {again}")

    # A mark in the log comes after two records in a row, also where the record of a probe stands between them.
    probed = SHORT | dict(evaluate__every=10, evaluate__train_samples=40, evaluate__test_samples=20)
    train(base / "probed", *words, train__stop_at=75, **probed)
    told = raised(base / "probed")
    require(told and told[0]["kind"] == "collapse", f"a collapse that is probed raises no alarm: {told}")
    train(base / "probed-twice", *words, train__stop_at=72, **probed)
    train(base / "probed-twice", *words, "--resume", train__stop_at=75, **probed)
    again = [alarm for alarm in raised(base / "probed-twice") if alarm["kind"] == "collapse"]
    require(again == told[:1], f"a resumed run with probes has other alarms: {again}")

    train(base / "healthy", train__stop_at=130, **SHORT)
    require(raised(base / "healthy") == [], f"a healthy run is alarmed: {raised(base / 'healthy')}")
    last = losses(base / "healthy")[-1]
    for figure in ("feature_std", "effective_rank", "rankme", "predictor_rank", "prediction_cosine", "target_variance",
                   "target_spread", "gradient_norm/encoder", "gradient_norm/predictor", "teacher_distance", "shortcut_share"):
        require(figure in last, f"{figure} is not logged")

    # Weights grow a thousandfold a step.
    wild = dict(train__threads=1, optim__lr=100, optim__weight_decay=10, schedule__weight_decay_end=-1, schedule__warmup_steps=0)
    text = train(base / "wild", code=1, **wild)
    require_in("not finite first: the ", text)
    require_in("coder", text)
    stopped = json.loads((base / "wild/run.json").read_text())
    require(stopped["status"] == "failed" and stopped["step"] > 0, f"a failed run does not tell how far it came: {stopped}")
    text = train(base / "stubborn", code=1, train__on_spike="skip", **wild)
    require(text.count("the update is left out") == 8, "the guard's patience is not eight steps")

    # A guard as nervous as can be: it leaves steps out, and a resumed run leaves out the same.
    nervous = dict(train__threads=1, train__on_spike="skip", train__spike_deviations=1, train__steps=80, evaluate__every=0,
                   evaluate__baselines="false", optim__lr=0.2, schedule__warmup_steps=50)
    train(base / "nervous", **nervous)
    records = [json.loads(line) for line in (base / "nervous/metrics.jsonl").read_text().splitlines()]
    require(any("guard" in record for record in records), "no step was left out")
    train(base / "twice", train__stop_at=60, **nervous)
    train(base / "twice", "--resume", **nervous)
    require(checkpoint(base / "nervous", 80) == checkpoint(base / "twice", 80), "resuming changes what is left out")
    back = train(base / "back", **(nervous | dict(train__on_spike="roll_back")))
    require_in("weights are back at step", back)
print("alarms: passed")
