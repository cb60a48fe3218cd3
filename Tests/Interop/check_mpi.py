"""Training by several ranks under a real MPI: the same losses, stops, deaths and mistakes.

    python3 Tests/Interop/check_mpi.py .build/release/gputrain [MPIRUN]

`make test-mpi` runs it. Needs Open MPI (Debian: openmpi-bin) or MPICH; ends with 0 where all holds.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(sys.argv[1])
MPIRUN = sys.argv[2] if len(sys.argv) > 2 else "mpirun"
NETWORKS = {
    "mlp": "--network mlp --width 256 --batch-size 64",
    "transformer": "--network transformer --width 64 --batch-size 8 --context 32",
}
STEPS = 20


def launcher(ranks):
    """What starts so many ranks on this machine."""
    version = subprocess.run([MPIRUN, "--version"], capture_output=True, text=True).stdout
    open_mpi = ["--allow-run-as-root", "--oversubscribe"] if "Open MPI" in version else []
    return [MPIRUN, *open_mpi, "-n", str(ranks)]


def train(ranks, arguments, folder, **options):
    """Trains by ranks, or without where there are none."""
    start = launcher(ranks) if ranks else []
    parallel = ["--data-parallel"] if ranks else []
    return subprocess.run(
        [*start, PROGRAM, "train", *parallel, *arguments.split(), "--out", str(folder)], text=True,
        capture_output=True, timeout=600, **options)


def records(folder):
    lines = next(folder.glob("runs/*/metrics.jsonl")).read_text().splitlines()
    return [json.loads(line) for line in lines]


def losses(folder):
    return [r["train_loss"] for r in records(folder) if "train_loss" in r]


def result(folder):
    return json.loads(next(folder.glob("runs/*/result.json")).read_text())


def expect(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")
    if what != "it trains":
        print(f"ok: {what}", flush=True)


def wait_for_checkpoint(process, place):
    while not list(place.glob("runs/*/checkpoints/*.safetensors")):
        expect(process.poll() is None, "it trains")
        time.sleep(0.2)


def same_losses(folder):
    for network, arguments in NETWORKS.items():
        for optimizer, tolerance in (("sgd", 1e-6), ("adam", 1e-5)):
            job = f"{arguments} --optimizer {optimizer} --steps {STEPS} --evaluate-every 1 --evaluate-batches 1"
            alone = None
            for ranks in (0, 1, 2, 4):
                place = folder / f"{network}-{optimizer}-{ranks}"
                done = train(ranks, job, place)
                expect(done.returncode == 0, f"{network}, {optimizer}, {ranks} ranks end well: {done.stderr[-300:]}"
                       if done.returncode else f"{network}, {optimizer}, {ranks} ranks end well")
                own = [r["validation_loss"] for r in records(place) if "validation_loss" in r]
                alone = alone or own
                error = max(abs(a - b) / b for a, b in zip(own, alone))
                note = re.search(r"each step exchanged.*", done.stderr)
                expect(len(own) == len(alone) >= STEPS and (error == 0 if ranks == 1 else error <= tolerance),
                       f"{network}, {optimizer}, {ranks} ranks: losses of {len(own)} steps within {error:.1e}"
                       + (f"; {note[0]}" if note else ""))


def stops(folder):
    """A signal to the launcher: all stop after one step, and any number resumes."""
    job = "--width 512 --steps 3000 --optimizer sgd --log2-lr -6 --checkpoint-every 100"
    whole = folder / "whole"
    expect(train(0, job, whole).returncode == 0, "a run of 3000 steps alone")
    for ranks in (0, 3):
        place = folder / f"stopped-{ranks}"
        process = subprocess.Popen(
            [*launcher(2), PROGRAM, "train", "--data-parallel", *job.split(), "--out", str(place)],
            stderr=subprocess.PIPE, text=True)
        wait_for_checkpoint(process, place)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        steps = [int(k.stem.split("-")[1]) for k in place.glob("runs/*/checkpoints/*.safetensors")]
        expect(process.returncode != 0 and max(steps) % 100 != 0, f"stopped by SIGTERM, kept after step {max(steps)}")
        start = launcher(ranks) if ranks else []
        resumed = subprocess.run(
            [*start, PROGRAM, "train", *(["--data-parallel"] if ranks else []), "--resume", str(place)],
            capture_output=True, text=True, timeout=600)
        expect(resumed.returncode == 0, f"{ranks or 'no'} ranks resume: {resumed.stderr[-200:] if resumed.returncode else ''}")
        first, second = result(place)["validationLoss"], result(whole)["validationLoss"]
        expect(abs(first - second) <= 1e-3 * second, f"validation loss {first:.6f}, alone {second:.6f}")


def deaths(folder):
    place = folder / "killed"
    process = subprocess.Popen(
        [*launcher(2), PROGRAM, "train", "--data-parallel", "--width", "512", "--steps", "100000",
         "--checkpoint-every", "50", "--out", str(place)], stderr=subprocess.PIPE, text=True)
    wait_for_checkpoint(process, place)
    ranks = subprocess.run(["pgrep", "-f", f"{PROGRAM} train --data-parallel"], capture_output=True, text=True)
    children = [int(p) for p in ranks.stdout.split() if int(p) != process.pid]
    os.kill(children[-1], signal.SIGKILL)
    begin = time.monotonic()
    process.communicate(timeout=120)
    expect(process.returncode != 0, f"a rank that is killed ends all in {time.monotonic() - begin:.1f} s")
    expect(list(place.glob("runs/*/checkpoints/*.safetensors")), "the last checkpoint is kept")


def mistakes(folder):
    base = ["train", "--data-parallel", "--steps", "2"]
    unlike = subprocess.run(
        [*launcher(1), PROGRAM, *base, "--width", "64", "--out", str(folder / "a"), ":", "-n", "1", PROGRAM, *base,
         "--width", "128", "--out", str(folder / "b")], capture_output=True, text=True, timeout=120)
    expect(unlike.returncode != 0 and "rank 1 has another width than rank 0: 128, not 64" in unlike.stderr,
           "ranks with unlike configurations are told")
    none = subprocess.run(
        [PROGRAM, *base, "--out", str(folder / "c")], capture_output=True, text=True,
        env={**os.environ, "GPUTRAIN_MPI": "/nonexistent/libmpi.so"})
    expect(none.returncode == 1 and "no library of MPI" in none.stderr and not (folder / "c").exists(),
           "a library that is not there is told")
    done = train(2, "--width 64 --steps 5", folder / "d")
    again = train(2, "--width 64 --steps 5", folder / "d")
    expect(done.returncode == again.returncode == 0 and "nothing to run" in again.stderr,
           "a run that is there is not made again")


def seconds(folder):
    """A step's time by the number of ranks; they share this machine's processors."""
    for network, arguments in NETWORKS.items():
        for ranks in (0, 1, 2, 4):
            place = folder / f"time-{network}-{ranks}"
            expect(train(ranks, f"{arguments} --steps 200", place).returncode == 0, f"{network}, {ranks} ranks, 200 steps")
            print(f"    {1000 * result(place)['stepSeconds']:.2f} ms a step", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for check in (same_losses, stops, deaths, mistakes, seconds):
            folder = root / check.__name__
            folder.mkdir()
            check(folder)
    print("all holds")
