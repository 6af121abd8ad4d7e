"""The V-curve: why a finite difference is never exact, whatever its step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..gradients import gradients
from ..modes import enable_grad, no_grad
from ..record import TensorLike
from ..tensor import Tensor
from .canvas import begin, finish, grid, label, remark, styled
from .style import COLORS, DASHES, GREY, INK, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[np.float64]]


class Differences(NamedTuple):
    """What finite differences are off by, for each step size.

    Attributes
    ----------
    h : ndarray
        The step sizes, from 1 down to 10⁻¹⁶.
    forward, central : ndarray
        |D(h) − exact| of (f(x + h v) − f(x)) / h, and of (f(x + h v) − f(x − h v)) / 2h.
    exact : float
        The derivative by the engine.
    value : float
        f(x), whose rounding is divided by h.
    """

    h: Array
    forward: Array
    central: Array
    exact: float
    value: float

    @property
    def best(self) -> float:
        """The step size of the central difference that is off by least."""
        return float(self.h[np.nanargmin(self.central)])


def difference_errors(f: Callable[..., Tensor], inputs: Sequence[TensorLike] | TensorLike, *, seed: int = 0) -> Differences:
    """|D(h) − vᵀ∇f(x)| for steps h from 1 to 10⁻¹⁶ along a random direction v of length 1.

    Parameters
    ----------
    f : callable
        From Tensors to a scalar Tensor.
    inputs : sequence of array_like or Tensor
        The arguments of f: a list or tuple with one item for each, or a single array. They are raised to float64.
    seed : int
        Of the direction. A single number has no choice: v is 1.

    Returns
    -------
    Differences
        ``h``, ``forward``, ``central``, ``exact``, ``best``.

    Raises
    ------
    ValueError
        If f does not give one number, or it is not finite.

    Examples
    --------
    >>> errors = tg.plots.difference_errors(tg.exp, [1.0])
    >>> errors.exact
    2.718281828459045
    >>> 1e-7 < errors.best < 1e-4
    True
    """
    items = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if not items:
        raise ValueError("difference_errors: there are no inputs.\n  Try: [x]")
    arrays = [np.array(t.data if isinstance(t, Tensor) else t, dtype=np.float64) for t in items]
    random = np.random.default_rng(seed)
    sizes = [array.size for array in arrays]
    direction = random.standard_normal(sum(sizes)) if sum(sizes) > 1 else np.ones(sum(sizes))
    direction /= np.linalg.norm(direction)
    parts = np.split(direction, np.cumsum(sizes)[:-1])
    along = [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]
    with enable_grad():
        leaves = [Tensor(array, requires_grad=True) for array in arrays]
        y = f(*leaves)
        if not isinstance(y, Tensor) or y.size != 1:
            what = f"shape {y.shape}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
            raise ValueError(f"difference_errors: f gives {what}: it must be one number.\n  Try: lambda *x: f(*x).sum()")
        y = y.reshape(())
        exact = sum(float(np.sum(g.numpy() * v)) for g, v in zip(gradients(y, leaves), along, strict=True))
    value = float(y.item())
    if not np.isfinite([value, exact]).all():
        raise ValueError(
            f"difference_errors: f is {value} there and its derivative {exact}: choose a point where both are finite."
        )

    def moved(h: float) -> float:
        with no_grad(), np.errstate(all="ignore"):  # far away f may have no value: a gap in the curve
            return float(f(*(Tensor(array + h * v) for array, v in zip(arrays, along, strict=True))).reshape(()).item())

    # Powers of 2 near a quarter of a decade apart: x ± h is then as exact as can be.
    h = 2.0 ** np.round(np.linspace(0, np.log2(1e-16), 65))
    h = np.unique(h)[::-1]
    ahead, behind = np.array([moved(step) for step in h]), np.array([moved(-step) for step in h])
    with np.errstate(invalid="ignore"):
        forward, central = np.abs((ahead - value) / h - exact), np.abs((ahead - behind) / (2 * h) - exact)
    return Differences(h, forward, central, exact, value)


@styled
def difference_curve(
    f: Callable[..., Tensor],
    inputs: Sequence[TensorLike] | TensorLike,
    *,
    seed: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """The error of finite differences against the step h, both logarithmic: truncation falls to the left, rounding rises.

    Parameters
    ----------
    f, inputs, seed
        As in ``difference_errors``.
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
        If f does not give one number, or it is not finite.
    ImportError
        Without matplotlib; the message says how to install it.

    Notes
    -----
    Forward differences are off by O(h) + O(ε/h), central ones by O(h²) + O(ε/h), with ε = 2.2·10⁻¹⁶ in float64; the sums
    are least near ε^(1/2) and ε^(1/3). See W. H. Press et al., Numerical Recipes, section 5.7. An error of exactly 0 is
    a gap, which is counted under the plot.

    Examples
    --------
    >>> figure = tg.plots.difference_curve(lambda x: tg.exp(x) * tg.sin(x), [1.0])
    """
    errors = difference_errors(f, inputs, seed=seed)
    figure, ax = begin(ax, (6.4, 4.4))
    ax.set_xscale("log")
    ax.set_yscale("log")
    eps = float(np.finfo(float).eps)
    for i, (name, values) in enumerate((("forward", errors.forward), ("central", errors.central))):
        shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        look: dict[str, Any] = {"color": COLORS[1 - i], "marker": MARKERS[1 - i], "markersize": 4.5, "linewidth": 1.2}
        ax.plot(errors.h, shown, label=f"{name} difference", linestyle="-" if i else DASHES[1], **look)
        _slope(ax, errors.h, shown, i + 1, "O(h²)" if i else "O(h)")
    positive = [v[(v > 0) & np.isfinite(v)] for v in (errors.forward, errors.central)]
    low, high = (float(bound) for bound in (np.concatenate(positive).min(initial=1), np.concatenate(positive).max(initial=eps)))
    ax.set_ylim(low / 6, high * 6)
    rounding = eps * max(abs(errors.value), eps) / errors.h
    inside = (errors.h < 1e-8) & (rounding < high * 3)
    if inside.sum() > 1:
        ax.plot(errors.h[inside], rounding[inside], color=GREY, linestyle=DASHES[2], linewidth=1.4, zorder=1)
        at = int(np.flatnonzero(inside)[inside.sum() // 2])
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "va": "bottom", "color": INK}
        ax.annotate("ε |f| / h", (errors.h[at], rounding[at]), xytext=(5, 4), **place)
    best = errors.best
    least = float(errors.central[errors.h == best][0])
    if least > 0:
        arrow: dict[str, Any] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.8}
        at_left: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "center", "arrowprops": arrow}
        ax.annotate(f"best: h = {best:.0e}", (best, least), xytext=(-52, 4), fontsize=10, **at_left)
    grid(ax)
    label(ax, title, "step h", "error of the derivative")
    exactly = sum(int(np.count_nonzero(v == 0)) for v in (errors.forward, errors.central))
    remark(ax, [f"{exactly} errors that are 0"] if exactly else [])
    ax.legend(loc="upper center")
    return finish(figure, to)


def _slope(ax: Axes, h: Array, values: Array, power: int, name: str) -> None:
    """A straight line a little under the error at a step of 1/16, with the slope that theory gives it."""
    start = int(np.argmin(np.abs(h - 1 / 16)))
    if np.isnan(values[start]):
        return
    steps = h[(h <= 1) & (h > (1e-8 if power == 1 else 1e-5))]
    guide = values[start] / 5 * (steps / h[start]) ** power
    ax.plot(steps, guide, color=GREY, linestyle=DASHES[2], linewidth=1.4, zorder=1)
    at = int(len(steps) * 0.62)
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "va": "top", "color": INK}
    ax.annotate(name, (steps[at], guide[at]), xytext=(6, -1), **place)
