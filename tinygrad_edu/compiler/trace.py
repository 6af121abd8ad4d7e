"""What a function does, read from the record of one call: the values it gives back, as a program.

The function is called a second time on other numbers. Whatever differs then, in the operations or in the constants, would
have been frozen as it was in the first call: a branch taken for a number, a random draw, a number read out of a Tensor.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import CompileError
from ..gradients import gradients
from ..modes import enable_grad
from ..ops import rearrangement as r
from ..record import LITERALS
from ..sweep import topological_order
from ..tensor import Tensor
from .program import Program, Value, frozen
from .simplify import simplified


def leaf(value: Any, name: str) -> Tensor:
    """A fresh leaf for an argument of a call. It requires a gradient, so that what differentiates by it is recorded too."""
    t = Tensor(value, name=name)
    t._requires_grad = t.dtype.kind == "f"
    return t


def parameters_of(root: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The leaves that require a gradient and are no arguments, in the order of their first use."""
    own = {id(t) for t in inputs}
    return [t for t in topological_order([root]) if not t.inputs and t._requires_grad and id(t) not in own]


def differentiated(root: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, recorded."""
    if not targets:
        return []
    with enable_grad():
        return gradients(root, list(targets), create_graph=True, unused="zero")


def structure(roots: Sequence[Tensor], roles: Mapping[int, Any]) -> list[Any]:
    """What was recorded, without the numbers of what the roles name: equal for equal programs."""
    places: dict[int, int] = {}
    entries: list[Any] = []
    for t in order_from(roots, roles):
        places[id(t)] = len(places)
        if id(t) in roles:
            entries.append(("given", roles[id(t)], t.shape, t.dtype.str))
        elif not t.inputs:
            data = t._data if type(t._data) in LITERALS else np.asarray(t._data)
            entries.append(("constant", frozen(data)))
        else:
            entries.append((t.op.name, tuple([places[id(x)] for x in t.inputs]), frozen(t.params), t.shape))
    return [*entries, tuple([places[id(t)] for t in roots])]


def order_from(roots: Sequence[Tensor], stops: Container[int]) -> list[Tensor]:
    """The ancestors of the roots, each after its inputs; what is before a stop is left out."""
    order: list[Tensor] = []
    seen: set[int] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        t, finished = stack.pop()
        if finished:
            order.append(t)
        elif id(t) not in seen:
            seen.add(id(t))
            stack.append((t, True))
            if id(t) not in stops:
                stack += [(x, False) for x in reversed(t.inputs)]
    return order


def leaves_of(roots: Sequence[Tensor]) -> list[Tensor]:
    """All leaves, in the order of their first use."""
    return [t for t in topological_order(roots) if not t.inputs]


def other_numbers(value: Any) -> Any:
    """Numbers of the same kind: rolled by one place, so that labels stay labels, and probabilities between 0 and 1."""
    array = np.asarray(value)
    if array.size > 1:
        return np.roll(array, 1)
    return array * array.dtype.type(1.0625) if array.dtype.kind == "f" else array


def first_difference(first: Sequence[Any], second: Sequence[Any]) -> str:
    """Where two structures part, in words."""
    for a, b in zip(first, second, strict=False):
        if a != b:
            if a[0] == b[0] == "constant":
                return "a constant in it is another"
            words = [str(x[0]) if isinstance(x, tuple) and x and isinstance(x[0], str) else "the end" for x in (a, b)]
            if words[0] == words[1]:
                return f"{words[0]} works on something else"
            return f"{words[0]} the first time, {words[1]} the second"
    return f"{len(first)} recorded values the first time, {len(second)} the second"


class Reader:
    """Brings recorded Tensors into a program; the leaves that ``given`` names are values from outside."""

    def __init__(self, program: Program, given: Mapping[int, Value]) -> None:
        self.program = program
        self.known: dict[int, Value] = dict(given)

    def read(self, roots: Sequence[Tensor]) -> list[Value]:
        """The values of the roots, and before them of all that they were computed from."""
        known, program = self.known, self.program
        for t in topological_order(roots):
            if id(t) in known:
                continue
            if not t.inputs:
                known[id(t)] = program.constant(t._data)
                continue
            args = []
            for x, arg in zip(t.inputs, t.args, strict=True):
                if x._data is not arg:
                    raise CompileError(
                        f"compile: {x._called()} was given new numbers inside of the function, after {t.op.name} had used it.\n"
                        "  Try: update= for parameters, or a new Tensor"
                    )
                args.append(known[id(x)])
            if t.op in (r.getitem, r.scatter) and any(a.dtype.kind == "b" and not a.is_constant for a in args[1:]):
                raise CompileError(
                    f"compile: {t.op.name} takes a mask that is computed or given, so that the shape of its result depends on "
                    "numbers.\n  Try: tg.where(mask, x, 0).sum() / mask.sum()   for a mean over x[mask]"
                )
            known[id(t)] = simplified(program, t.op, args, t.params, t.shape, t.dtype, t.name or "")
        return [known[id(t)] for t in roots]
