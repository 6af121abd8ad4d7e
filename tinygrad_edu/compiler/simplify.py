"""Identities that make a program shorter, each applied where a value is made: what it is made of is simple already.

A rule gets the program, the operands and the parameters, and gives an equal value that is cheaper, or None. Equal means:
equal in exact arithmetic, and in floating point to rounding. Nothing here makes a result less accurate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import Elementwise, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t
from ..record import DETACH, LITERALS
from .program import Program, Shape, Value, result_type

Rule = Callable[[Program, Sequence[Value], Mapping[str, Any]], Value | None]
LARGEST_FOLDED = 4096  # numbers; a constant result that is larger than this and than its operands is computed at every call
REDUCTIONS = frozenset((c.sum, c.mean, s.max, s.min))
MOST_FACTORS = 4  # x**4 is x² · x², beyond that pow is as good


def simplified(
    p: Program, op: Op, args: Sequence[Value], params: Mapping[str, Any], shape: Shape, dtype: np.dtype[Any], name: str = ""
) -> Value:
    """``op(*args)`` in the shortest form that the rules find.

    Examples
    --------
    >>> p = Program()
    >>> x = p.given("x", (3,), np.dtype(float))
    >>> simplified(p, e.multiply, [x, p.constant(1.0)], {}, (3,), x.dtype) is x
    True
    """
    if isinstance(op, Elementwise):
        args = _without_broadcasts(args, shape)
    elif op in REDUCTIONS:
        params = {**params, "axis": _counted(params["axis"], len(args[0].shape))}
    if args and all(a.is_constant for a in args) and op is not r.broadcast_to:  # a number repeated is best left a number
        folded = _folded(p, op, args, params, shape, dtype)
        if folded is not None:
            return folded
    for rule in RULES.get(op, ()):
        found = rule(p, args, params)
        if found is not None and found.shape == shape and found.dtype == dtype:
            found.name = found.name or name
            return found
    return p.op(op, args, params, shape, dtype, name)


def _counted(axis: Any, rank: int) -> Any:
    """The axes from the first to the last, None for all: what is equal is said equally."""
    if axis is None or not rank:
        return None
    axes = tuple(sorted(int(a) % rank for a in (axis if isinstance(axis, tuple) else (axis,))))
    return None if len(axes) == rank else axes


def make(p: Program, op: Op, *args: Value, shape: Shape | None = None, **params: Any) -> Value:
    """An op of a rule's result, simplified itself."""
    if shape is None:
        shape = np.broadcast_shapes(*(a.shape for a in args))
    value = p.op(op, args, params, shape) if not RULES.get(op) else None
    if value is not None:
        return value
    dtype = np.result_type(*[a.data if a.weak else a.dtype for a in args])
    return simplified(p, op, args, params, shape, dtype)


def _folded(
    p: Program, op: Op, args: Sequence[Value], params: Mapping[str, Any], shape: Shape, dtype: np.dtype[Any]
) -> Value | None:
    """The number itself, where all operands are constants."""
    if math.prod(shape) > max(LARGEST_FOLDED, *(a.size for a in args)):
        return None
    with np.errstate(all="ignore"):
        try:
            data = op.forward(*[a.data if a.weak else np.asarray(a.data)[()] for a in args], **params)
        except ArithmeticError:  # Python's 1 / 0: left for NumPy to answer when it runs
            return None
    if all(a.weak for a in args) and type(data) in LITERALS and not shape:
        return p.constant(data)  # still adapts to what it meets
    array = np.asarray(data)
    return p.constant(array.astype(dtype, copy=False)) if array.shape == shape else None


def _without_broadcasts(args: Sequence[Value], shape: Shape) -> Sequence[Value]:
    """Operands before they were repeated, where the operation repeats them itself."""
    plain = list(args)
    for i, a in enumerate(args):
        if a.op is r.broadcast_to:
            others = [x.shape for j, x in enumerate(plain) if j != i]
            if np.broadcast_shapes(a.args[0].shape, *others) == shape:
                plain[i] = a.args[0]
    return plain


def _is(value: Value, number: float) -> bool:
    return value.is_constant and not value.shape and bool(value.data == number)


def _number(value: Value) -> Any:
    """The number of a scalar constant, None for anything else."""
    return value.data if value.is_constant and not value.shape else None


def _same(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    return args[0]  # taken only if shape and dtype are the same


def _scalar_is_itself(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    return args[0] if not args[0].shape else None


def _times(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    a, b = args
    if _number(a) is None and _number(b) is not None:
        a, b = b, a
    k = _number(a)
    if k is None:
        return _sigmoid_after_bce(p, a, b) or _sigmoid_after_bce(p, b, a)
    if k == 1:
        return b
    if k == -1:
        return make(p, e.negative, b)
    if b.op is e.negative and _is_real(a, b.dtype):
        return make(p, e.multiply, p.constant(-k), b.args[0])
    if b.op is e.multiply and _is_real(a, b.dtype) and _is_real(b.args[0], b.dtype):
        merged = k * b.args[0].data
        if _is_normal(merged, b.dtype):
            return make(p, e.multiply, p.constant(merged), b.args[1])
    return make(p, e.multiply, a, b) if a is not args[0] else None  # the number first


def _is_real(value: Value, dtype: np.dtype[Any]) -> bool:
    """Whether a value is a number constant that computes in this dtype of floats: a Python number, or one of the dtype."""
    k = _number(value)
    if k is None or type(k) is bool or dtype.kind != "f":
        return False
    return _is_normal(k, dtype) and (value.weak or value.dtype == dtype)


def _is_normal(k: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a number has all its digits in this dtype: not 0, not infinite, not subnormal."""
    limits = np.finfo(dtype)
    return bool(limits.tiny <= abs(k) <= limits.max)


def _sigmoid_after_bce(p: Program, g: Value, slope: Value) -> Value | None:
    """(k ((1 − y)/(1 − ŷ) − y/ŷ)) ŷ (1 − ŷ) = k (ŷ − y) for ŷ = sig(u): the note's first result."""
    one = _complement(slope.args[1]) if slope.op is e.multiply else None
    if one is None or one is not slope.args[0] or one.op is not e.sigmoid or g.op is not e.multiply:
        return None
    k, difference = g.args
    if difference.op is not e.subtract or any(x.op is not e.xdivy for x in difference.args):
        return None
    (no, q), (yes, yhat) = (x.args for x in difference.args)
    if yhat is not one or _complement(q) is not one or _complement(no) is not yes or difference.shape != one.shape:
        return None
    return make(p, e.multiply, k, make(p, e.subtract, one, yes))


def _complement(value: Value) -> Value | None:
    """x, where the value is 1 − x."""
    return value.args[1] if value.op is e.subtract and _is(value.args[0], 1) else None


def _plus(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    a, b = args
    if _is(b, 0):
        return a
    if _is(a, 0):
        return b
    if b.op is e.negative:
        return make(p, e.subtract, a, b.args[0])
    if a.op is e.negative:
        return make(p, e.subtract, b, a.args[0])
    return None


def _minus(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    a, b = args
    if _is(b, 0):
        return a
    return make(p, e.add, a, b.args[0]) if b.op is e.negative else None


def _over(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    a, b = args
    dtype = result_type(args)
    if not _is_real(b, dtype) or not _is_normal(1 / b.data, dtype):
        return None
    return a if b.data == 1 else make(p, e.multiply, p.constant(1 / b.data), a)


def _to_the(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    x, n = args
    k = _number(n)
    if (
        k is None
        or type(k) is bool
        or x.dtype.kind != "f"
        or k != int(k if math.isfinite(k) else 0)
        or not 0 < abs(k) <= MOST_FACTORS
    ):
        return None
    found = x
    if abs(k) == 4:
        square = make(p, e.multiply, x, x)
        found = make(p, e.multiply, square, square)
    else:
        for _ in range(int(abs(k)) - 1):
            found = make(p, e.multiply, found, x)
    return found if k > 0 else make(p, e.divide, p.constant(1.0), found)


def _minus_of(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    (x,) = args
    if x.op is e.negative:
        return x.args[0]
    if x.op is e.subtract:
        return make(p, e.subtract, x.args[1], x.args[0])
    if x.op is e.multiply and _is_real(x.args[0], x.dtype):
        return make(p, e.multiply, p.constant(-x.args[0].data), x.args[1])
    return None


def _mean(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    (x,) = args
    n = c.count(x.shape, params["axis"])
    if not n or x.dtype.kind != "f":
        return None
    shape = _reduced(x.shape, params["axis"], params["keepdims"])
    total = simplified(p, c.sum, [x], params, shape, x.dtype)
    return make(p, e.multiply, p.constant(1 / n), total)


def _sum(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    (x,) = args
    if not x.shape:
        return x
    if x.op is not e.multiply or x.args[1].shape != x.shape or not _is_real(x.args[0], x.dtype):
        return None
    if abs(x.args[0].data) < 1:  # the sum alone might overflow
        return None
    shape = _reduced(x.shape, params["axis"], params["keepdims"])  # the factor once, not once for every term
    return make(p, e.multiply, x.args[0], simplified(p, c.sum, [x.args[1]], params, shape, x.dtype))


def _reduced(shape: Shape, axis: Any, keepdims: bool) -> Shape:
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % len(shape) for a in axes} if shape else set()
    return tuple([1 if a in gone else n for a, n in enumerate(shape) if keepdims or a not in gone])


def _transposed(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    (x,) = args
    axes = tuple([a % max(len(x.shape), 1) for a in params["axes"]])
    if axes == tuple(range(len(axes))):
        return x
    if x.op is not r.transpose:
        return None
    before = [a % len(x.shape) for a in x.params["axes"]]
    inner = x.args[0]
    both = tuple([before[a] for a in axes])
    return simplified(p, r.transpose, [inner], {"axes": both}, tuple([inner.shape[a] for a in both]), x.dtype)


def _reshaped(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    (x,) = args
    shape = (
        np.broadcast_to(np.zeros((), bool), x.shape).reshape(params["shape"]).shape if -1 in params["shape"] else params["shape"]
    )
    if x.shape == shape:
        return x
    if x.op is r.reshape:
        return simplified(p, r.reshape, x.args, {"shape": tuple(shape)}, tuple(shape), x.dtype)
    return None


# ---- tabulated ops, taken apart so that forward and backward share their pieces ---------------------------------------


def _exps(p: Program, x: Value, axis: Any) -> tuple[Value, Value, Value]:
    """x − max x, its exponentials, and their sum."""
    axis = _counted(axis, len(x.shape))
    shape = _reduced(x.shape, axis, True)
    peak = p.op(s.max, [x], {"axis": axis, "keepdims": True}, shape, x.dtype)
    z = make(p, e.subtract, x, peak)
    powers = make(p, e.exp, z)
    return z, powers, p.op(c.sum, [powers], {"axis": axis, "keepdims": True}, shape, x.dtype)


def _softmax(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    if not args[0].shape or not args[0].size or args[0].dtype.kind != "f":
        return None
    _, powers, total = _exps(p, args[0], params["axis"])
    return make(p, e.divide, powers, total)


def _log_softmax(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    if not args[0].shape or not args[0].size or args[0].dtype.kind != "f":
        return None
    z, _, total = _exps(p, args[0], params["axis"])
    return make(p, e.subtract, z, make(p, e.log, total))


def _exp(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    """exp(z − log Σ exp z) = exp z / Σ exp z."""
    (x,) = args
    if x.op is not e.subtract or x.args[1].op is not e.log:
        return None
    z, total = x.args[0], x.args[1].args[0]
    if z.op is not e.subtract or z.args[1].op is not s.max:  # it is what keeps exp z from overflowing
        return None
    if total.op is c.sum and total.params["keepdims"] and total.args[0].op is e.exp and total.args[0].args[0] is z:
        return make(p, e.divide, total.args[0], total)
    return None


def _cross_entropy(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    z, y = args
    if len(z.shape) != len(y.shape) or not z.size or z.dtype != y.dtype:
        return None
    log_p = simplified(p, t.log_softmax, [z], {"axis": len(z.shape) - 1}, z.shape, z.dtype)
    terms = make(p, e.multiply, y, log_p)
    total = simplified(p, c.sum, [terms], {"axis": None, "keepdims": False}, (), z.dtype)
    return make(p, e.multiply, p.constant(-z.shape[-1] / z.size), total)


def _bce_with_logits(p: Program, args: Sequence[Value], params: Mapping[str, Any]) -> Value | None:
    u, y = args
    if not u.size or u.shape != y.shape or u.dtype != y.dtype:
        return None
    linear = make(p, e.subtract, p.op(s.maximum, [u, p.constant(0)]), make(p, e.multiply, u, y))
    errors = make(p, e.add, linear, make(p, e.log1p, make(p, e.exp, make(p, e.negative, make(p, e.abs, u)))))
    total = simplified(p, c.sum, [errors], {"axis": None, "keepdims": False}, (), u.dtype)
    return make(p, e.multiply, p.constant(1 / u.size), total)


# fmt: off
# ---- the table: op, its rules -----------------------------------------------------------------------------------------

RULES: Mapping[Op, tuple[Rule, ...]] = {
    e.identity:        (_same,),
    DETACH:            (_same,),
    e.astype:          (_same,),
    r.broadcast_to:    (_same,),
    r.transpose:       (_transposed,),
    r.reshape:         (_reshaped,),
    e.add:             (_plus,),
    e.subtract:        (_minus,),
    e.multiply:        (_times,),
    e.divide:          (_over,),
    e.negative:        (_minus_of,),
    e.power:           (_to_the,),
    e.square:          (lambda p, args, params: make(p, e.multiply, args[0], args[0]),),
    e.exp:             (_exp,),
    c.sum:             (_sum,),
    c.mean:            (_scalar_is_itself, _mean),
    s.max:             (_scalar_is_itself,),
    s.min:             (_scalar_is_itself,),
    t.softmax:         (_softmax,),
    t.log_softmax:     (_log_softmax,),
    t.cross_entropy:   (_cross_entropy,),
    t.bce_with_logits: (_bce_with_logits,),
}
# fmt: on
