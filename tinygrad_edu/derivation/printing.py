"""Sums and matrices as trees of notation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..graphs import pretty_dim
from ..graphs.formula import literal
from ..ops import Elementwise, Op
from ..ops import elementwise as e
from .matrix import Axes, Matrix, common
from .notation import Call as Applied
from .notation import Delta as Kronecker
from .notation import Fence, Frac, Letters, Name, Node, Partial, Row, Sign, Space, Sub, Sup, Total, Word
from .notation import Number as Numeral
from .terms import Count, Delta, Entry, Factor, Group, Index, Lookup, Number, Sum, Symbol, Term, Where, as_fraction, magnitude

Names = dict[Index, str]

FIRST = "ijklmnopq"  # of the entry that is differentiated by, then of the result's
SUMMED = "rstuvwabcefgh"

_RELATIONS = {e.equal: "=", e.not_equal: "≠", e.less: "<", e.less_equal: "≤", e.greater: ">", e.greater_equal: "≥"}
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def letters_for(taken: Collection[str], *groups: Sequence[Index | None]) -> Names:
    """A letter for each index, one group after the other: W_ij, u_kl. Letters that are names of tensors are not used."""
    indices = dict.fromkeys(i for group in groups for i in group if i is not None)
    free = [letter for letter in FIRST if letter not in taken]
    names = {i: free[n] if n < len(free) else f"i{n}" for n, i in enumerate(indices)}
    return names | {Index(1): letter for letter in taken if len(letter) == 1}  # so that no sum uses them


# ---- sums ------------------------------------------------------------------------------------------------------------


def sum_tree(total: Sum, names: Names) -> Node:
    """A sum in index notation; indices that have no letter yet get one of their own."""
    if not total.terms:
        return Numeral("0")
    scale, counts, rest = common(total)
    if len(rest) == 1:
        return _term(rest[0], names, scale * rest[0].coefficient, counts)
    parts: list[Node] = []
    for term in sorted(rest, key=lambda t: t.coefficient < 0):
        negative = term.coefficient < 0
        parts += [Sign("−" if negative else "+")] if parts or negative else []
        parts.append(_term(term, names, magnitude(term.coefficient), ()))
    body: Node = Row(tuple(parts))
    if scale == 1 and not counts:
        return body
    return _scaled([Fence(body)], [], scale, counts)


def _scaled(above: Sequence[Node], below: Sequence[Node], scale: Number, counts: Sequence[tuple[Count, int]]) -> Node:
    """A fraction with a number before it, and what it is divided by."""
    exact = as_fraction(scale)
    top: Number | int = abs(exact.numerator) if exact is not None else magnitude(scale)
    over: list[Node] = [number_tree(top)] if top != 1 else []
    under: list[Node] = [Numeral(str(exact.denominator))] if exact is not None and exact.denominator != 1 else []
    for count, n in counts:
        (over if n > 0 else under).extend([count_tree(count)] * abs(n))
    over += above
    under += below
    whole = spaced(over) if over else Numeral("1")
    if under:
        whole = Frac(whole, spaced(under))
    return Row((Sign("−"), whole)) if scale < 0 else whole


def _term(term: Term, names: Names, scale: Number, counts: Sequence[tuple[Count, int]]) -> Node:
    names = dict(names)  # a letter is free again after the sum over it
    for i in term.over:
        names.setdefault(i, _free_letter(names))
    above = [_power(factor, n, names) for factor, n in term.factors if n > 0]
    below = [_power(factor, -n, names) for factor, n in term.factors if n < 0]
    if not term.over:
        whole = _scaled(above, below, scale, counts)
        return whole.body if isinstance(whole, Fence) else whole
    body = _scaled(above, below, Fraction(1), ())
    return _scaled([Total("".join(names[i] for i in term.over), body)], [], scale, counts)


def _free_letter(names: Names) -> str:
    taken = set(names.values())
    return next((letter for letter in SUMMED if letter not in taken), f"r{len(taken)}")


def _power(factor: Factor, n: int, names: Names) -> Node:
    base = factor_tree(factor, names)
    return base if n == 1 else Sup(base, Numeral(str(n)))


def factor_tree(factor: Factor, names: Names) -> Node:
    """One factor in index notation."""
    if isinstance(factor, Entry):
        return entry_tree(factor.of, factor.places, names)
    if isinstance(factor, Delta):
        left, right = place_text(factor.left, names), place_text(factor.right, names)
        if len(left) == len(right) == 1:
            return Kronecker(left, right)
        return Row((Word("["), Letters(left), Sign("="), Letters(right), Word("]")))
    if isinstance(factor, Count):
        return count_tree(factor)
    if isinstance(factor, Group):
        return Fence(sum_tree(factor.sum, names))
    return call_tree(factor.op, [sum_tree(arg, names) for arg in factor.args])


def entry_tree(symbol: Symbol, places: Sequence[Where], names: Names) -> Node:
    """W_ij, or ∂L/∂u_kl."""
    texts = [place_text(place, names) for place in places]
    index = ("" if all(len(t) == 1 and t.isalpha() for t in texts) else ",").join(texts)
    name = _called(symbol)
    entry = Sub(name, Letters(index)) if index else name
    return Partial(Name(symbol.name), entry) if symbol.gradient_of else entry


def _called(symbol: Symbol) -> Node:
    """The name of a value, or of what a gradient is the gradient of."""
    if symbol.made_of is not None:
        op, of, _ = symbol.made_of
        return Applied(op.symbol, (Name(of),))
    return Name(symbol.gradient_of or symbol.name)


def place_text(place: Where, names: Names) -> str:
    """Where along an axis: k, i+k, or a table's entry."""
    if isinstance(place, Lookup):
        inside = ",".join(place_text(p, names) for p in place.places)
        return f"{place.table.name}[{inside}]" if inside else place.table.name
    text = ""
    for i, n in place.parts:
        names.setdefault(i, _free_letter(names))
        text += f"{'-' if n < 0 else '+' if text else ''}{abs(n) if abs(n) != 1 else ''}{names[i]}"
    if place.offset or not text:
        text += f"{'+' if text and place.offset > 0 else ''}{place.offset}"
    return text.replace("-", "−")


def call_tree(op: Op, args: Sequence[Node]) -> Node:
    """A function applied; a relation is 1 where it holds."""
    if op in _RELATIONS:
        return Row((Word("["), args[0], Sign(_RELATIONS[op]), args[1], Word("]")))
    if op is e.power:
        return Sup(Fence(args[0]), args[1])
    if op is e.abs:
        return Row((Word("|"), args[0], Word("|")))
    return Applied(op.symbol if isinstance(op, Elementwise) or op.symbol.isidentifier() else op.name, tuple(args))


def count_tree(count: Count) -> Node:
    """N, or the product of several sizes."""
    return spaced([_dim(letter) if letter else Numeral(str(n)) for n, letter in count.axes])


def _dim(letter: str) -> Node:
    shown = pretty_dim(letter)
    return Letters(shown) if not letter[1:2].isalpha() else Word(shown)


def number_tree(value: Any) -> Node:
    """A number as it is read: one with too many digits as a fraction, if it is one."""
    shown, exact = literal(float(value)).text, as_fraction(value)
    if exact is None or not shown.startswith("≈"):
        return Numeral(shown)
    return Frac(Numeral(str(exact.numerator)), Numeral(str(exact.denominator)))


def spaced(parts: Sequence[Node]) -> Node:
    """Factors side by side."""
    if len(parts) == 1:
        return parts[0]
    row: list[Node] = []
    for part in parts:
        row += [Space(), part] if row else [part]
    return Row(tuple(row))


# ---- matrices --------------------------------------------------------------------------------------------------------

_ADD, _TIMES, _TIGHT = range(3)
_BINDING = {"add": _ADD, "product": _TIMES, "matmul": _TIMES, "outer": _TIMES}


def matrix_tree(m: Matrix) -> Node:
    """An expression of arrays, in the user's names."""
    if m.kind == "value":
        return Partial(Name(m.detail.name), _called(m.detail)) if m.detail.gradient_of else _called(m.detail)
    if m.kind == "onehot":
        return Applied("onehot", (Name(m.detail.name),))
    if m.kind == "number":
        return number_tree(m.detail)
    if m.kind == "count":
        return count_tree(m.detail)
    if m.kind == "product":
        if m.parts[0].kind == "number" and m.detail[0] > 0 and m.parts[0].detail < 0 and len(m.parts) > 1:
            rest = replace(m, parts=m.parts[1:], detail=m.detail[1:])
            if m.parts[0].detail != -1:
                rest = replace(m, parts=(replace(m.parts[0], detail=-m.parts[0].detail), *m.parts[1:]))
            return Row((Sign("−"), matrix_tree(rest)))
        above = [_bound(p, m) for p, n in zip(m.parts, m.detail, strict=True) if n > 0]
        below = [p for p, n in zip(m.parts, m.detail, strict=True) if n < 0]
        top: Node = _joined(above, "∗") if above else Numeral("1")
        if not below:
            return top
        if len(above) == 1:
            top = matrix_tree(next(p for p, n in zip(m.parts, m.detail, strict=True) if n > 0))
        return Frac(top, matrix_tree(below[0]) if len(below) == 1 else _joined([_bound(p, m) for p in below], "∗"))
    if m.kind in ("matmul", "outer"):
        return _joined([_bound(p, m) for p in m.parts], "·" if m.kind == "matmul" else "⊗")
    if m.kind == "add":
        parts: list[Node] = []
        for part, sign in zip(m.parts, m.detail, strict=True):
            parts += [Sign("+" if sign > 0 else "−")] if parts or sign < 0 else []
            parts.append(_bound(part, m) if part.kind in ("add", "spread") else matrix_tree(part))
        return Row(tuple(parts))
    if m.kind == "call":
        return call_tree(m.detail[0], [matrix_tree(part) for part in m.parts])
    return _changed(m)


def _changed(m: Matrix) -> Node:
    """A transpose, a sum, a power, an einsum, and other calls."""
    (part, *_) = m.parts
    tight = matrix_tree(part) if _BINDING.get(part.kind, _TIGHT) == _TIGHT and part.kind != "power" else Fence(matrix_tree(part))
    rank = len(m.axes)
    if m.kind == "transpose":
        swapped = (*range(rank - 2), rank - 1, rank - 2)
        if tuple(m.detail) == swapped:
            return Sup(tight, Word("T"))
        return Applied("transpose", (matrix_tree(part), Word(str(tuple(m.detail)))))
    if m.kind == "sum":
        if m.detail is None:
            return Applied("sum", (matrix_tree(part),))
        if all(part.axes[a] is None for a in m.detail):  # axes of size 1 that are dropped
            places = ", ".join("0" if n in m.detail else ":" for n in range(len(part.axes)))
            return Row((tight, Word(f"[{places}]")))
        return Applied("sum" + "".join(str(a + 1).translate(_SUBSCRIPT) for a in m.detail), (matrix_tree(part),))
    if m.kind == "power":
        return Sup(tight, Numeral(str(m.detail)))
    if m.kind == "expand":
        places = ", ".join("None" if n in m.detail else ":" for n in range(rank))
        return Row((tight, Word(f"[{places}]")))
    if m.kind == "einsum":
        return Applied("einsum", (Word(m.detail), *(matrix_tree(p) for p in m.parts)))
    new = [i for i in m.axes if i is not None and i not in part.indices()]
    over = ", ".join(pretty_dim(i.dim) if i.dim else f"axis {m.axes.index(i)}" for i in new)
    return Row((matrix_tree(part), Space(), Word(f"repeated over {over}")))


def _bound(part: Matrix, around: Matrix) -> Node:
    tree = matrix_tree(part)
    if part.kind == "spread" or (part.kind == "add" and around.kind != "call"):
        return Fence(tree)
    loose = _BINDING.get(part.kind, _TIGHT) == _TIMES and part.kind != around.kind
    alone = part.kind == "product" and len(part.parts) == 1 and part.detail[0] > 0
    return Fence(tree) if loose and not alone else tree


def _joined(parts: Sequence[Node], sign: str) -> Node:
    row: list[Node] = []
    for part in parts:
        row += [Sign(sign), part] if row else [part]
    return row[0] if len(row) == 1 else Row(tuple(row))


# ---- shapes ----------------------------------------------------------------------------------------------------------


def shape_of(axes: Axes | Sequence[int], letters: bool) -> str:
    """(N, d₁), or in numbers."""
    parts = []
    for axis in axes:
        if isinstance(axis, Index):
            parts.append(pretty_dim(axis.dim) if letters and axis.dim else str(axis.size))
        else:
            parts.append("1" if axis is None else str(axis))
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def shapes_text(m: Matrix, letters: bool) -> str:
    """The shapes of what an expression is made of: (d₁, N)(N, d₂)."""
    if m.kind == "matmul":
        return "".join(_tight_shape(p, letters) for p in m.parts)
    if m.kind in ("outer", "add", "product"):
        shown = [p for p in m.parts if p.axes]
        if m.kind == "product" and any(n < 0 and p.axes for p, n in zip(m.parts, m.detail, strict=True)):
            return " ∗ ".join(dict.fromkeys(_tight_shape(p, letters) for p in shown))
        sign = " ⊗ " if m.kind == "outer" else " ∗ " if m.kind == "product" else " + "
        texts = [_tight_shape(p, letters) for p in shown]
        return sign.join(dict.fromkeys(texts) if m.kind == "add" else texts) if texts else "()"
    if m.kind == "sum" and m.detail is None:
        return f"{shapes_text(m.parts[0], letters)} summed over all"
    if m.kind == "sum":
        over = shape_of([m.parts[0].axes[a] for a in m.detail], letters).strip("(,)")
        return f"{shapes_text(m.parts[0], letters)} summed over {over}"
    if m.kind == "spread":
        return f"{shapes_text(m.parts[0], letters)} repeated"
    return shape_of(m.axes, letters)


def _tight_shape(m: Matrix, letters: bool) -> str:
    if m.kind in ("product", "add", "value", "transpose", "call", "power", "expand", "einsum"):
        return shape_of(m.axes, letters)
    text = shapes_text(m, letters)
    return text if m.kind == "matmul" or (text.count("(") == 1 and text.endswith(")")) else f"[{text}]"
