"""Flatten: several axes as one."""

from __future__ import annotations

import math

from ..methods import normalize_axes
from ..record import TensorLike
from ..tensor import Tensor, as_tensor
from .module import Module


class Flatten(Module):
    """The same numbers with all axes from ``start`` on as one: images (N, C, H, W) as rows (N, C·H·W).

    ``Flatten(0)`` makes (N, 1) an (N,), as the losses want it for targets of shape (N,).

    Parameters
    ----------
    start_dim : int
        The first axis that is flattened.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nn.Flatten()(np.zeros((5, 1, 8, 8))).shape, tg.nn.Flatten(0)(np.zeros((5, 1))).shape
    ((5, 64), (5,))
    """

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = start_dim

    def forward(self, x: TensorLike) -> Tensor:
        """Axes from ``start`` on as one."""
        x = as_tensor(x)
        if not x.ndim:
            return x.reshape(1)
        (start,) = normalize_axes(x, (self.start_dim,), "Flatten")
        return x.reshape((*x.shape[:start], math.prod(x.shape[start:])))

    def extra_repr(self) -> str:
        """The first axis if it is not 1."""
        return "" if self.start_dim == 1 else str(self.start_dim)
