"""Dropout: in training, some numbers are set to 0 by chance."""

from __future__ import annotations

import numpy as np

from ..errors import CompileError
from ..modes import MODES, is_tracing
from ..record import TensorLike
from ..settings import number
from ..tensor import Tensor, as_tensor
from .init import Seed
from .module import Module


class Dropout(Module):
    """y = x ∗ m / (1 − p), each m 0 with probability p, else 1; in evaluation y = x.

    Parameters
    ----------
    p : float
        The probability of a 0, at least 0 and below 1.
    seed : int or Generator, optional
        Where the masks come from. ``random_state`` of the model tells where it is.

    Raises
    ------
    TypeError, ValueError
        For another p.
    CompileError
        In training, inside of ``tg.compile``: a program is recorded once, and would have the same mask at every call.

    Notes
    -----
    The division keeps the mean: E[y] = x, so that nothing is left to do in evaluation ("inverted" dropout; Srivastava et al.
    2014 multiply by 1 − p in evaluation instead).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> drop = tg.nn.Dropout(0.5, seed=0)
    >>> sorted(set(drop(np.ones(100)).tolist()))
    [0.0, 2.0]
    >>> drop.eval()(np.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, *, seed: Seed = None) -> None:
        self.p = number("Dropout", "p", p, below=1)
        self.rng = np.random.default_rng(seed)

    def forward(self, x: TensorLike) -> Tensor:
        """x ∗ m / (1 − p) in training, else x."""
        x = as_tensor(x)
        if not self.training or not self.p:
            return x
        if MODES.get() and is_tracing():
            raise CompileError(
                "compile: Dropout draws another mask at every call, and a program is recorded once.\n"
                "  Try: model.eval() for a program that predicts; for training, a loop that calls the model and L.backward()"
            )
        kept = self.rng.random(x.shape) >= self.p
        scale = np.dtype(x.dtype if x.dtype.kind == "f" else float).type(1 / (1 - self.p))
        return x * Tensor(kept * scale, name="mask")

    def extra_repr(self) -> str:
        """The probability."""
        return f"{self.p:g}"
