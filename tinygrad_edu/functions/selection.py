"""Functions that choose along an axis, and the soft forms of choosing: softmax, log_softmax, logsumexp."""

from __future__ import annotations

import numpy as np

from ..methods import Axis
from ..ops import selection as s
from ..ops import tabulated as t
from ..record import TensorLike, record
from ..tensor import Tensor, as_tensor
from .implements import implements

__all__ = ["argmax", "argmin", "argsort", "log_softmax", "logsumexp", "max", "min", "softmax", "sort"]


@implements(np.max, np.amax)
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = max x over the axes; the gradient is split evenly among those that tie.

    >>> tg.max([1.0, 3.0, 2.0])
    Tensor(3., op='max')
    """
    return as_tensor(x).max(axis, keepdims)


@implements(np.min, np.amin)
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = min x over the axes; the gradient is split evenly among those that tie.

    >>> tg.min([1.0, 3.0, 2.0])
    Tensor(1., op='min')
    """
    return as_tensor(x).min(axis, keepdims)


@implements(np.argmax)
def argmax(x: TensorLike, axis: int | None = None) -> Tensor:
    """The place of the largest number: integers, without gradient.

    >>> tg.argmax([1.0, 3.0, 2.0]).item()
    1
    """
    return as_tensor(x).argmax(axis)


@implements(np.argmin)
def argmin(x: TensorLike, axis: int | None = None) -> Tensor:
    """The place of the smallest number: integers, without gradient.

    >>> tg.argmin([1.0, 3.0, 2.0]).item()
    0
    """
    return as_tensor(x).argmin(axis)


@implements(np.sort)
def sort(x: TensorLike, axis: int | None = -1) -> Tensor:
    """The numbers in rising order along the axis, or all of them for None; each gradient goes back to its number's place.

    >>> tg.sort([3.0, 1.0, 2.0])
    Tensor([1., 2., 3.], op='sort')
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = x.ravel(), 0
    return record(s.sort, (x,), {"axis": axis})


@implements(np.argsort)
def argsort(x: TensorLike, axis: int = -1, kind: str = "stable") -> Tensor:
    """The places that would sort the numbers, equal ones in their order: integers, without gradient.

    >>> tg.argsort([3.0, 1.0, 2.0]).tolist()
    [1, 2, 0]
    """
    return record(s.argsort, (as_tensor(x),), {"axis": axis})


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """y_i = e^(x_i) / Σ_k e^(x_k) along the axis, without overflow.

    >>> tg.softmax([1000.0, 1000.0])
    Tensor([0.5, 0.5], op='softmax')
    """
    return record(t.softmax, (as_tensor(x),), {"axis": axis})


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """y_i = x_i − ln Σ_k e^(x_k) along the axis, without overflow.

    >>> tg.log_softmax([0.0, -1000.0])
    Tensor([    0., -1000.], op='log_softmax')
    """
    return record(t.log_softmax, (as_tensor(x),), {"axis": axis})


def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = ln Σ_k e^(x_k) over the axes, without overflow.

    >>> tg.logsumexp([1000.0, 1000.0]).item() - 1000.0
    0.69314718...
    """
    return record(t.logsumexp, (as_tensor(x),), {"axis": axis, "keepdims": keepdims})
