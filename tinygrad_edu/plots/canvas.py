"""Where plots begin and end: a figure with axes, and a file."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from .style import GREY, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from .chart import Chart

P = ParamSpec("P")
R = TypeVar("R")

WIDTH, HEIGHT = 6.0, 3.8  # inches


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """The function, run in the style of all plots; an ImportError that says what to install, without matplotlib."""

    @wraps(plot)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with _looks():
            return plot(*args, **kwargs)

    return inside


def _looks() -> AbstractContextManager[None]:
    try:
        import matplotlib  # noqa: F401  # to see whether it is there
    except ImportError as error:
        raise ImportError('tg.plots needs matplotlib: pip install "tinygrad-edu[plots]"') from error
    from .chart import looks

    return looks()


@styled
def panels(rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **options: Any) -> tuple[Chart, Any]:
    """An empty figure with a grid of axes, for several plots side by side: hand them over as ``ax=``.

    Parameters
    ----------
    rows, columns : int
        Of the grid.
    size : (float, float), optional
        Width and height of the whole figure in inches.
    **options
        What ``matplotlib.figure.Figure.subplots`` takes, such as ``sharey=True``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        ``figure.write("f.svg")`` writes it (.svg, .png or .pdf): the same bytes every time. It shows itself in Jupyter.
    axes : matplotlib.axes.Axes, or an array of them
        One, or of shape (columns,), (rows,) or (rows, columns).

    Raises
    ------
    ImportError
        Without matplotlib; the message says how to install it.

    Examples
    --------
    >>> figure, (left, right) = tg.plots.panels(1, 2)
    >>> tg.plots.loss_curve([3.0, 2.0, 1.5], ax=left) is figure
    True
    """
    from .chart import Chart, Panel

    kind = {"axes_class": Panel, **(options.pop("subplot_kw", None) or {})}
    if kind.keys() & {"projection", "polar"}:  # axes of another kind
        del kind["axes_class"]
    figure = Chart(figsize=size or (WIDTH * (columns + 1) / 2, HEIGHT * (rows + 1) / 2), layout="constrained")
    return figure, figure.subplots(rows, columns, subplot_kw=kind, **options)


def begin(ax: Axes | None, size: tuple[float, float] = (WIDTH, HEIGHT)) -> tuple[Any, Axes]:
    """The figure and the axes to draw on: those that were handed over, or new ones."""
    if ax is not None:
        return ax.figure, ax
    return panels(size=size)


def finish(figure: Figure | SubFigure, to: str | os.PathLike[str] | None) -> Figure:
    """Write the figure if there is a file to write, and hand it back."""
    from .chart import write

    whole: Any = figure.figure if hasattr(figure, "subfigs") and hasattr(figure, "figure") else figure
    if to is not None:
        write(whole, to)
    return whole  # type: ignore[no-any-return]  # matplotlib's types of nested figures differ between versions


def label(ax: Axes, title: str | None, x: str | None = None, y: str | None = None) -> None:
    """The words around a plot, as its author wrote them; a title that is too long goes on in the next line."""
    if title:
        ax.set_title(_folded(title, ax, 8))
    if x:
        ax.set_xlabel(x)
    if y:
        ax.set_ylabel(y)


def remark(ax: Axes, texts: list[str]) -> None:
    """Small print under a plot: what could not be drawn."""
    if texts:
        said = _folded("not drawn: " + "; ".join(texts), ax, 12)
        ax.set_xlabel("\n".join(filter(None, [ax.get_xlabel(), said])))


def _folded(text: str, ax: Axes, density: float) -> str:
    """The text in lines that are about as long as the axes are wide, with so many characters to an inch."""
    wide = int(density * ax.get_window_extent().width / ax.figure.dpi)
    return "\n".join(textwrap.fill(line, max(wide, 16)) if len(line) > wide else line for line in text.split("\n"))


def gaps(values: Any, drawn: Any, name: str) -> list[str]:
    """How many values are missing from a line, in words; no words when there are none."""
    missing = int(np.isnan(drawn).sum())
    if not missing:
        return []
    values = np.asarray(values, dtype=float)
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    counts = {"NaN": nan, "infinite": infinite, "not positive": missing - nan - infinite}
    return [f"{' and '.join(f'{n} {kind}' for kind, n in counts.items() if n)} in {name}"]


def name_lines(ax: Axes, ends: list[tuple[float, str, Any]], height: float = 0.075) -> None:
    """Names at the right end of lines, moved apart where they would overlap.

    ``ends`` has the y, name and colour of each; ``height`` is that of a name, as a share of the axes.
    """
    scale = np.log10 if ax.get_yscale() == "log" else np.asarray
    low, high = (float(scale(limit)) for limit in ax.get_ylim())
    order = sorted((((float(scale(y)) - low) / (high - low), name, color) for y, name, color in ends), key=lambda end: end[0])
    height = min(height, 1 / max(len(order), 1))
    places: list[float] = []
    for place, _, _ in order:  # upwards, then down again where the top is passed
        places.append(max(place, places[-1] + height if places else 0.0))
    ceiling = 1.0
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - height
    for place, (_, name, color) in zip(places, order, strict=True):
        at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center"}
        ax.annotate(name, (1.0, place), xytext=(5, 0), color=readable(color), fontsize=12, **at)


def whole_steps(ax: Axes) -> None:
    """No half steps under the axis."""
    locator: Any = ax.xaxis.get_major_locator()
    locator.set_params(integer=True, min_n_ticks=1)
    left, right = ax.get_xlim()
    if right - left < 1:  # a single step
        ax.set_xlim((left + right) / 2 - 0.5, (left + right) / 2 + 0.5)


def grid(ax: Axes) -> None:
    """Lines that help to read off numbers."""
    ax.grid(True, which="major")
    ax.tick_params(color=GREY)
