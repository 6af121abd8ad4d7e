"""Index notation as data: sums of terms, each a coefficient times powers of factors, summed over some indices.

The summed indices are listed, not implied: a product of entries at the same place, h_ij ∂L/∂h_ij, repeats an index that
is kept. An axis that is missing or has size 1 carries no index, so that broadcasting needs no word, and what it repeated
is added up by the index being summed. An entry outside of its tensor is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ..ops import Op

Number = Fraction | float
SHORT_DECIMAL = 8  # characters: 0.000625


@dataclass(frozen=True, eq=False, slots=True)
class Index:
    """One index: it runs over an axis of this size, which has this letter. Each is itself only."""

    size: int
    dim: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where along an axis: ``Σ coefficient · index + offset``; mostly one index."""

    parts: tuple[tuple[Index, int], ...]
    offset: int = 0

    @property
    def index(self) -> Index | None:
        """The index, if the place is nothing else."""
        return self.parts[0][0] if len(self.parts) == 1 and self.parts[0][1] == 1 and not self.offset else None

    def indices(self) -> tuple[Index, ...]:
        """The indices it depends on."""
        return tuple(i for i, _ in self.parts)

    def with_(self, places: Mapping[Index, Where]) -> Where:
        """The place with some indices replaced."""
        if not any(i in places for i, _ in self.parts):
            return self
        if self.index is not None:
            return places[self.index]
        found: dict[Index, int] = {}
        offset = self.offset
        for i, n in self.parts:
            new = places.get(i, at(i))
            if not isinstance(new, Place):
                raise NoIndexFormError("an index that is looked up is shifted")
            offset += n * new.offset
            for j, m in new.parts:
                found[j] = found.get(j, 0) + n * m
        return Place(tuple((j, n) for j, n in found.items() if n), offset)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A place that stands in a table of integers: x_t for the class t of each example."""

    table: Symbol
    places: tuple[Where, ...]

    @property
    def index(self) -> None:
        """It is no index."""
        return

    def indices(self) -> tuple[Index, ...]:
        """The indices it depends on."""
        return tuple(i for place in self.places for i in place.indices())

    def with_(self, places: Mapping[Index, Where]) -> Where:
        """The place with some indices replaced."""
        return Lookup(self.table, tuple(place.with_(places) for place in self.places))


Where = Place | Lookup


def at(index: Index, shift: int = 0) -> Place:
    """The place of one index."""
    return Place(((index, 1),), shift)


class NoIndexFormError(Exception):
    """What was computed is not a sum of products of entries."""


@dataclass(frozen=True, eq=False, slots=True)
class Symbol:
    """A tensor in a formula. Each is itself only.

    Attributes
    ----------
    name : str
        The user's name for it.
    array : ndarray
        Its numbers.
    gradient_of : str
        For a gradient, the name of what it is the gradient of, and ``name`` is the root's.
    dims : tuple
        The letter, or None, of each axis.
    made_of : tuple
        For a value that has no name but that of what it is, softmax(z): the op, the name z, and the parameters.
    """

    name: str
    array: Any = field(repr=False)
    gradient_of: str = ""
    dims: tuple[str | None, ...] = ()
    made_of: tuple[Op, str, Mapping[str, Any]] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """W_ij: an entry of a tensor. There is a place for each axis whose size is not 1."""

    of: Symbol
    places: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """δ_ij: 1 where the two places are the same, else 0."""

    left: Where
    right: Where


@dataclass(frozen=True, slots=True)
class Count:
    """How many entries axes have together: N."""

    axes: tuple[tuple[int, str | None], ...]

    @property
    def value(self) -> int:
        """The number."""
        n = 1
        for size, _ in self.axes:
            n *= size
        return n


@dataclass(frozen=True, slots=True)
class Call:
    """An elementwise function at one place: tanh(u_ij)."""

    op: Op
    args: tuple[Sum, ...]
    params: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A sum as a factor: (1 − h_ij)."""

    sum: Sum


Factor = Entry | Delta | Count | Call | Group


@dataclass(frozen=True, slots=True)
class Term:
    """``coefficient · Π factor^exponent``, summed over ``over``. Factors stay in the order in which they came."""

    coefficient: Number = Fraction(1)
    factors: tuple[tuple[Factor, int], ...] = ()
    over: tuple[Index, ...] = ()

    def times(self, other: Term) -> Term:
        """The product. What this one is summed over, it is summed over in the other one, too.

        A summed index of the other one that is used here, also inside of a factor, becomes another one.
        """
        left, right = self, other
        if left.over:
            left = left.renamed(_summed_inside(right.factors) - {i for factor, _ in right.factors for i in indices_of(factor)})
        if right.over:
            right = right.renamed({*left.over, *_summed_inside(left.factors)})
        powers = dict(left.factors)
        for factor, n in right.factors:
            powers[factor] = powers.get(factor, 0) + n
        factors = tuple((factor, n) for factor, n in powers.items() if n)
        return Term(left.coefficient * right.coefficient, factors, (*left.over, *right.over))

    def renamed(self, taken: set[Index]) -> Term:
        """The term with new summed indices for those that are taken."""
        new = {i: at(Index(i.size, i.dim)) for i in self.over if i in taken}
        return self.with_(new) if new else self

    def with_(self, places: Mapping[Index, Where]) -> Term:
        """The term with indices replaced, summed ones too."""
        powers: dict[Factor, int] = {}
        for factor, n in self.factors:
            new = _replaced(factor, places)
            powers[new] = powers.get(new, 0) + n
        over = tuple(places[i].index or i if i in places else i for i in self.over)
        return Term(self.coefficient, tuple((f, n) for f, n in powers.items() if n), over)

    def without(self, factor: Factor) -> Term:
        """The term without one power of a factor."""
        powers = dict(self.factors)
        powers[factor] -= 1
        return replace(self, factors=tuple((f, n) for f, n in powers.items() if n))


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of terms; without any, it is 0.

    Examples
    --------
    >>> i = Index(3)
    >>> h = Sum.of(Entry(Symbol("h", None), (at(i),)))
    >>> (number(1) - h).times(h).cost()
    3
    """

    terms: tuple[Term, ...] = ()

    @staticmethod
    def of(factor: Factor, exponent: int = 1) -> Sum:
        """A power of one factor."""
        return Sum((Term(factors=((factor, exponent),)),))

    def __add__(self, other: Sum) -> Sum:
        return Sum((*self.terms, *other.terms)).collected()

    def __neg__(self) -> Sum:
        return Sum(tuple(replace(t, coefficient=-t.coefficient) for t in self.terms))

    def __sub__(self, other: Sum) -> Sum:
        return self + -other

    def times(self, other: Sum) -> Sum:
        """The product, in which a sum of several terms stays together as a factor."""
        if not self.terms or not other.terms:
            return Sum()
        return Sum((_one(self).times(_one(other)),))

    def distributed(self, other: Sum) -> Sum:
        """The product, term by term."""
        return Sum(tuple(a.times(b) for a in self.terms for b in other.terms)).collected()

    def power(self, n: int) -> Sum:
        """The power; what is summed inside stays inside."""
        if n == 1 or not self.terms:
            return self
        if len(self.terms) > 1 or self.terms[0].over:
            return Sum.of(Group(self), n)
        (term,) = self.terms
        if isinstance(term.coefficient, Fraction):
            return Sum((Term(term.coefficient**n, tuple((f, m * n) for f, m in term.factors)),))
        return Sum((Term(float(term.coefficient) ** n, tuple((f, m * n) for f, m in term.factors)),))

    def summed(self, over: Sequence[Index]) -> Sum:
        """The sum over indices."""
        if not over or not self.terms:
            return self
        term = _one(self)
        return Sum((replace(term, over=(*term.over, *over)),))

    def with_(self, places: Mapping[Index, Where]) -> Sum:
        """The sum with indices replaced; what it sums over is its own."""
        terms = [t.with_({i: place for i, place in places.items() if i not in t.over} if t.over else places) for t in self.terms]
        return Sum(tuple(terms)).collected()

    def collected(self) -> Sum:
        """Like terms taken together, those that vanish left out."""
        found: dict[object, Term] = {}
        for t in self.terms:
            key = (frozenset(t.factors), frozenset(t.over))
            old = found.get(key)
            found[key] = t if old is None else replace(old, coefficient=old.coefficient + t.coefficient)
        return Sum(tuple(t for t in found.values() if t.coefficient != 0))

    def expanded(self) -> Sum:
        """Every product with a sum multiplied out."""
        total = Sum()
        for term in self.terms:
            product = Sum((Term(term.coefficient, (), term.over),))
            for factor, n in term.factors:
                whole = isinstance(factor, Group) and n > 0
                part = factor.sum.expanded() if whole and isinstance(factor, Group) else Sum.of(factor, n)
                for _ in range(n if whole else 1):
                    product = product.distributed(part)
            total = total + product
        return total

    def cost(self) -> int:
        """How much there is to read: factors and numbers."""
        return sum(_cost(t) for t in self.terms)

    def entries(self) -> Iterator[Entry]:
        """Every entry, those inside of factors too."""
        for term in self.terms:
            for factor, _ in term.factors:
                yield from entries_of(factor)


def number(value: Any) -> Sum:
    """A number as a sum, exact where it is a simple fraction."""
    exact = Fraction(value).limit_denominator(1000) if abs(value) < 1e15 else Fraction(0)
    if float(exact) != value and 1e-7 < abs(value) < 1:  # the weight in a mean
        exact = Fraction(1, round(1 / value))
    return Sum((Term(exact if float(exact) == value else float(value)),)) if value else Sum()


def as_fraction(x: Number) -> Fraction | None:
    """The number, if it reads better as a fraction: 2/3 and 1/1920, but not 0.001 and not 377/1024.

    >>> as_fraction(Fraction(1, 1920)), as_fraction(Fraction(1, 1000)), as_fraction(Fraction(377, 1024)), as_fraction(0.5)
    (Fraction(1, 1920), None, None, None)
    """
    if not isinstance(x, Fraction):
        return None
    part = x.numerator in (1, -1) and x.denominator < 10**7 and len(repr(float(abs(x)))) > SHORT_DECIMAL
    return x if x.denominator < 1000 or part else None


def magnitude(x: Number) -> Number:
    """The number without its sign."""
    return -x if x < 0 else x


def entries_of(factor: Factor) -> Iterator[Entry]:
    """The entries in a factor."""
    if isinstance(factor, Entry):
        yield factor
    elif isinstance(factor, Group):
        yield from factor.sum.entries()
    elif isinstance(factor, Call):
        for arg in factor.args:
            yield from arg.entries()


def indices_of(factor: Factor) -> tuple[Index, ...]:
    """The free indices of a factor, each once, in the order in which they are met."""
    found: Iterable[Index] = ()
    if isinstance(factor, Entry):
        found = (i for place in factor.places for i in place.indices())
    elif isinstance(factor, Delta):
        found = (*factor.left.indices(), *factor.right.indices())
    elif isinstance(factor, Group):
        found = free_indices(factor.sum)
    elif isinstance(factor, Call):
        found = (i for arg in factor.args for i in free_indices(arg))
    return tuple(dict.fromkeys(found))


def _summed_inside(factors: Iterable[tuple[Factor, int]]) -> set[Index]:
    """The indices that factors sum over inside of them."""
    found: set[Index] = set()
    waiting = [factor for factor, _ in factors]
    while waiting:
        factor = waiting.pop()
        parts = (factor.sum,) if isinstance(factor, Group) else factor.args if isinstance(factor, Call) else ()
        for part in parts:
            for term in part.terms:
                found.update(term.over)
                waiting += [inner for inner, _ in term.factors]
    return found


def free_indices(total: Sum) -> tuple[Index, ...]:
    """The indices of a sum that it is not summed over."""
    return tuple(dict.fromkeys(i for t in total.terms for factor, _ in t.factors for i in indices_of(factor) if i not in t.over))


def replace_factors(total: Sum, change: Callable[[Factor], Sum | None]) -> Sum:
    """The sum with factors replaced by sums, multiplied out; None leaves a factor as it is."""
    result = Sum()
    for term in total.terms:
        product = Sum((Term(term.coefficient, (), term.over),))
        for factor, n in term.factors:
            new = change(factor)
            product = product.distributed(Sum.of(factor, n) if new is None else new.power(n))
        result = result + product
    return result


def _one(total: Sum) -> Term:
    return total.terms[0] if len(total.terms) == 1 else Term(factors=((Group(total), 1),))


def _replaced(factor: Factor, places: Mapping[Index, Where]) -> Factor:
    if isinstance(factor, Entry):
        return Entry(factor.of, tuple(place.with_(places) for place in factor.places))
    if isinstance(factor, Delta):
        return Delta(factor.left.with_(places), factor.right.with_(places))
    if isinstance(factor, Group):
        return Group(factor.sum.with_(places))
    if isinstance(factor, Call):
        return Call(factor.op, tuple(arg.with_(places) for arg in factor.args), factor.params)
    return factor


def _cost(term: Term) -> int:
    own = 0 if abs(term.coefficient) == 1 and term.factors else 1
    for factor, n in term.factors:
        if isinstance(factor, Group):
            own += factor.sum.cost() + (n < 0)
        elif isinstance(factor, Call):
            own += 1 + sum(arg.cost() for arg in factor.args)
        else:
            own += 1
    return own
