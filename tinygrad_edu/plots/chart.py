"""A figure that needs no display and no global state, shows itself in Jupyter, and writes the same bytes every time.

This file imports matplotlib: it is imported by functions, never at start-up.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..files import write_file
from .style import RC

# Of the formats that matplotlib writes, those that can be written without a date or a random name.
METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}


@contextmanager
def looks() -> Iterator[None]:
    """The style of all plots, while one is made or written."""
    with matplotlib.style.context(["default", RC]), warnings.catch_warnings():
        # A name may have a sign that no font has: a box is drawn in its place.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


class Chart(Figure):
    """A ``matplotlib.figure.Figure`` with its own canvas: all of its methods are there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def write(self, to: str | os.PathLike[str]) -> Path:
        """Write the figure; the file's suffix is the format."""
        return write(self, to)

    def _repr_svg_(self) -> str:
        return render(self, "svg").decode()


class Panel(Axes):
    """``matplotlib.axes.Axes`` on which a title that is set later looks like those of the plots."""

    def set_title(self, *args: Any, **kwargs: Any) -> Any:
        """As matplotlib has it, in the style of all plots: the look of a title is decided when it is set."""
        with looks():
            return super().set_title(*args, **kwargs)


def render(figure: Figure, suffix: str, dpi: float = RC["savefig.dpi"]) -> bytes:
    """The bytes of a file; suffix is svg, png or pdf."""
    buffer = io.BytesIO()
    with looks():
        figure.savefig(buffer, format=suffix, metadata=METADATA[suffix], dpi=dpi)
    return buffer.getvalue()


def write(figure: Figure, to: str | os.PathLike[str]) -> Path:
    """Write a figure, ours or another; the file's suffix is the format."""
    suffix = Path(to).suffix.lower().removeprefix(".")
    if suffix not in METADATA:
        raise ValueError(f"plots: cannot write {os.fspath(to)!r}: end it in .svg, .png or .pdf.")
    return write_file(to, render(figure, suffix))
