"""Examples and what is to be said about them, as a pair of arrays that know their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Dataset(tuple[Array, Array]):
    """x and y, to be unpacked as ``x, y = ...``; and the names of the features and of the classes.

    Parameters
    ----------
    x : ndarray, shape (N, F)
        One example per row.
    y : ndarray, shape (N,)
        The classes, integers from 0; or the numbers to be predicted.
    features, classes : sequence of str
        The names of the columns of x, and of the classes; empty where there is nothing to name.

    Examples
    --------
    >>> data = tg.data.xor()
    >>> data
    Dataset(x (4, 2), y (4,), classes: equal, different)
    >>> x, y = data
    >>> y
    array([0, 1, 1, 0])
    """

    features: tuple[str, ...]
    classes: tuple[str, ...]

    def __new__(cls, x: Array, y: Array, features: Sequence[str] = (), classes: Sequence[str] = ()) -> Dataset:  # noqa: D102
        self = super().__new__(cls, (x, y))
        self.features, self.classes = tuple(features), tuple(classes)
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, self.features, self.classes)

    @property
    def x(self) -> Array:
        """The examples, (N, F)."""
        return self[0]

    @property
    def y(self) -> Array:
        """The classes or targets, (N,)."""
        return self[1]

    def __repr__(self) -> str:
        shown = ", ".join(self.classes[:4]) + (", ..." if len(self.classes) > 4 else "")
        return f"Dataset(x {self.x.shape}, y {self.y.shape}{f', classes: {shown}' if shown else ''})"
