"""Weights of PyTorch's nn.Linear, saved by the two lines of docs/weights.md, as the start of a run: the loss
that gputrain evaluates is PyTorch's, and trained weights go back into the modules.

    .build/interop/bin/pip install torch safetensors numpy
    .build/interop/bin/python Tests/Interop/check_pytorch.py .build/release/gputrain
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import safetensors.torch
import torch

program = str(pathlib.Path(sys.argv[1]).resolve())
page = (pathlib.Path(__file__).parents[2] / "docs/weights.md").read_text().splitlines()
start = next(i for i, line in enumerate(page) if line.startswith('    weights = {f"layers.'))
snippet = "\n".join(line.strip() for line in page[start:start + 2])
assert "safetensors.torch.save_file(weights" in snippet, snippet
rng = np.random.default_rng(7)
torch.manual_seed(7)
SIZES = [20, 24, 24, 3]


def idx(path, array):
    """An IDX file of unsigned bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def network(linears):
    layers = []
    for linear in linears:
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def train(folder, *options):
    command = [program, "train", "--data", str(folder), "--width", "24", "--depth", "2", "--batch-size",
               "32", "--json", "--init-from", "mine.safetensors", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["result"]


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    os.chdir(folder)
    for part, count in [("train", 320), ("t10k", 80)]:
        labels = rng.integers(0, SIZES[-1], count)
        images = rng.integers(0, 256, (count, 5, 4))
        images[np.arange(count), 0, labels] = 255
        idx(folder / f"{part}-images-idx3-ubyte", images)
        idx(folder / f"{part}-labels-idx1-ubyte", labels)
    x = torch.tensor(images.reshape(count, SIZES[0]), dtype=torch.float32) * (2 / 255) - 1
    labels = torch.tensor(labels)

    linears = [torch.nn.Linear(a, b, bias=False) for a, b in zip(SIZES, SIZES[1:])]
    exec(snippet)
    # A rate of 2^-140 moves nothing: the loss is that of the weights as they came.
    printed = train(folder, "--steps", "1", "--log2-lr=-140", "--out", "still")["validationLoss"]
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(network(linears)(x), labels).item()
    print(f"loss of nn.Linear's weights: PyTorch {expected:.6f}, gputrain {printed:.6f}")
    assert abs(printed - expected) <= 1e-5 * expected

    result = train(folder, "--epochs", "3", "--save", "trained.safetensors", "--out", "trained")
    trained = safetensors.torch.load_file("trained.safetensors")
    for i, linear in enumerate(linears):
        linear.load_state_dict({"weight": trained[f"layers.{i}.weight"]})
    with torch.no_grad():
        found = torch.nn.functional.cross_entropy(network(linears)(x), labels).item()
    print(f"loss of trained weights: PyTorch {found:.6f}, gputrain {result['validationLoss']:.6f}")
    assert abs(found - result["validationLoss"]) <= 1e-5 * found and found < expected
print("all well")
