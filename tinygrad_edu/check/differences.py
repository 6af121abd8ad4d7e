"""Central differences: a derivative that knows nothing of any rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

ULP = float(np.finfo(float).eps)
# Extrapolated differences are off by about h⁴ + ulp / h, least at h = ulp^(1/5) = 7e-4. The next power of two makes
# x ± h exact for most x.
STEP = 2.0**-10
# Where the step is too long, because a kink or the end of the domain is near, it is divided by this, up to four times.
SHORTER, TRIES = 32.0, 5


class Slope(NamedTuple):
    """A derivative, what rounding may have added to it, and by how much two step sizes disagreed."""

    value: Array
    rounding: Array
    doubt: Array


def slope(f: Callable[[float], Array], step: float, rtol: float, magnitude: float, ulp: float = ULP) -> Slope:
    """``f'(0) ≈ (4 D(h/2) − D(h)) / 3``, with ``D(h) = (f(h) − f(−h)) / 2h``.

    Where ``D(h)`` and ``D(h/2)`` do not agree to ``rtol``, h is made shorter, and for each number of f the estimate that
    is least in doubt is taken. ``magnitude`` is how large the numbers are that f was computed from, if larger than f;
    ``ulp`` the unit in the last place of the dtype in which f computes.
    """
    value, rounding, doubt = np.array(np.nan), np.array(0.0), np.array(np.inf)
    h = step
    with np.errstate(invalid="ignore", over="ignore"):  # inf − inf, where h is too long
        for _ in range(TRIES):
            ahead, behind = f(h), f(-h)
            wide = (ahead - behind) / (2 * h)
            narrow = (f(h / 2) - f(-h / 2)) / h
            noise = 10 * ulp * np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), magnitude) / h
            unsure = np.nan_to_num(np.abs(wide - narrow) + noise, nan=np.inf)
            better = unsure < doubt
            value = np.where(better, (4 * narrow - wide) / 3, value)
            rounding = np.where(better, noise, rounding)
            doubt = np.where(better, unsure, doubt)
            if np.all(doubt <= 2 * rounding + rtol * np.max(np.abs(value), initial=0.0)):
                break
            h /= SHORTER
    return Slope(value, rounding, doubt)


def kink(f: Callable[[float], float], step: float) -> tuple[float, float] | None:
    """The slopes on the left and on the right of 0, if they stay apart as the step gets shorter."""
    middle = f(0.0)
    slopes = [((middle - f(-h)) / h, (f(h) - middle) / h) for h in (step / SHORTER, step / SHORTER**2)]
    (left, right), (near_left, near_right) = slopes
    gap, near_gap = abs(right - left), abs(near_right - near_left)
    # Without a kink the gap shrinks with the step; at a jump it grows; rounding makes a small one.
    stays = gap / 2 < near_gap < 2 * gap and near_gap > 1e-3 * (abs(near_left) + abs(near_right))
    return (near_left, near_right) if stays else None
