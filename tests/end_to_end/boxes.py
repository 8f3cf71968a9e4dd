"""cairn probe --task boxes on drawn films in AVA's format: what a box shows, and when, decides on its actions."""
import json
import pathlib
import random

from program import SOURCE, folders, require, require_in, run, train

WIDTH, HEIGHT, CHANGE = 64, 48, 20
RED, GREEN, BRIGHT = 1, 2, 3
MOMENTS = (0.4, 1.2)  # of 25 frames a second: before and after the colours change


def draw_colours(draw):
    """A red and a green block, one of them bright: what a frame holds as a whole tells nothing about either."""
    both, bright = draw.sample((RED, GREEN), 2), draw.randrange(2)
    actions = [[action, BRIGHT] if i == bright else [action] for i, action in enumerate(both)]
    colours = [[40, 40, 40] for _ in both]
    for colour, done in zip(colours, actions):
        colour[done[0] - RED] = 230 if BRIGHT in done else 110
    return [tuple(colour) for colour in colours], actions


def draw_film(folder, draw):
    """Two coloured blocks that change colour in the middle; returns the lines about them, (second, box, actions)."""
    folder.mkdir(parents=True)
    places = []
    for side in (0, 1):
        width, height = draw.randint(14, 24), draw.randint(14, 28)
        places.append((side * 32 + draw.randint(0, 32 - width), draw.randint(0, HEIGHT - height), width, height))
    painted_and_done = [draw_colours(draw) for _ in MOMENTS]
    for part, (painted, _) in enumerate(painted_and_done):
        rows = [[(110, 110, 110)] * WIDTH for _ in range(HEIGHT)]
        for (x, y, width, height), colour in zip(places, painted):
            for row in rows[y:y + height]:
                row[x:x + width] = [colour] * width
        picture = b"P6\n%d %d\n255\n" % (WIDTH, HEIGHT) + bytes(v for row in rows for pixel in row for v in pixel)
        for frame in range(part * CHANGE, (part + 1) * CHANGE):
            (folder / f"{frame:03d}.ppm").write_bytes(picture)
    boxes = [(x / WIDTH, y / HEIGHT, (x + width) / WIDTH, (y + height) / HEIGHT) for x, y, width, height in places]
    return [(second, box, actions) for second, (_, done) in zip(MOMENTS, painted_and_done)
            for box, actions in zip(boxes, done)]


def table(path, films):
    lines = [f"{name},{second},{','.join(f'{edge:.4f}' for edge in box)},{action},{person}\n"
             for name, boxes in films.items() for person, (second, box, actions) in enumerate(boxes)
             for action in actions]
    path.write_text("".join(lines))
    return path


def with_box(films, box):
    """The same films with one and the same box around everybody."""
    return {name: [(second, box, actions) for second, _, actions in boxes] for name, boxes in films.items()}


with folders() as name:
    base = pathlib.Path(name)
    draw = random.Random(5)
    films = {part: {f"{part}{i}": draw_film(base / f"films/{part}{i}", draw) for i in range(count)}
             for part, count in (("train", 30), ("val", 15))}
    for part, boxes in films.items():
        table(base / f"{part}.csv", boxes)
    (base / "actions.pbtxt").write_text("".join(f'item {{\n  name: "{text}"\n  id: {i}\n}}\n'
                                                for i, text in ((1, "red"), (2, "green"), (3, "bright"))))
    train(base / "run", experiment=SOURCE / "configs/vjepa/quickstart.toml", train__steps=2, train__batch_size=8,
          train__threads=1, evaluate__every=0, evaluate__final_train_samples=20, evaluate__final_test_samples=10,
          evaluate__baselines="false")

    def words(first="train", second="val", **settings):
        options = {"videos": f"{base}/films", "test_path": f"{base}/{second}.csv", "size": 48, "patch": 8,
                   "frames": 16, "frame_step": 1, **settings}
        sets = [word for key, value in options.items() for word in ("--set", f"modality.{key}={json.dumps(value)}")]
        return ("probe", base / "run", "--task", "boxes", "--modality", "video.keyframes", "--data",
                base / f"{first}.csv", "--device", "cpu", "--train-samples", 60, "--test-samples", 30, *sets)

    def probe(*more, **settings):
        return json.loads(run(*words(**settings), "--json", *more))

    attentive = ("--kind", "attentive", "--epochs", 30, "--lr", 3e-3, "--weight-decay", 0.01)
    found = probe(*attentive, actions=f"{base}/actions.pbtxt")
    figure = found["frame_mAP"]
    require(found["classes"] == ["red", "green", "bright"] and found["test"] == 60, f"classes and boxes: {found}")
    require(0.9 < figure["value"] <= 1.0 and figure["low"] <= figure["value"] <= figure["high"], f"attentive: {found}")
    require(found["seeds"][0]["train"] == 120 and found["interval"] == "bootstrap over test frames", f"{found}")
    require(found["unreadable"] == 0, f"unreadable: {found}")
    files = sorted((base / "run/features").iterdir())
    require(probe(*attentive, actions=f"{base}/actions.pbtxt")["frame_mAP"] == figure, "the same probe again")
    require(sorted((base / "run/features").iterdir()) == files, "the features were not found again")
    for kind in ("linear", "knn"):
        pooled = probe("--kind", kind)
        require(pooled["frame_mAP"]["value"] > 0.8 and pooled["classes"][0] == "action 1", f"{kind}: {pooled}")

    # With a box around everything nothing is left to learn.
    for part, boxes in films.items():
        table(base / f"{part}_whole.csv", with_box(boxes, (0, 0, 1, 1)))
    whole = probe(*attentive, first="train_whole", second="val_whole")
    require(whole["frame_mAP"]["value"] < 0.75, f"without the boxes: {whole}")

    # A film that is not there is left out by name, as long as few are.
    (base / "films/val0").rename(base / "away")
    gone = words(**{"max_bad_share": 0.5})
    text = run(*gone, "--kind", "knn")
    for part in ("left out: val0@0.4: ", "holds no video 'val0'", "frame_mAP", "56 test boxes"):
        require_in(part, text)
    require_in("more than modality.max_bad_share", run(*words(), "--kind", "knn", code=1))

    require_in("frozen features", run(*words(), "--kind", "finetune", code=2))
    require_in("frozen features", run(*words(), "--views", 2, code=2))
    require_in("as --data", run(*words(), "--labels", base / "train.csv", code=2))
    require_in("carry no boxes", run("probe", base / "run", "--task", "boxes", "--kind", "knn", code=1))
    (base / "train.csv").write_text("train0,0.4,0.1,0.2,1.5,0.9,1,0\n")
    require_in("train.csv:1: the edge 1.5 lies outside the frame", run(*words(), "--kind", "knn", code=1))
print("boxes: passed")
