"""The graph of the gradients: the backward pass recorded, with the forward values that it reuses."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import GradientError
from ..modes import enable_grad
from ..ops.elementwise import add
from ..readonly import read_only
from ..record import LITERALS
from ..sweep import depending_on, sweep, topological_order
from ..tensor import Tensor
from .expression import Expression
from .fold import stands_for_leaf
from .formula import ATOM, FRACTION, ONE, Text, combine
from .levels import Reading, count_uses, read, stands
from .names import Namer, gradient_name, pretty, pretty_gradient
from .nodes import Block, Contribution, Edge, Graph, Node
from .scalarized import scalarized


def backward_graph(root: Tensor, wrt: Tensor | Sequence[Tensor] | None = None, level: str = "named") -> Graph:
    """The graph of the gradients: the backward pass recorded, with the forward values that it reuses.

    Each value that the root depends on has a node of kind ``gradient``; its formula is the rule that the sweep applied,
    and ``contributions`` tells what each use of the value has added to it. An edge from a gradient is the gradient
    flowing on; an edge from another node is a forward value reused.

    Parameters
    ----------
    root : Tensor
        A scalar result.
    wrt : Tensor or sequence of Tensors, optional
        The tensors whose gradients are wanted; by default every node of the level that requires a gradient.
    level : {"named", "op", "scalar"}
        A gradient per named tensor, per operation, or per number.

    Raises
    ------
    GradientError
        If the root is not a scalar, or nothing that it was computed from requires a gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x, w = tg.Tensor(3.0, name="x"), tg.Tensor(2.0, requires_grad=True, name="w")
    >>> h = tg.tanh(x * w).named("h")
    >>> L = (h * h).named("L")
    >>> graph = tg.backward_graph(L)
    >>> print(graph["dL/dw"].formula)
    ∂𝓛/∂h ∗ (1 − h ∗ h) ∗ x
    >>> [c.rule for c in graph["dL/dh"].contributions]  # h is used twice
    ['∗ h', '∗ h']
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"backward_graph: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if level not in ("named", "op", "scalar"):
        raise ValueError(f'backward_graph: there is no level {level!r}.\n  Try: level="named", "op" or "scalar"')
    check_root(root, "backward_graph")
    wanted = None if wrt is None else [wrt] if isinstance(wrt, Tensor) else list(wrt)
    if level == "scalar":
        if wanted is not None:
            raise ValueError('backward_graph: on the level "scalar" there are no tensors to choose by wrt.')
        return differentiate(scalarized(root), "op")
    return differentiate(root, level, wanted)


def check_root(root: Tensor, who: str) -> None:
    """Refuse a root that has no gradients: not a scalar, or nothing that it depends on requires one."""
    if root.shape or not root.requires_grad:
        why = f"its shape is {root.shape}" if root.shape else "nothing that it was computed from requires a gradient"
        raise GradientError(f"{who}: {root._called()} has no gradients to draw: {why}.")


def differentiate(
    root: Tensor,
    level: str,
    wrt: Sequence[Tensor] | None = None,
    *,
    by_all: bool = False,
    stored: bool = True,
    apart: Container[int] = (),
    names: Mapping[int, str] | None = None,
) -> Graph:
    """The graph with its gradients, of a root of any shape.

    ``by_all`` asks for the gradients by given values that do not require one, too; ``stored`` makes a node of each
    value without a name that the backward pass reuses, and ``apart`` has the ids of others that are nodes; ``names`` are
    given to values without one, by their ids.
    """
    order = topological_order([root])
    trace = record_sweep(root, order, [*leaves_to_differentiate(order, by_all), *(wrt or ())])
    if level == "named" and stored:
        apart = _reused(order, trace)
    reading = read([root], level, apart=apart, loss=root, names=names)
    if wrt is None:
        uses = count_uses(order)
        own = [t for t in order if level == "op" or id(t) in apart or stands(t, uses)]
        chosen = [t for t in reversed(own) if t in trace.gradients and not stands_for_leaf(t)]
    else:
        place = {id(t): i for i, t in enumerate(order)}
        chosen = sorted({t for t in wrt if t in trace.gradients}, key=lambda t: -place[id(t)])
    return _with_gradients(root, reading, trace, [t for t in chosen if t is not root])


def reused_results(root: Tensor, order: Sequence[Tensor]) -> set[int]:
    """The results that the backward pass reads, by id."""
    return _reused(order, record_sweep(root, order, leaves_to_differentiate(order, by_all=False)))


def differentiate_folded(
    root: Tensor, level: str, blocks: Mapping[int, Block], order: Sequence[Tensor], names: Mapping[int, str] | None = None
) -> Graph:
    """The graph with its blocks, and the way of the gradients through it, without rules and numbers."""
    active = depending_on(order, leaves_to_differentiate(order, by_all=False))
    reading = read([root], level, blocks=blocks, loss=root, order=order, names=names)
    nodes = list(reading.graph.nodes)
    reached = {place for key, place in reading.places.items() if key in active}
    swept = [node for node in reversed(nodes) if node.id in reached]
    twins = {node.id: len(nodes) + i for i, node in enumerate(swept)}
    root_name = nodes[reading.graph.roots[0]].name
    namer = Namer({node.name for node in nodes})
    for node in swept:
        contributions = tuple(
            Contribution(use, (twins[use.target],), "", f"from {pretty(nodes[use.target].name)}", None)
            for use in reading.graph.uses(node)
            if use.target in twins
        )
        nodes.append(
            Node(
                id=twins[node.id],
                name=namer.another(gradient_name(root_name, node.name)),
                kind="gradient",
                op=node.op,
                edges=_edges(twins[node.id], contributions),
                formula="",
                value=None,
                automatic=node.automatic,
                gradient_of=node.id,
                contributions=contributions,
                group=node.group,
                block=node.block,
            )
        )
    return Graph(level, tuple(nodes), (*reading.graph.roots, *twins.values()))


class Trace(NamedTuple):
    """A recorded sweep: the gradient of every value that took part, and what each use of a value has added."""

    gradients: dict[Tensor, Tensor]
    parts: dict[int, list[tuple[Tensor, int, Tensor]]]  # by the value's id: (the result that uses it, as argument i, part)


def leaves_to_differentiate(order: Sequence[Tensor], by_all: bool) -> list[Tensor]:
    """The leaves that require a gradient, or all that could have one."""
    leaves = [t for t in order if not t.inputs and t.dtype.kind == "f"]
    return [t for t in leaves if t._requires_grad or (by_all and type(t._data) not in LITERALS)]


def record_sweep(root: Tensor, order: Sequence[Tensor], targets: Sequence[Tensor]) -> Trace:
    """The sweep from a root of ones, recorded, with everything that it handed on."""
    active = depending_on(order, targets)
    nodes = [t for t in order if id(t) in active]
    parts: dict[int, list[tuple[Tensor, int, Tensor]]] = {}

    def watch(node: Tensor, i: int, part: Tensor) -> None:
        parts.setdefault(id(node.inputs[i]), []).append((node, i, part))

    seed = Tensor(np.ones(root.shape, root.dtype))
    found: dict[Tensor, Any] = {root: seed}
    if id(root) in active:
        with enable_grad():
            sweep(nodes, active, set(nodes), found, record=True, watch=watch)
    for t in nodes:
        if stands_for_leaf(t) and id(t) in parts:  # its uses are the leaf's
            own = parts[id(t.inputs[0])]
            at = next(i for i, (node, _, _) in enumerate(own) if node is t)
            own[at : at + 1] = parts[id(t)]
    return Trace(found, parts)


def _reused(order: Sequence[Tensor], trace: Trace) -> set[int]:
    """The results that the recorded sweep has read, by id."""
    forward = {id(t) for t in order}
    swept = topological_order([part for parts in trace.parts.values() for _, _, part in parts])
    return {id(x) for t in swept if id(t) not in forward for x in t.inputs if x.inputs and id(x) in forward}


def _with_gradients(root: Tensor, reading: Reading, trace: Trace, chosen: Sequence[Tensor]) -> Graph:
    """The graph, and after its nodes a node for each chosen gradient, in the order of the sweep."""
    graph = reading.graph
    nodes = list(graph.nodes)
    root_name = nodes[graph.roots[0]].name
    order = [root, *chosen]
    twins = {id(t): len(nodes) + i for i, t in enumerate(order)}
    shown = {id(t): Text(pretty_gradient(root_name, nodes[reading.places[id(t)]].name), FRACTION) for t in order}
    shown[id(root)] = ONE
    writer = Writer(reading, trace, twins, shown)
    namer = Namer({node.name for node in nodes})
    for t in order:
        place = reading.places[id(t)]
        written = [] if t is root else [writer.contribution(t, *part) for part in trace.parts[id(t)]]
        contributions = tuple(contribution for contribution, _ in written)
        nodes.append(
            Node(
                id=twins[id(t)],
                name=namer.another(gradient_name(root_name, nodes[place].name)),
                kind="gradient",
                op=trace.gradients[t].op,
                edges=_edges(twins[id(t)], contributions),
                formula=_sum([text for _, text in written]) if written else ONE.text,
                value=read_only(trace.gradients[t]._data),
                dims=nodes[place].dims,
                automatic=nodes[place].automatic,
                gradient_of=place,
                contributions=contributions,
                group=nodes[place].group,
            )
        )
    return Graph(graph.level, tuple(nodes), (*graph.roots, *twins.values()))


class Writer:
    """Writes down what each use of a value adds to its gradient.

    ``twins`` are the nodes of the gradients and ``shown`` their texts, by the id of the value.
    """

    def __init__(self, reading: Reading, trace: Trace, twins: Mapping[int, int], shown: Mapping[int, Text]) -> None:
        self.reading, self.trace, self.twins, self.shown = reading, trace, twins, shown
        self.owners: dict[int, Tensor] = {}  # by the id of a gradient, a tensor that it is the gradient of
        for t, g in trace.gradients.items():
            if id(t) in twins and id(g) not in reading.texts:
                self.owners.setdefault(id(g), t)
        # A value that is used once gets its gradient from that use: the next on the way up.
        self.above = {key: parts[0][0] for key, parts in trace.parts.items() if len(parts) == 1}

    def contribution(self, t: Tensor, result: Tensor, i: int, part: Tensor) -> tuple[Contribution, Text]:
        """What ``result``, which uses t as its argument i, adds to the gradient of t."""
        y = result
        while id(y) not in self.twins and id(y) in self.above:
            y = self.above[id(y)]
        own = id(self.trace.gradients[t])
        above = id(self.trace.gradients[y]) if id(y) in self.twins else 0
        reading = self.reading

        def owner(x: Tensor) -> Tensor | None:
            """The value that x is the gradient of; of several that have one and the same gradient, the one meant here."""
            found = self.owners.get(id(x))
            return found if found is None else y if id(x) == above else None if id(x) == own else found

        def known(x: Tensor) -> bool:
            return owner(x) is not None or id(x) in reading.texts

        def text(x: Tensor) -> Text:
            of = owner(x)
            return reading.texts[id(x)] if of is None else self.shown[id(of)]

        expression = Expression(part, known)
        written = expression.text(text)
        sources = [of for x in expression.met if (of := owner(x)) is not None]
        reused: list[int] = []
        for x in expression.met:
            if owner(x) is None:
                inside = [use.source for use in reading.inside.get(id(x), ())]
                reused += [reading.places[id(x)]] if id(x) in reading.places else inside
        rule, derivative, local = written.text, "", None
        if len(sources) == 1:
            hole = self.trace.gradients[sources[0]]
            rule = expression.rule(text, hole, ChainMap({id(hole): reading.dims[id(sources[0])]}, reading.dims))
            if not hole.shape and not part.shape:
                derivative = expression.text(lambda x: ONE if x is hole else text(x)).text
                local = float(expression.at(hole, hole.dtype.type(1)))
        contribution = Contribution(
            use=reading.edges[id(result), i],
            sources=tuple(self.twins[id(s)] for s in sources),
            rule=rule,
            formula=written.text,
            value=read_only(part._data),
            reused=tuple(dict.fromkeys(reused)),
            derivative=derivative,
            local=local,
        )
        return contribution, written


def _edges(target: int, contributions: Sequence[Contribution]) -> tuple[Edge, ...]:
    """The gradients that flow on to this one, and the values that are reused on the way."""
    sources: list[tuple[int, tuple[str, ...]]] = [(source, (c.rule,)) for c in contributions for source in c.sources]
    sources += [(source, ()) for c in contributions for source in c.reused]
    return tuple(Edge(source, target, i, symbols) for i, (source, symbols) in enumerate(sources))


def _sum(texts: Sequence[Text]) -> str:
    total = texts[0] if texts else Text("", ATOM)
    for text in texts[1:]:
        total = combine(add, [total, text], [(), ()], {})
    return total.text
