"""What a training step costs the host: its own time and its launches, with no kernel run.

    python3 Benchmarks/Host/host_time.py [PROGRAM …] [--rounds 3] [--seconds 2]

PROGRAM is a built gputrain, by default .build/release/gputrain; several are timed in turn, for a
comparison of versions. The device double (Tests/DeviceDouble) drops every launch, so what is left is
the program's and the driver's own work: processor time of the thread that enqueues, a step.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCHES = 16  # Steps of one repetition of `bench step`.
KEPT = 100  # Launches at the start that are run: products are tried before they are used.
CASES = [
    ("32 replicas of width 64, 64 inputs", {"replicas": 32, "width": 64, "inputs": 64}),
    ("1 replica of width 64, 64 inputs", {"replicas": 1, "width": 64, "inputs": 64}),
    ("1 replica of width 256, 256 inputs", {"replicas": 1, "width": 256, "inputs": 256}),
]


def build_double(folder):
    """The device double as a library in `folder`."""
    library = folder / "libdouble.so"
    source = ROOT / "Tests/DeviceDouble/device_double.c"
    subprocess.run(
        ["clang", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def measure(program, double, case, seconds, folder):
    """Microseconds of the enqueuing thread and launches, a step."""
    log = folder / "launches"
    log.unlink(missing_ok=True)
    command = [program, "bench", "step", "--json", f"--seconds={seconds}", "--depth=2",
               "--batch-size=64", "--optimizer=adam"]
    command += [f"--{name}={value}" for name, value in case.items()]
    environment = {**os.environ, "LD_PRELOAD": str(double), "DOUBLE_DROP": "*",
                   "DOUBLE_DROP_AFTER": str(KEPT), "DOUBLE_LOG": str(log)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {result.stderr.strip()}")
    figure = json.loads(result.stdout)
    launches = int(log.read_text().rsplit("launches ", 1)[1])
    # Two repetitions warm up before the blocks.
    groups = case["replicas"] / figure["details"]["replicas_per_group"]
    steps = BATCHES * (2 + figure["blocks"] * figure["repetitions"])
    share = figure["details"]["host_share"]
    return 1e3 * figure["milliseconds"] * share / groups, launches / steps / groups


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs", nargs="*", default=[str(ROOT / ".build/release/gputrain")])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        double = build_double(folder)
        for title, case in CASES:
            results = {program: [] for program in arguments.programs}
            for _ in range(arguments.rounds):
                for program in arguments.programs:
                    results[program].append(
                        measure(program, double, case, arguments.seconds, folder))
            print(title)
            for program, pairs in results.items():
                times = [time for time, _ in pairs]
                print(f"  {statistics.median(times):6.1f} µs a step ({min(times):.1f}–"
                      f"{max(times):.1f}), {pairs[0][1]:.1f} launches   {program}")


main()
