"""What layers are given: pairs, seeds and initialisers, checked once, when one is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..settings import size
from ..tensor import Tensor
from .init import Initializer, Seed, xavier_uniform


def pair(who: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """(height, width), from a pair or from one number for both.

    >>> pair("Conv2d", "stride", 2)
    (2, 2)
    """
    parts = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(parts) != 2:
        raise ValueError(f"{who}: {name} is {value!r:.80}: give one number, or a pair (height, width).")
    return size(who, name, parts[0], least), size(who, name, parts[1], least)


def initial(who: str, shape: tuple[int, ...], init: str | Initializer, seed: Seed, dtype: Any) -> Any:
    """First numbers of a weight: what the initialiser makes of the shape.

    Raises
    ------
    ValueError
        If ``init`` is neither ``"auto"`` nor a function.
    ShapeError
        If the function gives another shape.

    Examples
    --------
    >>> initial("Linear", (2, 3), "auto", 0, float).shape
    (2, 3)
    """
    if init != "auto" and not callable(init):
        raise ValueError(f'{who}: init is {init!r:.80}.\n  Try: init="auto", or init=tg.nn.init.he_normal')
    function = xavier_uniform if isinstance(init, str) else init
    numbers = np.asarray(function(shape, np.random.default_rng(seed)), dtype)
    if numbers.shape != shape:
        raise ShapeError(f"{who}: init gives shape {numbers.shape}, the weight has {shape}.")
    return numbers


def parameter(numbers: Any, name: str) -> Tensor:
    """A Tensor to train."""
    return Tensor(numbers, requires_grad=True, name=name)
