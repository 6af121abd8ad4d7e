"""From the record to the graph: the op level, the named level, and the graph of the gradients."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import GradientError
from ..gradients import gradients
from ..ops import elementwise
from ..readonly import read_only
from ..record import LITERALS
from ..sweep import depending_on, topological_order
from ..tensor import Tensor
from . import dims as dimension
from .formula import ATOM, COMPARE, FRACTION, Text, combine, literal
from .names import Namer, gradient_name, pretty, pretty_gradient
from .nodes import Edge, Graph, Node
from .scalar import scalar_graph

PREFIXES = {"parameter": "p", "constant": "c"}  # of the names that unnamed nodes get; t for results
MOST_USES = 200  # in one equation; a result of more is a node of its own, whatever its name


def graph(roots: Tensor | Sequence[Tensor], level: str = "named") -> Graph:
    """The recorded graph of one or several results, as data.

    Parameters
    ----------
    roots : Tensor or sequence of Tensors
        Where the graph ends.
    level : {"named", "op", "scalar"}
        One node per named tensor, per operation, or per number. On the named level a result without a name is part of
        the equation that uses it; when several do, it gets a name such as t1.

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
    return build(ends, level)


@dataclass(frozen=True, slots=True)
class Look:
    """What a graph says of a tensor that the tensor does not say itself.

    ``shown`` is how formulas write it, ``kind`` overrules what the record says, ``twin`` is the id of the tensor that it
    is the gradient of.
    """

    name: str
    shown: str = ""
    kind: str = ""
    twin: int = -1


def build(ends: Sequence[Tensor], level: str, looks: Mapping[int, Look] | None = None, written_out: Container[int] = ()) -> Graph:
    """The graph that ends in these tensors.

    ``looks`` are by the tensors' ids; a result that is ``written_out`` never becomes a node for being used twice.
    """
    looks = looks or {}
    order = topological_order(ends)
    letters = dimension.propagate(order)
    final = {id(t) for t in ends}
    uses = _count_uses(order)
    recorded = values_as_recorded(order)
    names = {id(t): looks[id(t)].name if id(t) in looks else t.name for t in order}
    namer = Namer({name for name in names.values() if name is not None})

    nodes: list[Node] = []
    places: dict[int, int] = {}  # tensor id -> node id
    texts: dict[int, Text] = {}
    loose: dict[int, list[Edge]] = {}  # the uses inside a result that is not a node of its own
    for t in order:
        if id(t) not in looks and _remembers(t):  # a leaf, with the value it had when it was used
            places[id(t)], texts[id(t)] = places[id(t.inputs[0])], texts[id(t.inputs[0])]
            continue
        edges = _edges(t, places, loose)
        text = combine(t.op, [texts[id(x)] for x in t.inputs], [x.shape for x in t.inputs], t.params) if t.inputs else None
        name, look = names[id(t)], looks.get(id(t))
        shared = _stands(t, uses) and not (t.inputs and id(t) in written_out)
        if not (level == "op" or name is not None or id(t) in final or shared or len(edges) > MOST_USES):
            texts[id(t)] = text if text is not None else literal(t._data)
            loose[id(t)] = edges
            continue
        kind = look.kind if look is not None and look.kind else _kind(t, id(t) in final and len(ends) == 1, name)
        own = namer.unique(name) if name is not None else namer.automatic(PREFIXES.get(kind, "t"))
        place = places[id(t)] = len(nodes)
        nodes.append(
            Node(
                id=place,
                name=own,
                kind=kind,
                op=t.op if t.inputs else None,
                edges=tuple(Edge(e.source, place, i, e.symbols) for i, e in enumerate(edges)),
                formula=text.text if text is not None else "",
                value=read_only(recorded.get(id(t), t._data)),
                dims=letters[id(t)],
                params=t.params,
                automatic=name is None,
                gradient_of=places.get(look.twin) if look is not None else None,
            )
        )
        if name is None and _is_number(t):
            texts[id(t)] = literal(t._data)
        elif look is not None and look.shown:
            texts[id(t)] = Text(look.shown, FRACTION)
        else:
            texts[id(t)] = Text(pretty(own), ATOM if _is_word(own) else COMPARE)
    return Graph(level, tuple(nodes), tuple(places[id(t)] for t in ends))


def _edges(t: Tensor, places: Mapping[int, int], loose: Mapping[int, list[Edge]]) -> list[Edge]:
    """The uses of nodes that a result was computed from, through results that are not nodes themselves."""
    edges: list[Edge] = []
    for position, x in enumerate(t.inputs):
        if id(x) in places:
            edges.append(Edge(places[id(x)], -1, position, (t.op.symbol,)))
        else:
            edges += [Edge(e.source, -1, position, _through(e.symbols, t.op.symbol)) for e in loose.get(id(x), ())]
    return edges


def backward_graph(root: Tensor, wrt: Tensor | Sequence[Tensor] | None = None) -> Graph:
    """The graph of the gradients: the backward pass recorded, with the forward values that it reuses.

    Each named tensor that the root depends on has a node of kind ``gradient``; its formula is the rule that the sweep
    applied. An edge from a gradient is the gradient flowing on; an edge from another node is a forward value reused.

    Parameters
    ----------
    root : Tensor
        A scalar result.
    wrt : Tensor or sequence of Tensors, optional
        The tensors whose gradients are wanted; by default every node of the named level that takes part.

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
    >>> print(tg.backward_graph(L)["dL/dw"].formula)
    ∂𝓛/∂h ∗ (1 − h ∗ h) ∗ x
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"backward_graph: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if root.shape or not root.requires_grad:
        why = f"its shape is {root.shape}" if root.shape else "nothing that it was computed from requires a gradient"
        raise GradientError(f"backward_graph: {root._called()} has no gradients to draw: {why}.")
    order = topological_order([root])
    chosen = swept(root) if wrt is None else [wrt] if isinstance(wrt, Tensor) else list(wrt)
    chosen = [t for t in chosen if t is not root]  # its gradient is where the sweep starts
    forward_names = unique_names(order)
    namer = Namer(set(forward_names.values()))
    for t in chosen:
        forward_names.setdefault(id(t), namer.automatic("t" if t.inputs else "p"))
    forward_names.setdefault(id(root), "L")
    seed = Tensor(root.dtype.type(1))
    found = gradients(root, chosen, gradient=seed, create_graph=True)
    looks = {key: Look(name) for key, name in forward_names.items()}
    root_name = forward_names[id(root)]
    looks[id(root)] = Look(root_name, kind="loss")
    for t, g in [*zip(chosen, found, strict=True), (root, seed)]:
        name = forward_names[id(t)]
        shown = "1" if g is seed else pretty_gradient(root_name, name)
        looks[id(g)] = Look(gradient_name(root_name, name), shown, "gradient", id(t))
    forward = {id(t) for t in order}
    recorded = {id(t) for t in topological_order([seed, *found])} - forward
    return build([root, seed, *found], "named", looks, recorded)


def swept(root: Tensor) -> list[Tensor]:
    """The tensors of the named level that the sweep from this root gives a gradient, in the order of the sweep.

    Examples
    --------
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> h = tg.tanh(3 * w).named("h")
    >>> [t.name for t in swept((h * h).named("L"))]
    ['L', 'h', 'w']
    """
    order = topological_order([root])
    active = depending_on(order, [t for t in order if not t.inputs and t._requires_grad])
    uses = _count_uses(order)
    stands = [t for t in order if t is root or t.name is not None or _stands(t, uses)]
    return [t for t in reversed(stands) if id(t) in active]


def unique_names(order: Sequence[Tensor]) -> dict[int, str]:
    """The names of the named tensors, by id: a name that comes again gets a number, h, h#2, h#3, in forward order."""
    namer = Namer({t.name for t in order if t.name is not None})
    return {id(t): namer.unique(t.name) for t in order if t.name is not None and not _remembers(t)}


def values_as_recorded(order: Sequence[Tensor]) -> dict[int, Any]:
    """The arrays that were computed with, by id: a leaf that was given new numbers since has others now."""
    return {id(x): arg for t in reversed(order) for x, arg in zip(t.inputs, t.args, strict=True)}


def _remembers(t: Tensor) -> bool:
    """Whether a node only stands for a leaf with the value it had before it was given new numbers."""
    return bool(t.inputs) and t.op is elementwise.identity and not t.inputs[0].inputs and t.name == t.inputs[0].name


def _count_uses(order: Sequence[Tensor]) -> dict[int, int]:
    uses: dict[int, int] = {}
    for t in order:
        for x in t.inputs:
            uses[id(x)] = uses.get(id(x), 0) + 1
    return uses


def _is_number(t: Tensor) -> bool:
    """A bare number in an expression, such as the 2 in 2 * x: it is written, not drawn."""
    return not t.inputs and not t.shape and not t._requires_grad


def _stands(t: Tensor, uses: Mapping[int, int]) -> bool:
    """Whether a tensor without a name is a node of the named level all the same."""
    return uses.get(id(t), 0) > 1 if t.inputs else not _is_number(t)


def _is_word(name: str) -> bool:
    return name.replace("#", "").isidentifier()


def _through(symbols: tuple[str, ...], symbol: str) -> tuple[str, ...]:
    return (*symbols, symbol) if len(symbols) < 8 else (*symbols[:8], "…")


def _kind(t: Tensor, last: bool, name: str | None) -> str:
    if last and t.inputs and not t.shape:
        return "loss"
    if t.inputs:
        return "result"
    if t._requires_grad:
        return "parameter"
    return "input" if name is not None and type(t._data) not in LITERALS else "constant"
