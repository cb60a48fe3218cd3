#!/usr/bin/env python3
"""Compares `gputrain norms --json` with NumPy's singular values, on files of every kind it reads.

    python3 -m venv .build/interop && .build/interop/bin/pip install numpy safetensors ml_dtypes
    .build/interop/bin/python Tests/Interop/check_norms.py .build/release/gputrain

Files are written by NumPy and by safetensors' own writer. Norms, and Frobenius norms, must agree
to 1e-5, and ‖W‖* must lie within its bracket. Exits with 1 where anything differs.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

TOLERANCE = 1e-5
rng = np.random.default_rng(7)


def matrices():
    """Shapes and spectra that differ: flat, steep, low rank, tiny and huge values."""
    gaussian = {
        f"gaussian.{rows}x{columns}": rng.standard_normal((rows, columns))
        for rows, columns in [(1, 1), (1, 7), (7, 1), (10, 64), (64, 10), (127, 129), (512, 256)]
    }
    left, right = rng.standard_normal((200, 3)), rng.standard_normal((3, 150))
    orthogonal, _ = np.linalg.qr(rng.standard_normal((96, 96)))
    decay = np.linalg.qr(rng.standard_normal((80, 80)))[0] * 0.7 ** np.arange(80)
    spike = orthogonal.copy()
    spike += 5e-4 * np.outer(orthogonal[:, 0] / 1, np.eye(96)[0])
    return gaussian | {
        "rank3": left @ right,
        "orthogonal": orthogonal,
        "spike": spike,
        "decay": decay,
        "tiny": 1e-3 * rng.standard_normal((33, 21)),
        "ones": np.ones((40, 30)),
        "identity": np.eye(50),
        "conv": rng.standard_normal((16, 8, 3, 3)),
        "heads": rng.standard_normal((4, 16, 12)),
    }


def expected(values):
    """Norms of the values as stored, in float64."""
    matrix = np.asarray(values, np.float64).reshape(values.shape[0], -1)
    singular = np.linalg.svd(matrix, compute_uv=False)
    return singular[0], np.sqrt(np.sum(matrix**2))


def norms(program, *arguments):
    result = subprocess.run(
        [program, "norms", "--json", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{arguments}: exit {result.returncode}: {result.stderr}")
    return {record["name"]: record for record in json.loads(result.stdout)}


class Check:
    worst = 0.0
    failures = 0
    count = 0

    def compare(self, label, got, want):
        error = abs(got - want) / want
        self.worst = max(self.worst, error)
        self.count += 1
        if not error <= TOLERANCE:
            self.failures += 1
            print(f"{label}: got {got}, expected {want}, relative error {error:.2e}")

    def file(self, label, records, arrays):
        if set(records) != set(arrays):
            self.failures += 1
            print(f"{label}: names differ: {set(records) ^ set(arrays)}")
        for name, values in arrays.items():
            record = records[name]
            spectral, frobenius = expected(values)
            rows, columns = values.shape[0], values[0].size
            self.compare(f"{label} {name}", record["spectral_norm"], spectral)
            self.compare(f"{label} {name} F", record["frobenius_norm"], frobenius)
            self.compare(
                f"{label} {name} ratio", record["ratio"], spectral / np.sqrt(rows / columns))
            self.compare(
                f"{label} {name} stable rank", record["stable_rank"], (frobenius / spectral) ** 2)
            # The reference rounds too, in the last digits of float64.
            if not record["lower"] <= spectral * (1 + 1e-12) <= record["upper"] * (1 + 2e-12):
                self.failures += 1
                print(f"{label} {name}: {spectral} not in [{record['lower']}, {record['upper']}]")


def main(program):
    check = Check()
    source = matrices()
    vectors = {"bias": np.zeros(5, np.float32), "step": np.array(3, np.int64)}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for label, dtype in [("F32", np.float32), ("F16", np.float16), ("F64", np.float64),
                             ("BF16", ml_dtypes.bfloat16)]:
            arrays = {key: value.astype(dtype) for key, value in source.items()}
            save_file(arrays | vectors, folder / f"{label}.safetensors", {"format": "np"})
            check.file(label, norms(program, folder / f"{label}.safetensors"), arrays)

        arrays = {key: value.astype(np.float32) for key, value in source.items()}
        names = sorted(arrays)
        shards = {"model-00001-of-00002.safetensors": names[::2],
                  "model-00002-of-00002.safetensors": names[1::2]}
        for shard, held in shards.items():
            save_file({key: arrays[key] for key in held}, folder / shard)
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps({
            "metadata": {"total_size": 1},
            "weight_map": {key: shard for shard, held in shards.items() for key in held}}))
        check.file("sharded", norms(program, index), arrays)

        fortran = {key: np.asfortranarray(value) for key, value in arrays.items()}
        big = {key: value.astype(">f4") for key, value in arrays.items()}
        np.savez(folder / "stored.npz", **arrays, **vectors)
        np.savez_compressed(folder / "deflated.npz", **fortran, **vectors)
        np.savez(folder / "big.npz", **big)
        for label in ["stored", "deflated", "big"]:
            check.file(label, norms(program, folder / f"{label}.npz"), arrays)
        for label, array in [("c", arrays["conv"]), ("f", fortran["conv"]),
                             ("half", arrays["conv"].astype(np.float16)), ("b", big["conv"])]:
            np.save(folder / f"{label}.npy", array)
            check.file(f"{label}.npy", norms(program, folder / f"{label}.npy"), {label: array})

        after = {key: (value + 1e-3 * rng.standard_normal(value.shape)).astype(np.float32)
                 for key, value in arrays.items()}
        save_file(after, folder / "after.safetensors")
        for other in ["F32.safetensors", "deflated.npz"]:
            held = after | vectors
            save_file(held, folder / "after.safetensors")
            records = norms(program, folder / "after.safetensors", "--against", folder / other)
            for key, value in after.items():
                update, _ = expected(value.astype(np.float64) - arrays[key])
                rows, columns = value.shape[0], value[0].size
                record = records[key]
                check.compare(f"against {key}", record["update_spectral_norm"], update)
                check.compare(f"against {key} ratio", record["update_ratio"],
                              update / np.sqrt(rows / columns))
                check.compare(f"against {key} relative", record["relative_update"],
                              update / expected(value)[0])
    print(f"{check.count} numbers compared, largest relative error {check.worst:.1e}, "
          f"{check.failures} failures")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ".build/release/gputrain"))
