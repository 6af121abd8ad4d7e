"""Linear: u = x W + b."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError
from ..explain import message, spell
from ..record import TensorLike
from ..settings import size
from ..tensor import Tensor, as_tensor
from .arguments import initial, parameter
from .init import Initializer, Seed
from .module import Module


class Linear(Module):
    """u = x W + b: each output is a sum of all inputs, weighted, and a bias.

    Shapes: x (..., in), W (in, out), b (out,), u (..., out).

    Parameters
    ----------
    in_features, out_features : int
        How many numbers an example has before and after.
    bias : bool
        Whether b is there.
    init : "auto" or callable
        ``init(shape, rng)`` gives the first W. By default :func:`tg.nn.init.xavier_uniform`, which is for tanh, sigmoid and
        outputs; for relu take :func:`tg.nn.init.he_normal`. b starts at 0.
    seed : int or Generator, optional
        Where the random numbers come from. The same int gives the same numbers; one Generator for several layers gives each
        its own.
    dtype : numpy dtype
        Of the parameters.

    Attributes
    ----------
    weight, bias : Tensor
        W and b; ``bias`` is None without one. **PyTorch's weight is (out, in), this one (in, out)**, as in u = x W + b.

    Raises
    ------
    ShapeError
        When called with x whose last axis is not ``in_features``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> layer = tg.nn.Linear(2, 3, seed=0)
    >>> layer
    Linear(2, 3)  weight (2, 3), bias (3,)  9 parameters
    >>> layer([[1.0, 0.0]]).tolist() == [layer.weight.tolist()[0]]
    True
    """

    symbols: ClassVar[Mapping[str, str]] = {"weight": "W", "bias": "b"}

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: str | Initializer = "auto",
        seed: Seed = None,
        dtype: Any = np.float64,
    ) -> None:
        self.in_features = size("Linear", "in_features", in_features)
        self.out_features = size("Linear", "out_features", out_features)
        self.weight = parameter(initial("Linear", (self.in_features, self.out_features), init, seed, dtype), "W")
        self.bias = parameter(np.zeros(self.out_features, dtype), "b") if bias else None

    def forward(self, x: TensorLike) -> Tensor:
        """x W + b."""
        x = as_tensor(x)
        if x.shape[-1:] != (self.in_features,):
            rule = f"the last axis of x must be in_features, {self.in_features}."
            turned = x.ndim == 2 and x.shape[0] == self.in_features
            tries = [(f"layer({spell(x, 'x')}.T)", (x.shape[1], self.out_features))] if turned else []
            raise ShapeError(
                message(f"Linear({self.extra_repr()})", (x, self.weight), "x does not fit", rule, tries, ("x", "weight"))
            )
        u = x @ self.weight
        return u if self.bias is None else u + self.bias

    def extra_repr(self) -> str:
        """``in, out``."""
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")
