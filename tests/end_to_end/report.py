"""cairn report: one page that needs no network, and, where Chromium is, draws without an error."""
import base64
import json
import pathlib
import re
import shutil
import struct
import subprocess

from program import SOURCE, folders, require, require_in, run, train

FEW = dict(train__steps=3, train__batch_size=8, train__threads=1, log__every=1, log__tensorboard="false", evaluate__every=0,
           evaluate__baselines="false", evaluate__final_train_samples=20, evaluate__final_test_samples=20,
           evaluate__lidar_samples=0, encoder__width=32, encoder__heads=2, encoder__depth=1, schedule__warmup_share=0.0)
# Presses every switch, and notes how many there are.
PRESS = """<script>
const switches = [...document.querySelectorAll(".switch button")];
for (const button of [...switches].reverse()) button.click();
document.body.dataset.switches = switches.length;
</script></body>"""
ROW = "most surprising patch of sample 1"


DATA = re.compile(r'(?<=<script id="data" type="application/json">).*?(?=</script>)', re.S)


def data_of(page):
    return json.loads(DATA.search(page.read_text()).group())


def report(*words):
    run("report", *words)
    return data_of(pathlib.Path(words[words.index("--out") + 1]))


def write_idx(folder, count=40, classes=4, size=16):
    """Images whose labels are sorted, as MNIST's files."""
    folder.mkdir()
    for part in ("train", "t10k"):
        pixels = bytes((37 * i + (i * classes // count * 5 + 3) * j) % 256 for i in range(count) for j in range(size * size))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, size, size) + pixels)
        labels = bytes(i * classes // count for i in range(count))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels)


def break_weights(folder):
    """Every value of every checkpoint becomes NaN."""
    for path in folder.glob("checkpoints/*/*.safetensors"):
        bytes_of = path.read_bytes()
        begin = 8 + struct.unpack("<Q", bytes_of[:8])[0]
        path.write_bytes(bytes_of[:begin] + b"\xff" * (len(bytes_of) - begin))


def row(shown, start):
    found = [images for title, images in shown["views"]["pictures"].items() if title.startswith(start)]
    require(len(found) == 1, f"one row '{start}…' among {list(shown['views']['pictures'])}")
    for image in found[0]:
        size = struct.unpack(">2I", base64.b64decode(image["png"])[16:24])
        require(size == (image["width"], image["height"]) and min(size) > 0, f"a picture of {size}")
    return found[0]


def two_runs(base):
    """Everything about two runs whose folders have the same name."""
    first, second, page = base / "a/run", base / "b/run", base / "page.html"
    train(first)
    train(second, encoder__depth=1, seed=1)
    data = report(first, second, first, "--out", page, "--title", "Two <runs>")
    text = page.read_text()
    require("Two &lt;runs>" in text and "Two <runs>" not in text, "the title is not escaped")
    require(not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text), "the page loads something from elsewhere")
    require([r["label"] for r in data["runs"]] == ["a/run", "b/run"], "a run is missing, there twice, or like another")
    for shown in data["runs"]:
        require(len(shown["curves"]["loss"]) == 8 and len(shown["curves"]["probe/linear"]) == 3, "a curve is missing")
        require(len(shown["facts"]["results"][0]["confusion"]) == 8, "no confusion matrix")
        require(len(shown["views"]["scatter"]) == 30, "no scatter")
        require(all(len(point) == 5 for point in shown["views"]["scatter"]), "two ways to lay features on a plane")
        require(len(shown["views"]["pictures"]) == 11, f"pictures: {list(shown['views']['pictures'])}")
        require([image["title"] for image in row(shown, ROW)][:3] == ["where", "there", "expected"], "a patch and its like")
    seconds = [point[1] for point in data["runs"][0]["curves"]["loss"]]
    require(seconds == sorted(seconds) and seconds[-1] > 0, "curves have no time")
    differing = [k for k, v in data["runs"][0]["config"].items() if data["runs"][1]["config"].get(k) != v]
    require(sorted(differing) == ["encoder.depth", "seed"], f"the configurations differ in {differing}")
    require((second / "report.html").exists(), "training wrote no page")
    (first / "report.html").unlink()
    run("report", first, "--no-views")
    require((first / "report.html").exists(), "no page in the run's folder")
    require_in("run.json is missing", run("report", base, "--no-views", code=2))
    return page


def kinds(base):
    """Labels in order, a long narrow spectrogram that is filled in, a film, and broken weights."""
    write_idx(base / "idx")
    train(base / "sorted", modality__type="image.idx", modality__path=base / "idx", train__steps=6)
    train(base / "sound", experiment=SOURCE / "configs/generative/audiomae-tones.toml", **FEW, modality__size=768,
          modality__patch="[96,4]", modality__train_samples=30, modality__test_samples=20)
    train(base / "film", experiment=SOURCE / "configs/vjepa/quickstart.toml", **FEW, modality__train_samples=30,
          modality__test_samples=20)
    shutil.copytree(base / "sorted", base / "broken")
    break_weights(base / "broken")
    page = base / "kinds.html"
    ordered, sound, film, broken = report(*(base / name for name in ("sorted", "sound", "film", "broken")), "--out",
                                          page)["runs"]
    labels = {point[0] for point in ordered["views"]["scatter"][:8]}
    require(labels == {0, 1, 2, 3}, f"the inputs shown are of every class, not of {labels}")
    require(len({image["png"] for image in row(ordered, "where the query")}) > 1, "attention differs")

    rebuilt = [row(sound, f"reconstruction: {what}") for what in ("what is seen", "filled in", "the original")]
    require(all(len(row) == 8 for row in rebuilt), "all samples are filled in")
    require(len({images[0]["png"] for images in rebuilt}) == 3, "what is seen, filled in and original differ")
    require(rebuilt[2][0]["png"] == row(sound, "inputs")[0]["png"], "the original is the input")
    require(all(image["width"] > image["height"] for image in row(sound, "inputs")), "time runs to the right")
    tokens, sounds = row(sound, "tokens as colours")[0], row(sound, "inputs")[0]
    size = (tokens["width"], tokens["height"])
    require(size == (sounds["width"], sounds["height"]), "tokens are as large as on the picture")
    require(size[0] % 8 == 0 and size[1] % 12 == 0, f"8 moments of 12 bands on {size}")

    frames = row(film, "what a context sees")[0]
    require(frames["width"] == 4 * frames["height"], "four frames beside each other")
    place, there = row(film, ROW)[:2]
    require(place["width"] > 4 * there["width"], "a patch is cut from a frame")
    require("not finite" in broken["views"]["reason"], f"why there are no pictures: {broken['views']}")
    return page


def with_ranking(page):
    """The page with a comparison by kNN that measured little else, and a run of it that left nothing."""
    data = data_of(page)
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    rows = [{"method": name, "data": "", "score": score, "scores": [0.4, 0.6], "linear": linear, "knn": score,
             "untrained": None, "p_to_best": p, "steps": 24, "wall_seconds": 2.0, "samples_per_second": 99.0, "runs": 2,
             "failed": 0} for name, linear, p in (("first", {"value": 0.123}, 1.0), ("second", None, 1e-5))]
    data["comparison"] = {"budget": "24 steps a run", "measure": "knn", "methods": rows,
                          "runs": [{"method": "lost", "data": "", "seed": 7, "folder": "none", "status": "missing"}]}
    text = json.dumps(data).replace("<", "\\u003c")
    page.write_text(DATA.sub(lambda _: text, page.read_text(), count=1))
    return page


def cells(page, label):
    """What stands in the first table row that begins so."""
    found = re.search(f"<tr><td>{label}</td>(.*?)</tr>", page)
    require(found, f"no row of {label}")
    return re.findall("<td>(.*?)</td>", found.group(1))


def in_browser(page, canvases):
    """What a browser makes of the page once every switch was pressed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        print("skipped: the page in a browser, as Chromium is absent")
        return
    page.write_text(page.read_text().replace("</body>", PRESS))
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                           "--virtual-time-budget=5000", "--dump-dom", page.as_uri()], capture_output=True, text=True,
                          timeout=120)
    require("CONSOLE" not in done.stderr, f"the console says: {done.stderr}")
    require_in('data-switches="4"', done.stdout)
    require(done.stdout.count("<canvas") >= canvases, "charts are missing")
    return done.stdout


with folders() as name:
    base = pathlib.Path(name)
    page = in_browser(with_ranking(two_runs(base)), 20)
    if page:
        require(page.count("<img") > 100, "pictures are missing")
        require("<th>data</th>" not in page and "<th>kNN %</th><th>untrained %</th><th>linear %</th>" in page, "the head")
        require(cells(page, "first")[:4] == ["50.0 ± 10.0", "–", "12.3", "best"], f"{cells(page, 'first')}")
        require(cells(page, "second")[:4] == ["50.0 ± 10.0", "–", "–", "p &lt; 0.001"], f"{cells(page, 'second')}")
        require(cells(page, "lost seed 7")[0].startswith("not begun"), f"{cells(page, 'lost seed 7')}")
    page = in_browser(kinds(base), 10)
    if page:
        require_in("No pictures: the features are not finite", page)
print("report: passed")
