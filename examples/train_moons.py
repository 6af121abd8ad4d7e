"""Train a small network on two half moons with a loop that hides nothing.

Run it with ``python examples/train_moons.py``.
"""

import numpy as np

import tinygrad_edu as tg

rng = np.random.default_rng(0)
n = 100
angle = rng.uniform(0, np.pi, n)
upper = np.arange(n) % 2 == 0
points = np.where(
    upper[:, None],
    np.c_[np.cos(angle), np.sin(angle)],
    np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)],
)
x = tg.Tensor(points + rng.normal(0, 0.1, (n, 2)), name="x", dims="N F")
y = tg.Tensor(upper.astype(float), name="y", dims="N")

W1 = tg.Tensor(rng.normal(0, 1, (2, 16)), requires_grad=True, name="W1")
b1 = tg.Tensor(np.zeros(16), requires_grad=True, name="b1")
W2 = tg.Tensor(rng.normal(0, 0.25, 16), requires_grad=True, name="W2")
b2 = tg.Tensor(0.0, requires_grad=True, name="b2")
parameters = [W1, b1, W2, b2]

for step in range(201):
    logits = tg.tanh(x @ W1 + b1) @ W2 + b2
    L = tg.binary_cross_entropy_with_logits(logits, y)
    L.backward()
    for p in parameters:
        p.data -= 1.0 * p.grad
        p.zero_grad()
    if step % 50 == 0:
        accuracy = np.mean((logits.numpy() > 0) == upper)
        print(f"step {step:3d}   loss {L:.4f}   accuracy {accuracy:.2f}")
