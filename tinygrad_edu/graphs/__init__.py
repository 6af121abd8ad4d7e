"""The recorded graph as plain data, for everything that reads it."""

from .backward import backward_graph
from .levels import graph, swept
from .names import gradient_name, name, pretty, pretty_dim, pretty_gradient
from .nodes import Block, Contribution, Edge, Graph, Node, sizes_of
from .paths import count_paths
from .replay import replay
from .scalar import scalar_gradients

__all__ = [
    "Block",
    "Contribution",
    "Edge",
    "Graph",
    "Node",
    "backward_graph",
    "count_paths",
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
