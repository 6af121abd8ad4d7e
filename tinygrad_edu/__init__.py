"""tinygrad_edu: learn and teach backpropagation.

A ``Tensor`` records how it was computed; a sweep in reverse topological order finds every gradient by dynamic
programming; pictures and checks are read from the same record. Start with ``Tensor`` and ``Tensor.backward``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import functions, ops
from .errors import AnomalyError, CompileError, GradientError, ShapeError
from .functions import *  # noqa: F403  # the functions list their public names in __all__
from .gradients import grad, gradients, hessian, jacobian, jvp, value_and_grad, vjp
from .modes import detect_anomaly, enable_grad, no_grad, scope
from .ops import Elementwise as elementwise  # noqa: N813  # called like a function, to define an op
from .tensor import Tensor

if TYPE_CHECKING:
    from . import data, nn, optim, plots, training
    from .check.by_hand import check_by_hand
    from .check.gradcheck import gradcheck
    from .check.sheets import exercise
    from .codegen import source
    from .compiler import compile
    from .derivation import Derivation, derive
    from .drawing.draw import draw
    from .drawing.paths import draw_paths
    from .exporting import export_onnx
    from .graphs import backward_graph, count_paths, graph, name, pretty, scalar_gradients
    from .lessons.lesson import lesson
    from .saving import load, save
    from .training.fit import fit

__version__ = "0.1.0"

__all__ = [
    *functions.__all__,
    "AnomalyError",
    "CompileError",
    "Derivation",
    "GradientError",
    "ShapeError",
    "Tensor",
    "backward_graph",
    "check_by_hand",
    "compile",
    "count_paths",
    "data",
    "derive",
    "detect_anomaly",
    "draw",
    "draw_paths",
    "elementwise",
    "enable_grad",
    "exercise",
    "export_onnx",
    "fit",
    "grad",
    "gradcheck",
    "gradients",
    "graph",
    "hessian",
    "jacobian",
    "jvp",
    "lesson",
    "load",
    "name",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "plots",
    "pretty",
    "save",
    "scalar_gradients",
    "scope",
    "source",
    "training",
    "value_and_grad",
    "vjp",
]

# What only reads a record is imported when it is first used: a training script does not pay for pictures.
_READERS = {
    "backward_graph": "graphs",
    "Derivation": "derivation",
    "check_by_hand": "check",
    "compile": "compiler",
    "count_paths": "graphs",
    "derive": "derivation",
    "draw": "drawing",
    "draw_paths": "drawing",
    "exercise": "check",
    "export_onnx": "exporting",
    "fit": "training",
    "gradcheck": "check",
    "graph": "graphs",
    "lesson": "lessons",
    "load": "saving",
    "name": "graphs",
    "pretty": "graphs",
    "save": "saving",
    "scalar_gradients": "graphs",
    "source": "codegen",
}

# Rooms with names of their own, such as tg.nn.Linear: imported when they are first used, too.
_ROOMS = ("data", "nn", "optim", "plots", "training")


def __getattr__(name: str) -> Any:
    if name in _READERS:
        return getattr(import_module(f"{__name__}.{_READERS[name]}"), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_READERS, *_ROOMS])
