"""The graph on the named level: forward as a chain from left to right, backward with the gradients under their values.

Graphviz lays out. A column of nodes that belong together is a rank; the chain is what carries the layout (its edges have
weight), everything that hangs on it or only points somewhere else does not push the columns apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..graphs import Graph, Node, pretty, pretty_dim, pretty_gradient, sizes_of
from .labels import escape

if TYPE_CHECKING:
    import graphviz

Style = Mapping[str, str]

FONT = {"fontname": "Helvetica"}
GRAPH = {**FONT, "rankdir": "LR", "nodesep": "0.16", "ranksep": "0.55", "fontsize": "12", "bgcolor": "white"}
NODE = {**FONT, "fontsize": "15", "shape": "circle", "width": "0.62", "fixedsize": "true", "color": "#333333"}
EDGE = {**FONT, "fontsize": "13", "color": "#333333", "arrowsize": "0.7"}
ABOVE = {"shape": "plaintext", "fontsize": "11", "fontcolor": "#555555", "height": "0.2", "width": "0.2", "fixedsize": "false"}
BOX = {"shape": "box", "fixedsize": "false", "width": "0.6", "height": "0.45", "margin": "0.08,0.04", "fontsize": "13"}

# Kinds differ in outline as well as in colour, so that they can be told apart in grey.
LOOKS: Mapping[str, Style] = {
    "input": {"style": "filled", "fillcolor": "#E8EEF7"},
    "parameter": {**BOX, "style": "filled", "fillcolor": "#FBF1D9"},
    "constant": {**BOX, "style": "filled,dashed", "fillcolor": "#F2F2F2"},
    "result": {"style": "filled", "fillcolor": "white"},
    "loss": {"style": "filled", "fillcolor": "#F7E0DE", "peripheries": "2"},
    "gradient": {**BOX, "style": "filled,rounded", "fillcolor": "#E3F1E6", "color": "#1E6B34"},
}
FLOW = {"color": "#1E6B34", "fontcolor": "#1E6B34"}
REUSE = {"style": "dashed", "color": "#2F5AA8", "arrowsize": "0.6", "constraint": "false"}
PALE = {"color": "#BBBBBB"}

UNSEEN = frozenset(("broadcast", "=", "reshape"))  # operations that change no number


def forward(picture: graphviz.Digraph, graph: Graph) -> None:
    """Draw the values, the shape over each, the operation on each arrow; parameters hang under the value they feed."""
    _start(picture, graph)
    hanging = _hanging(graph)
    for node in graph:
        if node.id in hanging:
            continue
        below = [graph.nodes[i] for i, use in hanging.items() if use == node.id]
        _circle(picture, node)
        for leaf in below:
            _box(picture, leaf)
        _column(picture, [f"s{node.id}", *(f"n{n.id}" for n in (node, *below))])
        for i, leaf in enumerate(below):  # downwards in the column, with the arrow pointing up
            (edge,) = graph.uses(leaf)
            picture.edge(f"n{node.id}", f"n{leaf.id}", label=_beside(edge.symbols[0], i), dir="back")
    for edge in graph.edges:
        if edge.source not in hanging:
            picture.edge(f"n{edge.source}", f"n{edge.target}", label=_symbols(edge.symbols), weight="10")


def backward(picture: graphviz.Digraph, graph: Graph) -> None:
    """Draw the gradients under the values they belong to, flowing from right to left; dashed, the values they reuse."""
    _start(picture, graph)
    twins = {node.gradient_of: node for node in graph if node.gradient_of is not None}
    values = [node for node in graph if node.kind != "gradient"]
    main = set(_main_sources(graph).values())
    chain = [node for node in values if node.op is not None or node.id in main]
    leaves = {node.id: _only_target(graph, node) for node in values if node not in chain}
    reused = {edge.source for twin in twins.values() for edge in twin.edges}

    drawn = {node.id for node in chain} | {twin.id for twin in twins.values()}
    below: dict[int, int] = {}  # the gradient of a hanging value -> its place under the gradient of the value it feeds
    for node in chain:
        own = [graph.nodes[i] for i, use in leaves.items() if use == node.id]
        above = [leaf for leaf in own if leaf.id in reused]
        for leaf in above:
            _box(picture, leaf)
            drawn.add(leaf.id)
        _circle(picture, node)
        gradients = [twins[n.id] for n in (node, *own) if n.id in twins]
        for place, twin in enumerate(gradients):
            _gradient(picture, graph, twin)
            if twin.gradient_of != node.id:
                below[twin.id] = place - 1
        names = [*(f"n{leaf.id}" for leaf in above), f"s{node.id}", f"n{node.id}", *(f"n{twin.id}" for twin in gradients)]
        _column(picture, names)
    for leaf_id, use in leaves.items():
        if use is None and leaf_id in reused | set(twins):  # it feeds several values: a column of its own
            _box(picture, graph.nodes[leaf_id])
            drawn.add(leaf_id)
            if leaf_id in twins:
                _gradient(picture, graph, twins[leaf_id])
                _column(picture, [f"n{leaf_id}", f"n{twins[leaf_id].id}"])

    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if source.id in drawn and target.id in drawn and target.kind != "gradient":
            layout = {"weight": "10"} if source in chain else {"constraint": "false"}
            picture.edge(f"n{source.id}", f"n{target.id}", **PALE, **layout)
    for twin in twins.values():
        for edge in twin.edges:
            source = graph.nodes[edge.source]
            if source.kind != "gradient":
                continue
            if twin.id in below:
                picture.edge(f"n{source.id}", f"n{twin.id}", label=_beside(_symbols(edge.symbols), below[twin.id]), **FLOW)
            else:  # against the direction of the layout
                picture.edge(f"n{twin.id}", f"n{source.id}", label=_symbols(edge.symbols), dir="back", **FLOW)
        for source_id in dict.fromkeys(edge.source for edge in twin.edges):
            if graph.nodes[source_id].kind != "gradient" and source_id in drawn:
                picture.edge(f"n{source_id}", f"n{twin.id}", **REUSE)


def shape_text(node: Node) -> str:
    """The shape, in the user's letters where there are some: (N, d₁)."""
    dims = node.dims or (None,) * len(node.shape)
    parts = [str(n) if letter is None else pretty_dim(letter) for letter, n in zip(dims, node.shape, strict=True)]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _start(picture: graphviz.Digraph, graph: Graph) -> None:
    sizes = ",  ".join(f"{pretty_dim(letter)} = {n}" for letter, n in sizes_of(graph.nodes).items())
    picture.attr("graph", **GRAPH, **({"label": f"\\n{escape(sizes)}", "labelloc": "b"} if sizes else {}))
    picture.attr("node", **NODE)
    picture.attr("edge", **EDGE)


def _circle(picture: graphviz.Digraph, node: Node) -> None:
    """A value of the chain, with its shape over it."""
    picture.node(f"s{node.id}", label=escape(shape_text(node)), **ABOVE)
    text = pretty(node.name)
    wide = {} if len(text) <= 5 else {"shape": "ellipse", "fixedsize": "false"}
    picture.node(f"n{node.id}", label=escape(text), **{**LOOKS[node.kind], **wide})


def _box(picture: graphviz.Digraph, node: Node) -> None:
    """A value that hangs on the chain, its shape over its name."""
    picture.node(f"n{node.id}", label=f"{escape(shape_text(node))}\\n{escape(pretty(node.name))}", **{**BOX, **LOOKS[node.kind]})


def _gradient(picture: graphviz.Digraph, graph: Graph, twin: Node) -> None:
    of = graph.nodes[twin.gradient_of or 0]
    name = pretty_gradient(graph.nodes[graph.roots[0]].name, of.name)
    picture.node(f"n{twin.id}", label=f"{escape(shape_text(of))}\\n{escape(name)}", **LOOKS["gradient"])


def _column(picture: graphviz.Digraph, names: Sequence[str]) -> None:
    """Nodes above each other, in this order."""
    with picture.subgraph() as column:
        column.attr(rank="same")
        for name in names:
            column.node(name)
        for upper, lower in pairwise(names):
            column.edge(upper, lower, style="invis", weight="20")


def _symbols(symbols: Sequence[str]) -> str:
    return escape(" ".join(s for s in symbols if s not in UNSEEN))


def _beside(label: str, place: int) -> str:
    """The label of an edge within a column: blanks keep the word off the line, for Graphviz sets it upon the line.

    The first edge is straight and its word stands on its left; the others curve around it, and their words stand inside.
    """
    return label + "\u2002" * max(1, round(0.8 * len(label))) if place == 0 else f"\u2002\u2002{label}"


def _main_sources(graph: Graph) -> dict[int, int]:
    """For each result, the value that the chain comes from: its first result, else its first input, else the first."""
    main = {}
    for node in graph:
        if node.kind != "gradient" and node.edges:
            sources = [graph.nodes[i] for i in node.inputs]
            results = [s for s in sources if s.op is not None]
            inputs = [s for s in sources if s.kind == "input"]
            main[node.id] = (results + inputs + sources)[0].id
    return main


def _only_target(graph: Graph, leaf: Node) -> int | None:
    """The result that a given value feeds, if it is one, and once."""
    targets = [edge.target for edge in graph.uses(leaf) if graph.nodes[edge.target].kind != "gradient"]
    return targets[0] if len(targets) == 1 else None


def _hanging(graph: Graph) -> dict[int, int]:
    """The given values that hang under the only result they feed: all but the one that the chain comes from."""
    main = _main_sources(graph)
    result = {}
    for node in graph:
        use = _only_target(graph, node) if node.op is None else None
        if use is not None and main[use] != node.id:
            result[node.id] = use
    return result
