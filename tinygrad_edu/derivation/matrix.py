"""From indices back to matrices: which product two factors make is read off the sets of their indices.

Equal indices: ∗, place by place. One summed index in both: a matrix product, the factor that owns the first index of the
result on the left. No index in both: an outer product ⊗. A summed index of one factor alone: a sum over that axis. What
is none of these is an einsum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from .evaluate import LIMIT, TooLargeError
from .terms import (
    Call,
    Count,
    Delta,
    Entry,
    Factor,
    Group,
    Index,
    Lookup,
    Number,
    Place,
    Sum,
    Symbol,
    Term,
    as_fraction,
    indices_of,
    magnitude,
)

Axes = tuple[Index | None, ...]  # None for an axis of size 1
LETTERS = "ijklmnopqrstuvwxyz"


class NoMatrixFormError(Exception):
    """The sum stays in index notation."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """An expression of arrays.

    Attributes
    ----------
    kind : str
        ``value``, ``number``, ``count``, ``product`` (∗, with divisors), ``matmul``, ``outer``, ``transpose``, ``sum``,
        ``expand`` (a new axis of size 1), ``onehot`` (of a table of integers), ``power``, ``call``, ``add``, ``einsum`` or
        ``spread`` (the same everywhere).
    parts : tuple of Matrix
        What it is made of.
    axes : tuple
        The index that runs over each axis.
    detail : object
        The Symbol, the number, the op, the summed axes, the subscripts.
    """

    kind: str
    parts: tuple[Matrix, ...]
    axes: Axes
    detail: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return tuple(1 if i is None else i.size for i in self.axes)

    def indices(self) -> frozenset[Index]:
        """The indices of the axes."""
        return frozenset(i for i in self.axes if i is not None)

    def evaluate(self) -> Any:
        """The numbers."""
        if np.prod(self.shape, dtype=float) > LIMIT:
            raise TooLargeError
        with np.errstate(all="ignore"):
            return _EVALUATE[self.kind](self, [part.evaluate() for part in self.parts])


def _einsum(m: Matrix, values: list[Any]) -> Any:
    return np.einsum(m.detail, *(np.reshape(v, [n for n in np.shape(v) if n != 1]) for v in values))


def _product(m: Matrix, values: list[Any]) -> Any:
    found: Any = 1.0
    for value, power in zip(values, m.detail, strict=True):
        found = found * value if power > 0 else found / value
    return found


def _spread_out(m: Matrix, values: list[Any]) -> Any:
    own = m.parts[0].indices()
    return np.broadcast_to(np.reshape(values[0], [i.size if i in own and i is not None else 1 for i in m.axes]), m.shape)


_EVALUATE: Mapping[str, Any] = {
    "value": lambda m, values: np.asarray(m.detail.array, float),
    "number": lambda m, values: float(m.detail),
    "count": lambda m, values: float(m.detail.value),
    "product": _product,
    "matmul": lambda m, values: np.matmul(*values),
    "outer": lambda m, values: np.multiply.outer(*values),
    "transpose": lambda m, values: np.transpose(values[0], m.detail),
    "sum": lambda m, values: np.sum(values[0], axis=m.detail),
    "expand": lambda m, values: np.expand_dims(values[0], m.detail),
    "power": lambda m, values: values[0] ** float(m.detail),
    "call": lambda m, values: np.asarray(m.detail[0].forward(*map(np.asarray, values), **dict(m.detail[1])), float),
    "onehot": lambda m, values: np.equal(np.asarray(m.detail.array)[..., None], np.arange(m.shape[-1])).astype(float),
    "add": lambda m, values: sum(sign * value for sign, value in zip(m.detail, values, strict=True)),
    "einsum": _einsum,
    "spread": _spread_out,
}


def to_matrix(total: Sum, axes: Axes) -> Matrix:
    """The sum as an expression of arrays whose axes run over these indices.

    Raises
    ------
    NoMatrixFormError
        If places are shifted or looked up, or deltas are left.

    Examples
    --------
    >>> from tinygrad_edu.derivation.terms import at
    >>> i, j, k = Index(2), Index(3), Index(4)
    >>> h = Sum.of(Entry(Symbol("h", np.ones((4, 2))), (at(k), at(i))))
    >>> g = Sum.of(Entry(Symbol("g", np.ones((4, 3))), (at(k), at(j))))
    >>> found = to_matrix(h.times(g).summed((k,)), (i, j))
    >>> found.kind, found.parts[0].kind, found.shape
    ('matmul', 'transpose', (2, 3))
    """
    if not total.terms:
        return _spread(Matrix("number", (), (), 0), axes)
    scale, counts, rest = common(total)
    if len(rest) == 1:
        found = _term(rest[0], axes)
    else:
        ordered = sorted(rest, key=lambda t: t.coefficient < 0)  # what is added first comes first
        parts = [_term(_positive(t), axes) for t in ordered]
        signs = tuple(-1 if t.coefficient < 0 else 1 for t in ordered)
        together = _together([part.axes for part in parts])
        if together is None:
            together = tuple(i for i in axes if i is not None)
            parts = [_spread(_without_ones(part), together) for part in parts]
        found = Matrix("add", tuple(parts), together, signs)
    if scale != 1 or counts:
        found = _scaled(found, scale, counts)
    return _spread(found, axes)


def common(total: Sum) -> tuple[Number, tuple[tuple[Count, int], ...], tuple[Term, ...]]:
    """The number and the counts that every term has, and the terms without them."""
    counts = [{f: n for f, n in t.factors if isinstance(f, Count)} for t in total.terms]
    shared = tuple((f, n) for f, n in counts[0].items() if all(other.get(f) == n for other in counts))
    sizes = {magnitude(t.coefficient) for t in total.terms}
    scale: Number = sizes.pop() if len(sizes) == 1 else Fraction(1)
    if all(t.coefficient < 0 for t in total.terms):
        scale = -scale
    drop = {f for f, _ in shared}
    rest = tuple(Term(t.coefficient / scale, tuple((f, n) for f, n in t.factors if f not in drop), t.over) for t in total.terms)
    return scale, shared, rest


def _positive(term: Term) -> Term:
    return Term(magnitude(term.coefficient), term.factors, term.over)


def _scaled(found: Matrix, scale: Number, counts: tuple[tuple[Count, int], ...]) -> Matrix:
    """The expression with its number before it, and divided by its counts."""
    if found.kind == "number" and not counts:
        return Matrix("number", (), (), scale * found.detail)
    parts, powers = ([*found.parts], [*found.detail]) if found.kind == "product" else ([found], [1])
    if found.kind == "number" and found.detail == 1 and any(n > 0 for _, n in counts):
        parts, powers = [], []
    exact = as_fraction(scale)
    top, bottom = (scale, 1) if exact is None else (exact.numerator, exact.denominator)
    if top != 1:
        parts, powers = [Matrix("number", (), (), top), *parts], [1, *powers]
    if bottom != 1:  # before other divisors
        first = next((n for n, power in enumerate(powers) if power < 0), len(powers))
        parts, powers = [*parts], [*powers]
        parts.insert(first, Matrix("number", (), (), bottom))
        powers.insert(first, -1)
    for count, n in counts:
        for _ in range(abs(n)):
            parts, powers = [*parts, Matrix("count", (), (), count)], [*powers, 1 if n > 0 else -1]
    return Matrix("product", tuple(parts), found.axes, tuple(powers))


def _term(term: Term, axes: Axes) -> Matrix:
    """A product of entries, joined two by two."""
    items: list[Matrix] = []
    counts: list[tuple[Count, int]] = []
    for factor, n in term.factors:
        if isinstance(factor, Count):
            counts.append((factor, n))
        else:
            items += _items(factor, n)
    over = list(term.over)
    numbers = 1
    for i in [i for i in over if not any(i in item.indices() for item in items)]:
        over.remove(i)
        numbers *= i.size
    out = [i for i in axes if i is not None]
    items = _joined(items, over, out)
    found = items[0] if items else Matrix("number", (), (), 1)
    coefficient = term.coefficient * numbers
    if not items and coefficient:
        found, coefficient = Matrix("number", (), (), coefficient), Fraction(1)
    if coefficient != 1 or counts:
        found = _scaled(found, coefficient, tuple(counts))
    return found


def _items(factor: Factor, n: int) -> list[Matrix]:
    found = _whole(factor)
    if isinstance(factor, Entry) and 1 < n <= 2:
        return [found] * n  # h ∗ h, as it is taught
    if abs(n) > 1:
        found = Matrix("power", (found,), found.axes, abs(n))
    return [found] if n > 0 else [Matrix("product", (found,), found.axes, (-1,))]


def _whole(factor: Factor) -> Matrix:
    """A factor as one array."""
    if isinstance(factor, Entry):
        own = [place.index if isinstance(place, Place) else None for place in factor.places]
        if None in own or len(set(own)) < len(own):
            raise NoMatrixFormError("an entry is not at a place of its own for each index")
        shape = np.shape(factor.of.array)
        if [i.size for i in own if i is not None] != [n for n in shape if n != 1]:
            raise NoMatrixFormError("an index runs over a part of an axis")
        places = iter(own)
        return Matrix("value", (), tuple(None if n == 1 else next(places) for n in shape), factor.of)
    if isinstance(factor, Delta):
        return _one_hot(factor)
    if isinstance(factor, Group):
        return to_matrix(factor.sum, _own_axes(factor))
    if isinstance(factor, Call):
        own_axes = _own_axes(factor)
        parts = [to_matrix(arg, own_axes) if indices_of(Group(arg)) else to_matrix(arg, ()) for arg in factor.args]
        together = _together([part.axes for part in parts])
        if together is None:
            kept = tuple(i for i in own_axes if i is not None)
            parts = [_spread(_without_ones(part), kept) for part in parts]
            together = kept
        return Matrix("call", tuple(parts), together, (factor.op, factor.params))
    raise NoMatrixFormError("a count is a factor of its own")


def _one_hot(delta: Delta) -> Matrix:
    """[t[i] = j], as a matrix with a row for each entry of the table."""
    for table, place in ((delta.left, delta.right), (delta.right, delta.left)):
        if isinstance(table, Lookup) and isinstance(place, Place) and place.index is not None:
            own = [p.index for p in table.places if isinstance(p, Place)]
            sizes = [n for n in np.shape(table.table.array) if n != 1]
            plain = len(own) == len(table.places) == len(set(own)) and np.ndim(table.table.array) == len(own)
            if plain and None not in own and [i.size for i in own if i] == sizes and place.index not in own:
                return Matrix("onehot", (), (*own, place.index), table.table)
    raise NoMatrixFormError("a delta is left")


def _own_axes(factor: Factor) -> Axes:
    """The axes of what is elementwise in a factor: those of its entry with most indices."""
    wanted = indices_of(factor)
    best: Axes = ()
    for axes in _axes_of_entries(factor):
        kept = tuple(i for i in axes if i is None or i in wanted)
        if {i for i in kept if i} == set(wanted):
            return kept
        best = kept if len([i for i in kept if i]) > len([i for i in best if i]) else best
    return wanted


def _axes_of_entries(factor: Factor) -> Iterator[Axes]:
    if isinstance(factor, Entry):
        yield _whole(factor).axes
    elif isinstance(factor, (Group, Call)):
        for part in (factor.sum,) if isinstance(factor, Group) else factor.args:
            for term in part.terms:
                for inner, _ in term.factors:
                    yield from _axes_of_entries(inner)


def _joined(items: list[Matrix], over: list[Index], out: Sequence[Index]) -> list[Matrix]:
    """Join factors until one is left, with the indices of the result only."""
    items = list(items)
    while True:
        if _join_equal(items):
            continue
        private = next((i for i in over if sum(i in item.indices() for item in items) == 1), None)
        if private is not None:
            at = next(n for n, item in enumerate(items) if private in item.indices())
            alone = [i for i in items[at].axes if i in over and sum(i in item.indices() for item in items) == 1]
            items[at] = _summed(items[at], alone)
            over = [i for i in over if i not in alone]
            continue
        if len(items) < 2:
            return items
        pair = _contraction(items, over, out)
        if pair is not None:
            a, b, index = pair
            product = _matmul(items[a], items[b], index, out)
            items = [product if n == min(a, b) else item for n, item in enumerate(items) if n != max(a, b)]
            over = [i for i in over if i is not index]
            continue
        if _join_parts(items):
            continue
        if not over and len(items) == 2 and not items[0].indices() & items[1].indices():
            return [_outer(items[0], items[1], out)]
        return [_by_einsum(items, out)]


def _join_equal(items: list[Matrix]) -> bool:
    """Multiply place by place what has the same indices, or none."""
    for a, b in combinations(range(len(items)), 2):
        left, right = items[a], items[b]
        if not left.indices() or not right.indices() or left.indices() == right.indices():
            joined = _elementwise(left, right)
            if joined is not None:
                items[a] = joined
                del items[b]
                return True
    return False


def _join_parts(items: list[Matrix]) -> bool:
    """Multiply place by place what has some of the indices of another factor."""
    for a, b in combinations(range(len(items)), 2):
        if items[a].indices() < items[b].indices() or items[b].indices() < items[a].indices():
            joined = _elementwise(items[a], items[b])
            if joined is not None:
                items[a] = joined
                del items[b]
                return True
    return False


def _elementwise(left: Matrix, right: Matrix) -> Matrix | None:
    full = max((left.axes, right.axes), key=lambda axes: (len([i for i in axes if i]), len(axes)))
    fitted = [_fit(m, full) for m in (left, right)]
    if fitted[0] is None or fitted[1] is None:
        return None
    parts: list[Matrix] = []
    powers: list[int] = []
    for m in (fitted[0], fitted[1]):
        flat = m.kind == "product"
        parts += m.parts if flat else [m]
        powers += m.detail if flat else [1]
    if powers[0] < 0:  # what is multiplied comes before what it is divided by
        order = sorted(range(len(parts)), key=lambda n: powers[n] < 0)
        parts, powers = [parts[n] for n in order], [powers[n] for n in order]
    together = _together([part.axes for part in parts])
    return None if together is None else Matrix("product", tuple(parts), together, tuple(powers))


def _together(several: Sequence[Axes]) -> Axes | None:
    """The axes of arrays that broadcasting fits to each other, or None if it does not."""
    found: list[Index | None] = []
    for n in range(1, max(map(len, several), default=0) + 1):
        here = {axes[-n] for axes in several if len(axes) >= n and axes[-n] is not None}
        if len(here) > 1:
            return None
        found.append(here.pop() if here else None)
    kept = [i for i in found if i is not None]
    return tuple(reversed(found)) if len(set(kept)) == len(kept) else None


def _fits(axes: Axes, full: Axes) -> bool:
    """Whether broadcasting fits these axes to the full ones as they are."""
    own = full[len(full) - len(axes) :]
    return len(axes) <= len(full) and all(i is None or i is j for i, j in zip(axes, own, strict=True))


def _fit(m: Matrix, full: Axes) -> Matrix | None:
    """The array, turned or with new axes of size 1, so that broadcasting fits it to the full axes."""
    if _fits(m.axes, full):
        return m
    own = [i for i in m.axes if i is not None]
    if not set(own) <= set(full) or len(own) < len(m.axes):
        return None
    order = sorted(own, key=full.index)
    if order != own:
        m = Matrix("transpose", (m,), tuple(order), tuple(own.index(i) for i in order))
    if _fits(m.axes, full):
        return m
    first = full.index(order[0])
    new = tuple(n - first for n in range(first, len(full)) if full[n] not in order)
    axes = tuple(full[n] if full[n] in order else None for n in range(first, len(full)))
    return Matrix("expand", (m,), axes, new)


def _contraction(items: Sequence[Matrix], over: Sequence[Index], out: Sequence[Index]) -> tuple[int, int, Index] | None:
    """Two factors and the one summed index that only they have, such that a matrix product takes it away."""
    for index in over:
        owners = [n for n, item in enumerate(items) if index in item.indices()]
        if len(owners) != 2:
            continue
        a, b = (items[n] for n in owners)
        shared = a.indices() & b.indices()
        small = all(len(m.indices()) <= 2 and len(m.axes) <= 2 for m in (a, b))
        if shared == {index} and small:
            return owners[0], owners[1], index
        batch = [i for i in shared if i is not index]
        same = batch and list(a.axes[: len(batch)]) == list(b.axes[: len(batch)]) and set(a.axes[: len(batch)]) == set(batch)
        matrices = all(len(m.axes) == len(batch) + 2 and None not in m.axes for m in (a, b))
        if same and matrices and list(out[: len(batch)]) == list(a.axes[: len(batch)]):
            return owners[0], owners[1], index
    return None


def _matmul(a: Matrix, b: Matrix, index: Index, out: Sequence[Index]) -> Matrix:
    def first(m: Matrix, other: Matrix) -> int:
        own = [n for n, i in enumerate(out) if i in m.indices() and i not in other.indices()]
        return min(own, default=len(out))

    left, right = (b, a) if first(b, a) < first(a, b) else (a, b)
    if first(left, right) == first(right, left) == len(out) and len(right.indices()) > len(left.indices()):
        left, right = right, left  # both go on to be summed: a matrix times a vector
    if len(left.axes) == 1 and len(right.axes) == 2 and None in right.axes and right.axes[1] is index:
        right = Matrix("transpose", (right,), right.axes[::-1], (1, 0))
    n = len(left.axes)
    if n > 1 and left.axes[-1] is not index:
        left = Matrix("transpose", (left,), (*left.axes[:-2], left.axes[-1], left.axes[-2]), (*range(n - 2), n - 1, n - 2))
    n = len(right.axes)
    if n > 1 and right.axes[-2] is not index:
        right = Matrix("transpose", (right,), (*right.axes[:-2], right.axes[-1], right.axes[-2]), (*range(n - 2), n - 1, n - 2))
    axes = (*left.axes[:-1], *(right.axes[-1:] if len(right.axes) > 1 else ()))
    return Matrix("matmul", (left, right), axes)


def _outer(a: Matrix, b: Matrix, out: Sequence[Index]) -> Matrix:
    own = [i for i in a.axes if i] + [i for i in b.axes if i]
    if list(out[: len(own)]) != own and [i for i in out if i in own] != own:
        a, b = b, a
    if all(len(m.axes) == 2 and None in m.axes for m in (a, b)):  # as matrices with one column or one row: a · bᵀ
        column = a if a.axes[1] is None else Matrix("transpose", (a,), a.axes[::-1], (1, 0))
        row = b if b.axes[0] is None else Matrix("transpose", (b,), b.axes[::-1], (1, 0))
        return Matrix("matmul", (column, row), (column.axes[0], row.axes[1]))
    if None in a.axes or None in b.axes:
        return _by_einsum([a, b], out)
    return Matrix("outer", (a, b), (*a.axes, *b.axes))


def _summed(m: Matrix, over: Sequence[Index]) -> Matrix:
    axes = tuple(n for n, i in enumerate(m.axes) if i in over)
    rest = tuple(i for i in m.axes if i not in over)
    if not any(rest):
        return Matrix("sum", (m,), (), None)
    return Matrix("sum", (m,), rest, axes)


def _by_einsum(items: Sequence[Matrix], out: Sequence[Index]) -> Matrix:
    letters: dict[Index, str] = {}
    for item in items:
        for i in item.axes:
            if i is not None and i not in letters:
                letters[i] = LETTERS[len(letters)] if len(letters) < len(LETTERS) else "?"
    if "?" in letters.values():
        raise NoMatrixFormError("too many indices")
    plain = [_without_ones(item) for item in items]
    kept = [i for i in out if i in letters]
    left = ",".join("".join(letters[i] for i in item.axes if i is not None) for item in plain)
    return Matrix("einsum", tuple(plain), tuple(kept), f"{left}->{''.join(letters[i] for i in kept)}")


def _without_ones(m: Matrix) -> Matrix:
    ones = tuple(n for n, i in enumerate(m.axes) if i is None)
    return Matrix("sum", (m,), tuple(i for i in m.axes if i is not None), ones) if ones else m


def _spread(m: Matrix, axes: Axes) -> Matrix:
    """The array with its axes in this order; where an index is missing, it is the same all along the axis."""
    own = [i for i in m.axes if i is not None]
    wanted = [i for i in axes if i is not None]
    if own == wanted:
        return m
    if set(own) == set(wanted) and len(own) == len(m.axes):
        return Matrix("transpose", (m,), tuple(wanted), tuple(own.index(i) for i in wanted))
    kept = [i for i in wanted if i in own]
    if set(own) - set(wanted):
        raise NoMatrixFormError("an index is left that the result does not have")
    if kept != own:
        m = Matrix("transpose", (_without_ones(m),), tuple(kept), tuple(own.index(i) for i in kept))
    return Matrix("spread", (m,), tuple(wanted))


def exactly(m: Matrix, axes: Axes) -> Matrix:
    """The array with just these axes, those of size 1 too: (N,) is not (N, 1)."""
    if m.axes == axes:
        return m
    plain = _without_ones(m)
    new = tuple(n for n, i in enumerate(axes) if i is None)
    return Matrix("expand", (plain,), axes, new) if new else plain


def symbols(m: Matrix) -> Iterator[Symbol]:
    """The tensors in an expression."""
    if m.kind in ("value", "onehot"):
        yield m.detail
    for part in m.parts:
        yield from symbols(part)
