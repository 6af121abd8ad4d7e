"""NumPy's methods: ``t.sum(axis=0)``, ``t.reshape(2, -1)``, ``t.T``, and what is composed of them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from . import explain
from .errors import ShapeError
from .operators import Operators
from .ops import OPS
from .ops import contraction as c
from .ops import elementwise as e
from .ops import rearrangement as r
from .ops import selection as s
from .record import Record, T, TensorLike, operand, record

Axis = int | tuple[int, ...] | None


class Methods(Operators):
    """A record with the methods of an ndarray."""

    __slots__ = ()

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """y = Σ x over the axes (all by default)."""
        return record(c.sum, (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """y = Σ x / n over the axes (all by default), n the number of terms."""
        return record(c.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """The largest number along the axes. Its gradient is split evenly where several tie."""
        return record(s.max, (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """The smallest number along the axes. Its gradient is split evenly where several tie."""
        return record(s.min, (self,), {"axis": axis, "keepdims": keepdims})

    def argmax(self, axis: int | None = None) -> Self:
        """The place of the largest number: integers, without gradient."""
        return record(s.argmax, (self,), {"axis": axis})

    def argmin(self, axis: int | None = None) -> Self:
        """The place of the smallest number: integers, without gradient."""
        return record(s.argmin, (self,), {"axis": axis})

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        """y = Σ (x − mean)² / (n − ddof)."""
        axes = axes_of(self, axis, "var")
        centred = self - self.mean(axes, keepdims=True)
        if not ddof:
            return (centred * centred).mean(axes, keepdims)  # and not a sum / n: a mean of arrays of any size
        return (centred * centred).sum(axes, keepdims) / (c.count(self.shape, axes) - ddof)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        """y = √var, as ‖x − mean‖ / √(n − ddof): its gradient at a constant is 0, not NaN."""
        axes = axes_of(self, axis, "std")
        centred = self - self.mean(axes, keepdims=True)
        norm = record(OPS["norm"], (centred,), {"axis": axes, "keepdims": keepdims})
        return norm / float(np.sqrt(c.count(self.shape, axes) - ddof))

    def cumsum(self, axis: int | None = None) -> Self:
        """y_i = Σ_(k ≤ i) x_k along the axis; of the flattened array when no axis is given."""
        x, axis = (self.ravel(), 0) if axis is None else (self, axis)
        return record(c.cumsum, (x,), {"axis": axis})

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """y = Π x over the axes. Halves are multiplied together, so zeros are no special case for any derivative."""
        gone = axes_of(self, axis, "prod")
        kept = [a for a in range(self.ndim) if a not in gone]
        x = self.transpose((*gone, *kept)).reshape((c.count(self.shape, gone), *(self.shape[a] for a in kept)))
        if x.shape[0] == 0:
            x = x.sum(0, keepdims=True) + 1  # the product of nothing
        while x.shape[0] > 1:
            half = x.shape[0] // 2
            product = x[:half] * x[half : 2 * half]
            x = product if x.shape[0] % 2 == 0 else join((product, x[2 * half :]), 0)
        return x.reshape(tuple(1 if a in gone else n for a, n in enumerate(self.shape)) if keepdims else x.shape[1:])

    def clip(self, lo: TensorLike | None = None, hi: TensorLike | None = None) -> Self:
        """y = min(max(x, lo), hi); a bound that is None does not bind."""
        if lo is None and hi is None:
            return self
        if hi is None:
            return record(s.maximum, (self, operand(lo, s.maximum, type(self))))
        if lo is None:
            return record(s.minimum, (self, operand(hi, s.minimum, type(self))))
        return record(s.clip, (self, operand(lo, s.clip, type(self)), operand(hi, s.clip, type(self))))

    def reshape(self, *shape: Any) -> Self:
        """The same numbers, in row-major order, in another shape."""
        return record(r.reshape, (self,), {"shape": _unpack(shape)})

    def flatten(self) -> Self:
        """The same numbers on one axis."""
        return self.reshape(-1)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """Whether any number is not 0, as plain booleans."""
        return np.any(self._seen(), axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """Whether no number is 0, as plain booleans."""
        return np.all(self._seen(), axis=axis, keepdims=keepdims)

    def ravel(self) -> Self:
        """The same numbers on one axis."""
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> Self:
        """The axes in another order, reversed by default."""
        order = _unpack(axes) if axes and axes != (None,) else tuple(range(self.ndim))[::-1]
        return record(r.transpose, (self,), {"axes": order})

    @property
    def T(self) -> Self:  # noqa: N802  # NumPy's name
        """The transpose: the axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Self:  # noqa: N802  # NumPy's name
        """The matrix transpose: the last two axes swapped."""
        return self.swapaxes(-1, -2)

    def swapaxes(self, first: int, second: int) -> Self:
        """The two axes exchanged."""
        a, b = normalize_axes(self, (first, second), "swapaxes", unique=False)
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(tuple(order))

    def squeeze(self, axis: Axis = None) -> Self:
        """Without the axes of size 1, all of them or the given ones."""
        ones = tuple(a for a, n in enumerate(self.shape) if n == 1)
        gone = ones if axis is None else axes_of(self, axis, "squeeze")
        if not set(gone) <= set(ones):
            problem = f"cannot leave out axis {axis}"
            raise ShapeError(explain.message("squeeze", (self,), problem, "only an axis of size 1 can be left out."))
        return self.reshape(tuple(n for a, n in enumerate(self.shape) if a not in gone))

    def dot(self, other: TensorLike) -> Self:
        """y = Σ_k a_..k b_..k..: the last axis of self with the second-last of the other, as ``numpy.dot``."""
        right = operand(other, c.matmul, type(self))
        if not self.ndim or not right.ndim:
            return self * right
        if right.ndim <= 2:
            return self @ right
        ours, theirs = c.ALPHABET[: self.ndim - 1], c.ALPHABET[self.ndim : self.ndim + right.ndim - 1]
        summed = c.ALPHABET[self.ndim - 1]
        if self.shape[-1] != right.shape[-2]:
            return self @ right  # which says why not
        equation = f"{ours}{summed},{theirs[:-1]}{summed}{theirs[-1]}->{ours}{theirs}"
        return record(c.einsum, (self, right), {"equation": equation})

    def trace(self, offset: int = 0) -> Self:
        """y = Σ_i x_(i, i+offset) of a matrix."""
        if self.ndim != 2:
            raise ShapeError(explain.message("trace", (self,), "needs a matrix", f"x has {self.ndim} axes, not 2."))
        return record(c.trace, (self,), {"offset": offset})

    def astype(self, dtype: Any) -> Self:
        """The numbers as another type. Integers and booleans have no gradient."""
        target = np.dtype(dtype)
        return record(e.astype if target.kind == "f" else e.to_discrete, (self,), {"dtype": target})

    def exp(self) -> Self:
        """y = eˣ."""
        return record(e.exp, (self,))

    def log(self) -> Self:
        """y = ln x."""
        return record(e.log, (self,))

    def sqrt(self) -> Self:
        """y = √x."""
        return record(e.sqrt, (self,))

    def tanh(self) -> Self:
        """y = tanh x."""
        return record(e.tanh, (self,))

    def sigmoid(self) -> Self:
        """y = 1 / (1 + e⁻ˣ)."""
        return record(e.sigmoid, (self,))

    def relu(self) -> Self:
        """y = max(x, 0), with derivative 0 at 0."""
        return record(e.relu, (self,))


def _unpack(values: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


def normalize_axes(x: Record, axes: Sequence[Any], who: str, unique: bool = True, rank: int | None = None) -> tuple[int, ...]:
    """The axes counted from 0; as NumPy, an error for one that does not exist or comes twice.

    ``rank`` is the number of axes that there are, by default the Tensor's.
    """
    n = x.ndim if rank is None else rank
    result = []
    for axis in axes:
        a = operator.index(axis)
        if not -n <= a < n:
            raise explain.axis_error(who, (x,), a, n)
        result.append(a % n)
    if unique and len(set(result)) < len(result):
        raise ShapeError(explain.message(who, (x,), f"axis {tuple(axes)} comes twice", "each axis can be given once."))
    return tuple(result)


def axes_of(x: Record, axis: Axis, who: str) -> tuple[int, ...]:
    """The axes that an axis argument means, counted from 0: all of them for None."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return normalize_axes(x, tuple(axes), who)


def join(tensors: Sequence[T], axis: int) -> T:
    """The tensors one after the other along an axis that they have."""
    parts = tuple(tensors)
    if not parts:
        raise ShapeError("concatenate: there is nothing to join: the list is empty.")
    if not all(t.ndim for t in parts):
        names = ", ".join(explain.spell(t, f"t{i}") for i, t in enumerate(parts[:6]))
        tries = [(f"tg.stack([{names}])", (len(parts),))] if len(parts) <= 6 and not any(t.ndim for t in parts) else []
        raise ShapeError(explain.message("concatenate", parts, "a scalar has no axis", "only axes that exist are joined.", tries))
    (axis,) = normalize_axes(parts[0], (axis,), "concatenate")
    starts = [0]
    for t in parts:
        starts.append(starts[-1] + (t.shape[axis] if axis < t.ndim else 0))  # shapes that do not fit are refused below
    return record(r.concatenate, parts, {"axis": axis, "starts": tuple(starts)})
