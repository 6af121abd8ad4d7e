"""Contraction: sums of products. The derivative by one factor is the product of the others, summed over their indices.

Each op can say itself as an einsum equation for given shapes: that is its index notation, and what a derivation starts
from.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from .op import Op, Rule, Value, letters_for
from .rearrangement import Joining, broadcast_to, expand_dims_of, flip

Equation = Callable[..., str]
_add_up: Callable[..., Value] = np.add.reduce  # positional arguments are faster, and not in NumPy's stubs


class Contraction(Op):
    """An op whose value is a sum of products; ``equation(*shapes, **params)`` is the einsum that it computes."""

    __slots__ = ("equation",)
    kind: ClassVar[str] = "contraction"

    def __init__(
        self,
        name: str,
        forward: Rule,
        rules: Sequence[Rule],
        equation: Equation | None = None,
        *,
        symbol: str = "",
        notation: str = "",
        numpy: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(name, forward, rules, symbol=symbol, notation=notation, numpy=numpy)
        self.equation = equation

    def indices(self, shapes: Sequence[tuple[int, ...]], params: Mapping[str, Any]) -> str:
        """``y_ik = Σ_j a_ij b_jk``; a mean also divides by the number of terms."""
        if self.equation is None:
            return self.notation
        inputs, output = self.equation(*shapes, **params).split("->")
        factors = " ".join(f"{name}_{index}" if index else name for name, index in zip("abcdef", inputs.split(","), strict=False))
        summed = "".join(sorted(set(inputs) - set(output) - {","}))
        left = f"y_{output}" if output else "y"
        return f"{left} = {self.notation}Σ_{summed} {factors}" if summed else f"{left} = {factors}"


def _sum(x: Value, axis: int | tuple[int, ...] | None, keepdims: bool) -> Value:
    if x.dtype.itemsize < 8 and x.dtype.kind == "f":  # running sums in float32 stand still at 2**24
        return _add_up(x, axis, np.float64, None, keepdims).astype(x.dtype)
    return _add_up(x, axis, None, None, keepdims)


def _mean(x: Value, axis: int | tuple[int, ...] | None, keepdims: bool) -> Value:
    return _sum(x, axis, keepdims) / count(x.shape, axis)


def _cumsum(x: Value, axis: int) -> Value:
    if x.dtype.kind == "f" and x.dtype.itemsize < 8:  # see _sum
        return np.cumsum(x, axis, np.float64).astype(x.dtype)
    return np.cumsum(x, axis)


def count(shape: tuple[int, ...], axis: int | tuple[int, ...] | None) -> int:
    """How many numbers a reduction of this shape over these axes takes together."""
    if axis is None:
        return math.prod(shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return math.prod(shape[normalize_axis_index(a, len(shape))] for a in axes)


def _spread(g: Value, x: Value, axis: int | tuple[int, ...] | None, keepdims: bool) -> Value:
    """The gradient of a sum: every term receives it."""
    return broadcast_to(expand_dims_of(g, x.shape, axis, keepdims), shape=x.shape)


def _reduction_equation(shape: tuple[int, ...], axis: int | tuple[int, ...] | None, keepdims: bool) -> str:
    letters = letters_for(len(shape))
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % len(shape) for a in axes} if shape else set()
    return f"{letters}->{''.join(letter for a, letter in enumerate(letters) if a not in gone)}"


def _matmul(a: Value, b: Value) -> Value:
    if type(a) is type(b) is np.ndarray and a.ndim < 3 and b.ndim < 3:
        return a.dot(b)  # the same product; for small matrices the call takes half as long
    return np.matmul(a, b)


def _matmul_left(g: Value, y: Value, a: Value, b: Value) -> Value:
    if a.ndim == b.ndim == 2:
        return g.dot(b.mT)
    if b.ndim > 1:
        return g @ b.mT if a.ndim > 1 else b @ g if b.ndim == 2 else (b @ g[..., None])[..., 0]
    return g * b if a.ndim == 1 else outer(g, b) if a.ndim == 2 else g[..., None] * b


def _matmul_right(g: Value, y: Value, a: Value, b: Value) -> Value:
    if a.ndim == 2 and b.ndim < 3:
        return a.mT.dot(g)
    if a.ndim > 1:
        return a.mT @ g if b.ndim > 1 else (a.mT @ g[..., None])[..., 0]
    return g * a if b.ndim == 1 else outer(a, g) if b.ndim == 2 else a[:, None] * g[..., None, :]


def _matmul_equation(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    batch = letters_for(max(len(a), len(b), 2) - 2 + 3)
    *outer_indices, i, j, k = list(batch)
    own_a = outer_indices[len(outer_indices) - (len(a) - 2) :] if len(a) > 2 else []
    own_b = outer_indices[len(outer_indices) - (len(b) - 2) :] if len(b) > 2 else []
    # An axis of size 1 that broadcasting repeats carries no index.
    full = np.broadcast_shapes(a[:-2], b[:-2])
    place = {letter: full[n] for n, letter in enumerate(outer_indices[len(outer_indices) - len(full) :])}
    left = "".join(x for x, n in zip(own_a, a[:-2], strict=True) if n == place[x])
    right = "".join(x for x, n in zip(own_b, b[:-2], strict=True) if n == place[x])
    first = j if len(a) == 1 else i + j
    second = j if len(b) == 1 else j + k
    result = "".join(place) + (i if len(a) > 1 else "") + (k if len(b) > 1 else "")
    return f"{left}{first},{right}{second}->{result}"


def _einsum(*operands: Value, equation: str) -> Value:
    return np.einsum(equation, *operands, optimize=len(operands) > 2)


class Einsum(Joining):
    """Any sum of products, given by its equation, with explicit output and one letter for each axis."""

    __slots__ = ()
    kind: ClassVar[str] = "contraction"

    def __init__(self, name: str, forward: Rule) -> None:
        super().__init__(name, forward, self.vjp, "its equation")

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The equation with the gradient in the place of factor i, summed over what factor i does not have.

        A letter that only factor i has was summed alone: its place is filled by ones. A letter that factor i has twice
        took a diagonal: a Kronecker delta, which is the identity matrix, puts it back.
        """
        inputs, output = params["equation"].split("->")
        terms = inputs.split(",")
        others = [(term, arg) for j, (term, arg) in enumerate(zip(terms, args, strict=True)) if j != i]
        repeating = {letter for term, arg in others for letter, n in zip(term, arg.shape, strict=True) if n != 1}
        known = repeating.union(output)  # an axis of size 1 of another factor says nothing of this one
        target = ""
        for axis, letter in enumerate(terms[i]):
            if letter in target:
                fresh = next(c for c in ALPHABET if c not in params["equation"] and c not in target)
                others.append((letter + fresh, np.eye(args[i].shape[axis], dtype=g.dtype)))
                letter = fresh
            elif letter not in known:
                others.append((letter, np.ones(args[i].shape[axis], dtype=g.dtype)))
            target += letter
        equation = ",".join([output, *(term for term, _ in others)]) + "->" + target
        return einsum(g, *(arg for _, arg in others), equation=equation)

    def expand(self, lift: Callable[..., Value], args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """Every product and every sum, in the order of the equation."""
        inputs, output = params["equation"].split("->")
        terms = inputs.split(",")
        pairs = [pair for term, x in zip(terms, args, strict=True) for pair in zip(term, x.shape, strict=True)]
        sizes = dict(pairs) | {letter: n for letter, n in pairs if n != 1}  # an axis of size 1 is repeated to fit the others
        summed = [letter for letter in sizes if letter not in output]
        y = np.zeros([sizes[letter] for letter in output], object)
        for place in np.ndindex(*y.shape):
            index = dict(zip(output, place, strict=True))
            products = []
            for inner in np.ndindex(*[sizes[letter] for letter in summed]):
                index.update(zip(summed, inner, strict=True))
                places = [
                    tuple(index[letter] if n > 1 else 0 for letter, n in zip(term, x.shape, strict=True))
                    for term, x in zip(terms, args, strict=True)
                ]
                factors = [x[at] for x, at in zip(args, places, strict=True)]
                products.append(reduce(operator.mul, factors))
            if products:  # np.einsum would start with 0, and a sum of n products would have n sums
                y[place] = reduce(operator.add, products)
        return y

    def indices(self, shapes: Sequence[tuple[int, ...]], params: Mapping[str, Any]) -> str:
        """The equation itself."""
        return str(params["equation"])


ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _to_mean(g: Value, y: Value, x: Value, axis: int | tuple[int, ...] | None, keepdims: bool) -> Value:
    return _spread(g / count(x.shape, axis), x, axis, keepdims)


def _to_trace(g: Value, y: Value, x: Value, offset: int) -> Value:
    return g * np.eye(x.shape[0], x.shape[1], offset, x.dtype)


def _to_cumsum(g: Value, y: Value, x: Value, axis: int) -> Value:
    return flip(cumsum(flip(g, axes=axis), axis=axis), axes=axis)  # x_k is in every y_i with i ≥ k


# fmt: off
# ---- the table: name, forward, gᵀ ∂y/∂ each factor, as an einsum or in indices ---------------------------------------

C = Contraction

matmul = C("matmul", _matmul,           [_matmul_left,              _matmul_right],              _matmul_equation,       symbol="·", numpy=np.matmul)
outer  = C("outer",  np.multiply.outer, [lambda g, y, a, b: g @ b,  lambda g, y, a, b: g.mT @ a], lambda a, b: "i,j->ij", symbol="⊗")
sum    = C("sum",    _sum,              [lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims)], _reduction_equation)
mean   = C("mean",   _mean,             [_to_mean],                 _reduction_equation,         notation="1/n ")
trace  = C("trace",  np.trace,          [_to_trace],                notation="y = Σ_i x_(i, i+offset)", symbol="tr")
cumsum = C("cumsum", _cumsum,           [_to_cumsum],               notation="y_i = Σ_(k ≤ i) x_k")
einsum = Einsum("einsum", _einsum)
# fmt: on
