"""Selection: every y is one of the inputs. The gradient goes to the one that was chosen, evenly where several tie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .elementwise import Elementwise
from .op import Op, Rule, Value
from .rearrangement import expand_dims_of

Axis = int | tuple[int, ...] | None


class Selection(Op):
    """An op that picks numbers along an axis."""

    __slots__ = ()
    kind: ClassVar[str] = "selection"

    def expand(self, lift: Callable[..., Value], args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """One node per number that was picked, with the numbers it was picked from as its inputs."""
        (x,) = args
        axis, keepdims = params["axis"], params["keepdims"]
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = [a % x.ndim for a in axes] if x.ndim else []
        kept = [a for a in range(x.ndim) if a not in gone]
        rows = x.transpose([*kept, *gone]).reshape([x.shape[a] for a in kept] + [-1])
        y = np.empty(rows.shape[:-1], object)
        for place in np.ndindex(*y.shape):
            y[place] = lift(self, tuple(rows[place]), {"axis": None, "keepdims": False})
        return y.reshape([1 if a in gone else n for a, n in enumerate(x.shape)]) if keepdims else y


class Choice(Elementwise):
    """An elementwise selection: ``partials[i](y, *args)`` says where argument i was chosen.

    The gradient is replaced by zero elsewhere, not multiplied by it: 0 ∗ inf would be NaN.
    """

    __slots__ = ()
    kind: ClassVar[str] = "selection"

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """``g`` where argument i was chosen, else 0."""
        chosen = self.partials[i]
        return np.where(chosen(y, *args, **params), g, 0.0) if callable(chosen) else None


class Tied(Elementwise):
    """An elementwise selection in which two arguments can tie."""

    __slots__ = ()
    kind: ClassVar[str] = "selection"


class Argument(Op):
    """The place of a selected number, or what is made of one: integers and booleans, which have no derivative."""

    __slots__ = ()
    kind: ClassVar[str] = "discrete"
    differentiable: ClassVar[bool] = False

    def __init__(self, name: str, forward: Rule, notation: str) -> None:
        super().__init__(name, forward, [None], notation=notation)


class Sort(Op):
    """All the numbers along an axis, each selected once."""

    __slots__ = ()
    kind: ClassVar[str] = "selection"

    def expand(self, lift: Callable[..., Value], args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The numbers that record, in the order of their values: it makes no node."""
        (x,) = args
        values = np.vectorize(lambda number: number.value, otypes=[float])(x)
        return np.take_along_axis(x, np.argsort(values, params["axis"], kind="stable"), params["axis"])


def _where_equal(a: Value, b: Value, chosen: Value) -> Value:
    """1 where a was chosen, 0 where b was, a half each where they tie."""
    return np.where(a == b, 0.5, chosen)


def _clip(x: Value, lo: Value, hi: Value) -> Value:
    return np.minimum(np.maximum(x, lo), hi)


def _to_chosen(g: Value, y: Value, x: Value, axis: Axis, keepdims: bool) -> Value:
    chosen = x == expand_dims_of(y, x.shape, axis, keepdims)
    return expand_dims_of(g, x.shape, axis, keepdims) * chosen / chosen.sum(axis=axis, keepdims=True)


def _unsort(g: Value, y: Value, x: Value, axis: int) -> Value:
    order = np.argsort(x, axis=axis, kind="stable")
    return np.take_along_axis(g, np.argsort(order, axis=axis, kind="stable"), axis=axis)


# fmt: off
# ---- the table: name, forward, where each argument was chosen --------------------------------------------------------

where   = Choice("where",  np.where,   None,                                       lambda y, c, a, b: c,                            lambda y, c, a, b: np.logical_not(c))
clip    = Tied("clip",     _clip,      lambda y, x, lo, hi: (x >= lo) & (x <= hi), lambda y, x, lo, hi: (x < lo) & (lo <= hi),      lambda y, x, lo, hi: (x > hi) | (lo > hi))
maximum = Tied("maximum",  np.maximum, lambda y, a, b: _where_equal(a, b, a > b),  lambda y, a, b: _where_equal(a, b, a < b),       symbol="max", numpy=np.maximum)
minimum = Tied("minimum",  np.minimum, lambda y, a, b: _where_equal(a, b, a < b),  lambda y, a, b: _where_equal(a, b, a > b),       symbol="min", numpy=np.minimum)

# ---- name, forward, the part of g that goes to x, in indices ---------------------------------------------------------

max     = Selection("max", lambda x, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims), [_to_chosen], notation="y = max_k x_k")
min     = Selection("min", lambda x, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims), [_to_chosen], notation="y = min_k x_k")
sort    = Sort("sort",         lambda x, axis: np.sort(x, axis), [_unsort], notation="y_i = x_order(i)")
argmax  = Argument("argmax",   lambda x, axis: np.argmax(x, axis),        "y = the first i with x_i = max_k x_k")
argmin  = Argument("argmin",   lambda x, axis: np.argmin(x, axis),        "y = the first i with x_i = min_k x_k")
one_hot = Argument("one_hot",  lambda x, classes: x[..., None] == np.arange(classes), "y_ic = 1 where x_i = c, else 0")
argsort = Argument("argsort",  lambda x, axis: np.argsort(x, axis, kind="stable"), "y_i = the place of the i-th smallest x")
# fmt: on
