"""What ``tensor.data`` shows: the numbers, to read and compute with, not to write into."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

HOW_TO_ASSIGN = (
    "a Tensor's numbers cannot be changed in place: gradients recorded with them would be wrong.\n"
    "  Try: t.data = new_values         (gives a leaf new values; older records keep theirs)\n"
    "  or:  t2 = tg.where(mask, a, t)   (a new Tensor, recorded)"
)


class ReadOnlyArray(np.ndarray[Any, np.dtype[Any]]):
    """A read-only view. Arithmetic gives plain arrays; ``t.data -= step`` means ``t.data = t.data - step``."""

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise ValueError(HOW_TO_ASSIGN)

    # In place means a new array here, which the assignment to ``t.data`` then copies.

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]  # see above
        return np.add(self.view(np.ndarray), other)

    def __isub__(self, other: Any) -> Any:  # type: ignore[misc]  # see above
        return np.subtract(self.view(np.ndarray), other)

    def __imul__(self, other: Any) -> Any:  # type: ignore[misc]  # see above
        return np.multiply(self.view(np.ndarray), other)

    def __itruediv__(self, other: Any) -> Any:  # type: ignore[misc]  # see above
        return np.divide(self.view(np.ndarray), other)


def read_only(array: Any) -> ReadOnlyArray:
    """A read-only view of an array, or of a scalar as a 0-d array."""
    view = np.asarray(array).view(ReadOnlyArray)
    view.flags.writeable = False
    return view
