"""Operators: how an expression becomes a record."""

from __future__ import annotations

from typing import Any, NoReturn, Self

import numpy as np

from .modes import is_recording
from .ops import Index, Op
from .ops import contraction as c
from .ops import elementwise as e
from .ops import rearrangement as r
from .readonly import HOW_TO_ASSIGN
from .record import Record, TensorLike, binary, new, own, record


class Operators(Record):
    """A record that is computed with by Python's operators. ``x += y`` means ``x = x + y``."""

    __slots__ = ()
    __hash__ = object.__hash__  # identity, though == compares the numbers

    def __add__(self, other: TensorLike) -> Self:
        return binary(e.add, self, other)

    def __radd__(self, other: TensorLike) -> Self:
        return binary(e.add, other, self)

    def __sub__(self, other: TensorLike) -> Self:
        return binary(e.subtract, self, other)

    def __rsub__(self, other: TensorLike) -> Self:
        return binary(e.subtract, other, self)

    def __mul__(self, other: TensorLike) -> Self:
        return binary(e.multiply, self, other)

    def __rmul__(self, other: TensorLike) -> Self:
        return binary(e.multiply, other, self)

    def __truediv__(self, other: TensorLike) -> Self:
        return binary(e.divide, self, other)

    def __rtruediv__(self, other: TensorLike) -> Self:
        return binary(e.divide, other, self)

    def __pow__(self, other: TensorLike) -> Self:
        return binary(e.power, self, other)

    def __rpow__(self, other: TensorLike) -> Self:
        return binary(e.power, other, self)

    def __matmul__(self, other: TensorLike) -> Self:
        return binary(c.matmul, self, other)

    def __rmatmul__(self, other: TensorLike) -> Self:
        return binary(c.matmul, other, self)

    # x += y means x = x + y.

    def __iadd__(self, other: TensorLike) -> Self:
        return _rebind(e.add, "+=", self, other)

    def __isub__(self, other: TensorLike) -> Self:
        return _rebind(e.subtract, "-=", self, other)

    def __imul__(self, other: TensorLike) -> Self:
        return _rebind(e.multiply, "*=", self, other)

    def __itruediv__(self, other: TensorLike) -> Self:
        return _rebind(e.divide, "/=", self, other)

    def __neg__(self) -> Self:
        return record(e.negative, (self,))

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return record(e.abs, (self,))

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None else binary(e.equal, self, other)

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None else binary(e.not_equal, self, other)

    def __lt__(self, other: TensorLike) -> Self:
        return binary(e.less, self, other)

    def __le__(self, other: TensorLike) -> Self:
        return binary(e.less_equal, self, other)

    def __gt__(self, other: TensorLike) -> Self:
        return binary(e.greater, self, other)

    def __ge__(self, other: TensorLike) -> Self:
        return binary(e.greater_equal, self, other)

    def __and__(self, other: TensorLike) -> Self:
        return binary(e.logical_and, self, other)

    __rand__ = __and__

    def __or__(self, other: TensorLike) -> Self:
        return binary(e.logical_or, self, other)

    __ror__ = __or__

    def __invert__(self) -> Self:
        return record(e.logical_not, (self,))

    def __getitem__(self, key: Any) -> Self:
        keys: list[Any] = []
        indices: list[Any] = []
        for k in key if isinstance(key, tuple) else (key,):
            if k is None or k is Ellipsis or isinstance(k, slice):
                keys.append(k)
            elif isinstance(k, (bool, np.bool_, np.ndarray, list, Record)) or not hasattr(k, "__index__"):
                keys.append(Index(len(indices)))
                indices.append(_as_index(k, type(self)))
            else:
                keys.append(k.__index__())
        return record(r.getitem, (self, *indices), {"key": tuple(keys)})

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(f"{self._called()}[...] = ...: {HOW_TO_ASSIGN}")


def _rebind(op: Op, sign: str, left: Record, right: Any) -> Any:
    if left._requires_grad and not left.inputs and not is_recording():
        raise TypeError(
            f"{left._called()} {sign} ... under no_grad would make a new constant, and leave the parameter as it was.\n"
            f"  Try: t.data {sign} ...   to give it new numbers"
        )
    return binary(op, left, right)


def _as_index(k: Any, kind: type[Record]) -> Record:
    """An index array as a constant; an index that was computed stays connected to its record."""
    if isinstance(k, Record):
        return k
    try:
        array = np.asarray(k)
    except ValueError as error:
        raise IndexError(f"getitem: a list of indices cannot be made an array: {error}") from None
    if array.dtype.kind not in "iub":
        if array.size:
            raise IndexError(f"getitem: an index must be integers or booleans, not {type(k).__name__} ({array.dtype}): {k!r:.80}")
        array = array.astype(np.intp)
    return new(kind)._leaf(own(array))
