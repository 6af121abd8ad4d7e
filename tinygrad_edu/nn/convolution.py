"""Conv2d: the same weighted sum over every window of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError
from ..explain import message, spell
from ..functions.rearrangement import pad
from ..record import TensorLike
from ..settings import size
from ..tensor import Tensor, as_tensor
from .arguments import initial, pair, parameter
from .init import Initializer, Seed
from .module import Module
from .windows import windows


class Conv2d(Module):
    """y_nohw = Σ_cij x_(n, c, h s + i, w s + j) K_ocij + b_o: a cross-correlation, which the field calls convolution.

    Shapes: x (N, in, H, W), K (out, in, kh, kw), b (out,), y (N, out, H', W'), H' = ⌊(H + 2 padding − kh) / stride⌋ + 1.

    Parameters
    ----------
    in_channels, out_channels : int
        How many channels an image has before and after.
    kernel_size : int or pair of int
        The height and width of a window.
    stride : int or pair of int
        How far windows are apart.
    padding : int or pair of int
        How many zeros there are at each border.
    bias : bool
        Whether b is there.
    init : "auto" or callable
        As in :class:`Linear`; fan in is in · kh · kw.
    seed, dtype
        As in :class:`Linear`.

    Attributes
    ----------
    weight, bias : Tensor
        K and b, in PyTorch's order of axes.

    Raises
    ------
    ShapeError
        When called with x that is not (N, in, H, W), or smaller than the kernel.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> layer = tg.nn.Conv2d(1, 4, 3, padding=1, seed=0)
    >>> layer
    Conv2d(1, 4, 3×3, padding=1×1)  weight (4, 1, 3, 3), bias (4,)  40 parameters
    >>> layer(np.zeros((5, 1, 8, 8))).shape
    (5, 4, 8, 8)
    """

    symbols: ClassVar[Mapping[str, str]] = {"weight": "K", "bias": "b"}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        bias: bool = True,
        *,
        init: str | Initializer = "auto",
        seed: Seed = None,
        dtype: Any = np.float64,
    ) -> None:
        self.in_channels = size("Conv2d", "in_channels", in_channels)
        self.out_channels = size("Conv2d", "out_channels", out_channels)
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size)
        self.stride = pair("Conv2d", "stride", stride)
        self.padding = pair("Conv2d", "padding", padding, least=0)
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        self.weight = parameter(initial("Conv2d", shape, init, seed, dtype), "K")
        self.bias = parameter(np.zeros(self.out_channels, dtype), "b") if bias else None

    def forward(self, x: TensorLike) -> Tensor:
        """Σ_cij x_(n, c, h s + i, w s + j) K_ocij + b_o."""
        x = as_tensor(x)
        who = f"Conv2d({self.extra_repr()})"
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            rule = f"x must be (N, {self.in_channels}, height, width)."
            raise ShapeError(message(who, (x, self.weight), "x does not fit", rule, _tries(x, self.in_channels), ("x", "weight")))
        (top, left), padded = self.padding, x
        if top or left:
            padded = pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
        seen = windows(who, x, padded, self.kernel_size, self.stride, self.padding)
        height, width = seen.shape[2:4]
        rows = seen.transpose(0, 2, 3, 1, 4, 5).reshape(-1, self.weight.size // self.out_channels)  # a window in each row
        y = rows @ self.weight.reshape(self.out_channels, -1).T  # one matrix product, which is much faster than einsum
        if self.bias is not None:
            y = y + self.bias
        return y.reshape(-1, height, width, self.out_channels).transpose(0, 3, 1, 2)

    def extra_repr(self) -> str:
        """The channels and the kernel; stride and padding if they are not 1 and 0."""
        text = f"{self.in_channels}, {self.out_channels}, {self.kernel_size[0]}×{self.kernel_size[1]}"
        text += f", stride={self.stride[0]}×{self.stride[1]}" if self.stride != (1, 1) else ""
        text += f", padding={self.padding[0]}×{self.padding[1]}" if self.padding != (0, 0) else ""
        return text + ("" if self.bias is not None else ", bias=False")


def _tries(x: Tensor, channels: int) -> list[tuple[str, tuple[int, ...]]]:
    """How images without an axis for the channels or for the examples, or with the channels last, can be given."""
    s = x.shape
    ways = [
        ("[:, None]", (*s[:1], 1, *s[1:])),
        ("[None]", (1, *s)),
        ("[None, None]", (1, 1, *s)),
        (".transpose(0, 3, 1, 2)", (*s[:1], *s[3:], *s[1:3])),
    ]
    return [(f"{spell(x, 'x')}{way}", shape) for way, shape in ways if len(shape) == 4 and shape[1] == channels]
