"""Numbers by name, given to Tensors: all are checked before the first is assigned, and every difference is listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor


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
    wrong: list[tuple[str, str, str]] = []
    arrays: dict[str, Any] = {}
    transposed = ""
    for name, t in own.items():
        if name not in given:
            wrong.append(("missing", name, f"{t.shape}"))
            continue
        try:
            array = Tensor(given[name].data if isinstance(given[name], Tensor) else given[name]).data
        except (TypeError, ValueError):
            wrong.append(("type", name, f"holds {t.dtype} here, {_kind(given[name])} was given"))
            continue
        if array.shape != t.shape:
            wrong.append(("shape", name, f"is {t.shape} here, {array.shape} was given"))
            if array.ndim == 2 and array.shape[::-1] == t.shape:
                transposed = transposed or name
        elif not np.can_cast(array.dtype, t.dtype, "same_kind"):
            wrong.append(("type", name, f"holds {t.dtype} here, {array.dtype} was given"))
        else:
            arrays[name] = array
    wrong += [("unexpected", str(name), _kind(given[name])) for name in given if name not in own]
    if wrong:
        count = "1 difference" if len(wrong) == 1 else f"{len(wrong)} differences"
        width = max(len(name) for _, name, _ in wrong)
        lines = [f"{who}: {count}, nothing was changed", *(f"  {kind:<10} {name:<{width}}  {what}" for kind, name, what in wrong)]
        if transposed:
            lines.append(f"  PyTorch's weights are (out, in), these are (in, out).\n  Try: state[{transposed!r}].T")
        raise (ShapeError if all(kind == "shape" for kind, _, _ in wrong) else ValueError)("\n".join(lines))
    for name, array in arrays.items():
        own[name].data = array


def _kind(value: Any) -> str:
    """An array's type and shape, or what else it is."""
    return f"{value.dtype} {value.shape}" if isinstance(value, (np.ndarray, np.generic, Tensor)) else type(value).__name__
