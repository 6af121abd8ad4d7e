"""Pictures of graphs, through Graphviz."""

from __future__ import annotations

from .draw import draw, lesson_pictures, picture_of
from .folder import write_all
from .labels import escape
from .layout import LayoutError, NoGraphvizError
from .paths import draw_paths
from .picture import Picture
from .zoom import draw_zoom

__all__ = [
    "LayoutError",
    "NoGraphvizError",
    "Picture",
    "draw",
    "draw_paths",
    "draw_zoom",
    "escape",
    "lesson_pictures",
    "picture_of",
    "write_all",
]
