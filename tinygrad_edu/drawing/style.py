"""How the pictures look: fonts, colours, outlines. Kinds differ in outline or word as well as in colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..graphs import Graph, Node, pretty_dim, sizes_of
from .labels import html

if TYPE_CHECKING:
    import graphviz

Style = Mapping[str, str]

INK, GREY, PALE_INK = "#333333", "#555555", "#BBBBBB"
GREEN, BLUE, RED = "#1E6B34", "#2F5AA8", "#A8322A"  # gradients; forward values that are reused; what is highlighted

FONT = {"fontname": "Helvetica"}
GRAPH = {**FONT, "rankdir": "LR", "nodesep": "0.16", "ranksep": "0.55", "fontsize": "12", "bgcolor": "white", "newrank": "true"}
NODE = {**FONT, "fontsize": "15", "shape": "circle", "width": "0.62", "fixedsize": "true", "color": INK}
EDGE = {**FONT, "fontsize": "13", "color": INK, "arrowsize": "0.7"}
ABOVE = {
    "shape": "plaintext",
    "fontsize": "11",
    "fontcolor": GREY,
    "height": "0.2",
    "width": "0.2",
    "margin": "0.02,0",
    "fixedsize": "false",
}
BOX = {"shape": "box", "fixedsize": "false", "width": "0.6", "height": "0.45", "margin": "0.08,0.04", "fontsize": "13"}

LOOKS: Mapping[str, Style] = {
    "input": {"style": "filled", "fillcolor": "#E8EEF7"},
    "parameter": {**BOX, "style": "filled", "fillcolor": "#FBF1D9"},
    "constant": {**BOX, "style": "filled,dashed", "fillcolor": "#F2F2F2"},
    "result": {"style": "filled", "fillcolor": "white"},
    "loss": {"style": "filled", "fillcolor": "#F7E0DE", "peripheries": "2"},
    "gradient": {**BOX, "style": "filled,rounded", "fillcolor": "#E3F1E6", "color": GREEN},
    "block": {**BOX, "style": "filled", "shape": "box3d", "fillcolor": "#EEEAF5", "margin": "0.12,0.1"},
}
FLOW = {"color": GREEN, "fontcolor": GREEN}
REUSE = {"style": "dashed", "color": BLUE, "fontcolor": BLUE, "arrowsize": "0.6", "constraint": "false"}
PALE = {"color": PALE_INK}


def start(picture: graphviz.Digraph, *, title: str | None = None, lines: tuple[str, ...] = (), **attributes: str) -> None:
    """The defaults of a picture, its title on top, and lines of small print: below, or under the title."""
    rows = [f'<FONT POINT-SIZE="16"><B>{html(title, 200)}</B></FONT>'] if title else []
    rows += [html(line, 400) for line in lines]
    caption = {}
    if rows:
        # The blank row keeps the words off the drawing.
        rows = [*rows, " "] if title else [" ", *rows]
        caption = {"label": f"<{'<BR/>'.join(rows)}>", "labelloc": "t" if title else "b"}
    picture.attr("graph", **{**GRAPH, **caption, **attributes})
    picture.attr("node", **NODE)
    picture.attr("edge", **EDGE)


def shape_text(node: Node, letters: bool = True) -> str:
    """The shape, in the user's letters where there are some: (N, d₁)."""
    dims = node.dims if letters and node.dims else (None,) * len(node.shape)
    parts = [str(n) if letter is None else pretty_dim(letter) for letter, n in zip(dims, node.shape, strict=True)]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def sizes_text(graph: Graph) -> tuple[str, ...]:
    """The line that says what the letters stand for, if there are letters."""
    sizes = ",  ".join(f"{pretty_dim(letter)} = {n}" for letter, n in sizes_of(graph.nodes).items())
    return (sizes,) if sizes else ()


def count(n: int) -> str:
    """A count with its digits in groups of three: 12 345."""
    return f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
