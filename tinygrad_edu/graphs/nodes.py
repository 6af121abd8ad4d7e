"""The recorded graph as plain immutable data, at three levels: named, op, scalar.

- ``op``: one node per operation;
- ``named``: one node per tensor that the user named, with whole equations between them;
- ``scalar``: one node per number, as if every number had been computed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..ops import Op


@dataclass(frozen=True, slots=True)
class Edge:
    """One use of a value: ``source`` is argument number ``position`` of ``target``.

    ``symbols`` are the operations that the value goes through on the way, first one first.
    """

    source: int
    target: int
    position: int
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the graph.

    Attributes
    ----------
    id : int
        Its place in the graph's topological order.
    name : str
        The user's name, or one that was made for it.
    kind : str
        ``input`` (given, named), ``parameter`` (given, requires a gradient), ``constant`` (given, unnamed), ``result``,
        ``loss`` (a scalar root), or ``gradient``.
    op : Op or None
        What computed it last; None for a value that was given.
    edges : tuple of Edge
        The uses that it was computed from, in order and with multiplicity.
    formula : str
        Its equation's right-hand side, in the names of its inputs; empty for a given value.
    value : ndarray
        The numbers, read-only.
    dims : tuple
        A letter, or None, for each axis.
    gradient_of : int or None
        For a gradient, the node that it is the gradient of.
    """

    id: int
    name: str
    kind: str
    op: Op | None
    edges: tuple[Edge, ...]
    formula: str
    value: Any = field(repr=False, compare=False)
    dims: tuple[str | None, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    automatic: bool = False
    gradient_of: int | None = None

    @property
    def inputs(self) -> tuple[int, ...]:
        """The ids of the nodes that it was computed from, in order and with multiplicity."""
        return tuple(edge.source for edge in self.edges)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return np.shape(self.value)


@dataclass(frozen=True)
class Graph:
    """A recorded graph: nodes in topological order, each after its inputs.

    ``graph["h1"]`` is the node of that name; ``str(graph)`` lists the equations.
    """

    level: str
    nodes: tuple[Node, ...]
    roots: tuple[int, ...]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every use of a value, in the order of the nodes."""
        return tuple(edge for node in self.nodes for edge in node.edges)

    def uses(self, node: Node) -> tuple[Edge, ...]:
        """The edges that leave a node: where its value is used."""
        return tuple(edge for edge in self.edges if edge.source == node.id)

    def __getitem__(self, name: str) -> Node:
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(list(self._by_name)[:20])
            raise KeyError(f"no node is named {name!r}; there are {known}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        width = max((len(node.name) for node in self.nodes), default=0)
        return "\n".join(f"{node.name:<{width}}  {_equation(node)}" for node in self.nodes)

    def __repr__(self) -> str:
        return f"<Graph, level {self.level}: {len(self.nodes)} nodes, {len(self.edges)} edges>"


def _equation(node: Node) -> str:
    right = f"= {node.formula}" if node.formula else f"({node.kind})"
    return f"{node.shape!s:<12} {right}"


def sizes_of(nodes: Sequence[Node]) -> dict[str, int]:
    """What each dimension letter stands for in these nodes."""
    return {letter: n for node in nodes for letter, n in zip(node.dims, node.shape, strict=True) if letter is not None}
