"""Which mistake explains an answer: each is tried, and named only if its numbers are the answer's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..tensor import Tensor
from .diagnoses import DESCRIPTIVE, PLAIN, RANK, Diagnosis
from .mistakes import Backward, Recorded, consequences

Array = Any
TRIES = 1000  # about how many mistakes are tried: so many chances of a coincidence
CHANCE = 0.01  # of a coincidence, above which nothing is said
NEAR = 0.01  # relative difference up to which an answer counts as rounded


class Explanation(NamedTuple):
    """The mistakes that together give the answer, and others that would give the same."""

    mistakes: tuple[Diagnosis, ...]
    otherwise: tuple[Diagnosis, ...] = ()


def agrees(a: Array, b: Array, rtol: float, atol: float = 0.0) -> bool:
    """Whether two arrays of one shape are equal, relative to the largest entry, or but for an absolute difference."""
    if np.shape(a) != np.shape(b):
        return False
    scale = np.maximum(np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0))
    if not np.isfinite(scale):  # relative to infinity everything would be equal
        return np.array_equal(a, b, equal_nan=True)
    return bool(np.all(np.abs(a - b) <= np.maximum(rtol * scale, atol)))


def explanation(
    recorded: Recorded, base: Backward, target: Tensor, answer: Array, answered: set[int], rtol: float
) -> Explanation | None:
    """What explains an answer that is not the gradient in this sweep; None if nothing that was tried does."""
    right = base.gradients[id(target)]
    varied = min(4, len(np.unique(answer[answer != 0])))
    if not varied:
        return Explanation((Diagnosis("zero"),)) if answer.shape == right.shape else None
    if TRIES * rtol**varied > CHANCE:
        return None
    found: list[tuple[Diagnosis, ...]] = []
    for mistakes, array in _candidates(recorded, base, target, answered):
        if mistakes and agrees(array, right, rtol):
            continue  # it changes nothing here
        relation = related(recorded, answer, array, rtol, several=varied > 1 or not mistakes)
        if relation is not None and (mistakes or relation):
            found.append((*mistakes, *relation))
    found += _descriptions(recorded, base, target, answer, rtol)
    if not found:
        return None

    def describes(mistakes: tuple[Diagnosis, ...]) -> bool:
        return any(d.code in DESCRIPTIVE for d in mistakes)

    found.sort(key=lambda mistakes: (describes(mistakes), len(mistakes), *(RANK[d.code] for d in mistakes)))
    best = found[0]
    if len(best) > 1 or describes(best) or best[0].code in PLAIN:
        return Explanation(best)
    others = (m for m in found[1:] if len(m) == 1 and not describes(m) and m[0].code != best[0].code and not _same(m[0], best[0]))
    return Explanation(best, next(others, ()))


def _same(a: Diagnosis, b: Diagnosis) -> bool:
    """Whether two say the same of different places."""
    left, right = (Diagnosis(d.code, {k: v for k, v in d.details.items() if k != "at"}).sentence() for d in (a, b))
    return left == right


def _candidates(
    recorded: Recorded, base: Backward, target: Tensor, answered: set[int]
) -> Iterator[tuple[tuple[Diagnosis, ...], Array]]:
    """The gradient itself, and what it is after one mistake."""
    yield (), base.gradients[id(target)]
    yield from consequences(recorded, base, target, answered)


def related(recorded: Recorded, answer: Array, array: Array, rtol: float, several: bool) -> tuple[Diagnosis, ...] | None:
    """How the answer differs from an array: by nothing, a sign, a transposition, a factor, axes of size 1; None if otherwise."""
    array = np.asarray(array)
    if not np.any(array) or not np.all(np.isfinite(array)):
        return None
    views: list[tuple[tuple[Diagnosis, ...], Array]] = [((), array)] if answer.shape == array.shape else []
    if several and array.ndim > 1:
        flipped = np.swapaxes(array, 0, -1)
        views += [((Diagnosis("transpose"),), x) for x in (array.mT, flipped)[: array.ndim - 1] if x.shape == answer.shape]
    if not views and answer.size == array.size and _without_ones(answer) == _without_ones(array):
        shapes = {"found": str(answer.shape), "needed": str(array.shape)}
        views = [((Diagnosis("shape", shapes),), array.reshape(answer.shape))]
    for mistakes, view in views:
        if agrees(answer, view, rtol):
            return mistakes
    for mistakes, view in views if several else ():
        largest = np.unravel_index(np.argmax(np.abs(view)), view.shape)
        times = float(answer[largest] / view[largest])
        factor = _factor(recorded, times, rtol)
        if factor is not None and agrees(answer, times * view, rtol):
            return (*mistakes, *factor)
    return None


def _without_ones(array: Array) -> list[int]:
    return [n for n in array.shape if n != 1]


def _factor(recorded: Recorded, times: float, rtol: float) -> tuple[Diagnosis, ...] | None:
    """A factor that one forgets, or has too often: a sign, a count of the record."""
    sign = (Diagnosis("sign"),) if times < 0 else ()
    size = abs(times)
    if not np.isfinite(size) or not size:
        return None
    if abs(size - 1) <= 2 * rtol:
        return sign
    if abs(size - 2) <= 4 * rtol or abs(size - 0.5) <= rtol:  # n/k may be 2 in many ways
        n = 2
        missing = [(n, 1)] if size > 1 else [(1, n)]
    else:
        missing = [(n, k) for n in (1, *sorted(recorded.divisors)) for k in (1, *sorted(recorded.exponents))]
    for n, k in sorted(missing, key=lambda pair: (pair[0] > 1) + (pair[1] > 1)):
        if abs(size * k / n - 1) <= 2 * rtol and (n == 1 or n in recorded.divisors) and (k == 1 or k in recorded.exponents):
            found = (Diagnosis("missing_factor", {"n": str(n)}),) if n > 1 else ()
            return (*sign, *found, *((Diagnosis("missing_exponent", {"n": str(k)}),) if k > 1 else ()))
    for n in sorted(recorded.sizes):
        if abs(size * n - 1) <= 2 * rtol:
            return (*sign, Diagnosis("extra_factor", {"n": str(n)}))
    return None


def _descriptions(recorded: Recorded, base: Backward, target: Tensor, answer: Array, rtol: float) -> list[tuple[Diagnosis, ...]]:
    """What can be said of the numbers of the answer, without saying how they came about."""
    right = np.asarray(base.gradients[id(target)])
    found: list[tuple[Diagnosis, ...]] = []
    for t in recorded.order:
        if id(t) not in recorded.names:
            continue
        if t is not target and id(t) in base.gradients and t is not recorded.root and agrees(answer, base.gradients[id(t)], rtol):
            found.append((Diagnosis("other_gradient", {"found": recorded.gradient_of(t)}),))
        if answer.size > 1 and agrees(answer, recorded.values[recorded.names[id(t)]], rtol):
            found.append((Diagnosis("value", {"found": recorded.named(t)}),))
    if answer.shape != right.shape:
        return found + _of_other_shape(recorded, answer, right, rtol)
    distinct = len(np.unique(right[right != 0]))
    largest = np.unravel_index(np.argmax(np.abs(right)), right.shape) if right.size else ()
    if distinct > 1 and answer[largest]:
        times = float(answer[largest] / right[largest])
        # A factor that is 1 to six digits is no factor that somebody wrote: it is rounding.
        if abs(abs(times) - 1) > 1e-6 and agrees(answer, times * right, rtol):
            sign = (Diagnosis("sign"),) if times < 0 else ()
            size = abs(times)
            code, shown = ("too_large", size) if size > 1 else ("too_small", 1 / size)
            found.append((*sign, Diagnosis(code, {"times": f"{shown:.6g}"})))
    difference = answer - right
    if distinct > 2 and np.ptp(difference) <= rtol * np.max(np.abs(right)):
        found.append((Diagnosis("offset", {"amount": f"{float(difference.flat[0]):.6g}"}),))
    if distinct > 2 and agrees(np.sort(answer, axis=None), np.sort(right, axis=None), rtol):
        found.append((Diagnosis("order"),))
    relative = float(np.max(np.abs(difference)) / np.max(np.abs(right))) if distinct else 1.0
    if relative <= NEAR:
        found.append((Diagnosis("near", {"digits": str(int(-np.log10(relative)))}),))
    return found


def _of_other_shape(recorded: Recorded, answer: Array, right: Array, rtol: float) -> list[tuple[Diagnosis, ...]]:
    found: list[tuple[Diagnosis, ...]] = []
    n = answer.shape[0] if answer.ndim else 0
    if answer.shape == (n, n) and right.shape in ((n,), (n, 1)) and n > 1:
        relation = related(recorded, np.diagonal(answer), right.reshape(n), rtol, several=True)
        if relation is not None:
            found.append((Diagnosis("broadcast", {"n": str(n)}), *relation))
    for count in range(1, right.ndim + 1):
        for axes in combinations(range(right.ndim), count):
            named = {"axis": ", ".join(map(str, axes))}
            for code, reduced in (("summed", right.sum(axis=axes)), ("averaged", right.mean(axis=axes))):
                if np.prod([right.shape[a] for a in axes]) > 1 and np.any(reduced):
                    relation = related(recorded, answer, reduced, rtol, several=reduced.size > 1)
                    if relation is not None and not any(d.code == "shape" for d in relation):
                        found.append((Diagnosis(code, named), *relation))
    return found
