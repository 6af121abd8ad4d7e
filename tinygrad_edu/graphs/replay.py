"""Compute a recorded graph again with other numbers: what finite differences need, for leaves and results alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..sweep import depending_on, topological_order
from ..tensor import Tensor


def replay(root: Tensor, target: Tensor) -> Callable[[Any], Any]:
    """The function ``numbers ↦ root``, when the target has these numbers and all else is as recorded.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(3.0)
    >>> y = x * x
    >>> from tinygrad_edu.graphs import replay
    >>> float(replay(y, x)(4.0))
    16.0
    """
    order = topological_order([root])
    active = depending_on(order, [target])
    affected = [t for t in order if id(t) in active and t is not target and t.inputs]

    def run(numbers: Any) -> Any:
        values: dict[int, Any] = {id(target): np.asarray(numbers, target.dtype)[()]}
        for t in affected:
            args = [values.get(id(x), arg) for x, arg in zip(t.inputs, t.args, strict=True)]
            values[id(t)] = np.asarray(t.op.forward(*args, **t.params))[()]
        return values.get(id(root), root._data)

    return run
