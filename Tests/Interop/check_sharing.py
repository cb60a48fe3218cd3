#!/usr/bin/env python3
"""Several programs at work on one store, killed, stopped and begun again at random for some minutes: in the
end every run is there once, the table is that of one program that nobody disturbed, and no work was done
twice but that of processes that were killed or stopped.

    python3 Tests/Interop/check_sharing.py .build/release/gputrain [PROCESSES] [MINUTES]

Says how often each was done to them, and how many runs' results were there at the end. A process of those that
are to be "on other machines" has a host name and process numbers of its own (unshare; needs root), so that
others see that it is gone by its silence only.

Repeated work is counted by what happens in the store's folder of claims, which the system tells in order
(inotify, so Linux): which claim got a run's name, and when the name went. A claim of a run without a result that
follows another claim of it repeats work, as far as no checkpoint has kept it; that is allowed only where the
holder of the earlier one was killed or ended by a signal before the name went, or stood still while it was
there. What is not seen exactly: a claim is read, and its run's result looked for, when the event is handled, some
milliseconds later (the last line says how late at most). A claim that is gone by then has an unknown holder; a
signal to anybody within the second before then counts as its excuse. A run that was finished within that time
counts as done before it was claimed.
"""
import csv
import ctypes
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
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


class Claim:
    """The name of a run given to a process's claim, from when to when it was seen."""

    def __init__(self, run, begin):
        self.run, self.begin, self.end = run, begin, None
        self.nonce = self.holder = None
        try:
            with open(os.path.join(run.claims, run.name)) as file:
                content = json.load(file)
            self.nonce, holder = content["nonce"], content["holder"]
            self.holder = holder["host"], holder["process"]
        except (OSError, ValueError):
            pass

    def is_excused(self, signals):
        """Whether its holder was disturbed while it stood."""
        for name, holder, begin, end in signals:
            if begin > self.end:
                continue
            if self.holder is None and begin > self.end - 1:
                return True
            if self.holder == holder and (name != "SIGSTOP" or end > self.begin):
                return True
        return False


class Run:
    """A run's claims, in the order in which they were made."""

    def __init__(self, out, name):
        self.claims, self.name = os.path.join(out, "claims"), name
        self.result = os.path.join(out, "runs", name, "result.json")
        self.made, self.made_done = [], 0

    def begin(self, now):
        claim = Claim(self, now)
        last = self.made[-1] if self.made else None
        if last and claim.nonce is not None and last.nonce == claim.nonce:
            # Moved away by one who took it for another, and put back.
            last.end = None
        elif os.path.exists(self.result):
            self.made_done += 1
        else:
            self.made.append(claim)

    def end(self, now):
        if self.made and self.made[-1].end is None:
            self.made[-1].end = now


class Watch(threading.Thread):
    """Notes what happens in the folder of claims of the store at `out`, which is made."""

    CREATE, MOVED_FROM, MOVED_TO, DELETE, OVERFLOW = 0x100, 0x40, 0x80, 0x200, 0x4000

    def __init__(self, out):
        super().__init__(daemon=True)
        self.out, self.runs, self.signals, self.latest = out, {}, [], 0
        self.stopped = threading.Event()
        claims = os.path.join(out, "claims")
        os.makedirs(claims)
        system = ctypes.CDLL(None, use_errno=True)
        self.descriptor = system.inotify_init1(os.O_NONBLOCK)
        mask = self.CREATE | self.MOVED_FROM | self.MOVED_TO | self.DELETE
        if self.descriptor < 0 or system.inotify_add_watch(self.descriptor, claims.encode(), mask) < 0:
            sys.exit(f"inotify: {os.strerror(ctypes.get_errno())}")
        self.start()

    def run(self):
        looked = time.monotonic()
        while not self.stopped.is_set():
            is_ready = select.select([self.descriptor], [], [], 0.02)[0]
            if is_ready:
                self.handle(os.read(self.descriptor, 1 << 20))
            now = time.monotonic()
            self.latest, looked = max(self.latest, now - looked), now

    def handle(self, data):
        while data:
            _, mask, _, length = struct.unpack_from("iIII", data)
            name, data = data[16:16 + length].rstrip(b"\0").decode(), data[16 + length:]
            assert not mask & self.OVERFLOW, "more happened to claims than the system keeps"
            if len(name) != 16 or "." in name or "-" in name:
                continue
            run = self.runs.setdefault(name, Run(self.out, name))
            if mask & (self.CREATE | self.MOVED_TO):
                run.begin(time.monotonic())
            else:
                run.end(time.monotonic())

    def close(self, total):
        """Ends it; complains of work that was repeated without excuse. How often runs were claimed, how often
        again, how often when they were done, and how many were held by killed processes in how many groups."""
        time.sleep(0.1)
        self.stopped.set()
        self.join()
        os.close(self.descriptor)
        assert len(self.runs) == total, f"seed {seed}: {len(self.runs)} of {total} runs were claimed"
        for run in self.runs.values():
            for claim in run.made[:-1]:
                assert claim.end is not None and claim.is_excused(self.signals), (
                    f"seed {seed}: {run.name} was claimed {len(run.made)} times, and {claim.holder} was not disturbed "
                    f"while it held it: {[(c.holder, c.begin, c.end) for c in run.made]}, {self.signals}")
        made = [claim for run in self.runs.values() for claim in run.made]
        killed = {holder: begin for name, holder, begin, _ in self.signals if name == "SIGKILL"}
        lost = [claim for claim in made
                if claim.holder in killed and (claim.end is None or claim.end >= killed[claim.holder])]
        return [len(made), len(made) - total, sum(run.made_done for run in self.runs.values()), len(lost),
                len({claim.nonce for claim in lost})]


class Worker:
    """A program at work on a store, at a place of its own."""

    begun = 0

    def __init__(self, index, watch):
        self.watch = watch
        Worker.begun += 1
        host, name = [], os.uname().nodename
        is_elsewhere = is_root and index % 2
        if is_elsewhere:
            # One of its own for each, to tell them apart.
            name = f"host{index}-{Worker.begun}"
            host = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                    f'hostname {name}; exec "$@"', "run"]
        with open(os.path.join(folder, f"log{index}"), "a") as log:
            self.process = subprocess.Popen(host + command(watch.out), stdout=subprocess.DEVNULL, stderr=log,
                                            start_new_session=True)
        # Of what is unshared, the first process.
        self.holder = name, 1 if is_elsewhere else self.process.pid

    def signal(self, name, seconds=0):
        """Sends a signal, and waits for the end; of SIGSTOP it goes on after some time."""
        begin = end = time.monotonic()
        os.killpg(self.process.pid, getattr(signal, name))
        if name == "SIGSTOP":
            time.sleep(seconds)
            end = time.monotonic()
            os.killpg(self.process.pid, signal.SIGCONT)
        else:
            self.process.wait()
        self.watch.signals.append((name, self.holder, begin, end))


def command(out):
    return [program, "sweep", *settings, "--claim-timeout", "5s", "--checkpoint-every", "200", "--out", out]


def table(out):
    with open(os.path.join(out, "summary.csv")) as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def results(out):
    runs = os.path.join(out, "runs")
    names = os.listdir(runs) if os.path.isdir(runs) else []
    return sum(os.path.exists(os.path.join(runs, name, "result.json")) for name in names)


alone = os.path.join(folder, "alone")
begin = time.time()
subprocess.run(command(alone), check=True, stdout=subprocess.DEVNULL)
seconds_alone = time.time() - begin
total = len(table(alone))

done = {"SIGKILL": 0, "SIGTERM": 0, "SIGSTOP": 0}
sweeps = latest = 0
sums = [0] * 5
end = time.time() + 60 * minutes
while time.time() < end:
    # All of it once more, in a store of its own.
    shared = os.path.join(folder, f"shared{sweeps}")
    watch = Watch(shared)
    running = [Worker(index, watch) for index in range(processes)]
    while time.time() < end:
        time.sleep(chance.uniform(0.1, 2))
        if results(shared) == total:
            break
        index = chance.randrange(processes)
        if running[index].process.poll() is None:
            what = chance.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGSTOP"])
            done[what] += 1
            # Longer than its claim may stand still, or not.
            running[index].signal(what, chance.choice([0.5, 7]))
            if what == "SIGSTOP":
                continue
        running[index] = Worker(index, watch)
    for worker in running:
        worker.process.wait()
    status = Worker(0, watch).process.wait()
    assert status == 0, f"seed {seed}: status {status}"
    assert table(shared) == table(alone), f"seed {seed}: {shared} is not as of one process"
    assert results(shared) == total
    sums = [sum(pair) for pair in zip(sums, watch.close(total))]
    latest = max(latest, watch.latest)
    sweeps += 1
left = [name for name in os.listdir(os.path.join(shared, "claims")) if not name.startswith(".")]
claimed, again, already, lost, groups = sums
print(f"seed {seed}: {processes} processes, {minutes:g} minutes, {sweeps} sweeps of {total} runs ({seconds_alone:.0f} s by "
      "one process), " + ", ".join(f"{count} {what}" for what, count in done.items())
      + f"; every table as of one process; {len(left)} claims left; runs were claimed {claimed} times, {again} of them "
      "again, each after its holder was killed, ended or stopped; killed processes held "
      f"{lost} runs in {groups} groups; {already} claims of what was done already; seen within {1000 * latest:.0f} ms")
