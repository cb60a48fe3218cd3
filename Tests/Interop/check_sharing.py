#!/usr/bin/env python3
"""Several programs at work on one store, killed, stopped and begun again at random for some minutes: in the
end every run is there once, and the table is that of one program that nobody disturbed.

    python3 Tests/Interop/check_sharing.py .build/release/gputrain [PROCESSES] [MINUTES]

Says how often each was done to them, and how many runs' results were there at the end. A process of those that
are to be "on other machines" has a host name and process numbers of its own (unshare; needs root), so that
others see that it is gone by its silence only.
"""
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

program = os.path.realpath(sys.argv[1])
processes = int(sys.argv[2]) if len(sys.argv) > 2 else 4
minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 10
seed = int(os.environ.get("SEED", time.time()))
chance = random.Random(seed)
is_root = os.geteuid() == 0

folder = tempfile.mkdtemp()
settings = ["--widths", "32,64", "--base-width", "32", "--log2-lr=-9:-6:4", "--seeds", "8",
            "--steps", os.environ.get("STEPS", "2000"), "--quiet"]


def command(out):
    return [program, "sweep", *settings, "--claim-timeout", "5s", "--checkpoint-every", "200", "--out", out]


def start(index, out):
    host = []
    if is_root and index % 2:
        host = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                f'hostname host{index}; exec "$@"', "run"]
    log = open(os.path.join(folder, f"log{index}"), "a")
    return subprocess.Popen(host + command(out), stdout=subprocess.DEVNULL, stderr=log,
                            start_new_session=True)


def table(out):
    with open(os.path.join(out, "summary.csv")) as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def results(out):
    runs = os.path.join(out, "runs")
    names = os.listdir(runs) if os.path.isdir(runs) else []
    return sum(os.path.exists(os.path.join(runs, name, "result.json")) for name in names)


alone, shared = os.path.join(folder, "alone"), os.path.join(folder, "shared")
subprocess.run(command(alone), check=True, stdout=subprocess.DEVNULL)

done = {"SIGKILL": 0, "SIGTERM": 0, "SIGSTOP": 0, "sweeps": 1}
running = [start(index, shared) for index in range(processes)]
end = time.time() + 60 * minutes
total = len(table(alone))
while time.time() < end:
    time.sleep(chance.uniform(0.1, 2))
    index = chance.randrange(processes)
    process = running[index]
    if results(shared) == total:
        # All of it once more, in a store of its own.
        for process in running:
            process.wait()
        assert table(shared) == table(alone), f"seed {seed}: {shared} is not as of one process"
        shared = os.path.join(folder, f"shared{done['sweeps']}")
        done["sweeps"] += 1
        running = [start(index, shared) for index in range(processes)]
        continue
    if process.poll() is None:
        what = chance.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGSTOP"])
        done[what] += 1
        os.killpg(process.pid, getattr(signal, what))
        if what == "SIGSTOP":
            # Longer than its claim may stand still, or not.
            time.sleep(chance.choice([0.5, 7]))
            os.killpg(process.pid, signal.SIGCONT)
            continue
        process.wait()
    running[index] = start(index, shared)
for process in running:
    process.wait()
statuses = [process.returncode for process in [start(0, shared)] if process.wait() is not None]
assert statuses == [0], f"seed {seed}: status {statuses}"
assert table(shared) == table(alone), f"seed {seed}: {shared} is not as of one process"
assert results(shared) == total
left = [name for name in os.listdir(os.path.join(shared, "claims")) if not name.startswith(".")]
print(f"seed {seed}: {processes} processes, {minutes:g} minutes, {done['sweeps']} sweeps of {total} runs, "
      + ", ".join(f"{count} {what}" for what, count in done.items() if what != "sweeps")
      + f"; every table as of one process; {len(left)} claims left")
