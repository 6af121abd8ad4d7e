"""One row of the table: a forward function in NumPy and its local derivatives.

A rule is written once, with operators and NumPy functions. Called with ndarrays it gives numbers; called with Tensors it
is recorded, and so the gradient has a graph, formulas and derivatives of its own. An op does not know what a Tensor is:
whatever defines ``__record__`` takes the call over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from numpy import ndarray

# An argument of a rule: an ndarray or a Tensor. Its static type is open on purpose.
Value = Any
Rule = Callable[..., Value]


class Op:
    """An operation: ``y = forward(*args, **params)`` with one local derivative per argument.

    Parameters
    ----------
    name : str
        The printing name.
    forward : callable
        The value, in NumPy: ``forward(*args, **params)``.
    rules : sequence of callables or None
        ``rules[i](g, y, *args, **params)`` is the vector-Jacobian product ``gᵀ ∂y/∂args[i]``; None where there is no
        gradient (a condition, an index). It may be larger than ``args[i]``: un-broadcasting is done on the edge.
    symbol : str, optional
        How the operation is written on an arrow and in a formula: ``+``, ``·``, ``tanh``.
    notation : str, optional
        The operation in index notation, such as ``y_i = exp(x_i) / Σ_k exp(x_k)``.
    numpy : callable, optional
        The NumPy function that means this op when it is called with a Tensor; for the ops of this library's table.
    """

    __slots__ = ("forward", "name", "notation", "numpy", "rules", "symbol")

    kind: ClassVar[str] = "op"
    differentiable: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        forward: Rule,
        rules: Sequence[Rule | None],
        *,
        symbol: str = "",
        notation: str = "",
        numpy: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.forward = forward
        self.rules = tuple(rules)
        self.symbol = symbol or name
        self.notation = notation
        self.numpy = numpy

    def __call__(self, *args: Value, **params: Any) -> Value:
        """Compute with arrays; record when one of the arguments records."""
        for arg in args:
            if type(arg) is not ndarray and hasattr(arg, "__record__"):
                return arg.__record__(self, args, params)
        return self.forward(*args, **params)

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """``gᵀ ∂y/∂args[i]``, or None where the op has no derivative by that argument."""
        rule = self.rules[i]
        return None if rule is None else rule(g, y, *args, **params)

    def indices(self, shapes: Sequence[tuple[int, ...]], params: Mapping[str, Any]) -> str:
        """The operation in index notation for arguments of these shapes."""
        return self.notation

    def expand(self, lift: Callable[..., Value], args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The same value as an array of scalars: ``args`` are object arrays of numbers that record.

        By default the op's own forward, which then moves, adds and multiplies single numbers. ``lift(op, numbers,
        params)`` applies an op to single numbers.
        """
        return self.forward(*args, **params)

    def __repr__(self) -> str:
        return f"<{self.kind} op {self.name}>"


def letters_for(rank: int) -> str:
    """The first ``rank`` index letters, from i on as in a textbook."""
    return "ijklmnopqrstuvwxyzabcdefgh"[:rank]
