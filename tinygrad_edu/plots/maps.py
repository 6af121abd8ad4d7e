"""Arrays as pictures: numbers as colours, examples as images."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..graphs import pretty
from ..tensor import Tensor
from .canvas import begin, finish, label, panels, remark, styled
from .style import BAD, COLORS, INK, SIGNED, finite, readable, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW, FEW_BESIDE = 150, 20  # numbers that can be written into their fields: all, and side by side


@styled
def heatmap(
    values: Any,
    *,
    rows: Sequence[object] | None = None,
    columns: Sequence[object] | None = None,
    numbers: bool | None = None,
    bar: bool = True,
    xlabel: str | None = None,
    ylabel: str | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """A matrix in colours: an attention, a confusion matrix, a weight.

    Parameters
    ----------
    values : array_like or Tensor, shape (n, m) or (m,)
        With a negative number among them, 0 is white, and the two signs are orange and violet; without, 0 is white and
        larger is darker.
    rows, columns : sequence, optional
        What to write beside each row and under each column. By default their numbers.
    numbers : bool, optional
        Write the number into each field. By default if there are 150 or fewer, and 20 or fewer in a row.
    bar : bool
        Draw the scale of the colours.
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
        If values are no matrix, or the labels are not as many as rows or columns.
    ImportError
        Without matplotlib; the message says how to install it.

    Notes
    -----
    What is not finite is grey and crossed, and counted under the plot.

    Examples
    --------
    >>> attention = np.array([[0.9, 0.1], [0.3, 0.7]])
    >>> figure = tg.plots.heatmap(attention, rows=["a", "b"], columns=["a", "b"], xlabel="looks at")
    """
    array = finite(_numbers(values), "heatmap", "values")
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise ShapeError(f"heatmap: values have shape {array.shape}: a matrix is needed.")
    n, m = array.shape
    for what, names, count in (("rows", rows, n), ("columns", columns, m)):
        if names is not None and len(names) != count:
            raise ShapeError(f"heatmap: {len(names)} names for {count} {what}.")
    side = float(np.clip(9 / max(n, m), 0.16, 0.55))
    beside, below = _longest(rows), _longest(columns)
    turned = columns is not None and below > side
    size = (np.clip(m * side, 1.6, 9) + 1.8 + beside, np.clip(n * side, 0.9, 9) + 1.0 + turned * below)
    figure, ax = begin(ax, (float(size[0]), float(size[1])))
    low, high = np.nanmin(array, initial=0.0), np.nanmax(array, initial=0.0)
    bound = max(-low, high) or 1.0
    import matplotlib

    colors = matplotlib.colormaps[SIGNED if low < 0 else "Blues"].with_extremes(bad=BAD)
    shown = np.ma.masked_invalid(array)
    image = ax.imshow(shown, cmap=colors, vmin=-bound if low < 0 else 0, vmax=bound, aspect="equal", interpolation="nearest")
    _ticks(ax.xaxis, columns, m)
    _ticks(ax.yaxis, rows, n)
    if turned:
        ax.tick_params(axis="x", labelrotation=90)
    if n == 1 and rows is None:
        ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)
    label(ax, title, xlabel, ylabel)
    if bar:
        scale = figure.colorbar(image, ax=ax, shrink=0.85, aspect=18, pad=0.02)
        scale.outline.set_visible(False)
    for i, j in np.argwhere(np.isnan(array)):
        ax.text(j, i, "×", ha="center", va="center", color=INK)
    if numbers if numbers is not None else array.size <= FEW and max(n, m) <= FEW_BESIDE:
        _write_numbers(ax, array, bound)
    lost = int(np.isnan(array).sum())
    remark(ax, [f"{lost} of {array.size} values, which are not finite (×)"] if lost else [])
    return finish(figure, to)


@styled
def parameter_map(
    W: Any,  # noqa: N803  # weights are called W throughout
    *,
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """The numbers of a parameter in colours; the filters of a convolution as small images.

    Parameters
    ----------
    W : Tensor or array_like
        Of shape (in, out) or (out,): a heat map, inputs downwards. Of shape (out, in, height, width): one image per
        filter, the first 64, of the mean over the inputs.
    title : str, optional
        Words above the plot; by default the name and the shape.
    ax : matplotlib.axes.Axes, optional
        Where to draw a heat map; by default on a new figure.
    to : path, optional
        Also write the figure: .svg, .png or .pdf.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If W has another number of axes.
    ImportError
        Without matplotlib; the message says how to install it.

    Examples
    --------
    >>> figure = tg.plots.parameter_map(tg.Tensor([[0.5, -1.0, 0.2]], name="W1"))
    """
    array = np.asarray(_numbers(W))
    name = pretty(W.name) if isinstance(W, Tensor) and W.name else ""
    title = title if title is not None else words(f"{name}  {array.shape}".strip())
    if array.ndim == 4:
        return images(array.mean(axis=1)[:64], signed=True, title=title, to=to)
    if array.ndim not in (1, 2):
        raise ShapeError(f"parameter_map: W has shape {array.shape}: 1, 2 or 4 axes can be drawn.")
    axes: dict[str, Any] = {"ylabel": "input", "xlabel": "output"} if array.ndim == 2 else {"xlabel": "output"}
    return heatmap(array, title=title, ax=ax, to=to, **axes)


@styled
def images(
    x: Any,
    *,
    labels: Sequence[object] | None = None,
    predictions: Sequence[object] | None = None,
    columns: int = 8,
    signed: bool = False,
    title: str | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """Small pictures in rows, with what they are and what they were taken for.

    Parameters
    ----------
    x : array_like or Tensor, shape (N, height, width) or (N, pixels)
        Dark is large. Pixels in one row must make a square.
    labels : sequence, optional
        What each is.
    predictions : sequence, optional
        What each was taken for: written after an arrow, with a frame, where it differs from the label.
    columns : int
        How many in a row.
    signed : bool
        0 is white, and the two signs are orange and violet, on the same scale in all; else each has a scale of its own.
    title : str, optional
        Words above the plot.
    to : path, optional
        Also write the figure: .svg, .png or .pdf.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If x are no images, or there are not as many labels as images.
    ImportError
        Without matplotlib; the message says how to install it.

    Examples
    --------
    >>> figure = tg.plots.images(np.eye(16)[:3], labels=[0, 1, 2], predictions=[0, 1, 7])
    """
    array = finite(_numbers(x), "images", "x")
    side = math.isqrt(array.shape[1]) if array.ndim == 2 else 0
    if array.ndim == 2 and side * side == array.shape[1]:
        array = array.reshape(len(array), side, side)
    if array.ndim != 3 or array.size == 0:
        raise ShapeError(f"images: x has shape {array.shape}: (N, height, width) is needed, or (N, pixels) that make squares.")
    for what, given in (("labels", labels), ("predictions", predictions)):
        if given is not None and len(given) != len(array):
            raise ShapeError(f"images: {len(given)} {what} for {len(array)} images.")
    if columns < 1:
        raise ValueError(f"images: columns is {columns}: at least 1.")
    columns = min(columns, len(array))
    rows = -(-len(array) // columns)
    high = 0.95 * array.shape[1] / array.shape[2] + (0.28 if labels is not None or predictions is not None else 0.08)
    figure, axes = panels(rows, columns, size=(0.95 * columns + 0.2, high * rows + (0.4 if title else 0.1)), squeeze=False)
    bound = float(np.nanmax(np.abs(array), initial=0.0)) or 1.0
    import matplotlib

    colors = matplotlib.colormaps[SIGNED if signed else "Greys"].with_extremes(bad=BAD)
    for i, ax in enumerate(axes.flat):
        ax.set_xticks([])
        ax.set_yticks([])
        if i >= len(array):
            ax.set_visible(False)
            continue
        scale = {"vmin": -bound, "vmax": bound} if signed else {}
        ax.imshow(np.ma.masked_invalid(array[i]), cmap=colors, interpolation="nearest", **scale)
        wrong = labels is not None and predictions is not None and bool(labels[i] != predictions[i])
        for spine in ax.spines.values():
            spine.set(visible=True, color=COLORS[1] if wrong else "#BBBBBB", linewidth=2.5 if wrong else 0.6)
        caption, color = _caption(labels, predictions, i, wrong), readable(COLORS[1]) if wrong else INK
        ax.set_title(caption, fontsize=10, pad=3, fontweight="bold" if wrong else "normal", color=color)
    if title:
        figure.suptitle(title, fontweight="bold", fontsize=12)
    return finish(figure, to)


def _caption(labels: Sequence[object] | None, predictions: Sequence[object] | None, i: int, wrong: bool) -> str:
    if wrong and labels is not None and predictions is not None:
        return f"{words(labels[i])} → {words(predictions[i])}"
    given = labels if labels is not None else predictions
    return "" if given is None else words(given[i])


def _numbers(values: Any) -> Any:
    return values.data if isinstance(values, Tensor) else values


def _longest(names: Sequence[object] | None) -> float:
    """How long the longest name is when it is written, roughly, in inches."""
    return 0.09 * max((len(words(name)) for name in (() if names is None else names)), default=0)


def _ticks(axis: Any, names: Sequence[object] | None, count: int) -> None:
    if names is not None:
        axis.set_ticks(range(count), [words(name) for name in names])
    else:
        every = -(-count // 16)
        axis.set_ticks(range(0, count, every))


def _write_numbers(ax: Axes, array: Any, bound: float) -> None:
    digits = int(np.clip(2 - np.floor(np.log10(bound)), 0, 3)) if not (array[~np.isnan(array)] % 1 == 0).all() else 0
    form = f".{digits}f" if bound >= 0.01 else ".1e"
    for (i, j), value in np.ndenumerate(array):
        if not np.isnan(value):
            text = f"{value:{form}}".replace("-", "−")
            ax.text(j, i, text, ha="center", va="center", fontsize=8.5, color="white" if abs(value) > 0.62 * bound else INK)
