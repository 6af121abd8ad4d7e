"""Settings: the whole numbers and the numbers that a layer, an optimizer or a training is given, checked when they are given."""

from __future__ import annotations

import math
import operator
from typing import Any


def size(who: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least ``least``.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is smaller.

    Examples
    --------
    >>> size("Linear", "in_features", 3)
    3
    """
    if isinstance(value, bool):
        raise TypeError(f"{who}: {name} is {value}, not a whole number.")
    try:
        n = operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {name} is {type(value).__name__}, not a whole number: {value!r:.80}") from None
    if n < least:
        raise ValueError(f"{who}: {name} is {n}: it must be at least {least}.")
    return n


def number(who: str, name: str, value: Any, least: float = 0.0, below: float = math.inf) -> float:
    """A number of at least ``least`` and below ``below``, as Python's own float, which adapts to the dtype of an array.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is NaN or outside of the range.

    Examples
    --------
    >>> number("LayerNorm", "eps", np.float32(0.5))
    0.5
    """
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        x = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{who}: {name} is {type(value).__name__}, not a number: {value!r:.80}") from None
    if not least <= x < below or x == -math.inf:
        limits = [f"at least {least:g}"] * (least > -math.inf) + [f"below {below:g}" if below < math.inf else "finite"]
        raise ValueError(f"{who}: {name} is {x:g}; it must be {' and '.join(limits)}.")
    return x
