"""Checkpoints and weights of gputrain, read and written by safetensors' own Python package, and run
by NumPy: names and shapes are PyTorch's, and a NumPy forward pass gives the loss that gputrain
prints.

    python3 -m venv .build/interop && .build/interop/bin/pip install numpy safetensors
    .build/interop/bin/python Tests/Interop/check_checkpoints.py .build/release/gputrain
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

program = str(pathlib.Path(sys.argv[1]).resolve())
rng = np.random.default_rng(7)
INPUTS, WIDTH, CLASSES = 5 * 4, 24, 3


def idx(path, array):
    """An IDX file of unsigned bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_data(folder):
    for part, count in [("train", 300), ("t10k", 80)]:
        labels = rng.integers(0, CLASSES, count)
        images = rng.integers(0, 256, (count, 5, 4))
        images[np.arange(count), 0, labels] = 255
        idx(folder / f"{part}-images-idx3-ubyte", images)
        idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return images.reshape(count, INPUTS) * (2 / 255) - 1, labels


def loss(weights, x, labels):
    h, layers = x, sum(name.endswith(".weight") for name in weights)
    for layer in range(layers):
        h = h @ weights[f"layers.{layer}.weight"].astype(np.float64).T
        h = h + weights[f"layers.{layer}.bias"]
        if layer < layers - 1:
            h = np.maximum(h, 0)
    h = h - h.max(axis=1, keepdims=True)
    logits = h - np.log(np.exp(h).sum(axis=1, keepdims=True))
    return -logits[np.arange(len(labels)), labels].mean()


def train(folder, *options):
    command = [program, "train", "--data", str(folder), "--width", str(WIDTH), "--depth", "2",
               "--bias", "--steps", "40", "--batch-size", "32", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    x, labels = write_data(folder)
    sizes = [INPUTS, WIDTH, WIDTH, CLASSES]
    shapes = {}
    for layer in range(3):
        shapes[f"layers.{layer}.weight"] = (sizes[layer + 1], sizes[layer])
        shapes[f"layers.{layer}.bias"] = (sizes[layer + 1],)

    run = train(folder, "--checkpoint-every", "15", "--diagnose", "10", "--save", "w.safetensors")
    weights = load_file(folder / "w.safetensors")
    assert {name: value.shape for name, value in weights.items()} == shapes
    found, printed = loss(weights, x, labels), run["result"]["validationLoss"]
    print(f"loss of the saved weights: NumPy {found:.6f}, gputrain {printed:.6f}")
    assert abs(found - printed) < 1e-5 * printed

    files = sorted((pathlib.Path(run["directory"]) / "checkpoints").iterdir())
    assert [file.name for file in files] == [
        "step-00000015.safetensors", "step-00000030.safetensors", "step-00000040.safetensors"]
    with safe_open(files[-1], framework="numpy") as file:
        names, metadata = set(file.keys()), file.metadata()
        for name, shape in shapes.items():
            assert np.array_equal(file.get_tensor(name), weights[name])
            for part in ["mean", "square"]:
                assert file.get_tensor(f"optimizer.{name}.{part}").shape == shape
        assert file.get_tensor("training.loss_sums").shape == (40,)
        lines = file.get_tensor("diagnostics.records").tobytes().decode().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 10, 20, 30]
    assert metadata["step"] == "40" and json.loads(metadata["configuration"])["cell"]["width"] == 24
    print(f"checkpoint: {len(names)} tensors, metadata {sorted(metadata)}")

    # Weights that Python wrote, as a PyTorch module's state_dict would be: the start, exactly.
    ours = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(ours, folder / "python.safetensors", metadata={"format": "pt"})
    options = ["--log2-lr", "-140", "--init-from", "python.safetensors", "--save", "same.safetensors"]
    run = train(folder, *options)
    same = load_file(folder / "same.safetensors")
    assert all(np.array_equal(same[name], ours[name]) for name in shapes)
    found, printed = loss(ours, x, labels), run["result"]["validationLoss"]
    print(f"loss of Python's weights: NumPy {found:.6f}, gputrain {printed:.6f}")
    assert abs(found - printed) < 1e-5 * printed
print("all well")
