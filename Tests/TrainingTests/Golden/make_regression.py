"""Twenty steps of regression on a full batch in PyTorch (float64), to hold the trainer against.

    python3 make_regression.py > regression.json

Input x [rows, inputs], targets [rows, outputs], initial weights [out, in] and biases, the loss of every
step before its update, the final weights and biases, and the loss after the last step.
"""
import json, torch
torch.set_default_dtype(torch.float64)
rows, sizes, steps, lr, momentum = 24, (6, 10, 8, 3), 20, 0.05, 0.9
g = torch.Generator().manual_seed(15)
f = lambda *shape: torch.randn(*shape, generator=g).float().double()
W = [(f(o, i) / i ** 0.5).float().double().requires_grad_() for i, o in zip(sizes, sizes[1:])]
b = [(0.1 * f(o)).float().double().requires_grad_() for o in sizes[1:]]
x = f(rows, sizes[0])
y = torch.stack([x[:, 0] * x[:, 1], x[:, 2] - x[:, 3], torch.sin(x[:, 4])], 1).float().double()
start = dict(weights=[w.tolist() for w in W], biases=[v.tolist() for v in b])
optimizer = torch.optim.SGD(W + b, lr=lr, momentum=momentum)

def loss():
    h = x
    for l, (w, v) in enumerate(zip(W, b)):
        h = h @ w.T + v
        if l < len(W) - 1: h = torch.tanh(h)
    return torch.nn.functional.mse_loss(h, y)

losses = []
for _ in range(steps):
    value = loss()
    optimizer.zero_grad(); value.backward(); optimizer.step()
    losses.append(value.item())
print(json.dumps(dict(
    torch=torch.__version__, sizes=sizes, learningRate=lr, momentum=momentum, x=x.tolist(), targets=y.tolist(),
    **start, losses=losses, finalLoss=loss().item(), finalWeights=[w.tolist() for w in W],
    finalBiases=[v.tolist() for v in b])))
