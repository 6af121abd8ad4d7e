"""The recorded graph as plain data, for everything that reads it."""

from .levels import backward_graph, graph, swept
from .names import gradient_name, name, pretty, pretty_dim, pretty_gradient
from .nodes import Edge, Graph, Node, sizes_of
from .replay import replay
from .scalar import scalar_gradients

__all__ = [
    "Edge",
    "Graph",
    "Node",
    "backward_graph",
    "gradient_name",
    "graph",
    "name",
    "pretty",
    "pretty_dim",
    "pretty_gradient",
    "replay",
    "scalar_gradients",
    "sizes_of",
    "swept",
]
