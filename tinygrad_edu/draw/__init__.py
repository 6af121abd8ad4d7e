"""Pictures of graphs, through Graphviz."""

from __future__ import annotations

from .labels import escape
from .layout import LayoutError, NoGraphvizError
from .picture import Picture

__all__ = ["LayoutError", "NoGraphvizError", "Picture", "escape"]
