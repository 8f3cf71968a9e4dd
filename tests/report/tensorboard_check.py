#!/usr/bin/env python3
"""Reads what write_events wrote with the real TensorBoard. Exit code 77 (skipped) where it is not installed.

    tensorboard_check.py WRITE_EVENTS
"""
import subprocess, sys, tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        log = EventAccumulator(folder)
        log.Reload()
    assert log.file_version == 2.0, log.file_version
    assert sorted(log.Tags()["scalars"]) == sorted(["loss", "probe/linear", "späť/丸"]), log.Tags()
    loss = [(e.step, e.value) for e in log.Scalars("loss")]
    expected = [(s, 1 / s) for s in range(10, 61, 10)] + [(70, -70.0), (80, -80.0)]
    assert [s for s, _ in loss] == [s for s, _ in expected], loss
    assert all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(loss, expected)), loss
    assert [e.step for e in log.Scalars("probe/linear")] == [10, 20, 30, 40, 50, 60]
    assert [(e.step, e.value) for e in log.Scalars("späť/丸")] == [(1 << 40, 3.25)]
    assert all(e.wall_time > 1.6e9 for e in log.Scalars("loss"))
    print("TensorBoard reads every value, and purges what a resume takes back")


if __name__ == "__main__":
    main()
