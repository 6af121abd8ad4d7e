"""Numbers by name, given to Tensors: all are checked before the first is assigned, and every difference is listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ShapeError
from ..saving import differences
from ..tensor import Tensor
from ..visible import visible


def assign(who: str, own: Mapping[str, Tensor], given: Mapping[str, Any]) -> None:
    """Give the Tensors the numbers of the same names.

    Parameters
    ----------
    who : str
        What a message starts with.
    own : mapping of str to Tensor
        The leaves that are there.
    given : mapping of str to array_like
        Their new numbers: exactly these names, of exactly these shapes, of types that can be cast.

    Raises
    ------
    TypeError
        If what is given is no mapping.
    ShapeError, ValueError
        If anything differs: the message lists every difference, and nothing was assigned. A ShapeError when only shapes do.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0])
    >>> assign("load", {"w": w}, {"w": [3.0, 4.0]})
    >>> w.tolist()
    [3.0, 4.0]
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{who}: a dict of names and arrays is needed, not {type(given).__name__}.\n  Try: model.state_dict()")
    numbers = {name: x.data if isinstance(x, Tensor) else x for name, x in given.items()}
    wrong = differences({name: t.data for name, t in own.items()}, numbers, casts=True)
    if wrong:
        count = "1 difference" if len(wrong) == 1 else f"{len(wrong)} differences"
        lines = [f"{who}: {count}, nothing was changed", *wrong]
        turned = [name for name, t in own.items() if any(line == _turned(name, t.shape) for line in wrong)]
        if turned:
            lines.append("PyTorch's weights are (out, in), these are (in, out).")
            lines.append(f"Try: state | {{name: state[name].T for name in {turned}}}")
        only_shapes = all(" has shape (" in line for line in wrong)
        raise (ShapeError if only_shapes else ValueError)("\n  ".join(lines))
    for name, t in own.items():
        t.data = numbers[name]


def _turned(name: str, shape: tuple[int, ...]) -> str:
    """The line for a matrix that is the transpose of one of this shape."""
    return f"{visible(name)} has shape {shape[::-1]}, not {shape}" if len(shape) == 2 else ""
