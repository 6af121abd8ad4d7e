"""First numbers for weights, so that values and gradients keep their size from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Initializer = Callable[[tuple[int, ...], np.random.Generator], Any]
Seed = int | np.random.Generator | None

__all__ = ["fans", "gain", "he_normal", "he_uniform", "xavier_normal", "xavier_uniform"]

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan in, fan out): how many inputs one output is a sum of, and how many outputs one input goes to.

    Parameters
    ----------
    shape : sequence of int
        Of a weight matrix, (in, out); of a vector, (in,); of a convolution's kernels, (out, in, height, width).

    Raises
    ------
    ValueError
        For shape ().

    Examples
    --------
    >>> fans((64, 10)), fans((8, 3, 5, 5))
    ((64, 10), (75, 200))
    """
    if not shape:
        raise ValueError("init: a single number has no fan in.\n  Try: a shape (in, out)")
    if len(shape) <= 2:
        return shape[0], shape[1] if len(shape) == 2 else 1
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def gain(activation: str) -> float:
    """By how much an activation shrinks what passes through, to be made up for: 1, 5/3 for tanh, √2 for relu.

    Raises
    ------
    ValueError
        For an activation that has no value here.

    Notes
    -----
    For relu it is exact: half of the variance is cut off (He et al. 2015). For tanh and selu it is PyTorch's value
    (``torch.nn.init.calculate_gain``), found by trial.

    Examples
    --------
    >>> round(gain("relu") ** 2, 12)
    2.0
    """
    if activation not in _GAINS:
        raise ValueError(f"init.gain: there is no value for {activation!r}.\n  Try: one of {', '.join(_GAINS)}")
    return _GAINS[activation]


def xavier_uniform(shape: Sequence[int], rng: np.random.Generator, gain: float = 1.0) -> Any:
    """w ~ U(−a, a), a = gain √(6 / (fan in + fan out)): variance gain² · 2 / (fan in + fan out).

    Notes
    -----
    u = Σ_r x_r w_r with independent terms has variance fan in · Var w · Var x: it stays that of x if Var w = 1 / fan in. Going
    back, ∂L/∂x sums over fan out terms: that needs Var w = 1 / fan out. The mean of both fans is the compromise. It
    takes an activation that is almost the identity near 0, such as tanh. Source: Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", 2010, equation 16.

    Examples
    --------
    >>> w = xavier_uniform((300, 100), np.random.default_rng(0))
    >>> bool(abs(w).max() <= (6 / 400) ** 0.5), round(float(w.var() * 200), 1)
    (True, 1.0)
    """
    a = gain * math.sqrt(6 / max(1, sum(fans(shape))))
    return rng.uniform(-a, a, tuple(shape))


def xavier_normal(shape: Sequence[int], rng: np.random.Generator, gain: float = 1.0) -> Any:
    """w ~ N(0, σ²), σ = gain √(2 / (fan in + fan out)): the variance of :func:`xavier_uniform`, for the same reason.

    >>> round(float(xavier_normal((300, 100), np.random.default_rng(0)).var() * 200), 1)
    1.0
    """
    return rng.normal(0, gain * math.sqrt(2 / max(1, sum(fans(shape)))), tuple(shape))


def he_uniform(shape: Sequence[int], rng: np.random.Generator) -> Any:
    """w ~ U(−a, a), a = √(6 / fan in): variance 2 / fan in.

    Notes
    -----
    relu sets half of a symmetric u to 0, and so halves E[u²]: the factor 2 makes up for it, and E[h²] stays the same from
    layer to layer. Source: He et al., "Delving deep into rectifiers", 2015, equation 10.

    Examples
    --------
    >>> round(float(he_uniform((300, 100), np.random.default_rng(0)).var() * 150), 1)
    1.0
    """
    a = math.sqrt(6 / max(1, fans(shape)[0]))
    return rng.uniform(-a, a, tuple(shape))


def he_normal(shape: Sequence[int], rng: np.random.Generator) -> Any:
    """w ~ N(0, 2 / fan in): the variance of :func:`he_uniform`, for the same reason.

    >>> round(float(he_normal((300, 100), np.random.default_rng(0)).var() * 150), 1)
    1.0
    """
    return rng.normal(0, math.sqrt(2 / max(1, fans(shape)[0])), tuple(shape))
