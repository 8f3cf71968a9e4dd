#!/usr/bin/env python3
"""Writes data/health.json: the figures of health in NumPy, straight from their papers, on small fixed arrays.

    health_reference.py > data/health.json

RankMe: Garrido et al. 2023, eq. 1. LiDAR: Thilak et al. 2023, section 3. alpha-ReQ: Agrawal et al. 2022, section 2.
Effective rank: Roy and Vetterli 2007, on the spectrum of the covariance.
"""
import json

import numpy as np


def entropy_rank(values, epsilon=0.0):
    p = values / values.sum() + epsilon
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def rankme(x):
    return entropy_rank(np.linalg.svd(x, compute_uv=False), 1e-7)


def effective_rank(x):
    return entropy_rank(np.linalg.eigvalsh(np.cov(x.T)).clip(0))


def alpha_req(x):
    spectrum = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    spectrum = spectrum[spectrum > 1e-10 * spectrum[0]]
    return float(-np.polyfit(np.log(np.arange(1, len(spectrum) + 1)), np.log(spectrum), 1)[0])


def lidar(views):
    n, q, width = views.shape
    means = views.mean(1)
    between = sum(np.outer(m, m) for m in means - means.mean(0)) / n
    within = sum(np.outer(v, v) for v in (views - means[:, None]).reshape(-1, width)) / (n * q) + 1e-4 * np.eye(width)
    value, vector = np.linalg.eigh(within)
    root = vector @ np.diag(value ** -0.5) @ vector.T
    return entropy_rank(np.linalg.eigvalsh(root @ between @ root).clip(0), 1e-7)


def prediction_cosine(predictions, targets):
    mean = targets.mean(0)
    return float((predictions @ mean / np.linalg.norm(predictions, axis=1) / np.linalg.norm(mean)).mean())


def shortcut_share(tokens):
    centred = tokens - tokens.mean((0, 1))
    total = (centred ** 2).mean()
    return [float((centred.mean(axis) ** 2).mean() / total) for axis in (0, 1)]


def case(rng, samples, views, width, decay):
    scale = np.arange(1, width + 1) ** -decay
    x = np.round(rng.standard_normal((samples, width)) * scale + 0.3, 4)
    many = np.round(x[:, None] + 0.3 * rng.standard_normal((samples, views, width)) * scale, 4)
    targets = np.round(rng.standard_normal((samples, width)) + 0.5, 4)
    position, sample = shortcut_share(many)
    return {"x": x.tolist(), "views": many.tolist(), "targets": targets.tolist(),
            "rankme": rankme(x), "effective_rank": effective_rank(x), "alpha_req": alpha_req(x), "lidar": lidar(many),
            "prediction_cosine": prediction_cosine(x, targets), "target_variance": float(targets.var(0).mean()),
            "shortcut_position": position, "shortcut_sample": sample}


if __name__ == "__main__":
    rng = np.random.default_rng(7)
    print(json.dumps([case(rng, 16, 3, 6, 0.5), case(rng, 6, 2, 9, 1.2), case(rng, 40, 4, 5, 0.0)]))
