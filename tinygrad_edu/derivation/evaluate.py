"""The numbers of a sum: every line of a derivation can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .terms import Call, Count, Delta, Entry, Factor, Group, Index, Place, Sum, Term, Where, indices_of

LIMIT = 4_000_000  # entries of an array that is worked out for a check


class TooLargeError(Exception):
    """More entries than are worth working out."""


def evaluate(total: Sum, axes: Sequence[Index]) -> Any:
    """The array of a sum, one axis for each of these indices.

    Examples
    --------
    >>> from tinygrad_edu.derivation.terms import Symbol, at
    >>> i, j = Index(2), Index(2)
    >>> h = Sum.of(Entry(Symbol("h", np.array([[1.0, 2.0], [3.0, 4.0]])), (at(i), at(j))))
    >>> evaluate(h.times(h).summed((j,)), (i,))
    array([ 5., 25.])
    """
    shape = tuple(i.size for i in axes)
    if np.prod(shape, dtype=float) > LIMIT:
        raise TooLargeError
    result = np.zeros(shape)
    with np.errstate(all="ignore"):
        for term in total.terms:
            result = result + _term(term, axes)
    return result


def _term(term: Term, axes: Sequence[Index]) -> Any:
    numbers: dict[Index, int] = {}
    operands: list[Any] = []
    scale = float(term.coefficient)
    for factor, n in term.factors:
        own = indices_of(factor)
        array = _factor(factor, own) ** float(n)
        if not own:
            scale *= float(array)
            continue
        operands += [array, [numbers.setdefault(i, len(numbers)) for i in own]]
    for i in term.over:
        if i not in numbers:
            scale *= i.size
    present = [i for i in axes if i in numbers]
    found = np.einsum(*operands, [numbers[i] for i in present], optimize=len(operands) > 4) if operands else np.float64(1)
    spread = np.reshape(found, [i.size if i in numbers else 1 for i in axes])
    return np.broadcast_to(scale * spread, [i.size for i in axes])


def _factor(factor: Factor, own: Sequence[Index]) -> Any:
    """The array of a factor over its own indices."""
    if np.prod([i.size for i in own], dtype=float) > LIMIT:
        raise TooLargeError
    grid = dict(zip(own, np.ix_(*(np.arange(i.size) for i in own)), strict=True)) if own else {}
    shape = tuple(i.size for i in own)
    if isinstance(factor, Entry):
        array = np.asarray(factor.of.array)
        squeezed = array.reshape([n for n in array.shape if n != 1])
        if not factor.places:
            return np.asarray(squeezed, float)
        places = [np.asarray(_where(place, grid)) for place in factor.places]
        inside: Any = True
        for place, n in zip(places, squeezed.shape, strict=True):
            inside = inside & (place >= 0) & (place < n)
        if not squeezed.size:
            return np.zeros(shape)
        clipped = tuple(np.clip(place, 0, n - 1) for place, n in zip(places, squeezed.shape, strict=True))
        return np.broadcast_to(np.where(inside, squeezed[clipped], 0.0), shape)
    if isinstance(factor, Delta):
        return np.broadcast_to(np.asarray(_where(factor.left, grid) == _where(factor.right, grid), float), shape)
    if isinstance(factor, Count):
        return np.asarray(float(factor.value))
    if isinstance(factor, Group):
        return evaluate(factor.sum, own)
    assert isinstance(factor, Call)
    return np.asarray(factor.op.forward(*(evaluate(arg, own) for arg in factor.args), **dict(factor.params)), float)


def _where(place: Where, grid: dict[Index, Any]) -> Any:
    if isinstance(place, Place):
        total: Any = np.asarray(place.offset)
        for i, n in place.parts:
            total = total + n * grid[i]
        return total
    table = np.asarray(place.table.array)
    squeezed = table.reshape([n for n in table.shape if n != 1])
    return squeezed[tuple(np.asarray(_where(p, grid)) for p in place.places)] if place.places else squeezed[()]
