"""micrograd's own demo, scalar by scalar: MLP(2, [16, 16, 1]) on 100 points of two moons, as its notebook trains it.

The same code runs with micrograd's Value and with 0-d Tensors. The first losses are those that the notebook prints.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Step = Callable[[], float]
Scalar = Any  # a micrograd Value or a 0-d Tensor


class Engine(NamedTuple):
    """What differs between the libraries: how a number becomes a node, and what an empty gradient is."""

    constant: Callable[[float], Scalar]
    parameter: Callable[[float], Scalar]
    no_gradient: Any


def micrograd() -> Engine:
    """micrograd's Value."""
    from micrograd.engine import Value

    return Engine(Value, Value, 0)


def tinygrad_edu() -> Engine:
    """0-d Tensors of this library."""
    import tinygrad_edu as tg

    return Engine(tg.Tensor, lambda value: tg.Tensor(float(value), requires_grad=True), None)


def moons(n: int = 100, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles, labelled -1 and 1: the numbers that scikit-learn's make_moons draws."""
    angle = np.linspace(0, np.pi, n // 2)
    outer = np.column_stack([np.cos(angle), np.sin(angle)])
    inner = np.column_stack([1 - np.cos(angle), 1 - np.sin(angle) - 0.5])
    x, y = np.vstack([outer, inner]), np.repeat([-1, 1], n // 2)
    order = np.arange(n)
    np.random.shuffle(order)  # noqa: NPY002  # the notebook's generator, for the notebook's numbers
    return x[order] + np.random.normal(scale=noise, size=x.shape), y[order]  # noqa: NPY002  # the same


class Perceptron:
    """Layers of neurons, each a list of scalar weights and a bias; relu on all layers but the last."""

    def __init__(self, widths: list[int], engine: Engine) -> None:
        self.layers = [
            [([engine.parameter(random.uniform(-1, 1)) for _ in range(fan_in)], engine.parameter(0)) for _ in range(fan_out)]
            for fan_in, fan_out in pairwise(widths)
        ]
        self.parameters = [p for layer in self.layers for weights, bias in layer for p in [*weights, bias]]

    def __call__(self, x: list[Scalar]) -> Scalar:
        for layer in self.layers:
            x = [sum((w * xi for w, xi in zip(weights, x, strict=True)), bias) for weights, bias in layer]
            if layer is not self.layers[-1]:
                x = [u.relu() for u in x]
        return x[0]


def problem(engine: Engine) -> tuple[Callable[[], Scalar], list[Scalar]]:
    """The loss over all points, and its parameters."""
    np.random.seed(1337)  # noqa: NPY002  # the notebook's generator, for the notebook's numbers
    random.seed(1337)
    points, labels = moons()
    model = Perceptron([2, 16, 16, 1], engine)

    def loss() -> Scalar:
        scores = [model([engine.constant(v) for v in row]) for row in points]
        losses = [(1 + -y * score).relu() for y, score in zip(labels, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        return data_loss + 1e-4 * sum(p * p for p in model.parameters)

    return loss, model.parameters


def rate(k: int) -> float:
    """The learning rate of step k; the notebook's hundred steps, over and over."""
    return 1.0 - 0.9 * (k % 100) / 100


def demo(engine: Engine) -> Step:
    """``step() -> loss``: forward over all points, backward, update. The record lives until the next forward pass."""
    loss, parameters = problem(engine)
    total_loss: Scalar = None
    k = 0

    def step() -> float:
        nonlocal total_loss, k
        total_loss = loss()
        for p in parameters:
            p.grad = engine.no_gradient
        total_loss.backward()
        for p in parameters:
            p.data -= rate(k) * p.grad
        k += 1
        return float(total_loss.data)

    return step


def compiled() -> Step:
    """All points as one scalar program of this library, which reads the learning rate at every step."""
    import tinygrad_edu as tg

    loss, parameters = problem(tinygrad_edu())
    learning_rate = tg.Tensor(rate(0))
    program = tg.compile(loss, wrt=parameters, update=lambda w, g: w - learning_rate * g)
    k = 0

    def step() -> float:
        nonlocal k
        learning_rate.data = np.asarray(rate(k))
        k += 1
        return float(program())

    return step


NOTEBOOK = [0.8958441028683222, 1.7235905336972022, 0.7429006313851131]
