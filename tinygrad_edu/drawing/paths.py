"""The sum over all paths beside the sweep: the same gradient, with every path multiplied out, and with each edge visited once."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..digest import number
from ..errors import GradientError
from ..graphs import Edge, Graph, Node, pretty, pretty_gradient
from ..graphs.levels import read
from ..graphs.paths import Paths, edges_between, paths_between
from ..sweep import onto
from ..tensor import Tensor
from .labels import escape
from .picture import Picture
from .style import BOX, FLOW, GREY, LOOKS, PALE_INK, start

if TYPE_CHECKING:
    import graphviz

LONGEST = 16  # edges in a row; a longer chain shows its first and last few nodes
LARGEST = 40  # nodes of the sweep that are drawn
ENDS = 4  # nodes at either end of what is shortened
NAME = 16  # characters of a name
FEW_TERMS = 4  # of a sum that is written out
FEW = 8  # paths that have room for the local derivatives at their arrows
EXACT = 10**6  # larger counts are written as a power, or with two digits

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_BLANK = {"shape": "plaintext", "fixedsize": "false", "width": "0.3", "height": "0.3", "fontsize": "13", "fontcolor": GREY}
_FRAME = {"fontname": "Helvetica-Bold", "color": PALE_INK, "style": "rounded", "margin": "14", "fontsize": "15"}
_PRODUCT = {**FLOW, "fontsize": "11", "arrowsize": "0.6"}
_LABEL = {"shape": "plaintext", "fixedsize": "false", "width": "0", "height": "0", "margin": "0.02"}
_DOTTED = {**_PRODUCT, "style": "dotted"}
_ADD = {"color": GREY, "style": "dashed", "arrowsize": "0.5", "fontsize": "11", "fontcolor": GREY}
_NAMED = {"fontsize": "14", "width": "0.5"}
_LINES = (
    "Each solid arrow is one product with a local derivative. The framed numbers are the order of the sweep.",
    "On the left every path multiplies its own way down; on the right a node adds up what has arrived, and goes on once.",
)


def draw_paths(
    root: Tensor,
    leaf: Tensor,
    *,
    level: str = "op",
    title: str | None = None,
    most: int = 16,
    to: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw why backpropagation is dynamic programming: all paths from a result down to a value, beside the sweep.

    Left, each path is a chain of its own, one product per arrow. Right is the graph, each edge once, in the order of the
    sweep. On the level "op", where all values are single numbers, the local derivatives stand at the arrows, and both
    sides arrive at the same gradient.

    Parameters
    ----------
    root, leaf : Tensor
        The result, and what it is differentiated by.
    level : {"op", "named"}
        A node per operation, or per named tensor; the second has no numbers at its arrows.
    title : str, optional
        A line on top.
    most : int
        How many paths to draw; of the others, the number is given.
    to : path, optional
        A file to write: .svg, .png, .pdf, or .dot for the text alone.

    Returns
    -------
    Picture
        A ``graphviz.Digraph``. A chain too long to read is shortened to its ends.

    Raises
    ------
    GradientError
        If no path leads from the root to the leaf.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a = tg.Tensor(3.0, name="a")
    >>> b = (a + a).named("b")
    >>> c = (b + b).named("c")
    >>> picture = draw_paths(c, a)
    >>> "4 paths, 8 products" in picture.source, "4 edges, 4 products" in picture.source
    (True, True)
    """
    for t in (root, leaf):
        if not isinstance(t, Tensor):
            raise TypeError(f"draw_paths: a Tensor is needed, not {type(t).__name__}: {t!r:.80}")
    if level not in ("op", "named"):
        raise ValueError(f'draw_paths: there is no level {level!r}.\n  Try: level="op" or "named"')
    try:
        most = operator.index(most)
    except TypeError:
        raise TypeError(f"draw_paths: most={most!r:.60}: it is a whole number from 1 on.") from None
    if most < 1:
        raise ValueError(f"draw_paths: most={most}: at least one path must be drawn.")
    graph = read([root, leaf], level, loss=root).graph
    top, bottom = (graph.nodes[i] for i in graph.roots)
    counts = paths_between(graph, top, bottom)
    if not counts.paths:
        raise GradientError(f"draw_paths: {root._called()} does not depend on {leaf._called()}: there is no path between them.")
    between = Between(graph, top, bottom, counts, edges_between(graph, top, bottom))
    picture = Picture()
    start(picture, title=title, lines=_LINES, rankdir="TB", ranksep="0.2", nodesep="0.2")
    with _half(picture, "paths", "The sum over all paths", between.text_of_paths) as left:
        _all_paths(left, between, most)
    with _half(picture, "sweep", "The sweep", between.text_of_sweep) as right:
        _sweep(right, between)
    if to is not None:
        picture.write(to)
    return picture


@dataclass(frozen=True)
class Between:
    """What lies between two nodes, ``edges`` in the order of the sweep."""

    graph: Graph
    top: Node
    bottom: Node
    counts: Paths
    edges: tuple[Edge, ...]

    @cached_property
    def places(self) -> dict[Edge, int]:
        """When the sweep visits each edge, from 1 on."""
        return {edge: i for i, edge in enumerate(self.edges, 1)}

    @cached_property
    def below(self) -> dict[int, list[Edge]]:
        """The edges down from each node."""
        found: dict[int, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge)
        return found

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes in the order in which the sweep finishes them."""
        return tuple(self.graph.nodes[i] for i in [*self.below, self.bottom.id])

    @cached_property
    def local(self) -> Mapping[Edge, Any]:
        """The number ``∂y/∂x`` for each edge, if all values between are single numbers and each edge is one operation."""
        if self.graph.level != "op" or any(node.shape for node in self.nodes):
            return {}
        found = {}
        with np.errstate(all="ignore"):
            for i, edges in self.below.items():
                y = self.graph.nodes[i]
                if y.op is None:
                    return {}
                args, seed = [self.graph.nodes[j].value for j in y.inputs], np.ones((), y.value.dtype)
                for edge in edges:
                    x = self.graph.nodes[edge.source].value
                    part = np.asarray(y.op.vjp(edge.position, seed, y.value, args, y.params))
                    found[edge] = onto(part, (), x.dtype, y.op.name)[()]
        return found

    @cached_property
    def parts(self) -> Mapping[int, list[Any]]:
        """What arrives at each node, use by use; nothing if the local derivatives are not single numbers."""
        if len(self.local) != len(self.edges) or self.top.shape:
            return {}
        found: dict[int, list[Any]] = {node.id: [] for node in self.nodes}
        found[self.top.id].append(1.0)
        with np.errstate(all="ignore"):
            for i, edges in self.below.items():
                total = sum(found[i])
                for edge in edges:
                    found[edge.source].append(total * self.local[edge])
        return found

    @property
    def text_of_paths(self) -> str:
        """4 paths, 8 products."""
        paths, products = self.counts.paths, self.counts.products_over_paths
        even = products == paths * self.counts.longest and products >= EXACT
        text = f"{count_text(self.counts.longest)} · {count_text(paths)}" if even else count_text(products)
        return f"{_plural(count_text(paths), 'path')}, {_plural(text, 'product')}"

    @property
    def text_of_sweep(self) -> str:
        """4 edges, 4 products."""
        edges = count_text(self.counts.edges)
        return f"{_plural(edges, 'edge')}, {_plural(edges, 'product')}"

    def name(self, node: Node) -> str:
        """The node's name as it is drawn."""
        return _short(pretty(node.name))

    def gradient(self, node: Node) -> str:
        """∂c/∂a."""
        return pretty_gradient(_short(self.top.name), _short(node.name))

    def result(self, terms: Sequence[Any] | None = None) -> str:
        """∂c/∂a = 4, added up from these terms, or from what the sweep brings."""
        gradient = self.gradient(self.bottom)
        if not self.parts:
            return gradient
        with np.errstate(all="ignore"):
            return f"{gradient} = {_number(sum(self.parts[self.bottom.id] if terms is None else terms))}"

    def at(self, edge: Edge, narrow: bool = False) -> str:
        """What stands at an arrow: in a frame, when the sweep visits the edge, and what it multiplies by."""
        frame = f'BORDER="1" STYLE="ROUNDED" COLOR="{FLOW["color"]}" CELLPADDING="1"'
        place = f'<TD WIDTH="14" {frame}><FONT POINT-SIZE="9">{self.places[edge]}</FONT></TD>'
        local = f"<TD>∗ {_number(self.local[edge])}</TD>" if self.parts and not narrow else ""
        return f'<<TABLE BORDER="0" CELLSPACING="2" CELLPADDING="0"><TR>{place}{local}</TR></TABLE>>'


def first_paths(between: Between) -> Iterator[list[Edge]]:
    """The paths from the top down to the bottom, one after another."""
    if between.top is between.bottom:
        yield []
        return
    path: list[Edge] = []
    stack = [iter(between.below[between.top.id])]
    while stack:
        edge = next(stack[-1], None)
        if edge is None:
            stack.pop()
            if path:
                path.pop()
        elif edge.source == between.bottom.id:
            yield [*path, edge]
        else:
            path.append(edge)
            stack.append(iter(between.below[edge.source]))


def count_text(n: int) -> str:
    r"""A count as people read it: in full below a million, then as a power if it is one, else with two digits.

    >>> count_text(1024).replace("\N{NO-BREAK SPACE}", " "), count_text(2**2000), count_text(2**2000 + 1)
    ('1 024', '2²⁰⁰⁰', '1.1 · 10⁶⁰²')
    """
    if n < EXACT:
        return f"{n:,}".replace(",", "\N{NO-BREAK SPACE}")
    for base in range(2, 11):
        exponent = round(math.log(n) / math.log(base))
        if base**exponent == n:
            return f"{base}{str(exponent).translate(_SUPERSCRIPT)}"
    exponent = math.floor(math.log10(n))
    leading = f"{10 ** (math.log10(n) - exponent):.1f}"
    if leading == "10.0":
        leading, exponent = "1.0", exponent + 1
    return f"{leading} · 10{str(exponent).translate(_SUPERSCRIPT)}"


@contextmanager
def _half(picture: graphviz.Digraph, name: str, heading: str, counts: str) -> Iterator[graphviz.Digraph]:
    """One half of the picture: a frame with its heading on top and the counts below."""
    with picture.subgraph(name=f"cluster_{name}") as frame:
        frame.attr(label=escape(counts), labelloc="b", **_FRAME)
        with frame.subgraph(name=f"cluster_{name}_inside") as inside:
            inside.attr(label=escape(heading), labelloc="t", color="none", fontsize="16")
            yield inside


def _all_paths(side: graphviz.Digraph, between: Between, most: int) -> None:
    """Each path as a chain of its own under the root, and the sum of the products."""
    top = between.name(between.top)
    side.node("p", label=escape(top), **{**LOOKS["loss"], **_round(top)})
    products = []
    narrow = min(between.counts.paths, most) > FEW
    for i, path in enumerate(islice(first_paths(between), most)):
        above = "p"
        for k, edge in enumerate(_shortened(path)):
            here = f"p{i}_{k}"
            if edge is None:
                side.node(here, label="…", **_BLANK)
                side.edge(above, here, **_DOTTED, arrowhead="none", weight="8")
                above = here
                continue
            node = between.graph.nodes[edge.source]
            name = between.name(node)
            side.node(here, label=escape(name), **{**LOOKS[node.kind], **_round(name)})
            if len(path) > LONGEST and k == ENDS:
                side.edge(above, here, **_DOTTED, weight="8")
            else:
                _arrow(side, above, here, f"e{i}_{k}", between.at(edge, narrow), _PRODUCT, "8" if k else "1")
            above = here
        term = "+"
        if between.parts:
            with np.errstate(all="ignore"):
                products.append(math.prod(between.local[edge] for edge in path))
            term = _sum(["", _number(products[-1])]).strip()
        _arrow(side, above, "sum", f"t{i}", escape(term), _ADD)
    hidden = max(between.counts.paths - most, 0)
    if hidden:
        side.node("more", label=f"… and {count_text(hidden)}\\nmore path{'s' if hidden > 1 else ''}", **_BLANK)
        side.edge("p", "more", **_DOTTED)
        _arrow(side, "more", "sum", "t", escape("+ …"), _ADD)
    side.node("sum", label=escape(between.result(None if hidden else products)), **LOOKS["gradient"])


def _shortened(path: Sequence[Edge]) -> list[Edge | None]:
    """The path, or of a long one its ends, with None between them."""
    return list(path) if len(path) <= LONGEST else [*path[: ENDS - 1], None, *path[-ENDS:]]


def _sweep(side: graphviz.Digraph, between: Between) -> None:
    """The graph itself, upside down, each edge once; under each name the sum of what has arrived."""
    nodes = between.nodes
    shortened = between.counts.longest > LONGEST or len(nodes) > LARGEST
    shown = [*nodes[:ENDS], *nodes[-ENDS:]] if shortened else list(nodes)
    kept = {node.id for node in shown}
    for node in shown:
        look = LOOKS["loss" if node is between.top else node.kind]
        side.node(f"s{node.id}", label=_stack(between, node), **{**look, **BOX, "style": "filled,rounded", "margin": "0.12,0.07"})
    drawn = [edge for edge in between.edges if edge.source in kept and edge.target in kept]
    for edge in drawn:
        _arrow(side, f"s{edge.target}", f"s{edge.source}", f"e{between.places[edge]}", between.at(edge), _PRODUCT)
    side.edge(f"s{between.bottom.id}", "result", minlen="2", **_ADD)
    side.node("result", label=escape(between.result()), **LOOKS["gradient"])
    if shortened:
        values, edges = (count_text(n) for n in (len(nodes) - len(shown), len(between.edges) - len(drawn)))
        side.node("s", label=f"… {values} more values,\\n{edges} more edges …", **_BLANK)
        for i in dict.fromkeys(e.target for e in between.edges if e.target in kept and e.source not in kept):
            side.edge(f"s{i}", "s", **_DOTTED, arrowhead="none")
        for i in dict.fromkeys(e.source for e in between.edges if e.source in kept and e.target not in kept):
            side.edge("s", f"s{i}", **_DOTTED)


def _stack(between: Between, node: Node) -> str:
    """A name over what has arrived there: ∂c/∂b = 1 + 1 = 2."""
    name = escape(between.name(node))
    if not between.parts:
        return name
    parts = between.parts[node.id]
    with np.errstate(all="ignore"):
        total = _number(sum(parts))
    terms = f"{_sum([_number(part) for part in parts])} = " if 1 < len(parts) <= FEW_TERMS else ""
    return f"{name}\\n{escape(f'{between.gradient(node)} = {terms}{total}')}"


def _arrow(
    side: graphviz.Digraph, tail: str, head: str, name: str, label: str, style: Mapping[str, str], weight: str = "1"
) -> None:
    """An arrow with its label upon it: a node of its own, so that arrows side by side and their labels keep apart."""
    side.node(name, label=label, **_LABEL, fontcolor=style["fontcolor"], fontsize=style["fontsize"])
    side.edge(tail, name, **{**style, "arrowhead": "none", "weight": weight})
    side.edge(name, head, **{**style, "weight": weight})


def _round(name: str) -> Mapping[str, str]:
    """A circle, or an ellipse around a name that is too long for it."""
    return _NAMED if len(name) <= 5 else {"shape": "ellipse", "fixedsize": "false", "fontsize": "13"}


def _number(x: Any) -> str:
    """A number with three digits, a whole one below a million in full."""
    x = float(x)
    return number(int(x) if x.is_integer() and abs(x) < EXACT else x)


def _sum(terms: Sequence[str]) -> str:
    """1 + 2 − 3."""
    return " + ".join(terms).replace("+ −", "− ")


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _plural(count: str, noun: str) -> str:
    return f"{count} {noun}" if count == "1" else f"{count} {noun}s"
