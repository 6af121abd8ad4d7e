"""How the plots look: one palette that colour-blind readers can tell apart, and never colour alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..drawing.style import GREY as GREY
from ..drawing.style import INK as INK
from ..drawing.style import PALE_INK
from ..visible import visible

# Okabe and Ito, "Color Universal Design" (2008), in an order in which neighbours differ in lightness too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B5B5B", "#8C4B00", "#4B3A8C", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 2, 1.2, 2)), (0, (9, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
# Of layers or steps, which have an order: from light to dark. Of signed numbers: white is 0.
ORDERED, SIGNED, BAD = "cividis", "PuOr_r", "#D9D9D9"

# On top of matplotlib's own defaults, so that a reader's matplotlibrc changes nothing.
RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "STIXGeneral"],  # both come with matplotlib; the second has 𝓛
    "font.size": 11.0,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.titlepad": 8.0,
    "axes.labelsize": 11.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    # What a reader adds with ax.plot differs in colour and dashes too.
    "axes.prop_cycle": f"cycler(color={list(COLORS[:6])}) + cycler(linestyle={list(DASHES[:6])})",
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "grid.color": PALE_INK,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.7,
    "legend.fontsize": 10.0,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": PALE_INK,
    "legend.fancybox": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "figure.dpi": 100.0,
    "savefig.dpi": 150.0,
    "figure.facecolor": "white",
    "svg.hashsalt": "tinygrad_edu",
    "svg.fonttype": "path",
    "hatch.linewidth": 0.6,
}

LONGEST = 32  # characters of a name: beside a plot there is no room for more


def words(text: object) -> str:
    """Text of the user as matplotlib shows it literally: no formula between dollars, no label that hides itself."""
    shown = visible(str(text))
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
    shown = shown.replace("$", r"\$")
    return "\N{HAIR SPACE}" + shown if shown.startswith("_") else shown


def ordered(count: int, i: int) -> Any:
    """The colour of number i of ``count`` in an order: cividis without its palest end, which is lost on white."""
    import matplotlib

    return matplotlib.colormaps[ORDERED](0.72 * (1 - i / max(count - 1, 1)))


def readable(color: Any) -> Any:
    """The colour, as dark as text in it has to be on white.

    Notes
    -----
    The Web Content Accessibility Guidelines 2.2 ask for a contrast of 4.5 : 1: 1.05 / (luminance + 0.05).
    """
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(color))
    while 1.05 / (_luminance(rgb) + 0.05) < 4.5:
        rgb = 0.97 * rgb
    return tuple(rgb)


def _luminance(rgb: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def line(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th of some lines without an order."""
    return {"color": COLORS[i % len(COLORS)], "linestyle": DASHES[i % len(DASHES)]}


def finite(values: object, who: str, what: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The numbers as float64, with NaN for all that cannot be drawn."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{who}: {what} is not an array of numbers: {error}") from None
    return np.where(np.isfinite(array), array, np.nan)
