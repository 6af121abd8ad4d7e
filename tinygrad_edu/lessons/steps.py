"""From the events of the sweep to the steps of the lesson: each with its sentence, its formula, and where else it is found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..derivation import Section
from ..derivation.derivation import verdict
from ..derivation.matrix import Matrix
from ..derivation.notation import Letters, Name, Row, Sign, Sup, Word, text
from ..derivation.notation import Node as Tree
from ..derivation.printing import shape_of
from ..derivation.terms import Entry, Index, Sum, Symbol, replace_factors
from ..digest import digest
from ..graphs.dims import Dims
from ..graphs.fold import stands_for_leaf
from ..ops import Elementwise, elementwise
from ..ops import rearrangement as r
from ..ops.contraction import count, matmul, mean
from ..ops.tabulated import cross_entropy
from ..tensor import Tensor
from ..visible import visible
from . import data, sentences
from .events import Event
from .indexed import (
    RECEIVES,
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
)
from .view import LAYOUTS, ONE_ROW, View
from .words import WORDS

MOST_STEPS = 120  # more are a step per equation; and of more than that only the first and the last are shown
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
    ...     print(step["kind"], "|", step["formula_text"], "|", step["sentence"]["en"][:47])
    value | w = 3 | w is a parameter: it is learned, and its gradie
    value | 𝓛 = w ∗ w | 𝓛 = w ∗ w: multiplied. This one number is the l
    seed | ∂𝓛/∂𝓛 = 1 | The backward pass starts at 𝓛: the derivative o
    contribution | ∂𝓛/∂w receives w | In a product the derivative by the first factor
    contribution | ∂𝓛/∂w receives w | In a product the derivative by the second facto
    sum | ∂𝓛/∂w = 2 ∗ w | w is used twice, and a change of it reaches the
    finished | ∂𝓛/∂w = 2 ∗ w | Both uses of w have handed back their part, so
    end |  | Done: every gradient is known. The sweep went o
    """
    if lang not in data.LANGUAGES:
        raise ValueError(f'lesson: there is no language {lang!r:.20}.\n  Try: lang="en" or lang="es"')
    with np.errstate(all="ignore"):
        return as_data(View(root), lang, title)


def as_data(view: View, lang: str, title: str | None) -> data.Data:
    """Everything that can be known without pictures and without JavaScript.

    Parameters
    ----------
    view : View
        What is read from the record. It is left on the level of the steps.
    lang, title : str
        As for ``lesson_data``.
    """
    plans = _chosen(view)
    most = data.limit(np.size(x) for plan in plans for x in (plan.result, plan.total) if x is not None)
    of_values = data.limit(np.size(node.value) for node in view.nodes)
    of_gradients = data.limit(np.size(g) for g in view.gradients.values())
    nodes = [view.node(i, of_values) for i in range(len(view.nodes))]
    gradients = {str(i): data.numbers(g, of_gradients) for i, g in view.gradients.items()}
    complete = {(node["id"], False) for node in nodes if node["values"] is not None}
    complete |= {(int(i), True) for i, found in gradients.items() if found is not None}
    writer = _Writer(view, most, complete)
    steps = [writer.step(plan) for plan in plans]
    root_name = view.name_of(view.root_place)
    return data.Data(
        title=visible(title)[:200] if title else WORDS[lang]["title_of"].format(root_name),
        lang=lang,
        root=view.root_place,
        level=view.level,
        nodes=nodes,
        steps=steps,
        gradients=gradients,
        derivation=[_section(view, section) for section in view.sections.values()],
        code=data.Code(text=view.code.text),
        paths=view.paths,
        program=None,
        questions=[],
    )


def _section(view: View, section: Section) -> data.Section:
    lines = []
    for step in section.steps:
        math = "" if step.math is None else markup(cut(neutral(step.math)))
        lines.append(data.Line(words=sentences.line_words(step), math=math, difference=verdict(step)))
    place = view.names.index(section.of)
    return data.Section(of=place, result=markup(cut(neutral(section.result))), lines=lines)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A step before it is written: what is shown, with which numbers, after how many edges of the sweep."""

    kind: str
    place: int
    event: Event | None = None
    result: Any = None
    total: Any = None
    edges: int = 0
    arrived: int = 0
    left_out: int = 0


def _chosen(view: View) -> list[_Plan]:
    """The steps: all of them, or those of the named level, or the first and the last of these."""
    plans = _plans(view)
    if len(plans) <= MOST_STEPS:
        return plans
    view.show("named")
    plans = _plans(view)
    if len(plans) <= MOST_STEPS:
        return plans
    start = next(n for n, plan in enumerate(plans) if plan.kind == "seed")
    quarter = MOST_STEPS // 4
    return [*_shortened(plans[:start], quarter), *_shortened(plans[start:], 3 * quarter)]


def _plans(view: View) -> list[_Plan]:
    """A plan for each step on the level of the view."""
    plans: list[_Plan] = []
    for t in view.order:
        place = view.place(t)
        if place in view.shown and not stands_for_leaf(t) and not view.is_literal(t):
            plans.append(_Plan("value", place, result=view.nodes[place].value))
    plans.append(_Plan("seed", view.root_place, result=view.gradients[view.root_place]))
    totals: dict[int, Any] = {}
    arrived: dict[int, int] = {}
    edges = 0
    for e in view.swept.events:
        if stands_for_leaf(e.node):
            continue
        place = view.place(e.receiver)
        if e.position is None:
            if place != view.root_place and place in view.shown and not _is_told_at_once(view, place):
                plans.append(_Plan("finished", place, result=view.gradients[place], total=view.gradients[place], edges=edges))
            continue
        edges += 1
        totals[place] = totals[place] + e.part if place in totals else e.part  # as the engine adds
        arrived[place] = arrived.get(place, 0) + 1
        if place in view.shown:
            plans.append(_Plan("contribution", place, e, e.part, totals[place], edges, arrived[place]))
            if arrived[place] > 1:
                plans.append(_Plan("sum", place, e, totals[place], totals[place], edges, arrived[place]))
    plans.append(_Plan("end", view.root_place, edges=edges))
    return plans


def _is_told_at_once(view: View, place: int) -> bool:
    """Whether a gradient is complete with its one contribution, and so the same step: that of a value without a name."""
    return view.uses[place] == 1 and view.nodes[place].automatic and bool(view.tensors[place].inputs)


def _shortened(plans: list[_Plan], most: int) -> list[_Plan]:
    """The first and the last of the plans, with a gap between them."""
    if len(plans) <= most:
        return plans
    half = most // 2
    last = plans[-half]
    gap = _Plan("gap", last.place, edges=last.edges, left_out=len(plans) - 2 * half)
    return [*plans[:half], gap, *plans[-half:]]


class _Writer:
    """The steps of one lesson while they are written.

    Parameters
    ----------
    view : View
        What they are about, on the level of their plans.
    most : int
        Numbers of a result; of one with more it has none.
    complete : set
        The values and the gradients whose numbers are all on the page.
    """

    def __init__(self, view: View, most: int, complete: set[tuple[int, bool]]) -> None:
        self.view, self.most, self.complete = view, most, complete
        self.collected: dict[int, list[tuple[Written, Tree]]] = {}
        self.told_at_once = self.told_descent = False

    def step(self, plan: _Plan) -> data.Step:
        """The step of a plan. Plans are taken in their order: a sum is of the contributions before it."""
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
            step["edge"] = [plan.place, self.view.place(plan.event.node), plan.event.position]
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
        view = self.view
        step["sentence"] = sentences.end(plan.edges, view.paths, view.name_of(view.root_place))
        step["code"] = view.code.last

    def _seed(self, plan: _Plan, step: data.Step) -> None:
        view = self.view
        step["sentence"] = sentences.seed(view.name_of(view.root_place))
        self._say(step, Row((whole(view.slopes[view.root_place]), Sign("="), Word("1"))))

    def _value(self, plan: _Plan, step: data.Step) -> None:
        view, place = self.view, plan.place
        t, node, name = view.tensors[place], view.nodes[place], view.name_of(place)
        step["code"] = view.code_line(place, False)
        shape = shape_of(tuple(Index(n, d) for n, d in zip(node.shape, node.dims, strict=True)), letters=True)
        if not t.inputs:
            step["sentence"] = sentences.classes(name) if self._has_classes(t) else sentences.given(node.kind, name, shape)
            if not node.shape:
                self._say(step, Row((Name(view.names[place]), Sign("="), Word(digest(node.value).line()))))
                return
            sizes = "×".join(shape.strip("(,)").split(", "))
            field = (
                Sup(Letters("ℝ" if t.dtype.kind == "f" else "ℤ"), Word(sizes))
                if t.dtype.kind != "b"
                else Word(f"{{0, 1}} {sizes}")
            )
            self._say(step, Row((Name(view.names[place]), Sign("∈"), field)))
            return
        formula, line = view.formula(t), view.equation(t)
        step["entry"] = view.exporter.line(view.values[place], line)
        right_side = right_tree(line, view.letters(line.axes)) if t.op.kind != "tabulated" and line.matrix is not None else None
        if right_side is not None and not set(_DECIMALS.findall(formula)) <= set(_DECIMALS.findall(text(right_side))):
            right_side = None  # 1.5 as the user wrote it, not 3/2
        if right_side is not None and ONE_ROW.search(text(right_side)) and not ONE_ROW.search(formula):
            right_side = None
        if view.level == "op" and line.matrix is not None and _reads_otherwise(t, line.matrix):
            right_side = None
        tree = Row((Name(view.names[place]), Sign("="), right_side if right_side is not None else Word(formula)))
        self._say(step, tree)
        step["shapes"] = shapes(line) if right_side is not None else ""
        if right_side is None and t.op is matmul and formula == plain(node.formula):
            own_shapes, *shapes_of = (shape_of(_sized(x.shape, view.dims_of(x)), letters=True) for x in (t, *t.inputs))
            step["shapes"] = f"{own_shapes} = {''.join(shapes_of)} ✓"
        if t.op in LAYOUTS and not step["shapes"]:
            step["shapes"] = laid_out(_sized(node.shape, node.dims), _sized(t.inputs[0].shape, view.dims_of(t.inputs[0])))
        last = place == view.root_place
        right_text = text(cut(tree.parts[2]))
        if view.level == "named":
            step["sentence"] = sentences.equation(name, right_text, last)
            return
        inputs = [view.name_of(view.place(x)) for x in t.inputs]
        repeated = []
        if isinstance(t.op, Elementwise):
            over = [(shown, self._repeated(x, t)) for shown, x in zip(inputs, t.inputs, strict=True)]
            repeated = [(who, axes) for (who, axes), x in zip(over, t.inputs, strict=True) if axes and not view.is_literal(x)]
        known = view.known_to(t)
        several = any(x.inputs and id(x) not in known for x in t.inputs)
        own, whole_text = (text(cut(Word(plain(node.formula)))), right_text) if several else (right_text, "")
        whole_text = "" if own == whole_text else whole_text
        scene = self._scene(t)
        step["sentence"] = sentences.computed(t.op, name, own, inputs, repeated, last, not t.shape, whole_text, scene)

    def _scene(self, t: Tensor) -> tuple[str, str] | None:
        """What an operation is there for, where windows are taken of an image: of a convolution, or of pooling."""
        view = self.view
        if t.op.kind == "selection" and len(t.inputs) == 1 and _windows(t.inputs[0]) is not None:
            return sentences.CHOSEN
        if t.op is r.getitem and t.inputs[0].op is r.windows:
            return sentences.STRIDES
        if t.op is r.windows:
            return sentences.windows(view.name_of(view.place(t.inputs[0])), t.params["sizes"])
        seen = [_windows(x) for x in t.inputs[:2]]
        if t.op in LAYOUTS and seen[0] is not None and t.ndim == 2:
            return sentences.rows(t.shape, view.name_of(view.place(seen[0].inputs[0])), seen[0].params["sizes"])
        if t.op is matmul and seen[0] is not None and t.inputs[0].ndim == t.inputs[1].ndim == 2:
            kernels = t.inputs[1]
            while kernels.op in LAYOUTS:
                kernels = kernels.inputs[0]
            image = view.name_of(view.place(seen[0].inputs[0]))
            left, right = (view.name_of(view.place(x)) for x in t.inputs)
            return sentences.convolved(left, right, image, view.name_of(view.place(kernels)))
        if t.op is matmul and max(x.ndim for x in t.inputs) <= 2:
            left, right = (view.name_of(view.place(x)) for x in t.inputs)
            return sentences.product(left, right, (t.inputs[0].ndim, t.inputs[1].ndim))
        return None

    def _has_classes(self, t: Tensor) -> bool:
        """Whether its numbers are the classes of examples."""
        return t.dtype.kind in "iu" and any(y.op is cross_entropy and y.inputs[1] is t for y in self.view.order)

    def _repeated(self, x: Tensor, y: Tensor) -> list[str | int]:
        """The axes of y over which x was repeated; an axis of windows of an image as such."""
        found = self.view.repeated(x, y)
        rows = next((o for o in y.inputs if o is not x and o.op is matmul and o.ndim == 2), None)
        if found == [0] and rows is not None and _windows(rows.inputs[0]) is not None:
            return [sentences.Windows(y.shape[0])]
        return found

    def _contribution(self, plan: _Plan, step: data.Step) -> None:
        view, e, place = self.view, plan.event, plan.place
        assert e is not None
        assert e.position is not None
        above = view.above(e.node)
        line, right = view.handed(e)
        rule = view.rules.get((place, view.place(e.node), e.position))
        self.collected.setdefault(place, []).append((line, right))
        sign = RECEIVES if view.uses[place] > 1 else Sign("=")
        self._say(step, Row((self._left(place, line, right), sign, right)))
        step["entry"] = view.exporter.line(view.slopes[place], line, sign)
        step["shapes"] = shapes(line)
        if e.node.op in LAYOUTS and not step["shapes"]:
            step["shapes"] = laid_out(*(_sized(x.shape, view.dims_of(x)) for x in (e.receiver, e.node)))
        step["reused"] = view.reused(line, rule, e)
        if view.uses[place] == 1:
            step["code"] = view.code_line(place, True)
        self._link(step, place, above)
        reused = [view.name_of(i) for i in step["reused"]]
        incoming = self._incoming(view.place(above))
        receiver, formula = view.name_of(place), text(cut(right))
        if view.level == "named":
            step["sentence"] = sentences.through(receiver, view.name_of(view.place(above)), incoming, formula, reused)
            return
        t, x = e.node, e.receiver
        many = ""
        if t.op is mean:
            own = view.summed_letters(x, t)
            many = own.replace(" ", " · ") or str(count(x.shape, t.params["axis"]))
        use = sentences.Use(
            op=t.op,
            position=e.position,
            receiver=receiver,
            result=view.name_of(view.place(t)),
            incoming=incoming,
            others=[exact_looking(view.name_of(view.place(o))) for i, o in enumerate(t.inputs) if i != e.position],
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
        if _is_told_at_once(view, place) and not self.told_at_once:
            self.told_at_once = True
            step["sentence"] = sentences.at_once(step["sentence"], receiver)

    def _sum(self, plan: _Plan, step: data.Step) -> None:
        view, place = self.view, plan.place
        own = self.collected.get(place, [])[: plan.arrived]
        step["sentence"] = sentences.meet(view.name_of(place), view.uses[place], plan.arrived)
        line = view.together(place, own, plan.total)
        step["entry"] = view.exporter.line(view.slopes[place], line)
        tree = view.added(place, own, line)
        if plan.arrived == view.uses[place]:
            self._say(step, Row((whole(view.slopes[place]), Sign("="), tree)))
            step["code"] = view.code_line(place, True)
            self._link(step, place, None)
        else:
            self._say(step, Row((whole(view.slopes[place]), RECEIVES, tree)))
            step["entry"] = view.exporter.line(view.slopes[place], line, RECEIVES)

    def _finished(self, plan: _Plan, step: data.Step) -> None:
        view, place = self.view, plan.place
        t = view.tensors[place]
        slope = view.slopes[place]
        gradient = text(whole(slope))
        kind = "result" if t.inputs else view.nodes[place].kind
        step["code"] = view.code_line(place, True)
        section = view.sections.get(place)
        own = self.collected.get(place, [])
        line = own[0][0] if len(own) == 1 else view.together(place, own, plan.result)
        line, tree, same = self._renamed(place, line, view.added(place, own, line))
        if len(own) < view.uses[place]:  # the others are in a gap
            line, tree, same = Written(view.axes(place), None, None), Word("…"), []
        simpler = self._simpler(place, section, tree)
        because = put_in = ""
        if section is not None and simpler is not None:
            line, tree = view.closed(place, plan.result), simpler
            if section.of in view.derived.put_in:
                put_in, before = view.derived.put_in[section.of]
                because = f"{text(before)} = {text(simpler)}"
            same = [each for each in same if each[0] in text(simpler)]
            checks = [s for s in section.steps if s.kind == "shape" and s.math is not None]
            if len({s.use for s in checks}) < 2:
                found = text(neutral(checks[-1].math)) if checks and checks[-1].math is not None else ""
                step["shapes"] = "" if found == "() = () ✓" else found
            named = {view.names[i]: i for i in range(len(view.names))}
            step["reused"] = [named[name] for name in section.reused if name in named]
        else:
            step["shapes"] = shapes(line)
            step["reused"] = sorted({i for i, is_gradient in view.nodes_of(line) if not is_gradient})
        self._say(step, Row((self._left(place, line, tree) if len(own) == 1 else whole(slope), Sign("="), tree)))
        self._link(step, place, None)
        step["entry"] = view.exporter.line(slope, line)
        first = not self.told_descent
        told = sentences.finished(view.name_of(place), gradient, kind, view.uses[place], not t.shape, first)
        self.told_descent = self.told_descent or kind == "parameter"
        shorter = because or same or simpler is not None
        simplifying = section.steps if section is not None and simpler is not None else ()
        why = next((s for s in simplifying if s.kind == "simplified"), None)
        step["sentence"] = sentences.simplified(told, because, put_in, same, why) if shorter else told

    def _left(self, place: int, line: Written, right: Tree) -> Tree:
        """The gradient of a node, or its entry where its formula is one in indices."""
        if line.matrix is not None or line.total is None or isinstance(right, Word):
            return whole(self.view.slopes[place])
        return entry_of(self.view.slopes[place], line.axes, self.view.letters(line.axes))

    def _renamed(self, place: int, line: Written, tree: Tree) -> tuple[Written, Tree, list[tuple[str, str]]]:
        """The line in gradients of named values: where that of a value without a name is the same, that one is put in."""
        view = self.view
        if line.matrix is None or line.total is None:
            return line, tree, []
        new: dict[int, Symbol] = {}
        for i, is_gradient in view.nodes_of(line):
            if is_gradient and i != place and (instead := self._same_as(i)) is not None:
                new[id(view.slopes[i])] = instead
        if not new:
            return line, tree, []
        total = replace_factors(
            line.total,
            lambda f: Sum.of(replace(f, of=new[id(f.of)])) if isinstance(f, Entry) and id(f.of) in new else None,
        )
        found = Written(line.axes, total, exchanged(line.matrix, new))
        shown = right_tree(found, view.letters(line.axes))
        pairs = [(text(whole(symbol)), text(whole(new[id(symbol)]))) for symbol in view.slopes.values() if id(symbol) in new]
        return found, tree if shown is None else shown, pairs

    def _same_as(self, place: int) -> Symbol | None:
        """The gradient of a named value that is handed on, as it is, to a value without a name."""
        view = self.view
        own = self.collected.get(place, [])
        if not view.nodes[place].automatic or len(own) != view.uses.get(place) or len(own) != 1:
            return None
        matrix = own[0][0].matrix
        if matrix is None or matrix.kind != "value" or not matrix.detail.gradient_of:
            return None
        above, is_gradient = view.exporter.places.get(id(matrix.detail), (place, False))
        return matrix.detail if is_gradient and not view.nodes[above].automatic else None

    def _simpler(self, place: int, section: Section | None, tree: Tree) -> Tree | None:
        """What the derivation found, if it is shorter to read than what was handed back."""
        if (
            section is None
            or not isinstance(section.result, Row)
            or text(section.result.parts[0]) != text(whole(self.view.slopes[place]))
        ):
            return None
        found = neutral(Row(section.result.parts[2:]))
        if ONE_ROW.search(text(found)) and not ONE_ROW.search(text(tree)):
            return None
        return found if len(text(found)) < len(text(tree)) or tree == Word("…") else None

    def _incoming(self, place: int) -> str:
        shown = text(whole(self.view.slopes[place]))
        return f"{shown} = 1" if place == self.view.root_place else shown

    def _link(self, step: data.Step, place: int, above: Tensor | None) -> None:
        """Where the derivation has it: for a contribution the line about the equation that it comes through."""
        view = self.view
        if place not in view.sections:
            return
        section = view.sections[place]
        if all(line.kind in ("forward", "registered") for line in section.steps):
            return  # it only says the rule again
        step["derivation"] = list(view.sections).index(place)
        wanted = {"contribution": ("contraction", "registered"), "sum": ("sum",)}.get(
            step["kind"], ("sum", "matrix", "contraction")
        )
        through = {""}
        if above is not None:
            equation = view.equations[view.place(above)]
            through = {view.names[view.place(above)], view.names[equation]}
            if view.uses[place] > 1:  # a line about several uses is not about this one
                own = [e for e in view.swept.events if e.position is not None and view.place(e.receiver) == place]
                alone = sum(view.equations[view.place(e.node)] == equation for e in own) == 1
                through = through if alone and any(line.use for line in section.steps) else set()
        lines = [n for n, line in enumerate(section.steps) if line.kind in wanted and (not line.use or line.use in through)]
        if above is not None and view.uses[place] > 1:
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


def _windows(t: Tensor) -> Tensor | None:
    """The windows that the numbers of a value are, in another layout."""
    while t.op is not None and t.op.kind == "rearrangement" and t.op is not r.windows:
        t = t.inputs[0]
    return t if t.op is r.windows else None


def _reads_otherwise(t: Tensor, matrix: Matrix) -> bool:
    """Whether the form in matrices hides which operation this is: a transpose outside of it, or a power as a product."""
    if matrix.kind == "transpose":
        return t.op not in LAYOUTS
    return t.op in (elementwise.power, elementwise.square) and matrix.kind == "product"


def _sized(shape: Sequence[int], dims: Dims) -> Own:
    return tuple(Index(n, d) if n != 1 or d else None for n, d in zip(shape, dims, strict=True))
