"""Pictures of graphs, through Graphviz."""

from __future__ import annotations

from .draw import draw, write_all
from .labels import escape
from .layout import LayoutError, NoGraphvizError
from .picture import Picture

__all__ = ["LayoutError", "NoGraphvizError", "Picture", "draw", "escape", "write_all"]
