"""Operations as NumPy code: one line for each op of the table, and helpers for those that are longer."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ops import Index, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t


class Code(NamedTuple):
    """A piece of Python: its text, and how tightly its outermost operator binds."""

    text: str
    binding: int

    def within(self, binding: int) -> str:
        """The text, in parentheses where something binds tighter around it."""
        return self.text if self.binding >= binding else f"({self.text})"


COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = range(6)

Shapes = Sequence[tuple[int, ...]]


class NoCodeError(ValueError):
    """An op that is not in the table has no NumPy code."""


def call(function: str, *args: str) -> Code:
    """A function call."""
    return Code(f"{function}({', '.join(args)})", ATOM)


def infix(sign: str, left: Code, right: Code, binding: int) -> Code:
    """An operator between two operands."""
    loose = right.within(binding) if sign in ("+", "*") else right.within(binding + 1)
    return Code(f"{left.within(binding)} {sign} {loose}", binding)


_INFIX = {
    e.add: ("+", SUM), e.subtract: ("-", SUM), e.multiply: ("*", PRODUCT), e.divide: ("/", PRODUCT),
    c.matmul: ("@", PRODUCT), e.equal: ("==", COMPARE), e.not_equal: ("!=", COMPARE), e.less: ("<", COMPARE),
    e.less_equal: ("<=", COMPARE), e.greater: (">", COMPARE), e.greater_equal: (">=", COMPARE),
}  # fmt: skip

_FUNCTIONS = {
    e.abs: "abs", e.sqrt: "sqrt", e.exp: "exp", e.expm1: "expm1", e.log: "log", e.log1p: "log1p", e.sin: "sin", e.cos: "cos",
    e.tan: "tan", e.sinh: "sinh", e.cosh: "cosh", e.tanh: "tanh", e.sign: "sign", e.floor: "floor", e.ceil: "ceil",
    e.logical_and: "logical_and", e.logical_or: "logical_or", e.logical_not: "logical_not", s.where: "where",
    s.maximum: "maximum", s.minimum: "minimum", e.square: "square", e.isnan: "isnan", e.isfinite: "isfinite", s.clip: "clip",
}  # fmt: skip

# Helpers, by the name of the op: their text in terms of {np}.
HELPERS: Mapping[Op, tuple[str, str]] = {
    e.sigmoid: ("sig", "def sig(u):\n    return 1 / (1 + {np}.exp(-u))"),
    e.softplus: ("softplus", "def softplus(u):\n    return {np}.maximum(u, 0 * u) + {np}.log1p({np}.exp(-{np}.abs(u)))"),
    e.relu: ("relu", "def relu(u):\n    return {np}.maximum(u, 0 * u)"),
    e.silu: ("silu", "def silu(u):\n    return u / (1 + {np}.exp(-u))"),
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
        "def ratio(a, b):\n    # a / b, and 0 where b is 0\n    return {np}.where(b == 0, 0.0, a / {np}.where(b == 0, 1.0, b))",
    ),
    t.cross_entropy: (
        "cross_entropy",
        "def cross_entropy(z, y):\n    z = z - {np}.max(z, axis=-1, keepdims=True)\n"
        "    log_p = z - {np}.log({np}.sum({np}.exp(z), axis=-1, keepdims=True))\n"
        "    if y.ndim == z.ndim:\n        return -{np}.sum(y * log_p) / (z.size // z.shape[-1])\n"
        "    return -{np}.mean({np}.take_along_axis(log_p, y[..., None], axis=-1))",
    ),
    r.scatter: (
        "scatter",
        "def scatter(g, key, shape):\n    x = np.zeros(shape, g.dtype)\n    np.add.at(x, key, g)\n    return x",
    ),
    r.overlap_add: (
        "overlap_add",
        "def overlap_add(g, sizes, axes, shape):\n    x = np.zeros(shape, g.dtype)\n    for place in np.ndindex(*sizes):\n"
        "        key = [slice(0, n) for n in g.shape[: len(shape)]]\n        for axis, i in zip(axes, place):\n"
        "            key[axis] = slice(key[axis].start + i, key[axis].stop + i)\n        x[tuple(key)] += g[(..., *place)]\n"
        "    return x",
    ),
    t.bce: ("bce", "def bce(p, y):\n    return -{np}.mean(y * {np}.log(p) + (1 - y) * {np}.log1p(-p))"),
    t.bce_with_logits: (
        "bce_with_logits",
        "def bce_with_logits(u, y):\n    return {np}.mean({np}.maximum(u, 0 * u) + {np}.log1p({np}.exp(-{np}.abs(u))) - u * y)",
    ),
}


class Writer:
    """Writes operations with one library's names.

    Parameters
    ----------
    np : str
        What the library is called: ``np`` for NumPy, ``xp`` for any that has the Array API.
    """

    def __init__(self, library: str) -> None:
        self.np = library
        self.standard = library != "np"
        self.helpers: dict[Op, None] = {}
        self.frozen = False  # whether a recorded size stands in the text

    def helper_texts(self, used: Container[Op]) -> list[str]:
        """The texts of helpers, in the order of the table."""
        return [text.format(np=self.np) for op, (_, text) in HELPERS.items() if op in used]

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
        if op in _INFIX:
            return infix(_INFIX[op][0], args[0], args[1], _INFIX[op][1])
        if op is e.negative:
            return Code(f"-{args[0].within(UNARY)}", UNARY)
        if op is e.power:
            return Code(f"{args[0].within(ATOM)}**{args[1].within(UNARY)}", POWER)
        if op is e.arctan:
            return call(f"{self.np}.{'atan' if self.standard else 'arctan'}", args[0].text)
        if op is e.rint:
            return call(f"{self.np}.{'round' if self.standard else 'rint'}", args[0].text)
        if op in _FUNCTIONS:
            return call(f"{self.np}.{_FUNCTIONS[op]}", *(a.text for a in args))
        if op in _IN_PLACE and self.standard:
            raise NoCodeError(f"source: {op.name} has no code in the Array API standard.\n  Try: xp=False")
        if op in HELPERS and op is not r.scatter:
            self.helpers[op] = None
            return call(HELPERS[op][0], *(a.text for a in args), *(f"{k}={v!r}" for k, v in params.items()))
        found = _SPECIAL.get(op)
        if found is None:
            raise NoCodeError(
                f"source: there is no NumPy code for {op.name}, which is not an op of this library's table.\n"
                f"  Try: the same in operations of the table"
            )
        return found(self, args, shapes, shape, params)

    def transpose(self, x: Code, axes: Sequence[int]) -> Code:
        """The axes in another order."""
        rank = len(axes)
        if rank < 2 or list(axes) == list(range(rank)):
            return x
        if rank == 2:
            return Code(f"{x.within(ATOM)}.T", ATOM)
        if list(axes) == [*range(rank - 2), rank - 1, rank - 2]:
            return Code(f"{x.within(ATOM)}.mT", ATOM)
        name = "permute_dims" if self.standard else "transpose"
        return call(f"{self.np}.{name}", x.text, repr(tuple(axes)))

    def reduce(self, name: str, x: Code, axis: Any, keepdims: bool) -> Code:
        """A sum, a mean, a maximum over axes."""
        options = [] if axis is None else [f"axis={axis!r}"]
        return call(f"{self.np}.{name}", x.text, *options, *(["keepdims=True"] if keepdims else []))

    def outer(self, a: Code, b: Code) -> Code:
        """The table of all products."""
        if self.standard:
            return infix("*", Code(f"{a.within(ATOM)}[:, None]", ATOM), Code(f"{b.within(ATOM)}[None, :]", ATOM), PRODUCT)
        return call("np.outer", a.text, b.text)

    def broadcast(self, x: Code, shape: str) -> Code:
        """The same repeated to a shape."""
        return call(f"{self.np}.broadcast_to", x.text, shape)

    def einsum(self, equation: str, args: Sequence[Code]) -> Code:
        """A sum of products by its equation; the Array API standard has only products and sums."""
        if not self.standard:
            return call("np.einsum", repr(equation), *(a.text for a in args))
        inputs, output = equation.split("->")
        terms = inputs.split(",")
        letters = [*output, *sorted(set(inputs) - set(output) - {","})]
        product: Code | None = None
        for term, x in zip(terms, args, strict=True):
            if len(set(term)) < len(term):
                raise NoCodeError(f"source: the diagonal in {equation!r} has no code in the Array API standard.\n  Try: xp=None")
            order = sorted(range(len(term)), key=lambda a: letters.index(term[a]))
            turned = self.transpose(x, order)
            key = ", ".join(":" if letter in term else "None" for letter in letters)
            part = turned if len(term) == len(letters) else Code(f"{turned.within(ATOM)}[{key}]", ATOM)
            product = part if product is None else infix("*", product, part, PRODUCT)
        assert product is not None
        summed = tuple(range(len(output), len(letters)))
        return self.reduce("sum", product, summed, False) if summed else product


def _key_text(key: Any, tables: Sequence[Code], rank: int = 0) -> str:
    """What stands in the brackets; with a rank, an ellipsis for the axes that are not mentioned."""
    parts = []
    mentioned = [k for k in (key if isinstance(key, tuple) else (key,)) if k is not None]
    if rank and len(mentioned) < rank and not any(k is Ellipsis for k in mentioned):
        key = (*(key if isinstance(key, tuple) else (key,)), Ellipsis)
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, Index):
            parts.append(tables[k.position].text)
        elif isinstance(k, slice):
            bounds = ["" if n is None else str(n) for n in (k.start, k.stop)]
            parts.append(":".join(bounds if k.step is None else [*bounds, str(k.step)]))
        elif isinstance(k, np.ndarray):
            parts.append(f"np.array({k.tolist()!r})")
        else:
            parts.append("..." if k is Ellipsis else "None" if k is None else str(k))
    return ", ".join(parts) or "()"


_WITH_SIZES = frozenset((r.reshape, r.broadcast_to, r.scatter, r.overlap_add, s.one_hot))
_IN_PLACE = frozenset((r.scatter, r.overlap_add, r.windows, r.pad))

Form = Callable[[Writer, Sequence[Code], Shapes, tuple[int, ...], Mapping[str, Any]], Code]


def _scatter(w: Writer, a: Sequence[Code], shapes: Shapes, shape: tuple[int, ...], p: Mapping[str, Any]) -> Code:
    w.helpers[r.scatter] = None
    return call("scatter", a[0].text, f"np.s_[{_key_text(p['key'], a[1:])}]", repr(p["shape"]))


def _getitem(w: Writer, a: Sequence[Code], shapes: Shapes, shape: tuple[int, ...], p: Mapping[str, Any]) -> Code:
    if w.standard and len(a) > 1:
        key = [k for k in p["key"] if k is not Ellipsis]
        place = next(n for n, k in enumerate(key) if isinstance(k, Index))
        if (
            len(a) > 2
            or len(shapes[1]) != 1
            or any(k != slice(None) for n, k in enumerate(key) if n != place)
            or Ellipsis in p["key"]
        ):
            raise NoCodeError("source: this selection has no code in the Array API standard.\n  Try: xp=False")
        return call(f"{w.np}.take", a[0].text, a[1].text, f"axis={place}")
    return Code(f"{a[0].within(ATOM)}[{_key_text(p['key'], a[1:], len(shapes[0]) if w.standard else 0)}]", ATOM)


def _joined(w: Writer, args: Sequence[Code]) -> str:
    return f"[{', '.join(a.text for a in args)}]"


_SPECIAL: Mapping[Any, Form] = {
    e.astype: lambda w, a, shapes, shape, p: call(f"{w.np}.astype", a[0].text, f"{w.np}.{np.dtype(p['dtype'])}"),
    r.scatter: _scatter,
    r.windows: lambda w, a, shapes, shape, p: call(
        "np.lib.stride_tricks.sliding_window_view", a[0].text, repr(p["sizes"]), repr(p["axes"])
    ),
    r.pad: lambda w, a, shapes, shape, p: call("np.pad", a[0].text, repr(p["widths"]), f"constant_values={p['value']!r}"),
    s.one_hot: lambda w, a, shapes, shape, p: Code(f"{a[0].within(ATOM)}[..., None] == {w.np}.arange({p['classes']})", COMPARE),
    c.outer: lambda w, a, shapes, shape, p: w.outer(*a),
    c.sum: lambda w, a, shapes, shape, p: w.reduce("sum", a[0], p["axis"], p["keepdims"]),
    c.mean: lambda w, a, shapes, shape, p: w.reduce("mean", a[0], p["axis"], p["keepdims"]),
    s.max: lambda w, a, shapes, shape, p: w.reduce("max", a[0], p["axis"], p["keepdims"]),
    s.min: lambda w, a, shapes, shape, p: w.reduce("min", a[0], p["axis"], p["keepdims"]),
    c.einsum: lambda w, a, shapes, shape, p: w.einsum(p["equation"], a),
    c.trace: lambda w, a, shapes, shape, p: call(
        f"{w.np}.{'linalg.trace' if w.standard else 'trace'}", a[0].text, f"offset={p['offset']}"
    ),
    c.cumsum: lambda w, a, shapes, shape, p: call(
        f"{w.np}.{'cumulative_sum' if w.standard else 'cumsum'}", a[0].text, f"axis={p['axis']}"
    ),
    r.broadcast_to: lambda w, a, shapes, shape, p: w.broadcast(a[0], repr(shape)),
    r.transpose: lambda w, a, shapes, shape, p: w.transpose(a[0], p["axes"]),
    r.reshape: lambda w, a, shapes, shape, p: call(f"{w.np}.reshape", a[0].text, repr(shape)),
    r.flip: lambda w, a, shapes, shape, p: call(f"{w.np}.flip", a[0].text, f"axis={p['axes']!r}"),
    r.getitem: _getitem,
    r.concatenate: lambda w, a, shapes, shape, p: call(
        f"{w.np}.{'concat' if w.standard else 'concatenate'}", _joined(w, a), f"axis={p['axis']}"
    ),
    r.stack: lambda w, a, shapes, shape, p: call(f"{w.np}.stack", _joined(w, a), f"axis={p['axis']}"),
}
