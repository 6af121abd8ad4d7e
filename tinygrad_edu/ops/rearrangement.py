"""Rearrangement: every y is some x, moved or repeated. The gradient goes back to where the value came from, adding up.

The ops come in pairs that undo each other's motion: what is the forward of one is the local derivative of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .op import Op, Rule, Value


class Rearrangement(Op):
    """An op that moves the numbers of one argument without changing them, by one rule."""

    __slots__ = ()
    kind: ClassVar[str] = "rearrangement"

    def __init__(self, name: str, forward: Rule, rule: Rule, notation: str, *, symbol: str = "") -> None:
        super().__init__(name, forward, [rule], symbol=symbol, notation=notation)

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The gradient, moved back; index arrays (every argument but the first) have none."""
        return super().vjp(0, g, y, args, params) if i == 0 else None


class Joining(Op):
    """A rearrangement of any number of arguments: one rule, ``rule(i, g, **params)``, serves them all."""

    __slots__ = ("rule",)
    kind: ClassVar[str] = "rearrangement"

    def __init__(self, name: str, forward: Rule, rule: Rule, notation: str, *, symbol: str = "") -> None:
        super().__init__(name, forward, (), symbol=symbol, notation=notation)
        self.rule = rule

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The part of the gradient that belongs to argument i."""
        return self.rule(i, g, **params)


class Index:
    """The place of an index array in a key: the array itself is argument number ``position`` of the op."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position

    def __repr__(self) -> str:
        return f"Index({self.position})"


def _fill(key: Any, indices: Sequence[Value]) -> Any:
    """The key with its index arrays put back in their places."""
    if not indices:
        return key
    return tuple(indices[k.position] if isinstance(k, Index) else k for k in key)


def _scatter(g: Value, *indices: Value, key: Any, shape: tuple[int, ...]) -> Value:
    x = np.zeros(shape, g.dtype)
    if indices:
        np.add.at(x, _fill(key, indices), g)  # an index that occurs twice adds up
    else:
        x[key] = g
    return x


def _take(x: Value, *indices: Value, key: Any) -> Value:
    return x[_fill(key, indices)]


def _broadcast_to(x: Value, shape: tuple[int, ...]) -> Value:
    y = np.empty(shape, x.dtype)
    y[...] = x  # several times faster than a view of small arrays, and what comes after reads real memory
    return y


def _pad(x: Value, widths: tuple[tuple[int, int], ...], value: float) -> Value:
    y = np.full([before + size + after for size, (before, after) in zip(x.shape, widths, strict=True)], value, x.dtype)
    y[_inside(widths, x.shape)] = x
    return y


def _inside(widths: tuple[tuple[int, int], ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + size) for size, (before, _) in zip(shape, widths, strict=True))


def _part(i: int, g: Value, axis: int, starts: tuple[int, ...]) -> Value:
    return g[(slice(None),) * axis + (slice(starts[i], starts[i + 1]),)]


def _windows(x: Value, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Value:
    return np.lib.stride_tricks.sliding_window_view(x, sizes, axes)


def _overlap_add(g: Value, sizes: tuple[int, ...], axes: tuple[int, ...], shape: tuple[int, ...]) -> Value:
    x = np.zeros(shape, g.dtype)
    for offsets in np.ndindex(*sizes):
        start = [0] * len(shape)
        for axis, offset in zip(axes, offsets, strict=True):
            start[axis] += offset  # an axis may be windowed twice
        x[tuple(slice(first, first + n) for first, n in zip(start, g.shape, strict=False))] += g[(..., *offsets)]
    return x


def _untake(g: Value, y: Value, x: Value, *indices: Value, key: Any) -> Value:
    return scatter(g, *indices, key=key, shape=x.shape)


def _unscatter(g: Value, y: Value, x: Value, *indices: Value, key: Any, shape: tuple[int, ...]) -> Value:
    return getitem(g, *indices, key=key)


def _unwindow(g: Value, y: Value, x: Value, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Value:
    return overlap_add(g, sizes=sizes, axes=axes, shape=x.shape)


# fmt: off
# ---- the table: name, forward, the gradient moved back, in indices ---------------------------------------------------

R, J = Rearrangement, Joining

reshape      = R("reshape",      lambda x, shape: x.reshape(shape),    lambda g, y, x, shape: g.reshape(x.shape),         "y_(n) = x_(n), n in row-major order")
transpose    = R("transpose",    lambda x, axes: x.transpose(axes),    lambda g, y, x, axes: g.transpose(inverse(axes)),  "y_ji = x_ij", symbol="ᵀ")
flip         = R("flip",         lambda x, axes: np.flip(x, axes),     lambda g, y, x, axes: flip(g, axes=axes),          "y_i = x_(n−1−i)")
broadcast_to = R("broadcast_to", _broadcast_to,                       lambda g, y, x, shape: g,                                "y_ij = x_j", symbol="broadcast")
getitem      = R("getitem",      _take,                                _untake,                                           "y_i = x_key(i)", symbol="[ ]")
scatter      = R("scatter",      _scatter,                             _unscatter,                                        "y_k = Σ_(i: key(i) = k) x_i")
pad          = R("pad",          _pad,                                 lambda g, y, x, widths, value: g[_inside(widths, x.shape)], "y_(i+before) = x_i, elsewhere the value")
windows      = R("windows",      _windows,                             _unwindow,                                         "y_ik = x_(i+k)")
overlap_add  = R("overlap_add",  _overlap_add,                         lambda g, y, x, sizes, axes, shape: windows(g, sizes=sizes, axes=axes), "y_n = Σ_(i+k = n) x_ik")
concatenate  = J("concatenate",  lambda *xs, axis, starts: np.concatenate(xs, axis), _part,                               "y_(starts[a]+i) = x⁽ᵃ⁾_i", symbol="concat")
stack        = J("stack",        lambda *xs, axis: np.stack(xs, axis), lambda i, g, axis: g[(slice(None),) * axis + (i,)], "y_ai = x⁽ᵃ⁾_i")
# fmt: on


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes ``axes``."""
    back = [0] * len(axes)
    for new, old in enumerate(axes):
        back[old] = new
    return tuple(back)


def expand_dims_of(g: Value, shape: tuple[int, ...], axis: int | tuple[int, ...] | None, keepdims: bool) -> Value:
    """``g`` with the axes that a reduction of an array of this shape took away, as axes of size 1."""
    if keepdims or axis is None or not shape:  # over all axes: a scalar, which fits everywhere
        return g
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return g.reshape(tuple(1 if i in axes else size for i, size in enumerate(shape)))
