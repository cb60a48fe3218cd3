"""What is timed, and who takes part: cases, our routes, peers. Values alone; nothing is run here."""

# Peers by their name in Benchmarks/Peers/worker.py, with what tables call them.
PEERS = {"torch": "PyTorch eager", "graph": "PyTorch graph + fused", "jax": "JAX"}

# Routes of a GPU: --gemm and --precision. tf32x3 rounds as fp32 does, and is compared as fp32.
GPU_ROUTES = [
    ("tiled", "fp32"), ("tiled", "tf32x3"), ("clblast", "fp32"), ("tiled", "tf32"), ("tiled", "bf16"),
]
# Of a CPU that stands in for one; tensor cores it has none.
CPU_ROUTES = [("opencl", "fp32"), ("tiled", "fp32"), ("clblast", "fp32")]

CLASS = {"fp32": "fp32", "tf32x3": "fp32", "tf32": "tf32", "bf16": "bf16"}


def routes(kind):
    """The routes that are tested on a device of this kind."""
    return GPU_ROUTES if kind == "gpu" else CPU_ROUTES


def route_name(route):
    return f"{route[0]} {route[1]}"


def step(width, batch, optimizer, **more):
    return dict(what="step", inputs=3072, width=width, depth=2, batch=batch, optimizer=optimizer, **more)


def sweep(width, optimizer="adam"):
    return dict(what="sweep", inputs=64, width=width, depth=2, batch=64, optimizer=optimizer, replicas=32)


def gemm(form, m, n, k):
    return dict(what="gemm", form=form, m=m, n=n, k=k)


def plan(kind, small=False):
    """Every comparison, the most telling first, as dictionaries:

    case      what is timed, with its precision: that of both sides
    routes    ours that compute in it, as [gemm, precision]
    peers     theirs
    rounds    how often sides alternate
    """
    result = []

    def add(case, peers, rounds, *precisions):
        for precision in precisions:
            taking_part = [route for route in routes(kind) if CLASS[route[1]] == precision]
            # CLBlast is timed where products dominate: steps and single products.
            if case["what"] in ("sweep", "pass", "spectral"):
                taking_part = [route for route in taking_part if route[0] != "clblast"]
            # Norms are taken by kernels of their own, in fp32.
            if case["what"] in ("pass", "spectral"):
                taking_part = taking_part[:1]
            if taking_part:
                result.append({
                    "case": {**case, "precision": precision}, "routes": [list(r) for r in taking_part],
                    "peers": list(peers), "rounds": rounds})

    everyone, torch = ("torch", "graph", "jax"), ("torch", "graph")
    if small or kind != "gpu":
        add(sweep(64), everyone, 2, "fp32")
        add(dict(step(64, 64, "adam"), inputs=256), everyone, 2, "fp32")
        add(gemm("nt", 64, 256, 256), ("torch",), 1, "fp32", "tf32", "bf16")
        add(dict(what="pass", width=256), torch, 1, "fp32")
        return result
    add(sweep(64), everyone, 2, "fp32")
    add(step(4096, 64, "adam"), everyone, 2, "fp32", "tf32", "bf16")
    add(gemm("nn", 4096, 4096, 4096), ("torch",), 1, "fp32", "tf32", "bf16")
    add(step(1024, 64, "adam"), everyone, 2, "fp32")
    add(sweep(256), everyone, 1, "fp32", "tf32")
    add(gemm("nt", 64, 4096, 4096), ("torch",), 1, "fp32", "tf32", "bf16")
    add(dict(what="pass", width=8192), torch, 1, "fp32")
    add(step(4096, 512, "adam"), torch, 1, "fp32", "tf32", "bf16")
    add(sweep(64), ("graph", "jax"), 1, "tf32")
    add(step(4096, 64, "sgd"), everyone, 1, "fp32")
    add(gemm("nt", 64, 10, 4096), ("torch",), 1, "fp32")
    add(sweep(128), ("graph", "jax"), 1, "fp32")
    add(gemm("tn", 4096, 4096, 64), ("torch",), 1, "fp32", "tf32")
    add(step(2048, 64, "muon"), everyone, 1, "fp32", "tf32", "bf16")
    add(sweep(128, "muon"), everyone, 1, "fp32")
    add(step(512, 64, "muon"), everyone, 1, "fp32")
    add(dict(step(512, 64, "muon"), depth=8), everyone, 1, "fp32", "bf16")
    add(dict(what="spectral", width=2048), ("torch",), 1, "fp32")
    return result
