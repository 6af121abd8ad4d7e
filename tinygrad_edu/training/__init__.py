"""The training loop, its history, and its checkpoint."""

from .fit import fit
from .history import History
from .metrics import accuracy

__all__ = ["History", "accuracy", "fit"]
