"""The two first pictures: the forward graph on the named level, and the gradients flowing back over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..graphs import Graph, Node, pretty, pretty_dim, pretty_gradient, sizes_of
from .labels import escape

if TYPE_CHECKING:
    import graphviz

# One look for every picture. Kinds differ in outline and fill, so that they can be told apart in grey.
GRAPH = {"rankdir": "LR", "nodesep": "0.16", "ranksep": "0.55", "fontname": "Helvetica", "fontsize": "12", "bgcolor": "white"}
NODE = {"fontname": "Helvetica", "fontsize": "15", "shape": "circle", "width": "0.62", "fixedsize": "true", "color": "#333333"}
EDGE = {"fontname": "Helvetica", "fontsize": "13", "color": "#333333", "arrowsize": "0.7"}
SHAPE_TEXT = {"shape": "plaintext", "fontsize": "11", "fontcolor": "#555555", "height": "0.2", "width": "0.2", "fixedsize": "false", "margin": "0,0"}
BOX = {"shape": "box", "fixedsize": "false", "width": "0.6", "height": "0.45", "margin": "0.08,0.04", "fontsize": "13"}
LOOKS: Mapping[str, Mapping[str, str]] = {
    "input": {"style": "filled", "fillcolor": "#E8EEF7"},
    "parameter": {**BOX, "style": "filled", "fillcolor": "#FBF1D9"},
    "constant": {**BOX, "style": "filled,dashed", "fillcolor": "#F2F2F2"},
    "result": {"style": "filled", "fillcolor": "white"},
    "loss": {"style": "filled", "fillcolor": "#F7E0DE", "peripheries": "2"},
    "gradient": {**BOX, "style": "filled,rounded", "fillcolor": "#E3F1E6", "color": "#1E6B34"},
}


def forward(picture: graphviz.Digraph, graph: Graph) -> None:
    """Draw the chain of values from left to right, parameters and targets hanging under the value they feed."""
    _header(picture, graph.nodes)
    hanging = _hanging(graph)
    for node in graph:
        if node.id not in hanging:
            column = [(f"s{node.id}", node), *((f"n{leaf}", graph.nodes[leaf]) for leaf, use in hanging.items() if use == node.id)]
            _column(picture, node, column)
    for edge in graph.edges:
        target = f"n{edge.target}"
        if edge.source in hanging:  # drawn downwards within the column, with the arrow pointing up
            picture.edge(target, f"n{edge.source}", label=_beside(edge.symbols[0], first=list(hanging.values()).index(edge.target) == list(hanging).index(edge.source)), dir="back")
        else:
            picture.edge(f"n{edge.source}", target, label=escape(" ".join(edge.symbols)), weight="10")


def backward(picture: graphviz.Digraph, graph: Graph) -> None:
    """Draw the gradients under the values they belong to, flowing from right to left; dashed, what they reuse."""
    _header(picture, graph.nodes)
    twins = {node.gradient_of: node for node in graph if node.gradient_of is not None}
    reused = {e.source for node in twins.values() for e in node.edges if graph.nodes[e.source].kind != "gradient"}
    main = _main_sources(graph)
    chain = [n for n in graph if n.kind != "gradient" and (n.op is not None or n.id in main.values())]
    leaves = {n.id: _only_use(graph, n) for n in graph if n.kind != "gradient" and n not in chain}
    for node in chain:
        above = [graph.nodes[i] for i, use in leaves.items() if use == node.id and i in reused]
        below = [graph.nodes[i] for i, use in leaves.items() if use == node.id]
        names = [f"n{n.id}" for n in above]
        for n in above:
            picture.node(f"n{n.id}", label=_two_lines(n), **{**BOX, **LOOKS[n.kind]})
        picture.node(f"s{node.id}", label=escape(shape_text(node)), **SHAPE_TEXT)
        picture.node(f"n{node.id}", label=escape(pretty(node.name)), **LOOKS[node.kind])
        names += [f"s{node.id}", f"n{node.id}"]
        for twin in [twins.get(node.id), *(twins.get(n.id) for n in below)]:
            if twin is not None:
                picture.node(f"n{twin.id}", label=_gradient_label(graph, twin), **LOOKS["gradient"])
                names.append(f"n{twin.id}")
        _stack(picture, names)
    drawn = {n.id for n in chain} | {i for i in leaves if i in reused} | {t.id for t in twins.values()}
    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if edge.source not in drawn or edge.target not in drawn:
            continue
        if target.kind != "gradient":
            picture.edge(f"n{source.id}", f"n{target.id}", color="#BBBBBB", **({"weight": "10"} if source in chain else {"constraint": "false"}))
    hung = {twins[i].id for i, use in leaves.items() if use is not None and i in twins}
    begun: set[int] = set()
    for twin in twins.values():
        dashed: set[int] = set()
        for edge in twin.edges:
            source = graph.nodes[edge.source]
            symbols = escape(" ".join(s for s in edge.symbols if s not in UNSEEN))
            if source.kind == "gradient":
                green = {"color": "#1E6B34", "fontcolor": "#1E6B34"}
                if twin.id in hung:
                    picture.edge(f"n{source.id}", f"n{twin.id}", label=_beside(symbols, first=source.id not in begun), **green)
                    begun.add(source.id)
                else:  # against the direction of the layout
                    picture.edge(f"n{twin.id}", f"n{source.id}", label=symbols, dir="back", **green)
            elif source.id not in dashed:
                dashed.add(source.id)
                picture.edge(f"n{source.id}", f"n{twin.id}", style="dashed", color="#2F5AA8", constraint="false", arrowsize="0.6")


UNSEEN = frozenset(("broadcast", "=", "reshape"))


def _beside(symbol: str, first: bool) -> str:
    """The label of an edge within a column: the second one curves around the first, and its word stands inside the curve."""
    return escape(symbol) if first else f"\u2002\u2002{escape(symbol)}"


def shape_text(node: Node) -> str:
    """The shape in the user's letters where there are some: (N, d₁)."""
    parts = [pretty_dim(d) if d is not None else str(n) for d, n in zip(node.dims or (None,) * len(node.shape), node.shape, strict=True)]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _header(picture: graphviz.Digraph, nodes: Sequence[Node]) -> None:
    sizes = ",  ".join(f"{pretty_dim(letter)} = {n}" for letter, n in sizes_of(nodes).items())
    picture.attr("graph", {**GRAPH, **({"label": escape(sizes), "labelloc": "b"} if sizes else {})})
    picture.attr("node", NODE)
    picture.attr("edge", EDGE)


def _two_lines(node: Node) -> str:
    return f"{escape(shape_text(node))}\\n{escape(pretty(node.name))}"


def _gradient_label(graph: Graph, twin: Node) -> str:
    of = graph.nodes[twin.gradient_of] if twin.gradient_of is not None else twin
    root = graph.nodes[graph.roots[0]]
    return f"{escape(shape_text(of))}\\n{escape(pretty_gradient(root.name, of.name))}"


def _column(picture: graphviz.Digraph, node: Node, column: Sequence[tuple[str, Node]]) -> None:
    picture.node(f"s{node.id}", label=escape(shape_text(node)), **SHAPE_TEXT)
    picture.node(f"n{node.id}", label=escape(pretty(node.name)), **LOOKS[node.kind])
    for name, leaf in column[1:]:
        picture.node(name, label=_two_lines(leaf), **{**BOX, **LOOKS[leaf.kind]})
    _stack(picture, [f"s{node.id}", f"n{node.id}", *(name for name, _ in column[1:])])


def _stack(picture: graphviz.Digraph, names: Sequence[str]) -> None:
    """Nodes above each other, in this order."""
    with picture.subgraph() as same:
        same.attr(rank="same")
        for name in names:
            same.node(name)
        for upper, lower in zip(names, names[1:], strict=False):
            same.edge(upper, lower, style="invis", weight="20")


def _main_sources(graph: Graph) -> dict[int, int]:
    """For each result, the input that the chain comes from: its first result, else its first input."""
    main = {}
    for node in graph:
        if node.kind != "gradient" and node.edges:
            sources = [graph.nodes[i] for i in node.inputs]
            main[node.id] = next((s.id for s in sources if s.op is not None), next((s.id for s in sources if s.kind == "input"), sources[0].id))
    return main


def _only_use(graph: Graph, leaf: Node) -> int | None:
    targets = {e.target for e in graph.uses(leaf) if graph.nodes[e.target].kind != "gradient"}
    return targets.pop() if len(targets) == 1 else None


def _hanging(graph: Graph) -> dict[int, int]:
    """The given values that hang under the only result they feed: all but the ones that the chain starts from."""
    main = _main_sources(graph)
    result = {}
    for node in graph:
        use = _only_use(graph, node) if node.op is None else None
        if use is not None and main.get(use) != node.id and len(graph.uses(node)) == 1:
            result[node.id] = use
    return result
