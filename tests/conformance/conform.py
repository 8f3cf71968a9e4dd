"""`cairn conform` finds each fault of the plugin `faulty`, says where to look, and finds none in its sound components
and in Cairn's own plugins."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

PROGRAM = os.environ["CAIRN_PROGRAM"]
PLUGIN = os.environ["CAIRN_FAULTY_PLUGIN"]
OWN = ("jepa", "generative", "image")  # the others take half a minute each
# The check that each component fails, first of all.
EXPECTED = {
    "modality faulty.restless": "the same seed, epoch and index give the same sample on any thread",
    "modality faulty.misshapen": "views for training have the shapes it declares, and finite values",
    "modality faulty.infinite": "views for training have the shapes it declares, and finite values",
    "modality faulty.mislabelled": "samples have names, and labels within the classes",
    "modality faulty.untested": "the test part is as the training part is",
    "modality faulty.viewless": "views for training have the shapes it declares, and finite values",
    "modality faulty.gullible": "a path that is not there is reported",
    "masker faulty.repeating": "ids are unique and in range, as many in every row, none both seen and asked about",
    "masker faulty.outside": "ids are unique and in range, as many in every row, none both seen and asked about",
    "masker faulty.both": "ids are unique and in range, as many in every row, none both seen and asked about",
    "masker faulty.forgetful": "only the generator it is given decides",
    "masker faulty.timid": "every token has its turn",
    "encoder faulty.renumbering": "naming the tokens in another order only reorders the features",
    "encoder faulty.peeking": "what is hidden is not looked at",
    "encoder faulty.idle": "a gradient reaches every parameter",
    "encoder faulty.secretive": "all of its state is in parameters and buffers",
    "encoder faulty.sociable": "samples do not see each other",
    "encoder faulty.numb": "an untrained encoder tells samples apart",
    "encoder faulty.padding": "rows of unequal length are encoded as each alone",
    "encoder faulty.boastful": "features have the shapes it declares",
    "predictor faulty.misplaced": "answers follow the order asked",
    "predictor faulty.padding": "rows of unequal length are answered from as from each alone",
    "predictor faulty.sociable": "rows are independent",
    "objective faulty.rising": "it falls on one batch that is learned by heart",
    "objective faulty.detached": "gradients reach predictions or features, and no target",
    "objective faulty.writing": "what it is given stays as it is",
    "objective faulty.counting": "the order of the batch does not matter",
    "objective faulty.undefined": "the loss is a finite scalar, and so is each term",
}


def require(holds, what):
    if not holds:
        sys.exit(f"failed: {what}")


def conform(*words, code):
    done = subprocess.run([PROGRAM, "conform", *words], text=True, timeout=300, capture_output=True)
    require(done.returncode == code, f"exit code {code}, not {done.returncode}, of {words}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check_faults(data):
    for letter in "ab":
        (data / f"{letter}.raw").write_bytes(struct.pack("<16f", *range(16)))
    report = json.loads(conform(PLUGIN, "--set", f"faulty.gullible.path={data}", "--json", code=1))
    failed = {}
    for check in report["checks"]:
        if check["outcome"] == "FAILED":
            failed.setdefault(check["subject"], []).append(check["check"])
            require(check["detail"] and check["advice"], f"what was seen and where to look: {check}")
    wrong = [f"{subject} fails '{check}', not {failed.get(subject)}" for subject, check in EXPECTED.items()
             if failed.get(subject, [""])[0] != check]
    require(not wrong, "\n".join(wrong))
    require(set(failed) == set(EXPECTED), f"only faulty components fail: {set(failed) - set(EXPECTED)}")
    damage = "damaged samples are reported"
    require(damage in failed["modality faulty.gullible"], "an empty file that is read without complaint")


with tempfile.TemporaryDirectory(prefix="cairn-conform-test-") as name:
    check_faults(pathlib.Path(name))
for own in OWN:
    conform(own, code=0)
conform("image", "--set", "image.multiblock.packed=true", code=0)
text = conform(PLUGIN, code=1)
require("look at: " in text and "give --set faulty.gullible.path=VALUE" in text, f"advice for a person:\n{text}")
for words in (["cairn-none.so"], ["README.md"], ["./jepa"], ["none"], ["jepa", "--set", "jepa.none.x=1"],
              ["jepa", "--set", "x=1"]):
    conform(*words, code=2)
