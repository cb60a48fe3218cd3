"""Times one thing in one framework, as lines of JSON on standard input say.

    python worker.py torch|graph|compiled|jax|tinygrad

Each line is a case with "seconds" and "precision"; the answer is a line with the milliseconds of each
block, or with "error". A framework's first block of a case, which compiles and allocates, is not
counted. As in gputrain's own benches, a block is many repetitions and one wait for the device.
"""

import json
import os
import resource
import sys
import time

from transformer import jax_loss, jax_weights, torch_model

BLOCK = 0.05
FEWEST_BLOCKS = 5
BATCHES = 16
OUTPUTS = 10

# Muon's, as gputrain's defaults: momentum, and Polar Express's polynomials (arXiv:2505.16932).
MOMENTUM = 0.95
POLYNOMIALS = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]
NORM_MARGIN = 1.02


def timed(body, seconds, synchronize=lambda: None):
    """Milliseconds a repetition of `body`, by block; `synchronize` waits for what it has begun."""
    body()
    synchronize()
    start = time.perf_counter()
    body()
    synchronize()
    repetitions = max(1, int(BLOCK / max(time.perf_counter() - start, 1e-9)))
    end = time.perf_counter() + seconds
    blocks = []
    while len(blocks) < FEWEST_BLOCKS or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(repetitions):
            body()
        synchronize()
        blocks.append((time.perf_counter() - start) * 1e3 / repetitions)
    return blocks


class Torch:
    """PyTorch, eager, as its tutorials write it: zero_grad, backward, step."""

    def __init__(self):
        import torch

        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.card = torch.cuda.get_device_name() if self.device == "cuda" else ""
        self.version = torch.__version__
        self.threads = torch.get_num_threads()

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def prepare(self, case):
        """Makes products of float32 round as the case says; before each case, as it is global."""
        precision = case["precision"]
        if precision == "tf32" and self.device != "cuda":
            raise ValueError("tf32 needs a GPU")
        self.torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        if self.device == "cuda":
            self.torch.cuda.empty_cache()

    def autocast(self, case):
        """Products in bf16 where the case says so, weights and their updates in fp32 as everywhere."""
        return self.torch.autocast(
            self.device, self.torch.bfloat16, enabled=case["precision"] == "bf16")

    def rules(self, case, weights, **options):
        """The optimizers of `weights`, from inputs to outputs; Muon's are the matrices in between."""
        optim = self.torch.optim
        if case["optimizer"] == "sgd":
            return [optim.SGD(weights, lr=1e-3, **options)]
        if case["optimizer"] == "adam":
            return [optim.Adam(weights, lr=1e-3, **options)]
        return [
            optim.AdamW([weights[0], weights[-1]], lr=1e-3, **options),
            self.muon(case, weights[1:-1])]

    def muon(self, case, matrices):
        """PyTorch's own, which iterates in bf16 whatever the case's precision."""
        return self.torch.optim.Muon(matrices, lr=1e-3, momentum=MOMENTUM, weight_decay=0)

    def step(self, case, seconds):
        if case.get("network") == "transformer":
            return self.transformer_step(case, seconds)
        torch = self.torch
        sizes = [case["inputs"]] + [case["width"]] * case["depth"] + [OUTPUTS]
        layers = []
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(fan_in, fan_out, bias=False), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1]).to(self.device)
        optimizers = self.rules(
            case, list(model.parameters()), **({"fused": True} if case.get("fused") else {}))
        rows = BATCHES * case["batch"]
        x = (2 * torch.rand(rows, case["inputs"]) - 1).to(self.device)
        y = (torch.arange(rows) % OUTPUTS).to(self.device)
        loss_of = torch.nn.CrossEntropyLoss()

        def epoch():
            for start in range(0, rows, case["batch"]):
                stop = start + case["batch"]
                model.zero_grad(set_to_none=True)
                with self.autocast(case):
                    loss = loss_of(model(x[start:stop]), y[start:stop])
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()

        return [time / BATCHES for time in timed(epoch, seconds, self.synchronize)]

    def prepared(self, model):
        """The model as it is called: here as it is."""
        return model

    def transformer_step(self, case, seconds):
        """A step with fused AdamW, the fastest of PyTorch's on both kinds of devices."""
        torch = self.torch
        model = torch_model(torch, case).to(self.device)
        called = self.prepared(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0, fused=True)
        shape = (BATCHES, case["batch"], case["context"] + 1)
        tokens = torch.randint(case["inputs"], shape, device=self.device)

        def epoch():
            for batch in tokens:
                optimizer.zero_grad(set_to_none=True)
                with self.autocast(case):
                    logits = called(batch[:, :-1])
                loss = torch.nn.functional.cross_entropy(
                    logits.float().flatten(0, 1), batch[:, 1:].flatten())
                loss.backward()
                optimizer.step()

        return [time / BATCHES for time in timed(epoch, seconds, self.synchronize)]

    def sweep(self, case, seconds):
        """One network after another: a replica's step is a network's."""
        return [time * case["replicas"] for time in self.step(case, seconds)]

    def gemm(self, case, seconds):
        torch = self.torch
        kind = torch.bfloat16 if case["precision"] == "bf16" else torch.float32
        m, n, k, form = case["m"], case["n"], case["k"], case["form"]
        a = torch.randn((k, m) if form == "tn" else (m, k), device=self.device).to(kind)
        b = torch.randn((n, k) if form == "nt" else (k, n), device=self.device).to(kind)
        a = a.t() if form == "tn" else a
        b = b.t() if form == "nt" else b
        c = torch.empty(m, n, device=self.device, dtype=kind)
        return timed(lambda: torch.mm(a, b, out=c), seconds, self.synchronize)

    def spectral(self, case, seconds):
        """The norm by way of all singular values, which is what PyTorch offers."""
        matrix = self.torch.randn(case["width"], case["width"], device=self.device)
        return timed(lambda: self.torch.linalg.matrix_norm(matrix, 2), seconds, self.synchronize)

    def passes(self, case):
        """Ten passes of power iteration on a matrix: W V and Wᵀ U with blocks of four vectors."""
        matrix = self.torch.randn(case["width"], case["width"], device=self.device)
        vectors = self.torch.randn(case["width"], 4, device=self.device)

        def body():
            for _ in range(10):
                matrix.t() @ (matrix @ vectors)

        return body

    def a_pass(self, case, seconds):
        return [time / 10 for time in timed(self.passes(case), seconds, self.synchronize)]


class TorchCompiled(Torch):
    """PyTorch with models through torch.compile, each for its own sizes; it ends rather than run eagerly."""

    def prepared(self, model):
        self.torch._dynamo.reset()
        return self.torch.compile(model, fullgraph=True, dynamic=False)


class BatchedMuon:
    """Muon of weights [replica, n, n] by batched products in `kind`, as one writes it for speed."""

    def __init__(self, torch, matrices, kind):
        self.torch, self.matrices, self.kind = torch, matrices, kind
        self.means = [torch.zeros_like(matrix) for matrix in matrices]

    def step(self):
        with self.torch.no_grad():
            for matrix, mean in zip(self.matrices, self.means):
                mean.lerp_(matrix.grad, 1 - MOMENTUM)
                x = self.torch.lerp(matrix.grad, mean, MOMENTUM)
                x = (x / (NORM_MARGIN * x.norm(dim=(-2, -1), keepdim=True) + 1e-30)).to(self.kind)
                x = x.reshape(-1, *x.shape[-2:])
                for a, b, c in POLYNOMIALS:
                    gram = x @ x.mT
                    x = self.torch.baddbmm(
                        x, self.torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
                matrix.add_(x.reshape(matrix.shape), alpha=-1e-3)


class TorchGraph(Torch):
    """The fastest that PyTorch offers: fused rules, replicas as batched products, and an epoch's
    launches recorded as one CUDA graph, which a CPU does without."""

    def captured(self, body):
        """`body` as one graph."""
        torch = self.torch
        if self.device != "cuda":
            return body
        # As PyTorch's documentation has it: warmed up on another stream before it is captured.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                body()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            body()
        return graph.replay

    def step(self, case, seconds):
        return self.sweep({**case, "replicas": 1}, seconds)

    def sweep(self, case, seconds):
        """All replicas' networks in each product: `weights` are [replica, fan-out, fan-in]."""
        torch = self.torch
        sizes = [case["inputs"]] + [case["width"]] * case["depth"] + [OUTPUTS]
        replicas, batch = case["replicas"], case["batch"]
        lead = (replicas,) if replicas > 1 else ()
        weights = [
            torch.nn.Parameter(torch.randn(*lead, fan_out, fan_in, device=self.device) / fan_in**0.5)
            for fan_in, fan_out in zip(sizes, sizes[1:])
        ]
        options = {"fused": True} if self.device == "cuda" else {}
        if options and case["optimizer"] != "sgd":
            options["capturable"] = True
        optimizers = self.rules(case, weights, **options)
        x = 2 * torch.rand(BATCHES, *lead, batch, case["inputs"], device=self.device) - 1
        y = torch.arange(BATCHES * replicas * batch, device=self.device).reshape(BATCHES, -1) % OUTPUTS

        def epoch():
            for index in range(BATCHES):
                for weight in weights:
                    weight.grad = None
                hidden = x[index]
                with self.autocast(case):
                    for weight in weights[:-1]:
                        hidden = torch.relu(hidden @ weight.transpose(-1, -2))
                    logits = hidden @ weights[-1].transpose(-1, -2)
                logits = logits.float().reshape(-1, OUTPUTS)
                torch.nn.functional.cross_entropy(logits, y[index]).backward()
                for optimizer in optimizers:
                    optimizer.step()

        return [time / BATCHES for time in timed(self.captured(epoch), seconds, self.synchronize)]

    def muon(self, case, matrices):
        kind = self.torch.bfloat16 if case["precision"] == "bf16" else self.torch.float32
        return BatchedMuon(self.torch, matrices, kind)

    def a_pass(self, case, seconds):
        body = self.captured(self.passes(case))
        return [time / 10 for time in timed(body, seconds, self.synchronize)]


class Jax:
    """JAX: an epoch is one jitted scan over its batches, state and step counter staying on the
    device; replicas by vmap, each with a rate of its own."""

    def __init__(self):
        import jax

        self.jax = jax
        self.version = jax.__version__
        self.threads = os.cpu_count()
        self.device = jax.devices()[0].platform
        self.card = "" if self.device == "cpu" else jax.devices()[0].device_kind

    def prepare(self, case):
        """Makes products round as the case says: by default JAX takes TF32 on GPUs."""
        precision = case["precision"]
        if precision != "fp32" and self.device == "cpu":
            raise ValueError(f"{precision} needs a GPU")
        names = {"fp32": "highest", "tf32": "tensorfloat32", "bf16": "BF16_BF16_F32"}
        self.jax.config.update("jax_default_matmul_precision", names[precision])

    def step(self, case, seconds):
        return self.sweep({**case, "replicas": 1}, seconds)

    def sweep(self, case, seconds):
        jax = self.jax
        jnp = jax.numpy
        sizes = [case["inputs"]] + [case["width"]] * case["depth"] + [OUTPUTS]
        replicas, batch, rule = case["replicas"], case["batch"], case["optimizer"]
        rates = 1e-3 / (1 + jnp.arange(replicas))
        if case.get("network") == "transformer":
            shape = (BATCHES, batch, case["context"] + 1)
            tokens = jax.random.randint(jax.random.PRNGKey(1), shape, 0, case["inputs"])
            return self.epochs(
                jax_loss(jax, case), jax_weights(jax, case), rates, rule,
                (tokens[..., :-1], tokens[..., 1:]), seconds)
        keys = jax.random.split(jax.random.PRNGKey(0), len(sizes))
        weights = [
            jax.random.normal(key, (replicas, fan_out, fan_in)) / fan_in**0.5
            for key, fan_in, fan_out in zip(keys, sizes, sizes[1:])
        ]
        x = jax.random.uniform(keys[-1], (BATCHES, batch, case["inputs"]), minval=-1.0)
        y = jnp.arange(BATCHES * batch).reshape(BATCHES, batch) % OUTPUTS

        def loss(weights, x, y):
            for weight in weights[:-1]:
                x = jax.nn.relu(x @ weight.T)
            logits = x @ weights[-1].T
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

        return self.epochs(loss, weights, rates, rule, (x, y), seconds)

    def epochs(self, loss, weights, rates, rule, batches, seconds):
        """Times epochs over `batches` of all replicas: each leaf of `weights` begins with their axis."""
        jax = self.jax
        jnp = jax.numpy
        leaves, structure = jax.tree.flatten(weights)

        def update(weights, mean, square, time, rate, x, y):
            gradients = jax.tree.leaves(jax.grad(loss)(structure.unflatten(weights), x, y))
            if rule == "sgd":
                return [w - rate * g for w, g in zip(weights, gradients)], mean, square
            c1, c2 = 1 / (1 - 0.9**time), 1 / (1 - 0.999**time)

            def adam(w, m, v, g):
                m = 0.9 * m + 0.1 * g
                v = 0.999 * v + 0.001 * g * g
                return w - rate * (m * c1) / (jnp.sqrt(v * c2) + 1e-8), m, v

            def muon(w, m, v, g):
                m = MOMENTUM * m + (1 - MOMENTUM) * g
                x = MOMENTUM * m + (1 - MOMENTUM) * g
                x = x / (NORM_MARGIN * jnp.linalg.norm(x) + 1e-30)
                for a, b, c in POLYNOMIALS:
                    gram = x @ x.T
                    x = a * x + (b * gram + c * gram @ gram) @ x
                return w - rate * x, m, v

            def of_layer(index, *values):
                inner = 0 < index < len(weights) - 1
                return (muon if rule == "muon" and inner else adam)(*values)

            updated = [
                of_layer(index, *values)
                for index, values in enumerate(zip(weights, mean, square, gradients))]
            return tuple(list(values) for values in zip(*updated))

        update_all = jax.vmap(update, in_axes=(0, 0, 0, None, 0, None, None))

        def train(state, rates, x, y):
            def step(state, batch):
                weights, mean, square, time = state
                time = time + 1
                return (*update_all(weights, mean, square, time, rates, *batch), time), None

            return jax.lax.scan(step, state, (x, y))[0]

        train = jax.jit(train, donate_argnums=0)
        zeros = lambda: [jnp.zeros_like(w) for w in leaves] if rule != "sgd" else []
        state = [(leaves, zeros(), zeros(), jnp.zeros(()))]

        def epoch():
            state[0] = train(state[0], rates, *batches)

        wait = lambda: jax.block_until_ready(state)
        return [time / BATCHES for time in timed(epoch, seconds, wait)]


class Tinygrad:
    """tinygrad on the OpenCL device, a step captured by its JIT."""

    def __init__(self):
        os.environ.setdefault("DEV", "CL")
        import importlib.metadata

        import tinygrad

        self.tinygrad = tinygrad
        self.version = importlib.metadata.version("tinygrad")
        self.threads = os.cpu_count()
        self.device = tinygrad.Device.DEFAULT
        self.card = ""

    def prepare(self, case):
        if case["precision"] != "fp32" or case.get("optimizer") == "muon":
            raise ValueError("only fp32 is timed, and rules that it has")

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

        wait = tinygrad.Device[tinygrad.Device.DEFAULT].synchronize
        return [time / BATCHES for time in timed(epoch, seconds, wait)]


def peak_bytes():
    """Most memory that this process has had; device memory is not in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    kinds = {"torch": Torch, "graph": TorchGraph, "compiled": TorchCompiled, "jax": Jax, "tinygrad": Tinygrad}
    peer = kinds[sys.argv[1]]()
    about = {
        "version": peer.version, "threads": peer.threads, "device": peer.device, "card": peer.card,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        try:
            peer.prepare(case)
            time_of = getattr(peer, "a_pass" if case["what"] == "pass" else case["what"])
            answer = {"milliseconds": time_of(case, case["seconds"]), "peak_bytes": peak_bytes()}
        except Exception as error:  # A case that a peer cannot do leaves its column empty.
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


main()
