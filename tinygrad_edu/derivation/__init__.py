"""The derivation of a gradient, step by step, in index notation and in matrix form."""

from .derivation import Derivation, Section, Step
from .writer import derive

__all__ = ["Derivation", "Section", "Step", "derive"]
