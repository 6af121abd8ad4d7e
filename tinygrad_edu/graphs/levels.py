"""From the record to the graph: the op level, the named level, and the graph of the gradients."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
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


def build(
    ends: Sequence[Tensor],
    level: str,
    names: Mapping[int, str] | None = None,
    shown: Mapping[int, str] | None = None,
    kinds: Mapping[int, str] | None = None,
    gradient_of: Mapping[int, int] | None = None,
    written_out: Container[int] = (),
) -> Graph:
    """The graph that ends in these tensors.

    ``names`` are names for tensors, by id, that the tensors do not carry themselves; ``shown`` says how a formula writes
    them; ``kinds`` overrules what the record says of them; ``gradient_of`` maps a gradient to what it is the gradient of;
    a result that is ``written_out`` never becomes a node for being used twice.
    """
    names, shown, kinds, gradient_of = names or {}, shown or {}, kinds or {}, gradient_of or {}
    order = topological_order(ends)
    letters = dimension.propagate(order)
    final = {id(t) for t in ends}
    uses = _count_uses(order)
    recorded = values_as_recorded(order)
    namer = Namer({name for t in order if (name := names.get(id(t), t.name)) is not None})

    nodes: list[Node] = []
    places: dict[int, int] = {}  # tensor id -> node id
    texts: dict[int, Text] = {}
    loose: dict[int, tuple[Edge, ...]] = {}  # the uses inside a result that is not a node of its own
    for t in order:
        if _remembers(t):  # a leaf, with the value it had when it was used
            places[id(t)], texts[id(t)] = places[id(t.inputs[0])], texts[id(t.inputs[0])]
            continue
        own_name = names.get(id(t), t.name)
        is_number = _is_number(t) and own_name is None
        shared = _stands(t, uses) and not (t.inputs and id(t) in written_out)
        stands = level == "op" or own_name is not None or id(t) in final or shared
        edges: list[Edge] = []
        for position, x in enumerate(t.inputs):
            if id(x) in places:
                edges.append(Edge(places[id(x)], -1, position, (t.op.symbol,)))
            else:
                edges += [Edge(e.source, -1, position, _through(e.symbols, t.op.symbol)) for e in loose.get(id(x), ())]
        stands = stands or len(edges) > MOST_USES
        text = combine(t.op, [texts[id(x)] for x in t.inputs], [x.shape for x in t.inputs], t.params) if t.inputs else None
        if not stands:
            texts[id(t)] = text if text is not None else literal(t._data)
            loose[id(t)] = tuple(edges)
            continue
        kind = kinds.get(id(t)) or _kind(t, id(t) in final and len(ends) == 1, own_name)
        name = (
            namer.unique(own_name)
            if own_name is not None
            else namer.automatic({"parameter": "p", "constant": "c"}.get(kind, "t"))
        )
        node = len(nodes)
        nodes.append(
            Node(
                id=node,
                name=name,
                kind=kind,
                op=t.op if t.inputs else None,
                edges=tuple(Edge(e.source, node, i, e.symbols) for i, e in enumerate(edges)),
                formula=text.text if text is not None else "",
                value=read_only(recorded.get(id(t), t._data)),
                dims=letters[id(t)],
                params=t.params,
                automatic=own_name is None,
                gradient_of=places.get(gradient_of.get(id(t), -1)),
            )
        )
        places[id(t)] = node
        binding = FRACTION if kind == "gradient" and id(t) in shown else ATOM if _is_word(name) else COMPARE
        texts[id(t)] = literal(t._data) if is_number else Text(shown.get(id(t), pretty(name)), binding)
    return Graph(level, tuple(nodes), tuple(places[id(t)] for t in ends))


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
    wrt = swept(root) if wrt is None else [wrt] if isinstance(wrt, Tensor) else list(wrt)
    forward_names = unique_names(order)
    namer = Namer(set(forward_names.values()))
    for t in wrt:
        forward_names.setdefault(id(t), namer.automatic("p" if not t.inputs else "t") if t is not root else "L")
    forward_names.setdefault(id(root), "L")
    seed = Tensor(root.dtype.type(1))
    found = gradients(root, list(wrt), gradient=seed, create_graph=True)
    names: dict[int, str] = dict(forward_names)
    shown: dict[int, str] = {}
    kinds: dict[int, str] = {id(root): "loss"}
    twins: dict[int, int] = {}
    root_name = forward_names[id(root)]
    for t, g in [(root, seed), *zip(wrt, found, strict=True)]:
        names[id(g)] = gradient_name(root_name, forward_names[id(t)])
        shown[id(g)] = "1" if g is seed else pretty_gradient(root_name, forward_names[id(t)])
        kinds[id(g)] = "gradient"
        twins[id(g)] = id(t)
    forward = {id(t) for t in order}
    recorded = {id(t) for t in topological_order([seed, *found])} - forward
    return build([root, seed, *found], "named", names, shown, kinds, twins, recorded)


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
