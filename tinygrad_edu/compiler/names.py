"""Names for variables and arrays, and the NumPy functions that programs call by theirs."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..ops import Op
from ..ops import elementwise as e
from ..ops import selection as s

LONGEST_NAME = 30
NUMBERS = ("bool", "float16", "float32", "float64", "int64", "part", "parts", "shared")  # dtypes, and parts of a program
NO_LETTERS = re.compile(r"\W+", re.ASCII)

FUNCTIONS: dict[str, Any] = {
    "broadcast_to": np.broadcast_to, "copyto": np.copyto, "einsum": np.einsum, "empty": np.empty, "reduce_add": np.add.reduce,
    "reduce_max": np.maximum.reduce, "reduce_min": np.minimum.reduce, "accumulate": np.add.accumulate, "matmul": np.matmul,
    "windows": np.lib.stride_tricks.sliding_window_view, "add_at": np.add.at, "inf": math.inf, "nan": math.nan,
}  # fmt: skip

UFUNCS: Mapping[Op, np.ufunc] = {
    e.add: np.add, e.subtract: np.subtract, e.multiply: np.multiply, e.divide: np.divide, e.negative: np.negative,
    e.power: np.power, e.abs: np.abs, e.sqrt: np.sqrt, e.exp: np.exp, e.expm1: np.expm1, e.log: np.log, e.log1p: np.log1p,
    e.sin: np.sin, e.cos: np.cos, e.tan: np.tan, e.sinh: np.sinh, e.cosh: np.cosh, e.tanh: np.tanh, e.arctan: np.arctan,
    e.equal: np.equal, e.not_equal: np.not_equal, e.less: np.less, e.less_equal: np.less_equal, e.greater: np.greater,
    e.greater_equal: np.greater_equal, e.logical_and: np.logical_and, e.logical_or: np.logical_or,
    e.logical_not: np.logical_not, e.sign: np.sign, e.floor: np.floor, e.ceil: np.ceil, e.rint: np.rint, e.isnan: np.isnan,
    e.isfinite: np.isfinite, s.maximum: np.maximum, s.minimum: np.minimum,
}  # fmt: skip


class Names:
    """Names of Python that are still free, like the wished ones.

    Examples
    --------
    >>> names = Names(["x"])
    >>> names.new("x"), names.new("x"), names.new("a b"), names.new()
    ('x_1', 'x_2', 'a_b', 't1')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = {*FUNCTIONS, *(u.__name__ for u in UFUNCS.values()), "reciprocal", *NUMBERS, *keyword.kwlist, *taken}
        self._counts: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.taken)

    def new(self, wish: str = "") -> str:
        """A name, taken from now on."""
        text = wish
        if wish and not (wish.isidentifier() and wish.isascii() and len(wish) <= LONGEST_NAME):
            text = NO_LETTERS.sub("_", wish).strip("_")[:LONGEST_NAME]
            text = f"v{text}" if text[:1].isdigit() else text
        if not text or text in self.taken:
            stem = f"{text}_" if text else "t"
            n = self._counts.get(stem, 1)
            while f"{stem}{n}" in self.taken:
                n += 1
            self._counts[stem] = n + 1
            text = f"{stem}{n}"
        self.taken.add(text)
        return text


def spelled(letter: str, number: Any) -> str:
    """A constant as a name: c0p25, cm1."""
    return letter + f"{float(number):g}".replace("-", "m").replace(".", "p").replace("+", "")
