"""The pictures of a lesson, drawn beforehand: values and gradients in one layout, every equation op by op, zooms.

What is in a picture says so: ``data-node`` is a value, ``data-gradient`` and ``data-sum`` are a gradient and the place where
its contributions are added up, all by the id of the value in the graph of the op level. An arrow has in ``data-edge`` the
value, the result that it is an input of, and as which input: the use, and the contribution that comes back from it. One
that stands for many uses, or leads into a block, has only the two ends. ``data-reuse`` is a value, and the one whose
gradient is computed with it. ``data-equation`` and ``data-zoom`` are on the values that open into a picture. ``data-en`` and
``data-es`` are words in both languages; ``data-word`` is the kind of a value.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from itertools import islice

from ..drawing.draw import MAX_NODES, plan_of
from ..drawing.flow import MOST_TERMS, Flow, Show
from ..drawing.layout import LayoutError, NoGraphvizError, layout
from ..drawing.picture import Picture
from ..drawing.style import count, shape_text, start
from ..drawing.zoom import zoom
from ..graphs import Contribution, Edge, Graph, Node, pretty, pretty_gradient
from ..graphs.backward import check_root, differentiate, differentiate_folded, reused_results
from ..graphs.fold import fold_evenly
from ..graphs.levels import read
from ..graphs.nodes import Block
from ..graphs.reach import reach
from ..sweep import topological_order
from ..tensor import Tensor
from .data import Words
from .inline_svg import Drawing, curve, dense, group, lowest, merged, put_together, short, take_apart
from .picture_words import block_in_spanish, both, caption_in_spanish, rule_in_spanish, short_rule, words_of

MOST_BYTES = 200_000  # of all pictures together
MOST_EQUATIONS = 60
MOST_ZOOMS = 12
MISSES = 2  # pictures without room, after which no more are drawn
LARGEST_ZOOM = 400  # numbers of the result and of what it is differentiated by
MOST_BLOCKS = 12
SECONDS = 20.0  # for a layout
LONGEST = 60  # characters of a name
MOST_ARROWS = 4 * MAX_NODES  # of the picture with gradients
_NOT_INSTALLED = {
    "es": 'Graphviz no está instalado. Se instala con el sistema (paquete graphviz) o con pip install "tinygrad-edu[dot]"'
}
_NOT_DRAWN = {"es": "Graphviz no pudo dibujar el grafo."}
PITCH = 18  # from line to line under a zoom
EDGE = 4  # of a picture


@dataclass(frozen=True)
class Stage:
    """The pictures as inline SVG, for a page. All ids are those of the graph of the op level.

    Attributes
    ----------
    forward, backward : str
        The named level: the values, and the values with their gradients, in the same places. Empty without Graphviz.
    equations : dict
        By the result of an equation, its operations with values and gradients.
    zooms : dict
        By the result of an equation, which entries reach which, number by number as they were recorded.
    shown : dict
        For each value, the one in ``forward`` and ``backward`` that it is, or in whose equation or block it is.
    remark : dict
        What is folded, or why there are no pictures, in each language; else empty.
    """

    forward: str
    backward: str
    equations: Mapping[int, str]
    zooms: Mapping[int, str]
    shown: Mapping[int, int]
    remark: Words


def stage(root: Tensor) -> Stage:
    """The pictures of the forward and the backward pass that end and begin in a scalar result.

    Raises
    ------
    GradientError
        If the root is not a scalar, or nothing that it was computed from requires a gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> dict(stage((w * w + w).named("L")).shown)  # w * w is a part of the equation of L
    {0: 0, 1: 2, 2: 2}
    """
    check_root(root, "lesson")
    record = _Record(root)
    try:
        whole = record.whole()
    except (NoGraphvizError, LayoutError) as error:
        found = _NOT_INSTALLED if isinstance(error, NoGraphvizError) else _NOT_DRAWN
        return Stage("", "", {}, {}, record.shown, {**found, "en": str(error)})
    left = MOST_BYTES - len(whole.svg("forward").encode()) - len(whole.svg("backward").encode())
    equations, used = _as_many(record.equations(), MOST_EQUATIONS, left * 3 // 4)  # some room is for zooms
    zooms, _ = _as_many(record.zooms(), MOST_ZOOMS, left - used)
    for marked in whole.groups:
        place = int(marked.data.get("data_node", -1))
        marked.data |= {"data_equation": str(place)} if place in equations else {}
        marked.data |= {"data_zoom": str(place)} if place in zooms else {}
    return Stage(whole.svg("forward"), whole.svg("backward"), equations, zooms, record.shown, record.remark)


def _as_many(pictures: Iterator[tuple[int, str]], most: int, room: int) -> tuple[dict[int, str], int]:
    """The pictures that there is room for, and what they need of it."""
    found: dict[int, str] = {}
    used, too_large = 0, 0
    for key, svg in islice(pictures, most):
        size = len(svg.encode())
        if used + size <= room:
            found[key] = svg
            used += size
        else:
            too_large += 1
            if too_large > MISSES:
                break
    return found, used


class _Record:
    """What is known of the record: its graph on the op level, what is drawn of it, and who is who in both."""

    def __init__(self, root: Tensor) -> None:
        self.root = root
        self.order = topological_order([root])
        self.ops = read([root], "op", loss=root, order=self.order)
        self.names = {id(t): self.ops.graph.nodes[self.ops.places[id(t)]].name for t in self.order}
        plan = plan_of(root, self.order, "named", True, MAX_NODES)
        blocks, apart = plan.blocks, set[int]()
        if not blocks:
            # A value that is reused is seen, with or without a name.
            apart = reused_results(root, self.order) if plan.level == "named" else set()
            self.graph = differentiate(root, plan.level, stored=False, apart=apart, names=self.names)
            if len(self.graph) > 2 * MAX_NODES or _arrows_of(self.graph) > MOST_ARROWS:
                blocks, apart = fold_evenly(self.order, MOST_BLOCKS, {id(root)}), set()
        if blocks:
            self.graph = differentiate_folded(root, plan.level, blocks, self.order, self.names)
        self.is_folded, self.remark = bool(blocks), _folded(len(self.order), blocks)
        self.reading = read([root], plan.level, apart=apart, blocks=blocks or None, loss=root, order=self.order, names=self.names)
        # Of the tensors in a block the last one has its value.
        self.op_of = {self.reading.places[id(t)]: self.place(t) for t in self.order if id(t) in self.reading.places}
        self.shown = self._shown()

    def place(self, t: Tensor) -> int:
        """Its node on the op level."""
        return self.ops.places[id(t)]

    def whole(self) -> _Pictured:
        """The picture of the whole."""
        origins = {(edge.target, edge.position): origin for origin, edge in self.reading.edges.items()}
        by_id = {id(t): t for t in self.order}

        def way(edge: Edge) -> tuple[int, ...]:
            if (edge.target, edge.position) not in origins:  # into a block
                return self.op_of[edge.source], self.op_of[edge.target]
            key, i = origins[edge.target, edge.position]
            return self.place(by_id[key].inputs[i]), self.place(by_id[key]), i

        # Where the graph branches, Graphviz leads the dashed arrows far around and pushes everything else apart.
        branches = any(len({edge.target for edge in self.reading.graph.uses(node)}) > 1 for node in self.reading.graph)
        return _Pictured(self.graph, self.op_of, way, self.root_name, SECONDS, bent=branches)

    @property
    def root_name(self) -> str:
        """What the gradients are of."""
        return self.ops.graph.nodes[self.ops.graph.roots[0]].name

    def equations(self) -> Iterator[tuple[int, str]]:
        """For each result of the picture, its equation op by op; none where operations are folded."""
        if self.is_folded:
            return
        whole = differentiate(self.root, "op")
        members: dict[int, list[int]] = {}
        for node in self.ops.graph:
            members.setdefault(self.shown[node.id], []).append(node.id)
        for place, inner in members.items():
            operations = sum(self.ops.graph.nodes[i].op is not None for i in inner)
            if operations < 2 or len(inner) > MAX_NODES:  # one operation is seen in the whole
                continue
            part, op_of = _part(whole, inner)

            def way(edge: Edge, op_of: Mapping[int, int] = op_of) -> tuple[int, ...]:
                return op_of[edge.source], op_of[edge.target], edge.position

            try:
                pictured = _Pictured(part, op_of, way, self.root_name, SECONDS)
            except LayoutError:  # those that follow are hardly easier
                return
            yield place, pictured.svg("backward")

    def zooms(self) -> Iterator[tuple[int, str]]:
        """For each result of the picture whose equation can be looked at number by number, how it depends on one value."""
        if self.is_folded:
            return
        nodes, tensors = self.graph.nodes, {self.reading.places[id(t)]: t for t in self.order if id(t) in self.reading.places}
        reached = {node.gradient_of for node in nodes}
        for node in nodes:
            sources = [nodes[i] for i in dict.fromkeys(node.inputs) if i in reached and node.id in reached]
            if node.kind == "gradient" or not sources:
                continue
            # First what has the most to tell: a matrix of parameters.
            by = min(sources, key=lambda source: (source.kind != "parameter", len(source.shape) < 2))
            if tensors[node.id].size + tensors[by.id].size > LARGEST_ZOOM:
                continue
            picture = Picture()
            try:
                found = reach(tensors[node.id], tensors[by.id], root=self.root, names=self.names)
                zoom(picture, found)
                svg = layout(picture.source, "svg", timeout=SECONDS)
            except LayoutError:
                return
            except (ValueError, TypeError):  # it cannot be looked at in this way
                continue
            yield self.op_of[node.id], _zoom_svg(take_apart(svg))

    def _shown(self) -> dict[int, int]:
        shown: dict[int, int] = {}
        for t in reversed(self.order):
            if id(t) in self.reading.places:
                shown[self.place(t)] = self.op_of[self.reading.places[id(t)]]
            for x in t.inputs:
                shown.setdefault(self.place(x), shown[self.place(t)])
        return {node.id: shown[node.id] for node in self.ops.graph}


def _arrows_of(graph: Graph) -> int:
    """How many arrows the picture of a graph with its gradients has."""
    handed = sum(len(c.sources) + len(c.reused) for node in graph for c in node.contributions)
    return handed + sum(len(node.edges) for node in graph)


def _folded(values: int, blocks: Mapping[int, Block]) -> Words:
    """That the picture does not show everything; nothing if it does."""
    if not blocks:
        return {}
    n = len({id(block) for block in blocks.values()})
    return {
        "en": f"The graph is too large for a picture: of its {count(values)} values, most are folded into {count(n)} blocks.",
        "es": f"El grafo es muy grande para una figura: de sus {count(values)} valores, la mayoría está en {count(n)} bloques.",
    }


def _zoom_svg(drawing: Drawing) -> str:
    """The zoom, and under it its lines, with more air between them than Graphviz gives."""
    lines_behind = merged([mark for part in drawing.parts if part.kind == "edge" for mark in part.marks])
    marks = [*lines_behind, *(mark for part in drawing.parts if part.kind != "edge" for mark in dense(part.marks))]
    lines, middle = [line.replace("\xa0", " ") for line in drawing.caption], short(drawing.width / 2)
    for i, line in enumerate(lines):
        place = f'text-anchor="middle" x="{middle}" y="{short(drawing.caption_top + PITCH * i)}"'
        english, spanish = (text.replace("  ", " \xa0") for text in (line, caption_in_spanish(line)))  # two, also on a page
        marks.append(f"<text {place}{both(english, spanish)}>{escape(english, quote=False)}</text>")
    height = drawing.caption_top + PITCH * (len(lines) - 1) + 8 if lines else drawing.height
    return put_together(drawing.width, height, marks)


def _part(whole: Graph, inner: list[int]) -> tuple[Graph, dict[int, int]]:
    """The equation of these operations, with what it is computed from and with the gradients, and whose place is whose.

    What comes from elsewhere keeps its name and its formula, and has no arrows.
    """
    inside = set(inner)
    values = sorted(inside | {i for place in inner for i in whole.nodes[place].inputs})
    twins = [node for node in whole if node.gradient_of in values]
    new = {place: i for i, place in enumerate([*values, *(twin.id for twin in twins)])}

    def moved(edge: Edge) -> Edge:
        return replace(edge, source=new.get(edge.source, -1), target=new.get(edge.target, -1))

    def contribution(c: Contribution) -> Contribution:
        here = c.use.target in inside
        sources = tuple(new[i] for i in c.sources if i in new) if here else ()
        reused = tuple(new[i] for i in c.reused if i in new) if here else ()
        return replace(c, use=moved(c.use), sources=sources, reused=reused)

    nodes = []
    for place in values:
        node = whole.nodes[place]
        edges = tuple(moved(edge) for edge in node.edges) if place in inside else ()
        nodes.append(replace(node, id=new[place], edges=edges, group=()))
    for twin in twins:
        of = twin.gradient_of if twin.gradient_of is not None else -1
        inward = any(c.use.target in inside for c in twin.contributions)
        parts = tuple(contribution(c) for c in twin.contributions) if inward else ()
        nodes.append(replace(twin, id=new[twin.id], edges=(), gradient_of=new[of], contributions=parts, group=()))
    graph = Graph(whole.level, tuple(nodes), (new[max(inner)],))
    return graph, {i: place for place, i in new.items()}


@dataclass
class _Group:
    """Something that is one thing in the picture: a value with its shape above it, an arrow with the word upon it."""

    look: str
    data: dict[str, str] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return group(self.marks, self.look, **self.data)


class _Pictured:
    """A graph with its gradients, laid out.

    ``way`` gives what stands in ``data-edge`` for a use; with ``bent`` the arrows of what is reused are drawn afterwards.
    """

    def __init__(
        self,
        graph: Graph,
        op_of: Mapping[int, int],
        way: Callable[[Edge], tuple[int, ...]],
        root_name: str,
        timeout: float,
        *,
        bent: bool = False,
    ) -> None:
        graph = _shortly(graph)
        self.graph, self.op_of, self.way, self.root_name = graph, op_of, way, root_name
        picture = Picture()
        start(picture)
        Flow(picture, graph, Show(reuse=not bent), root_name).backward(both=True)
        self.drawing: Drawing = take_apart(layout(picture.source, "svg", timeout=timeout), _below)
        self.words: dict[str, _Group] = {}
        self.groups: list[_Group] = []
        self.bent = bent
        self._gather(self._arrows())

    def svg(self, view: str) -> str:
        """The picture, or what of it belongs to the forward pass."""
        shown = [g for g in self.groups if view == "backward" or not {"flow", "reuse", "gradient", "sum"} & set(g.look.split())]
        scopes = [str(g) for g in shown if g.look == "scope"]
        layers = ("edge reuse", "edge use", "edge flow")  # the rules are not under other arrows
        edges = [str(g) for layer in layers for g in shown if g.look == layer]
        nodes = [str(g) for g in shown if g.look.startswith("node")]
        height = min(self.drawing.height, max(lowest(mark for g in shown for mark in g.marks) + EDGE, 1))
        return put_together(self.drawing.width, height, [*scopes, f'<g aria-hidden="true">{"".join(edges)}</g>', *nodes])

    def _arrows(self) -> dict[tuple[str, str], deque[_Group]]:
        """By the two ends of an arrow, what it is; of several with the same ends in the order in which they are drawn."""
        arrows: dict[tuple[str, str], deque[_Group]] = defaultdict(deque)
        for node in self.graph:
            times = Counter(edge.source for edge in node.edges)
            for edge in node.edges if node.kind != "gradient" else ():
                same, n = arrows[f"n{edge.source}", f"n{node.id}"], times[edge.source]
                if n <= MOST_TERMS:
                    same.append(_Group("edge use", {"data_edge": self._way(edge)}))
                elif not same:  # one arrow for all
                    whole = f"{self.op_of[edge.source]} {self.op_of[edge.target]}"
                    same.append(_Group("edge use", {"data_edge": whole, "data_times": str(n)}))
        twins = {node.gradient_of: (node.id,) for node in self.graph if node.gradient_of is not None}
        for node in self.graph:
            of = str(self.op_of.get(-1 if node.gradient_of is None else node.gradient_of, -1))
            alone = len(node.contributions) == 1
            gradient, added, word = f"n{node.id}", f"p{node.id}", f"wn{node.id}"
            arrows[gradient, added].append(_Group("edge flow", {"data_sum": of}))
            for c in node.contributions[:MOST_TERMS]:
                # A leaf hangs under the gradient of what it feeds, also where its formula has an equal gradient.
                for source in dict.fromkeys((*c.sources, *twins.get(c.use.target, ()))):
                    flow = _Group("edge flow", {"data_edge": self._way(c.use)})
                    self.words[word] = flow
                    hang = [(f"n{source}", gradient), (f"n{source}", word), (word, gradient)]  # may be drawn from below
                    turned = [(b, a) for a, b in hang]
                    for ends in [*hang, *turned] if alone else [(added, f"n{source}")]:
                        arrows[ends].append(flow)
                for source in c.reused:
                    reuse = _Group("edge reuse", {"data_reuse": f"{self.op_of[source]} {of}"})
                    arrows[f"n{source}", gradient if alone else added].append(reuse)
        return arrows

    def _way(self, edge: Edge) -> str:
        return " ".join(map(str, self.way(edge)))

    def _gather(self, arrows: Mapping[tuple[str, str], deque[_Group]]) -> None:
        """Put what Graphviz has drawn into the groups, which come in the order of the graph."""
        scopes: list[_Group] = []
        edges = {id(arrow): arrow for same in arrows.values() for arrow in same}
        nodes = {name: self._node(node, name) for node in self.graph for name in (f"n{node.id}", f"p{node.id}")}
        for part in sorted(self.drawing.parts, key=lambda part: part.number):
            name = _below(part.ends[0])
            if part.kind == "cluster":
                scopes.append(_Group("scope", marks=list(part.marks)))
            elif part.kind == "edge":
                same = arrows[part.ends[0], part.ends[1]]
                same[0].marks += part.marks
                if len(same) > 1:
                    same.popleft()
            elif part.ends[0] in self.words:
                self.words[part.ends[0]].marks += part.marks
            else:
                nodes[name].marks += part.marks
        boxes = {part.ends[0]: part.box for part in self.drawing.parts if part.kind == "node"}
        for ends, same in arrows.items() if self.bent else ():
            a, b = (boxes.get(end) for end in ends)
            for g in same:
                if g.look == "edge reuse" and a is not None and b is not None:
                    g.marks += curve(a, b, "blue", "5,2")
        self.groups = [g for g in (*scopes, *edges.values(), *nodes.values()) if g.marks]
        for g in self.groups:
            g.marks = [_translatable(mark, g.look) for mark in g.marks]

    def _node(self, node: Node, name: str) -> _Group:
        """The group of a value, of a gradient, or of the sum that a gradient is."""
        of = node if node.gradient_of is None else self.graph.nodes[node.gradient_of]
        place = str(self.op_of[of.id])
        if name.startswith("p"):
            return _Group("node sum", {"data_sum": place})
        text = pretty(of.name[:LONGEST]) if of is node else pretty_gradient(self.root_name[:LONGEST], of.name[:LONGEST])
        shape = shape_text(of) if of.shape else ""
        kind = "data_node" if of is node else "data_gradient"
        return _Group(f"node {node.kind}", {kind: place, "role": "img", "aria_label": f"{text} {shape}".rstrip()})


def _shortly(graph: Graph) -> Graph:
    """The graph with formulas that have room in a picture."""

    def shortly(node: Node) -> Node:
        parts = tuple(replace(c, rule=short_rule(c.rule), formula=short_rule(c.formula)) for c in node.contributions)
        return replace(node, formula=short_rule(node.formula), contributions=parts)

    return replace(graph, nodes=tuple(map(shortly, graph.nodes)))


def _below(name: str) -> str:
    """The node above which it stands, by the names that drawing/flow.py gives: s3 is over n3, and so is wn3."""
    return re.sub(r"^(s|wn)(?=\d)", "n", name)


def _translatable(mark: str, look: str) -> str:
    """The mark; the words in it that are not names say that they are."""
    kind = look.removeprefix("node ")
    if mark.startswith("<text") and mark.endswith(f">{kind}</text>") and ('font-size="11"' in mark or "weight" not in mark):
        return mark.replace("<text", f'<text data-word="{kind}"', 1)
    if " block" in look or (look.endswith(" gradient") and "backward" in mark):
        return mark.replace("<text", "<text" + both(words_of(mark), block_in_spanish(words_of(mark))), 1)
    if look == "edge use" or "edge flow" in look:
        return mark.replace("<text", "<text" + both(words_of(mark), rule_in_spanish(words_of(mark))), 1)
    return mark
