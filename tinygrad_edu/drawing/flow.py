"""The graph as a picture: values from left to right, their gradients under them, flowing back.

Graphviz lays out. What belongs together is a column (a rank); the chain of columns carries the layout: its edges have
weight, and what only points somewhere else does not push the columns apart. On the named level a value is a circle as in
a lecture note, and what was given hangs under the value that it feeds; on the other levels every value is a card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..digest import digest, number
from ..graphs import Contribution, Edge, Graph, Node, pretty, pretty_gradient
from .cards import NOT_COMPUTED, block_text, card, numbers, sum_card
from .labels import escape, html
from .picture import Picture
from .style import ABOVE, BOX, FLOW, GREY, INK, LOOKS, PALE, PALE_INK, REUSE, Style, count, shape_text

if TYPE_CHECKING:
    import graphviz

UNSEEN = frozenset(("broadcast", "=", "reshape"))  # operations that change no number
LONGEST_RULE = 48  # characters on an arrow
MOST_TERMS = 10  # arrows side by side, and rows of a sum
WORD = {"shape": "plaintext", "fontsize": "13", "width": "0", "height": "0.25", "margin": "0.03,0.01", "fixedsize": "false"}
TURNED = {"forward": "back", "back": "forward", "none": "none"}
CARD = {"shape": "plain", "fixedsize": "false"}


Link = tuple[str, str, str, Style]  # an arrow within a column: from, to, label, look


@dataclass(frozen=True)
class Show:
    """What a picture tells of its values: numbers, gradients, local derivatives, letters of the shapes, scopes; reuse."""

    values: bool = False
    grads: bool = False
    local: bool = False
    dims: bool = True
    groups: bool = True
    reuse: bool = True
    rankdir: str = "LR"


class Flow:
    """One picture while it is drawn.

    Parameters
    ----------
    picture : Picture
        What to draw on.
    graph : Graph
        The values, and for everything that tells of gradients, these too.
    show : Show
        What to tell.
    root_name : str, optional
        What the gradients are of, where the graph is a part of a larger one that does not hold it.

    Notes
    -----
    In the DOT text, and so in the titles of the SVG, value i is called ``n{i}`` and its shape above it ``s{i}``, the word on
    an arrow to it ``wn{i}``, and where its contributions are added up ``p{i}``.
    """

    def __init__(self, picture: Picture, graph: Graph, show: Show, root_name: str = "") -> None:
        self.picture, self.graph, self.show = picture, graph, show
        self.cards = graph.level != "named"
        self.twins = {node.gradient_of: node for node in graph if node.gradient_of is not None}
        self.values = [node for node in graph if node.kind != "gradient" and not self._is_written(node)]
        self.shapes = any(node.shape for node in self.values)
        self.root_name = root_name or graph.nodes[graph.roots[0]].name
        contributions = [c for twin in self.twins.values() for c in twin.contributions]
        self.by_use = {(c.use.target, c.use.position): c for c in contributions}
        self.forward_uses: dict[int, list[Edge]] = {}
        for node in self.values:
            for edge in node.edges:
                self.forward_uses.setdefault(edge.source, []).append(edge)
        self.main = self._main_sources()
        self.columns: dict[int, int] = {}  # of values and gradients, by the value that the column is of
        self.clusters: dict[tuple[tuple[str, int], ...], graphviz.Digraph] = {}

    # ---- the three directions ------------------------------------------------------------------------------------

    def forward(self) -> None:
        """The values, the shape over each, the operation on each arrow; what was given hangs under what it feeds."""
        hanging = {} if self.cards else self._hanging()
        for node in self.values:
            if node.id in hanging:
                continue
            below = [self.graph.nodes[i] for i, use in hanging.items() if use == node.id]
            sheet = self._sheet(node)
            names = self._value(sheet, node)
            links = []
            for leaf in below:  # downwards in the column, with the arrow pointing up
                self._box(sheet, leaf)
                edge = self.forward_uses[leaf.id][0]
                links.append((f"n{node.id}", f"n{leaf.id}", self._forward_label(edge), {"dir": "back"}))
                names += [f"wn{leaf.id}"] if links[-1][2] else []
                names.append(f"n{leaf.id}")
            self._column(sheet, names, links)
        self._close()
        for edge, times in self._edges():
            if edge.source not in hanging:
                weight = "100" if self.main.get(edge.target) == edge.source else "1"
                label = "\\n".join(word for word in (self._forward_label(edge), times) if word)
                self.picture.edge(f"n{edge.source}", f"n{edge.target}", label=label, weight=weight)

    def backward(self, *, both: bool = False) -> None:
        """The gradients under their values, flowing from right to left; dashed, the values that they reuse.

        ``both`` also writes the operations on the arrows from value to value, and draws every value that was given.
        """
        nodes, twins = self.graph.nodes, self.twins
        reused = {i for twin in twins.values() for c in twin.contributions for i in c.reused}
        chain = [node for node in self.values if self.cards or node.op is not None or node.id in set(self.main.values())]
        in_chain = {node.id for node in chain}
        leaves = {node.id: self._only_target(node) for node in self.values if node.id not in in_chain}
        drawn = in_chain | {i for i in leaves if both or i in reused}
        under: set[int] = set()  # the gradients of hanging values, which stand under the gradient of what those feed
        alone = [nodes[i] for i, use in leaves.items() if use is None and (i in drawn or i in twins)]
        for node in [*chain, *alone]:
            own = [nodes[i] for i, use in leaves.items() if use == node.id]
            sheet = self._sheet(node)
            names = []
            for leaf in own:
                if leaf.id in drawn:
                    self._box(sheet, leaf)
                    names.append(f"n{leaf.id}")
            names += self._value(sheet, node) if node.id in in_chain else self._lone(sheet, node, node.id in drawn)
            links = []
            gradients = [twins[n.id] for n in (node, *own) if n.id in twins]
            self.columns |= dict.fromkeys([n.id for n in (node, *own, *gradients)], node.id)
            for twin in gradients:
                self._gradient(sheet, twin)
                if len(twin.contributions) > 1:
                    self._sum(sheet, twin)
                if twin.gradient_of != node.id and node.id in twins and len(twin.contributions) < 2:
                    under.add(twin.id)
                    label = escape(twin.contributions[0].rule, LONGEST_RULE) if twin.contributions else ""
                    links.append((f"n{twins[node.id].id}", f"n{twin.id}", label, FLOW))
                    names += [f"wn{twin.id}"] if label else []
                names.append(f"n{twin.id}")
            self._column(sheet, names, links)
        self._close()
        self._pale(drawn, in_chain, both)
        for twin in twins.values():
            self._flow(twin, twin.id in under, drawn)

    # ---- arrows --------------------------------------------------------------------------------------------------

    def _pale(self, drawn: set[int], chain: set[int], both: bool) -> None:
        """The arrows between the values: thin, for the gradients are what the picture is about, or as they are."""
        for edge, times in self._edges():
            if edge.source in drawn and edge.target in drawn:
                weight = "100" if self.main.get(edge.target) == edge.source else "1"
                layout = {"weight": weight} if edge.source in chain else {"constraint": "false"}
                if not both:
                    look = PALE
                else:  # on an arrow that the layout does not make room for, a word would lie on others
                    words = (self._symbols(edge), times) if edge.source in chain else ()
                    look = {"label": " ".join(word for word in words if word)}
                self.picture.edge(f"n{edge.source}", f"n{edge.target}", **look, **layout)

    def _flow(self, twin: Node, hangs: bool, drawn: set[int]) -> None:
        """How the gradient of a value is made: from that of what uses it, or from several, added up."""
        contributions = twin.contributions
        if len(contributions) > 1:
            self.picture.edge(f"n{twin.id}", f"p{twin.id}:total:w", dir="back", **FLOW, weight="50")
        for i, c in enumerate(contributions[:MOST_TERMS]):
            alone = len(contributions) == 1
            target = f"n{twin.id}" if alone else f"p{twin.id}:c{i}:e"
            straight = alone and self.main.get(c.use.target) == twin.gradient_of
            for source in dict.fromkeys(c.sources):
                if not hangs:  # against the direction of the layout
                    weight = "50" if straight else "2"
                    self.picture.edge(target, f"n{source}", label=self._flow_label(c), dir="back", weight=weight, **FLOW)
            for source in c.reused if self.show.reuse else ():
                if source in drawn:
                    own = alone and self.columns.get(twin.id) == self.columns[source]  # around the outside of the column
                    ports = {"tailport": "e", "headport": "e"} if own else {}
                    self.picture.edge(f"n{source}", f"n{twin.id}" if alone else f"p{twin.id}", **REUSE, **ports)

    def _sum(self, sheet: graphviz.Digraph, twin: Node) -> None:
        """The node in which the contributions of several uses meet."""
        shown = twin.contributions[:MOST_TERMS]
        rows = [(c.formula, c.value) for c in shown]
        values = self.show.values and twin.value is not None
        left_out = len(twin.contributions) - len(shown)
        label = sum_card(self._gradient_name(twin), rows, twin.value, values, left_out)
        sheet.node(f"p{twin.id}", label=label, **CARD)

    def _edges(self) -> list[tuple[Edge, str]]:
        """The uses among the values that are drawn; where there are too many side by side, one, and how many it is."""
        drawn = {node.id for node in self.values}
        found = []
        for node in self.values:
            count_of = Counter(edge.source for edge in node.edges)
            first = {edge.source: edge for edge in reversed(node.edges)}
            for edge in node.edges:
                n = count_of[edge.source]
                if edge.source in drawn and (n <= MOST_TERMS or edge is first[edge.source]):
                    found.append((edge, f"× {count(n)}" if n > MOST_TERMS else ""))
        return found

    def _forward_label(self, edge: Edge) -> str:
        lines = [] if self.cards else [self._symbols(edge)]
        c = self.by_use.get((edge.target, edge.position))
        if self.show.local and c is not None:
            lines.append(self._local(c))
        return "\\n".join(line for line in lines if line)

    def _symbols(self, edge: Edge) -> str:
        if self.cards:
            return ""
        return escape(" ".join(s for s in edge.symbols if s not in UNSEEN))

    def _local(self, c: Contribution) -> str:
        """``∂y/∂x = x = 2`` between single numbers, else the rule."""
        if c.local is None:
            return escape(c.rule, LONGEST_RULE)
        nodes = self.graph.nodes
        parts = [f"∂{self._name(nodes[c.use.target])}/∂{self._name(nodes[c.use.source])}", c.derivative, number(c.local)]
        return escape(" = ".join(dict.fromkeys(parts)))

    def _flow_label(self, c: Contribution) -> str:
        """The rule above an arrow, with blanks around it: other arrows keep their distance."""
        rule = html(c.rule, LONGEST_RULE)
        return f'<\u2002{rule}\u2002<BR/><FONT POINT-SIZE="3">\u2002</FONT>>' if c.rule else ""

    # ---- nodes ---------------------------------------------------------------------------------------------------

    def _value(self, sheet: graphviz.Digraph, node: Node) -> list[str]:
        """A value of the chain; the names of its nodes, from above."""
        if node.kind == "block":
            operations, parameters = block_text(node)
            sources = [self.graph.nodes[i] for i in node.inputs if self.graph.nodes[i].op is not None] or [node]
            shapes = dict.fromkeys(self._shape(n) for n in (sources[0], node))
            words = [f"<B>{html(node.name)}</B>", html(operations), html(parameters), html(" → ".join(shapes))]
            sheet.node(f"n{node.id}", label=f"<{self._stack([word for word in words if word])}>", **LOOKS["block"])
            return [f"n{node.id}"]
        if self.cards:
            sheet.node(f"n{node.id}", label=card(node, self._name(node), self._shape(node), self._rows(node)), **CARD)
            return [f"n{node.id}"]
        above = [html(word) for word in (node.kind if node.kind == "input" else "", self._shape(node)) if word]
        above += self._tables(node)
        text = self._name(node)
        if above and self.show.rankdir in ("TB", "BT"):  # there, over a value are other values
            small = [f'<FONT POINT-SIZE="11" COLOR="{GREY}">{word}</FONT>' for word in above]
            look = {**LOOKS[node.kind], "shape": "ellipse", "fixedsize": "false", "margin": "0.02"}
            sheet.node(f"n{node.id}", label=f"<{self._stack([*small, html(text)])}>", **look)
            return [f"n{node.id}"]
        wide = {} if len(text) <= 4 or (len(text) == 5 and "/" not in text) else {"shape": "ellipse", "fixedsize": "false"}
        sheet.node(f"n{node.id}", label=escape(text), **{**LOOKS[node.kind], **wide})
        if not above:
            return [f"n{node.id}"]
        sheet.node(f"s{node.id}", label=f"<{self._stack(above)}>", **ABOVE)
        return [f"s{node.id}", f"n{node.id}"]

    def _box(self, sheet: graphviz.Digraph, node: Node) -> None:
        """A value that hangs on the chain: its shape over its name."""
        words = [html(w) for w in (node.kind if node.kind == "input" else "", self._shape(node)) if w]
        small = [f'<FONT POINT-SIZE="11" COLOR="{GREY}">{word}</FONT>' for word in words]
        pieces = [*small, html(self._name(node)), *self._tables(node)]
        sheet.node(f"n{node.id}", label=f"<{self._stack(pieces)}>", **{**BOX, **LOOKS[node.kind]})

    def _lone(self, sheet: graphviz.Digraph, node: Node, drawn: bool) -> list[str]:
        """A given value that feeds several others: a column of its own."""
        if drawn:
            self._box(sheet, node)
        return [f"n{node.id}"] if drawn else []

    def _gradient(self, sheet: graphviz.Digraph, twin: Node) -> None:
        shape, name = self._shape(self.graph.nodes[twin.gradient_of or 0]), self._gradient_name(twin)
        if twin.block is not None:
            words = ["backward through", f"<B>{html(twin.block.name)}</B>"]
            look = {**LOOKS["gradient"], "shape": "box3d", "style": "filled"}
            sheet.node(f"n{twin.id}", label=f"<{self._stack(words)}>", **look)
            return
        if self.cards:
            rows = [("", twin.value)] if self.show.values and twin.contributions and twin.value is not None else []
            sheet.node(f"n{twin.id}", label=card(twin, name, shape, rows), **CARD)
            return
        pieces = [f'<FONT POINT-SIZE="11" COLOR="{GREY}">{html(shape)}</FONT>'] if shape else []
        name = name if twin.contributions or self.show.values else f"{name} = 1"
        pieces += [html(name), *([numbers(twin.value, 11)] if self.show.values and twin.value is not None else [])]
        sheet.node(f"n{twin.id}", label=f"<{self._stack(pieces)}>", **LOOKS["gradient"])

    def _rows(self, node: Node) -> list[tuple[str, Any]]:
        """The numbers under a card's operation: of the value, of its gradient, of what backward() has collected."""
        rows: list[tuple[str, Any]] = [("value", node.value)] if self.show.values else []
        twin = self.twins.get(node.id)
        if self.show.grads and node.kind in ("parameter", "result", "loss"):
            rows.append(("gradient", None if twin is None else twin.value))
            if twin is not None and node.grad is not None and digest(node.grad) != digest(twin.value):
                rows.append((".grad", node.grad))  # more than one backward() has added to it
        return rows

    def _tables(self, node: Node) -> list[str]:
        """The same on the named level, where it is asked for; the gradient's have a word before them."""
        tables = []
        for what, value in self._rows(node):
            shown = NOT_COMPUTED if value is None else numbers(value, 11)
            word = f'<TD><FONT POINT-SIZE="10">{html(what)}</FONT></TD>' if what != "value" else ""
            tables.append(f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1"><TR>{word}<TD>{shown}</TD></TR></TABLE>')
        return tables

    def _stack(self, pieces: Sequence[str]) -> str:
        rows = "".join(f"<TR><TD>{piece}</TD></TR>" for piece in pieces)
        return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{rows}</TABLE>'

    def _shape(self, node: Node) -> str:
        return shape_text(node, self.show.dims) if self.shapes else ""

    def _name(self, node: Node) -> str:
        return pretty(node.name)

    def _gradient_name(self, twin: Node) -> str:
        return pretty_gradient(self.root_name, self.graph.nodes[twin.gradient_of or 0].name)

    # ---- columns and clusters ------------------------------------------------------------------------------------

    def _sheet(self, node: Node) -> graphviz.Digraph:
        """What a node is drawn on: the picture, or the cluster of its scope."""
        path = node.group if self.show.groups else ()
        if not path:
            return self.picture
        if path not in self.clusters:
            for depth in range(1, len(path) + 1):
                self.clusters.setdefault(path[:depth], Picture(f"cluster_{len(self.clusters)}"))
        return self.clusters[path]

    def _close(self) -> None:
        """Put every cluster into the one around it."""
        for path in sorted(self.clusters, key=lambda path: (-len(path), path[-1][1])):
            cluster = self.clusters[path]
            cluster.attr("graph", label=escape(path[-1][0]), labelloc="t", labeljust="l")
            cluster.attr("graph", color=PALE_INK, style="rounded", fontcolor=INK)
            outer = self.clusters[path[:-1]] if len(path) > 1 else self.picture
            outer.subgraph(cluster)

    def _column(self, sheet: graphviz.Digraph, names: Sequence[str], links: Sequence[Link]) -> None:
        """Nodes above each other, in this order, and arrows between them."""
        if len(names) < 2:
            return
        with sheet.subgraph() as column:
            column.attr(rank="same")
            for name in names:
                column.node(name)
            arrows: dict[tuple[str, str], Style] = {}
            for upper, lower, label, look in links:
                if not label:
                    arrows[upper, lower] = look
                    continue
                # A word that is a node of its own has room, and other arrows go around it.
                back = look.get("dir") == "back"
                column.node(f"w{lower}", label=label, fontcolor=look.get("fontcolor", INK), **WORD)
                arrows[upper, f"w{lower}"] = {**look, **({} if back else {"dir": "none"})}
                arrows[f"w{lower}", lower] = {**look, **({"dir": "none"} if back else {})}
            for pair in pairwise(names):
                arrows.setdefault(pair, {"style": "invis"})
            # Graphviz forgets about rankdir when it orders a column inside a cluster: there it starts from below.
            upwards = sheet is not self.picture and self.show.rankdir in ("LR", "RL")
            for (upper, lower), look in arrows.items():
                if upwards:
                    turned = {"dir": TURNED[look.get("dir", "forward")]}
                    column.edge(lower, upper, **{**look, **turned}, weight="20")
                else:
                    column.edge(upper, lower, **look, weight="20")

    def _is_written(self, node: Node) -> bool:
        """A bare number, which stands in the formulas of the cards that use it."""
        return self.cards and node.kind == "constant" and node.automatic and not node.shape

    def _main_sources(self) -> dict[int, int]:
        """For each result, the value that the chain comes from: its first result, else its first input, else the first."""
        main = {}
        for node in self.values:
            if node.edges:
                sources = [self.graph.nodes[i] for i in node.inputs]
                results = [s for s in sources if s.op is not None]
                inputs = [s for s in sources if s.kind == "input"]
                main[node.id] = (results + inputs + sources)[0].id
        return main

    def _only_target(self, leaf: Node) -> int | None:
        """The result that a given value feeds, if it is one, and once."""
        uses = self.forward_uses.get(leaf.id, ())
        return uses[0].target if len(uses) == 1 else None

    def _hanging(self) -> dict[int, int]:
        """The given values that hang under the only result they feed: all but the one that the chain comes from."""
        result = {}
        for node in self.values:
            use = self._only_target(node) if node.op is None else None
            if use is not None and self.main[use] != node.id:
                result[node.id] = use
        return result
