"""How many paths a gradient sums over, and how few edges the sweep visits: why backpropagation is dynamic programming.

The chain rule is a sum over all paths from a result down to a value, of the products of the local derivatives along each.
Paths share their edges, so the sweep multiplies once per edge. The counts come from a sweep of the same kind, in which
every local derivative is 1: exact integers, however many paths there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ops import OPS, Elementwise, Op
from ..sweep import topological_order
from ..tensor import Tensor
from .nodes import Edge, Graph, Node
from .scalar import Number, write_sheet

# On the named level an edge knows the operations on its way only by their signs. These let no derivative through.
_STOPS = {op.symbol for op in OPS.values() if not op.differentiable} - {op.symbol for op in OPS.values() if op.differentiable}


@dataclass(frozen=True, slots=True)
class Paths:
    """The work between two nodes: summed over all paths, and in one sweep.

    Attributes
    ----------
    paths : int
        The paths from the upper node down to the lower one; 1, the empty path, if they are the same.
    products_over_paths : int
        The products when each path is multiplied for itself: one per edge, starting from the gradient 1 at the top.
    edges : int
        The edges on these paths, each counted once: the products of the sweep.
    longest : int
        The edges of the longest path.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a = tg.Tensor(3.0, name="a")
    >>> b = (a + a).named("b")
    >>> c = (b + b).named("c")
    >>> paths_between(tg.graph(c), c, a)
    Paths(paths=4, products_over_paths=8, edges=4, longest=2)
    """

    paths: int
    products_over_paths: int
    edges: int
    longest: int


def count_paths(top: Tensor, bottom: Tensor, level: str = "op") -> int:
    """The number of paths from a result down to a value: the terms of ``∂top/∂bottom`` when the chain rule is written out.

    ``paths(y, x) = Σ paths(y, u)`` over the uses u of x; ``paths(y, y) = 1``.

    Only what carries a derivative is a path: comparisons, rounding, indices and conditions end one, as they end a gradient.

    Parameters
    ----------
    top, bottom : Tensor
        The Tensors themselves count, not their names; any shapes.
    level : {"op", "named", "scalar"}
        Paths through operations. The named level has as many: its equations write every use. On the scalar level, all
        paths from a number of ``top`` down to the first number of ``bottom`` on the way.

    Returns
    -------
    int
        Exact; 0 if there is no path.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(1.0)
    >>> y = x
    >>> for _ in range(100):
    ...     y = (y + y) / 2
    >>> tg.count_paths(y, x) == 2**100
    True
    """
    for place, t in (("first", top), ("second", bottom)):
        if not isinstance(t, Tensor):
            raise TypeError(f"count_paths: the {place} argument is {type(t).__name__}, not a Tensor: {t!r:.80}")
    if level == "scalar":
        sheet, arrays = write_sheet([top, bottom])
        numbers = [[x.id for x in arrays[id(t)].ravel() if isinstance(x, Number)] for t in (top, bottom)]
        sources = [
            [j for i, j in enumerate(inputs) if op is not None and _has_rule(op, i)]
            for op, inputs in zip(sheet.ops, sheet.inputs, strict=True)
        ]
        return _count(sources, numbers[0], set(numbers[1])).paths
    if level not in ("named", "op"):
        raise ValueError(f'count_paths: there is no level {level!r}.\n  Try: level="op", "named" or "scalar"')
    order = topological_order([top])
    places = {id(t): i for i, t in enumerate(order)}
    if id(bottom) not in places:
        return 0
    sources = [[places[id(x)] for i, x in enumerate(t.inputs) if _has_rule(t.op, i) and x.dtype.kind == "f"] for t in order]
    return _count(sources, [places[id(top)]], {places[id(bottom)]}).paths


def paths_between(graph: Graph, top: Node | str | Tensor, bottom: Node | str | Tensor) -> Paths:
    """What lies between two nodes of a graph: the paths, and the edges that they share.

    Parameters
    ----------
    graph : Graph
        Of any level.
    top, bottom : Node, str or Tensor
        A node, its name, or a Tensor with its name.

    Raises
    ------
    KeyError
        If the graph has no such node.
    TypeError
        For anything else.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(3.0, name="x")
    >>> paths_between(tg.graph((x * x * x).named("y")), "y", "x")
    Paths(paths=3, products_over_paths=3, edges=3, longest=1)
    """
    start, end = _place(graph, top), _place(graph, bottom)
    return _count([[e.source for e in edges] for edges in _derivative_edges(graph)], [start], {end})


def edges_between(graph: Graph, top: Node | str | Tensor, bottom: Node | str | Tensor) -> tuple[Edge, ...]:
    """The edges on the paths between two nodes, each once, in the order in which the sweep visits them.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a = tg.Tensor(3.0, name="a")
    >>> b = (a + a).named("b")
    >>> graph = tg.graph((b * a).named("c"))
    >>> [(graph.nodes[e.target].name, graph.nodes[e.source].name) for e in edges_between(graph, "c", "a")]
    [('c', 'b'), ('c', 'a'), ('b', 'a'), ('b', 'a')]
    """
    start, end = _place(graph, top), _place(graph, bottom)
    edges = _derivative_edges(graph)
    return tuple(edges[i][k] for i, ways in _visits([[e.source for e in own] for own in edges], [start], {end}) for k in ways)


def _count(sources: Sequence[Sequence[int]], tops: Iterable[int], bottoms: Collection[int]) -> Paths:
    """The sweep with 1 for every local derivative: ``sources[i]`` are the nodes that node i was computed from."""
    tops = list(tops)
    waiting: dict[int, tuple[int, int, int]] = {}  # paths from the tops, their lengths added up, the longest of them
    for top in tops:
        waiting[top] = (waiting.get(top, (0, 0, 0))[0] + 1, 0, 0)
    edges = 0
    for i, ways in _visits(sources, tops, bottoms):
        paths, lengths, longest = waiting.pop(i)  # a long chain of huge numbers would fill the memory
        edges += len(ways)
        for k in ways:
            old = waiting.get(sources[i][k], (0, 0, 0))
            waiting[sources[i][k]] = (old[0] + paths, old[1] + lengths + paths, max(old[2], longest + 1))
    found = [waiting.get(i, (0, 0, 0)) for i in sorted(bottoms)]
    return Paths(
        sum(paths for paths, _, _ in found),
        sum(lengths for _, lengths, _ in found),
        edges,
        max((longest for _, _, longest in found), default=0),
    )


def _visits(sources: Sequence[Sequence[int]], tops: Iterable[int], bottoms: Collection[int]) -> Iterator[tuple[int, list[int]]]:
    """Each node between the tops and the bottoms, the last first, and which of its sources the sweep goes on to."""
    leads = [False] * len(sources)  # down to a bottom
    for i, own in enumerate(sources):
        leads[i] = i in bottoms or any(leads[j] for j in own)
    reached = [False] * len(sources)
    for top in tops:
        reached[top] = leads[top]
    for i in range(len(sources) - 1, -1, -1):
        if not reached[i] or i in bottoms:
            continue
        ways = [k for k, j in enumerate(sources[i]) if leads[j]]
        for k in ways:
            reached[sources[i][k]] = True
        yield i, ways


def _derivative_edges(graph: Graph) -> list[list[Edge]]:
    """For each node the uses that it was computed from and that carry a derivative."""
    floats = [np.asarray(node.value).dtype.kind == "f" for node in graph.nodes]
    return [[e for e in node.edges if floats[e.source] and _carries(graph, node, e)] for node in graph.nodes]


def _carries(graph: Graph, node: Node, edge: Edge) -> bool:
    """Whether a derivative comes back through this use."""
    if node.op is None or node.block is not None:
        return True  # several operations in one node
    if graph.level == "named":
        return node.op.differentiable and _STOPS.isdisjoint(edge.symbols)
    return _has_rule(node.op, edge.position)


def _has_rule(op: Op, position: int) -> bool:
    """Whether the op has a derivative by this argument, as far as its definition says."""
    if not op.differentiable:
        return False
    if isinstance(op, Elementwise):
        return op.partials[position] is not None
    return type(op).vjp is not Op.vjp or op.rules[position] is not None


def _place(graph: Graph, wanted: Node | str | Tensor) -> int:
    """The id of a node that is given as itself, by its name, or as a Tensor of that name."""
    if isinstance(wanted, Node):
        if wanted.id >= len(graph) or graph.nodes[wanted.id] != wanted:
            raise KeyError(f"the node {wanted.name!r} belongs to another graph")
        return wanted.id
    if isinstance(wanted, str):
        return graph[wanted].id
    if isinstance(wanted, Tensor):
        if wanted.name is None:
            raise KeyError(f"{wanted._called()} has no name to find its node by: give the node, or ask tg.count_paths")
        return graph[wanted.name].id
    raise TypeError(f"a node, its name, or a Tensor is needed, not {type(wanted).__name__}: {wanted!r:.80}")
