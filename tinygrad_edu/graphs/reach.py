"""The zoom on one equation: which entries of a value reach which entries of the result, and with what derivative.

``∂L/∂W_ij = Σ_kl ∂L/∂u_kl ∂u_kl/∂W_ij``, and most of the terms are zero: for u = h W only those with l = j are not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import GradientError
from ..explain import message
from ..gradients import gradients
from ..modes import enable_grad
from ..ops import Contraction, Elementwise
from ..ops.tabulated import Tabulated
from ..sweep import depending_on, sweep, topological_order
from ..tensor import Tensor
from .expression import Expression
from .fold import stands_for_leaf
from .levels import read
from .local import Product, follow
from .names import pretty
from .scalar import Number, write_sheet

Entry = tuple[int, ...]
Pairs = Sequence[tuple[Entry, Entry]]

LIMIT = 20_000  # single numbers and operations that are written out
PAIRS = 100_000  # of an entry and an entry that it reaches
SPELLED = 2_000  # pairs whose formulas are compared to find the rule in letters
OF_LETTERS, BY_LETTERS = "klmnopqrst", "ijabcdefgh"  # as in the note: u_kl by W_ij
STEPS = 8  # scalar operations, at most, for each number of a tabulated op


@dataclass(frozen=True, slots=True)
class Operand:
    """A value of the equation: its name, and its numbers as they were used."""

    name: str
    value: Any = field(repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return np.shape(self.value)


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the chain rule for the chosen entry: one that is not zero by the structure of the equation.

    Attributes
    ----------
    entry : tuple of int
        The entry of the result.
    derivative : float
        The result's derivative there by the chosen entry.
    formula : str
        The same in names, where one path of operations on single numbers leads there; else empty.
    uses : tuple of (str, tuple of int)
        The entries in the formula: name and place.
    gradient : float or None
        The gradient of the root by this entry of the result.
    """

    entry: Entry
    derivative: float
    formula: str
    uses: tuple[tuple[str, Entry], ...] = ()
    gradient: float | None = None


@dataclass(frozen=True)
class Reach:
    """Which entries of one value (``by``) reach which entries of the result (``of``) of an equation.

    Attributes
    ----------
    of, by : Operand
        The result, and the value that it is differentiated by.
    others : tuple of Operand
        What else the equation uses.
    entry : tuple of int
        The chosen entry of ``by``.
    reached : mapping
        For each entry of ``by``, the entries of the result that are computed from it.
    terms : tuple of Term
        One for each entry of the result that the chosen one reaches.
    survives : tuple of str
        What is true of the indices of every pair, such as ``l = j``.
    is_complete : bool
        Whether ``survives`` says it all: every pair with these indices is reached.
    free : str
        The letters of the result's axes that nothing is said of, and that are longer than 1.
    rule, rule_here : str
        The derivative in letters where ``survives`` holds, such as ``h⁽¹⁾[k,i]``, and the same for the chosen entry,
        ``h⁽¹⁾[k,0]``; empty when there is no single formula.
    root : str
        The scalar that the gradients are of; empty without one.
    gradient : float or None
        The root's derivative by the chosen entry, from the engine's sweep over the whole graph.
    elsewhere : bool
        Whether the root uses ``by`` outside of this equation too, so that the terms are only a part of the gradient.
    """

    of: Operand
    by: Operand
    others: tuple[Operand, ...]
    entry: Entry
    reached: Mapping[Entry, tuple[Entry, ...]] = field(repr=False)
    terms: tuple[Term, ...]
    survives: tuple[str, ...]
    is_complete: bool
    free: str
    rule: str
    rule_here: str
    root: str = ""
    gradient: float | None = None
    elsewhere: bool = False

    @property
    def of_letters(self) -> str:
        """The letters of the result's axes: k, l, ..."""
        return OF_LETTERS[: len(self.of.shape)]

    @property
    def by_letters(self) -> str:
        """The letters of the axes of what it is differentiated by: i, j, ..."""
        return BY_LETTERS[: len(self.by.shape)]

    @property
    def index_here(self) -> tuple[str, ...]:
        """The indices of the result's entries that the chosen one reaches: a letter where they are free, else a number."""
        columns = zip(*(term.entry for term in self.terms), strict=True)
        return tuple(x if x in self.free else str(column[0]) for x, column in zip(self.of_letters, columns, strict=False))

    @property
    def fixed(self) -> Mapping[str, int]:
        """The letters of the result's axes that ``survives`` speaks of, and the chosen entry's numbers for them."""
        here = zip(self.of_letters, self.index_here, self.of.shape, strict=False)
        return {x: int(i) for x, i, n in here if x != i and n > 1}

    @property
    def total(self) -> float | None:
        """The sum of the terms, each a gradient times a derivative."""
        return sum(t.gradient * t.derivative for t in self.terms if t.gradient is not None) if self.root else None

    def sentence(self) -> str:
        """What the pattern says, in words."""
        if not self.terms:
            return "no entry is computed from it"
        if not self.of.shape:
            return f"{pretty(self.of.name)} depends on it"
        one, all_of_them = len(self.survives) == 1, " and ".join(self.survives)
        if self.survives and self.is_complete:
            return f"only {all_of_them} survive{'s' if one else ''}"
        if self.survives:
            return f"{all_of_them} {'is' if one else 'are'} needed"
        if len(self.terms) == math.prod(self.of.shape):
            return f"every entry of {pretty(self.of.name)} depends on it"
        return "some entries depend on it"


def reach(
    result: Tensor | str,
    by: Tensor | str | None = None,
    entry: int | Sequence[int] | None = None,
    *,
    root: Tensor | None = None,
    names: Mapping[int, str] | None = None,
) -> Reach:
    """Which entries of a value reach which entries of a result: ``∂u_kl/∂W_ij``, and where it is zero by itself.

    Structural: an entry whose derivative happens to be zero still reaches. The equation is the result's own on the named
    level, with the values that it uses held; for a value further back, all that lies between is differentiated.

    Parameters
    ----------
    result : Tensor or str
        What was computed; a name of the root's graph may stand for it.
    by : Tensor or str, optional
        What it was computed from, in its equation or further back. By default the first parameter of its equation, or else
        its first input.
    entry : tuple of int, optional
        The entry of ``by`` to look at. By default the second one of the last axis, which is off the diagonal; where all its
        terms are zero, the first entry that has others.
    root : Tensor, optional
        A scalar that was computed from the result: the terms then have its gradients.
    names : mapping, optional
        What values without a name are called, by the tensors' ids.

    Raises
    ------
    ValueError
        If the equation is too large to be written out, number by number.
    TypeError
        If an op of the equation cannot be.
    GradientError
        If the result does not depend on ``by``, or one of them holds no floats.
    IndexError
        If there is no such entry.

    Examples
    --------
    >>> h = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="h")
    >>> W = Tensor([[0.5, -1.0], [2.0, 0.0]], requires_grad=True, name="W")
    >>> found = reach((h @ W).named("u"), W, (0, 1))
    >>> found.sentence(), found.rule
    ('only l = j survives', 'h[k,i]')
    >>> [(term.entry, term.formula, term.derivative) for term in found.terms]
    [((0, 1), 'h[0,0]', 1.0), ((1, 1), 'h[1,0]', 3.0), ((2, 1), 'h[2,0]', 5.0)]
    """
    equation = _Equation(result, by, root, names)
    place = equation.place(entry)
    of, whole = np.ones(equation.result.shape, equation.result.dtype), None
    if root is not None and equation.result is not root and not root.shape and root.dtype.kind == "f":
        of, whole = (g.numpy() for g in gradients(root, [equation.result, equation.by], unused="zero"))
    with enable_grad():
        written = _Written(equation)
        found = written.reach(place if entry is not None else written.alive(place, of))
    if root is None or whole is None:
        return found
    return replace(
        found,
        terms=tuple(replace(t, gradient=float(of[t.entry])) for t in found.terms),
        root=equation.name(root),
        gradient=float(whole[found.entry]),
        elsewhere=equation.is_used_elsewhere(),
    )


class _Equation:
    """The operations between a result and the values that are held: ``steps``, each after its inputs, and ``given``."""

    def __init__(
        self, result: Tensor | str, by: Tensor | str | None, root: Tensor | None, names: Mapping[int, str] | None = None
    ) -> None:
        end = root if root is not None else result
        if not isinstance(end, Tensor):
            raise TypeError(f"zoom: {'the result' if root is None else 'the root'} is {type(end).__name__}, not a Tensor.")
        self.root = end
        self.order = topological_order([end])
        reading = read([end], "named", apart={id(t) for t in (result, by) if isinstance(t, Tensor)}, names=names)
        places = reading.places
        self._names = {
            id(t): reading.graph.nodes[places[id(t)]].name for t in self.order if id(t) in places and not stands_for_leaf(t)
        }
        self.result = self._find(result)
        if not self.result.inputs:
            problem = f"zoom: {self.name(self.result)} was given, not computed: there is no equation to look into."
            raise ValueError(problem + self._tries([t for t in self.order if t.inputs]))
        expression = Expression(self.result, lambda t: t is not self.result and id(t) in self._names)
        own = expression.met
        self.by = self._find(by) if by is not None else self._first(own)
        for t in (self.result, self.by):
            if t.dtype.kind != "f":
                problem = f"zoom: {self.name(t)} holds {t.dtype}, which has no derivatives."
                raise GradientError(problem + self._tries([x for x in self.order if x.dtype.kind == "f"]))
            if t.ndim > len(OF_LETTERS):
                problem = f"zoom: {self.name(t)} has {t.ndim} axes, and there are letters for {len(OF_LETTERS)}."
                raise ValueError(f"{problem}\n  Try: the same computation without axes of size 1, or with fewer axes")
        if not any(t is self.by for t in own):  # further back: all the equations on the way to it
            behind = depending_on(topological_order([self.result]), [self.by])
            if id(self.result) not in behind or self.by is self.result:
                raise self._no_path(own)
            expression = Expression(self.result, lambda t: t is self.by or (id(t) in self._names and id(t) not in behind))
        self.given = expression.met
        self.steps = [t for t in expression.steps if t.inputs]
        self.active = depending_on(self.steps, [self.by])
        if id(self.result) not in self.active:
            raise self._no_path(own)
        count = sum(t.size for t in self.given) + sum(_cost(t) for t in self.steps)
        if count > LIMIT:
            raise self.too_large(count, "single numbers and operations")

    def name(self, t: Tensor) -> str:
        """What the tensor is called on the named level."""
        return self._names[id(t)]

    def is_named(self, t: Tensor) -> bool:
        """Whether it is a value of the named level."""
        return id(t) in self._names

    def place(self, entry: int | Sequence[int] | None) -> Entry:
        """The chosen entry, counted from 0."""
        shape = self.by.shape
        if not self.by.size or not self.result.size:
            sizes = f"{self.name(self.result)} {self.result.shape} by {self.name(self.by)} {shape}"
            raise ValueError(f"zoom: {sizes} has no entries to look at.\n  Try: the same computation with at least one example")
        if entry is None:
            return tuple(min(1, n - 1) if a == len(shape) - 1 else 0 for a, n in enumerate(shape))
        try:
            place = tuple(operator.index(i) for i in (entry if isinstance(entry, (tuple, list)) else (entry,)))
        except TypeError:
            raise TypeError(f"zoom: an entry is a tuple of integers such as (0, 1), not {entry!r:.60}") from None
        if len(place) != len(shape) or not all(-n <= i < n for i, n in zip(place, shape, strict=True)):
            last = tuple(n - 1 for n in shape)
            problem = f"zoom: {self.name(self.by)} has shape {shape}: there is no entry {place}."
            raise IndexError(f"{problem}\n  Try: {last}   its last")
        return tuple(i % n for i, n in zip(place, shape, strict=True))

    def derivative(self, end: Entry) -> Any:
        """``∂result[end]/∂by``, all else held."""
        seed = np.zeros(self.result.shape, self.result.dtype)
        seed[end] = 1
        return self.pull(seed)

    def pull(self, seed: Any) -> Any:
        """``Σ seed ∗ ∂result/∂by``, all else held: a sweep of this equation alone."""
        with np.errstate(all="ignore"):
            return np.asarray(sweep(self.steps, self.active, (), {self.result: seed if seed.shape else seed[()]})[self.by])

    def is_used_elsewhere(self) -> bool:
        """Whether the root uses ``by``, or what was computed from it on the way to the result, in another equation too."""
        inside = {id(t) for t in self.steps}
        sources = self.active - {id(self.result)}
        outside = (t for t in self.order if id(t) not in inside and t.inputs and t.op.differentiable)
        return any(id(x) in sources for t in outside for x in t.inputs)

    def too_large(self, count: int, what: str) -> ValueError:
        """The error for an equation that nobody could look at."""
        problem = f"the equation of {self.name(self.result)} is too large to be written out"
        rule = f"it has about {count:,} {what}; a picture shows far fewer.".replace(",", " ")
        text = message("zoom", (self.result, self.by), problem, rule, words=("of", "by"))
        return ValueError(f"{text}\n  Try: the same computation with few examples and narrow layers")

    def not_scalar(self, name: str) -> TypeError:
        """The error for an op that works on arrays alone."""
        problem = f"zoom: {self.name(self.result)} is computed with {name}, which cannot be written out number by number."
        return TypeError(f"{problem}\n  Try: the same computation from functions of tinygrad_edu, or another result")

    def _find(self, wanted: Tensor | str) -> Tensor:
        """The tensor of the record that is meant, by itself or by the name of its node."""
        if isinstance(wanted, Tensor):
            if id(wanted) not in self._names:
                problem = f"zoom: {wanted._called()} is not part of the record of {self.root._called()}."
                raise ValueError(problem + self._tries(self.order))
            return wanted
        if not isinstance(wanted, str):
            raise TypeError(f"zoom: {type(wanted).__name__} given where a Tensor or its name is needed: {wanted!r:.80}")
        for t in self.order:
            if self._names.get(id(t)) == wanted:
                return t
        raise ValueError(f"zoom: no tensor is named {wanted!r:.60}.{self._tries(self.order)}")

    def _first(self, own: Sequence[Tensor]) -> Tensor:
        floats = [t for t in own if t.dtype.kind == "f"]
        parameters = [t for t in floats if not t.inputs and t._requires_grad]
        if not floats:
            problem = f"zoom: {self.name(self.result)} was not computed from any value that has derivatives."
            raise GradientError(problem + self._tries([t for t in self.order if t.inputs and t.dtype.kind == "f"]))
        return (parameters or floats)[0]

    def _no_path(self, own: Sequence[Tensor]) -> GradientError:
        problem = f"zoom: {self.name(self.result)} does not depend on {self.name(self.by)}: there is no path between them."
        return GradientError(problem + self._tries(own))

    def _tries(self, tensors: Sequence[Tensor]) -> str:
        """The line that names what could be meant instead."""
        known = [f"{self._names[id(t)]:.30}" for t in tensors if id(t) in self._names][:20]
        return f"\n  Try: one of {', '.join(known)}" if known else "\n  Try: a result that is computed from floats"


class _Written:
    """The equation written out on a sheet of single numbers: who depends on whom, and the formulas."""

    def __init__(self, equation: _Equation) -> None:
        self.equation = equation
        try:
            with np.errstate(all="ignore"):  # the numbers come from the engine, which overflows later
                self.sheet, self.arrays = write_sheet([equation.result], {id(t) for t in equation.given})
        except TypeError as error:
            raise equation.not_scalar(str(error).removeprefix("graph: ").partition(" cannot be expanded")[0]) from error
        # The numbers that have a name in formulas: the entries of the named values.
        self.cells: dict[int, tuple[str, Entry]] = {}
        for t in (*equation.given, *equation.steps):
            if equation.is_named(t):
                for place, number in _numbers(self.arrays[id(t)]):
                    self.cells.setdefault(number.id, (equation.name(t), place))
        self.ends = {place: number.id for place, number in _numbers(self.arrays[id(equation.result)])}
        self.starts = {place: number.id for place, number in _numbers(self.arrays[id(equation.by)])}
        # For each number, the entries that it was computed from: a bit for each.
        self.masks = [0] * len(self.sheet.values)
        for bit, i in enumerate(self.starts.values()):
            self.masks[i] = 1 << bit
        for i, inputs in enumerate(self.sheet.inputs):
            for j in inputs:
                self.masks[i] |= self.masks[j]

        self.reached = self._reached()

    def alive(self, entry: Entry, upstream: Any) -> Entry:
        """The entry itself, or if all its terms are zero the first that has another one, or at least reaches any."""
        with np.errstate(all="ignore"):
            if any(upstream[end] * self.equation.derivative(end)[entry] != 0 for end in self.reached[entry]):
                return entry
        total = self.equation.pull(upstream)
        places = [place for place in (entry, *self.reached) if self.reached[place]]
        return next((place for place in places if total[place] != 0), places[0] if places else entry)

    def reach(self, entry: Entry) -> Reach:
        """The pattern of all entries, and the terms of the chosen one."""
        equation = self.equation
        reached = self.reached
        pairs = [(start, end) for start, ends in reached.items() for end in ends]
        survives, free, is_complete = _equalities(pairs, equation.result.shape, equation.by.shape)
        rule, rule_here = self._rule(pairs, entry, free) if len(pairs) <= SPELLED else ("", "")
        return Reach(
            of=Operand(equation.name(equation.result), equation.result.data),
            by=self._operand(equation.by),
            others=tuple(self._operand(t) for t in equation.given if t is not equation.by),
            entry=entry,
            reached=MappingProxyType(reached),
            terms=tuple(self._term(entry, end) for end in reached[entry]),
            survives=survives,
            is_complete=is_complete,
            free=free,
            rule=rule,
            rule_here=rule_here,
        )

    def _operand(self, t: Tensor) -> Operand:
        value = self.arrays[id(t)]
        if value.dtype == object:
            value = np.array([number.value for _, number in _numbers(value)], t.dtype).reshape(t.shape)
        return Operand(self.equation.name(t), value)

    def _reached(self) -> dict[Entry, tuple[Entry, ...]]:
        count = sum(self.masks[i].bit_count() for i in self.ends.values())
        if count > PAIRS:
            raise self.equation.too_large(count, "pairs of entries")
        places = list(self.starts)
        found: list[list[Entry]] = [[] for _ in places]
        for place, i in self.ends.items():
            mask = self.masks[i]
            while mask:
                lowest = mask & -mask
                found[lowest.bit_length() - 1].append(place)
                mask ^= lowest
        return {start: tuple(ends) for start, ends in zip(places, found, strict=True)}

    def _term(self, entry: Entry, end: Entry) -> Term:
        derivative = float(self.equation.derivative(end)[entry])
        product = self._product(entry, end)
        uses = product.uses(self.cells) if product else []
        formula = product.text({i: _cell(*self.cells[i]) for i in uses}) if product else ""
        return Term(end, derivative, formula, tuple(self.cells[i] for i in uses) if formula else ())

    def _product(self, entry: Entry, end: Entry) -> Product | None:
        start = self.starts[entry]
        bit = self.masks[start].bit_length() - 1
        return follow(self.sheet, start, self.ends[end], self.cells, lambda i: bool(self.masks[i] >> bit & 1))

    def _rule(self, pairs: Pairs, entry: Entry, free: str) -> tuple[str, str]:
        """The formula that is right for every pair, in letters, and in letters and the chosen entry's numbers."""
        products = [(p, p.uses(self.cells)) for start, end in pairs if (p := self._product(start, end)) is not None]
        alike = len({tuple(self.cells[i][0] for i in uses) for _, uses in products}) == 1
        chosen = next((n for n, (start, _) in enumerate(pairs) if start == entry), None)
        if len(products) < len(pairs) or not alike or chosen is None:
            return "", ""
        known: dict[object, object] = dict(zip(BY_LETTERS, entry, strict=False))
        known |= {x: n for x, n in zip(OF_LETTERS, pairs[chosen][1], strict=False) if x not in free}
        general: list[str] = []  # each use with its indices in letters
        here: list[str] = []
        for column in zip(*(uses for _, uses in products), strict=True):
            letters = _in_letters([self.cells[i][1] for i in column], pairs)
            if letters is None:
                return "", ""
            name = self.cells[column[0]][0]
            general.append(_cell(name, letters))
            here.append(_cell(name, [known.get(x, x) for x in letters]))
        texts = {product.text(dict(zip(uses, general, strict=True))) for product, uses in products}
        if len(texts) != 1:
            return "", ""
        product, uses = products[chosen]
        return texts.pop(), product.text(dict(zip(uses, here, strict=True)))


def _numbers(array: Any) -> Iterator[tuple[Entry, Number]]:
    for place in np.ndindex(*array.shape):
        if isinstance(array[place], Number):
            yield place, array[place]


def _cell(name: str, place: Sequence[object]) -> str:
    """An entry as it is read: ``h⁽¹⁾[2,0]``."""
    word = pretty(name) if name.replace("#", "").isidentifier() else f"({name})"
    return f"{word}[{','.join(map(str, place))}]" if place else word


def _cost(t: Tensor) -> int:
    """About how many scalar operations it takes to compute a result: n m k for a product (n, k) @ (k, m)."""
    sizes = [t.size, *(x.size for x in t.inputs)]
    if isinstance(t.op, Contraction):  # each letter of a product of two stands in two of the three shapes
        return 2 * max(math.isqrt(math.prod(sizes)), *sizes)
    return STEPS * max(sizes) if isinstance(t.op, Tabulated) else t.size if isinstance(t.op, Elementwise) else max(sizes)


def _equalities(pairs: Pairs, of: tuple[int, ...], by: tuple[int, ...]) -> tuple[tuple[str, ...], str, bool]:
    """The equalities between an index of the result and one of the other value that hold for every pair; the free letters;
    and whether every pair for which they hold is there.
    """
    found: list[str] = []
    free = ""
    starts = np.array([start for start, _ in pairs], int).reshape(len(pairs), len(by))
    ends = np.array([end for _, end in pairs], int).reshape(len(pairs), len(of))
    every = np.indices(by).reshape(len(by), math.prod(by))
    holds = np.ones(math.prod(by), bool)  # for which entries there are indices that fulfil them
    count = 1  # of the indices that do
    for letter, size, end in zip(OF_LETTERS, of, ends.T, strict=False):
        wanted: list[Any] = []
        for other, start, index in zip(BY_LETTERS, starts.T, every, strict=False):
            if len(set(start.tolist())) > 1 and len(apart := set((end - start).tolist())) == 1:  # one index alone says nothing
                shift = apart.pop()
                found.append(f"{letter} = {other}" + (f" {'+' if shift > 0 else '−'} {abs(shift)}" if shift else ""))
                wanted.append(index + shift)
                holds &= (wanted[0] == wanted[-1]) & (wanted[-1] >= 0) & (wanted[-1] < size)
        if size > 1 and len(set(end.tolist())) == 1:
            found.append(f"{letter} = {end[0]}")
        elif not wanted:
            count *= size
            free += letter if size > 1 else ""
    return tuple(found), free, bool(holds.sum() * count == len(pairs))


def _in_letters(places: Sequence[Entry], pairs: Pairs) -> tuple[object, ...] | None:
    """The places, one for each pair, a number where it is always the same, else in the pair's letters; None if neither."""
    letters: dict[tuple[int, ...], str] = {}
    for side, names in ((0, BY_LETTERS), (1, OF_LETTERS)):
        for name, column in zip(names, zip(*(pair[side] for pair in pairs), strict=True), strict=False):
            letters.setdefault(column, name)
    result: list[object] = []
    for column in zip(*places, strict=True):
        same = len(set(column)) == 1
        if column not in letters and not same:
            return None
        result.append(column[0] if same else letters[column])
    return tuple(result)
