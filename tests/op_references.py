"""Every op once more, as a formula over a NumPy-like module: NumPy itself, or HIPS autograd's.

None of them uses the engine; what moves numbers is written as an index into the flattened array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from op_samples import filled

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def positions(x: Any) -> Any:
    """Where each number of x stands in row-major order."""
    return np.arange(math.prod(np.shape(x))).reshape(np.shape(x))


def moved(m: Any, x: Any, places: Any) -> Any:
    return m.reshape(x, (-1,))[places]


def gathered(m: Any, g: Any, places: Any, shape: tuple[int, ...]) -> Any:
    """What arrives at each place of an array of this shape, added up: a product with a matrix of 0 and 1."""
    arrives = np.arange(math.prod(shape))[:, None] == np.reshape(places, (1, -1))
    return m.reshape(m.dot(arrives * 1.0, m.reshape(g, (-1,))), shape)


def _pad(m: Any, x: Any, widths: Any, value: float) -> Any:
    last = math.prod(np.shape(x))
    places = np.pad(positions(x), widths, constant_values=last) if np.shape(x) else positions(x)
    return m.concatenate([m.reshape(x, (-1,)), np.array([value])])[places]


def _windows_of(shape: tuple[int, ...], sizes: Any, axes: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(np.arange(math.prod(shape)).reshape(shape), sizes, axes)


def _sort(m: Any, x: Any, axis: int) -> Any:
    return moved(m, x, np.take_along_axis(positions(x), m.argsort(x, axis), axis))


def _softmax(m: Any, x: Any, axis: int) -> Any:
    return m.exp(x) / m.sum(m.exp(x), axis=axis, keepdims=True)


def _cross_entropy(m: Any, z: Any, t: Any) -> Any:
    weights = t if np.ndim(t) == np.ndim(z) else np.eye(np.shape(z)[-1])[t]
    return -m.mean(m.sum(weights * m.log(_softmax(m, z, -1)), axis=-1))


def _chosen(m: Any, choose: Callable[..., Any], x: Any, axis: Any, keepdims: bool) -> Any:
    """The largest or smallest, as a sum with a mask: nothing ties."""
    value = getattr(x, "_value", x)
    while hasattr(value, "_value"):
        value = value._value
    return m.sum(x * (value == choose(value, axis=axis, keepdims=True)), axis=axis, keepdims=keepdims)


def _einsum(m: Any, *xs: Any, equation: str) -> Any:
    """Every factor on the axes of all letters, diagonals taken; then one product and one sum."""
    inputs, output = equation.split("->")
    letters = output + "".join(sorted(set(inputs) - set(output) - {","}))
    product: Any = 1.0
    for term, x in zip(inputs.split(","), xs, strict=True):
        own = "".join(letter for letter in letters if letter in term)
        places = np.einsum(f"{term}->{own}", positions(x))
        size = dict(zip(own, places.shape, strict=True))
        product = product * m.reshape(moved(m, x, places), tuple(size.get(letter, 1) for letter in letters))
    return m.sum(product, axis=tuple(range(len(output), len(letters))))


def _switch(mask: Any, a: Any, b: Any) -> Any:
    """``where``, as a sum: what autograd's own does not broadcast."""
    return mask * a + np.logical_not(mask) * b


REFERENCES: dict[str, Callable[..., Any]] = {
    "identity": lambda m, x: 1.0 * x,
    "astype": lambda m, x, dtype: 1.0 * x,
    "negative": lambda m, x: 0.0 - x,
    "add": lambda m, a, b: a + b,
    "subtract": lambda m, a, b: a - b,
    "multiply": lambda m, a, b: a * b,
    "divide": lambda m, a, b: a / b,
    "xdivy": lambda m, a, b: a / b,
    "power": lambda m, a, b: a**b,
    "abs": lambda m, x: m.abs(x),
    "square": lambda m, x: x * x,
    "sqrt": lambda m, x: m.sqrt(x),
    "exp": lambda m, x: m.exp(x),
    "expm1": lambda m, x: m.exp(x) - 1.0,
    "log": lambda m, x: m.log(x),
    "log1p": lambda m, x: m.log(1.0 + x),
    "sin": lambda m, x: m.sin(x),
    "cos": lambda m, x: m.cos(x),
    "tan": lambda m, x: m.sin(x) / m.cos(x),
    "sinh": lambda m, x: (m.exp(x) - m.exp(-x)) / 2,
    "cosh": lambda m, x: (m.exp(x) + m.exp(-x)) / 2,
    "tanh": lambda m, x: (m.exp(x) - m.exp(-x)) / (m.exp(x) + m.exp(-x)),
    "arctan": lambda m, x: m.arctan(x),
    "sigmoid": lambda m, x: 1 / (1 + m.exp(-x)),
    "log_sigmoid": lambda m, x: -m.log(1 + m.exp(-x)),
    "softplus": lambda m, x: m.log(1 + m.exp(x)),
    "relu": lambda m, x: _switch(x > 0, x, 0.0),
    "silu": lambda m, x: x / (1 + m.exp(-x)),
    "gelu": lambda m, x: x / 2 * (1 + m.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "selu": lambda m, x: SELU_SCALE * _switch(x > 0, x, SELU_ALPHA * (m.exp(x) - 1)),
    "leaky_relu": lambda m, x, s: _switch(x > 0, x, s * x),
    "elu": lambda m, x, alpha: _switch(x > 0, x, alpha * (m.exp(x) - 1)),
    "celu": lambda m, x, alpha: _switch(x > 0, x, alpha * (m.exp(x / alpha) - 1)),
    "one_hot": lambda m, x, classes: x[..., None] == m.arange(classes),
    "cross_entropy": _cross_entropy,
    "bce": lambda m, p, t: m.mean(-t * m.log(p) - (1 - t) * m.log(1 - p)),
    "bce_with_logits": lambda m, u, t: m.mean(t * m.log(1 + m.exp(-u)) + (1 - t) * m.log(1 + m.exp(u))),
    "equal": lambda m, a, b: m.equal(a, b),
    "not_equal": lambda m, a, b: m.not_equal(a, b),
    "less": lambda m, a, b: m.less(a, b),
    "less_equal": lambda m, a, b: m.less_equal(a, b),
    "greater": lambda m, a, b: m.greater(a, b),
    "greater_equal": lambda m, a, b: m.greater_equal(a, b),
    "logical_and": lambda m, a, b: m.minimum(a, b),
    "logical_or": lambda m, a, b: m.maximum(a, b),
    "logical_not": lambda m, a: m.equal(a, False),
    "sign": lambda m, x: (x > 0) * 1.0 - (x < 0) * 1.0,
    "floor": lambda m, x: m.floor(x),
    "ceil": lambda m, x: -m.floor(-x),
    "rint": lambda m, x: m.round(x),
    "isnan": lambda m, x: m.not_equal(x, x),
    "isfinite": lambda m, x: m.less(m.abs(x), np.inf),
    "to_discrete": lambda m, x, dtype: m.trunc(x).astype(dtype),
    "reshape": lambda m, x, shape: moved(m, x, positions(x).reshape(shape)),
    "transpose": lambda m, x, axes: moved(m, x, positions(x).transpose(axes)),
    "flip": lambda m, x, axes: moved(m, x, np.flip(positions(x), axes)),
    "broadcast_to": lambda m, x, shape: moved(m, x, np.broadcast_to(positions(x), shape)),
    "getitem": lambda m, x, *indices, key: moved(m, x, positions(x)[filled(key, indices)]),
    "scatter": lambda m, g, *indices, key, shape: gathered(m, g, positions(np.zeros(shape))[filled(key, indices)], shape),
    "pad": _pad,
    "windows": lambda m, x, sizes, axes: moved(m, x, _windows_of(np.shape(x), sizes, axes)),
    "overlap_add": lambda m, g, sizes, axes, shape: gathered(m, g, _windows_of(shape, sizes, axes), shape),
    "concatenate": lambda m, *xs, axis, starts: m.concatenate(xs, axis),
    "stack": lambda m, *xs, axis: m.concatenate([m.expand_dims(x, axis) for x in xs], axis),
    "matmul": lambda m, a, b: m.matmul(a, b),
    "outer": lambda m, a, b: m.reshape(a, (-1, 1)) * b,
    "sum": lambda m, x, axis, keepdims: m.sum(x, axis=axis, keepdims=keepdims),
    "mean": lambda m, x, axis, keepdims: m.mean(x, axis=axis, keepdims=keepdims),
    "trace": lambda m, x, offset: m.sum(x * np.eye(*np.shape(x), k=offset)),
    "cumsum": lambda m, x, axis: m.cumsum(x, axis=axis),
    "einsum": _einsum,
    "where": lambda m, c, a, b: _switch(c, a, b),
    "clip": lambda m, x, lo, hi: m.minimum(m.maximum(x, lo), hi),
    "maximum": lambda m, a, b: m.maximum(a, b),
    "minimum": lambda m, a, b: m.minimum(a, b),
    "max": lambda m, x, axis, keepdims: _chosen(m, np.max, x, axis, keepdims),
    "min": lambda m, x, axis, keepdims: _chosen(m, np.min, x, axis, keepdims),
    "sort": _sort,
    "argmax": lambda m, x, axis: m.argmax(x, axis),
    "argmin": lambda m, x, axis: m.argmin(x, axis),
    "argsort": lambda m, x, axis: m.argsort(x, axis, kind="stable"),
    "softmax": _softmax,
    "log_softmax": lambda m, x, axis: m.log(_softmax(m, x, axis)),
    "logsumexp": lambda m, x, axis, keepdims: m.log(m.sum(m.exp(x), axis=axis, keepdims=keepdims)),
    "norm": lambda m, x, axis, keepdims: m.sqrt(m.sum(x * x, axis=axis, keepdims=keepdims)),
}
