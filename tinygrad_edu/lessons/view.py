"""What a lesson reads from a record: its values, names, equations and gradients, and the formulas in which these are shown."""

from __future__ import annotations

import re
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..derivation import Section
from ..derivation import Step as Line
from ..derivation.calculus import contracted, derivative
from ..derivation.equation import Equations
from ..derivation.matrix import Matrix, NoMatrixFormError, to_matrix
from ..derivation.notation import Name, Partial, Row, Sign, Word, text
from ..derivation.notation import Node as Tree
from ..derivation.printing import letters_for, matrix_tree, sum_tree
from ..derivation.terms import Entry, Index, NoIndexFormError, Place, Sum, Symbol, at
from ..derivation.writer import LONGEST, Deriver
from ..digest import digest
from ..graphs import Contribution, pretty_dim
from ..graphs.backward import differentiate, leaves_to_differentiate, record_sweep
from ..graphs.dims import Dims
from ..graphs.expression import Expression
from ..graphs.fold import stands_for_leaf
from ..graphs.formula import FRACTION, Text, literal, named_text
from ..graphs.levels import is_number, read
from ..graphs.paths import paths_between
from ..ops import rearrangement as r
from ..ops.contraction import matmul
from ..sweep import topological_order
from ..tensor import Tensor
from ..visible import visible
from . import data
from .code_lines import CodeLines
from .events import Event, watched
from .indexed import Exporter, Handed, Own, Written, markup, neutral, plain, right_tree, whole, written

MOST_NODES = 1_500  # operations and given values of a lesson
MOST_DERIVED = 150  # named values; of more, derivation and code are left out
LONGEST_KEY = 60
ONE_ROW = re.compile(r"\[(?:[:0, ]|None)+\]")  # an axis of size 1 that comes or goes
PIECE = 2  # where an equation is too long, each piece of it ends with the first operation after so many
LAYOUTS = (r.reshape, r.transpose, r.windows)  # of the same numbers


class _Derived(Deriver):
    """The derivation in the names and with the symbols of the view."""

    def __init__(self, root: Tensor, view: View) -> None:
        operations = Counter(view.equations[view.place(t)] for t in view.order if t.inputs)
        too_long = max(operations.values(), default=0) > LONGEST  # as in a network without names
        super().__init__(root, None, longest=PIECE if too_long else LONGEST)
        places = {i: view.place(t) for i, t in self.tensors.items()}
        self.names = [view.names[places[i]] for i in range(len(self.names))]
        self.root_name = view.root_name
        self.known = {key: view.values[places[self.reading.places[key]]] for key in self.known}
        self.incoming = {
            i: view.slopes.get(places[i]) or replace(symbol, name=self.root_name, gradient_of=self.names[i])
            for i, symbol in self.incoming.items()
        }
        self.equations = Equations(self.known, self.reading.dims)
        self._view: View = weakref.proxy(view)  # which holds this one
        self._before = Sum()
        self.put_in: dict[str, tuple[str, Tree]] = {}  # of a gradient that simplifies: what is put in, and what that gives
        self._origins = {edge: origin for origin, edge in self.reading.edges.items()}

    def _as_registered(
        self, place: int, target: int, own: Sequence[Contribution], engine: Any, reason: str
    ) -> tuple[Any, list[Line]]:
        part, steps = super()._as_registered(place, target, own, engine, reason)
        parts = [self._view.parts.get(self._origins[c.use]) for c in own]
        y = self.tensors[target]
        forward = self._view.text_of(y, {key: symbol for key, symbol in self.known.items() if key != id(y)})
        slopes = {
            id(g): self.incoming[i] for i, t in self.tensors.items() if (g := self._view.trace.gradients.get(t)) is not None
        }
        slopes.pop(id(self._view.trace.gradients[self.tensors[place]]), None)  # unless it is that of y, handed on as it is
        slopes |= {id(self._view.trace.gradients[y]): self.incoming[target]} if y is not self.root else {}
        rules = [self._view.text_of(x, {**slopes, **self.known}) for x in parts if x is not None]
        rule = Word(plain(" + ".join(rules)))
        left = Partial(Name(self.root_name), Name(self.names[place]))
        steps = [
            replace(steps[0], math=Row((Name(self.names[target]), Sign("="), Word(plain(forward))))),
            replace(steps[1], math=Row((left, Sign("="), rule))),
        ]
        return replace(part, tree=rule), steps

    def _matrix_steps(self, place: int, t: Tensor, axes: Any, total: Sum, names: Any, engine: Any, steps: list[Line]) -> Any:
        """Before a line that only says what is left: what it was before it cancelled."""
        if steps and steps[-1].kind == "simplified" and (found := self._with_known(self._before)) is not None:
            between, name = found
            left = self._gradient(place, [i for i in axes if i is not None], names)
            own = [i for i in axes if i is not None]
            difference = self._check(between, own, engine)
            put_in = text(Partial(Name(self.root_name), Name(name)))
            words = f"With {put_in} put in"
            steps.insert(-1, Line("put in", words, Row((left, Sign("="), sum_tree(between, dict(names)))), difference))
            with suppress(NoMatrixFormError, NoIndexFormError):
                self.put_in[self.names[place]] = put_in, neutral(matrix_tree(to_matrix(between, axes)))
        self._before = total
        return super()._matrix_steps(place, t, axes, total, names, engine, steps)

    def _with_known(self, total: Sum) -> tuple[Sum, str] | None:
        """A product with its known gradient multiplied in, term by term, and whose gradient that is."""
        known = {id(self.incoming[i]): form for i, form in self.closed.items()}
        used = [entry for entry in total.entries() if id(entry.of) in known]
        if len(total.terms) != 1 or len(used) != 1 or total.terms[0].over:
            return None
        (term,), (entry,) = total.terms, used
        if dict(term.factors).get(entry) != 1:
            return None
        axes, closed = known[id(entry.of)]
        own = closed.with_(dict(zip([i for i in axes if i is not None], entry.places, strict=True)))
        return own.distributed(Sum((term.without(entry),))), entry.of.gradient_of


class View:
    """A root and all that its gradients are made of, as the page shows them. Places are the ids of the contract's nodes.

    Parameters
    ----------
    root : Tensor
        A scalar result that depends on something that requires a gradient.

    Attributes
    ----------
    level : str
        ``"op"``, where every operation is shown, or ``"named"``.
    shown : set of int
        The places of the nodes that are shown.
    uses : dict
        By place, how often something is handed back to the node.
    sections : dict
        The derivation, by the place that each section is about, in the order of the sweep.

    Raises
    ------
    GradientError
        If the root is not a scalar, or has nothing to differentiate by.
    ValueError
        For a record of more than ``MOST_NODES`` values.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], name="x", dims="N")
    >>> w = Tensor(0.5, requires_grad=True, name="w")
    >>> view = View((x * w).named("h").mean().named("L"))
    >>> for e in view.swept.events:
    ...     if e.position is not None:
    ...         _, tree = view.handed(e)
    ...         print(view.name_of(view.place(e.receiver)), "receives", text(tree))
    h receives broadcast(1/N, N)
    w receives sum(∂𝓛/∂h ∗ x)
    """

    def __init__(self, root: Tensor) -> None:
        self.root = root
        self.swept = watched(root)
        self.order = topological_order([root])
        if len(self.order) > MOST_NODES:
            raise ValueError(
                f"lesson: {root._called()} was computed in {len(self.order)} values: more than a page can show, {MOST_NODES}.\n"
                "  Try: a smaller batch, fewer layers, or fewer repetitions of a loop"
            )
        self.reading = read([root], "op", loss=root)
        self.named = read([root], "named", loss=root)
        self.nodes = self.reading.graph.nodes
        self.tensors = {self.place(t): t for t in self.order if not stands_for_leaf(t)}
        self.names = [node.name for node in self.nodes]
        self.root_place = self.place(root)
        self.root_name = self.names[self.root_place]
        self.gradients = {self.place(t): g for t, g in self.swept.gradients.items() if not stands_for_leaf(t)}
        self.values = [
            Symbol(name, np.asarray(node.value), dims=node.dims) for name, node in zip(self.names, self.nodes, strict=True)
        ]
        self.slopes = {
            i: Symbol(self.root_name, np.asarray(g), gradient_of=self.names[i], dims=self.nodes[i].dims)
            for i, g in self.gradients.items()
        }
        self.trace = record_sweep(root, self.order, leaves_to_differentiate(self.order, by_all=False))
        self.parts = {(id(node), i): part for own in self.trace.parts.values() for node, i, part in own}
        self._made_from = {key: own[0][0] for key, own in self.trace.parts.items() if len(own) == 1}
        self.known = {id(t): self.values[self.place(t)] for t in self.order if not self.is_literal(t)}
        self.rules: dict[tuple[int, int, int], Contribution] = {
            (c.use.source, c.use.target, c.use.position): c for node in differentiate(root, "op") for c in node.contributions
        }
        self.derived = _Derived(root, self)
        self.explained = len(self.derived.tensors) <= MOST_DERIVED and len(self.order) <= 3 * MOST_DERIVED
        self.code = CodeLines(root if self.explained else None, {id(t): self.names[self.place(t)] for t in self.order})
        symbols = {id(symbol): (i, False) for i, symbol in enumerate(self.values)}
        symbols |= {id(symbol): (i, True) for i, symbol in self.slopes.items()}
        self.exporter = Exporter(symbols, self.names)
        self._axes: dict[int, Own] = {}
        handed = (e for e in self.swept.events if e.position is not None and not stands_for_leaf(e.node))
        self.uses = dict(Counter(self.place(e.receiver) for e in handed))
        self.sections = self._derivation()
        self.show("op")

    def show(self, level: str) -> None:
        """Show every operation, ``"op"``, or only the nodes of the ``"named"`` level."""
        tensors = self.order if level == "op" else self.derived.tensors.values()
        self.level = level
        self.shown = {self.place(t) for t in tensors}
        self._slopes_by_id = self._slopes_of_the_shown()

    def place(self, t: Tensor) -> int:
        """The id of the node that a tensor of the record is."""
        return self.reading.places[id(t)]

    def is_literal(self, t: Tensor) -> bool:
        """Whether it is a bare number in a formula."""
        return is_number(t) and t.name is None

    def name_of(self, place: int) -> str:
        """A name as a person reads it; a bare number is what it is."""
        t = self.tensors[place]
        return literal(t._data).text if self.is_literal(t) else text(Name(self.names[place]))

    def node(self, place: int, most: int) -> data.Node:
        """A node of the picture as data, with its numbers if they are at most so many."""
        node, name = self.nodes[place], self.names[place]
        t = self.tensors[place]
        number = self.is_literal(t)
        key = visible(name)
        return data.Node(
            id=place,
            name=self.name_of(place),
            key=key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 1]}…",
            math=markup(Word(self.name_of(place)) if number else Name(name)),
            kind=node.kind,
            op=node.op.name if node.op is not None else "",
            inputs=list(node.inputs),
            shape=list(node.shape),
            dims=[pretty_dim(d) if d else str(n) for d, n in zip(node.dims, node.shape, strict=True)],
            values=data.numbers(node.value, most),
            digest=digest(node.value).line(),
            equation=self.equations[place],
            requires_grad=t._requires_grad,
        )

    @cached_property
    def equations(self) -> dict[int, int]:
        """For each node the node of the named level in whose equation it stands."""
        found: dict[int, int] = {}
        for t in reversed(self.order):
            own = self.place(t)
            if id(t) in self.named.places or own not in found:
                found[own] = own
            for x in t.inputs:
                if id(x) not in self.named.places:
                    found.setdefault(self.place(x), found[own])
        return found

    @cached_property
    def paths(self) -> str:
        """The products that a sum over all paths from the root to the leaves that require a gradient would need."""
        graph = self.reading.graph
        ends = [i for i, t in self.tensors.items() if not t.inputs and t._requires_grad]
        total = sum(paths_between(graph, self.nodes[self.root_place], self.nodes[i]).products_over_paths for i in ends)
        if total < 10**12:
            return f"{total:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
        digits = str(total)
        raised = str(len(digits) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{digits[0]}.{digits[1:3]} · 10{raised}"

    def axes(self, place: int) -> Own:
        """An index for each axis of a node whose size is not 1, always the same."""
        if place not in self._axes:
            node = self.nodes[place]
            self._axes[place] = tuple(None if n == 1 else Index(n, d) for n, d in zip(node.shape, node.dims, strict=True))
        return self._axes[place]

    def dims_of(self, t: Tensor) -> Dims:
        """The letters of its axes."""
        return self.nodes[self.place(t)].dims

    def letters(self, axes: Own) -> Any:
        """A letter for each index that is none of the names."""
        return letters_for(self.names, [i for i in axes if i is not None])

    def known_to(self, t: Tensor) -> Mapping[int, Symbol]:
        """The values, by the ids of their tensors, in which the equation of a node may be written."""
        return self.derived.known if id(t) in self.derived.reading.places else self.known

    def equation(self, t: Tensor) -> Written:
        """A node by the values that its equation has, in indices."""
        axes = self.axes(self.place(t))
        equations = Equations(self.known_to(t), self.reading.dims)
        return written(lambda: equations.right_side(t, _at(axes)), axes, t.shape, self.nodes[self.place(t)].value)

    def formula(self, t: Tensor) -> str:
        """The right side of the equation of a node, as the picture has it."""
        if self.level == "named" and id(t) in self.named.places:
            return plain(self.named.graph.nodes[self.named.places[id(t)]].formula)
        return plain(self.nodes[self.place(t)].formula)

    def above(self, node: Tensor) -> Tensor:
        """The node that is shown, of whose gradient the gradient of this one is made."""
        while self.place(node) not in self.shown and id(node) in self._made_from:
            node = self._made_from[id(node)]
        return node

    def _slopes_of_the_shown(self) -> dict[int, tuple[int, Symbol]]:
        """The gradients of the shown nodes, by the ids of the recorded ones: of several that are one, the first swept."""
        found: dict[int, tuple[int, Symbol]] = {}
        for t in reversed(self.order):
            g = self.trace.gradients.get(t)
            if g is not None and t is not self.root and not stands_for_leaf(t) and self.place(t) in self.shown:
                found.setdefault(id(g), (self.place(t), self.slopes[self.place(t)]))
        return found

    def handed(self, e: Event) -> tuple[Written, Tree]:
        """What an edge hands back, in the gradients of the nodes that are shown and the values of the forward pass."""
        assert e.position is not None
        place = self.place(e.receiver)
        axes = self.axes(place)
        part = self.parts.get((id(e.node), e.position))
        line = Written(axes, None, None)
        symbols: dict[int, Symbol] = {}
        known = self.known if self.level == "op" else self.derived.known
        if part is not None:
            above = self.above(e.node)
            symbols = {key: symbol for key, (_, symbol) in self._slopes_by_id.items()}
            symbols.pop(id(self.trace.gradients[e.receiver]), None)
            symbols.pop(id(self.trace.gradients[self.root]), None)
            if above is not self.root:
                symbols[id(self.trace.gradients[above])] = self.slopes[self.place(above)]
            dims = dict(self.reading.dims)
            dims |= {key: self.nodes[i].dims for key, (i, _) in self._slopes_by_id.items()}
            dims[id(self.trace.gradients[above])] = self.nodes[self.place(above)].dims
            around = e.node.inputs[0] if not e.node.shape else None
            equations = Handed({**symbols, **known}, dims, around)
            line = written(lambda: contracted(equations.write(part, _at(axes))), axes, e.receiver.shape, e.part)
            if line.total is None and self.place(above) == self.place(e.node):
                line = written(lambda: self._by_derivative(e, axes), axes, e.receiver.shape, e.part)
        if line.total is not None and (line.matrix is None or ONE_ROW.search(text(neutral(matrix_tree(line.matrix))))):
            if e.node.op in LAYOUTS:
                line = replace(line, matrix=None)
                return line, Word(plain(self.text_of(part, {**symbols, **known}))) if part is not None else Word("…")
            line = self._as_product(e, line)
        tree = right_tree(line, self.letters(axes))
        return line, tree if tree is not None else Word(
            plain(self.text_of(part, {**symbols, **known})) if part is not None else "…"
        )

    def _as_product(self, e: Event, line: Written) -> Written:
        """The product of two matrices that its rule is, where an axis of size 1 would be dropped and put back."""
        y, place = e.node, self.place(e.node)
        if self.level != "op" or y.op is not matmul or any(x.ndim != 2 for x in y.inputs) or place not in self.slopes:
            return line
        other = y.inputs[1 - (e.position or 0)]
        value = Matrix("value", (), self.axes(self.place(other)), self.values[self.place(other)])
        turned = Matrix("transpose", (value,), value.axes[::-1], (1, 0))
        slope = Matrix("value", (), self.axes(place), self.slopes[place])
        left, right = (turned, slope) if e.position else (slope, turned)
        return replace(line, matrix=Matrix("matmul", (left, right), (left.axes[0], right.axes[1])))

    def _by_derivative(self, e: Event, axes: Own) -> Sum:
        """The same by differentiating the equation, where the rule itself has no form in indices: it puts entries in places."""
        y, place = e.node, self.place(e.node)
        rows = [i for i in self.axes(place) if i is not None]
        forward = Equations(self.known, self.reading.dims).right_side(y, _at(self.axes(place)))
        local = derivative(forward, self.values[self.place(e.receiver)], [at(i) for i in axes if i is not None])
        incoming = Sum.of(Entry(self.slopes[place], tuple(at(i) for i in rows)))
        product = local if y is self.root else incoming.distributed(local)
        return contracted(Sum(tuple(replace(term, over=(*term.over, *rows)) for term in product.terms)))

    def text_of(self, end: Tensor, symbols: Mapping[int, Symbol]) -> str:
        """What was computed up to a tensor, as the text of a formula of whole arrays."""

        def shown(t: Tensor) -> Text:
            symbol = symbols[id(t)]
            return Text(text(whole(symbol)), FRACTION) if symbol.gradient_of else named_text(symbol.name[:LONGEST_KEY])

        return Expression(end, lambda t: id(t) in symbols).text(shown).text

    def added(self, place: int, own: Sequence[tuple[Written, Tree]], line: Written) -> Tree:
        """What several uses have handed back, with + between; as many times the same, if that is what it is."""
        texts = [text(tree) for _, tree in own]
        together = right_tree(line, self.letters(self.axes(place))) if len(set(texts)) == 1 < len(texts) else None
        return joined([tree for _, tree in own]) if together is None else together

    def together(self, place: int, own: Sequence[tuple[Written, Tree]], value: Any) -> Written:
        """The sum of what several uses have handed back."""
        axes = self.axes(place)
        if not own or any(line.total is None for line, _ in own):
            return Written(axes, None, None)
        total = Sum()
        for line, _ in own:
            total = total + line.total if line.total is not None else total
        return written(lambda: total, axes, self.nodes[place].shape, value)

    def closed(self, place: int, value: Any) -> Written:
        """The whole gradient as the derivation found it."""
        inner = self.derived.reading.places[id(self.tensors[place])]
        if inner not in self.derived.closed:
            return Written(self.axes(place), None, None)
        axes, total = self.derived.closed[inner]
        return written(lambda: total, axes, self.nodes[place].shape, value)

    def nodes_of(self, line: Written) -> set[tuple[int, bool]]:
        """The values and, with True, the gradients that a line is written in."""
        if line.total is None:
            return set()
        found = (self.exporter.places.get(id(entry.of)) for entry in line.total.entries())
        return {place for place in found if place is not None}

    def reused(self, line: Written, rule: Contribution | None, e: Event) -> list[int]:
        """The values of the forward pass that are used again, in the order in which the formula has them."""
        if self.level == "op" and rule is not None:
            return [i for i in rule.reused if not self.is_literal(self.tensors[i])]
        return sorted({i for i, is_gradient in self.nodes_of(line) if not is_gradient})

    def repeated(self, x: Tensor, y: Tensor) -> list[str | int]:
        """The axes of y over which broadcasting has repeated x."""
        more = y.ndim - x.ndim
        dims = self.nodes[self.place(y)].dims
        axes = [a for a, n in enumerate(y.shape) if n != 1 and (a < more or x.shape[a - more] == 1)]
        return [pretty_dim(letter) if (letter := dims[a]) else a for a in axes]

    def summed_letters(self, x: Tensor, y: Tensor) -> str:
        """The axes of x over which y is the sum or the mean, by their letters; nothing if one has none."""
        axis = y.params["axis"]
        gone = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        letters = [self.nodes[self.place(x)].dims[a] for a in gone]
        return " ".join(pretty_dim(d) for d in letters if d) if all(letters) else ""

    def _derivation(self) -> dict[int, Section]:
        """The sections, by the node that each is about, in the order of the sweep."""
        if not self.explained:
            return {}
        places = {name: i for i, name in enumerate(self.names)}
        sections, _ = self.derived.sections()
        return {places[section.of]: section for section in sections}

    def code_line(self, place: int, gradient: bool) -> int | None:
        """The line that assigns a value or its gradient; None if there is none, as within an equation."""
        return self.code.line_of(self.tensors[place], gradient)


def _at(axes: Own) -> tuple[Place | None, ...]:
    return tuple(None if i is None else at(i) for i in axes)


def joined(trees: Sequence[Tree]) -> Tree:
    """The trees with + between them."""
    row: list[Tree] = []
    for tree in trees:
        negative = isinstance(tree, Row) and tree.parts[0] == Sign("−")
        row += [tree] if negative or not row else [Sign("+"), tree]
    return row[0] if len(row) == 1 else Row(tuple(row))
