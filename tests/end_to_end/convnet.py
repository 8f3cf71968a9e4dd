"""A convolutional encoder through the loop: its batch norms' statistics follow training into checkpoints and probes."""
import math
import pathlib

from program import SOURCE, checkpoint, floats, folders, losses, require, require_in, tensors, train

FEW = dict(train__steps=12, train__batch_size=8, train__threads=1, log__every=1, log__tensorboard="false",
           encoder__type="convnet.resnet", encoder__stem="cifar", encoder__width=8, modality__size=32, modality__patch=8,
           evaluate__every=0, evaluate__final_train_samples=40, evaluate__final_test_samples=40)


with folders() as name:
    base = pathlib.Path(name)
    text = train(base, experiment=SOURCE / "configs/contrastive/byol.toml", **FEW)
    for row in ("trained teacher", "untrained encoder"):
        require_in(row, text)
    require(all(math.isfinite(record["loss"]) for record in losses(base)), "the loss is not finite")
    saved = checkpoint(base, 12)
    student, teacher = (floats(tensors(saved[f"{branch}.safetensors"])["encoder.layer4.1.bn2.running_mean"])
                        for branch in ("student", "teacher"))
    require(any(student), "the student's running means did not move")
    require(any(teacher), "the teacher's running means did not follow")
print("convnet: passed")
