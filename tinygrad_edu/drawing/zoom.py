"""The zoom on one equation: which entries reach which, and for one of them the terms of the chain rule that are left.

From left to right: what the equation uses, the local derivatives of the chosen entry, the result, and the sum of the
terms. Each is a table. Lines run behind the cells, so that none crosses a number.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..digest import number
from ..graphs import pretty
from ..graphs.reach import Entry, Operand, Reach, Term, reach
from ..tensor import Tensor
from .labels import html
from .picture import Picture
from .style import BLUE, GREEN, GREY, INK, PALE_INK, RED, REUSE, start

if TYPE_CHECKING:
    import graphviz

MOST_CELLS = 8  # rows, and columns, of a table, unless more are needed
MOST_EDGES = 60  # from all entries; with more, only those of the chosen one are drawn
MOST_TERMS = 8
LONGEST_NAME = 16
GAP = "…"

CHOSEN, REACHED, USED, TERM = "#F2C4BF", "#FBE9E7", "#DCE6F5", "#E3F1E6"
LAYOUT = {"splines": "line", "outputorder": "edgesfirst", "nodesep": "0.3", "ranksep": "0.8"}


def draw_zoom(
    root: Tensor,
    result: Tensor | str,
    by: Tensor | str | None = None,
    entry: int | Sequence[int] | None = None,
    *,
    title: str | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw which entries of a value reach which entries of a result: the picture of "only l = j survives".

    One entry is chosen. Its local derivatives stand on the way to the entries that it reaches, and beside them its
    gradient as the sum of the terms ``∂L/∂u_kl ∂u_kl/∂W_ij`` that are left.

    Parameters
    ----------
    root : Tensor
        What was computed in the end. The sum is drawn when it is one float, and not the result itself.
    result : Tensor or str
        The result to look at; a name on the named level may stand for it.
    by : Tensor or str, optional
        What it was computed from: a value of its equation, or one further back, and then everything between is
        differentiated. By default the first parameter of its equation, or else its first input.
    entry : tuple of int, optional
        The chosen entry of ``by``. By default one off the diagonal, if its terms are not all zero.
    title : str, optional
        Words above the picture.
    to : path, optional
        A file to write, as for ``draw``.

    Raises
    ------
    ValueError
        If the equation is too large to be looked at number by number, or there is no tensor of that name.
    TypeError
        If an op of the equation cannot be looked at number by number.
    GradientError
        If the result does not depend on ``by``.
    IndexError
        If there is no such entry.

    Examples
    --------
    >>> from tinygrad_edu import note
    >>> values = note.network()
    >>> picture = draw_zoom(values["L"], "u2", by="W2", entry=(0, 1))
    >>> "only l = j survives, here l = 1: 4 of 12 terms" in picture.source
    True
    """
    picture = Picture()
    zoom(picture, reach(result, by, entry, root=root), title=title)
    if to is not None:
        picture.write(to)
    return picture


def zoom(picture: graphviz.Digraph, found: Reach, *, title: str | None = None) -> None:
    """Draw what was found about one equation."""
    start(picture, title=title, lines=tuple(_caption(found)), **LAYOUT)
    picture.attr("node", shape="plain", fixedsize="false", fontsize="13")
    kept, rest = _split(found.terms)
    uses: dict[tuple[str, Entry], None] = dict.fromkeys(use for term in kept for use in term.uses)
    own = (found.of.name, found.by.name)
    others = [x for x in found.others if any(name == x.name for name, _ in uses) and x.name not in own]

    own_uses = [place for name, place in uses if name == found.by.name]
    by = _Grid("by", found.by, found.by_letters, [found.entry, *own_uses], footed=bool(others))
    of = _Grid("of", found.of, found.of_letters, [term.entry for term in kept])
    with picture.subgraph() as column:
        column.attr(rank="same")
        names = []
        for i, x in enumerate(others):
            places = [place for name, place in uses if name == x.name]
            grid = _Grid(f"other{i}", x, "", places)
            column.node(grid.id, label=grid.label({place: Cell(USED, BLUE, 1) for place in places}))
            names.append(grid.id)
            for term in kept:
                for place in [place for name, place in term.uses if name == x.name]:
                    cell = f"{grid.port(place)}:e"
                    picture.edge(cell, f"local:{_port(term.entry)}:w", **{**REUSE, "constraint": "true", "weight": "10"})
        column.node("by", label=by.label(dict.fromkeys(own_uses, Cell(USED, BLUE, 1)) | {found.entry: Cell(CHOSEN, RED, 2)}))
        for upper, lower in pairwise([*names, "by"]):
            column.edge(upper, lower, style="invis")
    picture.node("of", label=of.label({term.entry: Cell(REACHED, RED, 1) for term in found.terms}, _fixed(found)))
    if not kept:
        picture.edge("by", "of", style="invis")
        return
    rows = [(term, _local_text(term)) for term in kept]
    picture.node("local", label=_table(_local_name(found), rows, REACHED, RED, [f"{GAP} {len(rest)} others"] if rest else []))
    strong = {"color": RED, "penwidth": "1.6", "arrowsize": "0.8"}
    for term in kept:  # the thin ones start in the middle of the cell: a bundle that meets at its edge looks like an arrowhead
        picture.edge(f"{by.port(found.entry)}:c", f"local:{_port(term.entry)}:w", **{**strong, "dir": "none", "penwidth": "1"})
        picture.edge(f"local:{_port(term.entry)}:e", f"{of.port(term.entry)}:w", weight="10", **strong)
    if sum(len(ends) for ends in found.reached.values()) <= MOST_EDGES:
        pale = {"color": PALE_INK, "penwidth": "0.5", "dir": "none", "weight": "0"}
        for first, ends in found.reached.items():
            for end in ends if first != found.entry else ():
                if by.shows(first) and of.shows(end):
                    picture.edge(f"{by.port(first)}:e", f"{of.port(end)}:w", **pale)
    if found.root:
        rows = [(term, _product_text(term)) for term in kept]
        more = [f"{GAP} {len(rest)} others: Σ = {number(sum(map(_product, rest)))}"] if rest else []
        picture.node("sum", label=_table(_term_name(found), rows, TERM, GREEN, [*more, f"Σ = {number(found.total)}"]))
        for term in kept:  # without heads, which would lie on the red ones between two entries of a row
            picture.edge(f"{of.port(term.entry)}:e", f"sum:{_port(term.entry)}:w", color=GREEN, dir="none", weight="10")


class Cell(NamedTuple):
    """How a cell that is highlighted looks."""

    fill: str
    colour: str
    border: int


class _Grid:
    """A value as a table of numbers. An axis alone runs downwards, so that a line reaches each entry from the side.

    A long axis is cut: the entries that are needed are kept, with … for those left out.
    """

    def __init__(self, name: str, operand: Operand, letters: str, needed: Sequence[Entry], footed: bool = False) -> None:
        self.id = name
        self.operand = operand
        self.footed = footed
        shape = operand.shape
        self.width = shape[-1] if len(shape) > 1 else 1
        self.height = int(np.prod(shape[:-1] if len(shape) > 1 else shape))
        places = [self._at(place) for place in needed]
        self.rows = _window(self.height, {row for row, _ in places})
        self.columns = _window(self.width, {column for _, column in places})
        split = max(len(letters) - 1, 1)
        self.row_letters, self.column_letters = letters[:split], letters[split:]

    def _at(self, place: Entry) -> tuple[int, int]:
        """The row and the column of an entry: all axes but the last one run downwards."""
        shape = self.operand.shape
        if len(shape) < 2:
            return (place[0] if place else 0), 0
        return int(np.ravel_multi_index(place[:-1], shape[:-1])), place[-1]

    def shows(self, place: Entry) -> bool:
        """Whether the entry is in the table."""
        row, column = self._at(place)
        return row in self.rows and column in self.columns

    def port(self, place: Entry) -> str:
        """Where a line to this entry ends."""
        row, column = self._at(place)
        return f"{self.id}:c{row}_{column}"

    def label(self, cells: dict[Entry, Cell], fixed: tuple[Collection[int], Collection[int]] = ((), ())) -> str:
        """The table; ``cells`` are highlighted, and ``fixed`` are the rows and columns whose index is."""
        looks = {self._at(place): cell for place, cell in cells.items()}
        values = np.asarray(self.operand.value).reshape(self.height, self.width)
        rows = []
        for row in self.rows:
            parts = [_index("" if row is None else self._row_index(row), row in fixed[0])]
            for column in self.columns:
                if row is None or column is None:
                    parts.append(_plain(GAP if row is not None or column == self.columns[0] else ""))
                else:
                    parts.append(_number(number(values[row, column]), f"c{row}_{column}", looks.get((row, column))))
            rows.append("".join(parts))
        head = [self._column_head(fixed[1])] if len(self.operand.shape) > 1 else [] if self.footed else [_plain(" ")]
        name = _plain(f"<B>{html(_short(self.operand.name))}</B> {_small(_shape(self.operand.shape))}", len(self.columns) + 1)
        return _html_table([*rows, *head, name] if self.footed else [name, *head, *rows])

    def _row_index(self, row: int) -> str:
        shape = self.operand.shape
        if not shape:
            return ""
        place = np.unravel_index(row, shape[:-1] if len(shape) > 1 else shape)
        text = ",".join(str(int(i)) for i in place)
        return f"{','.join(self.row_letters)} = {text}" if row == 0 and self.row_letters else text

    def _column_head(self, fixed: Collection[int]) -> str:
        parts = [_plain("")]
        for column in self.columns:
            text = GAP if column is None else str(column)
            first = f"{self.column_letters} = {text}" if column == 0 and self.column_letters else text
            parts.append(_index(first, column in fixed))
        return "".join(parts)


def _window(size: int, needed: set[int]) -> list[int | None]:
    """The indices to show, None for each run that is left out: all that are needed, and others while there is room."""
    kept = set(range(size)) if size <= MOST_CELLS else set(needed)
    for i in (0, size - 1, *range(1, MOST_CELLS)) if size > MOST_CELLS else ():
        if len(_with_gaps(size, kept | {i})) <= MOST_CELLS:
            kept.add(i)
    return _with_gaps(size, kept)


def _with_gaps(size: int, kept: set[int]) -> list[int | None]:
    ends = [-1, *sorted(kept), size]
    return [x for i, j in pairwise(ends) for x in ([None, j] if j > i + 1 else [j]) if x != size]


def _split(terms: Sequence[Term]) -> tuple[list[Term], list[Term]]:
    """The terms that have a row, which are the largest ones, and those left out; both in their order."""
    largest = sorted(terms, key=lambda term: -abs(np.nan_to_num(_product(term), nan=np.inf)))
    shown = {term.entry for term in largest[: MOST_TERMS - (len(terms) > MOST_TERMS)]}
    return [term for term in terms if term.entry in shown], [term for term in terms if term.entry not in shown]


def _product(term: Term) -> float:
    """What the term adds to the sum; without a root its derivative."""
    return term.derivative if term.gradient is None else term.gradient * term.derivative


# ---- what is written ---------------------------------------------------------------------------------------------


def _caption(found: Reach) -> list[str]:
    """The chain rule, what the local derivative is, what survives, and what is left of the sum."""
    letters, here = ",".join(found.of_letters), ",".join(found.index_here)
    axes = [(x, n) for x, n in zip(found.of_letters, found.of.shape, strict=True)]
    long = [x for x, n in axes if n > 1]  # there is nothing to sum over along an axis of length 1
    root, of, by = (_short(name) for name in (found.root, found.of.name, found.by.name))
    chosen = f"∂{by}{_bracket(','.join(map(str, found.entry)))}"
    lines = []
    if found.root:
        sum_over = f"Σ over {', '.join(long)} of  " if long else ""
        u = f"{of}{_bracket(','.join(x if n > 1 else '0' for x, n in axes))}"
        lines.append(f"∂{root}/{chosen}  =  {sum_over}∂{root}/∂{u} ∗ ∂{u}/{chosen}")
    if found.rule:
        where = f" if {' and '.join(found.survives)}, else 0" if found.survives else ""
        where = where if found.is_complete else " where it is reached, else 0"
        left = f"∂{of}{_bracket(letters)}/∂{by}{_bracket(','.join(found.by_letters))}"
        lines.append(f"{left}  =  {found.rule}{where}")
    fixed = [f"{x} = {i}" for x, i in found.fixed.items() if f"{x} = {i}" not in found.survives]
    at = f", here {' and '.join(fixed)}" if fixed else ""
    count = f": {len(found.terms)} of {np.size(found.of.value)} terms" if letters else ""
    count += " survive" if found.survives and not found.is_complete else ""
    lines.append(f"{found.sentence()}{at}{count}")
    if found.root and found.terms:
        free = ", ".join(found.free)
        sum_over = f"Σ over {free} of  " if free else ""
        right = ""
        if found.is_complete:
            u = f"{of}{_bracket(here)}"
            local = _factor(found.rule_here) if found.rule_here else f"∂{u}/{chosen}"
            right = f"{sum_over}∂{root}/∂{u}{'' if local == '1' else f' ∗ {local}'}  =  "
        left = f"∂{root}/{chosen}" if not found.elsewhere else f"its part of ∂{root}/{chosen}"
        lines.append(f"so  {left}  =  {right}{number(found.total)}")
        if found.elsewhere:
            whole = f"∂{root}/{chosen} = {number(found.gradient)}"
            lines.append(f"{root} uses {by} in other equations too: over all uses  {whole}")
    return lines


def _fixed(found: Reach) -> tuple[set[int], set[int]]:
    """The row and the column of the result whose index is fixed by what survives."""
    numbers, letters = found.fixed, found.of_letters
    rows = {numbers[letters[0]]} if len(letters) in (1, 2) and letters[0] in numbers else set()
    columns = {numbers[letters[-1]]} if len(letters) > 1 and letters[-1] in numbers else set()
    return rows, columns


def _local_name(found: Reach) -> str:
    u = f"{_short(found.of.name)}{_bracket(','.join(found.index_here))}"
    return f"∂{u}/∂{_short(found.by.name)}{_bracket(','.join(map(str, found.entry)))}"


def _term_name(found: Reach) -> str:
    local = _factor(found.rule_here) if found.rule_here else _local_name(found)
    return f"∂{_short(found.root)}/∂{_short(found.of.name)}{_bracket(','.join(found.index_here))} ∗ {local}"


def _local_text(term: Term) -> str:
    value = number(term.derivative)
    return f"{term.formula} = {value}" if term.formula not in ("", value) else value


def _product_text(term: Term) -> str:
    gradient = term.gradient if term.gradient is not None else 0.0
    return f"{number(gradient)} ∗ {_factor(number(term.derivative))} = {number(_product(term))}"


def _factor(text: str) -> str:
    """In parentheses where a sign in it could be misread."""
    return f"({text})" if any(sign in text for sign in "+−/") and not text.startswith("(") else text


def _bracket(index: str) -> str:
    return f"[{index}]" if index else ""


def _short(name: str) -> str:
    text = pretty(name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + GAP


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


# ---- tables ------------------------------------------------------------------------------------------------------


def _table(name: str, rows: Sequence[tuple[Term, str]], fill: str, colour: str, below: Sequence[str] = ()) -> str:
    """A column of texts, each with the port of the entry that it belongs to, in line with the rows of the grids."""
    lines = [_plain(f'<FONT COLOR="{colour}">{html(name, 120)}</FONT>'), _plain(" ")]
    lines += [_number(text, _port(term.entry), Cell(fill, colour, 1)) for term, text in rows]
    lines += [_plain(f'<FONT COLOR="{colour}"><B>{html(text, 120)}</B></FONT>') for text in below]
    return _html_table(lines)


def _port(entry: Entry) -> str:
    return "t" + "_".join(map(str, entry))


def _html_table(rows: Sequence[str]) -> str:
    inside = "".join(f"<TR>{row}</TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="10" CELLPADDING="4">{inside}</TABLE>>'


def _number(text: str, port: str, look: Cell | None) -> str:
    fill, colour, border = look or Cell("white", PALE_INK, 1)
    return (
        f'<TD PORT="{port}" BGCOLOR="{fill}" COLOR="{colour}" BORDER="{border}"><FONT COLOR="{INK}">{html(text, 120)}</FONT></TD>'
    )


def _plain(markup: str, span: int = 1) -> str:
    wide = f' COLSPAN="{span}"' if span > 1 else ""
    back = ' BGCOLOR="white"' if markup.strip() else ""  # a blank cell hides no line
    return f'<TD BORDER="0" CELLPADDING="1"{back}{wide}>{markup}</TD>'


def _index(text: str, fixed: bool) -> str:
    if not text:
        return _plain("")
    return _plain(f'<FONT COLOR="{RED}"><B>{html(text)}</B></FONT>' if fixed else _small(text))


def _small(text: str) -> str:
    return f'<FONT POINT-SIZE="11" COLOR="{GREY}">{html(text)}</FONT>'
