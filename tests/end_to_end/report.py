"""cairn report: one page that needs no network, and, where Chromium is, draws without an error."""
import json
import pathlib
import re
import shutil
import subprocess

from program import folders, require, require_in, run, train

with folders() as name:
    base = pathlib.Path(name)
    train(base / "first")
    train(base / "second", encoder__depth=1, seed=1)
    page = base / "page.html"
    run("report", base / "first", base / "second", "--out", page, "--title", "Two <runs>")
    text = page.read_text()
    require("Two &lt;runs>" in text and "Two <runs>" not in text, "the title is not escaped")
    require(not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text), "the page loads something from elsewhere")
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S).group(1))
    require([r["label"] for r in data["runs"]] == ["first", "second"], "a run is missing")
    for shown in data["runs"]:
        require(len(shown["curves"]["loss"]) == 8 and len(shown["curves"]["probe/linear"]) == 3, "a curve is missing")
        require(len(shown["facts"]["results"][0]["confusion"]) == 8, "no confusion matrix")
        require(len(shown["views"]["scatter"]) == 30, "no scatter")
        require(len(shown["views"]["pictures"]) == 9, f"pictures: {list(shown['views']['pictures'])}")
    seconds = [point[1] for point in data["runs"][0]["curves"]["loss"]]
    require(seconds == sorted(seconds) and seconds[-1] > 0, "curves have no time")
    differing = [k for k, v in data["runs"][0]["config"].items() if data["runs"][1]["config"].get(k) != v]
    require(sorted(differing) == ["encoder.depth", "seed"], f"the configurations differ in {differing}")
    run("report", base / "first", "--no-views")
    require((base / "first/report.html").exists(), "no page in the run's folder")
    require_in("run.json is missing", run("report", base, "--no-views", code=1))

    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser:
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                               "--virtual-time-budget=5000", "--dump-dom", page.as_uri()], capture_output=True, text=True,
                              timeout=120)
        require("CONSOLE" not in done.stderr, f"the console says: {done.stderr}")
        require(done.stdout.count("<canvas") > 20, "charts are missing")
    else:
        print("skipped: the page in a browser, as Chromium is absent")
print("report: passed")
