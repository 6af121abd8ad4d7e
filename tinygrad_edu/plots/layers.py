"""Layers over time, side by side: where gradients vanish, this is where it is seen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import HEIGHT, WIDTH, begin, finish, gaps, grid, label, name_lines, panels, remark, styled, whole_steps
from .style import DASHES, GREY, INK, finite, ordered, words
from .watch import Watch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = Watch | Mapping[str, Sequence[float]]


@styled
def activations(watch: Watch, *, title: str | None = None, to: str | os.PathLike[str] | None = None) -> Figure:
    """The standard deviation of each layer's activations over the steps, and below it their mean.

    Parameters
    ----------
    watch : Watch
        With the records of a training.
    title : str, optional
        Words above the plot.
    to : path, optional
        Also write the figure: .svg, .png or .pdf.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no activations were recorded.
    ImportError
        Without matplotlib; the message says how to install it.

    Notes
    -----
    After figure 2 of X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010. A tanh with a standard deviation near 1 is saturated; near 0, its layer says little.

    Examples
    --------
    >>> w = tg.Tensor([[0.5]], requires_grad=True, name="W1")
    >>> watch = tg.plots.Watch([w])
    >>> for _ in range(2):
    ...     watch.record(tg.tanh([[1.0], [2.0]] @ w).sum())
    >>> figure = tg.plots.activations(watch)
    """
    if not watch.means:
        raise ValueError("activations: the watch has none.\n  Try: watch.record(L) after L.backward()")
    figure, (above, below) = panels(2, 1, size=(WIDTH, 1.35 * HEIGHT), sharex=True)
    _over_time(above, "activations", watch.stds, "standard deviation", title=title, xlabel=None, height=0.12)
    _over_time(below, "activations", watch.means, "mean", height=0.12)
    return finish(figure, to)


@styled
def gradients(
    watch: Series,
    *,
    parameters: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """‖dL/dW‖ of each layer over the steps, on a logarithmic scale.

    Parameters
    ----------
    watch : Watch or mapping of str to list of float
        With the records of a training; or the norms themselves.
    parameters : sequence of str, optional
        Which, by name as the watch has them. By default those with two axes or more: the weights, not the biases.
    title : str, optional
        Words above the plot.
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
        If there is nothing to draw, or a parameter is unknown.
    ImportError
        Without matplotlib; the message says how to install it.

    Examples
    --------
    >>> figure = tg.plots.gradients({"W1": [1e-6, 2e-6], "W2": [1e-3, 1e-3]}, title="The first layer hardly learns")
    """
    chosen = _chosen("gradients", watch, "norms", parameters)
    figure, ax = begin(ax)
    _over_time(ax, "gradients", chosen, "norm of the gradient", title=title, log=True)
    return finish(figure, to)


@styled
def update_ratio(
    watch: Series,
    *,
    parameters: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """‖ΔW‖ / ‖W‖ of each layer over the steps, on a logarithmic scale, with a line at 10⁻³ and a band around it.

    Parameters
    ----------
    watch, parameters, title, ax, to
        As in ``gradients``; a mapping has the ratios themselves.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw, or a parameter is unknown.
    ImportError
        Without matplotlib; the message says how to install it.

    Notes
    -----
    Near 10⁻³ is a rule of thumb, of the course CS231n, Stanford: far above, the learning rate is likely too high; far
    below, too low.

    Examples
    --------
    >>> figure = tg.plots.update_ratio({"W1": [2e-3, 1e-3], "W2": [5e-2, 4e-2]})
    """
    chosen = _chosen("update_ratio", watch, "ratios", parameters)
    figure, ax = begin(ax)
    ax.axhline(1e-3, color=INK, linewidth=1.2, linestyle=DASHES[2], zorder=1)
    ax.axhspan(5e-4, 2e-3, color=GREY, alpha=0.15, linewidth=0, zorder=0)
    ax.annotate("10⁻³", (0, 1e-3), xycoords=("axes fraction", "data"), xytext=(4, 2), textcoords="offset points", fontsize=10)
    _over_time(ax, "update_ratio", chosen, "update / weight, in norm", title=title, log=True)
    return finish(figure, to)


@styled
def layer_activations(
    watch: Watch | Mapping[str, Any], *, bins: int = 60, title: str | None = None, to: str | os.PathLike[str] | None = None
) -> Figure:
    """How the activations of each layer are spread: one histogram per layer, the first layer on top.

    Parameters
    ----------
    watch : Watch or mapping of str to array_like
        Whose last step is drawn; or the values themselves, by the name of the layer.
    bins : int
        How many intervals.
    title : str, optional
        Words above the plot.
    to : path, optional
        Also write the figure: .svg, .png or .pdf.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw.
    ImportError
        Without matplotlib; the message says how to install it.

    Notes
    -----
    After figures 4 and 6 of X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010. All histograms have the same intervals; each is scaled to the height of its row.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> layers = {f"layer {k}": np.tanh(random.normal(0, 0.5**k, 500)) for k in range(4)}
    >>> figure = tg.plots.layer_activations(layers)
    """
    who = "layer_activations"
    found = watch.values if isinstance(watch, Watch) else watch
    drawn = {name: finite(values, who, words(name)).reshape(-1) for name, values in found.items()}
    kept = {name: values[~np.isnan(values)] for name, values in drawn.items()}
    everything = np.concatenate([*kept.values(), np.zeros(0)])
    if everything.size == 0:
        raise ValueError(f"{who}: there are no values to draw.")
    low, high = float(everything.min()), float(everything.max())
    edges = np.linspace(low, high, bins + 1) if high > low else np.linspace(low - 0.5, high + 0.5, bins + 1)
    size = (WIDTH, 0.75 + 0.75 * len(kept))
    figure, axes = panels(len(kept), 1, size=size, sharex=True, squeeze=False)
    said: list[str] = []
    for i, (ax, (name, values)) in enumerate(zip(axes[:, 0], kept.items(), strict=True)):
        counts, _ = np.histogram(values, edges)
        share = counts / max(len(values), 1)
        color = ordered(len(kept), i)
        ax.stairs(share, edges, fill=True, color=color, alpha=0.75)
        ax.stairs(share, edges, color=color, linewidth=1.0)
        spread = f"mean {values.mean():#.2g}\nstd {values.std():#.2g}" if len(values) else "no numbers"
        at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center"}
        ax.annotate(words(name), (0, 0.5), xytext=(-8, 0), ha="right", fontsize=12, **at)
        ax.annotate(spread, (1, 0.5), xytext=(8, 0), fontsize=9, color=GREY, **at)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        said += gaps(np.reshape(found[name], -1), drawn[name], words(name))
    label(axes[0, 0], title)
    axes[-1, 0].set_xlabel("activation")
    remark(axes[-1, 0], said)
    return finish(figure, to)


def _chosen(who: str, watch: Series, what: str, parameters: Sequence[str] | None) -> Mapping[str, Sequence[float]]:
    if not isinstance(watch, Watch):
        known: Mapping[str, Sequence[float]] = watch
        names: Sequence[str] = parameters or tuple(watch)
    else:
        known = getattr(watch, what)
        names = parameters or watch.weights or tuple(known)
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"{who}: there is no {', '.join(map(words, missing))}; there are {', '.join(map(words, known))}.")
    return {name: known[name] for name in names}


def _over_time(
    ax: Axes,
    who: str,
    series: Mapping[str, Sequence[float]],
    what: str,
    *,
    title: str | None = None,
    xlabel: str | None = "step",
    log: bool = False,
    height: float = 0.075,
) -> None:
    """One line per layer, from light to dark, with its name where it ends."""
    shown = {name: finite(values, who, words(name)) for name, values in series.items()}
    if not shown or not all(values.ndim == 1 and values.size for values in shown.values()):
        raise ValueError(f"{who}: there are no steps to draw.")
    if log:
        shown = {name: np.where(values > 0, values, np.nan) for name, values in shown.items()}
        ax.set_yscale("log")
    ends: list[tuple[float, str, Any]] = []
    said: list[str] = []
    for i, (name, values) in enumerate(shown.items()):
        color = ordered(len(shown), i)
        alone = "o" if len(values) == 1 else None
        ax.plot(np.arange(len(values)), values, color=color, linestyle=DASHES[i % len(DASHES)], marker=alone)
        said += gaps(series[name], values, words(name))
        last = values[~np.isnan(values)]
        if last.size:
            ends.append((float(last[-1]), words(name), color))
    whole_steps(ax)
    ax.margins(x=0.01)
    grid(ax)
    label(ax, title, xlabel, what)
    remark(ax, said)
    name_lines(ax, ends, height)
