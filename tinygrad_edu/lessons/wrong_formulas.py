"""Wrong formulas for a gradient: the right one with one mistake that people make in it, and the diagnosis of that mistake."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..check import Diagnosis
from ..derivation.matrix import Axes, Matrix, symbols
from ..derivation.notation import text
from ..derivation.printing import matrix_tree
from ..derivation.terms import Count, Symbol
from ..ops import Elementwise, Op
from ..ops import elementwise as e
from ..ops import tabulated as t_
from .indexed import exchanged, neutral

_JACOBIANS = (t_.softmax, t_.log_softmax)  # of which one takes the diagonal for the whole


@dataclass(frozen=True)
class Use:
    """What is known where a value is used: by which op, and who is who in the formula.

    Attributes
    ----------
    op : Op
        The op of the use.
    receiver : str
        The value, as a person reads its name.
    own, result : Symbol
        The value and the result, as they stand in formulas.
    """

    op: Op
    receiver: str
    own: Symbol
    result: Symbol


Wrong = tuple[Diagnosis, Matrix]


def shown(m: Matrix) -> str:
    """A formula as text."""
    return text(neutral(matrix_tree(m)))


def wrong_formulas(right: Matrix, use: Use) -> Iterator[Wrong]:
    """The formula with one mistake in it, the most instructive first; whether it is wrong on the numbers is not looked at.

    Examples
    --------
    >>> from tinygrad_edu.derivation.matrix import to_matrix
    >>> from tinygrad_edu.derivation.terms import Entry, Index, Sum, at
    >>> i, j, k = Index(2), Index(3), Index(4)
    >>> h, g = Symbol("h", np.ones((4, 2))), Symbol("L", np.ones((4, 3)), gradient_of="u")
    >>> product = Sum.of(Entry(h, (at(k), at(i)))).times(Sum.of(Entry(g, (at(k), at(j)))))
    >>> right = to_matrix(product.summed((k,)), (i, j))
    >>> from tinygrad_edu.ops.contraction import matmul
    >>> found = wrong_formulas(right, Use(matmul, "W", Symbol("W", np.ones((2, 3))), Symbol("u", np.ones((4, 3)))))
    >>> shown(right), [shown(m) for _, m in found][:2]
    ('hᵀ · ∂𝓛/∂u', ['h · ∂𝓛/∂u', '∂𝓛/∂u · hᵀ'])
    """
    yield from _mistakes(right, use)
    yield Diagnosis("sign"), _negated(right)


def _mistakes(m: Matrix, use: Use) -> Iterator[Wrong]:
    if m.kind == "product":
        yield from _factors(m, use)
    elif m.kind == "matmul":
        yield from _orders(m)
    elif m.kind == "outer":
        yield from _turned(m)
    elif m.kind == "sum":
        yield from _sums(m, use)
    yield from _at_another_value(m, use)
    yield from _inside(m, use)
    if m.kind in ("spread", "expand", "transpose", "sum"):
        (part,) = m.parts
        for diagnosis, found in _mistakes(part, use):
            if found.axes == part.axes:
                yield diagnosis, replace(m, parts=(found,))
    if m.kind == "transpose" and len(m.axes) == 2:
        yield Diagnosis("transpose"), m.parts[0]


# ---- products place by place


def _factors(m: Matrix, use: Use) -> Iterator[Wrong]:
    """A factor is missing, is there twice, or is another one."""
    places = range(len(m.parts))
    counts = [n for n in places if m.parts[n].kind == "count" and m.detail[n] < 0]
    numbers = [n for n in places if m.parts[n].kind == "number"]
    above = [n for n in places if any(s.gradient_of for s in symbols(m.parts[n]))]
    local = [n for n in places if n not in (*counts, *numbers, *above)]
    named = {"op": use.op.symbol}
    is_product = use.op in (e.multiply, e.divide)
    if above and local:
        found = _without(m, local if is_product else [*local, *numbers])
        gone = shown(_without(m, [n for n in places if n not in local], bare=True))
        yield (Diagnosis("no_factor", {"found": gone}) if is_product else Diagnosis("no_derivative", named)), found
    for n in counts:
        yield Diagnosis("missing_factor", {"n": shown(m.parts[n])}), _without(m, [n])
    if use.op is e.multiply:
        for n in local:
            if m.parts[n].kind == "value" and m.parts[n].shape == np.shape(use.own.array):
                yield (
                    Diagnosis("own_factor", {"found": use.receiver, "right": shown(m.parts[n])}),
                    _with(m, n, replace(m.parts[n], detail=use.own)),
                )
    if len(local) > 1 and not is_product:
        for n in local:
            yield Diagnosis("incomplete", {**named, "missing": shown(m.parts[n])}), _without(m, [n])
    for n in numbers:
        value = m.parts[n].detail
        if value == int(value) and value > 1 and m.detail[n] < 0:
            yield Diagnosis("missing_factor", {"n": str(int(value))}), _without(m, [n])
        elif value == int(value) and value > 1:
            code, what = ("missing_exponent", "n") if use.op in (e.square, e.power) else ("no_factor", "found")
            yield Diagnosis(code, {what: str(int(value))}), _without(m, [n])
    if len(above) == 1 and local and m.parts[above[0]].kind == "value":
        yield Diagnosis("no_upstream", {"of": shown(m.parts[above[0]])}), _without(m, above)
    if above and local and not is_product and len(use.op.partials if isinstance(use.op, Elementwise) else ()) == 1:
        twice = replace(m, parts=(*m.parts, *(m.parts[n] for n in local)), detail=(*m.detail, *(m.detail[n] for n in local)))
        yield Diagnosis("derivative_twice", named), twice


def _without(m: Matrix, gone: list[int], bare: bool = False) -> Matrix:
    """The product without some of its factors; ``bare`` where nothing else is left than what one wants to name."""
    kept = [n for n in range(len(m.parts)) if n not in gone]
    parts, powers = tuple(m.parts[n] for n in kept), tuple(m.detail[n] for n in kept)
    if parts and len(parts) == 1 and powers[0] > 0:
        return parts[0]
    if not parts:
        return Matrix("number", (), (), 1)
    axes = m.axes if not bare else max((part.axes for part in parts), key=len)
    return Matrix("product", parts, axes, powers)


def _with(m: Matrix, n: int, part: Matrix) -> Matrix:
    return replace(m, parts=tuple(part if i == n else old for i, old in enumerate(m.parts)))


def _negated(m: Matrix) -> Matrix:
    """The formula with the other sign."""
    first = m.parts[0] if m.kind == "product" else None
    if first is not None and first.kind == "number" and first.detail == -1 and m.detail[0] > 0:
        return _without(m, [0])
    if first is not None and first.kind == "number":
        return _with(m, 0, replace(first, detail=-first.detail))
    if m.kind == "spread":
        return replace(m, parts=(_negated(m.parts[0]),))
    minus = Matrix("number", (), (), Fraction(-1))
    parts, powers = (m.parts, m.detail) if m.kind == "product" else ((m,), (1,))
    return Matrix("product", (minus, *parts), m.axes, (1, *powers))


# ---- derivatives


def _at_another_value(m: Matrix, use: Use) -> Iterator[Wrong]:
    """The derivative at the argument where it belongs at the result, or the other way round."""
    if not isinstance(use.op, Elementwise) or len(use.op.partials) != 1 or np.shape(use.own.array) != np.shape(use.result.array):
        return
    there = {id(s) for s in symbols(m)}
    for here, other in ((use.result, use.own), (use.own, use.result)):
        if id(here) in there and id(other) not in there:
            details = {"op": use.op.symbol, "found": text_of(other), "right": text_of(here)}
            yield Diagnosis("derivative_at", details), exchanged(m, {id(here): other})


def text_of(symbol: Symbol) -> str:
    """The name of a value in a formula."""
    return shown(Matrix("value", (), (), symbol))


def _inside(m: Matrix, use: Use) -> Iterator[Wrong]:
    """A difference anywhere in the formula with a + for its −, or with one of its terms only."""
    for n, part in enumerate(m.parts):
        for diagnosis, found in _inside(part, use):
            yield diagnosis, _with(m, n, found)
    if m.kind != "add" or len(m.parts) != 2 or m.detail[0] == m.detail[1]:
        return
    if use.op in _JACOBIANS:
        yield Diagnosis("diagonal", {"op": use.op.symbol}), m.parts[0]
    yield Diagnosis("inner_sign", {"op": use.op.symbol, "right": shown(m)}), replace(m, detail=(1, 1))
    for n in (1, 0):
        if m.parts[1 - n].axes == m.axes and m.parts[n].kind != "number":
            kept = m.parts[1 - n] if m.detail[1 - n] > 0 else _negated(m.parts[1 - n])
            yield Diagnosis("incomplete", {"op": use.op.symbol, "missing": shown(m.parts[n])}), kept


# ---- products of matrices, sums


def without_transpose(m: Matrix) -> Matrix:
    """Without a transpose around it."""
    turned = m.kind == "transpose" and tuple(m.detail) == (*range(len(m.axes) - 2), len(m.axes) - 1, len(m.axes) - 2)
    return m.parts[0] if turned else m


def _transposed(m: Matrix) -> Matrix:
    n = len(m.axes)
    if n < 2:
        return m
    bare = without_transpose(m)
    if bare is not m:
        return bare
    return Matrix("transpose", (m,), (*m.axes[:-2], m.axes[-1], m.axes[-2]), (*range(n - 2), n - 1, n - 2))


def _orders(m: Matrix) -> Iterator[Wrong]:
    """Without the transpose, in the other order, or all of it transposed. Which of them has fitting shapes is not looked at."""
    left, right = m.parts
    first = (
        (left, without_transpose(right))
        if without_transpose(left) is left and without_transpose(right) is not right
        else (_transposed(left), right)
    )
    for a, b in (first, (right, left), (_transposed(right), _transposed(left))):
        if a is left and b is right:
            continue
        found = Matrix("matmul", (a, b), _product_axes(a, b))
        yield Diagnosis("product", {"found": shown(found), "right": shown(m)}), found


def _product_axes(a: Matrix, b: Matrix) -> Axes:
    return (*a.axes[:-1], *(b.axes[-1:] if len(b.axes) > 1 else ()))


def _turned(m: Matrix) -> Iterator[Wrong]:
    a, b = m.parts
    found = Matrix("outer", (b, a), (*b.axes, *a.axes))
    yield Diagnosis("product", {"found": shown(found), "right": shown(m)}), found
    if a.shape == b.shape:
        yield (
            Diagnosis("product", {"found": f"{shown(a)} ∗ {shown(b)}", "right": shown(m)}),
            Matrix("product", (a, b), a.axes, (1, 1)),
        )


def _sums(m: Matrix, use: Use) -> Iterator[Wrong]:
    """Not summed, a mean, or summed over another axis."""
    (part,) = m.parts
    axes = tuple(range(len(part.axes))) if m.detail is None else tuple(m.detail)
    gone = [part.axes[a] for a in axes]
    sizes = [i for i in gone if i is not None]
    if not sizes:  # an axis of size 1 is dropped
        return
    yield Diagnosis("not_summed", {"of": use.receiver}), part
    if len(part.axes) == 2 and len(axes) == 1:
        other = 1 - axes[0]
        yield Diagnosis("wrong_axis"), Matrix("sum", (part,), (part.axes[axes[0]],), (other,))
    named = all(i.dim for i in sizes)
    count = Count(tuple((i.size, i.dim) for i in sizes))
    divisor = Matrix("count", (), (), count) if named else Matrix("number", (), (), math.prod(i.size for i in sizes))
    yield Diagnosis("mean"), Matrix("product", (m, divisor), m.axes, (1, -1))


# ---- numbers


def numbers_of(m: Matrix) -> Any:
    """The numbers of a formula; None where its shapes do not fit."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(m.evaluate())
    except (ValueError, IndexError):
        return None


def said(diagnosis: Diagnosis) -> dict[str, str]:
    """The sentence of a diagnosis in both languages, as a sentence of its own."""
    found = {}
    for lang in ("en", "es"):
        sentence = diagnosis.sentence(lang)
        found[lang] = f"{sentence[:1].upper()}{sentence[1:]}."
    return found
