"""From the record to the graph: the op level and the named level."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ops import contraction, elementwise, tabulated
from ..readonly import read_only
from ..record import LITERALS
from ..sweep import depending_on, topological_order
from ..tensor import Tensor
from . import dims as dimension
from .fold import groups_of, stands_for_leaf
from .formula import ONE, Text, combine, literal, named_text
from .names import Namer
from .nodes import Block, Edge, Graph, Node
from .scalar import scalar_graph

PREFIXES = {"parameter": "p", "constant": "c"}  # of the names that unnamed nodes get; t for results
LOSSES = frozenset((tabulated.bce, tabulated.bce_with_logits, tabulated.cross_entropy))  # of a prediction and a target
MOST_USES = 200  # in one equation; a result of more is a node of its own, whatever its name
LONG = 5_000  # tensors; the letters of a longer record are not worked out for a folded graph


def graph(roots: Tensor | Sequence[Tensor], level: str = "named") -> Graph:
    """The recorded graph of one or several results, as data.

    Parameters
    ----------
    roots : Tensor or sequence of Tensors
        Where the graph ends.
    level : {"named", "op", "scalar"}
        One node per named tensor, per operation, or per number. On the named level a result without a name is part of
        the equation that uses it; when several do, it gets a name such as t1. A parameter without a name is p1, an array
        c1, and what a loss compares a prediction with is y.

    Raises
    ------
    ShapeError
        If one letter of ``dims`` stands for two sizes.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x, w = tg.Tensor(3.0, name="x"), tg.Tensor(2.0, requires_grad=True, name="w")
    >>> y = tg.tanh(x * w + 1).named("y")
    >>> print(tg.graph(y))
    x  ()           (input)
    w  ()           (parameter)
    y  ()           = tanh(x ∗ w + 1)
    >>> len(tg.graph(y, level="op"))
    6
    """
    ends: list[Any] = list(roots) if isinstance(roots, (list, tuple)) else [roots]
    for t in ends:
        if not isinstance(t, Tensor):
            raise TypeError(f"graph: a root is {type(t).__name__}, not a Tensor: {t!r:.80}")
    if level == "scalar":
        return scalar_graph(ends)
    if level not in ("named", "op"):
        raise ValueError(f'graph: there is no level {level!r}.\n  Try: level="named", "op" or "scalar"')
    return read(ends, level).graph


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a node on its way into a result: through which operations, and by which argument of which tensor first."""

    source: int
    symbols: tuple[str, ...]
    origin: tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """A graph, and where each tensor of the record is in it. Keys are the tensors' ids.

    Attributes
    ----------
    graph : Graph
        What was read.
    places : dict
        The node of each tensor that is one, or is inside one.
    texts : dict
        How each tensor is written in formulas.
    inside : dict
        For each result that is no node, the uses of nodes in its expression.
    edges : dict
        The edge that starts with argument i of tensor t, by (id of t, i).
    dims : dict
        The letters of each tensor.
    """

    graph: Graph
    places: dict[int, int]
    texts: dict[int, Text]
    inside: dict[int, list[Use]]
    edges: dict[tuple[int, int], Edge]
    dims: dict[int, dimension.Dims]


def read(
    ends: Sequence[Tensor],
    level: str,
    *,
    apart: Container[int] = (),
    blocks: Mapping[int, Block] | None = None,
    loss: Tensor | None = None,
    order: Sequence[Tensor] | None = None,
    names: Mapping[int, str] | None = None,
) -> Reading:
    """The graph that ends in these tensors.

    ``apart`` are results that are nodes whatever their name, ``blocks`` says which tensors are shown as one node, both by
    the tensors' ids; ``loss`` is a root that is the loss even if it was not computed; ``order`` is the topological order,
    where it is known; ``names`` are those of another level, by the tensors' ids, for what has none of its own.
    """
    order = topological_order(ends) if order is None else order
    letters = dimension.propagate(order) if not blocks or len(order) <= LONG else {}
    final = {id(t) for t in ends}
    uses = count_uses(order)
    recorded = values_as_recorded(order)
    groups = groups_of(order)
    namer = Namer({t.name for t in order if t.name is not None})
    target = None if "y" in namer else _target(order)
    reading = Reading(Graph(level, (), ()), {}, {}, {}, {}, letters)
    places, texts, inside = reading.places, reading.texts, reading.inside

    nodes: list[Node] = []
    for unit in _units(order, blocks) if blocks else order:
        if isinstance(unit, list):
            nodes.append(_block(unit, len(nodes), blocks or {}, reading, namer))
            continue
        t = unit
        if stands_for_leaf(t):  # a leaf, with the value it had when it was used
            places[id(t)], texts[id(t)] = places[id(t.inputs[0])], texts[id(t.inputs[0])]
            continue
        used = _uses(t, places, inside)
        text = combine(t.op, [texts[id(x)] for x in t.inputs], [x.shape for x in t.inputs], t.params) if t.inputs else None
        own = id(t) in final or id(t) in apart or level == "op" or stands(t, uses) or len(used) > MOST_USES
        if not own:
            texts[id(t)] = text if text is not None else _number_text(t, level)
            inside[id(t)] = used
            continue
        kind = "loss" if t is loss else _kind(t, id(t) in final and len(ends) == 1)
        if t.name is not None:
            name = namer.unique(t.name)
        elif names is not None:
            name = names[id(t)]
        elif t is target and kind == "constant":
            name = namer.unique("y")
        else:
            name = namer.automatic(PREFIXES.get(kind, "t")) if kind != "loss" or "L" in namer else namer.unique("L")
        place = places[id(t)] = len(nodes)
        edges = tuple(Edge(use.source, place, i, use.symbols) for i, use in enumerate(used))
        reading.edges.update({use.origin: edge for use, edge in zip(used, edges, strict=True)})
        nodes.append(
            Node(
                id=place,
                name=name,
                kind=kind,
                op=t.op if t.inputs else None,
                edges=edges,
                formula=text.text if text is not None else "",
                value=read_only(recorded.get(id(t), t._data)),
                dims=letters.get(id(t), (None,) * t.ndim),
                params=t.params,
                automatic=t.name is None,
                grad=t.grad,
                group=groups.get(id(t), ()),
            )
        )
        texts[id(t)] = _number_text(t, level) if t.name is None and is_number(t) else named_text(name)
    graph = Graph(level, tuple(nodes), tuple(places[id(t)] for t in ends))
    return Reading(graph, places, texts, inside, reading.edges, letters)


def _target(order: Sequence[Tensor]) -> Tensor | None:
    """What a prediction is compared with, if there is one such tensor: the second operand of a loss."""
    found = {id(t.inputs[1]): t.inputs[1] for t in order if t.inputs and t.op in LOSSES}
    for t in order:
        squares = t.inputs[0] if t.inputs and t.op is contraction.mean else None
        apart = squares.inputs[0] if squares is not None and squares.inputs and squares.op is elementwise.square else None
        if apart is not None and apart.inputs and apart.op is elementwise.subtract:  # the mean squared error
            found[id(apart.inputs[1])] = apart.inputs[1]
    return next(iter(found.values())) if len(found) == 1 else None


def _number_text(t: Tensor, level: str) -> Text:
    """A bare number; the seed of a recorded sweep is seen only where every operation is."""
    seed = level == "named" and type(t._data) not in LITERALS and t._data == 1
    return ONE if seed else literal(t._data)


def _uses(t: Tensor, places: Mapping[int, int], inside: Mapping[int, list[Use]]) -> list[Use]:
    """The uses of nodes that a result was computed from, through results that are not nodes themselves."""
    uses: list[Use] = []
    for i, x in enumerate(t.inputs):
        if id(x) in places:
            uses.append(Use(places[id(x)], (t.op.symbol,), (id(t), i)))
        else:
            uses += [Use(use.source, _through(use.symbols, t.op.symbol), use.origin) for use in inside.get(id(x), ())]
    return uses


def _units(order: Sequence[Tensor], blocks: Mapping[int, Block]) -> Iterator[Tensor | list[Tensor]]:
    """The tensors outside of blocks and the members of each block, each unit after those that it depends on."""
    units: dict[int, list[Tensor]] = {}  # by the id of a block
    unit_of: dict[int, list[Tensor]] = {}  # by the id of a member
    for t in order:
        block = blocks.get(id(t))
        if block is not None:
            unit_of[id(t)] = unit = units.setdefault(id(block), [])
            unit.append(t)

    done: set[int] = set()  # the ids of units, and of tensors outside of them
    for first in order:
        stack = [first]
        waiting: dict[int, Iterator[Tensor]] = {}  # the inputs of a unit that were not looked at yet
        while stack:
            t = stack[-1]
            unit = unit_of.get(id(t)) or [t]
            key = id(unit) if id(t) in unit_of else id(t)
            if key in done:
                stack.pop()
                continue
            if key not in waiting:
                waiting[key] = _outer_inputs(unit)
            x = next(waiting[key], None)
            if x is not None:
                stack.append(x)
                continue
            stack.pop()
            done.add(key)
            yield unit if id(t) in unit_of else t


def _outer_inputs(unit: Sequence[Tensor]) -> Iterator[Tensor]:
    inner = {id(t) for t in unit}
    return (x for t in unit for x in t.inputs if id(x) not in inner)


def _block(unit: Sequence[Tensor], place: int, blocks: Mapping[int, Block], reading: Reading, namer: Namer) -> Node:
    """The node of a block: an edge from each node that it uses, the value of its last result."""
    block = blocks[id(unit[0])]
    name = namer.unique(block.name)
    outer = list(_outer_inputs(unit))
    inside = [use.source for x in outer for use in reading.inside.get(id(x), ())]  # of equations that are no nodes
    sources = dict.fromkeys([reading.places[id(x)] for x in outer if id(x) in reading.places] + inside)
    last, text = unit[-1], named_text(name)
    for t in unit:
        reading.places[id(t)] = place
        reading.texts[id(t)] = text if t.name is None else named_text(t.name)
    edges = tuple(Edge(source, place, i, ()) for i, source in enumerate(sources))
    return Node(
        id=place,
        name=name,
        kind="block",
        op=last.op,
        edges=edges,
        formula=", ".join(f"{op} ×{n}" if n > 1 else op for op, n in block.operations.items()),
        value=read_only(last._data),
        dims=reading.dims.get(id(last), (None,) * last.ndim),
        automatic=True,
        block=block,
    )


def swept(root: Tensor, level: str = "named") -> list[Tensor]:
    """The tensors of a level that the sweep from this root gives a gradient, in the order of the sweep.

    Examples
    --------
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> h = tg.tanh(3 * w).named("h")
    >>> [t.name for t in swept((h * h).named("L"))]
    ['L', 'h', 'w']
    """
    order = topological_order([root])
    active = depending_on(order, [t for t in order if not t.inputs and t._requires_grad])
    uses = count_uses(order)
    own = [t for t in order if level == "op" or t is root or stands(t, uses)]
    return [t for t in reversed(own) if id(t) in active]


def unique_names(order: Sequence[Tensor]) -> dict[int, str]:
    """The names of the named tensors, by id: a name that comes again gets a number, h, h#2, h#3, in forward order."""
    namer = Namer({t.name for t in order if t.name is not None})
    return {id(t): namer.unique(t.name) for t in order if t.name is not None and not stands_for_leaf(t)}


def values_as_recorded(order: Sequence[Tensor]) -> dict[int, Any]:
    """The arrays that were computed with, by id: a leaf that was given new numbers since has others now."""
    return {id(x): arg for t in reversed(order) for x, arg in zip(t.inputs, t.args, strict=True)}


def count_uses(order: Sequence[Tensor]) -> dict[int, int]:
    """How often each tensor is an input, by id."""
    uses: dict[int, int] = {}
    for t in order:
        for x in t.inputs:
            uses[id(x)] = uses.get(id(x), 0) + 1
    return uses


def is_number(t: Tensor) -> bool:
    """A bare number in an expression, such as the 2 in 2 * x: it is written, not drawn."""
    return not t.inputs and not t.shape and not t._requires_grad


def stands(t: Tensor, uses: Mapping[int, int]) -> bool:
    """Whether a tensor is a node of the named level: it has a name, is used more than once, or was given."""
    return t.name is not None or (uses.get(id(t), 0) > 1 if t.inputs else not is_number(t))


def _through(symbols: tuple[str, ...], symbol: str) -> tuple[str, ...]:
    return (*symbols, symbol) if len(symbols) < 8 else (*symbols[:8], "…")


def _kind(t: Tensor, last: bool) -> str:
    if last and t.inputs and not t.shape:
        return "loss"
    if t.inputs:
        return "result"
    if t._requires_grad:
        return "parameter"
    return "input" if t.name is not None and type(t._data) not in LITERALS else "constant"
