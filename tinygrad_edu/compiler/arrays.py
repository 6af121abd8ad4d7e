"""Programs of arrays: every op as NumPy calls that write into memory that is already there.

An op that has no row here is called as the engine calls it, and allocates its result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import OPS, Index, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t
from .instructions import Array, Buffer, Number, Operand
from .lower import SMALL, Lowering
from .names import UFUNCS
from .program import Value

LONGEST_DOT = 2**16  # terms: a sum as a product with ones; longer sums are added pairwise, which rounds less
LONGEST_NARROW_DOT = 2**10  # the same in float32; longer sums are added up in float64
TABLE = frozenset(OPS.values())
SIGNS = {e.add: "+", e.subtract: "-", e.multiply: "*"}


class ArrayLowering(Lowering):
    """The instructions of values, on arrays, and on NumPy's numbers where there is only one."""

    def lower(self, v: Value) -> None:
        """The instructions of one value."""
        assert v.op is not None
        row = ROWS.get(v.op)
        if not v.shape and all(not a.shape for a in v.args):
            self._number_op(v)
        elif v.op in UFUNCS:
            operands = [self.fitted(a, v.shape, _common(v)) for a in v.args]
            self.ufunc(UFUNCS[v.op], *operands, out=self.out(v))
        elif row is None or row(self, v) is False:
            self.call_forward(v)
        self._settle(v)

    def _settle(self, v: Value) -> None:
        """Bring the result to where it must be, when its row left it elsewhere."""
        forced = self.forced.get(v.place)
        found = self.where[v.place]
        if forced is not None and found is not forced:
            self.emit("{out}[...] = {0}", found, out=forced)
            if isinstance(found, Number):
                self.numbers[v.place] = found.text
            self.where[v.place] = forced

    def _number_op(self, v: Value) -> None:
        operands = [self.number(a) for a in v.args]
        name = self.name(v.name)
        if v.op in SIGNS:
            self.emit(f"{{out}} = {{0}} {SIGNS[v.op]} {{1}}", *operands, number=name)
        elif v.op is e.negative:
            self.emit("{out} = -{0}", *operands, number=name)
        else:
            self._forward(v, operands, name)
        self.where[v.place] = Number(name)

    def call_forward(self, v: Value) -> None:
        """As the engine computes it; the result is new memory, which is given back when nobody needs it."""
        operands: list[Operand] = []
        for a in v.args:
            if a.weak:
                operands.append(Number(repr(a.data)))
            else:
                operands.append(self.array(a) if a.shape else self.number(a))
        if not v.shape:
            name = self.name(v.name)
            self._forward(v, operands, name)
            self.where[v.place] = Number(name)
            return
        result = self.buffer(v.shape, v.dtype, "given", v.name)
        self._forward(v, operands, result.buffer.name)
        self.where[v.place] = result

    def _forward(self, v: Value, operands: Sequence[Operand], name: str) -> None:
        assert v.op is not None
        function = self.name(f"{v.op.name}_") if v.params else self._function(v.op)
        forward = v.op.forward
        if v.op in (e.divide, e.power):  # Python's own operators raise where NumPy gives inf or nan
            forward = UFUNCS[v.op]
        if v.op not in TABLE:
            forward = _fresh(forward)
        call = _with_params(forward, dict(v.params)) if v.params else forward
        places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
        self.emit(f"{{out}} = {function}({places})", *operands, number=name, uses={function: call})

    def _function(self, op: Op) -> str:
        key = ("function", op)
        if key not in self.cells:
            self.cells[key] = Array(Buffer(self.name(f"{op.name}_"), (), np.dtype(bool), "constant"), (), ())
        return self.cells[key].buffer.name


def _common(v: Value) -> np.dtype[Any]:
    """The dtype that Python numbers among the operands adapt to."""
    return np.result_type(*[a.data if a.weak else a.dtype for a in v.args])


def _fresh(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The forward of somebody's own op, whose result may be its operand, in memory that is used for something else later."""

    def run(*args: Any, **params: Any) -> Any:
        y = forward(*args, **params)
        return y.copy() if isinstance(y, np.ndarray) and (y.base is not None or any(y is a for a in args)) else y

    return run


def _with_params(forward: Callable[..., Any], params: dict[str, Any]) -> Callable[..., Any]:
    return lambda *args: forward(*args, **params)


# ---- elementwise ops in several steps --------------------------------------------------------------------------------


def _sigmoid(low: ArrayLowering, v: Value) -> None:
    x, out = low.array(v.args[0]), low.out(v)
    low.ufunc(np.negative, x, out=out)
    low.ufunc(np.exp, out, out=out)
    low.ufunc(np.add, out, low.cell(1, v.dtype), out=out)
    low.ufunc(np.reciprocal, out, out=out)


def _log1p_exp(low: ArrayLowering, v: Value) -> Array:
    """log(1 + exp(−|x|)), which never overflows."""
    tail = low.buffer(v.shape, v.dtype)
    low.ufunc(np.abs, low.array(v.args[0]), out=tail)
    low.ufunc(np.negative, tail, out=tail)
    low.ufunc(np.exp, tail, out=tail)
    low.ufunc(np.log1p, tail, out=tail)
    return tail


def _softplus(low: ArrayLowering, v: Value) -> None:
    tail, out = _log1p_exp(low, v), low.out(v)
    low.ufunc(np.maximum, low.array(v.args[0]), low.cell(0, v.dtype), out=out)
    low.ufunc(np.add, out, tail, out=out)


def _log_sigmoid(low: ArrayLowering, v: Value) -> None:
    tail, out = _log1p_exp(low, v), low.out(v)
    low.ufunc(np.minimum, low.array(v.args[0]), low.cell(0, v.dtype), out=out)
    low.ufunc(np.subtract, out, tail, out=out)


def _relu(low: ArrayLowering, v: Value) -> None:
    low.ufunc(np.maximum, low.array(v.args[0]), low.cell(0, v.dtype), out=low.out(v))


def _silu(low: ArrayLowering, v: Value) -> None:
    x, share = low.array(v.args[0]), low.buffer(v.shape, v.dtype)
    low.ufunc(np.negative, x, out=share)
    low.ufunc(np.exp, share, out=share)
    low.ufunc(np.add, share, low.cell(1, v.dtype), out=share)
    low.ufunc(np.reciprocal, share, out=share)
    low.ufunc(np.multiply, x, share, out=low.out(v))


def _where(low: ArrayLowering, v: Value) -> bool | None:
    condition, a, b = v.args
    if condition.dtype.kind != "b":
        return False
    test, chosen = low.array(condition), low.array(a, v.dtype)
    otherwise = low.array(b, v.dtype)
    out = low.out(v)
    low.emit("{out}[...] = {0}", otherwise, out=out)
    low.emit("copyto({out}, {0}, where={1})", chosen, test, out=out)
    return None


def _clip(low: ArrayLowering, v: Value) -> None:
    x, below, above = (low.fitted(a, v.shape, v.dtype) for a in v.args)
    out = low.out(v)
    low.emit("maximum({0}, {1}, out={out})", x, below, above, out=out, uses={"maximum": np.maximum})
    low.ufunc(np.minimum, out, above, out=out)


def _astype(low: ArrayLowering, v: Value) -> None:
    low.emit("copyto({out}, {0}, 'unsafe')", low.array(v.args[0]), out=low.out(v))


def _same(low: ArrayLowering, v: Value) -> None:
    low.where[v.place] = low.array(v.args[0])


# ---- views ----------------------------------------------------------------------------------------------------------


def _transpose(low: ArrayLowering, v: Value) -> None:
    x = low.array(v.args[0])
    low.where[v.place] = x.then(("transpose", tuple([a % len(x.shape) for a in v.params["axes"]])), v.shape)


def _reshape(low: ArrayLowering, v: Value) -> None:
    x = low.array(v.args[0])
    if x.is_whole or not x.buffer.is_static:
        low.where[v.place] = x.reshaped(v.shape)
        return
    out = low.out(v)  # the numbers of a view are put in order first
    low.emit("{out}[...] = {0}", x, out=out.reshaped(x.shape))


def _broadcast(low: ArrayLowering, v: Value) -> None:
    low.emit("{out}[...] = {0}", low.array(v.args[0], v.dtype), out=low.out(v))


def _flip(low: ArrayLowering, v: Value) -> None:
    x, axes = low.array(v.args[0]), v.params["axes"]
    rank = len(x.shape)
    chosen = range(rank) if axes is None else axes if isinstance(axes, tuple) else (axes,)
    turned = {a % rank for a in chosen} if rank else set()
    key = tuple([slice(None, None, -1) if a in turned else slice(None) for a in range(rank)])
    low.where[v.place] = x.then(("at", key), v.shape)


def _getitem(low: ArrayLowering, v: Value) -> bool | None:
    if len(v.args) > 1 or any(isinstance(k, Index) for k in v.params["key"]):
        return False
    low.where[v.place] = low.array(v.args[0]).then(("at", _open_key(v.params["key"])), v.shape)
    return None


def _open_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """With an ellipsis, a key of numbers too gives a 0-d view and not a number."""
    return key if Ellipsis in [k for k in key if not isinstance(k, slice)] else (*key, Ellipsis)


def _scatter(low: ArrayLowering, v: Value) -> bool | None:
    if len(v.args) > 1 or any(isinstance(k, Index) for k in v.params["key"]):
        return False
    key, g = _open_key(v.params["key"]), low.array(v.args[0])
    out = low.out(v)
    low.emit("{out}.fill(0)", out=out)
    inside = np.broadcast_to(np.zeros((), bool), v.shape)[key].shape
    low.emit("{out}[...] = {0}", g, out=out.then(("at", key), inside))
    return None


def _pad(low: ArrayLowering, v: Value) -> None:
    x, out = low.array(v.args[0]), low.out(v)
    key = tuple([slice(before, before + n) for n, (before, _) in zip(x.shape, v.params["widths"], strict=True)])
    low.emit(f"{{out}}.fill({v.params['value']!r})", out=out)
    low.emit("{out}[...] = {0}", x, out=out.then(("at", key), x.shape) if key else out)


def _concatenate(low: ArrayLowering, v: Value) -> None:
    parts = [low.array(a, v.dtype) for a in v.args]
    out = low.out(v)
    axis, starts = v.params["axis"] % len(v.shape), v.params["starts"]
    for part, start in zip(parts, starts, strict=False):
        key = (*[slice(None)] * axis, slice(start, start + part.shape[axis]))
        low.emit("{out}[...] = {0}", part, out=out.then(("at", key), part.shape))


def _stack(low: ArrayLowering, v: Value) -> None:
    parts = [low.array(a, v.dtype) for a in v.args]
    out = low.out(v)
    axis = v.params["axis"] % len(v.shape)
    for i, part in enumerate(parts):
        key = (*[slice(None)] * axis, i, Ellipsis)
        low.emit("{out}[...] = {0}", part, out=out.then(("at", key), part.shape))


def _windows(low: ArrayLowering, v: Value) -> None:
    low.where[v.place] = low.array(v.args[0]).then(("windows", v.params["sizes"], v.params["axes"]), v.shape)


def _overlap_add(low: ArrayLowering, v: Value) -> None:
    g, out = low.array(v.args[0]), low.out(v)
    low.emit("{out}.fill(0)", out=out)
    for offsets in np.ndindex(*v.params["sizes"]):
        start = [0] * len(v.shape)
        for axis, offset in zip(v.params["axes"], offsets, strict=True):
            start[axis] += offset
        shape = g.shape[: len(v.shape)]
        at = tuple([slice(first, first + n) for first, n in zip(start, shape, strict=True)])
        place = out.then(("at", at), shape)
        low.emit("add({1}, {0}, {out})", g.then(("at", (..., *offsets)), shape), place, out=place, uses={"add": np.add})


# ---- sums of products -----------------------------------------------------------------------------------------------


def _matmul(low: ArrayLowering, v: Value) -> bool | None:
    a, b = (low.array(x) for x in v.args)
    if not a.buffer.dtype == b.buffer.dtype == v.dtype or v.dtype.kind != "f":
        return False
    if not v.shape:
        name = low.name(v.name)
        low.emit("{out} = {0}.dot({1})", a, b, number=name)
        low.where[v.place] = Number(name)
    elif len(a.shape) < 3 and len(b.shape) < 3:
        low.emit("{0}.dot({1}, {out})", a, b, out=low.out(v))
    else:
        low.emit("matmul({0}, {1}, {out})", a, b, out=low.out(v))
    return None


def _outer(low: ArrayLowering, v: Value) -> bool | None:
    a, b = (low.array(x) for x in v.args)
    if not a.buffer.dtype == b.buffer.dtype == v.dtype:
        return False
    column, row = a.reshaped((a.shape[0], 1)), b.reshaped((1, b.shape[0]))
    if not (a.is_whole and b.is_whole):
        column, row = a.then(("at", (slice(None), None)), column.shape), b.then(("at", (None, slice(None))), row.shape)
    if math.prod(v.shape) <= 4 * SMALL and v.dtype.kind == "f":
        low.emit("{0}.dot({1}, {out})", column, row, out=low.out(v))
    else:
        low.emit("multiply({0}, {1}, {out})", column, row, out=low.out(v), uses={"multiply": np.multiply})
    return None


def _sum(low: ArrayLowering, v: Value) -> bool | None:
    x = low.array(v.args[0])
    dtype, axis, rank = v.dtype, v.params["axis"], len(x.shape)
    if dtype.kind != "f" or x.buffer.dtype != dtype:
        return False
    axes = sorted({a % rank for a in (range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,))})
    terms = math.prod(x.shape[a] for a in axes)
    if 0 < terms <= (LONGEST_DOT if dtype.itemsize >= 8 else LONGEST_NARROW_DOT) and v.args[0].size and x.is_whole:
        if len(axes) == rank:
            name = low.name(v.name)
            low.emit("{out} = {0}.dot({1})", low.ones(terms, dtype), x.reshaped((terms,)), number=name)
            _numbered(low, v, name)
            return None
        rest = v.args[0].size // terms
        if axes == list(range(len(axes))):
            low.emit("{0}.dot({1}, {out})", low.ones(terms, dtype), x.reshaped((terms, rest)), out=low.out(v).reshaped((rest,)))
            return None
        if axes == list(range(rank - len(axes), rank)):
            low.emit("{0}.dot({1}, {out})", x.reshaped((rest, terms)), low.ones(terms, dtype), out=low.out(v).reshaped((rest,)))
            return None
    narrow = dtype.itemsize < 8  # running sums in float32 stand still at 2**24
    if not v.shape:
        name = low.name(v.name)
        call = f"{dtype.name}(reduce_add({{0}}, {tuple(axes)!r}, float64))" if narrow else f"reduce_add({{0}}, {tuple(axes)!r})"
        low.emit(f"{{out}} = {call}", x, number=name, uses={dtype.name: dtype.type, "float64": np.float64})
        low.where[v.place] = Number(name)
        return None
    wide, kept = "float64" if narrow else "None", v.params["keepdims"]
    low.emit(f"reduce_add({{0}}, {tuple(axes)!r}, {wide}, {{out}}, {kept})", x, out=low.out(v), uses={"float64": np.float64})
    return None


def _numbered(low: ArrayLowering, v: Value, name: str) -> None:
    """A sum of all numbers, which with keepdims is an array of one number."""
    if not v.shape:
        low.where[v.place] = Number(name)
        return
    low.emit("{out}[...] = {0}", Number(name), out=low.out(v))


def _extreme(reduce: str) -> Callable[[ArrayLowering, Value], bool | None]:
    def row(low: ArrayLowering, v: Value) -> bool | None:
        x = low.array(v.args[0])
        if not v.shape or not x.is_whole or not x.buffer.is_static:
            return False  # NumPy before 2.2 gives wrong numbers with out for negative strides
        low.emit(f"{reduce}({{0}}, {v.params['axis']!r}, None, {{out}}, {v.params['keepdims']})", x, out=low.out(v))
        return None

    return row


def _cumsum(low: ArrayLowering, v: Value) -> bool | None:
    if v.dtype.itemsize < 8 or v.params["axis"] is None or v.args[0].dtype != v.dtype:
        return False
    low.emit(f"accumulate({{0}}, {int(v.params['axis'])}, None, {{out}})", low.array(v.args[0]), out=low.out(v))
    return None


def _einsum(low: ArrayLowering, v: Value) -> bool | None:
    if not v.shape or len(v.args) > 2:
        return False
    operands = [low.array(a) for a in v.args]
    places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
    low.emit(f"einsum({v.params['equation']!r}, {places}, out={{out}})", *operands, out=low.out(v))
    return None


# ---- losses ---------------------------------------------------------------------------------------------------------


def _bce(low: ArrayLowering, v: Value) -> bool | None:
    """y · log ŷ and (1 − y) · log(1 − ŷ) as dot products; where 0 · log 0 makes that NaN, the op's own forward answers."""
    p, y = (low.array(a) for a in v.args)
    n = v.args[0].size
    whole = p.is_whole and y.is_whole and p.shape == y.shape and p.buffer.dtype == y.buffer.dtype == v.dtype
    longest = {8: LONGEST_DOT, 4: LONGEST_NARROW_DOT}.get(v.dtype.itemsize, 0)
    if not whole or not 0 < n <= longest:
        return False
    yes, no = low.buffer((n,), v.dtype), low.buffer((n,), v.dtype)
    p, y = p.reshaped((n,)), y.reshaped((n,))
    low.ufunc(np.negative, p, out=no)
    low.ufunc(np.log1p, no, out=no)
    low.ufunc(np.log, p, out=yes)
    low.ufunc(np.subtract, yes, no, out=yes)
    name, forward = low.name(v.name), low.name("bce_")
    low.emit(f"{{out}} = ({{0}}.dot({{1}}) + {{2}}.dot({{3}})) / {-float(n)!r}", y, yes, low.ones(n, v.dtype), no, number=name)
    low.emit(f"if {{out}} != {{out}}: {{out}} = {forward}({{0}}, {{1}})", p, y, number=name, uses={forward: t.bce.forward})
    low.where[v.place] = Number(name)
    return None


# fmt: off
# ---- the table: op, its instructions ----------------------------------------------------------------------------------

ROWS: Mapping[Op, Callable[[ArrayLowering, Value], bool | None]] = {
    e.sigmoid:      _sigmoid,
    e.softplus:     _softplus,
    e.log_sigmoid:  _log_sigmoid,
    e.relu:         _relu,
    e.silu:         _silu,
    e.astype:       _astype,
    e.identity:     _same,
    s.where:        _where,
    s.clip:         _clip,
    r.transpose:    _transpose,
    r.reshape:      _reshape,
    r.broadcast_to: _broadcast,
    r.flip:         _flip,
    r.getitem:      _getitem,
    r.scatter:      _scatter,
    r.pad:          _pad,
    r.concatenate:  _concatenate,
    r.stack:        _stack,
    r.windows:      _windows,
    r.overlap_add:  _overlap_add,
    c.matmul:       _matmul,
    c.outer:        _outer,
    c.sum:          _sum,
    c.cumsum:       _cumsum,
    c.einsum:       _einsum,
    s.max:          _extreme("reduce_max"),
    s.min:          _extreme("reduce_min"),
    t.bce:          _bce,
}
# fmt: on
