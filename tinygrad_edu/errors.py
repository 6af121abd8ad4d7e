"""The exceptions of this library. Each is also the exception that NumPy would raise in its place."""

from __future__ import annotations


class ShapeError(ValueError):
    """Shapes do not fit together. The message shows every operand, the rule that was broken, and what would work."""


class GradientError(ValueError):
    """There is no such gradient: not a scalar, not recorded, or not on the way to the result."""


class AnomalyError(FloatingPointError):
    """Under ``detect_anomaly()``: an operation made the first NaN or infinity."""


class CompileError(ValueError):
    """A function cannot be compiled: it is not the same computation at every call, or the program does not agree with it."""
