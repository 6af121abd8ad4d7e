"""A script that stands on its own: the function, the recorded numbers, and how far its results are from the engine's."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..tensor import Tensor
from .writing import written

MOST_NUMBERS = 200  # that a person scrolls past; more go into a file beside the script
DATA = "backward.npz"
HEAD = """\
# Forward and backward, written from a record by tinygrad_edu. It needs nothing but NumPy: python backward.py
"""
MAIN = """

if __name__ == "__main__":
{numbers}
    results = dict(zip(recorded, forward_backward(**given)))
    for name, value in results.items():
        print(f"{{name}}, shape {{np.shape(value)}}, largest difference from the engine "
              f"{{np.max(np.abs(value - recorded[name]), initial=0.0):.1e}}")
        print(value)
"""


def backward_script(root: Tensor) -> tuple[str, bytes | None]:
    """The text of ``backward.py``, and what goes into ``backward.npz`` beside it where the numbers are many.

    Run as a script it prints the value and each gradient by name, and how far each is from what the engine found.

    Raises
    ------
    NoCodeError
        If an op has no NumPy code.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True, name="w")
    >>> text, beside = backward_script((w * w).sum().named("L"))
    >>> exec(text, {"__name__": "__main__"})
    L, shape (), largest difference from the engine 0.0e+00
    25.0
    dL_dw, shape (2,), largest difference from the engine 0.0e+00
    [6. 8.]
    >>> beside is None
    True
    """
    found = written(root)
    given, recorded = ({name: np.asarray(x) for name, x in part.items()} for part in (found.given, found.results))
    arrays = [*given.values(), *recorded.values()]
    short = sum(x.size for x in arrays) <= MOST_NUMBERS and all(x.size and np.all(np.isfinite(x)) for x in arrays)
    start, body = found.text.split("\n", 1)
    if short:
        numbers = f"{_table('given', given)}\n{_table('recorded', recorded)}"
        return f"{HEAD}{start}\n{body}{MAIN.format(numbers=numbers)}", None
    numbers = (
        f'    with np.load(Path(__file__).with_name("{DATA}"), allow_pickle=False) as data:\n'
        f'        given = {{name: data[name + ".values"] for name in {tuple(given)!r}}}\n'
        f'        recorded = {{name: data[name + ".values"] for name in {tuple(recorded)!r}}}'
    )
    file = io.BytesIO()
    arguments: dict[str, Any] = {f"{name}.values": x for name, x in {**given, **recorded}.items()}  # a tensor may be named "file"
    np.savez(file, **arguments)
    return f"{HEAD}from pathlib import Path\n\n{start}\n{body}{MAIN.format(numbers=numbers)}", file.getvalue()


def _table(name: str, arrays: Mapping[str, Any]) -> str:
    """The arrays as Python reads them back, a line for each row."""
    entries = []
    for key, array in arrays.items():
        kind = "" if array.dtype in (np.float64, np.int64, np.bool_) else f", np.{array.dtype.name}"
        rows = array.tolist()
        text = repr(rows)
        if array.ndim > 1:
            text = "\n".join(["[", *(f"            {row!r}," for row in rows), "        ]"])
        entries.append(f"        {key}=np.array({text}{kind}),")
    return "\n".join([f"    {name} = dict(", *entries, "    )"])
