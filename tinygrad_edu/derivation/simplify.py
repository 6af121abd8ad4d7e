"""Simplification: an incoming gradient whose formula is known is put in, and what cancels goes.

Only where the result is no longer than before and needs no incoming gradient any more: sigmoid then cross entropy gives
(ŷ − y)/N. A gradient such as ∂L/∂h ∗ h ∗ (1 − h) is left as it is taught.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..graphs import pretty
from .calculus import contracted
from .matrix import Axes
from .terms import Entry, Factor, Index, Place, Sum, Symbol, Term, Where, indices_of, replace_factors

LONGEST = 16  # of a formula that is put in


@dataclass(frozen=True, slots=True)
class Simplified:
    """A shorter form, and what it needs of the data."""

    total: Sum
    conditions: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()  # the names of the tensors that sum to 1


def simplified(total: Sum, known: Mapping[Symbol, tuple[Axes, Sum]]) -> Simplified | None:
    """The sum with known gradients put in, if that makes it explicit and no longer."""
    used = [entry for entry in total.entries() if entry.of in known]
    if any(known[entry.of][1].cost() > LONGEST for entry in used):
        return None
    found = total
    if used:

        def change(factor: Factor) -> Sum | None:
            if not isinstance(factor, Entry) or factor.of not in known:
                return None
            axes, closed = known[factor.of]
            own = [i for i in axes if i is not None]
            return closed.with_(dict(zip(own, factor.places, strict=True)))

        found = contracted(replace_factors(total, change))
    shorter, names = _sums_to_one(found.expanded())
    conditions = [f"{pretty(name)} sums to 1 over its last axis, which was checked on the data" for name in names]
    if any(entry.of.gradient_of for entry in shorter.entries()) or shorter == total:
        return None
    if shorter.cost() > total.cost() or (not used and not conditions):
        return None
    return Simplified(shorter, tuple(conditions), tuple(names))


def _sums_to_one(total: Sum) -> tuple[Sum, list[str]]:
    """The sum without factors Σ_m y_nm that are 1 in this data, and the names of those y."""
    conditions: dict[str, None] = {}
    terms = []
    for term in total.terms:
        for index in term.over:
            owners = [factor for factor, _ in term.factors if index in indices_of(factor)]
            if len(owners) == 1 and _is_distribution(term, owners[0], index):
                entry = owners[0]
                assert isinstance(entry, Entry)
                rest = term.without(entry)
                # Its other indices are still there in the rest, or were summed alone: then they count.
                if all(any(i in indices_of(f) for f, _ in rest.factors) for i in _others(entry.places, index)):
                    term = replace(rest, over=tuple(i for i in rest.over if i is not index))
                    conditions[entry.of.name] = None
        terms.append(term)
    return Sum(tuple(terms)).collected(), list(conditions)


def _others(places: Sequence[Where], index: Index) -> list[Index]:
    return [i for place in places for i in place.indices() if i is not index]


def _is_distribution(term: Term, factor: Factor, index: Index) -> bool:
    if not isinstance(factor, Entry) or factor.of.gradient_of or dict(term.factors)[factor] != 1:
        return False
    place = factor.places[-1]
    if not isinstance(place, Place) or place.index is not index or np.shape(factor.of.array)[-1] == 1:
        return False
    return bool(np.allclose(np.sum(factor.of.array, axis=-1), 1.0, rtol=0, atol=1e-12))
