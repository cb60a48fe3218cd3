#!/usr/bin/env python3
"""`gputrain norms --series` on networks that PyTorch trains for one step at four widths.

    PYTHON=/path/to/python Tests/Interop/run.sh      # a Python with torch

An MLP and a small Transformer under standard parametrization and under muP, with Adam: the tensors that
break are named and no other, no embedding among them, and every exponent agrees with NumPy's singular
values to 1e-3. Files are PyTorch's own. Exits with 1 where anything differs.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

program = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release/gputrain").resolve())
WIDTHS = [64, 128, 256, 512]
INPUTS, CLASSES, VOCABULARY, CONTEXT, HEAD = 40, 10, 48, 16, 16


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        sizes = [INPUTS, width, width, width, CLASSES]
        self.layers = nn.ModuleList(
            nn.Linear(a, b, bias=False) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)

    @staticmethod
    def batch():
        return torch.randn(64, INPUTS), torch.randint(CLASSES, (64,))


class Block(nn.Module):
    """Attention of heads of one size, so that 1/√d_head is right at every width, and an MLP."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        shape = (*x.shape[:2], self.width // HEAD, HEAD)
        q, k, v = (part.reshape(shape).transpose(1, 2) for part in self.qkv(self.norms[0](x)).split(
            self.width, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(x.shape))
        return x + self.down(self.up(self.norms[1](x)).relu())


class Transformer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.tok_emb = nn.Embedding(VOCABULARY, width)
        self.pos_emb = nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, x):
        x = self.tok_emb(x) + self.pos_emb(torch.arange(CONTEXT))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).flatten(0, 1)

    @staticmethod
    def batch():
        tokens = torch.randint(VOCABULARY, (16, CONTEXT + 1))
        return tokens[:, :-1], tokens[:, 1:].flatten()


def pair(kind, rule, width, folder):
    """The files of a network before and after one step of Adam."""
    torch.manual_seed(width)
    network = kind(width).double()
    groups = []
    for name, parameter in network.named_parameters():
        rate = 2.0 ** -12
        if parameter.ndim == 2 and "emb" not in name:
            fan_out, fan_in = parameter.shape
            is_readout = fan_out in (CLASSES, VOCABULARY)
            std = fan_in ** -0.5
            if rule == "mup" and fan_in not in (INPUTS,):
                rate *= WIDTHS[0] / width
                std *= (WIDTHS[0] / width) ** 0.5 if is_readout else 1
            nn.init.normal_(parameter, std=std)
        groups.append({"params": [parameter], "lr": rate})
    paths = [folder / f"{kind.__name__}-{rule}-{width}-{step}.pt" for step in (0, 1)]
    torch.save(network.state_dict(), paths[0])
    inputs, targets = kind.batch()
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    optimizer = torch.optim.Adam(groups, eps=1e-30)
    nn.functional.cross_entropy(network(inputs), targets).backward()
    optimizer.step()
    wrapped = {"model": {f"module.{k}": v for k, v in network.state_dict().items()},
               "optimizer": optimizer.state_dict(), "step": 1}
    torch.save(wrapped, paths[1])
    return paths


def ratio(tensor, name):
    matrix = tensor.numpy()
    if "emb" in name:
        return np.linalg.norm(matrix, axis=1).max() / matrix.shape[1] ** 0.5
    return np.linalg.norm(matrix, 2) / (matrix.shape[0] / matrix.shape[1]) ** 0.5


def expected(files):
    """Exponents by tensor and quantity, from NumPy's singular values."""
    states = [(torch.load(a), torch.load(b)["model"]) for a, b in files.values()]
    result = {}
    for name in states[0][0]:
        if states[0][0][name].ndim < 2:
            continue
        starts = [ratio(a[name], name) for a, _ in states]
        updates = [ratio(b[f"module.{name}"] - a[name], name) for a, b in states]
        for quantity, values in [("weight_norm", starts), ("update_norm", updates)]:
            result[name, quantity] = np.polyfit(np.log2(WIDTHS), np.log2(values), 1)[0]
    return result


failures = 0
with tempfile.TemporaryDirectory() as place:
    for kind in (MLP, Transformer):
        for rule in ("sp", "mup"):
            files = {width: pair(kind, rule, width, pathlib.Path(place)) for width in WIDTHS}
            arguments = [f"--series={width}={a}:{b}" for width, (a, b) in files.items()]
            done = subprocess.run(
                [program, "norms", "--json", *arguments], capture_output=True, text=True)
            report = json.loads(done.stdout)
            wanted = expected(files)
            got = {(e["tensor"], e["quantity"]): e["exponent"] for e in report["exponents"]}
            worst = max(abs(got.get(key, np.inf) - value) for key, value in wanted.items())
            broken = {(e["tensor"], e["quantity"]) for e in report["failures"]}
            # Under Adam's constant rate every hidden matrix and the readout grow as n; so does the
            # readout's start as √n.
            faults = set() if rule == "mup" else {
                key for key in wanted if "emb" not in key[0] and key[0] != "layers.0.weight"
                and (key[1] == "update_norm" or key[0] in ("layers.3.weight", "head.weight"))}
            ok = (worst <= 1e-3 and set(got) == set(wanted) and broken == faults
                  and report["verdict"] == ("fail" if faults else "pass")
                  and done.returncode == (1 if faults else 0))
            failures += not ok
            print(f"{kind.__name__} {rule}: {len(wanted)} exponents, largest difference from NumPy "
                  f"{worst:.1e}, {len(broken)} break, first {report.get('culprit', {}).get('tensor')}"
                  + ("" if ok else ": WRONG"))
            if not ok:
                print("  not expected:", sorted(broken ^ faults), sorted(set(got) ^ set(wanted)))
                print(done.stderr)
sys.exit(1 if failures else 0)
