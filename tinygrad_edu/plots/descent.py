"""Ways down a surface: contours of a function of two numbers, and the paths of optimizers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..modes import no_grad
from .canvas import begin, finish, gaps, label, remark, styled
from .style import COLORS, DASHES, INK, MARKERS, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def path(
    f: Callable[[Any, Any], Any],
    paths: Mapping[str, Any],
    *,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    minimum: tuple[float, float] | None = None,
    levels: int = 14,
    xlabel: str = "x",
    ylabel: str = "y",
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """Lines of equal f(x, y), logarithmically spaced, and on them how each optimizer went.

    Parameters
    ----------
    f : callable
        From two arrays of equal shape, entry by entry, to an array or Tensor.
    paths : mapping of str to array_like of shape (T, 2)
        The points that each optimizer was at, by its name.
    xlim, ylim : (float, float), optional
        What to show. By default all paths.
    minimum : (float, float), optional
        Marked with a star.
    levels : int
        How many lines.
    xlabel, ylabel, title : str, optional
        Words for the axes and above the plot.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    to : path, optional
        Also write the figure: .svg, .png or .pdf.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If a path is not (T, 2), or f gives another shape than it was given.
    ValueError
        If there are no paths, or none has a finite point.
    ImportError
        Without matplotlib; the message says how to install it.

    Examples
    --------
    >>> def rosenbrock(x, y):
    ...     return (1 - x) ** 2 + 100 * (y - x**2) ** 2
    >>> figure = tg.plots.path(rosenbrock, {"straight": [[-1.0, 1.0], [1.0, 1.0]]}, minimum=(1, 1))
    """
    ways = {name: np.asarray(way, dtype=float) for name, way in paths.items()}
    for name, way in ways.items():
        if way.ndim != 2 or way.shape[1] != 2 or len(way) == 0:
            raise ShapeError(f"path: {words(name)!r} has shape {way.shape}: give its points, (T, 2).")
    shown = {name: np.where(np.isfinite(way).all(axis=1, keepdims=True), way, np.nan) for name, way in ways.items()}
    points = np.concatenate([np.zeros((0, 2)), *shown.values(), *([[minimum]] if minimum else [])])
    points = points[~np.isnan(points).any(axis=1)]
    if len(points) == 0:
        raise ValueError("path: there is no finite point to draw.")
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    left, right = xlim or _wider(left, right)
    bottom, top = ylim or _wider(bottom, top)
    across, up = np.meshgrid(np.linspace(left, right, 240), np.linspace(bottom, top, 240))
    with no_grad(), np.errstate(all="ignore"):  # a path that left may end where f has no value
        z = np.asarray(f(across, up), dtype=float)
    if z.shape != across.shape:
        raise ShapeError(f"path: for two arrays {across.shape} f gives shape {z.shape}: it must work entry by entry.")

    figure, ax = begin(ax, (6.2, 4.6))
    finite = z[np.isfinite(z)]
    if finite.size and finite.max() > finite.min():
        # Spaced by the logarithm of the height above the lowest point: a narrow valley is then seen.
        low, span = finite.min(), finite.max() - finite.min()
        heights = low + np.geomspace(1e-4 * span, span, levels + 1)[:-1]
        height = np.log10(np.ma.masked_invalid(z) - low + 1e-5 * span)
        image = ax.imshow(height, extent=(left, right, bottom, top), origin="lower", aspect="auto", cmap="Greys", alpha=0.35)
        image.set_clim(float(height.min()) - 1, float(height.max()) + 1)
        ax.contour(across, up, np.ma.masked_invalid(z), heights, colors="#8A8A8A", linewidths=0.6)
    said: list[str] = []
    for i, (name, way) in enumerate(shown.items()):
        color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
        few = max(1, len(way) // 12)
        look: dict[str, Any] = {
            "color": color,
            "linestyle": DASHES[i % len(DASHES)],
            "marker": marker,
            "markevery": few,
            "markersize": 4.5,
        }
        ax.plot(*way.T, label=words(name), linewidth=1.5, **look)
        end = way[~np.isnan(way[:, 0])][-1:]
        ax.plot(*end.T, color=color, marker=marker, markersize=9, markeredgecolor="white", zorder=4, linestyle="none")
        said += gaps(ways[name][:, 0], way[:, 0], words(name))
    starts = {tuple(way[0]) for way in shown.values()}
    if len(starts) == 1 and not np.isnan(next(iter(starts))).any():
        ax.annotate("start", next(iter(starts)), xytext=(-8, 4), textcoords="offset points", ha="right", fontsize=10)
    if minimum:
        ax.plot(
            *minimum, marker="*", markersize=15, color="white", markeredgecolor=INK, zorder=5, linestyle="none", label="minimum"
        )
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    label(ax, title, xlabel, ylabel)
    remark(ax, said)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, handlelength=3.2)
    return finish(figure, to)


def _wider(low: float, high: float) -> tuple[float, float]:
    room = 0.12 * (high - low) or 1.0
    return float(low - room), float(high + room)
