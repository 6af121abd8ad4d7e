"""Programs that compute what was recorded: planned memory, no allocation, Python's own floats for single numbers."""

from .picture import Plan
from .step import CompiledStep, compile

__all__ = ["CompiledStep", "Plan", "compile"]
