"""examples/02-onnx makes an ONNX file of a folder that cairn convert wrote; onnxruntime gives what cairn extract gives.

Runs its second half in the Python of peer.py; skipped, with the reason, without it."""
import pathlib
import sys

from peer import exchanged, in_peer, require_peer
from program import SOURCE, TINY, folders, require_in

EXPORT = SOURCE / "examples/02-onnx/export.py"
CLASSES = {"IJepaModel": (TINY, "pixel_values", (3, 3, 16, 16)),
           "VJEPA2Model": (SOURCE / "tests/exchange/vjepa2.toml", "pixel_values_videos", (3, 4, 3, 16, 16))}


def compare(model, inputs, features):
    """The ONNX file against the features that cairn extract wrote; runs with onnxruntime at hand."""
    import onnxruntime
    from safetensors.numpy import load_file
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    wanted = load_file(features)["last_hidden_state"]
    got, = session.run(None, load_file(inputs))
    difference = float(abs(got - wanted).max())
    print(f"{pathlib.Path(model).stem}: {got.shape}, ONNX against cairn extract: largest difference {difference:.2e}")
    assert got.shape == wanted.shape and difference <= 1e-5


def main():
    require_peer()
    with folders() as name:
        base = pathlib.Path(name)
        for kind, (experiment, key, shape) in CLASSES.items():
            folder, inputs, features = exchanged(base, kind, key, shape, experiment=experiment)
            said = in_peer(EXPORT, folder, base / f"{kind}.onnx")
            require_in("largest difference", said)
            print(said, in_peer(__file__, base / f"{kind}.onnx", inputs, features), sep="")
        require_in("usage", in_peer(EXPORT, base, code=1))


if len(sys.argv) > 1:
    compare(*sys.argv[1:])
else:
    main()
