"""Makes an ONNX file of a folder that `cairn convert --to huggingface` wrote, and compares the two on noise.

You should see one line such as

    model.onnx: pixel_values [N, 3, 224, 224] -> last_hidden_state, largest difference 3.1e-06

Needs Python with torch, transformers, onnx and onnxruntime: pip install torch transformers onnx onnxruntime
"""
import json
import pathlib
import sys
import warnings

import numpy
import onnxruntime
import torch
import transformers

SAME = 1e-4


class Features(torch.nn.Module):
    """The model as a function of its input alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, values):
        return self.model(values).last_hidden_state


def input_shape(config, samples):
    """Of the model's input, as it was trained."""
    if config["model_type"] == "vjepa2":
        side = config["crop_size"]
        return samples, config["frames_per_clip"], config["in_chans"], side, side
    side = config["image_size"]
    height, width = side if isinstance(side, list) else (side, side)
    return samples, config["num_channels"], height, width


def export(folder, target):
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    name = model.main_input_name
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(Features(model), (torch.randn(input_shape(config, 2)),), target, dynamo=False,
                          input_names=[name], output_names=["last_hidden_state"], opset_version=17,
                          dynamic_axes={name: {0: "N"}, "last_hidden_state": {0: "N"}})
        values = torch.randn(input_shape(config, 3))
        wanted = model(values).last_hidden_state.numpy()
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    got, = session.run(None, {name: values.numpy()})
    difference = float(numpy.abs(got - wanted).max())
    shape = ", ".join(map(str, input_shape(config, "N")))
    print(f"{target}: {name} [{shape}] -> last_hidden_state, largest difference {difference:.1e}")
    return difference <= SAME


if len(sys.argv) != 3:
    sys.exit("usage: export.py FOLDER MODEL.onnx")
sys.exit(0 if export(*sys.argv[1:]) else "the ONNX file gives other features")
