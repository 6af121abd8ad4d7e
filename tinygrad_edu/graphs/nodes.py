"""The recorded graph as plain immutable data, at three levels: named, op, scalar.

- ``op``: one node per operation;
- ``named``: one node per tensor that the user named, with whole equations between them;
- ``scalar``: one node per number, as if every number had been computed by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ops import Op
from ..visible import visible

if TYPE_CHECKING:
    from ..tensor import Tensor

LONGEST_NAME = 60  # in a list of equations


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
class Contribution:
    """What one use of a value adds to its gradient: ``ȳ ∂y/∂x`` for the use of x in y.

    Attributes
    ----------
    use : Edge
        The use: an edge of the forward graph, from x to y.
    sources : tuple of int
        The gradients that it is made of: that of y.
    rule : str
        What is done to the incoming gradient: ``· (W⁽²⁾)ᵀ``, ``∗ h ∗ (1 − h)``, ``Σ over N``.
    formula : str
        The whole contribution, in names.
    value : ndarray or None
        Its numbers, read-only; None in a folded graph.
    reused : tuple of int
        The nodes of the forward pass whose values it uses.
    derivative : str
        ``∂y/∂x`` in names, where x and y are single numbers: ``x``, ``1 − h ∗ h``; else empty.
    local : float or None
        ``∂y/∂x`` as a number, where x and y are single numbers.
    """

    use: Edge
    sources: tuple[int, ...]
    rule: str
    formula: str
    value: Any = field(repr=False, compare=False)
    reused: tuple[int, ...] = ()
    derivative: str = ""
    local: float | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Several operations that are shown as one node.

    Attributes
    ----------
    name : str
        The scope's name, or what was made up for it.
    operations : mapping
        How often each op occurs inside, by name.
    parameters : int
        How many numbers its own parameters hold.
    """

    name: str
    operations: Mapping[str, int]
    parameters: int


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
        ``loss`` (a scalar root), ``gradient``, or ``block`` (several operations in one node).
    op : Op or None
        What computed it last; None for a value that was given.
    edges : tuple of Edge
        The uses that it was computed from, in order and with multiplicity.
    formula : str
        Its equation's right-hand side, in the names of its inputs; empty for a given value.
    value : ndarray or None
        The numbers, read-only; None for the gradients of a folded graph, which were not computed.
    dims : tuple
        A letter, or None, for each axis.
    gradient_of : int or None
        For a gradient, the node that it is the gradient of.
    contributions : tuple of Contribution
        For a gradient, what it is the sum of, in the order of the sweep: one for each use.
    grad : ndarray or None
        What ``backward()`` has left in ``.grad``.
    group : tuple of (str, int)
        The scopes that it was computed in, the outermost first: each a name, and a number that tells entries apart.
    block : Block or None
        For a block, what is inside.
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
    contributions: tuple[Contribution, ...] = ()
    grad: Any = field(default=None, repr=False, compare=False)
    group: tuple[tuple[str, int], ...] = ()
    block: Block | None = None

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
    def _uses(self) -> dict[int, tuple[Edge, ...]]:
        found: dict[int, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return {source: tuple(uses) for source, uses in found.items()}

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every use of a value, in the order of the nodes."""
        return tuple(edge for node in self.nodes for edge in node.edges)

    def uses(self, node: Node) -> tuple[Edge, ...]:
        """The edges that leave a node: where its value is used."""
        return self._uses.get(node.id, ())

    def count_paths(self, top: Node | str | Tensor, bottom: Node | str | Tensor) -> int:
        """The number of paths from a node down to another: how many products the chain rule adds up between them.

        Nodes can be given as themselves, by name, or as the Tensors of those names. Only what carries a derivative counts.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> x = tg.Tensor(3.0, name="x")
        >>> L = (x * x).named("L")
        >>> tg.graph(L).count_paths(L, x)
        2
        """
        from .paths import paths_between  # it reads graphs, and cannot be imported before they are defined

        return paths_between(self, top, bottom).paths

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
        names = [visible(node.name) for node in self.nodes]
        names = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]
        width = max(map(len, names), default=0)
        return "\n".join(f"{name:<{width}}  {_equation(node)}" for name, node in zip(names, self.nodes, strict=True))

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **options: Any
    ) -> dict[str, bytes | str]:
        """What Jupyter shows: the picture and the equations, or else what is missing and the equations."""
        # The only look upward: pictures are loaded when one is to be seen.
        from ..drawing import picture_of
        from ..drawing.picture import mimebundle

        equations = str(self)
        return mimebundle(lambda *asked: picture_of(self).images(*asked), equations, equations, include, exclude)

    def __repr__(self) -> str:
        return f"<Graph, level {self.level}: {len(self.nodes)} nodes, {len(self.edges)} edges>"


def _equation(node: Node) -> str:
    right = f"= {node.formula}" if node.formula else f"({node.kind})"
    return f"{node.shape!s:<12} {right}"


def sizes_of(nodes: Sequence[Node]) -> dict[str, int]:
    """What each dimension letter stands for in these nodes."""
    return {letter: n for node in nodes for letter, n in zip(node.dims, node.shape, strict=True) if letter is not None}
