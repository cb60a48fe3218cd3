"""gputrain and its peers on one device, in alternating rounds, until the time is up.

    python3 drive.py --program PATH --device gpu --kind gpu --seconds-left 180 [--small] [--python PATH]

Prints one line of JSON for each thing that is known, as soon as it is known:

    {"plan": […]}                                what is to be measured, from cases.py
    {"peer": "torch", "version": …, "card": …}   with "error" for those who do not take part
    {"entry": 0, "round": 0, "side": "tiled fp32", "milliseconds": …}     or with "error"

`entry` is the position in the plan. What has no line was not measured.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Peers"))

import cases
from peers import WORKER, Peer, command_of

# What frameworks call a GPU that they compute on.
GPU_NAMES = ("cuda", "rocm", "gpu")
# Keeps a peer from GPUs where a CPU is tested.
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}

# Seconds that a measurement needs at least: the program starts, loads its kernels, and times.
LEAST_SECONDS = 4


def say(**values):
    print(json.dumps(values, ensure_ascii=False), flush=True)


def ours(arguments, case, route, limit):
    """Our figure of a case by a route, from a process of its own."""
    command = command_of(arguments.program, case, arguments.seconds, arguments.device, *route)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    if done.returncode != 0:
        return {"error": f"status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}"}
    try:
        figure = json.loads(done.stdout)
        details = figure["details"]
        milliseconds = figure["milliseconds"]
        if case["what"] == "pass":
            milliseconds /= max(1, float(details["passes"]))
        names = ["host_share", "relative_error"]
        return {
            "milliseconds": milliseconds, "gflops": figure["gflops"],
            **{name: details[name] for name in names if name in details}}
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"its output does not read: {error}"}


def theirs(peer, case, seconds, limit):
    answer = peer.time({**case, "seconds": seconds}, timeout=limit)
    if "error" in answer:
        return {"error": answer["error"] or "gone"}
    return {"milliseconds": statistics.median(answer["milliseconds"])}


def begun(arguments, end):
    """The peers that compute on a device of the tested kind; of all it is said what they are."""
    environment = CPU_ONLY if arguments.kind == "cpu" else {}
    # They start together; whoever does not says so and takes no part.
    started = {
        name: Peer(name, arguments.python, arguments.worker, environment)
        for name in arguments.peers.split(",")}
    peers = {}
    for name, peer in started.items():
        about = peer.begin(timeout=max(1, min(90, end - time.monotonic())))
        error = peer.gone if about is None else misplaced(about.get("device", ""), arguments.kind)
        say(peer=name, **(about or {}), **({"error": error} if error else {}))
        if error:
            peer.stop(error)
        else:
            peers[name] = peer
    return peers


def misplaced(device, kind):
    """What is said of a peer that computes on a device of another kind than ours; None where it
    does not."""
    computes = "gpu" if device in GPU_NAMES else device
    if computes == ("cpu" if kind == "cpu" else "gpu"):
        return None
    return f"computes on {'the ' + computes.upper() if computes in ('cpu', 'gpu') else device}"


def measure(arguments, index, entry, peers, end):
    """All rounds of one entry; a side that failed once is left out from then on."""
    failed = set()

    def keep(side, round_, answer):
        say(entry=index, round=round_, side=side, **answer)
        if "error" in answer:
            failed.add(side)

    for round_ in range(entry["rounds"]):
        for route in entry["routes"]:
            left = end - time.monotonic()
            side = cases.route_name(route)
            if side not in failed and left > LEAST_SECONDS:
                keep(side, round_, ours(arguments, entry["case"], route, min(90, left)))
        for name in entry["peers"]:
            left = end - time.monotonic()
            if name in peers and name not in failed and left > LEAST_SECONDS:
                keep(name, round_, theirs(peers[name], entry["case"], arguments.seconds, min(90, left)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--kind", default="gpu")
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--seconds-left", type=float, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--python", default="")
    parser.add_argument("--peers", default="torch,graph,jax")
    parser.add_argument("--worker", default=str(WORKER))
    parser.add_argument("--leave-out", default="", help="entries that are known, as 0,1,2")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds_left
    plan = cases.plan(arguments.kind, arguments.small)
    say(plan=plan)
    peers = begun(arguments, end) if arguments.python else {}
    try:
        for index, entry in enumerate(plan):
            if str(index) in arguments.leave_out.split(","):
                continue
            measure(arguments, index, entry, peers, end)
    finally:
        for peer in peers.values():
            peer.stop()


main()
