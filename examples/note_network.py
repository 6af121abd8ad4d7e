"""The lecture note's network, as a user would write it: compute, differentiate, draw.

Run it with ``python examples/note_network.py``, or give it to the command:
``python -m tinygrad_edu lesson examples/note_network.py``.
"""

import numpy as np

import tinygrad_edu as tg

rng = np.random.default_rng(1)
N, F, d1, d2 = 5, 2, 4, 3


def parameter(*shape, dims):
    return tg.Tensor(rng.normal(size=shape), requires_grad=True, dims=dims)


x = tg.Tensor(rng.normal(size=(N, F)), dims="N F")
y = tg.Tensor(rng.integers(0, 2, size=N).astype(float), dims="N")
W1, b1 = parameter(F, d1, dims="F d1"), parameter(d1, dims="d1")
W2, b2 = parameter(d1, d2, dims="d1 d2"), parameter(d2, dims="d2")
U, c = parameter(d2, dims="d2"), parameter(dims="")

u1 = x @ W1 + b1
h1 = tg.tanh(u1)
u2 = h1 @ W2 + b2
h2 = tg.sigmoid(u2)
u3 = h2 @ U + c
yhat = tg.sigmoid(u3)
L = tg.binary_cross_entropy(yhat, y)
tg.name(locals())

if __name__ == "__main__":
    L.backward()
    print(tg.graph(L))
    print()
    for gradient in tg.backward_graph(L):
        if gradient.kind == "gradient" and gradient.formula:
            print(f"{gradient.name:<9} = {gradient.formula}")
    print()
    print("dL/dU =", U.grad)
