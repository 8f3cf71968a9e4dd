"""Options of the loop that change how, not what: accumulation, bfloat16, recomputation, constant schedule, an early stop."""
import json
import pathlib

from program import checkpoint, folders, losses, require, require_in, train


def last(folder):
    return losses(folder)[-1]


with folders() as name:
    base = pathlib.Path(name)
    train(base / "plain")
    train(base / "again", train__workers=4)
    require(checkpoint(base / "plain", 24) == checkpoint(base / "again", 24), "two equal runs differ")
    train(base / "parts", train__accumulate=2)
    require(abs(last(base / "parts")["loss"] - last(base / "plain")["loss"]) < 0.2, "accumulation changes the loss much")
    require(last(base / "parts")["lr"] == last(base / "plain")["lr"], "accumulation changes the schedule")
    train(base / "bf16", train__precision="bfloat16")
    require(abs(last(base / "bf16")["loss"] - last(base / "plain")["loss"]) < 0.1, "bfloat16 changes the loss much")
    require(checkpoint(base / "bf16", 24) != checkpoint(base / "plain", 24), "bfloat16 changed nothing")
    for first, precision in (("plain", "float32"), ("bf16", "bfloat16")):
        train(base / f"{first}-recomputed", train__precision=precision, train__recompute="blocks")
        require(checkpoint(base / f"{first}-recomputed", 24) == checkpoint(base / first, 24), "recomputation changes the run")
    train(base / "packed", masker__packed="true")
    require(last(base / "packed")["loss"] != last(base / "plain")["loss"], "packed contexts changed nothing")
    require(abs(last(base / "packed")["loss"] - last(base / "plain")["loss"]) < 0.2, "packing changes the loss much")
    train(base / "packed-recomputed", masker__packed="true", train__recompute="blocks", train__workers=4)
    require(checkpoint(base / "packed-recomputed", 24) == checkpoint(base / "packed", 24), "packed runs differ")
    require_in("train.graphs", train(base / "no", code=2, masker__packed="true", train__graphs="true"))
    train(base / "constant", schedule__type="constant", schedule__cooldown_share=0.0)
    require(last(base / "constant")["lr"] == 1e-3, "the constant schedule is not constant")
    train(base / "early", train__stop_at=12)
    require(last(base / "early")["step"] == 12, "the run did not stop early")
    result = json.loads((base / "plain/run.json").read_text())
    require([row["features"] for row in result["results"]] == ["trained teacher", "untrained encoder", "raw input"],
            "run.json lacks a row of the table")
    require(result["status"] == "done" and result["samples_per_second"] > 0, "run.json is not complete")
    require(len(list((base / "plain/tensorboard").iterdir())) == 1, "no TensorBoard events")
    train(base / "alone", experiment=base / "plain/config.toml")
    require(checkpoint(base / "alone", 24) == checkpoint(base / "plain", 24), "config.toml of the run gives another run")
print("options: passed")
