"""The scalar level as a record of its own: every number a Tensor, so that whatever reads Tensors reads it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import Elementwise, Op
from ..ops.op import Value
from ..record import record
from ..tensor import Tensor
from .scalar import Number, write_sheet


class Among(Op):
    """An op that selects among the entries of an array, with each entry as an argument of its own."""

    __slots__ = ("whole",)

    def __init__(self, whole: Op, count: int) -> None:
        super().__init__(whole.name, self._forward, [None] * count, symbol=whole.symbol, notation=whole.notation)
        self.whole = whole

    def _forward(self, *numbers: Value, **params: Any) -> Value:
        return self.whole.forward(np.stack(numbers), **params)

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """``g`` if argument i was selected, else 0."""
        whole = self.whole.vjp(0, g, y, (np.stack(args),), params)
        return None if whole is None else whole[i]


def scalarized(root: Tensor) -> Tensor:
    """A scalar result, computed again number by number: a Tensor whose inputs are single numbers all the way.

    Raises
    ------
    ValueError
        If the result is not one floating-point number, or is computed from no number at all.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> L = scalarized((w * w).sum().named("L"))
    >>> print(tg.graph(L))
    w[0]  ()           (parameter)
    w[1]  ()           (parameter)
    L     ()           = w[0] ∗ w[0] + w[1] ∗ w[1]
    """
    if root.shape or root.dtype.kind != "f":
        what, remedy = f"{root.dtype} of shape {root.shape}", 'Try: reduce it to one float, as .sum() does, or level="op"'
        raise ValueError(f"scalarized: {root._called()} is {what}: the root must be one float.\n  {remedy}")
    sheet, arrays = write_sheet([root])
    end = arrays[id(root)][()]
    if not isinstance(end, Number):
        raise ValueError(f'scalarized: {root._called()} is computed from no number, as the sum of nothing.\n  Try: level="op"')
    tensors: list[Tensor] = []
    ops: dict[tuple[int, int], Op] = {}
    for op, inputs, params, value, name, kind, groups in zip(
        sheet.ops, sheet.inputs, sheet.params, sheet.values, sheet.names, sheet.kinds, sheet.scopes, strict=True
    ):
        if op is None:
            t = object.__new__(Tensor)
            t._leaf(value.item() if kind == "constant" and hasattr(value, "item") else value)
            t.requires_grad = kind == "parameter"
        else:
            if not isinstance(op, Elementwise):
                op = ops.setdefault((id(op), len(inputs)), Among(op, len(inputs)))
            t = record(op, tuple(tensors[i] for i in inputs), params)
        t.name = name
        if groups:
            t._scope = groups
        tensors.append(t)
    return tensors[end.id]
