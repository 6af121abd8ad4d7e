"""Pooling: one number for each window of an image, the largest or the mean."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ShapeError
from ..explain import message
from ..record import TensorLike
from ..tensor import Tensor, as_tensor
from .arguments import pair
from .module import Module
from .windows import windows

__all__ = ["AvgPool2d", "MaxPool2d"]


class MaxPool2d(Module):
    """y_nchw = max_ij x_(n, c, h s + i, w s + j): the largest number of each window.

    Shapes: x (N, C, H, W), y (N, C, H', W'), H' = ⌊(H − size) / stride⌋ + 1.

    Parameters
    ----------
    kernel_size : int or pair of int
        The height and width of a window.
    stride : int or pair of int, optional
        How far windows are apart; by default side by side.

    Raises
    ------
    ShapeError
        When called with x that does not have 4 axes, or is smaller than a window.

    Notes
    -----
    Where several numbers of a window tie, each receives an equal part of the gradient; in PyTorch the first receives all.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    def __init__(self, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None) -> None:
        who = type(self).__name__
        self.kernel_size = pair(who, "kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair(who, "stride", stride)

    def forward(self, x: TensorLike) -> Tensor:
        """max_ij x_(n, c, h s + i, w s + j)."""
        return self._windows(x).max((4, 5))

    def _windows(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        who = f"{type(self).__name__}({self.extra_repr()})"
        if x.ndim != 4:
            raise ShapeError(message(who, (x,), "x does not fit", "x must be (N, channels, height, width)."))
        return windows(who, x, x, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        """The window; the stride if windows are not side by side."""
        text = f"{self.kernel_size[0]}×{self.kernel_size[1]}"
        return text + (f", stride={self.stride[0]}×{self.stride[1]}" if self.stride != self.kernel_size else "")


class AvgPool2d(MaxPool2d):
    """y_nchw = mean_ij x_(n, c, h s + i, w s + j): the mean of each window. Arguments and shapes as in :class:`MaxPool2d`.

    >>> tg.nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    def forward(self, x: TensorLike) -> Tensor:
        """mean_ij x_(n, c, h s + i, w s + j)."""
        return self._windows(x).mean((4, 5))
