"""Transformers as gputrain's benches have them, in PyTorch and in JAX.

Pre-norm blocks with RMS norms and gains, learned positions, causal attention by heads of `head_size`,
GELU in its tanh form, no biases, a readout of its own; next-token cross-entropy.
"""


def torch_model(torch, case):
    """The model as one writes it for PyTorch: tokens [batch, context] to logits."""
    nn, functional = torch.nn, torch.nn.functional
    width, context, head_size = case["width"], case["context"], case["head_size"]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
            self.query, self.key, self.value, self.output = (
                nn.Linear(width, width, bias=False) for _ in range(4))
            self.up, self.down = (
                nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False))

        def forward(self, x):
            h = self.norm1(x)
            heads = [
                layer(h).unflatten(-1, (-1, head_size)).transpose(1, 2)
                for layer in (self.query, self.key, self.value)
            ]
            mixed = functional.scaled_dot_product_attention(*heads, is_causal=True)
            x = x + self.output(mixed.transpose(1, 2).flatten(-2))
            return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.positions = nn.Embedding(case["inputs"], width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(case["depth"])))
            self.norm = nn.RMSNorm(width)
            self.readout = nn.Linear(width, case["inputs"], bias=False)

        def forward(self, tokens):
            x = self.embedding(tokens) + self.positions.weight
            return self.readout(self.norm(self.blocks(x)))

    return Transformer()


def jax_weights(jax, case):
    """The weights of each replica, [replica, fan-out, fan-in]; those of blocks by their names."""
    width, depth, vocabulary = case["width"], case["depth"], case["inputs"]
    jnp = jax.numpy
    shapes = {
        "query": (width, width), "key": (width, width), "value": (width, width),
        "output": (width, width), "up": (4 * width, width), "down": (width, 4 * width),
    }
    keys = iter(jax.random.split(jax.random.PRNGKey(0), 6 * depth + 3))

    def normal(*shape, fan_in):
        return jax.random.normal(next(keys), (case["replicas"], *shape)) / fan_in**0.5

    ones = lambda: jnp.ones((case["replicas"], width))
    blocks = [
        {name: normal(*shape, fan_in=shape[1]) for name, shape in shapes.items()}
        | {"norm1": ones(), "norm2": ones()}
        for _ in range(depth)
    ]
    return {
        "embedding": normal(vocabulary, width, fan_in=1),
        "positions": normal(case["context"], width, fan_in=1), "blocks": blocks, "norm": ones(),
        "readout": normal(vocabulary, width, fan_in=width),
    }


def jax_loss(jax, case):
    """The loss of one replica's weights over tokens [batch, context] and those that follow them."""
    jnp = jax.numpy
    head_size, context = case["head_size"], case["context"]

    def normalized(x, gain):
        return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * gain

    def loss(weights, tokens, following):
        x = weights["embedding"][tokens] + weights["positions"]
        for block in weights["blocks"]:
            h = normalized(x, block["norm1"])
            query, key, value = (
                (h @ block[name].T).reshape(-1, context, h.shape[-1] // head_size, head_size)
                for name in ("query", "key", "value"))
            mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
            x = x + mixed.reshape(x.shape) @ block["output"].T
            x = x + jax.nn.gelu(normalized(x, block["norm2"]) @ block["up"].T) @ block["down"].T
        logits = normalized(x, weights["norm"]) @ weights["readout"].T
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), following[..., None], -1)
        return -chosen.mean()

    return loss
