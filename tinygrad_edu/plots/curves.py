"""Loss against epochs, of one run or of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import begin, finish, gaps, grid, label, remark, styled, whole_steps
from .style import COLORS, DASHES, MARKERS, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Run = Mapping[str, Sequence[float]] | Sequence[float]


@styled
def loss_curve(
    history: Any,
    *,
    what: str = "loss",
    log: bool = False,
    xlabel: str = "epoch",
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """The loss of each epoch, and of the validation; several runs in one picture.

    Parameters
    ----------
    history : History, sequence of float, or mapping
        What ``tg.fit`` gives, or a list of losses. A mapping with the key of ``what`` is one run: that list, and the one
        of ``"val_" + what``, if there is one, with its best epoch marked. Any other mapping is several runs by name.
    what : str
        The key of what is drawn, such as "accuracy".
    log : bool
        Logarithmic in the vertical.
    xlabel, title : str, optional
        Words for the axis of the epochs, counted from 0 as in a History, and above the plot.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    to : path, optional
        Also write the figure: .svg, .png or .pdf.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw.
    TypeError
        If a list holds something that is not a number.
    ImportError
        Without matplotlib; the message says how to install it.

    Notes
    -----
    NaN and infinity, and with ``log`` what is not positive, are gaps in the line, which are counted under the plot.

    Examples
    --------
    >>> figure = tg.plots.loss_curve({"SGD": [2.0, 1.5, 1.2], "Adam": [2.0, 0.9, 0.4]}, title="Two optimizers")
    """
    lines = _lines(history, what)
    drawn = [_drawn(values, name, log) for name, values, _, _ in lines]
    best = next((k for k, (_, _, _, validation) in enumerate(lines) if validation), None)
    if best is not None and (len({run for _, _, run, _ in lines}) > 1 or not np.isfinite(drawn[best]).any()):
        best = None
    figure, ax = begin(ax)
    if log:
        ax.set_yscale("log")
    said: list[str] = []
    for k, ((name, values, run, validation), shown) in enumerate(zip(lines, drawn, strict=True)):
        steps = np.arange(len(shown))
        # Runs differ in colour and marker; validation is dashed and has hollow markers.
        look: dict[str, Any] = {
            "color": COLORS[run % len(COLORS)],
            "linestyle": DASHES[1] if validation else "-",
            "label": words(name),
        }
        few = max(1, len(shown) // 8)
        look |= {"marker": MARKERS[run % len(MARKERS)], "markevery": (run * few // 3 % few, few)}
        ax.plot(steps, shown, markerfacecolor="white" if validation else look["color"], **look)
        if k == best:
            at = int(np.nanargmin(shown) if "loss" in what or "error" in what else np.nanargmax(shown))
            ring: dict[str, Any] = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "linestyle": "none"}
            ax.plot(at, shown[at], color=look["color"], label=f"best: {shown[at]:.3g} in epoch {at}", zorder=4, **ring)
        said += gaps(values, shown, words(name))
    whole_steps(ax)
    grid(ax)
    label(ax, title, xlabel, what)
    remark(ax, said)
    if len(lines) > 1:
        ax.legend(handlelength=3.2)
    return finish(figure, to)


def _lines(history: Any, what: str) -> list[tuple[str, Any, int, bool]]:
    """The lines to draw: name, values, number of the run, whether it is the validation."""
    if not hasattr(history, "keys"):
        return [(what, history, 0, False)]
    if what in history:
        return _of_run("", history, what, 0)
    if "loss" in history:  # one run, and none that is called so
        known = ", ".join(map(words, history))
        raise ValueError(f'loss_curve: the history has no {words(what)!r}, it has {known}.\n  Try: what="loss"')
    lines: list[tuple[str, Any, int, bool]] = []
    for number, name in enumerate(history):
        run = history[name]
        if hasattr(run, "keys") and what not in run:
            known = ", ".join(map(str, run)) or "nothing"
            raise ValueError(f"loss_curve: run {words(name)!r} has no {what!r}, it has {known}.\n  Try: what=...")
        lines += _of_run(str(name), run, what, number) if hasattr(run, "keys") else [(str(name), run, number, False)]
    if not lines:
        raise ValueError("loss_curve: the history is empty: there is nothing to draw.")
    return lines


def _of_run(name: str, run: Any, what: str, number: int) -> list[tuple[str, Any, int, bool]]:
    first = name or ("training" if f"val_{what}" in run else what)
    lines = [(first, run[what], number, False)]
    if f"val_{what}" in run:
        lines.append((f"{name}, validation" if name else "validation", run[f"val_{what}"], number, True))
    return lines


def _drawn(values: Any, name: str, log: bool) -> Any:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"loss_curve: {words(name)!r} is not a list of numbers: {error}") from None
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"loss_curve: {words(name)!r} has shape {array.shape}: give one number per epoch, at least one.")
    return np.where(np.isfinite(array) & ((array > 0) | (not log)), array, np.nan)
