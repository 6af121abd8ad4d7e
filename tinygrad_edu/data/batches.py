"""Examples in parts: minibatches, a part kept for testing, columns on one scale."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ShapeError
from ..tensor import Tensor
from .dataset import Array, Dataset


def minibatches(
    *arrays: ArrayLike | Tensor, batch_size: int | None = None, seed: int | None = None, epoch: int = 0, drop_last: bool = False
) -> Iterator[tuple[Array, ...]]:
    """One pass over the examples, ``batch_size`` of them at a time.

    Parameters
    ----------
    *arrays : array_like
        Any number of arrays with one example per row, usually x and y. After them the size may stand without its name:
        ``minibatches(x, y, 32)``.
    batch_size : int
        How many examples in a batch. The last batch has what is left.
    seed : int, optional
        Of the order. Without a seed the examples come as they are.
    epoch : int
        Which pass it is: each has its own order, and the same one when it is run again, whatever was run before.
    drop_last : bool
        Leave out a last batch that is smaller than the others.

    Yields
    ------
    tuple of ndarray
        The rows of each array.

    Raises
    ------
    ShapeError
        If the arrays have not equally many rows.
    ValueError
        If there are no arrays, the size is less than 1, or the epoch negative.

    Notes
    -----
    The order is a permutation by ``np.random.default_rng([seed, epoch])``, so that a training that was stopped and
    resumed sees the batches that it would have seen.

    Examples
    --------
    >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
    >>> for xb, yb in tg.data.minibatches(x, y, 2, seed=0):
    ...     print(xb.shape, yb)
    (2, 2) [2 4]
    (2, 2) [3 0]
    (1, 2) [1]
    """
    if batch_size is None and arrays and not isinstance(arrays[-1], Tensor) and np.ndim(arrays[-1]) == 0:
        *rest, last = arrays
        arrays, batch_size = tuple(rest), operator.index(last)  # type: ignore[arg-type]  # index says what is wrong
    if batch_size is None:
        raise ValueError("minibatches: no batch_size.\n  Try: minibatches(x, y, 32)")
    if operator.index(batch_size) < 1:
        raise ValueError(f"minibatches: batch_size is {batch_size}: a batch has at least one example.")
    if operator.index(epoch) < 0:
        raise ValueError(f"minibatches: epoch is {epoch}: they are counted from 0.")
    rows = _rows("minibatches", arrays)
    n = len(rows[0])
    order = None if seed is None else np.random.default_rng([operator.index(seed), epoch]).permutation(n)
    starts = range(0, n - n % batch_size if drop_last else n, batch_size)
    parts = (slice(start, start + batch_size) for start in starts)
    return (tuple(array[part if order is None else order[part]] for array in rows) for part in parts)


def split(
    *arrays: ArrayLike | Tensor, test: float = 0.2, seed: int = 0, stratify: bool = False
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Two parts in random order: one to learn from, one to test with.

    Parameters
    ----------
    *arrays : array_like
        Any number of arrays with one example per row, usually x and y.
    test : float or int
        The share of the examples to test with, between 0 and 1; or how many, as an int.
    seed : int
        Of the choice.
    stratify : bool
        Give each class its share in both parts, to the nearest example. The classes are the last array.

    Returns
    -------
    train, test : tuple of ndarray
        The rows of each array.

    Raises
    ------
    ShapeError
        If the arrays have not equally many rows, or the classes are not of shape (N,).
    ValueError
        If there are no arrays, or a part would be empty.

    Examples
    --------
    >>> (x, y), (x_test, y_test) = tg.data.split(*tg.data.moons(200), test=0.25, stratify=True)
    >>> x.shape, x_test.shape, np.bincount(y_test)
    ((150, 2), (50, 2), array([25, 25]))
    """
    rows = _rows("split", arrays)
    n = len(rows[0])
    count = operator.index(test) if not isinstance(test, float | np.floating) else round(n * float(test))
    if not 0 < count < n:
        raise ValueError(f"split: test={test} of {n} examples are {count}: both parts need at least one.")
    order = np.random.default_rng(seed).permutation(n)
    chosen = np.arange(count)
    if stratify:
        if rows[-1].ndim != 1:
            raise ShapeError(f"split: stratify needs classes of shape (N,) as the last array; it has {rows[-1].shape}.")
        order = order[np.argsort(rows[-1][order], kind="stable")]
        # Evenly spaced in the list that is sorted by class, so that each class is met in proportion.
        chosen = ((np.arange(count) + 0.5) * n / count).astype(int)
    kept = np.ones(n, dtype=bool)
    kept[chosen] = False
    shuffle = np.random.default_rng([seed, 1]).permutation  # the classes are not to stay together
    train, tested = shuffle(order[kept]), shuffle(order[~kept])
    return tuple(array[train] for array in rows), tuple(array[tested] for array in rows)


@overload
def standardize(x: ArrayLike, /) -> Array: ...
@overload
def standardize(x: ArrayLike, /, *others: ArrayLike) -> tuple[Array, ...]: ...
def standardize(x: ArrayLike, /, *others: ArrayLike) -> Array | tuple[Array, ...]:
    """(x − mean) / std, column by column; others with the mean and std of x, never their own.

    Parameters
    ----------
    x : array_like, shape (N, ...)
        The examples to learn from.
    *others : array_like, shape (M, ...)
        What else the model will see, such as the examples to test with.

    Returns
    -------
    ndarray or tuple of ndarray
        One array for each that was given. A column of x that is constant becomes 0.

    Raises
    ------
    ShapeError
        If the others have other columns than x.
    ValueError
        If x has no rows.

    Examples
    --------
    >>> x, x_test = tg.data.standardize([[1.0, 5.0], [3.0, 5.0]], [[2.0, 6.0]])
    >>> x
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> x_test
    array([[0., 1.]])
    """
    first = np.asarray(x)
    if first.ndim == 0 or len(first) == 0:
        raise ValueError(f"standardize: x has shape {first.shape}: give at least one row.")
    arrays = [first, *(np.asarray(other) for other in others)]
    for i, array in enumerate(arrays):
        if array.shape[1:] != first.shape[1:] or array.ndim == 0:
            raise ShapeError(f"standardize: no. {i} has shape {array.shape}: after the first axis it must be {first.shape[1:]}.")
    mean, std = first.mean(axis=0), first.std(axis=0)
    constant = np.ptp(first, axis=0) == 0  # rounding may leave it a standard deviation
    mean, std = np.where(constant, first[0], mean), np.where(constant, 1, std)
    scaled = tuple((array - mean) / std for array in arrays)
    return scaled if others else scaled[0]


def _rows(who: str, arrays: Sequence[ArrayLike | Tensor]) -> list[Array]:
    """The arguments as arrays with equally many rows."""
    if not arrays:
        raise ValueError(f"{who}: no arrays.\n  Try: {who}(x, y{', 32' if who == 'minibatches' else ''})")
    if any(isinstance(array, Dataset) for array in arrays):
        raise TypeError(f"{who}: a data set is two arrays.\n  Try: {who}(*data, ...)")
    rows: list[Array] = [array.data if isinstance(array, Tensor) else np.asarray(array) for array in arrays]
    if any(array.ndim == 0 for array in rows) or len({len(array) for array in rows}) > 1:
        shapes = "\n".join(f"  no. {i}  {array.shape}" for i, array in enumerate(rows))
        raise ShapeError(f"{who}: the arrays have not equally many rows\n{shapes}\n  the first axis of each is the examples.")
    return rows
