"""Windows of images: (N, C, H, W) as (N, C, H', W', kh, kw), and the message when there are none."""

from __future__ import annotations

from ..errors import ShapeError
from ..explain import message
from ..functions.rearrangement import sliding_window_view
from ..tensor import Tensor

Pair = tuple[int, int]


def windows(who: str, x: Tensor, padded: Tensor, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Tensor:
    """Every stride-th window of the padded images; a view, not a copy.

    Raises
    ------
    ShapeError
        If an image is smaller than a window. The message shows the sum.

    Examples
    --------
    >>> x = Tensor(np.arange(16.0).reshape(1, 1, 4, 4))
    >>> windows("pool", x, x, (2, 2), (2, 2))[0, 0, 0, 1].tolist()
    [[2.0, 3.0], [6.0, 7.0]]
    """
    for axis, word in enumerate(("height", "width")):
        n, p, k = x.shape[2 + axis], padding[axis], kernel[axis]
        if n + 2 * p < k:
            rule = f"{word}: {n} + 2·{p} − {k} = {n + 2 * p - k}, and must be at least 0 for one window."
            raise ShapeError(message(who, (x,), "the image is smaller than the window", rule))
    seen = sliding_window_view(padded, kernel, (2, 3))
    return seen if stride == (1, 1) else seen[:, :, :: stride[0], :: stride[1]]
