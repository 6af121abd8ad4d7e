"""NumPy functions that only look at a Tensor: they answer with plain numbers and record nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .implements import implements


def _numbers(x: Any) -> Any:
    return np.asarray(x._seen()) if isinstance(x, Tensor) else x


@implements(np.shape)
def _shape(x: Tensor) -> tuple[int, ...]:
    return x.shape


@implements(np.ndim)
def _ndim(x: Tensor) -> int:
    return x.ndim


@implements(np.size)
def _size(x: Tensor) -> int:
    return x.size


@implements(np.zeros_like)
def _zeros_like(x: Tensor) -> Tensor:
    return Tensor(np.zeros(x.shape, x.dtype))


@implements(np.ones_like)
def _ones_like(x: Tensor) -> Tensor:
    return Tensor(np.ones(x.shape, x.dtype))


@implements(np.allclose)
def _allclose(a: Any, b: Any, **tolerances: Any) -> bool:
    return bool(np.allclose(_numbers(a), _numbers(b), **tolerances))


@implements(np.array_equal)
def _array_equal(a: Any, b: Any, **options: Any) -> bool:
    return bool(np.array_equal(_numbers(a), _numbers(b), **options))


@implements(np.any)
def _any(x: Tensor, axis: Any = None, keepdims: bool = False) -> Any:
    return np.any(_numbers(x), axis=axis, keepdims=keepdims)


@implements(np.all)
def _all(x: Tensor, axis: Any = None, keepdims: bool = False) -> Any:
    return np.all(_numbers(x), axis=axis, keepdims=keepdims)
