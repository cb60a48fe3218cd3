"""Event files of gputrain as TensorBoard's own reader sees them, against metrics.jsonl.

    python3 -m venv .build/interop && .build/interop/bin/pip install tensorboard
    .build/interop/bin/python Tests/Interop/check_tensorboard.py .build/release/gputrain
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

program = str(pathlib.Path(sys.argv[1]).resolve())
NAMES = {"train_loss": "loss/train", "validation_loss": "loss/validation",
         "validation_accuracy": "accuracy/validation"}


def run(folder, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr


def tag(name):
    return NAMES.get(name) or "/".join(reversed(name.split("/")))


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    small = ["--depth", "2", "--steps", "40", "--diagnose", "10", "--tensorboard"]
    run(folder, "sweep", "--widths", "8,16", "--log2-lr", "-6,-5", "--seeds", "1", "--out", "sweep", *small)
    run(folder, "train", "--width", "16", "--out", "train", *small)
    for out, count in [("sweep", 8), ("train", 1)]:
        runs = EventMultiplexer().AddRunsFromDirectory(str(folder / out / "tensorboard"))
        runs.Reload()
        assert len(runs.Runs()) == count, runs.Runs()
        print(f"{out}: {sorted(runs.Runs())[0]} and {count - 1} more")
    compared = 0
    for file in sorted(folder.glob("*/tensorboard/*/*tfevents*")):
        identifier = file.name.rsplit(".", 1)[1]
        metrics = file.parents[2] / "runs" / identifier / "metrics.jsonl"
        expected = {}
        for line in metrics.read_text().splitlines():
            record = json.loads(line)
            step = record.pop("step")
            record.pop("epoch")
            for name, value in record.items():
                expected.setdefault(tag(name), []).append((step, np.float32(value)))
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        assert set(events.Tags()["scalars"]) == set(expected)
        for name, values in expected.items():
            found = [(event.step, np.float32(event.value)) for event in events.Scalars(name)]
            assert found == values, (name, found, values)
            compared += len(found)
    print(f"{compared} scalars are those of metrics.jsonl")

    # While a run trains: a reader that has the file open sees it grow, and nothing twice.
    command = [program, "train", "--width", "128", "--steps", "20000", "--diagnose", "1000:norms",
               "--tensorboard", "--out", "live"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as training:
        file, live, counts = None, None, []
        while training.poll() is None:
            time.sleep(0.3)
            file = file or next(folder.glob("live/tensorboard/*/*tfevents*"), None)
            if file:
                live = live or EventAccumulator(str(file), size_guidance={"scalars": 0})
                live.Reload()
                if "loss/train" in live.Tags()["scalars"]:
                    counts.append(len(live.Scalars("loss/train")))
        assert training.returncode == 0
    live.Reload()
    steps = [event.step for event in live.Scalars("loss/train")]
    assert steps == [1000 * i for i in range(1, 21)], steps
    assert counts == sorted(counts) and len(set(counts)) > 2, counts
    print(f"while a run trained, its reader saw {sorted(set(counts))} of {len(steps)} losses")
print("all well")
