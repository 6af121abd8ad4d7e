"""A training step of the note's network: the problem, the note's formulas in NumPy, and this library.

A contender is ``build(size, dtype)``, which imports what it needs, so that a process pays for one library only, and
gives ``step() -> loss``: the loss, six gradients, and the update of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Step = Callable[[], float]

# (N, F, d1, d2), written as N=... F-d1-d2
SIZES = {
    "N=4 2-3-3": (4, 2, 3, 3),
    "N=32 10-16-16": (32, 10, 16, 16),
    "N=32 300-300-400": (32, 300, 300, 400),
    "N=256 64-128-128": (256, 64, 128, 128),
    "N=1024 784-512-512": (1024, 784, 512, 512),
}
RATE = 0.1


class Unavailable(Exception):
    """The library is installed and cannot run here; the message says what is missing."""


def problem(size: str, dtype: str) -> tuple[Array, Array, list[Array]]:
    """x, y and the parameters W1, b1, W2, b2, U, c: the same numbers for every contender."""
    n, f, d1, d2 = SIZES[size]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, f))
    y = (rng.random(n) < 0.5).astype(float)
    parameters = [
        rng.standard_normal((f, d1)) / f**0.5,
        np.zeros(d1),
        rng.standard_normal((d1, d2)) / d1**0.5,
        np.zeros(d2),
        rng.standard_normal(d2) / d2**0.5,
        np.zeros(()),
    ]
    return x.astype(dtype), y.astype(dtype), [p.astype(dtype) for p in parameters]


def by_hand(size: str, dtype: str) -> Step:
    """The note's formulas in NumPy."""
    x, y, (W1, b1, W2, b2, U, c) = problem(size, dtype)
    N = len(x)

    def step() -> float:
        nonlocal W1, b1, W2, b2, U, c
        u1 = x @ W1 + b1
        h1 = np.tanh(u1)
        u2 = h1 @ W2 + b2
        h2 = 1 / (1 + np.exp(-u2))
        u3 = h2 @ U + c
        yhat = 1 / (1 + np.exp(-u3))
        L = -np.sum(y * np.log(yhat) + (1 - y) * np.log(1 - yhat)) / N

        du3 = (yhat - y) / N
        dU = h2.T @ du3
        dc = np.sum(du3)
        dh2 = np.outer(du3, U)
        du2 = dh2 * h2 * (1 - h2)
        dW2 = h1.T @ du2
        db2 = np.sum(du2, axis=0)
        dh1 = du2 @ W2.T
        du1 = dh1 * (1 - h1 * h1)
        dW1 = x.T @ du1
        db1 = np.sum(du1, axis=0)

        W1 -= RATE * dW1
        b1 -= RATE * db1
        W2 -= RATE * dW2
        b2 -= RATE * db2
        U -= RATE * dU
        c -= RATE * dc
        return float(L)

    return step


def tinygrad_edu(size: str, dtype: str) -> Step:
    """This library, eager."""
    import tinygrad_edu as tg

    x_data, y_data, arrays = problem(size, dtype)
    x, y = tg.Tensor(x_data), tg.Tensor(y_data)
    parameters = [tg.Tensor(p, requires_grad=True) for p in arrays]
    W1, b1, W2, b2, U, c = parameters

    def step() -> float:
        h1 = tg.tanh(x @ W1 + b1)
        h2 = tg.sigmoid(h1 @ W2 + b2)
        yhat = tg.sigmoid(h2 @ U + c)
        L = tg.binary_cross_entropy(yhat, y)
        L.backward()
        for w in parameters:
            w.data -= RATE * w.grad
            w.grad = None
        return L.item()

    return step


def tinygrad_edu_compiled(size: str, dtype: str) -> Step:
    """This library, compiled."""
    import tinygrad_edu as tg

    x_data, y_data, arrays = problem(size, dtype)
    x, y = tg.Tensor(x_data), tg.Tensor(y_data)
    parameters = [tg.Tensor(p, requires_grad=True) for p in arrays]

    def loss(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        W1, b1, W2, b2, U, c = parameters
        h1 = tg.tanh(x @ W1 + b1)
        h2 = tg.sigmoid(h1 @ W2 + b2)
        yhat = tg.sigmoid(h2 @ U + c)
        return tg.binary_cross_entropy(yhat, y)

    step = tg.compile(loss, wrt=parameters, update=lambda w, g: w - RATE * g)
    return lambda: float(step(x, y))
