"""What several tests need: a leaf to differentiate by, and central differences that know nothing of this library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as tg


def leaf(value: Any, name: str | None = None, dtype: Any = float) -> tg.Tensor:
    return tg.Tensor(np.asarray(value, dtype=dtype), requires_grad=True, name=name)


def slopes(f: Callable[..., Any], arrays: list[np.ndarray], i: int, eps: float = 1e-6) -> np.ndarray:
    """The central differences of Σ f by argument i: nothing of this library is in it."""
    x = np.array(arrays[i], dtype=float)
    result = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        ends = []
        for step in (eps, -eps):
            moved = x.copy()
            moved[place] += step
            ends.append(np.sum(f(*arrays[:i], moved, *arrays[i + 1 :])))
        result[place] = (ends[0] - ends[1]) / (2 * eps)
    return result
