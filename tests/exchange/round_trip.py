"""What training wrote goes to Cairn's folder and to Hugging Face's and back, bit for bit; what does not fit is refused."""
import json
import pathlib
import shutil

from program import SHARED, folders, require, require_in, run, train
from tensors import difference, noise, raw, values, write

HERE = pathlib.Path(__file__).resolve().parent
SMALL = {"train__steps": 4, "train__threads": 1, "evaluate__every": 0, "evaluate__baselines": "false",
         "evaluate__final_train_samples": 20, "evaluate__final_test_samples": 20}


def features(source, tensors, out, *words):
    run("extract", source, "--input", tensors, "--out", out, "--threads", 1, *words)
    return values(out, "last_hidden_state")


def same_tensors(left, right):
    require(raw(left) == raw(right), f"{left} and {right} hold other tensors")


def both_ways(base, run_folder):
    for weights in ("teacher", "student"):
        hub, own, back, again = (base / f"{weights}-{name}" for name in ("hub", "own", "back", "again"))
        text = run("convert", run_folder, hub, "--to", "huggingface", "--weights", weights)
        require_in(f"{weights} of ", text)
        require_in("IJepaModel", text)
        require_in("not in it predictor", text)
        run("convert", run_folder, own, "--to", "cairn", "--weights", weights)
        run("convert", hub, back, "--to", "cairn")
        run("convert", back, again, "--to", "huggingface")
        same_tensors(hub / "model.safetensors", again / "model.safetensors")
        mine, theirs = raw(own / "model.safetensors"), raw(back / "model.safetensors")
        encoder = {name: tensor for name, tensor in mine.items() if name.startswith("encoder.")}
        require(encoder == theirs, "the encoder is not bit-equal after Hugging Face and back")
        require(any(name.startswith("predictor.") for name in mine), "Cairn's folder has no predictor")
        facts = [json.loads((folder / "cairn.json").read_text())["encoder"] for folder in (own, back)]
        require(facts[0] == facts[1], "the options are not the same after Hugging Face and back")
    teacher, student = raw(base / "teacher-own/model.safetensors"), raw(base / "student-own/model.safetensors")
    require(teacher != student, "teacher and student are the same")


def with_predictors(base):
    """The classes that hold encoder and predictor."""
    for name, kind in (("mae", "ViTMAEForPreTraining"), ("vjepa2", "VJEPA2Model"), ("videomae", "VideoMAEForPreTraining")):
        run_folder, hub, own, back, again = (base / f"{name}-{part}" for part in ("run", "hub", "own", "back", "again"))
        train(run_folder, experiment=HERE / f"{name}.toml", **SMALL)
        text = run("convert", run_folder, hub, "--to", "huggingface")
        require_in(kind, text)
        require("not in it predictor" not in text, "the predictor is left out")
        run("convert", run_folder, own, "--to", "cairn")
        run("convert", hub, back, "--to", "cairn")
        run("convert", back, again, "--to", "huggingface")
        same_tensors(hub / "model.safetensors", again / "model.safetensors")
        same_tensors(own / "model.safetensors", back / "model.safetensors")
        facts = [json.loads((folder / "cairn.json").read_text()) for folder in (own, back)]
        for part in ("encoder", "predictor"):
            for key in ("component", "options"):
                before, after = facts[0][part][key], facts[1][part][key]
                require(before == after, f"the {part}'s {key} differ: {before} {after}")
    untiled = base / "untiled"
    train(untiled, "--set", "encoder.rotary_layout=paired", experiment=HERE / "vjepa2.toml", **SMALL)
    require_in("rotary_layout", run("convert", untiled, base / "u", "--to", "huggingface", code=1))


def published_targets(base):
    """What a folder says of its decoder's targets outlives Cairn's format."""
    for name in ("vit_mae", "videomae"):
        source = SHARED / "golden/checkpoints" / name
        if not source.is_dir():
            return print(f"left out: there is no {source}")
        own, hub = base / f"{name}-targets-own", base / f"{name}-targets-hub"
        run("convert", source, own, "--to", "cairn")
        run("convert", own, hub, "--to", "huggingface")
        before, after = (json.loads((folder / "config.json").read_text()) for folder in (source, hub))
        for key in ("norm_pix_loss", "mask_ratio"):
            require(before.get(key) == after.get(key), f"{name}: {key} was {before.get(key)}, is {after.get(key)}")
        facts = json.loads((own / "cairn.json").read_text())
        require(facts.pop("reconstruction")["patch_norm"] != "none", f"{name}: Cairn's folder lacks the targets")
        (own / "cairn.json").write_text(json.dumps(facts))  # as an earlier version wrote it
        run("convert", own, hub, "--to", "huggingface")


def opens_alone(base, run_folder):
    tensors = base / "input.safetensors"
    write(tensors, {"pixel_values": noise(3, 3, 16, 16)})
    shape, wanted = features(run_folder, tensors, base / "run.safetensors")
    require(shape == [3, 16, 32], f"features have the shape {shape}")
    moved = shutil.move(base / "teacher-own", base / "moved")
    step = f"{run_folder}/checkpoints/step-00000004"
    for source in (moved, base / "teacher-hub", step, step + "/", step + "/.", f"{run_folder}/"):
        got = features(source, tensors, base / "other.safetensors")[1]
        require(difference(wanted, got) < 1e-5, f"{source} gives other features")
    got = features(run_folder, tensors, base / "student.safetensors", "--weights", "student")[1]
    require(difference(wanted, got) > 1e-5, "the student gives the teacher's features")


def refused(base, run_folder):
    text = run("convert", base / "nothing", base / "x", "--to", "cairn", code=2)
    require_in("no such source", text)
    require_in("'huggingface'", run("convert", run_folder, base / "x", "--to", "onnx", code=2).replace("huggingface", "'huggingface'"))
    masked = base / "masked"
    train(masked, encoder__mask_token="true", **SMALL)
    text = run("convert", masked, base / "x", "--to", "huggingface", code=1)
    require_in("mask_token", text)
    require(not (base / "x").exists(), "something was written")
    require_in("not in it mask_token", run("convert", masked, base / "x", "--to", "huggingface", "--partial"))
    gated = base / "gated"
    train(gated, encoder__gated="true", **SMALL)
    require_in("SwiGLU", run("convert", gated, base / "y", "--to", "huggingface", code=1))
    run("convert", gated, base / "y", "--to", "cairn")


def partial(base):
    hub = base / "teacher-hub"
    tensors = raw(hub / "model.safetensors")
    tensors.pop("layernorm.bias")
    tensors["stranger"] = noise(2)
    broken = shutil.copytree(hub, base / "broken")
    write(broken / "model.safetensors", tensors)
    text = run("convert", broken, base / "z", "--to", "cairn", code=1)
    require_in("missing: layernorm.bias", text)
    require_in("left over: stranger", text)
    text = run("convert", broken, base / "z", "--to", "cairn", "--partial")
    require_in("not loaded: missing: layernorm.bias", text)
    require_in("not loaded: left over: stranger", text)


def other_classes(base):
    """ViT with a class token, and DINOv2 with LayerScale."""
    for name, settings in {"ViTModel": {"encoder__class_token": "true", "encoder__pool": "cls"},
                           "Dinov2Model": {"encoder__class_token": "true", "encoder__pool": "cls",
                                           "encoder__layer_scale": 0.5},
                           "Dinov2WithRegistersModel": {"encoder__class_token": "true", "encoder__pool": "cls",
                                                        "encoder__layer_scale": 0.5, "encoder__register_tokens": 3}}.items():
        folder = base / name
        train(folder, **settings, **SMALL)
        require_in(name, run("convert", folder, base / f"{name}-hub", "--to", "huggingface"))
        run("convert", folder, base / f"{name}-own", "--to", "cairn")
        run("convert", base / f"{name}-hub", base / f"{name}-back", "--to", "cairn")
        own, back = (raw(base / f"{name}-{end}/model.safetensors") for end in ("own", "back"))
        require({key: own[key] for key in back} == back, f"{name}: not bit-equal after Hugging Face and back")


def main():
    with folders() as name:
        base = pathlib.Path(name)
        run_folder = base / "run"
        train(run_folder, **SMALL)
        both_ways(base, run_folder)
        opens_alone(base, run_folder)
        with_predictors(base)
        published_targets(base)
        refused(base, run_folder)
        partial(base)
        other_classes(base)


main()
