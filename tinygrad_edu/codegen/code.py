"""Operations as NumPy code: one line for each op of the table, and helpers for those that are longer."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import Index, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t
from .expression import ATOM, COMPARE, POWER, PRODUCT, SUM, UNARY, Code, after, call, infix
from .places import flat_places

Shapes = Sequence[tuple[int, ...]]


class NoCodeError(ValueError):
    """An op that is not in the table has no NumPy code."""


INFIX = {
    e.add: ("+", SUM), e.subtract: ("-", SUM), e.multiply: ("*", PRODUCT), e.divide: ("/", PRODUCT),
    c.matmul: ("@", PRODUCT), e.equal: ("==", COMPARE), e.not_equal: ("!=", COMPARE), e.less: ("<", COMPARE),
    e.less_equal: ("<=", COMPARE), e.greater: (">", COMPARE), e.greater_equal: (">=", COMPARE),
}  # fmt: skip

_FUNCTIONS = {
    e.abs: "abs", e.sqrt: "sqrt", e.exp: "exp", e.expm1: "expm1", e.log: "log", e.log1p: "log1p", e.sin: "sin", e.cos: "cos",
    e.tan: "tan", e.sinh: "sinh", e.cosh: "cosh", e.tanh: "tanh", e.sign: "sign", e.floor: "floor", e.ceil: "ceil",
    e.logical_and: "logical_and", e.logical_or: "logical_or", e.logical_not: "logical_not", s.where: "where",
    s.maximum: "maximum", s.minimum: "minimum", e.square: "square", e.isnan: "isnan", e.isfinite: "isfinite",
}  # fmt: skip

# What the Array API standard calls otherwise.
_STANDARD = {e.arctan: ("arctan", "atan"), e.rint: ("rint", "round")}

# Ops that take numbers of several kinds; the Array API standard has all operands of one kind.
MIXING = frozenset((
    e.add, e.subtract, e.multiply, e.divide, e.power, e.xdivy, e.leaky_relu, e.elu, e.celu, c.matmul, c.outer, c.einsum, s.where,
    s.maximum, s.minimum, s.clip, t.bce, t.bce_with_logits, r.concatenate, r.stack,
))  # fmt: skip
SUMMING = frozenset((c.sum, c.mean, c.cumsum, c.trace))
COMPARING = frozenset(op for op, (_, binding) in INFIX.items() if binding == COMPARE)

# Helpers: their name and their text in terms of {np}.
HELPERS: Mapping[Op, tuple[str, str]] = {
    e.sigmoid: ("sig", "def sig(u):\n    return 1 / (1 + {np}.exp(-u))"),
    e.log_sigmoid: (
        "log_sig",
        "def log_sig(u):\n    return -({np}.maximum(-u, {zero}) + {np}.log1p({np}.exp(-{np}.abs(u))))",
    ),
    e.softplus: ("softplus", "def softplus(u):\n    return {np}.maximum(u, {zero}) + {np}.log1p({np}.exp(-{np}.abs(u)))"),
    e.relu: ("relu", "def relu(u):\n    return {np}.maximum(u, {zero})"),
    e.silu: ("silu", "def silu(u):\n    return u / (1 + {np}.exp(-u))"),
    e.gelu: (
        "gelu",
        f"def gelu(u):\n    return 0.5 * u * (1 + {{np}}.tanh({e.GELU_A!r} * (u + {e.GELU_B!r} * u * u * u)))",
    ),
    e.leaky_relu: ("leaky_relu", "def leaky_relu(u, slope):\n    return {np}.where(u > 0, u, slope * u)"),
    e.elu: ("elu", "def elu(u, alpha):\n    return {np}.where(u > 0, u, alpha * {np}.expm1({np}.minimum(u, {zero})))"),
    e.celu: ("celu", "def celu(u, alpha):\n    return {np}.where(u > 0, u, alpha * {np}.expm1({np}.minimum(u, {zero}) / alpha))"),
    e.selu: (
        "selu",
        f"def selu(u):\n    low = {e.SELU_ALPHA!r} * {{np}}.expm1({{np}}.minimum(u, {{zero}}))\n"
        f"    return {e.SELU_SCALE!r} * {{np}}.where(u > 0, u, low)",
    ),
    s.clip: ("clip", "def clip(x, low, high):\n    return {np}.minimum({np}.maximum(x, low), high)"),
    t.softmax: (
        "softmax",
        "def softmax(z, axis):\n    e = {np}.exp(z - {np}.max(z, axis=axis, keepdims=True))\n"
        "    return e / {np}.sum(e, axis=axis, keepdims=True)",
    ),
    t.log_softmax: (
        "log_softmax",
        "def log_softmax(z, axis):\n    z = z - {np}.max(z, axis=axis, keepdims=True)\n"
        "    return z - {np}.log({np}.sum({np}.exp(z), axis=axis, keepdims=True))",
    ),
    t.logsumexp: (
        "logsumexp",
        "def logsumexp(z, axis, keepdims):\n    peak = {np}.max(z, axis=axis, keepdims=True)\n"
        "    y = {np}.log({np}.sum({np}.exp(z - peak), axis=axis, keepdims=True)) + peak\n"
        "    return y if keepdims else {np}.sum(y, axis=axis)",
    ),
    t.norm: ("norm", "def norm(x, axis, keepdims):\n    return {np}.sqrt({np}.sum(x * x, axis=axis, keepdims=keepdims))"),
    e.xdivy: (
        "ratio",
        "def ratio(a, b):\n    # a / b, where 0 / 0 is 0\n    return a / {np}.where((a == 0) & (b == 0), 1.0, b)",
    ),
    t.cross_entropy: (
        "cross_entropy",
        "def cross_entropy(z, y):\n    z = z - {np}.max(z, axis=-1, keepdims=True)\n"
        "    log_p = z - {np}.log({np}.sum({np}.exp(z), axis=-1, keepdims=True))\n"
        "    if y.ndim == z.ndim:\n        return -{np}.mean({np}.sum(y * log_p, axis=-1))\n"
        "    return -{np}.mean({np}.take_along_axis(log_p, y[..., None], axis=-1))",
    ),
    r.pad: (
        "pad",
        "def pad(x, widths, value):\n    for axis, width in enumerate(widths):\n        ends = []\n        for n in width:\n"
        "            shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])\n"
        "            ends.append({np}.full(shape, value, dtype=x.dtype))\n"
        "        x = {np}.concat([ends[0], x, ends[1]], axis=axis)\n    return x",
    ),
    r.windows: (
        "windows",
        "def windows(x, sizes, axes):\n    for axis, size in zip(axes, sizes):\n        n = x.shape[axis] - size + 1\n"
        "        lead = (slice(None),) * axis\n"
        "        x = {np}.stack([x[(*lead, slice(i, i + n), ...)] for i in range(size)], axis=-1)\n    return x",
    ),
    r.scatter: (
        "scatter",
        "def scatter(g, key, shape):\n    x = np.zeros(shape, g.dtype)\n    np.add.at(x, key, g)\n    return x",
    ),
    r.overlap_add: (
        "overlap_add",
        "def overlap_add(g, sizes, axes, shape):\n    x = np.zeros(shape, g.dtype)\n    for place in np.ndindex(*sizes):\n"
        "        start = [0] * len(shape)\n        for axis, i in zip(axes, place):\n            start[axis] += i\n"
        "        key = tuple(slice(first, first + n) for first, n in zip(start, g.shape))\n        x[key] += g[(..., *place)]\n"
        "    return x",
    ),
    t.bce: ("bce", "def bce(p, y):\n    return -{np}.mean(y * {np}.log(p) + (1 - y) * {np}.log1p(-p))"),
    t.bce_with_logits: (
        "bce_with_logits",
        "def bce_with_logits(u, y):\n    return {np}.mean({np}.maximum(u, {zero}) - u * y + {np}.log1p({np}.exp(-{np}.abs(u))))",
    ),
}

# The same helpers where the Array API standard cannot write into an array.
STANDARD_HELPERS: Mapping[Op, str] = {
    r.scatter: (
        "def scatter(g, places, shape):\n"
        "    # each entry is added at its place among the flat ones: a sum over a table, as nothing is written in place\n"
        "    size = 1\n    for n in shape:\n        size *= n\n"
        "    there = {np}.reshape(places, (-1, 1)) == {np}.arange(size)\n"
        "    g = {np}.reshape(g, (-1, 1))\n"
        "    x = {np}.sum({np}.where(there, g, {np}.zeros_like(g)), axis=0)\n"
        "    return {np}.reshape(x, shape)"
    ),
    r.overlap_add: (
        "def overlap_add(g, sizes, axes, shape):\n    for axis, size in zip(axes[::-1], sizes[::-1]):\n        parts = []\n"
        "        for i in range(size):\n            part = g[..., i]\n            ends = []\n"
        "            for n in (i, size - 1 - i):\n"
        "                ends.append({np}.zeros((*part.shape[:axis], n, *part.shape[axis + 1 :]), dtype=g.dtype))\n"
        "            parts.append({np}.concat([ends[0], part, ends[1]], axis=axis))\n        g = sum(parts)\n    return g"
    ),
}
HELPER_NAMES = frozenset(name for name, _ in HELPERS.values())


class Writer:
    """Writes operations with one library's names.

    Parameters
    ----------
    library : str
        What the library is called: ``np`` for NumPy, ``xp`` for any that has the Array API.
    """

    def __init__(self, library: str) -> None:
        self.np = library
        self.standard = library != "np"
        self.helpers: dict[Op, None] = {}
        self.masks: Sequence[bool] = ()  # which tables of the selection that is written are of truth values
        self.frozen = False  # whether a recorded size stands in the text

    def helper_texts(self, used: Container[Op]) -> list[str]:
        """The texts of helpers, in the order of the table."""
        own: Mapping[Op, str] = STANDARD_HELPERS if self.standard else {}
        zero = "xp.zeros_like(u)" if self.standard else "0"
        return [own.get(op, text).format(np=self.np, zero=zero) for op, (_, text) in HELPERS.items() if op in used]

    def write(self, op: Op, args: Sequence[Code], shapes: Shapes, shape: tuple[int, ...], params: Mapping[str, Any]) -> Code:
        """The code of an operation on these operands.

        Raises
        ------
        NoCodeError
            If the op is not one of the table.

        Examples
        --------
        >>> Writer("np").write(e.tanh, [Code("u1", ATOM)], [(3,)], (3,), {}).text
        'np.tanh(u1)'
        """
        if op is e.identity:
            return args[0]
        self.frozen = self.frozen or op in _WITH_SIZES
        if op in INFIX:
            return infix(INFIX[op][0], args[0], args[1], INFIX[op][1])
        if op is e.negative:
            return Code("-{}", UNARY, args, (UNARY,), cost=1, op="-", axes=args[0].axes)
        if op is e.power:
            return Code("{}**{}", POWER, args, (ATOM, UNARY), cost=1, op="**")
        if op in _STANDARD:
            return call(f"{self.np}.{_STANDARD[op][self.standard]}", *args)
        if op in _FUNCTIONS:
            return call(f"{self.np}.{_FUNCTIONS[op]}", *args)
        found = _SPECIAL.get(op)
        if found is not None:
            return found(self, args, shapes, shape, params)
        if op in HELPERS:
            return self.helper(op, *args, **params)
        raise NoCodeError(
            f"source: there is no NumPy code for {op.name}, which is not an op of this library's table.\n"
            f"  Try: the same in operations of the table"
        )

    def helper(self, op: Op, *args: Code | str, **params: Any) -> Code:
        """A call of the op's helper."""
        self.helpers[op] = None
        return call(HELPERS[op][0], *args, *(f"{k}={v!r}" for k, v in params.items()))

    def transpose(self, x: Code, axes: Sequence[int]) -> Code:
        """The axes in another order."""
        rank = len(axes)
        order = [a % rank for a in axes]
        if order == list(range(rank)):
            return x
        if rank == 2:
            return after(x, ".T")
        if order == [*range(rank - 2), rank - 1, rank - 2]:
            return after(x, ".mT")
        name = "permute_dims" if self.standard else "transpose"
        return call(f"{self.np}.{name}", x, repr(tuple(order)), cost=0)

    def reduce(self, name: str, x: Code, axis: Any, keepdims: bool) -> Code:
        """A sum, a mean, a maximum over axes."""
        own = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        options = [] if axis is None else [f"axis={own!r}"]
        return call(f"{self.np}.{name}", x, *options, *(["keepdims=True"] if keepdims else []))

    def outer(self, a: Code, b: Code) -> Code:
        """The table of all products."""
        if self.standard:
            return infix("*", after(a, "[:, None]"), after(b, "[None, :]"), PRODUCT)
        return call("np.outer", a, b)

    def one_hot(self, x: Code, classes: Code) -> Code:
        """A row of truth for each entry of a table of integers."""
        kind = [", dtype={}.dtype"] if self.standard else []  # the standard compares numbers of one kind
        row = Code(f"{self.np}.arange({{}}{''.join(kind)})", ATOM, [classes, *([x] if kind else [])], cost=2, op="arange")
        return Code("{} == {}", COMPARE, (after(x, "[..., None]"), row), (SUM, SUM), cost=1, op="==")

    def broadcast(self, x: Code, shape: str | Code) -> Code:
        """The same repeated to a shape."""
        return call(f"{self.np}.broadcast_to", x, shape, cost=0)

    def astype(self, x: Code, dtype: Any) -> Code:
        """The same numbers of another type."""
        name = f"{self.np}.{np.dtype(dtype).name}"
        if self.standard:
            return call("xp.astype", x, name)
        return after(x, f".astype({name.replace('np.bool', 'bool')})")

    def einsum(self, equation: str, args: Sequence[Code]) -> Code:
        """A sum of products by its equation; the Array API standard has only products and sums."""
        if not self.standard:
            return call("np.einsum", f'"{equation}"', *args)
        inputs, output = equation.split("->")
        letters = [*output, *sorted(set(inputs) - set(output) - {","})]
        product: Code | None = None
        for own, x in zip(inputs.split(","), args, strict=True):
            term, turned = self._diagonal(own, x)
            order = sorted(range(len(term)), key=lambda a: letters.index(term[a]))
            turned = self.transpose(turned, order)
            key = ", ".join(":" if letter in term else "None" for letter in letters)
            part = turned if len(term) == len(letters) else after(turned, f"[{key}]")
            product = part if product is None else infix("*", product, part, PRODUCT)
        assert product is not None
        summed = tuple(range(len(output), len(letters)))
        return self.reduce("sum", product, summed, False) if summed else product

    def _diagonal(self, term: str, x: Code) -> tuple[str, Code]:
        """The entries at which a letter that comes twice is one and the same."""
        while len(set(term)) < len(term):
            twice = next(letter for letter in term if term.count(letter) > 1)
            first = term.index(twice)
            second = term.index(twice, first + 1)
            rest = [a for a in range(len(term)) if a not in (first, second)]
            x = call("xp.linalg.diagonal", self.transpose(x, [*rest, first, second]), cost=0)
            term = "".join(term[a] for a in rest) + twice
        return term, x


def _key_form(key: Any, tables: Sequence[Code], shape: tuple[int, ...] | None = None) -> tuple[str, list[Code], bool]:
    """What stands in the brackets; with a shape, as strictly as the Array API standard has it.

    There an ellipsis stands for the axes that are not mentioned, and the ends of a slice are inside of the axis: the last
    of what is returned says whether one was moved there.
    """
    own = list(key) if isinstance(key, tuple) else [key]
    mentioned = sum(k is not None and k is not Ellipsis for k in own)
    if shape is not None and mentioned < len(shape) and Ellipsis not in own:
        own.append(Ellipsis)
    parts: list[str] = []
    arrays, axis, moved = [], 0, False
    for k in own:
        if isinstance(k, Index):
            parts.append("{}")
            arrays.append(tables[k.position])
        elif isinstance(k, slice):
            start, stop, step = (k.start, k.stop, k.step) if shape is None else _inside(k, shape[axis])
            moved = moved or (start, stop) != (k.start, k.stop)
            bounds = ["" if n is None else str(n) for n in (start, stop)]
            parts.append(":".join(bounds if step is None else [*bounds, str(step)]))
        else:
            parts.append("..." if k is Ellipsis else "None" if k is None else str(k))
        axis += 0 if k is None else len(shape or ()) - mentioned if k is Ellipsis else 1
    return ", ".join(parts) or "()", arrays, moved


def _inside(k: slice, n: int) -> tuple[int | None, int | None, int | None]:
    """The slice with its ends inside of an axis of this size."""
    if all(end is None or -n <= end <= n for end in (k.start, k.stop)):
        return k.start, k.stop, k.step
    start, stop, _ = k.indices(n)
    return start, None if stop < 0 else stop, k.step


_WITH_SIZES = frozenset((r.reshape, r.broadcast_to, r.scatter, r.overlap_add, s.one_hot))

Form = Callable[[Writer, Sequence[Code], Shapes, tuple[int, ...], Mapping[str, Any]], Code]


def _scatter(w: Writer, a: Sequence[Code], shapes: Shapes, shape: tuple[int, ...], p: Mapping[str, Any]) -> Code:
    w.helpers[r.scatter] = None
    if not w.standard:
        key, arrays, _ = _key_form(p["key"], a[1:])
        return call("scatter", a[0], f"np.s_[{key}]", repr(p["shape"]), parts=arrays)
    own = [p["shape"], *shapes[1:]]
    if len(a) > 1:
        return call("scatter", a[0], flat_places(p["key"], a[1:], own, w.masks), repr(p["shape"]))
    flat = call("xp.reshape", f"xp.arange({math.prod(p['shape'])})", repr(p["shape"]))
    return call("scatter", a[0], _getitem(w, [flat], own, (), p), repr(p["shape"]))


def _getitem(w: Writer, a: Sequence[Code], shapes: Shapes, shape: tuple[int, ...], p: Mapping[str, Any]) -> Code:
    if not w.standard or len(a) == 1:
        key, arrays, moved = _key_form(p["key"], a[1:], shapes[0] if w.standard else None)
        w.frozen = w.frozen or moved
        return after(a[0], f"[{key}]", parts=arrays, cost=len(arrays))
    own = p["key"] if isinstance(p["key"], tuple) else (p["key"],)
    tables = [n for n, k in enumerate(own) if isinstance(k, Index)]
    rows = len(tables) == 1 and len(shapes[1]) == 1 and not w.masks[0]
    if rows and all(k == slice(None) for n, k in enumerate(own) if n not in tables and k is not None) and None not in own:
        axis = tables[0]
        wrapped = Code(f"{{}} % {shapes[0][axis]}", PRODUCT, (a[1],), (PRODUCT,), cost=1)  # an index may count from the end
        w.frozen = True
        return call("xp.take", a[0], wrapped, f"axis={axis}")
    w.frozen = True
    places = call("xp.reshape", flat_places(own, a[1:], shapes, w.masks), "(-1,)", cost=0)
    entries = call("xp.take", call("xp.reshape", a[0], "(-1,)", cost=0), places, "axis=0")
    return call("xp.reshape", entries, repr(shape), cost=0)


def _joined(w: Writer, name: str, args: Sequence[Code], axis: int) -> Code:
    return call(f"{w.np}.{name}", f"[{', '.join(['{}'] * len(args))}]", f"axis={axis}", parts=args)


def _counted(axis: Any, rank: int) -> Any:
    """An axis counted from the start, so that what is equal is written equally."""
    if isinstance(axis, int):
        return axis % rank
    return None if axis is None or len(axis) == rank else tuple(sorted(a % rank for a in axis))


_SPECIAL: Mapping[Any, Form] = {
    e.astype: lambda w, a, shapes, shape, p: w.astype(a[0], p["dtype"]),
    e.to_discrete: lambda w, a, shapes, shape, p: w.astype(a[0], p["dtype"]),
    r.scatter: _scatter,
    r.windows: lambda w, a, shapes, shape, p: (
        w.helper(r.windows, a[0], **p)
        if w.standard
        else call("np.lib.stride_tricks.sliding_window_view", a[0], repr(p["sizes"]), repr(p["axes"]), cost=0)
    ),
    r.pad: lambda w, a, shapes, shape, p: (
        w.helper(r.pad, a[0], **p)
        if w.standard or not shape
        else call("np.pad", a[0], repr(p["widths"]), f"constant_values={p['value']!r}")
    ),
    s.one_hot: lambda w, a, shapes, shape, p: w.one_hot(a[0], Code(str(p["classes"]), ATOM)),
    s.sort: lambda w, a, shapes, shape, p: call(f"{w.np}.sort", a[0], f"axis={p['axis']}"),
    s.argsort: lambda w, a, shapes, shape, p: call(f"{w.np}.argsort", a[0], f"axis={p['axis']}", "stable=True"),
    s.argmax: lambda w, a, shapes, shape, p: call(f"{w.np}.argmax", a[0], f"axis={p['axis']}"),
    s.argmin: lambda w, a, shapes, shape, p: call(f"{w.np}.argmin", a[0], f"axis={p['axis']}"),
    c.outer: lambda w, a, shapes, shape, p: w.outer(*a),
    c.sum: lambda w, a, shapes, shape, p: w.reduce("sum", a[0], _counted(p["axis"], len(shapes[0])), p["keepdims"]),
    c.mean: lambda w, a, shapes, shape, p: w.reduce("mean", a[0], _counted(p["axis"], len(shapes[0])), p["keepdims"]),
    s.max: lambda w, a, shapes, shape, p: w.reduce("max", a[0], _counted(p["axis"], len(shapes[0])), p["keepdims"]),
    s.min: lambda w, a, shapes, shape, p: w.reduce("min", a[0], _counted(p["axis"], len(shapes[0])), p["keepdims"]),
    c.einsum: lambda w, a, shapes, shape, p: w.einsum(p["equation"], a),
    c.trace: lambda w, a, shapes, shape, p: (
        call("xp.sum", call("xp.linalg.diagonal", a[0], f"offset={p['offset']}", cost=0))
        if w.standard
        else call("np.trace", a[0], f"offset={p['offset']}")
    ),
    c.cumsum: lambda w, a, shapes, shape, p: call(
        f"{w.np}.{'cumulative_sum' if w.standard else 'cumsum'}", a[0], f"axis={p['axis']}"
    ),
    r.broadcast_to: lambda w, a, shapes, shape, p: w.broadcast(a[0], repr(shape)),
    r.transpose: lambda w, a, shapes, shape, p: w.transpose(a[0], p["axes"]),
    r.reshape: lambda w, a, shapes, shape, p: call(f"{w.np}.reshape", a[0], repr(shape), cost=0),
    r.flip: lambda w, a, shapes, shape, p: call(
        f"{w.np}.flip", a[0], *([] if p["axes"] is None else [f"axis={p['axes']!r}"]), cost=0
    ),
    r.getitem: _getitem,
    r.concatenate: lambda w, a, shapes, shape, p: _joined(w, "concat" if w.standard else "concatenate", a, p["axis"]),
    r.stack: lambda w, a, shapes, shape, p: _joined(w, "stack", a, p["axis"]),
}
