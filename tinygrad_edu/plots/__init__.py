"""Plots of a training, with matplotlib (the extra ``plots``), which is imported when the first one is drawn.

Each function gives a matplotlib figure, which shows itself in Jupyter and can be changed further; ``to="f.svg"`` also
writes it. ``ax=`` draws on axes of a figure that is there already: see ``panels``. Same numbers, same bytes.
"""

from .boundary import Animation, decision_animation, decision_boundary
from .canvas import panels
from .curves import loss_curve
from .descent import path
from .differences import Differences, difference_curve, difference_errors
from .layers import activations, gradients, layer_activations, update_ratio
from .maps import heatmap, images, parameter_map
from .watch import Watch

__all__ = [
    "Animation",
    "Differences",
    "Watch",
    "activations",
    "decision_animation",
    "decision_boundary",
    "difference_curve",
    "difference_errors",
    "gradients",
    "heatmap",
    "images",
    "layer_activations",
    "loss_curve",
    "panels",
    "parameter_map",
    "path",
    "update_ratio",
]
