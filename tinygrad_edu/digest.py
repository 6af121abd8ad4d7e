"""Numbers as people read them: a small array as a grid, a large one as its smallest, mean and largest entry."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

WIDEST = 6  # columns, and rows, of an array that is shown as a grid
LARGEST = 24  # entries


class Digest(NamedTuple):
    """What to show of an array: ``rows`` of numbers, or, when it is too large for them, ``facts`` such as (mean, 0.2)."""

    rows: tuple[tuple[str, ...], ...]
    facts: tuple[tuple[str, str], ...]

    def line(self) -> str:
        """On one line: ``[1, 2; 3, 4]``, or ``min −1, mean 0.2, max 3``."""
        if self.facts:
            return ", ".join(f"{name} {text}" for name, text in self.facts)
        if len(self.rows) == len(self.rows[0]) == 1:
            return self.rows[0][0]
        return f"[{'; '.join(', '.join(row) for row in self.rows)}]"


def digest(value: Any) -> Digest:
    """What to show of an array.

    Examples
    --------
    >>> digest([[1.0, 2.0], [-0.5, 1e-7]]).rows
    (('1', '2'), ('−0.5', '1e−07'))
    >>> digest(np.arange(100.0)).line()
    'min 0, mean 49.5, max 99'
    """
    array = np.asarray(value)
    if not array.size:
        return Digest((), (("size", "0"),))
    grid = np.atleast_2d(array)
    if array.ndim <= 2 and array.size <= LARGEST and max(grid.shape) <= WIDEST:
        return Digest(tuple(tuple(number(x) for x in row) for row in grid), ())
    if array.dtype.kind == "b":
        return Digest((), (("true", str(np.count_nonzero(array))), ("false", str(array.size - np.count_nonzero(array)))))
    real = array[np.isfinite(array)]
    facts = []
    if real.size:
        facts = [("min", number(real.min())), ("mean", number(_mean(real))), ("max", number(real.max()))]
    if np.isnan(array).any():
        facts.append(("NaN", str(np.count_nonzero(np.isnan(array)))))
    if np.isinf(array).any():
        facts.append(("±∞", str(np.count_nonzero(np.isinf(array)))))
    return Digest((), tuple(facts))


def number(x: Any) -> str:
    """A number with three significant digits: 0.123, −2, 1e−07, 12 300 as 1.23e+04; integers whole.

    >>> number(0.12345), number(-2.0), number(7), number(float("nan"))
    ('0.123', '−2', '7', 'NaN')
    """
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (int, np.integer)) and abs(int(x)) < 10**6:
        return str(x).replace("-", "−")
    x = float(x)
    if not np.isfinite(x):
        return "NaN" if np.isnan(x) else "∞" if x > 0 else "−∞"
    text = f"{x:.3g}"
    return ("0" if float(text) == 0 and x == 0 else text).replace("-", "−")


def _mean(real: Any) -> float:
    """The mean, scaled so that the sum does not overflow."""
    largest = float(np.max(np.abs(real), initial=0)) or 1.0
    return float(np.mean(real / largest, dtype=float)) * largest
