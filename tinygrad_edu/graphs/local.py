"""The derivative of one number by another as a formula: the rules of the operations on the only path between them.

The rule of each operation is read with Tensors that stand for single numbers; what it records is the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ops import Elementwise
from ..tensor import Tensor
from .expression import Expression
from .formula import ATOM, COMPARE, Text, combine, literal
from .scalar import Sheet

LONGEST = 60  # characters of a formula; a longer one is not worth reading


@dataclass(frozen=True, slots=True)
class Product:
    """The local derivatives along a path, multiplied.

    ``numbers`` says which number of the sheet a value in the expression stands for, by the value's id.
    """

    sheet: Sheet
    expression: Expression
    numbers: Mapping[int, int]

    def uses(self, named: Container[int]) -> list[int]:
        """The named numbers in the formula."""
        found: dict[int, None] = {}
        for t in self.expression.met:
            found.update(dict.fromkeys(i for i in self._below(self.numbers[id(t)], named) if i in named))
        return list(found)

    def text(self, names: Mapping[int, str]) -> str:
        """The formula in these names; empty when it is too long to be read."""
        texts: dict[int, Text] = {i: Text(name, ATOM) for i, name in names.items()}
        for t in self.expression.met:
            for i in self._below(self.numbers[id(t)], names):
                op, inputs = self.sheet.ops[i], self.sheet.inputs[i]
                if i not in texts:
                    operands = [texts[j] for j in inputs]
                    texts[i] = literal(self.sheet.values[i]) if op is None else combine(op, operands, [()] * len(inputs), {})
        written = self.expression.text(lambda t: texts[self.numbers[id(t)]])
        text = f"({written.text})" if written.binding == COMPARE else written.text
        return "" if len(text) > LONGEST or "…" in text else text

    def _below(self, end: int, named: Container[int]) -> list[int]:
        """The numbers that are needed to write this one, each after those that it needs."""
        found, stack = {end}, [end]
        while stack:
            i = stack.pop()
            if i not in named:
                fresh = [j for j in self.sheet.inputs[i] if j not in found]
                found.update(fresh)
                stack += fresh
        return sorted(found)


def follow(sheet: Sheet, start: int, end: int, named: Container[int], depends: Callable[[int], bool]) -> Product | None:
    """``∂end/∂start`` for two numbers of the sheet, if one path of elementwise operations leads from one to the other.

    ``named`` are the numbers that formulas write by name; ``depends`` says of a number whether it was computed from
    ``start``.

    Examples
    --------
    >>> from tinygrad_edu.graphs.scalar import write_sheet
    >>> from tinygrad_edu.tensor import Tensor
    >>> a, b = Tensor(2.0), Tensor(3.0)
    >>> y = a * b
    >>> sheet, numbers = write_sheet([y])
    >>> i, j, k = (numbers[id(t)][()].id for t in (a, b, y))
    >>> follow(sheet, i, k, (i, j), lambda n: n in (i, k)).text({i: "a", j: "b"})
    'b'
    """
    stand_ins: dict[int, Tensor] = {}

    def stand_in(i: int) -> Any:
        if sheet.ops[i] is None and i not in named:
            return np.asarray(sheet.values[i]).item()  # a rule may be simpler for a bare number, such as the 2 in x²
        if i not in stand_ins:
            stand_ins[i] = Tensor(sheet.values[i])
        return stand_ins[i]

    product = Tensor(1.0)
    at = end
    while at != start:
        op, inputs = sheet.ops[at], sheet.inputs[at]
        ways = [position for position, i in enumerate(inputs) if depends(i)]
        if len(ways) != 1 or not isinstance(op, Elementwise):
            return None
        args = [stand_in(i) for i in inputs]
        try:
            product = op.vjp(ways[0], product, stand_in(at), args, sheet.params[at])
        except (TypeError, ValueError, AttributeError, ArithmeticError):  # a rule that is only for arrays has no formula
            return None
        if product is None:
            return None
        at = inputs[ways[0]]
    numbers = {id(t): i for i, t in stand_ins.items()}
    return Product(sheet, Expression(product, lambda t: id(t) in numbers), numbers)
