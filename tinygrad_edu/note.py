"""The network of the lecture note, and every gradient that the note derives by hand, in plain NumPy.

The note is "Ejemplo de Back Propagation completo a mano" by Jorge Pérez, course CC6204 Deep Learning, Universidad de
Chile, 2018. ``network`` computes it with Tensors, ``by_hand`` with the note's own formulas and without the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .functions import binary_cross_entropy, sigmoid, tanh
from .tensor import Tensor

Array = np.ndarray[Any, np.dtype[Any]]


class Result(NamedTuple):
    """One result of the note: the tensor it is the gradient of, and the formula as the note writes it."""

    of: str
    formula: str


RESULTS = (
    Result("u3", "(ŷ − y) / N"),
    Result("U", "(h⁽²⁾)ᵀ · ∂𝓛/∂u⁽³⁾"),
    Result("c", "sum(∂𝓛/∂u⁽³⁾)"),
    Result("h2", "∂𝓛/∂u⁽³⁾ ⊗ U"),
    Result("u2", "∂𝓛/∂h⁽²⁾ ∗ h⁽²⁾ ∗ (1 − h⁽²⁾)"),
    Result("W2", "(h⁽¹⁾)ᵀ · ∂𝓛/∂u⁽²⁾"),
    Result("b2", "sum₁(∂𝓛/∂u⁽²⁾)"),
    Result("h1", "∂𝓛/∂u⁽²⁾ · (W⁽²⁾)ᵀ"),
    Result("u1", "∂𝓛/∂h⁽¹⁾ ∗ (1 − h⁽¹⁾ ∗ h⁽¹⁾)"),
    Result("W1", "xᵀ · ∂𝓛/∂u⁽¹⁾"),
    Result("b1", "sum₁(∂𝓛/∂u⁽¹⁾)"),
)

# The interlude on cross entropy: a label, a prediction, and the error that the note computes, to three digits.
INTERLUDE = ((1, 0.89, 0.117), (1, 0.32, 1.139), (0, 0.89, 2.207), (0, 0.32, 0.386))


def network(n: int = 4, features: int = 2, d1: int = 3, d2: int = 3, seed: int = 0) -> dict[str, Tensor]:
    """The note's network on random numbers: every value of its first page, by name.

    u1 = x W1 + b1, h1 = tanh(u1), u2 = h1 W2 + b2, h2 = sig(u2), u3 = h2 U + c, yhat = sig(u3), L = the mean cross
    entropy of yhat and y.

    Parameters
    ----------
    n, features, d1, d2 : int
        The number of examples, and the widths of input and hidden layers.
    seed : int
        For the random numbers.

    Examples
    --------
    >>> from tinygrad_edu import note
    >>> values = note.network()
    >>> values["u1"].shape, values["L"].shape
    ((4, 3), ())
    """
    rng = np.random.default_rng(seed)

    def parameter(name: str, dims: str, *shape: int) -> Tensor:
        return Tensor(rng.normal(size=shape), requires_grad=True, name=name, dims=dims)

    x = Tensor(rng.normal(size=(n, features)), name="x", dims="N F")
    y = Tensor(rng.permutation(np.arange(n) % 2).astype(float), name="y", dims="N")  # both labels, in any order
    W1, b1 = parameter("W1", "F d1", features, d1), parameter("b1", "d1", d1)  # noqa: N806  # the note's names
    W2, b2 = parameter("W2", "d1 d2", d1, d2), parameter("b2", "d2", d2)  # noqa: N806  # the note's names
    U, c = parameter("U", "d2", d2), parameter("c", "")  # noqa: N806  # the note's names
    u1 = (x @ W1 + b1).named("u1")
    h1 = tanh(u1).named("h1")
    u2 = (h1 @ W2 + b2).named("u2")
    h2 = sigmoid(u2).named("h2")
    u3 = (h2 @ U + c).named("u3")
    yhat = sigmoid(u3).named("yhat")
    L = binary_cross_entropy(yhat, y).named("L")  # noqa: N806  # the note's name
    values = (x, y, W1, b1, W2, b2, U, c, u1, h1, u2, h2, u3, yhat, L)
    return {str(t.name): t for t in values}


def by_hand(given: Mapping[str, Array]) -> dict[str, Array]:
    """The loss and the note's eleven gradients from x, y and the six parameters, by the note's formulas alone.

    Returns
    -------
    dict
        The gradients by the name of what they are the gradient of, in the note's order; the loss as "L".
    """
    x, y = given["x"], given["y"]
    W1, b1, W2, b2, U, c = (given[k] for k in ("W1", "b1", "W2", "b2", "U", "c"))  # noqa: N806  # the note's names
    n = len(x)
    h1 = np.tanh(x @ W1 + b1)
    h2 = 1 / (1 + np.exp(-(h1 @ W2 + b2)))
    yhat = 1 / (1 + np.exp(-(h2 @ U + c)))
    loss = -np.sum(y * np.log(yhat) + (1 - y) * np.log(1 - yhat)) / n

    du3 = (yhat - y) / n
    dU = h2.T @ du3  # noqa: N806  # the note's names
    dc = np.sum(du3)
    dh2 = np.outer(du3, U)
    du2 = dh2 * h2 * (1 - h2)
    dW2 = h1.T @ du2  # noqa: N806  # the note's names
    db2 = np.sum(du2, axis=0)
    dh1 = du2 @ W2.T
    du1 = dh1 * (1 - h1 * h1)
    dW1 = x.T @ du1  # noqa: N806  # the note's names
    db1 = np.sum(du1, axis=0)
    results = {
        "u3": du3,
        "U": dU,
        "c": dc,
        "h2": dh2,
        "u2": du2,
        "W2": dW2,
        "b2": db2,
        "h1": dh1,
        "u1": du1,
        "W1": dW1,
        "b1": db1,
    }
    return {**{name: np.asarray(value) for name, value in results.items()}, "L": np.asarray(loss)}
