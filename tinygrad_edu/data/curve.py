"""Numbers to be predicted from numbers, where the truth is known."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from .dataset import Dataset


def regression(n: int = 100, noise: float = 0.1, seed: int = 0) -> Dataset:
    """y = sin(πx) + ½x + noise, x evenly random from −2 to 2: a curve that no straight line follows.

    Parameters
    ----------
    n : int
        How many points.
    noise : float
        The standard deviation of what is added to y.
    seed : int
        Of x and of the noise.

    Returns
    -------
    Dataset
        x (n, 1), sorted, and y (n,). A model that gives (n, 1) is to be compared with ``y[:, None]``.

    Raises
    ------
    ValueError
        If n is less than 1, or the noise negative.

    Examples
    --------
    >>> x, y = tg.data.regression(50, noise=0)
    >>> np.allclose(y, np.sin(np.pi * x[:, 0]) + 0.5 * x[:, 0])
    True
    """
    _check("regression", n, noise)
    random = np.random.default_rng(seed)
    x = np.sort(random.uniform(-2, 2, n))
    y = np.sin(np.pi * x) + 0.5 * x + noise * random.standard_normal(n)
    return Dataset(x[:, None], y, ("x",))


def linear(
    n: int = 100, weights: Sequence[float] = (2.0, -1.0, 0.5), bias: float = 0.3, noise: float = 0.1, seed: int = 0
) -> Dataset:
    """y = x w + b + noise, x from the normal distribution: what a linear model should find is w and b.

    Parameters
    ----------
    n : int
        How many examples.
    weights : sequence of float
        w, one number per feature.
    bias : float
        The number b.
    noise : float
        The standard deviation of what is added to y.
    seed : int
        Of x and of the noise.

    Returns
    -------
    Dataset
        x (n, F), y (n,).

    Raises
    ------
    ValueError
        If n is less than 1, the noise negative, or the weights are not a list of numbers.

    Examples
    --------
    >>> x, y = tg.data.linear(200, weights=[2.0, -1.0], bias=0.0, noise=0.0)
    >>> np.linalg.lstsq(x, y)[0].round(9)
    array([ 2., -1.])
    """
    _check("linear", n, noise)
    w = np.asarray(weights, dtype=float)
    if w.ndim != 1 or w.size == 0:
        raise ValueError(f"linear: weights has shape {w.shape}: give one number per feature, such as [2.0, -1.0].")
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, len(w)))
    y = x @ w + bias + noise * random.standard_normal(n)
    return Dataset(x, y, [f"x{i}" for i in range(len(w))])


def _check(who: str, n: int, noise: float) -> None:
    if operator.index(n) < 1:
        raise ValueError(f"{who}: n is {n}: there is at least one example.")
    if not 0 <= noise < np.inf:
        raise ValueError(f"{who}: noise is {noise}: a standard deviation is a number from 0 on.")
