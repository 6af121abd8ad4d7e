"""What ``tensor.data`` shows: the numbers, to read and compute with, not to write into."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

HOW_TO_ASSIGN = (
    "a Tensor's numbers cannot be changed in place: gradients recorded with them would be wrong.\n"
    "  Try: t.data = new_values         (gives a leaf new values; older records keep theirs)\n"
    "  or:  t2 = tg.where(mask, a, t)   (a new Tensor, recorded)"
)


def _rebinding(name: str) -> Callable[[Any, Any], Any]:
    """An in-place operator that gives a new array where it may not write."""
    in_place = getattr(np.ndarray, f"__i{name}__")
    new = getattr(operator, name)

    def operate(self: Any, other: Any) -> Any:
        if self.flags.writeable:
            return in_place(self, other)
        return read_only(new(self.view(np.ndarray), other))  # nobody else has it: assigned to ``t.data``, it is not copied

    return operate


class ReadOnlyArray(np.ndarray[Any, np.dtype[Any]]):
    """A read-only view. Arithmetic gives plain arrays; ``t.data -= step`` means ``t.data = t.data - step``.

    A copy of it is writable, and then an ndarray like any other.
    """

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.flags.writeable:
            raise ValueError(HOW_TO_ASSIGN)
        super().__setitem__(key, value)

    __iadd__ = _rebinding("add")
    __isub__ = _rebinding("sub")
    __imul__ = _rebinding("mul")
    __itruediv__ = _rebinding("truediv")
    __ifloordiv__ = _rebinding("floordiv")
    __imod__ = _rebinding("mod")
    __ipow__ = _rebinding("pow")


def read_only(array: Any) -> ReadOnlyArray:
    """A read-only view of an array, or of a scalar as a 0-d array, that nobody can make writable again."""
    if type(array) is not np.ndarray:
        array = np.asarray(array)
    array.setflags(write=False)
    view: ReadOnlyArray = array.view(ReadOnlyArray)
    return view


def immutable(array: Any) -> TypeGuard[ReadOnlyArray]:
    """Whether this is a view that ``read_only`` gave, on memory that nobody can write."""
    if type(array) is not ReadOnlyArray or array.flags.writeable:
        return False
    return isinstance(array.base, np.ndarray) and not array.base.flags.writeable
