"""The derivative of a sum by an entry: the product rule, Kronecker deltas, and which indices they let survive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..ops import Elementwise
from .equation import partial
from .terms import (
    Call,
    Count,
    Delta,
    Entry,
    Factor,
    Group,
    Index,
    Place,
    Sum,
    Symbol,
    Term,
    Where,
    indices_of,
    number,
    replace_factors,
)

Named = Mapping[Factor, Sum]  # what has a name of its own: for tanh(u_ij), h_ij


def derivative(total: Sum, by: Symbol, places: Sequence[Where], named: Named | None = None) -> Sum:
    """``∂total/∂by[places]`` by the product rule: every entry of ``by`` becomes a product of deltas.

    Examples
    --------
    >>> from tinygrad_edu.derivation.terms import at
    >>> i, r = Index(2), Index(3)
    >>> h, W = Symbol("h", None), Symbol("W", None)
    >>> u = Sum.of(Entry(h, (at(r),))).times(Sum.of(Entry(W, (at(r), at(i))))).summed((r,))
    >>> j, k = Index(3), Index(2)
    >>> [type(factor).__name__ for factor, _ in derivative(u, W, (at(j), at(k))).terms[0].factors]
    ['Entry', 'Delta', 'Delta']
    """
    result = Sum()
    for term in total.terms:
        for factor, n in term.factors:
            inner = _of_factor(factor, by, places, named or {})
            if inner.terms:
                rest = Sum((replace(term.without(factor), coefficient=term.coefficient * n),))
                result = Sum((*result.terms, *rest.distributed(inner).terms)).collected()
    return result


def _of_factor(factor: Factor, by: Symbol, places: Sequence[Where], named: Named) -> Sum:
    if isinstance(factor, Entry):
        if factor.of is not by:
            return Sum()
        deltas = [Delta(own, target) for own, target in zip(factor.places, places, strict=True)]
        return Sum((Term(factors=tuple((delta, 1) for delta in deltas)),))
    if isinstance(factor, Group):
        return derivative(factor.sum, by, places, named)
    if isinstance(factor, Call):
        total = Sum()
        for i, arg in enumerate(factor.args):
            inner = derivative(arg, by, places, named)
            if inner.terms and isinstance(factor.op, Elementwise):
                y = named.get(factor, Sum.of(factor))
                total = total + partial(factor.op, i, factor.args, y, dict(factor.params)).times(number(1)).distributed(inner)
        return total
    return Sum()


def contracted(total: Sum, survived: Callable[[Index, Where], None] = lambda index, place: None) -> Sum:
    """The sum without the deltas that a summed index is in: only one of its values survives.

    ``survived`` is told each index that goes, and the place that is left of it.

    Examples
    --------
    >>> from tinygrad_edu.derivation.terms import at
    >>> i, r = Index(3), Index(3)
    >>> h = Symbol("h", None)
    >>> term = Term(factors=((Entry(h, (at(r),)), 1), (Delta(at(r), at(i)), 1)), over=(r,))
    >>> contracted(Sum((term,))) == Sum.of(Entry(h, (at(i),)))
    True
    """
    return Sum(tuple(t for t in (_contracted(term, survived) for term in total.terms) if t is not None)).collected()


def _contracted(term: Term, survived: Callable[[Index, Where], None]) -> Term | None:
    while True:
        found = next(filter(None, (_solved(factor, term) for factor, _ in term.factors if isinstance(factor, Delta))), None)
        if found is not None:
            delta, index, place = found
            survived(index, place)
            rest = term.without(delta)
            term = replace(rest, over=tuple(i for i in rest.over if i is not index)).with_({index: place})
            continue
        constant = next((f for f, _ in term.factors if isinstance(f, Delta) and not indices_of(f)), None)
        same = next((f for f, _ in term.factors if isinstance(f, Delta) and f.left == f.right), None)
        if constant is not None and constant.left != constant.right:
            return None
        if constant is None and same is None:
            return _counted(_powers_of_deltas(term))
        drop = constant if constant is not None else same
        term = replace(term, factors=tuple((f, n) for f, n in term.factors if f != drop))


def _solved(delta: Delta, term: Term) -> tuple[Delta, Index, Where] | None:
    """The delta, a summed index in it, and what the index must be."""
    for place, other in ((delta.left, delta.right), (delta.right, delta.left)):
        if not isinstance(place, Place):
            continue
        for index, n in place.parts:
            if index not in term.over or index in other.indices() or abs(n) != 1:
                continue
            if place.index is index and isinstance(other, Place) and other.index is not None:
                if other.index.size <= index.size or _vanishes_outside(term, index):
                    return delta, index, other
                continue
            if place.index is index and not isinstance(other, Place):
                return delta, index, other
            if not isinstance(other, Place):
                continue
            rest = Place(tuple((i, m) for i, m in place.parts if i is not index), place.offset)
            solved = _difference(other, rest, n)
            if not solved.parts and 0 <= solved.offset < index.size:
                return delta, index, solved
            if _vanishes_outside(term, index):
                return delta, index, solved
    return None


def _vanishes_outside(term: Term, index: Index) -> bool:
    """Whether some entry in the term is 0 where the index would be outside of its axis."""
    for factor, n in term.factors:
        if n > 0 and isinstance(factor, Entry):
            sizes = [size for size in np.shape(factor.of.array) if size != 1]
            for place, size in zip(factor.places, sizes, strict=True):
                if isinstance(place, Place) and place.index is index and size == index.size:
                    return True
    return False


def _difference(left: Place, right: Place, sign: int) -> Place:
    parts: dict[Index, int] = {}
    for i, n in left.parts:
        parts[i] = parts.get(i, 0) + n * sign
    for i, n in right.parts:
        parts[i] = parts.get(i, 0) - n * sign
    return Place(tuple((i, n) for i, n in parts.items() if n), (left.offset - right.offset) * sign)


def _counted(term: Term) -> Term:
    """A sum over an index that nothing in it has is a product with how many there are."""
    for index in term.over:
        if not any(index in indices_of(factor) for factor, _ in term.factors):
            term = replace(term, over=tuple(i for i in term.over if i is not index))
            if index.dim is None:
                term = replace(term, coefficient=term.coefficient * index.size)
            else:
                term = term.times(Term(factors=((Count(((index.size, index.dim),)), 1),)))
    return term


def _powers_of_deltas(term: Term) -> Term:
    """A delta is 0 or 1: its powers are itself."""
    return replace(term, factors=tuple((f, 1 if isinstance(f, Delta) else n) for f, n in term.factors))


def rule_as_derivative(rule: Sum, incoming: Symbol, places: Sequence[Where]) -> Sum:
    """A rule that is linear in the incoming gradient, as a local derivative: each entry of the gradient becomes deltas."""

    def change(factor: Factor) -> Sum | None:
        if isinstance(factor, Entry) and factor.of is incoming:
            deltas = tuple((Delta(target, own), 1) for own, target in zip(factor.places, places, strict=True))
            return Sum((Term(factors=deltas),))
        if isinstance(factor, Group) and any(entry.of is incoming for entry in factor.sum.entries()):
            return replace_factors(factor.sum, change)
        return None

    return replace_factors(rule, change)
