"""tinygrad_edu: learn and teach backpropagation.

A ``Tensor`` records how it was computed; a sweep in reverse topological order finds every gradient by dynamic
programming; pictures and checks are read from the same record. Start with ``Tensor`` and ``Tensor.backward``.
"""

from __future__ import annotations

from . import functions, ops
from .errors import AnomalyError, GradientError, ShapeError
from .functions import *  # noqa: F403  # the functions list their public names in __all__
from .gradients import grad, gradients, hessian, jacobian, jvp, value_and_grad, vjp
from .modes import detect_anomaly, no_grad
from .ops import Elementwise as elementwise  # noqa: N813  # called like a function, to define an op
from .tensor import Tensor

__version__ = "0.1.0"
