"""Width-scaling factors as the `mup` package applies them, for decoder Transformers with our names.

    python3 make_mup_transformer.py > mup_transformer.csv

Columns: whether the readout is tied, base and target width, parameter, factor on the logits, ratio of the initial
deviation to that of the base network's, and the learning-rate factors of MuSGD and MuAdam. The package says nothing of
attention's scale: with heads of one size there is nothing to say.
"""
import csv
import sys

from mup import MuAdam, MuReadout, MuSGD, MuSharedReadout, set_base_shapes
from torch import nn

VOCABULARY, CONTEXT = 50, 16


def transformer(width, tied):
    linear = lambda fan_in, fan_out: nn.Linear(fan_in, fan_out)
    attention = nn.ModuleDict({name: linear(width, width) for name in ("query", "key", "value", "output")})
    mlp = nn.ModuleDict(dict(up=linear(width, 4 * width), down=linear(4 * width, width)))
    block = nn.ModuleDict(dict(norm1=nn.LayerNorm(width), attention=attention, norm2=nn.LayerNorm(width), mlp=mlp))
    model = nn.ModuleDict(dict(
        embedding=nn.Embedding(VOCABULARY, width), positions=nn.Embedding(CONTEXT, width),
        blocks=nn.ModuleList([block]), norm=nn.LayerNorm(width)))
    model["readout"] = (MuSharedReadout(model["embedding"].weight, bias=False) if tied
                        else MuReadout(width, VOCABULARY, bias=False))
    return model


out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow("tied,base_width,width,parameter,multiplier,init_std_ratio,sgd_lr,adam_lr".split(","))
for tied in (False, True):
    for base, width in ((64, 64), (64, 256), (128, 1024)):
        model = transformer(width, tied)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        set_base_shapes(model, transformer(base, tied), delta=transformer(base + 16, tied))
        factors = {}
        for kind, make in (("sgd", MuSGD), ("adam", MuAdam)):
            for group in make(model.parameters(), lr=1.0).param_groups:
                for p in group["params"]:
                    factors.setdefault(id(p), {})[kind] = group["lr"]
        readout = model["readout"]
        for name, p in model.named_parameters():
            is_logits = name.startswith("readout") or tied and name.startswith("embedding")
            multiplier = readout.output_mult / readout.width_mult() if is_logits else 1.0
            old = before[name].norm().item()
            ratio = 1.0 if old == 0 else p.detach().norm().item() / old
            f = factors[id(p)]
            out.writerow([int(tied), base, width, name, multiplier, round(ratio, 6), f["sgd"], f["adam"]])
