"""A hundred times: load two plugins that were built apart, train, exit. Every exit is clean and says nothing unusual."""
from sdk import BUILD, build_twins, install, require, run, scratch, twin_paths

CYCLES = 100
EXPERIMENT = """name = "cycle"
modality = {type = "first.data"}
encoder = {type = "second.net"}
masker = {type = "first.halves"}
predictor = {type = "second.guess"}
objective = [{type = "first.loss"}]
train = {steps = 2, batch_size = 8, threads = 1}
evaluate = {every = 0, baselines = false, final_train_samples = 16, final_test_samples = 16}
"""

with scratch() as folder:
    prefix = install(folder, BUILD, ("runtime", "sdk", "link"))
    build_twins(folder, prefix)
    (folder / "experiment.toml").write_text(EXPERIMENT)
    for cycle in range(CYCLES):
        said = run("cairn", *twin_paths(folder), "train", "experiment.toml", "--run", f"runs/{cycle}", cwd=folder, prefix=prefix)
        require("run folder" in said and "error" not in said and "warning" not in said, f"cycle {cycle} says\n{said}")
