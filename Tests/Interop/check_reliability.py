#!/usr/bin/env python3
"""Breaks the program in every way that a machine can, and sees that nothing is lost: after whatever was done, the
same command once more ends with the same results as one that nobody disturbed.

    python3 Tests/Interop/check_reliability.py PROGRAM [--kills N] [--steps N] [--cells N] [PART…]

    kills     sweep, train and report, ended by signals at random moments
    disk      a sweep and a run whose disk fails, fills up or loses power at each of their calls, and is slow
    full      small file systems that fill up for real, and some that become read-only; needs root
    device    a driver whose launches fail, one after another, or that is lost
    damage    files of a store cut, emptied, changed and removed
    memory    resident memory over many steps of one run
    cells     a sweep of many tiny runs

Prints a line for each part: what was done, how often, what was lost. The status is 1 where something was. Sums over
random choices are repeated by SEED=…, as printed. Several processes on one store: check_sharing.py.
"""

import argparse
import csv
import hashlib
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("parts", nargs="*")
parser.add_argument("--kills", type=int, default=70, help="of each command")
parser.add_argument("--every", type=int, default=1, help="parts disk and device: each how many calls")
parser.add_argument("--damages", type=int, default=100)
parser.add_argument("--steps", type=int, default=100_000)
parser.add_argument("--cells", type=int, default=10_000)
given = parser.parse_intermixed_args()
program = os.path.realpath(given.program)
seed = int(os.environ.get("SEED", time.time()))
chance = random.Random(seed)
root = pathlib.Path(__file__).resolve().parents[2]
folder = pathlib.Path(tempfile.mkdtemp(prefix="gputrain-reliability-"))
lost = []

TINY = ["--steps", "8", "--batch-size", "16", "--depth", "2", "--quiet"]
GRID = ["--widths", "8,16", "--log2-lr=-9,-7", "--seeds", "2"]


def run(*arguments, environment=None, **options):
    """One command to its end."""
    return subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", env=os.environ | (environment or {}), timeout=7200, **options)


def complain(what, result=None):
    tail = "" if result is None else f": status {result.returncode}: {result.stderr.strip()[-500:]}"
    lost.append(what)
    print(f"LOST  {what}{tail}", flush=True)


def table(out):
    """The table of a sweep without what it took."""
    with open(os.path.join(out, "summary.csv")) as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def is_clean(status):
    """Whether a program that was disturbed may end so: neither crashed nor hung."""
    return status >= 0


def told(part, text):
    print(f"{part:8} {text}", flush=True)


# Kills

SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]


def disturbed(command, least, most, counts):
    """Begins a command and sends it a signal after a random time; its status, None where it was done before."""
    process = subprocess.Popen([program, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        process.wait(chance.uniform(least, most))
        process.stderr.close()
        return None if process.returncode == 0 else process.returncode
    except subprocess.TimeoutExpired:
        what = chance.choice(SIGNALS)
        process.send_signal(what)
        counts[what.name] = counts.get(what.name, 0) + 1
        message = process.stderr.read().decode(errors="replace")
        process.wait(60)
        # SIGUSR1 asks for another time; an end by another signal than the one sent is a crash.
        expected = {-what, 128 + what, 0, 75 if what == signal.SIGUSR1 else 0}
        if process.returncode not in expected:
            complain(f"{command[0]} after {what.name} ended with {process.returncode}: {message[-500:]}")
        return process.returncode


def kills():
    place = folder / "kills"
    place.mkdir()
    counts, rounds = {}, 0
    sweep = ["sweep", "--widths", "32,64", "--base-width", "32", "--log2-lr=-9:-6:4", "--seeds", "4", "--steps", "400",
             "--checkpoint-every", "100", "--quiet"]
    run(*sweep, "--out", place / "alone")
    while sum(counts.values()) < given.kills:
        out = place / f"sweep{rounds}"
        rounds += 1
        while disturbed([*sweep, "--out", out], 0.1, 2, counts) is not None and sum(counts.values()) < given.kills:
            pass
        result = run(*sweep, "--out", out)
        if result.returncode != 0 or table(out) != table(place / "alone"):
            complain(f"a sweep that was ended at random (seed {seed})", result)
    told("kills", f"sweep: {rounds} sweeps, " + ", ".join(f"{n} {s}" for s, n in sorted(counts.items())))

    counts, rounds = {}, 0
    length = ["--width", "64", "--steps", "4000", "--checkpoint-every", "200", "--quiet"]
    run("train", *length, "--out", place / "train", "--save", place / "alone.safetensors")
    while sum(counts.values()) < given.kills:
        out, weights = place / f"train{rounds}", place / f"w{rounds}.safetensors"
        rounds += 1
        begin = ["train", *length, "--out", out, "--save", weights]
        command = begin
        while disturbed(command, 0.1, 2, counts) is not None and sum(counts.values()) < given.kills:
            begun = any(out.glob("runs/*/checkpoints/step-*.safetensors"))
            command = ["train", "--resume", out, "--save", weights, "--quiet"] if begun else begin
        result = run(*command)
        if not weights.exists() or digest(weights) != digest(place / "alone.safetensors"):
            complain(f"a run that was ended at random (seed {seed})", result)
    told("kills", f"train: {rounds} runs, " + ", ".join(f"{n} {s}" for s, n in sorted(counts.items())))

    counts = {}
    page = place / "page.html"
    run("report", place / "alone", "--out", page, "--quiet")
    whole = len(page.read_text())
    files = {file: digest(file) for file in (place / "alone").rglob("*.json")}
    while sum(counts.values()) < given.kills:
        status = disturbed(["report", place / "alone", "--out", page, "--quiet"], 0.005, 0.12, counts)
        if status is None:
            continue
        if abs(len(page.read_text()) - whole) > 100 or not page.read_text().rstrip().endswith("</html>"):
            complain(f"a page that was being written again (seed {seed})")
    if files != {file: digest(file) for file in (place / "alone").rglob("*.json")}:
        complain("a store that was reported on")
    told("kills", "report: " + ", ".join(f"{n} {s}" for s, n in sorted(counts.items())))


# Disks

def double_library(source):
    """A library that stands between the program and the system, built of a source in Tests."""
    library = folder / (pathlib.Path(source).stem + ".so")
    subprocess.run(["clang" if shutil.which("clang") else "cc", "-shared", "-fPIC", "-O1", "-o", library,
                    root / "Tests" / source, "-ldl"], check=True)
    return library


def disk():
    library = double_library("DiskDouble/disk_double.c")
    place = folder / "disk"
    place.mkdir()
    commands = {
        "sweep": ["sweep", *TINY, *GRID, "--keep-best", "--diagnose", "4"],
        "train": ["train", *TINY, "--width", "16", "--checkpoint-every", "2"],
    }
    for name, command in commands.items():
        alone, log = place / f"{name}-alone", place / "log"
        out = place / f"{name}-out"

        def double(**behaviour):
            return {"LD_PRELOAD": str(library), "DISK_FOLDER": str(out)} | behaviour

        run(*command, "--out", alone)
        run(*command, "--out", out, environment=double(DISK_LOG=str(log)))
        calls = int(log.read_text())
        shutil.rmtree(out)
        begin = time.time()
        run(*command, "--out", out, environment=double(DISK_DELAY="20000"))
        slow = time.time() - begin
        if table(out) != table(alone):
            complain(f"{name} on a slow disk")
        cases = failed = 0
        for behaviour in ["DISK_FAIL=ENOSPC", "DISK_FAIL=EIO", "DISK_FULL=ENOSPC", "DISK_FULL=EROFS", "DISK_CUT="]:
            variable, code = behaviour.split("=")
            for call in range(1, calls + 1, given.every):
                shutil.rmtree(out, ignore_errors=True)
                value = f"{call}:{code}" if code else str(call)
                result = run(*command, "--out", out, environment=double(**{variable: value}))
                what = f"{name} with {variable}={value}"
                cases += 1
                failed += result.returncode != 0
                allowed = is_clean(result.returncode) or (variable == "DISK_CUT" and result.returncode == -9)
                if not allowed:
                    complain(what, result)
                if result.returncode > 0 and not result.stderr.strip():
                    complain(what + " said nothing", result)
                if variable == "DISK_FULL" and call < calls // 2 and result.returncode == 0:
                    complain(what + " ended as if all were kept", result)
                again = run(*command, "--out", out)
                if again.returncode != 0 or table(out) != table(alone):
                    complain(what + ", then once more", again)
        told("disk", f"{name}: {calls} calls, {cases} disks that failed, filled up or lost power at one, of which {failed} "
             f"ended the program; a slow disk ({slow:.0f} s)")


def full():
    if os.geteuid() != 0:
        told("full", "left out: needs root")
        return
    place, alone = folder / "full", folder / "full-alone"
    place.mkdir()
    command = ["sweep", *TINY, *GRID, "--keep-best", "--diagnose", "4"]
    run(*command, "--out", alone)
    cases = 0
    for size in [*range(8, 200, 12), 256, 400]:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], check=True)
        try:
            first = run(*command, "--out", place / "out")
            cases += 1
            if not is_clean(first.returncode) or (first.returncode and not first.stderr.strip()):
                complain(f"a sweep in {size} KiB", first)
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            again = run(*command, "--out", place / "out")
            if again.returncode != 0 or table(place / "out") != table(alone):
                complain(f"a sweep in {size} KiB, then in more", again)
        finally:
            subprocess.run(["umount", "-l", place], check=True)
    told("full", f"{cases} file systems of 8 to 400 KiB, each made larger afterwards")

    cases = 0
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    try:
        run(*command, "--out", place / "out")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        reads = [["status", place / "out"], ["report", place / "out", "--out", folder / "elsewhere.html"],
                 ["norms", next((place / "out/best").glob("*.safetensors"))]]
        writes = [[*command, "--out", place / "out"], [*command, "--out", place / "new"],
                  ["train", *TINY, "--out", place / "new"], ["report", place / "out"],
                  ["check", *TINY, "--widths", "8,16", "--seeds", "2", "--out", place / "new"],
                  ["figures", "--steps", "2", "--widths", "8,16", "--seeds", "2", "--out", place / "new"],
                  ["transfer", place / "out/summary.csv", "--out", place / "new"]]
        for arguments in reads + writes:
            result = run(*arguments)
            cases += 1
            if not is_clean(result.returncode) or (result.returncode and not result.stderr.strip()):
                complain(f"{arguments[0]} in a place that is read-only", result)
            if arguments in reads and result.returncode != 0:
                complain(f"{arguments[0]} of a place that is read-only", result)
            if arguments in writes[1:] and result.returncode == 0:
                complain(f"{arguments[0]} into a place that is read-only ended as if all were kept", result)
    finally:
        subprocess.run(["umount", "-l", place], check=True)
    told("full", f"{cases} commands in a place that is read-only")


def device():
    library = double_library("DeviceDouble/device_double.c")
    place, alone, log = folder / "device", folder / "device-alone", folder / "device.log"
    command = ["sweep", *TINY, *GRID]
    run(*command, "--out", alone)
    run(*command, "--out", place, environment={"LD_PRELOAD": str(library), "DOUBLE_LOG": str(log)})
    launches = int(re.findall(r"^launches (\d+)", log.read_text(), re.M)[-1])
    cases = ended = 0
    for behaviour, code in [("DOUBLE_FAIL", -5), ("DOUBLE_LOST", -36)]:
        for launch in range(1, launches + 1, max(1, given.every * launches // 100)):
            shutil.rmtree(place, ignore_errors=True)
            what = f"{behaviour}={launch}:{code}"
            result = run(*command, "--out", place,
                         environment={"LD_PRELOAD": str(library), behaviour: f"{launch}:{code}"})
            cases += 1
            ended += result.returncode != 0
            if not is_clean(result.returncode) or (result.returncode and "CL_" not in result.stderr):
                complain(f"a sweep with {what}", result)
            again = run(*command, "--out", place)
            if again.returncode != 0 or table(place) != table(alone):
                complain(f"a sweep with {what}, then once more", again)
    told("device", f"{launches} launches, {cases} drivers of which one failed or all from one on, {ended} of them ended the "
         "program")


def damage():
    place, alone = folder / "damage", folder / "damage-alone"
    command = ["sweep", *TINY, *GRID, "--keep-best", "--diagnose", "4"]
    run(*command, "--out", alone)
    refused = 0
    for _ in range(given.damages):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(alone, place)
        file = chance.choice(sorted(file for file in place.rglob("*") if file.is_file()))
        content = bytearray(file.read_bytes())
        what = chance.choice(["cut", "emptied", "changed", "removed", "zeroed"])
        if what == "cut":
            file.write_bytes(content[:chance.randrange(len(content) + 1)])
        elif what == "emptied":
            file.write_bytes(b"")
        elif what == "removed":
            file.unlink()
        elif what == "zeroed":
            file.write_bytes(bytes(len(content)))
        elif content:
            for _ in range(chance.randrange(1, 4)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            file.write_bytes(content)
        name = file.relative_to(place)
        for arguments in [["status", place], ["report", place], [*command, "--out", place]]:
            result = run(*arguments)
            if not is_clean(result.returncode) or (result.returncode and str(place) not in result.stderr):
                complain(f"{arguments[0]} of a store of which {name} is {what} (seed {seed})", result)
        if result.returncode != 0:
            # A line names the file and what to do.
            refused += 1
            if file.name not in result.stderr:
                complain(f"{name}, {what}, is not named (seed {seed})", result)
            if file.exists():
                file.unlink()
            result = run(*command, "--out", place)
        if result.returncode != 0:
            complain(f"a store of which {name} is {what}, then removed (seed {seed})", result)
    told("damage", f"{given.damages} stores with a damaged file, {refused} of them refused by its name, all whole "
         "afterwards")


# Length

def memory():
    place = folder / "memory"
    process = subprocess.Popen(
        [program, "train", "--width", "32", "--depth", "2", "--batch-size", "16", "--steps", str(given.steps), "--quiet",
         "--diagnose", str(max(1, given.steps // 100)), "--checkpoint-every", str(max(1, given.steps // 20)), "--out",
         place], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    sizes, begin = [], time.time()
    while process.poll() is None:
        time.sleep(0.2)
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        if found:
            sizes.append(int(found.group(1)) / 1024)
    if process.returncode != 0:
        complain(f"a run of {given.steps} steps: {process.stderr.read().decode()[-300:]}")
    early, late = sizes[len(sizes) // 5], max(sizes[len(sizes) // 5:])
    if late > 1.05 * early + 2:
        complain(f"memory: {early:.1f} MiB after a fifth, up to {late:.1f} MiB later")
    told("memory", f"{given.steps} steps in {time.time() - begin:.0f} s: {early:.1f} MiB after a fifth of them, at most "
         f"{late:.1f} MiB later")


def cells():
    place = folder / "cells"
    rates, seeds = 50, given.cells // 100
    begin = time.time()
    result = run("sweep", "--parametrization", "spectral", "--widths", "8,16", "--depth", "2", "--batch-size", "8",
                 "--steps", "4", f"--log2-lr=-12:-3:{rates}", "--seeds", seeds, "--quiet", "--out", place)
    seconds = time.time() - begin
    count = len(table(place)) if (place / "summary.csv").exists() else 0
    if result.returncode != 0 or count != 2 * rates * seeds:
        complain(f"a sweep of {2 * rates * seeds} runs left {count}", result)
    begin = time.time()
    again = run("report", place, "--quiet")
    if again.returncode != 0:
        complain("its report", again)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    told("cells", f"{count} runs in {seconds:.0f} s, their page again in {time.time() - begin:.1f} s; at most {most:.0f} MiB")


parts = {part.__name__: part for part in [kills, disk, full, device, damage, memory, cells]}
for name in given.parts or parts:
    parts[name]()
shutil.rmtree(folder, ignore_errors=True)
print(f"seed {seed}: {len(lost)} lost")
sys.exit(1 if lost else 0)
