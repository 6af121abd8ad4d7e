"""Where a classifier decides for which class: over the plane, still or in motion."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..files import write_file
from ..modes import no_grad
from ..tensor import Tensor
from .canvas import begin, finish, label, panels, remark, styled
from .style import BAD, COLORS, INK, MARKERS, finite, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]
Predict = Callable[[Any], Any]

CHUNK = 4096  # points that are asked for at once
SIZE = (5.2, 4.4)


@styled
def decision_boundary(
    predict: Predict,
    x: Any,
    y: Any,
    *,
    output: str = "logits",
    classes: Iterable[str] | None = None,
    resolution: int = 200,
    margin: float = 0.15,
    legend: bool = True,
    xlabel: str = "x₀",
    ylabel: str = "x₁",
    title: str | None = None,
    ax: Axes | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Figure:
    """The plane in the colours of the classes, the paler the less sure; a line where two are equally likely.

    Parameters
    ----------
    predict : Module or callable
        From a Tensor (M, 2) to (M,) or (M, 1) for two classes, or to (M, C). It is called without recording, 4096 points
        at a time; a Module is put into the mode of evaluation meanwhile.
    x : array_like, shape (N, 2)
        The points.
    y : array_like, shape (N,) or (N, 1)
        Their classes, integers from 0.
    output : {"logits", "probabilities"}
        What predict gives. The line is where the probability is ½: where the logit is 0.
    classes : iterable of str, optional
        Names of the classes.
    resolution : int
        Points of the grid in each direction.
    margin : float
        How much of the plane to show around the points, as a share of their extent.
    legend : bool
        Name the classes beside the plot.
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
        If x, y or what predict gives has another shape.
    ValueError
        If y is not classes, or an option is unknown.
    ImportError
        Without matplotlib; the message says how to install it.

    Examples
    --------
    >>> x, y = tg.data.xor(40)
    >>> def predict(p):
    ...     return 20 * (p[:, 0] - 0.5) * (0.5 - p[:, 1])
    >>> figure = tg.plots.decision_boundary(predict, x, y, title="Exclusive or")
    """
    points = _points(x, y, classes, margin)
    shares = _shares(predict, points, output, resolution)
    figure, ax = begin(ax, SIZE)
    label(ax, title, xlabel, ylabel)
    _draw(ax, points, shares, legend)
    return finish(figure, to)


class Animation:
    """A GIF: ``data`` has its bytes, ``frames`` how many pictures it has. It shows itself in Jupyter."""

    def __init__(self, data: bytes, frames: int) -> None:
        self.data, self.frames = data, frames

    def __repr__(self) -> str:
        return f"Animation({self.frames} frames, {len(self.data):,} bytes)"

    def _repr_html_(self) -> str:
        code = base64.b64encode(self.data).decode()
        return f'<img src="data:image/gif;base64,{code}" alt="{html.escape(repr(self))}">'


@styled
def decision_animation(
    frames: Iterable[Predict | tuple[str, Predict]],
    x: Any,
    y: Any,
    *,
    output: str = "logits",
    classes: Iterable[str] | None = None,
    resolution: int = 120,
    margin: float = 0.15,
    fps: float = 8.0,
    to: str | os.PathLike[str] | None = None,
) -> Animation:
    """``decision_boundary`` as it moves during training, as a GIF.

    Parameters
    ----------
    frames : iterable of predict, or of (title, predict)
        Each is asked as soon as it is handed over: a generator may train between two frames and give the same model
        again and again.
    x, y, output, classes, resolution, margin
        As in ``decision_boundary``.
    fps : float
        Pictures per second. The last one stays for two seconds.
    to : path, optional
        Also write the GIF.

    Returns
    -------
    Animation

    Raises
    ------
    ShapeError, ValueError, ImportError
        As ``decision_boundary``; ValueError also if there are no frames, or the file does not end in .gif.

    Examples
    --------
    >>> x, y = tg.data.moons(40)
    >>> w = tg.Tensor([0.0, 0.0], requires_grad=True)
    >>> def training():
    ...     for step in range(3):
    ...         yield f"step {step}", lambda p: p @ w
    ...         w.zero_grad()
    ...         tg.binary_cross_entropy_with_logits(x @ w, y).backward()
    ...         w.data -= w.grad
    >>> tg.plots.decision_animation(training(), x, y, resolution=20)
    Animation(3 frames, ... bytes)
    """
    if to is not None and not os.fspath(to).lower().endswith(".gif"):
        raise ValueError(f"decision_animation: cannot write {os.fspath(to)!r}: end it in .gif.")
    if not fps > 0:
        raise ValueError(f"decision_animation: fps is {fps}: it is more than 0.")
    points = _points(x, y, classes, margin)
    figure, ax = panels(size=SIZE)
    pictures: list[Any] = []
    for frame in frames:
        title, predict = frame if isinstance(frame, tuple) else ("", frame)
        ax.clear()
        label(ax, title or " ", "x₀", "x₁")  # the first frame leaves room for the titles of all
        _draw(ax, points, _shares(predict, points, output, resolution))
        pictures.append(_pixels(figure, len(points.names)))
        figure.set_layout_engine("none")  # what stands still must not jump
    if not pictures:
        raise ValueError("decision_animation: no frames: there is nothing to draw.")
    stays = [round(1000 / fps)] * (len(pictures) - 1) + [2000]
    buffer = io.BytesIO()
    first, *others = pictures
    first.save(buffer, format="GIF", save_all=True, append_images=others, duration=stays, loop=0)
    if to is not None:
        write_file(to, buffer.getvalue())
    return Animation(buffer.getvalue(), len(pictures))


def _pixels(figure: Any, classes: int) -> Any:
    """What the figure shows, in 256 colours that are the same in every frame: from white to each class and to black."""
    from matplotlib.colors import to_rgb
    from PIL import Image  # matplotlib needs it too

    ends = [*COLORS[:classes], INK, "black"]
    # Nothing between white and the palest tint: Pillow, which looks up colours to 3 bits less, would take it for white.
    strengths = np.r_[0, np.linspace(0.1, 1, 256 // len(ends) - 1)][:, None]
    table = np.concatenate([1 - strengths * (1 - np.array(to_rgb(end))) for end in ends])
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * table).round().astype(np.uint8).tobytes())
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


class Points(NamedTuple):
    """What does not change from frame to frame."""

    x: Array
    y: Array
    names: list[str]
    box: tuple[float, float, float, float]


def _points(x: Any, y: Any, classes: Iterable[str] | None, margin: float) -> Points:
    who = "decision_boundary"
    x, y = finite(x, who, "x"), finite(y, who, "y")
    if x.ndim != 2 or x.shape[1] != 2 or len(x) == 0:
        hint = "\n  Try: two of the columns, x[:, [0, 1]]" if x.ndim == 2 and x.shape[1] > 2 else ""
        raise ShapeError(f"{who}: x has shape {x.shape}: a plane needs (N, 2).{hint}")
    if y.shape not in ((len(x),), (len(x), 1)):
        raise ShapeError(f"{who}: x has shape {x.shape} and y {y.shape}: give one class per point, ({len(x)},).")
    y = y.reshape(-1)
    if np.isnan(x).any():
        raise ValueError(f"{who}: {int(np.isnan(x).any(axis=1).sum())} of the points are not finite.")
    if np.isnan(y).any() or (y != y.round()).any() or (y < 0).any():
        raise ValueError(f"{who}: y is not classes: they are integers from 0.")
    y = y.astype(int)
    known = max(int(y.max()) + 1, 2)
    names = [f"class {k}" for k in range(known)] if classes is None else [str(name) for name in classes]
    if len(names) < known:
        raise ValueError(f"{who}: y has classes up to {known - 1}, but there are {len(names)} names.")
    low, high = x.min(axis=0), x.max(axis=0)
    room = margin * np.where(high > low, high - low, 1.0)
    (left, bottom), (right, top) = low - room, high + room
    return Points(x, y, names, (float(left), float(right), float(bottom), float(top)))


def _shares(predict: Predict, points: Points, output: str, resolution: int) -> Array:
    """The probability of each class at each point of the grid, (rows, columns, C)."""
    who = "decision_boundary"
    if output not in ("logits", "probabilities"):
        raise ValueError(f"{who}: output is {output!r}: it is 'logits' or 'probabilities'.")
    if resolution < 2:
        raise ValueError(f"{who}: resolution is {resolution}: at least 2.")
    left, right, bottom, top = points.box
    grid = np.stack(np.meshgrid(np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)), axis=-1)
    flat = grid.reshape(-1, 2)
    with no_grad(), _evaluating(predict):
        parts = [np.asarray(predict(Tensor(flat[start : start + CHUNK]))) for start in range(0, len(flat), CHUNK)]
    sizes = [len(flat[start : start + CHUNK]) for start in range(0, len(flat), CHUNK)]
    if any(part.ndim not in (1, 2) or len(part) != size or part.size == 0 for part, size in zip(parts, sizes, strict=True)):
        m = sizes[0]
        raise ShapeError(
            f"{who}: for points ({m}, 2) predict gives shape {parts[0].shape}: it must be ({m},), ({m}, 1) or ({m}, C)."
        )
    u = np.concatenate([part.reshape(len(part), -1) for part in parts]).astype(float)
    if u.shape[1] == 1:
        with np.errstate(over="ignore"):
            p = 1 / (1 + np.exp(-u)) if output == "logits" else u
        p = np.concatenate([1 - p, p], axis=1)
    elif output == "logits":
        with np.errstate(invalid="ignore"):
            p = np.exp(u - u.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
    else:
        p = u
    if output == "probabilities" and (np.nanmin(p, initial=0.0) < -1e-6 or np.nanmax(p, initial=1.0) > 1 + 1e-6):
        least, most = np.nanmin(u), np.nanmax(u)
        raise ValueError(f'{who}: predict gives {least:.3g} to {most:.3g}: probabilities are 0 to 1.\n  Try: output="logits"')
    if p.shape[1] <= points.y.max():
        raise ShapeError(f"{who}: predict gives {p.shape[1]} classes, but y has class {points.y.max()}.")
    return p.reshape(resolution, resolution, -1)


@contextmanager
def _evaluating(predict: Any) -> Iterator[None]:
    """A module in the mode of evaluation; afterwards each of its parts is in the mode in which it was."""
    if not (hasattr(predict, "eval") and hasattr(predict, "modules")):
        yield
        return
    before = [(module, module.training) for module in predict.modules()]
    predict.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _draw(ax: Axes, points: Points, shares: Array, legend: bool = True) -> None:
    from matplotlib.colors import to_rgb

    left, right, bottom, top = points.box
    count = shares.shape[2]
    palette = np.array([to_rgb(COLORS[k % len(COLORS)]) for k in range(count)])
    bad = np.isnan(shares).any(axis=2)
    winner = np.where(bad, 0, np.nan_to_num(shares).argmax(axis=2))
    surest = np.take_along_axis(np.nan_to_num(shares), winner[..., None], axis=2)
    # From white where all are equally likely to a tint, on which the points can still be seen.
    strength = 0.1 + 0.4 * np.clip((surest - 1 / count) / (1 - 1 / count), 0, 1)
    image = 1 - strength * (1 - palette[winner])
    image[bad] = to_rgb(BAD)
    ax.imshow(image, extent=(left, right, bottom, top), origin="lower", aspect="auto", interpolation="nearest", zorder=0)
    rows, columns = shares.shape[:2]
    across, up = np.linspace(left, right, columns), np.linspace(bottom, top, rows)
    for k in range(1 if count == 2 else 0, count):
        others = np.delete(shares, k, axis=2).max(axis=2)
        lead = np.where(bad, np.nan, shares[..., k] - others)
        if np.nanmin(lead, initial=0) < 0 < np.nanmax(lead, initial=0):
            ax.contour(across, up, np.ma.masked_invalid(lead), [0.0], colors=[INK], linewidths=1.4, zorder=2)
    for k in range(int(points.y.max()) + 1):
        mine = points.x[points.y == k]
        look: dict[str, Any] = {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)], "edgecolors": "white"}
        look["s"] = 34 if len(points.x) <= 400 else 16
        ax.scatter(mine[:, 0], mine[:, 1], linewidths=0.7, label=words(points.names[k]), zorder=3, **look)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    if bad.any():
        remark(ax, [f"predictions that are not finite ({100 * bad.mean():.0f}\N{NO-BREAK SPACE}% of the plane, grey)"])
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, handletextpad=0.2)
