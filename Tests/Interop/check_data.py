"""Data sets as NumPy and pandas write them, and losses repeated from what a run leaves: validation loss of
the saved weights, by NumPy in float64, from data.json and the files themselves.

    python3 check_data.py PROGRAM
"""
import json, pathlib, struct, subprocess, sys, tempfile
import numpy as np
import pandas as pd

program = sys.argv[1]
random = np.random.default_rng(7)
x = random.normal(size=(200, 5)) * [1, 10, 0.1, 3, 1] + [0, 50, 0, -4, 1]
classes = (x[:, 0] + (x[:, 1] - 50) / 10 > 0).astype(int) + (x[:, 2] > 0.1)
targets = np.stack([x[:, 0] * x[:, 2], 1000 + x[:, 1]], 1)


def weights_of(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    return {
        name: np.frombuffer(raw[8 + size :][slice(*entry["data_offsets"])], "<f4")
        .reshape(entry["shape"]).astype(float)
        for name, entry in header.items() if name != "__metadata__"
    }


def loss_of(store, features, truth):
    """The validation loss of the store's saved weights: two hidden layers of tanh."""
    record = json.loads((store / "data.json").read_text())
    rows = record["validation_rows"]
    scaled = lambda values, by: values * np.array(by["scale"]) + np.array(by["shift"])
    w = weights_of(store / "w.safetensors")
    h = scaled(features[rows], record["inputs"])
    for layer in range(2):
        h = np.tanh(h @ w[f"layers.{layer}.weight"].T)
    y = h @ w["layers.2.weight"].T
    if "targets" in record:
        return np.mean((y - scaled(truth[rows], record["targets"])) ** 2)
    return np.mean(np.log(np.exp(y).sum(1)) - y[np.arange(len(rows)), truth[rows]])


def train(folder, name, *options):
    store = folder / f"out-{name}"
    result = subprocess.run(
        [program, "train", "--data", folder / name, "--out", store, "--save", store / "w.safetensors",
         "--width", "16", "--depth", "2", "--activation", "tanh", "--steps", "30", "--batch-size", "20",
         "--json", *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return store, json.loads(result.stdout)["result"]["validationLoss"], result.stderr


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    single = x.astype(np.float32)
    frame = pd.DataFrame(single, columns=list("abcde")).assign(kind=classes)
    frame.to_csv(folder / "pandas.csv")
    frame.to_csv(folder / "europe.csv", sep=";", decimal=",", encoding="utf-16", index=False)
    np.savetxt(folder / "savetxt.csv", np.column_stack([classes, single]), delimiter=",", fmt="%.9g",
               header="kind,a,b,c,d,e")
    np.savez_compressed(folder / "fortran.npz", x=np.asfortranarray(x.astype(">f8")), y=classes)
    np.savez(folder / "onehot.npz", X=single, y=np.eye(3)[classes])
    np.savez(folder / "half.npz", x_train=x.astype(np.float16), y_train=targets)
    pd.DataFrame(single, columns=list("abcde")).assign(p=targets[:, 0], q=targets[:, 1]).to_csv(
        folder / "houses.csv", index=False)
    regression = ["--task", "regression"]
    for name, options, features, truth in [
        ("pandas.csv", ["--label", "kind"], single, classes),
        ("europe.csv", [], single, classes),
        ("savetxt.csv", ["--label", "kind"], single, classes),
        ("fortran.npz", [], single, classes),
        ("onehot.npz", [], single, classes),
        ("half.npz", regression, x.astype(np.float16).astype(float), targets),
        ("houses.csv", regression + ["--label", "p,q"], single, targets),
    ]:
        store, got, notes = train(folder, name, *options)
        expected = loss_of(store, features.astype(float), truth)
        error = abs(got - expected) / expected
        assert error < 2e-5, (name, got, expected, notes)
        print(f"data: {name}: validation loss {got:.6f}, by NumPy to {error:.1e}")
