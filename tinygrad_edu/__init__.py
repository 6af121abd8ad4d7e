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
    from .check.gradcheck import gradcheck
    from .codegen import source
    from .compiler import compile
    from .derivation import Derivation, derive
    from .drawing.draw import draw
    from .drawing.paths import draw_paths
    from .exporting import export_onnx
    from .graphs import backward_graph, count_paths, graph, name, pretty, scalar_gradients

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
    "compile",
    "count_paths",
    "derive",
    "detect_anomaly",
    "draw",
    "draw_paths",
    "elementwise",
    "enable_grad",
    "export_onnx",
    "grad",
    "gradcheck",
    "gradients",
    "graph",
    "hessian",
    "jacobian",
    "jvp",
    "name",
    "no_grad",
    "ops",
    "pretty",
    "scalar_gradients",
    "scope",
    "source",
    "value_and_grad",
    "vjp",
]

# What only reads a record is imported when it is first used: a training script does not pay for pictures.
_READERS = {
    "backward_graph": "graphs",
    "Derivation": "derivation",
    "compile": "compiler",
    "count_paths": "graphs",
    "derive": "derivation",
    "draw": "drawing",
    "draw_paths": "drawing",
    "export_onnx": "exporting",
    "gradcheck": "check",
    "graph": "graphs",
    "name": "graphs",
    "pretty": "graphs",
    "scalar_gradients": "graphs",
    "source": "codegen",
}


def __getattr__(name: str) -> Any:
    if name in _READERS:
        return getattr(import_module(f"{__name__}.{_READERS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_READERS])
