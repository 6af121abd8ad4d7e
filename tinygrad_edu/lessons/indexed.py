"""Lines in index notation: what an edge of the sweep hands back, written with indices, and as data for the page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..derivation.equation import Equations
from ..derivation.evaluate import TooLargeError, evaluate
from ..derivation.matrix import Matrix, NoMatrixFormError, exactly, to_matrix
from ..derivation.notation import Call as Applied
from ..derivation.notation import Fence, Frac, Name, Partial, Row, Sign, Space, Sup, Total, Word, mathml, text
from ..derivation.notation import Node as Tree
from ..derivation.notation import Number as Numeral
from ..derivation.printing import SUMMED, Names, entry_tree, letters_for, matrix_tree, place_text, shape_of, shapes_text, sum_tree
from ..derivation.terms import (
    Call,
    Count,
    Delta,
    Entry,
    Group,
    Index,
    Lookup,
    NoIndexFormError,
    Place,
    Sum,
    Symbol,
    Where,
    as_fraction,
    at,
    replace_factors,
)
from ..derivation.terms import Factor as SumFactor
from ..derivation.terms import Term as SumTerm
from ..graphs.dims import Dims
from ..ops import OPS
from ..tensor import Tensor
from . import data

Own = tuple[Index | None, ...]  # the index of each axis, None where its size is 1

MOST_TERMS = 40  # factors of a line; a longer one is not worth writing out with numbers
LONGEST = 240  # characters of a formula; of a longer one the start is shown


class Handed(Equations):
    """Writes what the recorded sweep handed on. What a rule divides by may be a count, such as N, of the axes ``around``."""

    def __init__(self, symbols: Mapping[int, Symbol], dims: Mapping[int, Dims], around: Tensor | None = None) -> None:
        super().__init__(symbols, dims)
        self._counts = True
        if around is not None:
            self._around = tuple(zip(around.shape, self.dims(around), strict=True))


@dataclass(frozen=True)
class Written:
    """An array in index notation and, where there is one, as an expression of arrays."""

    axes: Own
    total: Sum | None
    matrix: Matrix | None

    @property
    def free(self) -> list[Index]:
        """The indices of its entries."""
        return [i for i in self.axes if i is not None]


def written(find: Callable[[], Sum], axes: Own, shape: tuple[int, ...], value: Any) -> Written:
    """What ``find`` writes, as far as it is confirmed by the numbers that the engine has.

    A rule may say more than its formula: that 0/0 counts as 0, for instance. Then there is no formula.
    """
    try:
        total = find()
    except (NoIndexFormError, RecursionError):
        return Written(axes, None, None)
    free = [i for i in axes if i is not None]
    if not _agrees(lambda: evaluate(total, free), value):
        return Written(axes, None, None)
    try:
        own = iter(free)
        matrix = exactly(to_matrix(total, axes), tuple(None if n == 1 else next(own) for n in shape))
        if _agrees(matrix.evaluate, value):
            return Written(axes, total, matrix)
    except (NoMatrixFormError, NoIndexFormError):
        pass
    return Written(axes, total, None)


def _agrees(work: Callable[[], Any], value: Any) -> bool:
    expected = np.asarray(value)
    tolerance = float(np.sqrt(np.finfo(expected.dtype if expected.dtype.kind == "f" else float).eps))
    expected = expected.astype(float)
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(work(), float)
    except TooLargeError:
        return True
    if found.size != expected.size:
        return False
    found = found.reshape(expected.shape)
    scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)))
    return bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True))


# ---- as notation ---------------------------------------------------------------------------------------------------------


def entry_of(symbol: Symbol, axes: Own, names: Names) -> Tree:
    """The entry of a value or a gradient at these indices."""
    return entry_tree(symbol, tuple(at(i) for i in axes if i is not None), names)


def whole(symbol: Symbol) -> Tree:
    """A value or a gradient by its name."""
    return Partial(Name(symbol.name), Name(symbol.gradient_of)) if symbol.gradient_of else Name(symbol.name)


def right_tree(line: Written, names: Names) -> Tree | None:
    """The right side in matrices, or where there is no such form in indices; None without a form at all."""
    if line.matrix is not None:
        return neutral(matrix_tree(line.matrix))
    return None if line.total is None else sum_tree(line.total, dict(names))


def shapes(line: Written) -> str:
    """The shape check of a line: ``(d₁, d₂) = (d₁, N)(N, d₂) ✓``; empty where there is no matrix form."""
    m = line.matrix
    if m is None:
        return ""
    if m.kind == "sum" and m.detail is not None and all(m.parts[0].axes[a] is None for a in m.detail):
        return laid_out(m.axes, m.parts[0].axes)
    single = m.kind == "add" and m.axes and any(not part.axes and part.kind != "number" for part in m.parts)
    more = " + ()" if single else ""
    letters, sizes = (f"{shape_of(m.axes, mode)} = {shapes_text(m, mode)}{more}" for mode in (True, False))
    if not m.axes and letters == "() = ()":
        return ""
    return without_words(f"{letters} ✓" if letters == sizes else f"{letters},  {sizes} ✓")


def laid_out(new: Own, old: Own) -> str:
    """The shapes of numbers that were only laid out anew.

    >>> laid_out((Index(2, "N"),), (Index(2, "N"), None))
    '(N,) ← (N, 1),  (2,) ← (2, 1) ✓'
    """
    letters, sizes = (f"{shape_of(new, mode)} ← {shape_of(old, mode)}" for mode in (True, False))
    return f"{letters} ✓" if letters == sizes else f"{letters},  {sizes} ✓"


_LAYOUT = re.compile(r", (?:shape|axes|sizes)=\([^()]*\)")
_RAISED = re.compile(r"(?<!\w)(\w[^\s()]*⁽\w+⁾)(?=[²³⁴⁵⁶⁷⁸⁹])")


def plain(formula: str) -> str:
    """The text of a formula without what the shapes say better, and without two kinds of raised numbers side by side.

    >>> plain("reshape(ᵀ(t⁽¹⁾, axes=(1, 0)), shape=(-1, 9)) / ≈1.41421"), plain("sum(t⁽²⁾²)")
    ('reshape(transpose(t⁽¹⁾)) / 1.41421', 'sum((t⁽²⁾)²)')
    """
    found = _LAYOUT.sub("", formula)
    if found != formula:
        found = found.replace("ᵀ(", "transpose(")
    return exact_looking(_RAISED.sub(r"(\1)", found))


def exact_looking(shown: str) -> str:
    """Numbers inside of a formula without ≈, which stands before results."""
    return re.sub(r"≈(?=\d)", "", shown)


def without_words(shown: str) -> str:
    """A shape check without English words: a sum is Σ, a repetition ``broadcast``.

    >>> without_words("(d₂,) = (N, d₂) summed over N,  (3,) = (4, 3) summed over 4 ✓")
    '(d₂,) = Σ_N (N, d₂),  (3,) = Σ_4 (4, 3) ✓'
    >>> without_words("() = (N,) summed over all ✓"), without_words("(N, d) = (N, d) + [[(N, d) summed over d] repeated] ✓")
    ('() = Σ (N,) ✓', '(N, d) = (N, d) + [broadcast [Σ_d (N, d)]] ✓')
    """
    return "".join(map(_side_without_words, re.split(r"( = |,  | ✓)", shown)))


_SUFFIXES = re.compile(r"(.*?)(?: summed over (.*?))?( repeated)?", re.DOTALL)


def _side_without_words(side: str) -> str:
    """One side: what is in brackets first, the innermost one at first."""
    inner: list[str] = []
    while found := re.search(r"\[([^\[\]]*)\]", side):
        inner.append(_flat_without_words(found[1]))
        side = f"{side[: found.start()]}\0{len(inner) - 1}\0{side[found.end() :]}"
    side = _flat_without_words(side)
    for n in reversed(range(len(inner))):
        side = side.replace(f"\0{n}\0", f"[{inner[n]}]")
    return side


def _flat_without_words(side: str) -> str:
    found = _SUFFIXES.fullmatch(side)
    assert found is not None  # each group may be empty
    body, over, repeated = found.groups("")
    if over:
        body = f"Σ {body}" if over == "all" else f"Σ_{over.replace(', ', ',')} {body}"
    return f"broadcast {body}" if repeated else body


def exchanged(m: Matrix, new: Mapping[int, Symbol]) -> Matrix:
    """The expression with other values in the places of some, by the ids of their symbols."""
    if m.kind == "value":
        return replace(m, detail=new.get(id(m.detail), m.detail))
    return replace(m, parts=tuple(exchanged(part, new) for part in m.parts))


def neutral(tree: Tree) -> Tree:
    """A formula without English words: what is repeated is ``broadcast(x over N)``, as NumPy calls it."""
    match tree:
        case Row((*front, Word(words))) if words.startswith("repeated over "):
            over = words.removeprefix("repeated over ").replace("axis ", "axis=")
            numbers = over.replace("axis=", "")
            if "," in over:
                over = f"axis=({numbers})" if "axis=" in over else f"({over})"
            body = [part for part in front if not isinstance(part, Space)]
            return Applied("broadcast", (neutral(body[0] if len(body) == 1 else Row(tuple(body))), Word(over)))
        case Row((single, Word("[None]"))):
            return neutral(single.body if isinstance(single, Fence) else single)  # a single number, as one of an array
        case Row(parts):
            return Row(tuple(map(neutral, parts)))
        case Fence(body):
            inner = neutral(body)
            return inner if isinstance(inner, Applied) and not isinstance(body, Applied) else Fence(inner)
        case Frac(over, under):
            return Frac(neutral(over), neutral(under))
        case Sup(base, exponent):
            return Sup(neutral(base), exponent)
        case Applied("transpose", (of, Word())):
            return Applied("transpose", (neutral(of),))
        case Applied(name, args):
            return Applied(name, tuple(map(neutral, args)))
        case Numeral(shown):
            return Numeral(exact_looking(shown))
        case Total(letters, body):
            return Total(letters, neutral(body))
        case Word(words) if words.startswith("("):
            return Word(without_words(words))
    return tree


def cut(tree: Tree) -> Tree:
    """The formula, or the start of one that is longer than anybody reads.

    >>> shown = text(cut(Row((Name("a"), Sign("="), Word("b + " * 100 + "c"), Sign("+"), Name("d")))))
    >>> shown[:9], shown[-6:], len(shown) <= LONGEST + 6
    ('a = b + b', ' b + …', True)
    """
    shown = text(tree)
    if len(shown) <= LONGEST:
        return tree
    if not isinstance(tree, Row):
        return Word(f"{shown[:LONGEST].rpartition(' ')[0]} …".lstrip()) if isinstance(tree, Word) else Word("…")
    kept: list[Tree] = []
    for part in tree.parts:
        if len(text(Row((*kept, part)))) > LONGEST:
            return Row((*kept, cut(part) if isinstance(part, (Row, Word)) and len(text(part)) > LONGEST else Word("…")))
        kept.append(part)
    return Row(tuple(kept))


_NUMBER_ABOVE = re.compile(r'<mrow><mo stretchy="false">\(</mo><mn>(\d+)</mn><mo stretchy="false">\)</mo></mrow>')


RECEIVES = Word("receives")  # between a gradient and what one of several uses adds to it


def markup(tree: Tree) -> str:
    """The tree as MathML for a page of HTML, as short as it can be: there it needs no namespace."""
    found = mathml(tree).replace('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">', "<math>", 1)
    if isinstance(tree, Row) and len(tree.parts) > 1 and tree.parts[1] is RECEIVES:
        both = '<mtext><span lang="en">receives</span><span lang="es">recibe</span></mtext>'
        found = found.replace("<mtext>receives</mtext>", both, 1)
    return _NUMBER_ABOVE.sub(r"<mn>(\1)</mn>", found)


# ---- as data -------------------------------------------------------------------------------------------------------------


_EQUALS = Sign("=")
_FIRST = Place(())


def _has_windows(total: Sum) -> bool:
    """Whether an entry stands at a sum of indices."""
    entries = [factor for term in total.terms for factor, _ in term.factors if isinstance(factor, Entry)]
    return any(isinstance(place, Place) and len(place.parts) > 1 for entry in entries for place in entry.places)


def _with_every_axis(factor: SumFactor) -> Sum | None:
    """An entry with a 0 where an axis has size 1."""
    if not isinstance(factor, Entry):
        return None
    places = iter(factor.places)
    return Sum.of(replace(factor, places=tuple(_FIRST if n == 1 else next(places) for n in np.shape(factor.of.array))))


class Exporter:
    """Writes sums as data.

    Parameters
    ----------
    places : mapping
        For each symbol, by its id: the node's id, and whether it is the node's gradient.
    taken : sequence of str
        The names of the tensors; a letter that is one is not used for an index.
    """

    def __init__(self, places: Mapping[int, tuple[int, bool]], taken: Sequence[str]) -> None:
        self.places = places
        self.taken = taken

    def line(self, left: Symbol, line: Written, sign: Tree = _EQUALS) -> data.Indexed | None:
        """The line ``left = right`` for the entry that the reader picks; None where it has no index form, or too long a one."""
        if line.total is None or line.total.cost() > MOST_TERMS:
            return None
        names = letters_for(self.taken, line.free)
        total, places = line.total, tuple(at(i) for i in line.free)
        if _has_windows(total):  # where an axis of size 1 is not to be missed
            total = replace_factors(total, _with_every_axis)
            places = tuple(_FIRST if i is None else at(i) for i in line.axes)
        tree = Row((entry_tree(left, places, names), sign, neutral(sum_tree(total, dict(names)))))
        try:
            terms = self._terms(total, dict(names))
        except NoIndexFormError:
            return None
        axes = [data.Axis(letter=names[i], size=i.size) for i in line.free]
        return data.Indexed(axes=axes, terms=terms, math=markup(cut(tree)), text=text(cut(tree)))

    def _terms(self, total: Sum, names: Names) -> list[data.Term]:
        return [self._term(term, names) for term in sorted(total.terms, key=lambda t: t.coefficient < 0)]

    def _term(self, term: SumTerm, names: Names) -> data.Term:
        names = dict(names)  # a letter is free again after the sum over it
        for i in term.over:
            names.setdefault(i, _free(names))
        factors = [self._factor(factor, n, names) for factor, n in term.factors]
        over = [data.Axis(letter=names[i], size=i.size) for i in term.over]
        coefficient = as_fraction(term.coefficient)
        if coefficient is None:
            plain = float(term.coefficient)  # an infinite one, such as of a mask, is written as text
            return data.Term(coefficient=plain if math.isfinite(plain) else data.number(plain), factors=factors, over=over)
        if coefficient.denominator != 1:  # / 30, as the formula has it, not ∗ 0.0333
            factors.append(data.Factor(kind="count", power=-1, value=coefficient.denominator, name=""))
        return data.Term(coefficient=coefficient.numerator, factors=factors, over=over)

    def _factor(self, factor: SumFactor, power: int, names: Names) -> data.Factor:
        if isinstance(factor, Entry):
            return self._entry(factor, power, names)
        if isinstance(factor, Delta):
            return data.Factor(kind="delta", power=power, places=[_place(factor.left, names), _place(factor.right, names)])
        if isinstance(factor, Count):
            shown = " ".join(letter or str(n) for n, letter in factor.axes)
            return data.Factor(kind="count", power=power, value=factor.value, name=shown)
        if isinstance(factor, Group):
            return data.Factor(kind="group", power=power, args=[self._terms(factor.sum, names)])
        assert isinstance(factor, Call)
        if OPS.get(factor.op.name) is not factor.op:
            raise NoIndexFormError("an op that the page does not know")
        params = {key: value for key, value in factor.params if isinstance(value, (bool, int, float, str, type(None)))}
        args = [self._terms(arg, names) for arg in factor.args]
        found = data.Factor(kind="call", power=power, name=factor.op.name, args=args, params=params)
        if factor.op.symbol != factor.op.name and factor.op.symbol.isidentifier():
            found["shown"] = factor.op.symbol
        return found

    def _entry(self, entry: Entry, power: int, names: Names) -> data.Factor:
        shape = np.shape(entry.of.array)
        found = data.Factor(
            kind="entry",
            power=power,
            name=text(whole(entry.of)),
            places=[_place(place, names) for place in entry.places],
            sizes=list(shape) if len(entry.places) == len(shape) else [n for n in shape if n != 1],
        )
        if id(entry.of) in self.places:
            found["node"], found["gradient"] = self.places[id(entry.of)]
            return found
        own = data.numbers(entry.of.array)
        if own is None:
            raise NoIndexFormError("an array without a node is too large")
        found["values"] = own
        return found


def calls(terms: Sequence[data.Term]) -> set[str]:
    """The names of the ops that lines call, such as log: the page needs them to evaluate an entry."""
    found: set[str] = set()
    waiting = list(terms)
    while waiting:
        for factor in waiting.pop()["factors"]:
            if factor["kind"] == "call":
                found.add(factor["name"])
            for arg in factor.get("args", []):
                waiting += arg
    return found


def nodes_in(terms: Sequence[data.Term]) -> set[tuple[int, bool]]:
    """The values, and the gradients, whose entries are in these terms."""
    found: set[tuple[int, bool]] = set()
    waiting = list(terms)
    while waiting:
        for factor in waiting.pop()["factors"]:
            if "node" in factor:
                found.add((factor["node"], factor["gradient"]))
            for arg in factor.get("args", []):
                waiting += arg
    return found


def _free(names: Names) -> str:
    taken = set(names.values())
    return next((letter for letter in SUMMED if letter not in taken), f"r{len(taken)}")


def _place(place: Where, names: Names) -> data.Place:
    if isinstance(place, Lookup):
        table = np.asarray(place.table.array)
        if table.size > data.MOST_NUMBERS:
            raise NoIndexFormError("a table is too large")
        sizes = [n for n in table.shape if n != 1]
        return data.Place(table=[int(n) for n in table.ravel()], sizes=sizes, places=[_place(p, names) for p in place.places])
    assert isinstance(place, Place)
    place_text(place, names)  # it gives a letter to an index that has none
    return data.Place(parts=[(names[i], n) for i, n in place.parts], offset=place.offset)
