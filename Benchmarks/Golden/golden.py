"""What a build of gputrain computes, to the last bit, to be compared with what another computes.

    python3 golden.py write PROGRAM FILE [--data DIRECTORY]     # writes FILE
    python3 golden.py compare PROGRAM FILE [--data DIRECTORY]   # status 1 where a bit differs

FILE holds the device, its driver, and for every case its runs: the last values of each quantity as
hexadecimal floats, and a digest of all that were written. Results are those of one device and one
version of its driver; elsewhere bits differ, and comparing says so. The CIFAR-10 cases need --data, the
directory with data_batch_1.bin.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

RULES = ["sgd", "momentum", "nesterov", "adam", "adamw", "spectral-normalized", "frobenius-normalized"]
SMALL = ["--widths=48,72", "--seeds=2", "--log2-lr=-9,-6", "--depth=2", "--steps=40", "--batch-size=24"]


def cases(data):
    """(name, command) of every case."""
    result = [("default sweep", ["sweep"])]
    for rule in RULES:
        result.append((f"sweep of {rule}", [
            "sweep", *SMALL, f"--optimizer={rule}", "--bias", "--activation=gelu", "--diagnose=5",
            "--schedule=cosine:0.1"]))
    result += [
        ("sweep of decay and mse", [
            "sweep", *SMALL, "--optimizer=adam", "--weight-decay=0.1:independent", "--loss=mse",
            "--init=spectral", "--activation=tanh", "--base-width=32"]),
        ("sweep of rate rules", [
            "sweep", *SMALL, "--optimizer=sgd", "--rate-rule=layers.1=ntp", "--lr-multiplier=readout=0.5",
            "--hidden-pattern=1:2", "--input-multiplier=0.25", "--zero-readout"]),
        ("check", ["check"]),
        ("check of a fault", ["check", "--rate-rule", "readout=sp", "--optimizer=sgd"]),
    ]
    if data:
        batch = f"--data={data}/data_batch_1.bin"
        result += [
            ("CIFAR-10 sweep", [
                "sweep", batch, "--parametrization=mup,sp", "--optimizer=sgd", "--widths=256,512", "--depth=2",
                "--log2-lr=-8,-6.315789", "--seeds=1", "--epochs=1", "--base-width=256",
                "--input-multiplier=0.00390625", "--output-multiplier=32", "--zero-readout"]),
            ("figures", ["figures", batch]),
        ]
    return result


def numbers(value, path=""):
    """Every number of a JSON value with its path."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from numbers(value[key], f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from numbers(item, f"{path}/{index}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, float(value)


def digest(lines):
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def runs(folder):
    """By what sets a run apart: its last values, and a digest of all."""
    result = {}
    for directory in sorted((folder / "runs").iterdir()):
        cell = json.loads((directory / "config.json").read_text())["cell"]
        name = " ".join(f"{key}={cell[key]}" for key in sorted(cell))
        records = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        found = [f"{path} {value.hex()}" for record in records for path, value in numbers(record)]
        last = dict(numbers(records[-1])) if records else {}
        result[name] = {"digest": digest(found), **{key: value.hex() for key, value in last.items() if "loss" in key}}
    return result


def outcome(program, command):
    """What a case gives: its runs, or the digest and verdicts of what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        done = subprocess.run(
            [program, *command, "--json", "--quiet", "--out", out], capture_output=True, text=True)
        # check ends with status 1 where the condition is broken.
        if done.returncode not in (0, 1 if command[0] == "check" else 0):
            raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        if command[0] == "sweep":
            return runs(out)
        printed = json.loads(done.stdout)
        found = [
            f"{path} {value.hex()}" for path, value in numbers(printed) if not path.lower().endswith("seconds")]
        return {"printed": {"digest": digest(found), "numbers": len(found), "status": done.returncode}}


def device_of(program):
    listing = json.loads(subprocess.run(
        [program, "devices", "--json"], capture_output=True, text=True, check=True).stdout)
    device = next(device for device in listing["devices"] if device["isDefault"])
    return {key: device[key] for key in ("name", "version", "driver")}


def compare(known, found):
    """The differences in words."""
    differences = []
    for case, expected in known["cases"].items():
        got = found["cases"].get(case)
        if got is None:
            differences.append(f"{case}: not run")
            continue
        for run in sorted(expected.keys() | got.keys()):
            if expected.get(run) != got.get(run):
                differences.append(f"{case}, {run}: {expected.get(run)}, now {got.get(run)}")
    return differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["write", "compare"])
    parser.add_argument("program")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--data")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    found = {"device": device_of(options.program), "cases": {
        name: outcome(options.program, command)
        for name, command in cases(options.data) if options.only in name}}
    if options.what == "write":
        options.file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        return
    known = json.loads(options.file.read_text())
    known["cases"] = {name: value for name, value in known["cases"].items() if name in found["cases"]}
    if known["device"] != found["device"]:
        print(f"another device: {known['device']}, here {found['device']}; bits may differ")
    differences = compare(known, found)
    print("\n".join(differences[:40]) or f"the same to the bit in {len(found['cases'])} cases")
    sys.exit(1 if differences else 0)


main()
