"""Wrong use of `cairn verify` ends with 2 and a sentence; cases that cannot run fail, and the others still run."""
import pathlib

from cases import case, facts, objective, verify
from program import folders, require, require_in

NAN = float("nan")


def regression(folder, loss=4.0, **extra):
    """One token of one feature, 3 where 1 is wanted: the squared difference is 4, its gradient 4."""
    return case(folder, objective("latent_regression", 'loss = "l2"\ntarget_norm = "none"'),
                input__prediction=([1, 1, 1], [3]), input__target=([1, 1, 1], [1]), expect__loss=([1], [loss]),
                expect__grad__prediction=([1, 1, 1], [4]), **extra)


def arguments(base):
    require_in("case", verify(code=2))
    require_in("'/nowhere' is no folder", verify("/nowhere", code=2))
    (base / "empty/deeper").mkdir(parents=True)
    require_in("holds no golden case", verify(base / "empty", code=2))
    (base / "file").write_text("x")
    require_in("is no folder", verify(base / "file", code=2))
    regression(base / "good")
    require_in("is no folder", verify(base / "good", "/nowhere", code=2))


def several(base):
    regression(base / "some/right")
    regression(base / "some/deep/wrong", loss=5.0)
    text = verify(base / "some", base / "some/right", code=1)
    require_in("2 of 3 cases hold", text)
    results = facts(base / "some", code=1)
    require([result["ok"] for result in results] == [False, True], "the wrong case does not fail, or the right one does")
    errors = {tensor["name"]: tensor for tensor in results[0]["tensors"]}
    require(abs(errors["loss"]["absolute_error"] - 1) < 1e-6, "the largest absolute error is not 1")
    require(abs(errors["loss"]["relative_error"] - 0.2) < 1e-6, "the largest relative error is not 0.2")
    require(errors["grad.prediction"]["ok"], "the gradient does not hold")


def tolerances(base):
    text = objective("latent_regression", 'loss = "l2"\ntarget_norm = "none"', "relative = 0.21")
    tensors = {"input__prediction": ([1, 1, 1], [3]), "input__target": ([1, 1, 1], [1]), "expect__loss": ([1], [5])}
    verify(case(base / "wide", text, **tensors))
    verify(case(base / "mean", text + "[expect]\nmean_abs = 0.5\n", **tensors), code=1)
    verify(case(base / "snr", text.replace("relative = 0.21", "snr_db = 13"), **tensors))
    verify(case(base / "snr-high", text.replace("relative = 0.21", "snr_db = 15"), **tensors), code=1)
    verify(case(base / "nan", text, **{**tensors, "expect__loss": ([1], [NAN])}), code=1)


def broken(base):
    tensors = {"input__prediction": ([1, 1, 1], [3]), "input__target": ([1, 1, 1], [1]), "expect__loss": ([1], [4])}

    def says(wanted, name, text, **values):
        require_in(wanted, verify(case(base / name, text, **values), code=1))

    says("no plugin on the path has an objective 'nothing_such'", "unknown", objective("nothing_such"), **tensors)
    says("plugin 'radar' not found", "plugin", objective("radar.range"), **tensors)
    says("latent_regresion", "full", objective("jepa.latent_regresion"), **tensors)
    says("colour", "option", objective("latent_regression", "colour = 1"), **tensors)
    says("loss", "choice", objective("latent_regression", 'loss = "l3"'), **tensors)
    says("error", "not-toml", "component = [", **tensors)
    says("kind", "kindless", '[component]\nname = "latent_regression"\n', **tensors)
    says("is no table", "no-table", "component = 3\n", **tensors)
    says("'tolerence' has no place", "misspelt", objective("latent_regression").replace("tolerance", "tolerence"),
         **tensors)
    says("at least 0", "negative", objective("latent_regression", "", "absolute = -1"), **tensors)
    says("case.safetensors", "no-tensors", objective("latent_regression"))
    says("expects nothing", "no-expectation", objective("latent_regression"), input__x=([1], [1]))
    says("has the shape [1], expected [2]", "shape", objective("latent_regression"),
         **{**tensors, "expect__loss": ([2], [4, 4])})
    says("proves nothing", "hollow", objective("latent_regression"), **tensors, expect__grad__prediction=([0], []))
    says("neither a case.toml nor a checkpoint", "bare", None, **tensors)
    says("a modality 'sonar'", "modality", '[component]\nkind = "modality"\nname = "sonar"\n', **tensors)
    folder = case(base / "cut", objective("latent_regression"), **tensors)
    (folder / "case.safetensors").write_bytes((folder / "case.safetensors").read_bytes()[:-3])
    require_in("truncated", verify(folder, code=1))
    folder = case(base / "picture", '[component]\nkind = "modality"\nname = "image"\n[input]\nfile = "x.png"\n', expect__view=([1], [0]))
    require_in("x.png", verify(folder, code=1))
    (base / "picture/config.json").write_text("{")


with folders() as name:
    for check in (arguments, several, tolerances, broken):
        check(pathlib.Path(name))
        print("passed:", check.__name__.replace("_", " "))
