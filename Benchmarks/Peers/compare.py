"""gputrain beside PyTorch, JAX and tinygrad, in alternating blocks of one run.

    python compare.py --gputrain PATH [--only step,muon,transformer,gemm,sweep,spectral,start,memory]
                      [--peers torch,graph,compiled,jax,tinygrad] [--match TEXT] [--rounds 5] [--seconds 1] [--device cpu]
                      [--precision fp32|tf32|bf16] [--out DIRECTORY]

Both sides compute in the same precision; `compiled` is PyTorch through torch.compile, which needs a C++
compiler; `graph` is PyTorch with fused rules, batched replicas and, on
a GPU, one CUDA graph an epoch. Every case is timed in rounds: gputrain, then each peer, then gputrain
again, and so on; a ratio is of two blocks that follow each other. Prints theirs/ours as median
(least–most) over the rounds, and writes results.json with the machine and the versions. --match takes the
cases alone whose names contain its text.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Peer, command_of, name


def cases(only, precision="fp32"):
    """Every case: what it is, who takes part, the parameters of both sides and their precision."""
    result = []

    def add(what, peers, part=None, **parameters):
        if (part or what) in only:
            result.append({"what": what, "peers": peers, "precision": precision, **parameters})

    everyone = ["torch", "graph", "jax", "tinygrad"]
    for optimizer in ["sgd", "adam"]:
        for width in [256, 512, 1024, 2048, 4096]:
            peers = everyone if width <= 1024 else ["torch", "graph", "jax"]
            add("step", peers, inputs=3072, width=width, depth=2, batch=64, optimizer=optimizer)
    for width in [512, 1024, 2048]:
        add("step", ["torch"], inputs=3072, width=width, depth=2, batch=64, optimizer="adam", fused=True)
    for batch in [128, 256]:
        add("step", ["torch", "graph", "jax"], inputs=3072, width=1024, depth=2, batch=batch, optimizer="adam")
    for form, m, n, k in [
        ("nn", 1024, 1024, 1024), ("nn", 2048, 2048, 2048), ("nt", 64, 1024, 1024),
        ("nt", 64, 4096, 4096), ("nt", 128, 4096, 4096), ("nn", 64, 4096, 4096),
        ("tn", 4096, 4096, 64), ("tn", 4096, 4096, 128),
    ]:
        add("gemm", ["torch"], form=form, m=m, n=n, k=k)
    for optimizer in ["sgd", "adam"]:
        for width in [64, 128, 256]:
            add(
                "sweep", ["torch", "graph", "jax"], inputs=64, width=width, depth=2, batch=64,
                optimizer=optimizer, replicas=32,
            )
    # `torch` is PyTorch's own Muon, which iterates in bf16.
    for width in [256, 512, 1024, 2048]:
        add(
            "step", ["torch", "graph", "jax"], "muon", inputs=3072, width=width, depth=2, batch=64,
            optimizer="muon")
    for width in [64, 128]:
        add(
            "sweep", ["torch", "graph", "jax"], "muon", inputs=64, width=width, depth=2, batch=64,
            optimizer="muon", replicas=32)
    transformer = dict(network="transformer", inputs=65, depth=2, optimizer="adam")
    for width in [256, 512, 768]:
        add(
            "step", ["torch", "compiled", "jax"], "transformer", width=width, batch=8, context=256,
            head_size=64, **transformer)
    for width in [64, 128]:
        for batch in [1, 4, 16]:
            add(
                "sweep", ["torch", "compiled", "jax"], "transformer", width=width, batch=batch,
                context=64, head_size=16, replicas=32, **transformer)
    for width in [512, 1024, 2048]:
        add("spectral", ["torch"], width=width)
    return result


def command_line(arguments, case):
    """The command that times a case here, in the case's precision."""
    return command_of(
        arguments.gputrain, case, arguments.seconds, arguments.device, precision=case["precision"])


def ours(arguments, case):
    """gputrain's figure of a case, from a process of its own."""
    command = command_line(arguments, case)
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def spread(values, digits=2):
    return (
        f"{statistics.median(values):.{digits}f} "
        f"({min(values):.{digits}f}–{max(values):.{digits}f})"
    )


def start_up(arguments):
    """Seconds to the first step of a process: cold and warm kernel cache, and PyTorch's import."""
    script = (
        "import torch; m = torch.nn.Linear(64, 10); o = torch.optim.Adam(m.parameters());"
        "m(torch.rand(64, 64)).sum().backward(); o.step()"
    )

    def seconds(command, **environment):
        start = time.perf_counter()
        subprocess.run(
            command, check=True, capture_output=True, env={**os.environ, **environment}
        )
        return time.perf_counter() - start

    result = {"cold": [], "warm": [], "torch": []}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as cache:
            # Both caches: the OpenCL driver's and gputrain's own.
            own = {"POCL_CACHE_DIR": cache + "/pocl", "XDG_CACHE_HOME": cache, "CUDA_CACHE_PATH": cache}
            os.mkdir(cache + "/pocl")
            for kind in ["cold", "warm"]:
                command = [
                    arguments.gputrain, "train", "--width=512", "--steps=1",
                    f"--out={cache}/{kind}",
                ]
                if arguments.device:
                    command.append(f"--device={arguments.device}")
                result[kind].append(seconds(command, **own))
        result["torch"].append(seconds([sys.executable, "-c", script]))
    return result


def most_bytes(command):
    """Most bytes of a process that runs the command."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command[:2]} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * 1024


def memory(arguments, peers):
    """Most bytes of a process that has begun (gputrain has listed its devices, a peer has imported what it
    needs), and of ones that train one network each."""
    arguments = argparse.Namespace(**{**vars(arguments), "seconds": 0.1})
    row = {"what": "process that has begun", "gputrain": most_bytes([arguments.gputrain, "devices"])}
    for peer in peers:
        worker = Peer(peer)
        row[peer] = worker.begin()["peak_bytes"]
        worker.stop()
    rows = [row]
    networks = [
        {"inputs": 3072, "width": width, "depth": 2, "batch": 64} for width in [1024, 4096, 8192]
    ] + [
        {
            "network": "transformer", "inputs": 65, "width": width, "depth": 2, "batch": 8,
            "context": 256, "head_size": 64,
        }
        for width in [256, 768]
    ]
    for network in networks:
        case = {
            **network, "what": "step", "optimizer": "adam", "precision": arguments.precision,
            "seconds": 0.1,
        }
        if arguments.match not in name(case):
            continue
        row = {"what": name(case), "gputrain": most_bytes(command_line(arguments, case))}
        for peer in peers:
            worker = Peer(peer)
            answer = worker.time(case)
            if "peak_bytes" in answer:
                row[peer] = answer["peak_bytes"]
            worker.stop()
        rows.append(row)
    return rows


def machine():
    names = [
        line.split(":", 1)[1].strip()
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ] if pathlib.Path("/proc/cpuinfo").exists() else []
    return {
        "system": platform.platform(), "cores": os.cpu_count(), "processor": names[0] if names else "",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gputrain", required=True)
    parser.add_argument("--only", default="step,muon,transformer,gemm,sweep,spectral,start,memory")
    parser.add_argument("--peers", default="torch,graph,compiled,jax,tinygrad")
    parser.add_argument("--match", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--device", default="")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--out", default="benchmark-results")
    arguments = parser.parse_args()
    directory = pathlib.Path(arguments.out)
    directory.mkdir(parents=True, exist_ok=True)
    only = arguments.only.split(",")
    peers = {peer: Peer(peer) for peer in arguments.peers.split(",")}
    for peer in peers.values():
        if peer.begin() is None:
            raise SystemExit(f"{peer.name}: {peer.gone}")
    rows = []
    print("theirs/ours in time: median (least–most) over the rounds; both in the precision named")
    chosen = [case for case in cases(only, arguments.precision) if arguments.match in name(case)]
    for case in chosen:
        row = {**case, "ours": [], "theirs": {}}
        ratios = {}
        for _ in range(arguments.rounds):
            figure = ours(arguments, case)
            mine = figure["milliseconds"]
            row["ours"].append(mine)
            row["gflops"] = figure["gflops"] * mine / statistics.median(row["ours"])
            row["device"], row["gemm"] = figure["device"], figure["gemm"]
            row["precision"] = {"gputrain": figure["precision"], "peers": case["precision"]}
            row["details"] = figure["details"]
            for peer in case["peers"]:
                if peer not in peers:
                    continue
                median, answer = peers[peer].median({**case, "seconds": arguments.seconds})
                if median is None:
                    row.setdefault("errors", {})[peer] = answer["error"]
                else:
                    row["theirs"].setdefault(peer, []).append(median)
                    ratios.setdefault(peer, []).append(median / mine)
        row["ratios"] = ratios
        rows.append(row)
        fused = " (fused)" if case.get("fused") else ""
        text = "  ".join(f"{peer}{fused} {spread(values)}×" for peer, values in ratios.items())
        print(
            f"{name(case):58} {spread(row['ours'], 3)} ms, {row['gflops']:.0f} GFLOP/s  {text}",
            flush=True,
        )
    result = {
        "machine": machine(), "rounds": arguments.rounds, "seconds": arguments.seconds,
        "peers": {peer.name: peer.about for peer in peers.values()}, "cases": rows,
    }
    if "start" in only:
        result["start_seconds"] = start_up(arguments)
        for kind, values in result["start_seconds"].items():
            label = {"torch": "PyTorch import and step"}.get(kind, f"gputrain train, {kind} kernel caches")
            print(f"{label:58} {spread(values)} s")
    if "memory" in only:
        sides = [peer for peer in peers if peer in ("torch", "jax")]
        result["memory_bytes"] = memory(arguments, sides)
        print("most memory of a process")
        for row in result["memory_bytes"]:
            text = "  ".join(f"{side} {row[side] / 2**20:.0f} MiB" for side in row if side != "what")
            print(f"{row['what']:58} {text}")
    (directory / "results.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


main()
