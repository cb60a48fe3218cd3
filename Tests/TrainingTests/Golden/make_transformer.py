"""Training trajectories of small decoder Transformers in PyTorch (float64), to hold ours against.

    python3 make_transformer.py > transformer.json

Each case: the architecture, tokens [steps, sequences, context + 1], initial parameters by name,
hyperparameters, the logits and the gradients of step 0, the loss of every step before its update, and the
final parameters.
"""
import json

import torch

torch.set_default_dtype(torch.float64)
F = torch.nn.functional
VOCABULARY, WIDTH, CONTEXT = 7, 8, 6


def rounded(value):
    """Numbers with nine digits: float32 values read back as they were, results to 1e-9."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


ACTIVATIONS = dict(relu=torch.relu, gelu=lambda t: F.gelu(t, approximate="tanh"), silu=F.silu)


def parameters(g, c):
    """By name, in the order of the forward pass, with values that float32 has."""
    result = {}

    def matrix(name, fan_out, fan_in, bias=c["bias"]):
        result[f"{name}.weight"] = torch.randn(fan_out, fan_in, generator=g) * fan_in**-0.5
        if bias:
            result[f"{name}.bias"] = 0.1 * torch.randn(fan_out, generator=g)

    def normalization(name):
        if c["norm"] != "none":
            result[f"{name}.weight"] = 1 + 0.1 * torch.randn(WIDTH, generator=g)
        if c["norm"] == "layer":
            result[f"{name}.bias"] = 0.1 * torch.randn(WIDTH, generator=g)

    result["embedding.weight"] = 0.5 * torch.randn(VOCABULARY, WIDTH, generator=g)
    if c["positions"] == "learned":
        result["positions.weight"] = 0.3 * torch.randn(CONTEXT, WIDTH, generator=g)
    for block in range(c["depth"]):
        name = f"blocks.{block}"
        normalization(f"{name}.norm1")
        for part in ("query", "key", "value"):
            matrix(f"{name}.attention.{part}", WIDTH, WIDTH)
        if c["queryNorm"]:
            for part in ("query_norm", "key_norm"):
                gain = 1 + 0.1 * torch.randn(WIDTH // c["heads"], generator=g)
                result[f"{name}.attention.{part}.weight"] = gain
        matrix(f"{name}.attention.output", WIDTH, WIDTH)
        normalization(f"{name}.norm2")
        inner = c["expansion"] * WIDTH
        if c["gated"]:
            matrix(f"{name}.mlp.gate", inner, WIDTH)
        matrix(f"{name}.mlp.up", inner, WIDTH)
        matrix(f"{name}.mlp.down", WIDTH, inner)
    normalization("norm")
    if not c["tied"]:
        matrix("readout", VOCABULARY, WIDTH, bias=False)
    return {name: value.float().double().requires_grad_() for name, value in result.items()}


def rotary(x):
    """x [sequences, heads, context, size], its halves turned by their position."""
    middle = x.shape[-1] // 2
    angles = torch.arange(CONTEXT)[:, None] * 10000.0 ** (-torch.arange(middle) / middle)
    a, b = x[..., :middle], x[..., middle:]
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)


def forward(p, tokens, c):
    act = ACTIVATIONS[c["activation"]]

    def linear(name, h):
        return F.linear(h, p[f"{name}.weight"], p.get(f"{name}.bias"))

    def normalized(name, h):
        if c["norm"] == "none":
            return h
        weight, size = p[f"{name}.weight"], (h.shape[-1],)
        if c["norm"] == "rms":
            return F.rms_norm(h, size, weight, eps=1e-5)
        return F.layer_norm(h, size, weight, p[f"{name}.bias"], eps=1e-5)

    def attention(name, h):
        def heads(part):
            y = linear(f"{name}.{part}", h).unflatten(-1, (c["heads"], -1)).transpose(1, 2)
            if c["queryNorm"] and part != "value":
                y = F.rms_norm(y, (y.shape[-1],), p[f"{name}.{part}_norm.weight"], eps=1e-5)
            return rotary(y) if c["positions"] == "rotary" and part != "value" else y

        size = WIDTH // c["heads"]
        mixed = F.scaled_dot_product_attention(
            heads("query"), heads("key"), heads("value"), is_causal=True,
            scale=c["attentionMultiplier"] / size**0.5)
        return linear(f"{name}.output", mixed.transpose(1, 2).flatten(-2))

    def mlp(name, h):
        inner = linear(f"{name}.up", h)
        return linear(f"{name}.down", act(linear(f"{name}.gate", h)) * inner if c["gated"] else act(inner))

    x = p["embedding.weight"][tokens]
    if c["positions"] == "learned":
        x = x + p["positions.weight"]
    for block in range(c["depth"]):
        name = f"blocks.{block}"
        x = x + c["scale"] * attention(f"{name}.attention", normalized(f"{name}.norm1", x))
        x = x + c["scale"] * mlp(f"{name}.mlp", normalized(f"{name}.norm2", x))
    x = normalized("norm", x)
    return x @ p["embedding.weight"].T if c["tied"] else linear("readout", x)


POLAR_EXPRESS = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]


def orthogonalized(x):
    x = x / (1.02 * x.norm())
    rows, columns = x.shape
    x = x.T if rows > columns else x
    for a, b, c in POLAR_EXPRESS:
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if rows > columns else x


class MuonAndAdamW:
    """Muon on the blocks' matrices, as it comes without a scale; AdamW on everything else.

    heads: matrices that the rows of queries, keys and values are cut into.
    """

    def __init__(self, named, lr, heads=1):
        self.matrices = [v for name, v in named.items() if name.startswith("blocks") and v.dim() == 2]
        stacked = [f"attention.{part}.weight" for part in ("query", "key", "value")]
        self.heads = [heads if any(name.endswith(end) for end in stacked) else 1
                      for name, v in named.items() if name.startswith("blocks") and v.dim() == 2]
        others = [v for v in named.values() if all(v is not m for m in self.matrices)]
        self.adamw = torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
        self.momentum = [torch.zeros_like(m) for m in self.matrices]
        self.lr = lr

    def zero_grad(self):
        self.adamw.zero_grad()
        for matrix in self.matrices:
            matrix.grad = None

    @torch.no_grad()
    def step(self):
        self.adamw.step()
        for matrix, momentum, heads in zip(self.matrices, self.momentum, self.heads):
            momentum.lerp_(matrix.grad, 0.05)
            x = torch.lerp(matrix.grad, momentum, 0.95)
            matrix -= self.lr * torch.cat([orthogonalized(part) for part in x.chunk(heads)])


def case(name, optimizer, lr, norm="rms", positions="learned", activation="gelu", gated=False, tied=False,
         bias=False, query_norm=False, heads=2, depth=2, expansion=2, scale=1.0, attention_multiplier=1.0,
         sequences=3, steps=20, per_head=False):
    g = torch.Generator().manual_seed(sum(map(ord, name)))
    c = dict(
        name=name, optimizer=optimizer, lr=lr, norm=norm, positions=positions, activation=activation, gated=gated,
        tied=tied, bias=bias, queryNorm=query_norm, perHead=per_head, heads=heads, depth=depth, expansion=expansion, scale=scale,
        attentionMultiplier=attention_multiplier, vocabulary=VOCABULARY, width=WIDTH, context=CONTEXT)
    p = parameters(g, c)
    tokens = torch.randint(0, VOCABULARY, (steps, sequences, CONTEXT + 1), generator=g)
    start = {key: value.tolist() for key, value in p.items()}
    if optimizer == "muon":
        opt = MuonAndAdamW(p, lr, heads if per_head else 1)
    elif optimizer == "adam":
        opt = torch.optim.Adam(p.values(), lr=lr, betas=(0.9, 0.999), eps=1e-8)
    else:
        opt = torch.optim.SGD(p.values(), lr=lr)
    losses, first = [], None
    for step in tokens:
        logits = forward(p, step[:, :-1], c)
        value = F.cross_entropy(logits.flatten(0, 1), step[:, 1:].flatten())
        opt.zero_grad()
        value.backward()
        if first is None:
            gradients = {key: v.grad.tolist() for key, v in p.items()}
            first = dict(logits=logits.flatten(0, 1).tolist(), gradients=gradients)
        losses.append(value.item())
        opt.step()
    return dict(
        c, tokens=tokens.tolist(), start=start, first=first, losses=losses,
        final={key: value.tolist() for key, value in p.items()})


print(json.dumps(rounded(dict(cases=[
    case("learned positions, rms, gelu, adam", "adam", 0.01),
    case("learned positions, layer norm, biases, tied, sgd", "sgd", 0.3, norm="layer", bias=True, tied=True),
    case("rotary, rms, swiglu, adam", "adam", 0.01, positions="rotary", activation="silu", gated=True),
    case("rotary, no norm, relu, tied, sgd", "sgd", 0.1, norm="none", positions="rotary", activation="relu",
         tied=True, scale=0.5, attention_multiplier=0.4),
    case("no positions, query norm, sgd", "sgd", 0.05, positions="none", query_norm=True),
    case("rotary, query norm, layer norm, one head, sgd", "sgd", 0.3, norm="layer", positions="rotary",
         query_norm=True, heads=1, scale=0.25),
    case("learned positions, rms, gelu, muon", "muon", 0.02),
    case("rotary, rms, swiglu, tied, muon", "muon", 0.02, positions="rotary", activation="silu", gated=True,
         tied=True),
    case("rotary, rms, gelu, muon by heads", "muon", 0.02, positions="rotary", heads=4, per_head=True),
])), separators=(",", ":")))
