"""Times one thing in one framework, as told by lines of JSON on standard input.

Each line is a case with "seconds"; the answer is a line with the milliseconds of each block.
A framework's first block of a case, which compiles and allocates, is not counted.
"""

import json
import os
import resource
import sys
import time

BLOCK = 0.05
FEWEST_BLOCKS = 5
BATCHES = 16
OUTPUTS = 10


def timed(body, seconds):
    """Milliseconds a repetition of `body`, by block; `body` ends when its work is done."""
    body()
    start = time.perf_counter()
    body()
    repetitions = max(1, int(BLOCK / max(time.perf_counter() - start, 1e-9)))
    end = time.perf_counter() + seconds
    blocks = []
    while len(blocks) < FEWEST_BLOCKS or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(repetitions):
            body()
        blocks.append((time.perf_counter() - start) * 1e3 / repetitions)
    return blocks


class Torch:
    """PyTorch, eager, as its tutorials write it: zero_grad, backward, step."""

    def __init__(self):
        import torch

        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.version = torch.__version__
        self.threads = torch.get_num_threads()

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def step(self, case, seconds):
        torch = self.torch
        sizes = [case["inputs"]] + [case["width"]] * case["depth"] + [OUTPUTS]
        layers = []
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(fan_in, fan_out, bias=False), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1]).to(self.device)
        options = {"fused": True} if case.get("fused") else {}
        optimizer = (
            torch.optim.SGD(model.parameters(), lr=1e-3, **options)
            if case["optimizer"] == "sgd"
            else torch.optim.Adam(model.parameters(), lr=1e-3, **options)
        )
        rows = BATCHES * case["batch"]
        x = (2 * torch.rand(rows, case["inputs"]) - 1).to(self.device)
        y = (torch.arange(rows) % OUTPUTS).to(self.device)
        loss_of = torch.nn.CrossEntropyLoss()

        def epoch():
            for start in range(0, rows, case["batch"]):
                stop = start + case["batch"]
                optimizer.zero_grad(set_to_none=True)
                loss_of(model(x[start:stop]), y[start:stop]).backward()
                optimizer.step()
            self.synchronize()

        return [time / BATCHES for time in timed(epoch, seconds)]

    def sweep(self, case, seconds):
        """One network after another: a replica's step is a network's."""
        return [time * case["replicas"] for time in self.step(case, seconds)]

    def gemm(self, case, seconds):
        torch = self.torch
        m, n, k, form = case["m"], case["n"], case["k"], case["form"]
        a = torch.randn((k, m) if form == "tn" else (m, k), device=self.device)
        b = torch.randn((n, k) if form == "nt" else (k, n), device=self.device)
        a = a.t() if form == "tn" else a
        b = b.t() if form == "nt" else b
        c = torch.empty(m, n, device=self.device)

        def product():
            torch.mm(a, b, out=c)
            self.synchronize()

        return timed(product, seconds)

    def spectral(self, case, seconds):
        matrix = self.torch.randn(case["width"], case["width"], device=self.device)

        def norm():
            self.torch.linalg.matrix_norm(matrix, 2)
            self.synchronize()

        return timed(norm, seconds)


class Jax:
    """JAX: a jitted step; replicas by vmap, each with a rate of its own."""

    def __init__(self):
        import jax

        self.jax = jax
        self.version = jax.__version__
        self.threads = os.cpu_count()

    def step(self, case, seconds):
        return self.sweep({**case, "replicas": 1}, seconds)

    def sweep(self, case, seconds):
        jax = self.jax
        jnp = jax.numpy
        sizes = [case["inputs"]] + [case["width"]] * case["depth"] + [OUTPUTS]
        replicas, batch, adam = case["replicas"], case["batch"], case["optimizer"] == "adam"
        keys = jax.random.split(jax.random.PRNGKey(0), len(sizes))
        weights = [
            jax.random.normal(key, (replicas, fan_out, fan_in)) / fan_in**0.5
            for key, fan_in, fan_out in zip(keys, sizes, sizes[1:])
        ]
        rates = 1e-3 / (1 + jnp.arange(replicas))
        x = jax.random.uniform(keys[-1], (BATCHES, batch, case["inputs"]), minval=-1.0)
        y = jnp.arange(BATCHES * batch).reshape(BATCHES, batch) % OUTPUTS

        def loss(weights, x, y):
            for weight in weights[:-1]:
                x = jax.nn.relu(x @ weight.T)
            logits = x @ weights[-1].T
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

        def update(weights, mean, square, time, rate, x, y):
            gradients = jax.grad(loss)(weights, x, y)
            if not adam:
                return [w - rate * g for w, g in zip(weights, gradients)], mean, square
            mean = [0.9 * m + 0.1 * g for m, g in zip(mean, gradients)]
            square = [0.999 * v + 0.001 * g * g for v, g in zip(square, gradients)]
            c1, c2 = 1 / (1 - 0.9**time), 1 / (1 - 0.999**time)
            weights = [
                w - rate * (m * c1) / (jnp.sqrt(v * c2) + 1e-8)
                for w, m, v in zip(weights, mean, square)
            ]
            return weights, mean, square

        step = jax.jit(
            jax.vmap(update, in_axes=(0, 0, 0, None, 0, None, None)), donate_argnums=(0, 1, 2)
        )
        zeros = lambda: [jnp.zeros_like(w) for w in weights] if adam else []
        state = [weights, zeros(), zeros()]
        count = [0]

        def epoch():
            for index in range(BATCHES):
                count[0] += 1
                state[:] = step(*state, float(count[0]), rates, x[index], y[index])
            jax.block_until_ready(state)

        return [time / BATCHES for time in timed(epoch, seconds)]


class Tinygrad:
    """tinygrad on the OpenCL device, a step captured by its JIT."""

    def __init__(self):
        os.environ.setdefault("DEV", "CL")
        import importlib.metadata

        import tinygrad

        self.tinygrad = tinygrad
        self.version = importlib.metadata.version("tinygrad")
        self.threads = os.cpu_count()

    def step(self, case, seconds):
        tinygrad = self.tinygrad
        Tensor = tinygrad.Tensor
        sizes = [case["inputs"]] + [case["width"]] * case["depth"] + [OUTPUTS]
        layers = [
            tinygrad.nn.Linear(fan_in, fan_out, bias=False)
            for fan_in, fan_out in zip(sizes, sizes[1:])
        ]
        parameters = [layer.weight for layer in layers]
        rule = tinygrad.nn.optim.SGD if case["optimizer"] == "sgd" else tinygrad.nn.optim.Adam
        optimizer = rule(parameters, lr=1e-3)
        batches = [
            (
                (Tensor.rand(case["batch"], case["inputs"]) * 2 - 1).realize(),
                Tensor([i % OUTPUTS for i in range(case["batch"])]).realize(),
            )
            for _ in range(BATCHES)
        ]

        @tinygrad.TinyJit
        def step(x, y):
            optimizer.zero_grad()
            for layer in layers[:-1]:
                x = layer(x).relu()
            loss = layers[-1](x).sparse_categorical_crossentropy(y).backward()
            return loss.realize(*optimizer.schedule_step())

        def epoch():
            with tinygrad.Context(TRAINING=1):
                for x, y in batches:
                    step(x, y)
            tinygrad.Device[tinygrad.Device.DEFAULT].synchronize()

        return [time / BATCHES for time in timed(epoch, seconds)]


def peak_bytes():
    """Most memory that this process has had; device memory is not in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    peer = {"torch": Torch, "jax": Jax, "tinygrad": Tinygrad}[sys.argv[1]]()
    print(json.dumps({"version": peer.version, "threads": peer.threads}), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        try:
            blocks = getattr(peer, case["what"])(case, case["seconds"])
            answer = {"milliseconds": blocks, "peak_bytes": peak_bytes()}
        except Exception as error:  # A case that a peer cannot do leaves its column empty.
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


main()
