"""From values to instructions: every op of the program as NumPy calls that write into memory that is already there.

An op that has no row here is called as the engine calls it, and allocates its result.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import Index, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t
from ..record import NO_PARAMS
from .instructions import Array, Buffer, Home, Instruction, Number, Operand
from .program import Shape, Value

SMALL = 2048  # numbers: up to here, repeating an operand first is faster than a broadcasting operation
LONGEST_DOT = 2**16  # terms: a sum as a product with ones; longer sums are added pairwise, which rounds less
LONGEST_NAME = 30

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

SIGNS = {e.add: "+", e.subtract: "-", e.multiply: "*"}


class Names:
    """Names of Python that are still free, like the wished ones.

    Examples
    --------
    >>> names = Names(["x"])
    >>> names.new("x"), names.new("x"), names.new("a b"), names.new()
    ('x_1', 'x_2', 'a_b', 't1')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = {*FUNCTIONS, *(u.__name__ for u in UFUNCS.values()), "reciprocal", *keyword.kwlist, *taken}
        self._counts: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.taken)

    def new(self, wish: str = "") -> str:
        """A name, taken from now on."""
        text = re.sub(r"\W+", "_", wish, flags=re.ASCII).strip("_")[:LONGEST_NAME]
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


class Lowering:
    """Instructions while they are written.

    Parameters
    ----------
    taken : iterable of str
        Names that are not free.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.instructions: list[Instruction] = []
        self.name = Names(taken).new
        self.where: dict[int, Operand] = {}
        self.numbers: dict[int, str] = {}  # variables that hold the number of a 0-d array
        self.cells: dict[Any, Array] = {}
        self.forced: dict[int, Array] = {}  # where the result of a value must be written

    def constants(self) -> dict[str, Any]:
        """The NumPy numbers that the program names."""
        return {x.buffer.name: x.buffer.data for x in self.cells.values() if x.buffer.data is not None and not x.shape}

    # ---- buffers and operands -----------------------------------------------------------------------------------------

    def buffer(self, shape: Shape, dtype: np.dtype[Any], home: Home = "arena", name: str = "", data: Any = None) -> Array:
        """New memory."""
        return Array(Buffer(self.name(name), tuple(shape), dtype, home, data), (), tuple(shape))

    def constant(self, data: Any, name: str = "") -> Array:
        """An array that never changes."""
        array = np.ascontiguousarray(data).reshape(np.shape(data))
        return self.buffer(array.shape, array.dtype, "constant", name, array)

    def cell(self, number: Any, dtype: np.dtype[Any]) -> Array:
        """A constant number as a 0-d array: ufuncs take one twice as fast as a Python number."""
        key = (repr(number), dtype)
        if key not in self.cells:
            wish = {1: "one", 0: "zero"}.get(number) or _spelled("c", number)
            self.cells[key] = self.constant(np.asarray(number, dtype), wish)
        return self.cells[key]

    def ones(self, n: int, dtype: np.dtype[Any]) -> Array:
        """n ones: the product with them is a sum."""
        key = ("ones", n, dtype)
        if key not in self.cells:
            self.cells[key] = self.constant(np.ones(n, dtype), f"ones{n}")
        return self.cells[key]

    def out(self, v: Value) -> Array:
        """Where the array of this value goes."""
        found = self.forced.get(v.place)
        if found is None:
            found = self.buffer(v.shape, v.dtype, "arena", v.name)
        self.where[v.place] = found
        return found

    def array(self, v: Value, like: np.dtype[Any] | None = None) -> Array:
        """The value as an array; a number as a 0-d array of the dtype it adapts to."""
        found = self.where.get(v.place)
        if isinstance(found, Array):
            return found
        if v.is_constant:
            if not v.shape:
                return self.cell(v.data, like if like is not None and v.weak else v.dtype)
            self.where[v.place] = stored = self.constant(v.data, v.name)
            return stored
        assert found is not None
        cell = self.buffer((), v.dtype, "arena", found.text)
        self.emit("{out}[()] = {0}", found, out=cell)
        self.where[v.place] = cell
        self.numbers[v.place] = found.text
        return cell

    def number(self, v: Value) -> Number:
        """The value as a number."""
        if v.is_constant:
            if not v.weak:
                return Number(self.literal(v))
            return Number(repr(v.data) if v.data >= 0 else f"({v.data!r})")
        found = self.where[v.place]
        if isinstance(found, Number):
            return found
        if v.place not in self.numbers:
            name = self.name(f"{found.buffer.name}_")
            self.emit("{out} = {0}[()]", found, number=name)
            self.numbers[v.place] = name
        return Number(self.numbers[v.place])

    def literal(self, v: Value) -> str:
        """A NumPy number as a name."""
        key = ("literal", repr(v.data), v.dtype)
        if key not in self.cells:
            self.cells[key] = self.buffer((), v.dtype, "constant", _spelled("k", v.data), v.data)
        return self.cells[key].buffer.name

    def fitted(self, v: Value, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """An operand of an elementwise operation: of the full shape or a 0-d array, where that is faster than broadcasting."""
        x = self.array(v, dtype)
        if x.shape == shape or not x.shape:
            return x
        if math.prod(x.shape) == 1 and len(x.shape) <= len(shape):
            return x.reshaped(())
        if 0 < math.prod(shape) <= SMALL:
            wide = self.buffer(shape, x.buffer.dtype)
            self.emit("{out}[...] = {0}", x, out=wide)
            return wide
        return x

    # ---- instructions -------------------------------------------------------------------------------------------------

    def emit(
        self,
        text: str,
        *operands: Operand,
        out: Array | None = None,
        number: str = "",
        aliasing: bool = False,
        uses: Mapping[str, Any] = NO_PARAMS,
    ) -> None:
        """Add an instruction."""
        self.instructions.append(Instruction(text, operands, out, number, aliasing, uses))

    def ufunc(self, f: np.ufunc, *operands: Operand, out: Array) -> None:
        """``f(*operands, out)``, place by place."""
        places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
        last = "out={out}" if f in (np.maximum, np.minimum) else "{out}"  # NumPy wants the keyword of these two
        self.emit(f"{f.__name__}({places}, {last})", *operands, out=out, aliasing=True, uses={f.__name__: f})

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
        call = _with_params(forward, dict(v.params)) if v.params else forward
        places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
        self.emit(f"{{out}} = {function}({places})", *operands, number=name, uses={function: call})

    def _function(self, op: Op) -> str:
        key = ("function", op)
        if key not in self.cells:
            self.cells[key] = Array(Buffer(self.name(f"{op.name}_"), (), np.dtype(bool), "constant"), (), ())
        return self.cells[key].buffer.name


def _spelled(letter: str, number: Any) -> str:
    """A constant as a name: c0p25, cm1."""
    return letter + f"{float(number):g}".replace("-", "m").replace(".", "p").replace("+", "")


def _common(v: Value) -> np.dtype[Any]:
    """The dtype that Python numbers among the operands adapt to."""
    return np.result_type(*[a.data if a.weak else a.dtype for a in v.args])


def _with_params(forward: Callable[..., Any], params: dict[str, Any]) -> Callable[..., Any]:
    return lambda *args: forward(*args, **params)


# ---- elementwise ops in several steps --------------------------------------------------------------------------------


def _sigmoid(low: Lowering, v: Value) -> None:
    x, out = low.array(v.args[0]), low.out(v)
    low.ufunc(np.negative, x, out=out)
    low.ufunc(np.exp, out, out=out)
    low.ufunc(np.add, out, low.cell(1, v.dtype), out=out)
    low.ufunc(np.reciprocal, out, out=out)


def _softplus(low: Lowering, v: Value) -> None:
    x, tail = low.array(v.args[0]), low.buffer(v.shape, v.dtype)
    low.ufunc(np.abs, x, out=tail)
    low.ufunc(np.negative, tail, out=tail)
    low.ufunc(np.exp, tail, out=tail)
    low.ufunc(np.log1p, tail, out=tail)
    out = low.out(v)
    low.ufunc(np.maximum, x, low.cell(0, v.dtype), out=out)
    low.ufunc(np.add, out, tail, out=out)


def _log_sigmoid(low: Lowering, v: Value) -> None:
    x, tail = low.array(v.args[0]), low.buffer(v.shape, v.dtype)
    low.ufunc(np.abs, x, out=tail)
    low.ufunc(np.negative, tail, out=tail)
    low.ufunc(np.exp, tail, out=tail)
    low.ufunc(np.log1p, tail, out=tail)
    out = low.out(v)
    low.ufunc(np.minimum, x, low.cell(0, v.dtype), out=out)
    low.ufunc(np.subtract, out, tail, out=out)


def _relu(low: Lowering, v: Value) -> None:
    low.ufunc(np.maximum, low.array(v.args[0]), low.cell(0, v.dtype), out=low.out(v))


def _silu(low: Lowering, v: Value) -> None:
    x, share = low.array(v.args[0]), low.buffer(v.shape, v.dtype)
    low.ufunc(np.negative, x, out=share)
    low.ufunc(np.exp, share, out=share)
    low.ufunc(np.add, share, low.cell(1, v.dtype), out=share)
    low.ufunc(np.reciprocal, share, out=share)
    low.ufunc(np.multiply, x, share, out=low.out(v))


def _where(low: Lowering, v: Value) -> bool | None:
    condition, a, b = v.args
    if condition.dtype.kind != "b":
        return False
    test, chosen = low.array(condition), low.array(a, v.dtype)
    otherwise = low.array(b, v.dtype)
    out = low.out(v)
    low.emit("{out}[...] = {0}", otherwise, out=out)
    low.emit("copyto({out}, {0}, where={1})", chosen, test, out=out)
    return None


def _clip(low: Lowering, v: Value) -> None:
    x, below, above = (low.fitted(a, v.shape, v.dtype) for a in v.args)
    out = low.out(v)
    low.emit("maximum({0}, {1}, out={out})", x, below, above, out=out, uses={"maximum": np.maximum})
    low.ufunc(np.minimum, out, above, out=out)


def _astype(low: Lowering, v: Value) -> None:
    low.emit("copyto({out}, {0}, 'unsafe')", low.array(v.args[0]), out=low.out(v))


def _same(low: Lowering, v: Value) -> None:
    low.where[v.place] = low.array(v.args[0])


# ---- views ----------------------------------------------------------------------------------------------------------


def _transpose(low: Lowering, v: Value) -> None:
    x = low.array(v.args[0])
    low.where[v.place] = x.then(("transpose", tuple([a % len(x.shape) for a in v.params["axes"]])), v.shape)


def _reshape(low: Lowering, v: Value) -> None:
    x = low.array(v.args[0])
    if x.is_whole or not x.buffer.is_static:
        low.where[v.place] = x.reshaped(v.shape)
        return
    out = low.out(v)  # the numbers of a view are put in order first
    low.emit("{out}[...] = {0}", x, out=out.reshaped(x.shape))


def _broadcast(low: Lowering, v: Value) -> None:
    low.emit("{out}[...] = {0}", low.array(v.args[0], v.dtype), out=low.out(v))


def _flip(low: Lowering, v: Value) -> None:
    x, axes = low.array(v.args[0]), v.params["axes"]
    rank = len(x.shape)
    chosen = range(rank) if axes is None else axes if isinstance(axes, tuple) else (axes,)
    turned = {a % rank for a in chosen} if rank else set()
    key = tuple([slice(None, None, -1) if a in turned else slice(None) for a in range(rank)])
    low.where[v.place] = x.then(("at", key), v.shape)


def _getitem(low: Lowering, v: Value) -> bool | None:
    if len(v.args) > 1 or any(isinstance(k, Index) for k in v.params["key"]):
        return False
    low.where[v.place] = low.array(v.args[0]).then(("at", _open_key(v.params["key"])), v.shape)
    return None


def _open_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """With an ellipsis, a key of numbers too gives a 0-d view and not a number."""
    return key if Ellipsis in [k for k in key if not isinstance(k, slice)] else (*key, Ellipsis)


def _scatter(low: Lowering, v: Value) -> bool | None:
    if len(v.args) > 1 or any(isinstance(k, Index) for k in v.params["key"]):
        return False
    key, g = _open_key(v.params["key"]), low.array(v.args[0])
    out = low.out(v)
    low.emit("{out}.fill(0)", out=out)
    inside = np.broadcast_to(np.zeros((), bool), v.shape)[key].shape
    low.emit("{out}[...] = {0}", g, out=out.then(("at", key), inside))
    return None


def _pad(low: Lowering, v: Value) -> None:
    x, out = low.array(v.args[0]), low.out(v)
    key = tuple([slice(before, before + n) for n, (before, _) in zip(x.shape, v.params["widths"], strict=True)])
    low.emit(f"{{out}}.fill({v.params['value']!r})", out=out)
    low.emit("{out}[...] = {0}", x, out=out.then(("at", key), x.shape) if key else out)


def _concatenate(low: Lowering, v: Value) -> None:
    parts = [low.array(a, v.dtype) for a in v.args]
    out = low.out(v)
    axis, starts = v.params["axis"] % len(v.shape), v.params["starts"]
    for part, start in zip(parts, starts, strict=False):
        key = (*[slice(None)] * axis, slice(start, start + part.shape[axis]))
        low.emit("{out}[...] = {0}", part, out=out.then(("at", key), part.shape))


def _stack(low: Lowering, v: Value) -> None:
    parts = [low.array(a, v.dtype) for a in v.args]
    out = low.out(v)
    axis = v.params["axis"] % len(v.shape)
    for i, part in enumerate(parts):
        key = (*[slice(None)] * axis, i, Ellipsis)
        low.emit("{out}[...] = {0}", part, out=out.then(("at", key), part.shape))


def _windows(low: Lowering, v: Value) -> None:
    low.where[v.place] = low.array(v.args[0]).then(("windows", v.params["sizes"], v.params["axes"]), v.shape)


def _overlap_add(low: Lowering, v: Value) -> None:
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


def _matmul(low: Lowering, v: Value) -> bool | None:
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


def _outer(low: Lowering, v: Value) -> bool | None:
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


def _sum(low: Lowering, v: Value) -> bool | None:
    x = low.array(v.args[0])
    dtype, axis, rank = v.dtype, v.params["axis"], len(x.shape)
    if dtype.kind != "f" or x.buffer.dtype != dtype:
        return False
    axes = sorted({a % rank for a in (range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,))})
    terms = math.prod(x.shape[a] for a in axes)
    exact = dtype.itemsize >= 8  # narrower floats are added up in float64
    if exact and 0 < terms <= LONGEST_DOT and v.args[0].size and x.is_whole:
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
    if not exact:
        return False
    if not v.shape:
        name = low.name(v.name)
        low.emit(f"{{out}} = reduce_add({{0}}, {tuple(axes)!r})", x, number=name)
        low.where[v.place] = Number(name)
        return None
    kept = v.params["keepdims"]
    low.emit(f"reduce_add({{0}}, {tuple(axes)!r}, None, {{out}}, {kept})", x, out=low.out(v))
    return None


def _numbered(low: Lowering, v: Value, name: str) -> None:
    """A sum of all numbers, which with keepdims is an array of one number."""
    if not v.shape:
        low.where[v.place] = Number(name)
        return
    low.emit("{out}[...] = {0}", Number(name), out=low.out(v))


def _extreme(reduce: str) -> Callable[[Lowering, Value], bool | None]:
    def row(low: Lowering, v: Value) -> bool | None:
        if not v.shape:
            return False
        axis, kept = v.params["axis"], v.params["keepdims"]
        low.emit(f"{reduce}({{0}}, {axis!r}, None, {{out}}, {kept})", low.array(v.args[0]), out=low.out(v))
        return None

    return row


def _cumsum(low: Lowering, v: Value) -> bool | None:
    if v.dtype.itemsize < 8 or v.params["axis"] is None or v.args[0].dtype != v.dtype:
        return False
    low.emit(f"accumulate({{0}}, {v.params['axis']}, None, {{out}})", low.array(v.args[0]), out=low.out(v))
    return None


def _einsum(low: Lowering, v: Value) -> bool | None:
    if not v.shape or len(v.args) > 2:
        return False
    operands = [low.array(a) for a in v.args]
    places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
    low.emit(f"einsum({v.params['equation']!r}, {places}, out={{out}})", *operands, out=low.out(v))
    return None


# ---- losses ---------------------------------------------------------------------------------------------------------


def _bce(low: Lowering, v: Value) -> bool | None:
    """y · log ŷ and (1 − y) · log(1 − ŷ) as dot products; where 0 · log 0 makes that NaN, the op's own forward answers."""
    p, y = (low.array(a) for a in v.args)
    n = v.args[0].size
    whole = p.is_whole and y.is_whole and p.shape == y.shape and p.buffer.dtype == y.buffer.dtype == v.dtype
    if not whole or not 0 < n <= LONGEST_DOT or v.dtype != np.float64:
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

ROWS: Mapping[Op, Callable[[Lowering, Value], bool | None]] = {
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
