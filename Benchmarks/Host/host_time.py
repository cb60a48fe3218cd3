"""What a training step costs the host: its own time and its launches, with no kernel run.

    python3 Benchmarks/Host/host_time.py [PROGRAM …] [--rounds 3] [--seconds 2] [--run]

PROGRAM is a built gputrain, by default .build/release/gputrain; several are timed in turn, for a
comparison of versions. The device double (Tests/DeviceDouble) drops every launch, so what is left is
the program's own work, and what the driver does when arguments are set: processor time of the thread
that enqueues, a step. With --run the launches are made: then the driver's enqueuing is part of it, and
its share of the step's time is shown.
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
    """Microseconds of the enqueuing thread and launches, a step; of launches that are made, where there
    is no double, the step's milliseconds in place of their number."""
    log = folder / "launches"
    log.unlink(missing_ok=True)
    command = [program, "bench", "step", "--json", f"--seconds={seconds}", "--depth=2",
               "--batch-size=64", "--optimizer=adam"]
    command += [f"--{name}={value}" for name, value in case.items()]
    environment = dict(os.environ)
    if double:
        environment |= {"LD_PRELOAD": str(double), "DOUBLE_DROP": "*",
                        "DOUBLE_DROP_AFTER": str(KEPT), "DOUBLE_LOG": str(log)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {result.stderr.strip()}")
    figure = json.loads(result.stdout)
    groups = case["replicas"] / figure["details"]["replicas_per_group"]
    time = 1e3 * figure["milliseconds"] * figure["details"]["host_share"] / groups
    if not double:
        return time, figure["milliseconds"] / groups
    launches = int(log.read_text().rsplit("launches ", 1)[1])
    # Two repetitions warm up before the blocks.
    steps = BATCHES * (2 + figure["blocks"] * figure["repetitions"])
    return time, launches / steps / groups


def line(pairs, runs):
    """The medians of one program's pairs of `measure`."""
    times = [time for time, _ in pairs]
    median = statistics.median(times)
    text = f"{median:6.1f} µs a step ({min(times):.1f}–{max(times):.1f}), "
    if not runs:
        return text + f"{pairs[0][1]:.1f} launches"
    step = statistics.median(step for _, step in pairs)
    return text + f"{median / step / 10:.1f} % of {step:.4f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs", nargs="*", default=[str(ROOT / ".build/release/gputrain")])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--run", action="store_true", help="make the launches")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        double = None if arguments.run else build_double(folder)
        for title, case in CASES:
            results = {program: [] for program in arguments.programs}
            for _ in range(arguments.rounds):
                for program in arguments.programs:
                    results[program].append(
                        measure(program, double, case, arguments.seconds, folder))
            print(title)
            for program, pairs in results.items():
                print(f"  {line(pairs, arguments.run)}   {program}")


main()
