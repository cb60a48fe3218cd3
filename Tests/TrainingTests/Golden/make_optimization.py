"""Clipping, accumulation, groups and update rules' numbers in PyTorch (float64), to hold ours against.

    python3 make_optimization.py > optimization.json

Each case: `optimization` as Training/Optimization.swift decodes it, rows computed at a time (`micro`, or
null), data x [rows, inputs] with labels [rows], which are one batch, initial parameters by name, the loss
of every step before its update, the norm of each step's gradients, and the final parameters. PyTorch is
told the same by parameter groups; Lion, which it does not have, is written out.
"""
import json
import math

import torch

torch.set_default_dtype(torch.float64)
F = torch.nn.functional
INPUTS, HIDDEN, OUTPUTS, ROWS, STEPS = 12, (16, 8), 5, 24, 20


class Lion(torch.optim.Optimizer):
    """arXiv:2302.06675, decay beside the update."""

    def __init__(self, params, lr, betas, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                direction = (beta1 * m + (1 - beta1) * p.grad).sign()
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * direction)
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


EXPRESS = [  # arXiv:2505.16932; the convergent polynomial follows
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323)] + 15 * [(15 / 8, -10 / 8, 3 / 8)]
JORDAN = 20 * [(3.4445, -4.7750, 2.0315)]


def orthogonalized(u, coefficients, steps):
    """Newton–Schulz by the scalar map on each singular value, which the matrix products compute."""
    left, values, right = torch.linalg.svd(u, full_matrices=False)
    values = values / values.norm() / (1.02 if coefficients is EXPRESS else 1)
    for a, b, c in coefficients[:steps]:
        values = a * values + b * values**3 + c * values**5
    return left @ torch.diag(values) @ right


class Muon(torch.optim.Optimizer):
    """Momentum and decay of torch.optim.Muon; scale: of out and in."""

    def __init__(self, params, lr, scale, momentum=0.95, nesterov=True, coefficients=EXPRESS, steps=5,
                 weight_decay=0.0):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay))
        self.own = scale, momentum, nesterov, coefficients, steps

    @torch.no_grad()
    def step(self):
        scale, momentum, nesterov, coefficients, steps = self.own
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - momentum)
                u = p.grad.lerp(m, momentum) if nesterov else m
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * scale(*p.shape) * orthogonalized(u, coefficients, steps))


def held(weight, constraint):
    """The weight with its largest singular value at, or at most at, multiple·√(out/in)."""
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    radius = constraint["multiple"] * (weight.shape[0] / weight.shape[1]) ** 0.5
    if constraint["kind"] == "clip":
        return left @ torch.diag(values.clamp(max=radius)) @ right
    share = radius / values[0]
    return weight * (share if constraint["kind"] == "sphere" else min(share, 1))


def cosine(step):
    return (1 + math.cos(math.pi * step / STEPS)) / 2


def case(name, optimization, lr, optimizers, micro=None):
    """optimizers: of the parameters p by name, a list of (optimizer, schedule's factor or None)."""
    g = torch.Generator().manual_seed(sum(map(ord, name)))
    sizes = (INPUTS, *HIDDEN, OUTPUTS)
    p = {}
    for layer, (i, o) in enumerate(zip(sizes, sizes[1:])):
        p[f"layers.{layer}.weight"] = torch.randn(o, i, generator=g) / i**0.5
        p[f"layers.{layer}.bias"] = 0.1 * torch.randn(o, generator=g)
    p = {key: value.float().double().requires_grad_() for key, value in p.items()}
    x = torch.randn(ROWS, INPUTS, generator=g).float().double()
    y = torch.randint(0, OUTPUTS, (ROWS,), generator=g)
    start = {key: value.tolist() for key, value in p.items()}
    steps = [(o, f, [q["lr"] for q in o.param_groups]) for o, f in optimizers(p, lr)]
    frozen = {id(v) for v in p.values()} - {id(v) for o, _, _ in steps for q in o.param_groups for v in q["params"]}
    trained = [v for v in p.values() if id(v) not in frozen]
    losses, norms = [], []

    def hold():
        with torch.no_grad():
            for v in split(p)[0] if "constraint" in optimization else []:
                v.copy_(held(v, optimization["constraint"]))

    hold()
    for t in range(STEPS):
        h = x
        for layer in range(len(sizes) - 1):
            h = F.linear(h, p[f"layers.{layer}.weight"], p[f"layers.{layer}.bias"])
            if layer < len(sizes) - 2:
                h = torch.tanh(h)
        value = F.cross_entropy(h, y)
        for v in p.values():
            v.grad = None
        value.backward()
        losses.append(value.item())
        limit = optimization.get("clipNorm")
        norms.append(torch.nn.utils.clip_grad_norm_(trained, limit or math.inf).item())
        for optimizer, factor, rates in steps:
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * (1 if factor is None else factor(t))
            optimizer.step()
        hold()
    return dict(name=name, optimization=optimization, lr=lr, micro=micro, x=x.tolist(), labels=y.tolist(),
                start=start, losses=losses, norms=norms, final={key: value.tolist() for key, value in p.items()})


def split(p):
    """Weights and biases."""
    return [v for k, v in p.items() if k.endswith("weight")], [v for k, v in p.items() if k.endswith("bias")]


def whole(optimizer, **options):
    return lambda p, lr: [(optimizer(p.values(), lr=lr, **options), None)]


def decayed(optimizer, decay, **options):
    """Decay on weights alone, as is our default."""

    def make(p, lr):
        weights, biases = split(p)
        return [(optimizer([dict(params=weights, weight_decay=decay), dict(params=biases, weight_decay=0)],
                           lr=lr, **options), None)]

    return make


def grouped(p, lr):
    return [
        (torch.optim.Adam([p["layers.0.weight"], p["layers.0.bias"]], lr=2 * lr, betas=(0.8, 0.9), eps=1e-2), None),
        (torch.optim.SGD([p["layers.2.weight"], p["layers.2.bias"]], lr=0.5 * lr, momentum=0.6), cosine),
    ]


def muon(p, lr, companion=1):
    """Of the hidden matrix; AdamW for the others, at `companion` times the rate; decay on matrices."""
    weights = [p["layers.0.weight"], p["layers.2.weight"]]
    return [
        (Muon([p["layers.1.weight"]], lr, lambda out, fan_in: (out / fan_in) ** 0.5, weight_decay=0.2), None),
        (torch.optim.AdamW([dict(params=weights, weight_decay=0.2), dict(params=split(p)[1], weight_decay=0)],
                           lr=companion * lr), None),
    ]


def muon_of_all(scale, factor=None, biases=1, **options):
    """Of every matrix; AdamW for the biases, at `biases` times the rate."""

    def make(p, lr):
        return [(Muon(split(p)[0], lr, scale, **options), factor),
                (torch.optim.AdamW(split(p)[1], lr=biases * lr, weight_decay=0), factor)]

    return make


MATRICES = [{"selector": role, "optimizer": "muon", "hyperparameters": {}} for role in ("input", "readout")]
SHAPE = {"optimizer": "adam", "hyperparameters": {}, "decaysVectors": False, "companionRateFactor": 1,
         "schedule": {"shape": "constant", "warmup": 0}, "groups": []}
ADAM = torch.optim.Adam
print(json.dumps(dict(cases=[
    case("betas and epsilon", {**SHAPE, "hyperparameters": {"beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3}}, 0.02,
         whole(ADAM, betas=(0.7, 0.95), eps=1e-3)),
    case("momentum, accumulated", {**SHAPE, "optimizer": "momentum", "hyperparameters": {"momentum": 0.6}}, 0.1,
         whole(torch.optim.SGD, momentum=0.6), micro=7),
    case("clipped adam", {**SHAPE, "clipNorm": 0.4}, 0.01, whole(ADAM)),
    case("clipped descent, accumulated", {**SHAPE, "optimizer": "sgd", "clipNorm": 0.5}, 0.5,
         whole(torch.optim.SGD), micro=10),
    case("clipped nesterov with decay on weights",
         {**SHAPE, "optimizer": "nesterov", "hyperparameters": {"momentum": 0.8}, "clipNorm": 0.3,
          "weightDecay": {"strength": 0.05, "kind": "coupled"}}, 0.2,
         decayed(torch.optim.SGD, 0.05, momentum=0.8, nesterov=True)),
    case("adamw with decay on weights", {**SHAPE, "optimizer": "adamw",
                                         "weightDecay": {"strength": 0.3, "kind": "decoupled"}}, 0.01,
         decayed(torch.optim.AdamW, 0.3)),
    case("lion", {**SHAPE, "optimizer": "lion", "hyperparameters": {"beta1": 0.8, "beta2": 0.95},
                  "weightDecay": {"strength": 0.2, "kind": "decoupled"}}, 0.01,
         decayed(Lion, 0.2, betas=(0.8, 0.95))),
    case("groups: adam, frozen, scheduled momentum",
         {**SHAPE, "optimizer": "sgd", "clipNorm": 0.6, "groups": [
             {"selector": "layers.0", "optimizer": "adam", "rateFactor": 2,
              "hyperparameters": {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-2}},
             {"selector": "layers.1", "rateFactor": 0, "hyperparameters": {}},
             {"selector": "readout", "optimizer": "momentum", "rateFactor": 0.5,
              "hyperparameters": {"momentum": 0.6}, "schedule": {"shape": "cosine", "warmup": 0}}]}, 0.05,
         grouped),
    case("muon beside adamw, decay on weights",
         {**SHAPE, "optimizer": "muon", "weightDecay": {"strength": 0.2, "kind": "decoupled"}}, 0.02, muon),
    case("muon of all matrices, jordan's",
         {**SHAPE, "optimizer": "muon", "groups": MATRICES + [
             {"selector": layer, "hyperparameters": {"momentum": 0.8}} for layer in ("input", "hidden", "readout")],
          "muon": {"scale": "jordan", "coefficients": "jordan", "steps": 6, "nesterov": False,
                   "perHead": False}}, 0.03,
         muon_of_all(lambda out, fan_in: max(1, out / fan_in) ** 0.5, momentum=0.8, nesterov=False,
                     coefficients=JORDAN, steps=6)),
    case("muon to convergence, clipped, scheduled",
         {**SHAPE, "optimizer": "muon", "groups": MATRICES, "clipNorm": 0.3,
          "schedule": {"shape": "cosine", "warmup": 0},
          "muon": {"scale": "match-rms", "coefficients": "polar-express", "steps": 8, "nesterov": True,
                   "perHead": False}}, 0.05,
         muon_of_all(lambda out, fan_in: 0.2 * max(out, fan_in) ** 0.5, cosine, steps=8)),
    case("muon by the largest dimension, accumulated",
         {**SHAPE, "optimizer": "muon", "groups": MATRICES,
          "muon": {"scale": "max-dimension", "coefficients": "polar-express", "steps": 5, "nesterov": True,
                   "perHead": False}}, 0.01,
         muon_of_all(lambda out, fan_in: max(out, fan_in) ** 0.5), micro=5),
    case("muon beside adamw at a rate of its own",
         {**SHAPE, "optimizer": "muon", "companionRateFactor": 0.25,
          "weightDecay": {"strength": 0.2, "kind": "decoupled"}}, 0.02, lambda p, lr: muon(p, lr, 0.25)),
    case("adam on the spectral sphere", {**SHAPE, "constraint": {"kind": "sphere", "multiple": 1.5}}, 0.02,
         whole(ADAM)),
    case("momentum under the spectral cap",
         {**SHAPE, "optimizer": "momentum", "constraint": {"kind": "cap", "multiple": 2}}, 0.3,
         whole(torch.optim.SGD, momentum=0.9)),
    case("muon of all matrices on the spectral sphere",
         {**SHAPE, "optimizer": "muon", "groups": MATRICES, "constraint": {"kind": "sphere", "multiple": 2}}, 0.03,
         muon_of_all(lambda out, fan_in: (out / fan_in) ** 0.5)),
    case("adam with clipped singular values", {**SHAPE, "constraint": {"kind": "clip", "multiple": 1}}, 0.02,
         whole(ADAM)),
]), separators=(",", ":")))
