"""What was computed between known values and a result: as a formula, and as a rule for what comes in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..tensor import Tensor
from .dims import Dims, result_dims
from .formula import ATOM, ONE, PRODUCT, Text, combine, in_full, literal
from .names import pretty_dim

HOLE = "□"  # where the incoming gradient goes

_GAP = "\0"  # in the place of the hole while the rule is written: no visible name has it
_MINUS_FIRST = re.compile(rf"\(−{_GAP}\) ([∗·]) ([^\s()]+)((?: .*)?)")  # (−□) ∗ x is better read as ∗ (−x)
_COUNT_FIRST = re.compile(rf"(\d+) ∗ {_GAP}")
_ADDED_ON_THE_EDGE = frozenset((e.identity, e.astype, r.broadcast_to, r.reshape, c.sum))


class Expression:
    """The operations that lead from known values to a result, each after its inputs.

    ``known(t)`` says where to stop; a leaf that is not known is a number that a rule has brought along.
    """

    def __init__(self, end: Tensor, known: Callable[[Tensor], bool]) -> None:
        self.end = end
        self.met: list[Tensor] = []  # the known values, in the order in which they are met
        self.steps: list[Tensor] = []
        seen = {id(end)}
        stack = [(end, iter(() if known(end) else end.inputs))]
        while stack:
            t, inputs = stack[-1]
            for x in inputs:
                if id(x) not in seen:
                    seen.add(id(x))
                    stack.append((x, iter(() if known(x) else x.inputs)))
                    break
            else:
                stack.pop()
                (self.met if known(t) else self.steps).append(t)

    def text(self, texts: Callable[[Tensor], Text]) -> Text:
        """The expression in the names of the known values."""
        written = self._write(texts, self.steps)
        return written[id(self.end)]

    def rule(self, texts: Callable[[Tensor], Text], hole: Tensor, dims: Mapping[int, Dims]) -> str:
        """What is done to the value in the hole: ``· Wᵀ``, ``∗ h ∗ (1 − h)``, ``Σ over N``; ``∗ 1`` when nothing is."""
        steps, suffixes = list(self.steps), list[str]()
        letters = self._dims(dims)
        written = self._write(lambda t: Text(_GAP, ATOM) if t is hole else texts(t), steps)
        while steps and steps[-1].op in _ADDED_ON_THE_EDGE and _changes_no_number(steps[-1]):
            last = steps[-1]
            if last.op is c.sum:
                x = last.inputs[0]
                if written[id(x)] is not in_full(written[id(x)], x.shape):
                    break  # over an axis that the text does not have: it is written as a factor
                suffixes.insert(0, f"Σ over {_axes(last, letters[id(x)])}")
            elif last.op is r.broadcast_to and suffixes:
                break  # what is repeated and added up is another number
            steps.pop()
        end = steps[-1] if steps else hole
        text = in_full(written[id(end)], end.shape) if suffixes else written[id(end)]
        core = _without_hole(text).replace(_GAP, HOLE)
        return ", ".join([*([core] if core else []), *suffixes]) or "∗ 1"

    def at(self, hole: Tensor, value: Any) -> Any:
        """The number that the expression has when the value in the hole is another."""
        values = {id(hole): value}
        for t in self.steps:
            if any(id(x) in values for x in t.inputs):
                args = [values.get(id(x), arg) for x, arg in zip(t.inputs, t.args, strict=True)]
                values[id(t)] = np.asarray(t.op.forward(*args, **t.params))[()]
        return values.get(id(self.end), self.end._data)

    def _write(self, texts: Callable[[Tensor], Text], steps: Sequence[Tensor]) -> dict[int, Text]:
        written = {id(t): texts(t) for t in self.met}
        for t in steps:
            if t.inputs:
                operands = [written[id(x)] for x in t.inputs]
                written[id(t)] = combine(t.op, operands, [x.shape for x in t.inputs], t.params)
            else:
                written[id(t)] = ONE if np.all(t._data == 1) else literal(t._data) if not t.shape else Text("…", ATOM)
        return written

    def _dims(self, dims: Mapping[int, Dims]) -> dict[int, Dims]:
        known = {id(t): dims.get(id(t), (None,) * t.ndim) for t in self.met}
        for t in self.steps:
            known[id(t)] = result_dims(t, [known[id(x)] for x in t.inputs]) if t.inputs else (None,) * t.ndim
        return known


def _changes_no_number(t: Tensor) -> bool:
    """Whether a step only adds up, repeats, or drops axes of size 1."""
    return t.op is not r.reshape or [n for n in t.shape if n != 1] == [n for n in t.inputs[0].shape if n != 1]


def _axes(t: Tensor, dims: Dims) -> str:
    axis = t.params["axis"]
    axes = range(len(dims)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    letters = [dims[a] for a in axes]
    if all(letters):
        return ", ".join(pretty_dim(letter) for letter in letters if letter)
    return "everything" if axis is None or len(letters) == len(dims) else f"axis {', '.join(str(a % len(dims)) for a in axes)}"


def _without_hole(written: Text) -> str:
    """The rule without the value that it is applied to, where that stands at an end of a product."""
    text = written.text
    if text == _GAP:
        return ""
    if text == f"−{_GAP}":
        return "∗ (−1)"
    if match := _COUNT_FIRST.fullmatch(text):
        return f"∗ {match[1]}"
    if match := _MINUS_FIRST.fullmatch(text):
        return f"{match[1]} (−{match[2]}){match[3]}"
    if text.count(_GAP) == 1 and written.binding == PRODUCT:
        if text.startswith(f"{_GAP} "):
            return text.removeprefix(f"{_GAP} ")
        if text.endswith(f" {_GAP}"):
            return text.removesuffix(f" {_GAP}")
    return text
