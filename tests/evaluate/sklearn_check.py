#!/usr/bin/env python3
"""Holds the probes against scikit-learn and the health figures against NumPy on the same features.

    sklearn_check.py PROBE_FEATURES [TRAIN TEST WIDTH CLASSES]

Exit code 77 (skipped) without scikit-learn. Accuracies agree to 0.3 points, k-NN exactly, RankMe and rank to 1e-4.
"""
import json, subprocess, sys, tempfile, time, warnings
from pathlib import Path

try:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def features(train, test, width, classes, signal):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((classes, width))
    y = rng.integers(classes, size=train + test)
    mix = rng.standard_normal((width, width)) / np.sqrt(width) * np.linspace(0.1, 2, width)
    x = ((rng.standard_normal((train + test, width)) + signal * centres[y]) @ mix + 0.3).astype(np.float32)
    return x[:train], y[:train], x[train:], y[train:]


def entropy_rank(values, epsilon=0.0):
    p = values / values.sum() + epsilon
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def reference(x, y, z, t, c):
    mean, std = x.mean(0), x.std(0, ddof=1) + 1e-6
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=c, tol=1e-6, max_iter=5000).fit((x - mean) / std, y)
    linear = float((model.predict((z - mean) / std) == t).mean())
    seconds = time.perf_counter() - start
    near = KNeighborsClassifier(20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07))
    wide = z.astype(np.float64)
    squares = np.linalg.svd(wide - wide.mean(0), compute_uv=False) ** 2
    return {"linear": linear, "seconds": seconds, "knn": float((near.fit(x, y).predict(z) == t).mean()),
            "rankme": entropy_rank(np.linalg.svd(wide, compute_uv=False), 1e-7), "effective_rank": entropy_rank(squares)}


def main():
    sizes = [int(v) for v in sys.argv[2:6]] or [3000, 1000, 128, 8]
    failures = 0
    for signal in (0.08, 0.2):
        x, y, z, t = features(*sizes, signal)
        with tempfile.TemporaryDirectory() as folder:
            for name, values in (("train.f32", x), ("train.i64", y), ("test.f32", z), ("test.i64", t)):
                values.tofile(Path(folder) / name)
            run = subprocess.run([sys.argv[1], folder, *map(str, sizes)], check=True, capture_output=True, text=True)
        ours = json.loads(run.stdout)
        theirs, plain = reference(x, y, z, t, ours["c"]), reference(x, y, z, t, 1.0)
        print("ours", ours, "\nsklearn at our C", theirs, "\nsklearn at C = 1", plain)
        limits = (("linear", ours["linear"], theirs["linear"], 0.003), ("C = 1", ours["linear_c1"], plain["linear"], 0.003),
                  ("k-NN", ours["knn"], theirs["knn"], 1e-9), ("RankMe", ours["rankme"], theirs["rankme"], 1e-4),
                  ("rank", ours["effective_rank"], theirs["effective_rank"], 1e-4))
        for name, a, b, limit in limits:
            if abs(a - b) > limit + 1e-9:
                print(f"{name}: {a} differs from {b} by more than {limit}")
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
