"""Training trajectories of residual perceptrons in PyTorch (float64), to hold ours against.

    python3 make_residual.py > residual.json

Each case: the architecture, input x [steps, batch, inputs], labels [steps, batch], initial parameters by
name, hyperparameters, the output and the gradients of step 0, the loss of every step before its update,
and the final parameters.
"""
import json

import torch

torch.set_default_dtype(torch.float64)
F = torch.nn.functional


def rounded(value):
    """Numbers with nine digits: float32 values read back as they were, results to 1e-9."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


ACTIVATIONS = dict(relu=torch.relu, gelu=lambda t: F.gelu(t, approximate="tanh"))


def parameters(g, inputs, width, depth, outputs, expansion, norm, bias, zero):
    """By name, in the order of the forward pass, with values that float32 has."""
    result = {}

    def linear(name, fan_out, fan_in, std=None):
        result[f"{name}.weight"] = torch.randn(fan_out, fan_in, generator=g) * (fan_in**-0.5 if std is None else std)
        if bias:
            result[f"{name}.bias"] = 0.1 * torch.randn(fan_out, generator=g)

    def normalization(name):
        if norm != "none":
            result[f"{name}.weight"] = 1 + 0.1 * torch.randn(width, generator=g)
        if norm == "layer":
            result[f"{name}.bias"] = 0.1 * torch.randn(width, generator=g)

    linear("readin", width, inputs)
    for block in range(depth):
        normalization(f"blocks.{block}.norm")
        linear(f"blocks.{block}.up", expansion * width, width, (2 / width) ** 0.5)
        linear(f"blocks.{block}.down", width, expansion * width)
    normalization("norm")
    linear("readout", outputs, width, 0 if zero else 1 / width)
    return {name: value.float().double().requires_grad_() for name, value in result.items()}


def forward(p, x, depth, norm, activation, scale):
    act = ACTIVATIONS[activation]

    def linear(name, h):
        return F.linear(h, p[f"{name}.weight"], p.get(f"{name}.bias"))

    def normalized(name, h):
        size = (h.shape[-1],)
        if norm == "rms":
            return F.rms_norm(h, size, p[f"{name}.weight"], eps=1e-5)
        return F.layer_norm(h, size, p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-5)

    h = linear("readin", x)
    for block in range(depth):
        name = f"blocks.{block}"
        begin = act(h) if norm == "none" else normalized(f"{name}.norm", h)
        h = h + scale * linear(f"{name}.down", act(linear(f"{name}.up", begin)))
    return linear("readout", h if norm == "none" else normalized("norm", h))


def case(name, optimizer, options, norm, activation="relu", bias=False, depth=3, expansion=1, alpha=1.0,
         base_depth=1, multiplier=1.0, inputs=11, width=12, outputs=5, batch=6, steps=20, zero=False):
    g = torch.Generator().manual_seed(sum(map(ord, name)))
    p = parameters(g, inputs, width, depth, outputs, expansion, norm, bias, zero)
    x = torch.randn(steps, batch, inputs, generator=g).float().double()
    y = torch.randint(0, outputs, (steps, batch), generator=g)
    start = {key: value.tolist() for key, value in p.items()}
    opt = getattr(torch.optim, optimizer)(p.values(), **options)
    scale = multiplier * (depth / base_depth) ** -alpha
    losses, first = [], None
    for t in range(steps):
        logits = forward(p, x[t], depth, norm, activation, scale)
        value = F.cross_entropy(logits, y[t])
        opt.zero_grad()
        value.backward()
        if t == 0:
            first = dict(output=logits.tolist(), gradients={key: v.grad.tolist() for key, v in p.items()})
        losses.append(value.item())
        opt.step()
    return dict(
        name=name, optimizer=optimizer, options=options, norm=norm, activation=activation, bias=bias, depth=depth,
        expansion=expansion, depthExponent=alpha, baseDepth=base_depth, branchMultiplier=multiplier, inputs=inputs,
        width=width, outputs=outputs, x=x.tolist(), labels=y.tolist(), start=start, first=first, losses=losses,
        final={key: value.tolist() for key, value in p.items()})


SGD, ADAM = dict(lr=0.1), dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8)
print(json.dumps(rounded(dict(cases=[
    case("completep relu sgd", "SGD", SGD, "none", depth=2, base_depth=2),
    case("completep relu adam, eight blocks", "Adam", ADAM, "none", depth=8, base_depth=2),
    case("rms gelu adam", "Adam", ADAM, "rms", "gelu", expansion=2, alpha=0.5),
    case("rms relu sgd, biases", "SGD", SGD, "rms", bias=True, depth=2, multiplier=0.7),
    case("layer gelu adam, biases", "Adam", ADAM, "layer", "gelu", bias=True, expansion=3, alpha=0.5),
    case("layer relu sgd, zero readout", "SGD", dict(lr=0.1, momentum=0.9), "layer", zero=True),
])), separators=(",", ":")))
