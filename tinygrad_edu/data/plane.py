"""Classes of points in the plane that no straight line parts."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from .dataset import Array, Dataset


def moons(n: int = 200, noise: float = 0.1, seed: int = 0) -> Dataset:
    """(cos t, sin t) for class 0, (1 − cos t, ½ − sin t) for class 1, t evenly from 0 to π: two half circles, one in the other.

    Parameters
    ----------
    n : int
        How many points; half of them in each class.
    noise : float
        The standard deviation of what is added to both coordinates.
    seed : int
        Of the noise and of the order of the points.

    Returns
    -------
    Dataset
        x (n, 2), y (n,) of 0 and 1.

    Raises
    ------
    ValueError
        If n is less than 2, or the noise negative.

    Notes
    -----
    The curves are those of scikit-learn's ``make_moons``.

    Examples
    --------
    >>> x, y = tg.data.moons(100)
    >>> x.shape, y.sum()
    ((100, 2), np.int64(50))
    """
    upper, lower = (_evenly(size, 0.0, np.pi) for size in _sizes("moons", n, 2))
    arcs = [np.stack([np.cos(upper), np.sin(upper)], axis=1), np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1)]
    return _set("moons", arcs, noise, seed, ["upper", "lower"])


def circles(n: int = 200, noise: float = 0.1, seed: int = 0, *, factor: float = 0.5) -> Dataset:
    """(cos t, sin t) for class 0, ``factor`` times that for class 1, t evenly from 0 to 2π: a circle around another.

    Parameters
    ----------
    n : int
        How many points; half of them in each class.
    noise : float
        The standard deviation of what is added to both coordinates.
    seed : int
        Of the noise and of the order of the points.
    factor : float
        The radius of the inner circle, between 0 and 1.

    Returns
    -------
    Dataset
        x (n, 2), y (n,) of 0 and 1.

    Raises
    ------
    ValueError
        If n is less than 2, the noise negative, or the factor not between 0 and 1.

    Examples
    --------
    >>> x, y = tg.data.circles(100, noise=0)
    >>> np.hypot(*x[y == 1].T).round(12).max()
    np.float64(0.5)
    """
    if not 0 <= factor < 1:
        raise ValueError(f"circles: factor is {factor}: the inner radius is at least 0 and less than 1.")
    angles = [2 * np.pi * np.arange(size) / size for size in _sizes("circles", n, 2)]
    rings = [radius * np.stack([np.cos(t), np.sin(t)], axis=1) for radius, t in zip((1.0, factor), angles, strict=True)]
    return _set("circles", rings, noise, seed, ["outer", "inner"])


def spirals(n: int = 300, classes: int = 3, noise: float = 0.03, seed: int = 0, *, turns: float = 0.7) -> Dataset:
    """r (sin t, cos t) with t = 2π (k / classes + turns · r) for class k, r evenly from 0.1 to 1: arms of a spiral.

    Parameters
    ----------
    n : int
        How many points; equally many in each class, or one more in the first ones.
    classes : int
        How many arms.
    noise : float
        The standard deviation of what is added to both coordinates.
    seed : int
        Of the noise and of the order of the points.
    turns : float
        How often an arm goes round.

    Returns
    -------
    Dataset
        x (n, 2), y (n,) from 0 to classes − 1.

    Raises
    ------
    ValueError
        If there are fewer points than classes, fewer than 2 classes, or the noise is negative.

    Notes
    -----
    After the example of the course CS231n, Stanford (A. Karpathy, "Putting it together: minimal neural network case
    study"). Here the arms begin at r = 0.1: they do not meet.

    Examples
    --------
    >>> x, y = tg.data.spirals(100, classes=3)
    >>> np.bincount(y)
    array([34, 33, 33])
    """
    arms = []
    for k, size in enumerate(_sizes("spirals", n, classes)):
        r = _evenly(size, 0.1, 1.0)
        t = 2 * np.pi * (k / classes + turns * r)
        arms.append(np.stack([r * np.sin(t), r * np.cos(t)], axis=1))
    return _set("spirals", arms, noise, seed, [f"arm {k}" for k in range(classes)])


def xor(n: int | None = None, noise: float = 0.1, seed: int = 0) -> Dataset:
    """y = x₀ ⊕ x₁: are the two different? The smallest classes that need a hidden layer.

    Parameters
    ----------
    n : int, optional
        How many points around the four corners of the unit square. By default the corners themselves, in the order of
        the truth table.
    noise : float
        The standard deviation of what is added to both coordinates; the corners themselves have none.
    seed : int
        Of the noise and of the order of the points.

    Returns
    -------
    Dataset
        x (n, 2), y (n,) of 0 and 1.

    Raises
    ------
    ValueError
        If n is less than 4, or the noise negative.

    Notes
    -----
    That no single neuron computes it: M. Minsky and S. Papert, Perceptrons, MIT Press 1969.

    Examples
    --------
    >>> x, y = tg.data.xor()
    >>> print(np.column_stack([x, y]))
    [[0. 0. 0.]
     [0. 1. 1.]
     [1. 0. 1.]
     [1. 1. 0.]]
    """
    names = ["equal", "different"]
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    different = np.array([0, 1, 1, 0])
    if n is None:
        return Dataset(corners, different, ("x0", "x1"), names)
    groups = [np.tile(corner, (size, 1)) for corner, size in zip(corners, _sizes("xor", n, 4), strict=True)]
    x, corner = _set("xor", groups, noise, seed, [])
    return Dataset(x, different[corner], ("x0", "x1"), names)


def _evenly(size: int, first: float, last: float) -> Array:
    """Numbers from the first to the last; the middle of both if there is only one."""
    return np.linspace(first, last, size) if size > 1 else np.array([(first + last) / 2])


def _sizes(who: str, n: int, classes: int) -> list[int]:
    """How many of n points are in each class: equally many, the first ones have what is left over."""
    n, classes = operator.index(n), operator.index(classes)
    if classes < 2:
        raise ValueError(f"{who}: classes is {classes}: there are at least 2.")
    if n < classes:
        raise ValueError(f"{who}: n is {n}: there is at least one point in each of the {classes} groups.")
    return [n // classes + (k < n % classes) for k in range(classes)]


def _set(who: str, groups: Sequence[Array], noise: float, seed: int, names: Sequence[str]) -> Dataset:
    """The points of all classes with noise, in random order."""
    if not 0 <= noise < np.inf:
        raise ValueError(f"{who}: noise is {noise}: a standard deviation is a number from 0 on.")
    random = np.random.default_rng(seed)
    x = np.concatenate(groups)
    y = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    x = x + noise * random.standard_normal(x.shape)
    order = random.permutation(len(y))
    return Dataset(x[order], y[order], ("x0", "x1"), names)
