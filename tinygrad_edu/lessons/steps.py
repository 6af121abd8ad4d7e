"""From the events of the sweep to the steps of the lesson: each with its formula, its numbers, and where else it is found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..derivation import Section
from ..derivation import Step as Line
from ..derivation.calculus import contracted, derivative
from ..derivation.derivation import verdict
from ..derivation.equation import Equations
from ..derivation.matrix import Matrix, NoMatrixFormError, to_matrix
from ..derivation.notation import Letters, Name, Partial, Row, Sign, Sup, Word, text
from ..derivation.notation import Node as Tree
from ..derivation.printing import letters_for, matrix_tree, shape_of, sum_tree
from ..derivation.terms import Entry, Index, NoIndexFormError, Place, Sum, Symbol, at, replace_factors
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
from ..ops import Elementwise
from ..ops import rearrangement as r
from ..ops.contraction import count, matmul, mean
from ..sweep import topological_order
from ..tensor import Tensor
from ..visible import visible
from . import data, sentences
from .code_lines import CodeLines
from .events import Event, watched
from .indexed import (
    RECEIVES,
    Exporter,
    Handed,
    Own,
    Written,
    cut,
    entry_of,
    exact_looking,
    exchanged,
    laid_out,
    markup,
    neutral,
    nodes_in,
    plain,
    right_tree,
    shapes,
    whole,
    written,
)
from .words import WORDS

MOST_STEPS = 120  # more are a step per equation; and of more than that only the first and the last are shown
MOST_NODES = 1_500  # operations and given values of a lesson
MOST_DERIVED = 150  # named values; of more, derivation and code are left out
LONGEST_KEY = 60
ONE_ROW = re.compile(r"\[(?:[:0, ]|None)+\]")  # an axis of size 1 that comes or goes
PIECE = 2  # where an equation is too long, each piece of it ends with the first operation after so many
LAYOUTS = (r.reshape, r.transpose, r.windows)  # of the same numbers
_DECIMALS = re.compile(r"\d+\.\d+")


def lesson_data(root: Tensor, lang: str = "en", title: str | None = None) -> data.Data:
    """A lesson as data: the values, the steps, the derivation and the code.

    Up to ``MOST_STEPS`` steps there is a step for each operation; of a larger record a step for each equation of the named
    level; and of a still larger one the first and the last of these, with a step of kind ``gap`` between them. With more than
    ``MOST_DERIVED`` named values there is neither derivation nor code.

    Parameters
    ----------
    root : Tensor
        A scalar result that depends on something that requires a gradient.
    lang : {"en", "es"}
        The language in which the page opens.
    title : str, optional
        The page's title.

    Raises
    ------
    GradientError
        If the root is not a scalar, or has nothing to differentiate by.
    ValueError
        For another language, and for a record of more than ``MOST_NODES`` values.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(3.0, requires_grad=True, name="w")
    >>> found = lesson_data((w * w).named("L"))
    >>> for step in found["steps"]:
    ...     print(step["kind"], "|", step["formula_text"], "|", step["sentence"]["en"][:48])
    value | w = 3 | w is a parameter: it is learned, and its gradien
    value | 𝓛 = w ∗ w | 𝓛 = w ∗ w: multiplied. This one number is the lo
    seed | ∂𝓛/∂𝓛 = 1 | The backward pass starts at 𝓛: the derivative of
    contribution | ∂𝓛/∂w receives w | In a product the derivative by one factor is the
    contribution | ∂𝓛/∂w receives w | In a product the derivative by one factor is the
    sum | ∂𝓛/∂w = 2 ∗ w | w is used twice, and a change of it reaches the
    finished | ∂𝓛/∂w = 2 ∗ w | Both uses of w have handed back their part, so ∂
    end |  | Done: every gradient is known. The sweep went ov
    """
    if lang not in data.LANGUAGES:
        raise ValueError(f'lesson: there is no language {lang!r:.20}.\n  Try: lang="en" or lang="es"')
    with np.errstate(all="ignore"):
        return _Lesson(root).page(lang, title)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A step before it is written."""

    kind: str
    place: int
    event: Event | None = None
    result: Any = None
    total: Any = None
    edges: int = 0
    arrived: int = 0
    left_out: int = 0


class _Derived(Deriver):
    """The derivation in the names and with the symbols of the lesson."""

    def __init__(self, root: Tensor, lesson: _Lesson) -> None:
        operations = Counter(lesson.equations[lesson.place(t)] for t in lesson.order if t.inputs)
        too_long = max(operations.values(), default=0) > LONGEST  # as in a network without names
        super().__init__(root, None, longest=PIECE if too_long else LONGEST)
        places = {i: lesson.place(t) for i, t in self.tensors.items()}
        self.names = [lesson.names[places[i]] for i in range(len(self.names))]
        self.root_name = lesson.root_name
        self.known = {key: lesson.values[places[self.reading.places[key]]] for key in self.known}
        self.incoming = {
            i: lesson.slopes.get(places[i]) or replace(symbol, name=self.root_name, gradient_of=self.names[i])
            for i, symbol in self.incoming.items()
        }
        self.equations = Equations(self.known, self.reading.dims)
        self._lesson = lesson
        self._before = Sum()
        self.put_in: dict[str, tuple[str, Tree]] = {}  # of a gradient that simplifies: what is put in, and what that gives
        self._origins = {edge: origin for origin, edge in self.reading.edges.items()}

    def _as_registered(
        self, place: int, target: int, own: Sequence[Contribution], engine: Any, reason: str
    ) -> tuple[Any, list[Line]]:
        part, steps = super()._as_registered(place, target, own, engine, reason)
        parts = [self._lesson.parts.get(self._origins[c.use]) for c in own]
        y = self.tensors[target]
        forward = self._lesson.text_of(y, {key: symbol for key, symbol in self.known.items() if key != id(y)})
        slopes = {
            id(g): self.incoming[i] for i, t in self.tensors.items() if (g := self._lesson.trace.gradients.get(t)) is not None
        }
        slopes.pop(id(self._lesson.trace.gradients[self.tensors[place]]), None)  # unless it is that of y, handed on as it is
        slopes |= {id(self._lesson.trace.gradients[y]): self.incoming[target]} if y is not self.root else {}
        rules = [self._lesson.text_of(x, {**slopes, **self.known}) for x in parts if x is not None]
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


class _Lesson:
    """The steps of one root while they are written. Places are the ids of the contract's nodes."""

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
        self.names = [self._name(i) for i in range(len(self.nodes))]
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
        self.above = {key: own[0][0] for key, own in self.trace.parts.items() if len(own) == 1}
        self.known = {id(t): self.values[self.place(t)] for t in self.order if not self._is_literal(t)}
        self.rules: dict[tuple[int, int, int], Contribution] = {
            (c.use.source, c.use.target, c.use.position): c for node in differentiate(root, "op") for c in node.contributions
        }
        self.derived = _Derived(root, self)
        self.explained = len(self.derived.tensors) <= MOST_DERIVED and len(self.order) <= 3 * MOST_DERIVED
        self.code = CodeLines(root if self.explained else None)
        symbols = {id(symbol): (i, False) for i, symbol in enumerate(self.values)}
        symbols |= {id(symbol): (i, True) for i, symbol in self.slopes.items()}
        self.exporter = Exporter(symbols, self.names)
        self._axes: dict[int, Own] = {}
        self.uses: dict[int, int] = {}
        self.plans: list[_Plan] = []
        self.collected: dict[int, list[tuple[Written, Tree]]] = {}
        self.told_at_once = False

    def place(self, t: Tensor) -> int:
        """The id of the node that a tensor of the record is."""
        return self.reading.places[id(t)]

    def _is_literal(self, t: Tensor) -> bool:
        return is_number(t) and t.name is None

    def _name(self, place: int) -> str:
        return self.nodes[place].name

    def _shown(self, place: int) -> str:
        """A name as a person reads it; a bare number is what it is."""
        t = self.tensors[place]
        return literal(t._data).text if self._is_literal(t) else text(Name(self.names[place]))

    # ---- the whole -------------------------------------------------------------------------------------------------------

    def page(self, lang: str, title: str | None) -> data.Data:
        """Everything that can be known without pictures and without JavaScript."""
        self.level, plans = self._choose()
        self.most = data.limit(np.size(x) for plan in plans for x in (plan.result, plan.total) if x is not None)
        most = data.limit(np.size(node.value) for node in self.nodes)
        of_gradients = data.limit(np.size(g) for g in self.gradients.values())
        nodes = [self._node(i, most) for i in range(len(self.nodes))]
        gradients = {str(i): data.numbers(g, of_gradients) for i, g in self.gradients.items()}
        self.complete = {(node["id"], False) for node in nodes if node["values"] is not None}
        self.complete |= {(int(i), True) for i, found in gradients.items() if found is not None}
        self.sections = self._derivation()
        steps = [self._step(plan) for plan in plans]
        root_name = self._shown(self.root_place)
        return data.Data(
            title=visible(title)[:200] if title else WORDS[lang]["title_of"].format(root_name),
            lang=lang,
            root=self.root_place,
            level=self.level,
            nodes=nodes,
            steps=steps,
            gradients=gradients,
            derivation=[self._section(section) for section in self.sections.values()],
            code=data.Code(text=self.code.text),
            paths=self.paths,
            program=None,
            questions=[],
        )

    def _node(self, place: int, most: int) -> data.Node:
        node, name = self.nodes[place], self.names[place]
        t = self.tensors[place]
        number = self._is_literal(t)
        key = visible(name)
        return data.Node(
            id=place,
            name=self._shown(place),
            key=key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 1]}…",
            math=markup(Word(self._shown(place)) if number else Name(name)),
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

    # ---- which steps -----------------------------------------------------------------------------------------------------

    def _choose(self) -> tuple[str, list[_Plan]]:
        """The steps: all of them, or those of the named level, or the first and the last of these."""
        plans = self._plans({self.place(t) for t in self.order})
        if len(plans) <= MOST_STEPS:
            return "op", plans
        self.collected.clear()
        plans = self._plans({self.place(t) for t in self.derived.tensors.values()})
        if len(plans) <= MOST_STEPS:
            return "named", plans
        start = next(n for n, plan in enumerate(plans) if plan.kind == "seed")
        quarter = MOST_STEPS // 4
        return "named", [*_shortened(plans[:start], quarter), *_shortened(plans[start:], 3 * quarter)]

    def _plans(self, shown: set[int]) -> list[_Plan]:
        """A plan for each step on a level whose nodes are ``shown``."""
        self.shown = shown
        plans: list[_Plan] = []
        for t in self.order:
            place = self.place(t)
            if place in shown and not stands_for_leaf(t) and not self._is_literal(t):
                plans.append(_Plan("value", place, result=self.nodes[place].value))
        plans.append(_Plan("seed", self.root_place, result=self.gradients[self.root_place]))
        self.uses = {}
        handed = [e for e in self.swept.events if e.position is not None and not stands_for_leaf(e.node)]
        for e in handed:
            place = self.place(e.receiver)
            self.uses[place] = self.uses.get(place, 0) + 1
        totals: dict[int, Any] = {}
        arrived: dict[int, int] = {}
        edges = 0
        for e in self.swept.events:
            if stands_for_leaf(e.node):
                continue
            place = self.place(e.receiver)
            if e.position is None:
                if place != self.root_place and place in shown and not self._is_told_at_once(place):
                    plans.append(_Plan("finished", place, result=self.gradients[place], total=self.gradients[place], edges=edges))
                continue
            edges += 1
            totals[place] = totals[place] + e.part if place in totals else e.part  # as the engine adds
            arrived[place] = arrived.get(place, 0) + 1
            if place in shown:
                plans.append(_Plan("contribution", place, e, e.part, totals[place], edges, arrived[place]))
                if arrived[place] > 1:
                    plans.append(_Plan("sum", place, e, totals[place], totals[place], edges, arrived[place]))
        plans.append(_Plan("end", self.root_place, edges=edges))
        return plans

    def _is_told_at_once(self, place: int) -> bool:
        """Whether a gradient is complete with its one contribution, and so the same step: that of a value without a name."""
        return self.uses[place] == 1 and self.nodes[place].automatic and bool(self.tensors[place].inputs)

    # ---- one step --------------------------------------------------------------------------------------------------------

    def _step(self, plan: _Plan) -> data.Step:
        step = data.Step(
            kind=plan.kind,
            node=plan.place,
            edge=None,
            sentence={},
            formula="",
            formula_text="",
            entry=None,
            shapes="",
            derivation=None,
            derivation_line=None,
            code=None,
            reused=[],
            result=None if plan.result is None else data.numbers(plan.result, self.most),
            total=None if plan.total is None else data.numbers(plan.total, self.most),
            edges=plan.edges,
        )
        if plan.event is not None and plan.event.position is not None:
            step["edge"] = [plan.place, self.place(plan.event.node), plan.event.position]
        getattr(self, f"_{plan.kind}")(plan, step)
        if step["entry"] is not None and not nodes_in(step["entry"]["terms"]) <= self.complete:
            step["entry"] = None  # not all of its numbers are on the page
        return step

    def _say(self, step: data.Step, tree: Tree) -> None:
        tree = cut(tree)
        step["formula"], step["formula_text"] = markup(tree), text(tree)

    def _gap(self, plan: _Plan, step: data.Step) -> None:
        step["sentence"] = sentences.gap(plan.left_out)

    def _end(self, plan: _Plan, step: data.Step) -> None:
        step["sentence"] = sentences.end(plan.edges, self.paths, self._shown(self.root_place))
        step["code"] = self.code.last

    def _seed(self, plan: _Plan, step: data.Step) -> None:
        step["sentence"] = sentences.seed(self._shown(self.root_place))
        self._say(step, Row((whole(self.slopes[self.root_place]), Sign("="), Word("1"))))

    def _value(self, plan: _Plan, step: data.Step) -> None:
        place = plan.place
        t, node, name = self.tensors[place], self.nodes[place], self._shown(place)
        step["code"] = self._code_line(place, False)
        shape = shape_of(tuple(Index(n, d) for n, d in zip(node.shape, node.dims, strict=True)), letters=True)
        if not t.inputs:
            step["sentence"] = sentences.given(node.kind, name, shape)
            if not node.shape:
                self._say(step, Row((Name(self.names[place]), Sign("="), Word(digest(node.value).line()))))
                return
            sizes = "×".join(shape.strip("(,)").split(", "))
            field = (
                Sup(Letters("ℝ" if t.dtype.kind == "f" else "ℤ"), Word(sizes))
                if t.dtype.kind != "b"
                else Word(f"{{0, 1}} {sizes}")
            )
            self._say(step, Row((Name(self.names[place]), Sign("∈"), field)))
            return
        named = id(t) in self.derived.reading.places
        known = self.derived.known if named else self.known
        graph = self.named.graph if id(t) in self.named.places and self.level == "named" else self.reading.graph
        formula = graph.nodes[self.named.places[id(t)] if graph is self.named.graph else place].formula
        axes = self.axes(place)
        equations = Equations(known, self.reading.dims)
        line = written(lambda: equations.right_side(t, _at(axes)), axes, t.shape, node.value)
        step["entry"] = self.exporter.line(self.values[place], line)
        formula = plain(formula)
        right_side = right_tree(line, self._letters(axes)) if t.op.kind != "tabulated" and line.matrix is not None else None
        if right_side is not None and not set(_DECIMALS.findall(formula)) <= set(_DECIMALS.findall(text(right_side))):
            right_side = None  # 1.5 as the user wrote it, not 3/2
        if right_side is not None and ONE_ROW.search(text(right_side)) and not ONE_ROW.search(formula):
            right_side = None
        tree = Row((Name(self.names[place]), Sign("="), right_side if right_side is not None else Word(formula)))
        self._say(step, tree)
        step["shapes"] = shapes(line) if right_side is not None else ""
        if right_side is None and t.op is matmul and formula == plain(node.formula):
            own_shapes, *shapes_of = (shape_of(_sized(x.shape, self._dims_of(x)), letters=True) for x in (t, *t.inputs))
            step["shapes"] = f"{own_shapes} = {''.join(shapes_of)} ✓"
        if t.op in LAYOUTS and not step["shapes"]:
            step["shapes"] = laid_out(_sized(node.shape, node.dims), _sized(t.inputs[0].shape, self._dims_of(t.inputs[0])))
        last = place == self.root_place
        right_text = text(cut(tree.parts[2]))
        if self.level == "named":
            step["sentence"] = sentences.equation(name, right_text, last)
            return
        inputs = [self._shown(self.place(x)) for x in t.inputs]
        repeated = []
        if isinstance(t.op, Elementwise):
            over = [(shown, self._repeated(x, t)) for shown, x in zip(inputs, t.inputs, strict=True)]
            repeated = [(who, axes) for (who, axes), x in zip(over, t.inputs, strict=True) if axes and not self._is_literal(x)]
        several = any(x.inputs and id(x) not in known for x in t.inputs)
        own, whole_text = (text(cut(Word(plain(node.formula)))), right_text) if several else (right_text, "")
        whole_text = "" if own == whole_text else whole_text
        scene = self._scene(t)
        step["sentence"] = sentences.computed(t.op, name, own, inputs, repeated, last, not t.shape, whole_text, scene)

    def _scene(self, t: Tensor) -> tuple[str, str] | None:
        """What an operation is there for, where windows are taken of an image: of a convolution, or of pooling."""
        if t.op.kind == "selection" and len(t.inputs) == 1 and _windows(t.inputs[0]) is not None:
            return sentences.CHOSEN
        if t.op is r.getitem and t.inputs[0].op is r.windows:
            return sentences.STRIDES
        if t.op is r.windows:
            return sentences.windows(self._shown(self.place(t.inputs[0])), t.params["sizes"])
        seen = [_windows(x) for x in t.inputs[:2]]
        if t.op in LAYOUTS and seen[0] is not None and t.ndim == 2:
            return sentences.rows(t.shape, self._shown(self.place(seen[0].inputs[0])), seen[0].params["sizes"])
        if t.op is matmul and seen[0] is not None and t.inputs[0].ndim == t.inputs[1].ndim == 2:
            kernels = t.inputs[1]
            while kernels.op in LAYOUTS:
                kernels = kernels.inputs[0]
            image = self._shown(self.place(seen[0].inputs[0]))
            left, right = (self._shown(self.place(x)) for x in t.inputs)
            return sentences.convolved(left, right, image, self._shown(self.place(kernels)))
        return None

    def _contribution(self, plan: _Plan, step: data.Step) -> None:
        e, place = plan.event, plan.place
        assert e is not None
        assert e.position is not None
        above = self._above(e.node)
        line, right = self._handed(e)
        rule = self.rules.get((place, self.place(e.node), e.position))
        self.collected.setdefault(place, []).append((line, right))
        sign = RECEIVES if self.uses[place] > 1 else Sign("=")
        self._say(step, Row((self._left(place, line, right), sign, right)))
        step["entry"] = self.exporter.line(self.slopes[place], line, sign)
        step["shapes"] = shapes(line)
        if e.node.op in LAYOUTS and not step["shapes"]:
            step["shapes"] = laid_out(*(_sized(x.shape, self._dims_of(x)) for x in (e.receiver, e.node)))
        step["reused"] = self._reused(line, rule, e)
        if self.uses[place] == 1:
            step["code"] = self._code_line(place, True)
        self._link(step, place, above)
        reused = [self._shown(i) for i in step["reused"]]
        incoming = self._incoming(self.place(above))
        receiver, formula = self._shown(place), text(cut(right))
        if self.level == "named":
            step["sentence"] = sentences.through(receiver, self._shown(self.place(above)), incoming, formula, reused)
            return
        t, x = e.node, e.receiver
        many = ""
        if t.op is mean:
            own = self._summed_letters(x, t)
            many = own or str(count(x.shape, t.params["axis"]))
            many = f"({many})" if " " in many else many
        use = sentences.Use(
            op=t.op,
            position=e.position,
            receiver=receiver,
            result=self._shown(self.place(t)),
            incoming=incoming,
            others=[exact_looking(self._shown(self.place(o))) for i, o in enumerate(t.inputs) if i != e.position],
            derivative=sentences.derivative_of(rule.rule) if rule is not None else "",
            formula=formula,
            reused=reused,
            over=self._repeated(x, t) if isinstance(t.op, Elementwise) else (),
            count=many,
            scalar=not x.shape and not t.shape,
            ranks=(x.ndim, *(o.ndim for i, o in enumerate(t.inputs) if i != e.position)),
            windows=t.op is matmul and e.position == 1 and x.ndim == 2 and _windows(t.inputs[0]) is not None,
            classes=len(t.inputs) > 1 and t.inputs[1].dtype.kind in "iu",
        )
        step["sentence"] = sentences.contribution(use)
        if self._is_told_at_once(place) and not self.told_at_once:
            self.told_at_once = True
            step["sentence"] = sentences.at_once(step["sentence"], receiver)

    def _sum(self, plan: _Plan, step: data.Step) -> None:
        place = plan.place
        own = self.collected.get(place, [])[: plan.arrived]
        step["sentence"] = sentences.meet(self._shown(place), self.uses[place], plan.arrived)
        line = self._together(place, own, plan.total)
        step["entry"] = self.exporter.line(self.slopes[place], line)
        tree = self._added(place, own, line)
        if plan.arrived == self.uses[place]:
            self._say(step, Row((whole(self.slopes[place]), Sign("="), tree)))
            step["code"] = self._code_line(place, True)
            self._link(step, place, None)
        else:
            self._say(step, Row((whole(self.slopes[place]), RECEIVES, tree)))
            step["entry"] = self.exporter.line(self.slopes[place], line, RECEIVES)

    def _finished(self, plan: _Plan, step: data.Step) -> None:
        place = plan.place
        t = self.tensors[place]
        slope = self.slopes[place]
        gradient = text(whole(slope))
        kind = "result" if t.inputs else self.nodes[place].kind
        step["code"] = self._code_line(place, True)
        section = self.sections.get(place)
        own = self.collected.get(place, [])
        line = own[0][0] if len(own) == 1 else self._together(place, own, plan.result)
        line, tree, same = self._renamed(place, line, self._added(place, own, line))
        if len(own) < self.uses[place]:  # the others are in a gap
            line, tree, same = Written(self.axes(place), None, None), Word("…"), []
        simpler = self._simpler(place, section, tree)
        because = put_in = ""
        if section is not None and simpler is not None:
            line, tree = self._closed(place, plan.result), simpler
            if section.of in self.derived.put_in:
                put_in, before = self.derived.put_in[section.of]
                because = f"{text(before)} = {text(simpler)}"
            same = [each for each in same if each[0] in text(simpler)]
            checks = [s for s in section.steps if s.kind == "shape" and s.math is not None]
            if len({s.use for s in checks}) < 2:
                found = text(neutral(checks[-1].math)) if checks and checks[-1].math is not None else ""
                step["shapes"] = "" if found == "() = () ✓" else found
            named = {self.names[i]: i for i in range(len(self.names))}
            step["reused"] = [named[name] for name in section.reused if name in named]
        else:
            step["shapes"] = shapes(line)
            step["reused"] = sorted({i for i, is_gradient in self._nodes_of(line) if not is_gradient})
        self._say(step, Row((self._left(place, line, tree) if len(own) == 1 else whole(slope), Sign("="), tree)))
        self._link(step, place, None)
        step["entry"] = self.exporter.line(slope, line)
        told = sentences.finished(self._shown(place), gradient, kind, self.uses[place], not t.shape)
        shorter = because or same or simpler is not None
        simplifying = section.steps if section is not None and simpler is not None else ()
        why = next((s for s in simplifying if s.kind == "simplified"), None)
        step["sentence"] = sentences.simplified(told, because, put_in, same, why) if shorter else told

    def _left(self, place: int, line: Written, right: Tree) -> Tree:
        """The gradient of a node, or its entry where its formula is one in indices."""
        if line.matrix is not None or line.total is None or isinstance(right, Word):
            return whole(self.slopes[place])
        return entry_of(self.slopes[place], line.axes, self._letters(line.axes))

    def _added(self, place: int, own: Sequence[tuple[Written, Tree]], line: Written) -> Tree:
        """What several uses have handed back, with + between; as many times the same, if that is what it is."""
        texts = [text(tree) for _, tree in own]
        together = right_tree(line, self._letters(self.axes(place))) if len(set(texts)) == 1 < len(texts) else None
        return _joined([tree for _, tree in own]) if together is None else together

    def _renamed(self, place: int, line: Written, tree: Tree) -> tuple[Written, Tree, list[tuple[str, str]]]:
        """The line in gradients of named values: where that of a value without a name is the same, that one is put in."""
        if line.matrix is None or line.total is None:
            return line, tree, []
        new: dict[int, Symbol] = {}
        for i, is_gradient in self._nodes_of(line):
            if is_gradient and i != place and (instead := self._same_as(i)) is not None:
                new[id(self.slopes[i])] = instead
        if not new:
            return line, tree, []
        total = replace_factors(
            line.total,
            lambda f: Sum.of(replace(f, of=new[id(f.of)])) if isinstance(f, Entry) and id(f.of) in new else None,
        )
        found = Written(line.axes, total, exchanged(line.matrix, new))
        shown = right_tree(found, self._letters(line.axes))
        pairs = [(text(whole(symbol)), text(whole(new[id(symbol)]))) for symbol in self.slopes.values() if id(symbol) in new]
        return found, tree if shown is None else shown, pairs

    def _same_as(self, place: int) -> Symbol | None:
        """The gradient of a named value that is handed on, as it is, to a value without a name."""
        own = self.collected.get(place, [])
        if not self.nodes[place].automatic or len(own) != self.uses.get(place) or len(own) != 1:
            return None
        matrix = own[0][0].matrix
        if matrix is None or matrix.kind != "value" or not matrix.detail.gradient_of:
            return None
        above, is_gradient = self.exporter.places.get(id(matrix.detail), (place, False))
        return matrix.detail if is_gradient and not self.nodes[above].automatic else None

    def _simpler(self, place: int, section: Section | None, tree: Tree) -> Tree | None:
        """What the derivation found, if it is shorter to read than what was handed back."""
        if (
            section is None
            or not isinstance(section.result, Row)
            or text(section.result.parts[0]) != text(whole(self.slopes[place]))
        ):
            return None
        found = neutral(Row(section.result.parts[2:]))
        return found if len(text(found)) < len(text(tree)) or tree == Word("…") else None

    # ---- lines -----------------------------------------------------------------------------------------------------------

    def axes(self, place: int) -> Own:
        """An index for each axis of a node whose size is not 1, always the same."""
        if place not in self._axes:
            node = self.nodes[place]
            self._axes[place] = tuple(None if n == 1 else Index(n, d) for n, d in zip(node.shape, node.dims, strict=True))
        return self._axes[place]

    def _dims_of(self, t: Tensor) -> Dims:
        return self.nodes[self.place(t)].dims

    def _letters(self, axes: Own) -> Any:
        return letters_for(self.names, [i for i in axes if i is not None])

    def _above(self, node: Tensor) -> Tensor:
        """The node that is shown, of whose gradient the gradient of this one is made."""
        while self.place(node) not in self.shown and id(node) in self.above:
            node = self.above[id(node)]
        return node

    @cached_property
    def _slopes_by_id(self) -> dict[int, tuple[int, Symbol]]:
        """The gradients of the shown nodes, by the ids of the recorded ones: of several that are one, the first swept."""
        found: dict[int, tuple[int, Symbol]] = {}
        for t in reversed(self.order):
            g = self.trace.gradients.get(t)
            if g is not None and t is not self.root and not stands_for_leaf(t) and self.place(t) in self.shown:
                found.setdefault(id(g), (self.place(t), self.slopes[self.place(t)]))
        return found

    def _handed(self, e: Event) -> tuple[Written, Tree]:
        """What an edge hands back, in the gradients of the nodes that are shown and the values of the forward pass."""
        assert e.position is not None
        place = self.place(e.receiver)
        axes = self.axes(place)
        part = self.parts.get((id(e.node), e.position))
        line = Written(axes, None, None)
        symbols: dict[int, Symbol] = {}
        known = self.known if self.level == "op" else self.derived.known
        if part is not None:
            above = self._above(e.node)
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
        tree = right_tree(line, self._letters(axes))
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

    def text_of(self, end: Tensor, symbols: Mapping[int, Symbol]) -> str:
        """What was computed up to a tensor, as the text of a formula of whole arrays."""

        def shown(t: Tensor) -> Text:
            symbol = symbols[id(t)]
            return Text(text(whole(symbol)), FRACTION) if symbol.gradient_of else named_text(symbol.name[:LONGEST_KEY])

        return Expression(end, lambda t: id(t) in symbols).text(shown).text

    def _by_derivative(self, e: Event, axes: Own) -> Sum:
        """The same by differentiating the equation, where the rule itself has no form in indices: it puts entries in places."""
        y, place = e.node, self.place(e.node)
        rows = [i for i in self.axes(place) if i is not None]
        forward = Equations(self.known, self.reading.dims).right_side(y, _at(self.axes(place)))
        local = derivative(forward, self.values[self.place(e.receiver)], [at(i) for i in axes if i is not None])
        incoming = Sum.of(Entry(self.slopes[place], tuple(at(i) for i in rows)))
        product = local if y is self.root else incoming.distributed(local)
        return contracted(Sum(tuple(replace(term, over=(*term.over, *rows)) for term in product.terms)))

    def _together(self, place: int, own: Sequence[tuple[Written, Tree]], value: Any) -> Written:
        """The sum of what several uses have handed back."""
        axes = self.axes(place)
        if not own or any(line.total is None for line, _ in own):
            return Written(axes, None, None)
        total = Sum()
        for line, _ in own:
            total = total + line.total if line.total is not None else total
        return written(lambda: total, axes, self.nodes[place].shape, value)

    def _closed(self, place: int, value: Any) -> Written:
        """The whole gradient as the derivation found it."""
        inner = self.derived.reading.places[id(self.tensors[place])]
        if inner not in self.derived.closed:
            return Written(self.axes(place), None, None)
        axes, total = self.derived.closed[inner]
        return written(lambda: total, axes, self.nodes[place].shape, value)

    def _nodes_of(self, line: Written) -> set[tuple[int, bool]]:
        if line.total is None:
            return set()
        found = (self.exporter.places.get(id(entry.of)) for entry in line.total.entries())
        return {place for place in found if place is not None}

    def _reused(self, line: Written, rule: Contribution | None, e: Event) -> list[int]:
        """The values of the forward pass that are used again, in the order in which the formula has them."""
        if self.level == "op" and rule is not None:
            return [i for i in rule.reused if not self._is_literal(self.tensors[i])]
        return sorted({i for i, is_gradient in self._nodes_of(line) if not is_gradient})

    def _incoming(self, place: int) -> str:
        shown = text(whole(self.slopes[place]))
        return f"{shown} = 1" if place == self.root_place else shown

    def _repeated(self, x: Tensor, y: Tensor) -> list[str | int]:
        """The axes of y over which broadcasting has repeated x."""
        more = y.ndim - x.ndim
        dims = self.nodes[self.place(y)].dims
        axes = [a for a, n in enumerate(y.shape) if n != 1 and (a < more or x.shape[a - more] == 1)]
        return [pretty_dim(letter) if (letter := dims[a]) else a for a in axes]

    def _summed_letters(self, x: Tensor, y: Tensor) -> str:
        axis = y.params["axis"]
        gone = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        letters = [self.nodes[self.place(x)].dims[a] for a in gone]
        return " ".join(pretty_dim(d) for d in letters if d) if all(letters) else ""

    # ---- the derivation and the code -------------------------------------------------------------------------------------

    def _derivation(self) -> dict[int, Section]:
        """The sections, by the node that each is about, in the order of the sweep."""
        if not self.explained:
            return {}
        places = {name: i for i, name in enumerate(self.names)}
        sections, _ = self.derived.sections()
        return {places[section.of]: section for section in sections}

    def _section(self, section: Section) -> data.Section:
        lines = []
        for step in section.steps:
            math = "" if step.math is None else markup(cut(neutral(step.math)))
            lines.append(data.Line(words=sentences.line_words(step), math=math, difference=verdict(step)))
        place = self.names.index(section.of)
        return data.Section(of=place, result=markup(cut(neutral(section.result))), lines=lines)

    def _link(self, step: data.Step, place: int, above: Tensor | None) -> None:
        """Where the derivation has it: for a contribution the line about the equation that it comes through."""
        if place not in self.sections:
            return
        section = self.sections[place]
        step["derivation"] = list(self.sections).index(place)
        wanted = {"contribution": ("contraction", "registered"), "sum": ("sum",)}.get(
            step["kind"], ("sum", "matrix", "contraction")
        )
        through = {""}
        if above is not None:
            equation = self.equations[self.place(above)]
            through = {self.names[self.place(above)], self.names[equation]}
            if self.uses[place] > 1:  # a line about several uses is not about this one
                own = [e for e in self.swept.events if e.position is not None and self.place(e.receiver) == place]
                alone = sum(self.equations[self.place(e.node)] == equation for e in own) == 1
                through = through if alone and any(line.use for line in section.steps) else set()
        lines = [n for n, line in enumerate(section.steps) if line.kind in wanted and (not line.use or line.use in through)]
        if above is not None and self.uses[place] > 1:
            lines = [n for n in lines if section.steps[n].use]
            if not lines:
                step["derivation"] = None
                return
        if step["kind"] == "finished":
            lines = [n for kind in wanted for n, line in enumerate(section.steps) if line.kind == kind][:1] or lines
            matrix = [n for n, line in enumerate(section.steps) if line.kind == "matrix"]
            lines = matrix[-1:] if matrix and not any(line.kind == "sum" for line in section.steps) else lines
            step["derivation_line"] = lines[0] if lines else None
            return
        if not lines and step["kind"] == "sum":  # uses that meet in one equation
            lines = [n for n, line in enumerate(section.steps) if line.kind == "contraction"]
        step["derivation_line"] = lines[0] if lines else None

    def _code_line(self, place: int, gradient: bool) -> int | None:
        """The line that assigns a value or its gradient; where it has none of its own, that of its equation."""
        for i in (place, self.equations[place]):
            found = self.code.line_of(self.tensors[i], gradient)
            if found is not None:
                return found
        return None


def _shortened(plans: list[_Plan], most: int) -> list[_Plan]:
    """The first and the last of the plans, with a gap between them."""
    if len(plans) <= most:
        return plans
    half = most // 2
    last = plans[-half]
    gap = _Plan("gap", last.place, edges=last.edges, left_out=len(plans) - 2 * half)
    return [*plans[:half], gap, *plans[-half:]]


def _windows(t: Tensor) -> Tensor | None:
    """The windows that the numbers of a value are, in another layout."""
    while t.op is not None and t.op.kind == "rearrangement" and t.op is not r.windows:
        t = t.inputs[0]
    return t if t.op is r.windows else None


def _sized(shape: Sequence[int], dims: Dims) -> Own:
    return tuple(Index(n, d) if n != 1 or d else None for n, d in zip(shape, dims, strict=True))


def _at(axes: Own) -> tuple[Place | None, ...]:
    return tuple(None if i is None else at(i) for i in axes)


def _joined(trees: Sequence[Tree]) -> Tree:
    """The trees with + between them."""
    row: list[Tree] = []
    for tree in trees:
        negative = isinstance(tree, Row) and tree.parts[0] == Sign("−")
        row += [tree] if negative or not row else [Sign("+"), tree]
    return row[0] if len(row) == 1 else Row(tuple(row))
