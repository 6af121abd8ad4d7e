"""The function number by number, in plain Python: each value a line, and each derivative a line, by the chain rule."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import GradientError
from ..graphs.scalar import Number, Sheet, write_sheet
from ..modes import enable_grad
from ..ops import Op
from ..ops import elementwise as e
from ..ops import selection as s
from ..ops.selection import Selection
from ..record import LITERALS
from ..sweep import topological_order
from ..tensor import Tensor
from .code import INFIX, NoCodeError
from .expression import ATOM, COMPARE, POWER, SUM, UNARY, Code, infix, named
from .naming import WIDEST, identifier, number_code
from .sharing import Line, alive

MOST_NUMBERS = 2000  # beyond, nobody reads the text, and Python takes seconds to compile it
CHOICE = -1  # a if c else b: what binds least

# Python's own words, with places for the operands.
_FORMS: Mapping[Op, tuple[str, int, int]] = {  # the text, how tightly it binds, and how tightly its operands have to
    e.negative: ("-{}", UNARY, UNARY),
    e.power: ("{}**{}", POWER, ATOM),
    e.square: ("{}**2", POWER, ATOM),
    e.abs: ("abs({})", ATOM, CHOICE),
    e.arctan: ("math.atan({})", ATOM, CHOICE),
    e.rint: ("round({})", ATOM, CHOICE),
    e.sign: ("({0} > 0) - ({0} < 0)", SUM, SUM),
    e.relu: ("max({}, 0.0)", ATOM, CHOICE),
    e.astype: ("float({})", ATOM, CHOICE),
    e.logical_and: ("{} and {}", CHOICE, COMPARE),
    e.logical_or: ("{} or {}", CHOICE, COMPARE),
    e.logical_not: ("not {}", CHOICE, COMPARE),
    s.where: ("{1} if {0} else {2}", CHOICE, COMPARE),
    s.maximum: ("max({}, {})", ATOM, CHOICE),
    s.minimum: ("min({}, {})", ATOM, CHOICE),
    s.clip: ("min(max({}, {}), {})", ATOM, CHOICE),
    **{
        op: (f"math.{op.name}({{}})", ATOM, CHOICE)
        for op in (
            *(e.sqrt, e.exp, e.expm1, e.log, e.log1p, e.sin, e.cos, e.tan, e.sinh, e.cosh, e.tanh, e.floor, e.ceil),
            *(e.isnan, e.isfinite),
        )
    },
}

# Helpers: their name and text; exp(-|u|) cannot overflow, as Python's exp would with an error.
_HELPERS: Mapping[Op, tuple[str, str]] = {
    e.sigmoid: ("sig", "def sig(u):\n    return math.exp(min(u, 0.0)) / (1 + math.exp(-abs(u)))"),
    e.log_sigmoid: ("log_sig", "def log_sig(u):\n    return min(u, 0.0) - math.log1p(math.exp(-abs(u)))"),
    e.softplus: ("softplus", "def softplus(u):\n    return max(u, 0.0) + math.log1p(math.exp(-abs(u)))"),
    e.silu: ("silu", "def silu(u):\n    return u * math.exp(min(u, 0.0)) / (1 + math.exp(-abs(u)))"),
    e.gelu: (
        "gelu",
        f"def gelu(u):\n    return 0.5 * u * (1 + math.tanh({e.GELU_A!r} * (u + {e.GELU_B!r} * u**3)))",
    ),
    e.leaky_relu: ("leaky_relu", "def leaky_relu(u, slope):\n    return u if u > 0 else slope * u"),
    e.elu: ("elu", "def elu(u, alpha):\n    return u if u > 0 else alpha * math.expm1(u)"),
    e.celu: ("celu", "def celu(u, alpha):\n    return u if u > 0 else alpha * math.expm1(u / alpha)"),
    e.selu: (
        "selu",
        f"def selu(u):\n    return {e.SELU_SCALE!r} * (u if u > 0 else {e.SELU_ALPHA!r} * math.expm1(u))",
    ),
    e.xdivy: ("ratio", "def ratio(a, b):\n    # a / b, where 0 / 0 is 0\n    return 0.0 if a == 0 == b else a / b"),
}


def scalar_source(root: Tensor, wanted: Sequence[Tensor] | None, function: str, comments: bool) -> str:
    """Forward and backward of a record as a function of plain Python floats.

    Raises
    ------
    GradientError
        If the root does not depend on what it is to be differentiated by.
    NoCodeError
        If an op is not one of the table, or the numbers are too many to be read.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x, w = tg.Tensor(3.0, name="x"), tg.Tensor(2.0, requires_grad=True, name="w")
    >>> print(scalar_source(tg.tanh(x * w).named("L"), None, "f", True))
    import math
    <BLANKLINE>
    <BLANKLINE>
    def f(x, w):
        s1 = x * w                    # 6
        L = math.tanh(s1)             # 0.9999877
    <BLANKLINE>
        dL_dL = 1.0                   # 1
        dL_ds1 = dL_dL * (1 - L * L)  # 2.457655e-05
        dL_dw = dL_ds1 * x            # 7.372964e-05
        return L, dL_dw
    <BLANKLINE>
    """
    order = topological_order([root])
    for t in wanted or ():
        if all(t is not known for known in order):
            raise GradientError(f"source: {root._called()} does not depend on {t._called()}.")
    least = sum(t.size for t in order if t.dtype.kind == "f" and (t.inputs or t.shape))  # before the work is done
    if least > MOST_NUMBERS:
        raise _too_many(least)
    sheet, arrays = write_sheet([root])
    count = sum(op is not None for op in sheet.ops)
    if count > MOST_NUMBERS:
        raise _too_many(count)
    if not isinstance(arrays[id(root)][()], Number):
        raise NoCodeError(f'source: {root._called()} is computed from no number, as the sum of nothing.\n  Try: level="named"')
    return _Numbers(root, wanted, order, sheet, arrays).text(function, comments)


def _too_many(count: int) -> NoCodeError:
    return NoCodeError(
        f"source: {count} numbers are too many for a line each; the limit is {MOST_NUMBERS}.\n"
        '  Try: level="named", or the same on fewer examples'
    )


class _Numbers:
    """One function while it is written."""

    def __init__(
        self, root: Tensor, wanted: Sequence[Tensor] | None, order: Sequence[Tensor], sheet: Sheet, arrays: Mapping[int, Any]
    ) -> None:
        self.sheet, self.arrays = sheet, arrays
        self.root = arrays[id(root)][()].id
        self.helpers: dict[Op, None] = {}
        leaves = [t for t in order if not t.inputs and t.dtype.kind == "f" and (t.name is not None or t._requires_grad)]
        self.targets = list(wanted) if wanted is not None else [t for t in leaves if t._requires_grad]
        self.taken = {"math", *_RESERVED, *(name for name, _ in _HELPERS.values())}
        self.arguments = {id(t): identifier(t.name or "p", self.taken) for t in leaves}
        self.leaves = sorted(leaves, key=lambda t: t._requires_grad)
        self.names: dict[int, str] = {}  # of the numbers, by their place on the sheet
        for t in leaves:
            for place in np.ndindex(*t.shape):
                entry = "_".join([self.arguments[id(t)], *map(str, place)])
                self.names[arrays[id(t)][place].id] = identifier(entry, self.taken) if place else self.arguments[id(t)]
        self.names.setdefault(self.root, identifier(root.name or "L", self.taken))
        for i, op in enumerate(sheet.ops):
            name = sheet.names[i]
            if op is not None and name is not None:
                self.names.setdefault(i, identifier(name, self.taken))
        unnamed = [i for i, op in enumerate(sheet.ops) if op is not None and i not in self.names]
        for n, i in enumerate(unnamed):
            self.names[i] = identifier(f"s{n + 1}", self.taken)
        active = self._active()
        top = self.names[self.root]
        self.gradients = {i: identifier(f"d{top}_d{self.names[i]}", self.taken) for i in self.names if active[i]}

    def _active(self) -> list[bool]:
        """The numbers that change when a target does."""
        active = [False] * len(self.sheet.ops)
        for t in self.targets:
            for number in np.ravel(self.arrays[id(t)]):
                if isinstance(number, Number):
                    active[number.id] = True
        for i, inputs in enumerate(self.sheet.inputs):
            active[i] = active[i] or any(active[j] for j in inputs)
        return active

    def text(self, function: str, comments: bool) -> str:
        """The whole module."""
        lines = [
            Line(self.names[i], self._forward(op, self.sheet.inputs[i]), f"{self.sheet.values[i]:.7g}")
            for i, op in enumerate(self.sheet.ops)
            if op is not None
        ]
        backward = self._backward()
        lines += backward
        written = {line.name for line in backward}
        self.gradients = {i: name for i, name in self.gradients.items() if name in written}  # others are 0
        own = [identifier(f"d{self.names[self.root]}_d{self._called(t)}", self.taken) if t.shape else "" for t in self.targets]
        nested = [self._nested(t) for t in self.targets]
        returned = [self.names[self.root], *(name or text for name, text in zip(own, nested, strict=True))]
        needed = {self.names[self.root]}
        for t in self.targets:
            for number in np.ravel(self.arrays[id(t)]):
                if isinstance(number, Number) and number.id in self.gradients:
                    needed.add(self.gradients[number.id])
        lines = alive(lines, needed)
        used = needed.union(*(line.uses for line in lines))
        arguments = [t for t in self.leaves if any(self.names[x.id] in used for x in np.ravel(self.arrays[id(t)]))]
        body = [line for t in arguments for line in self._unpacked(t, used)]
        width = max((len(f"{line.name} = {line.code.text}") for line in lines), default=0)
        width = min(width, WIDEST)
        for n, line in enumerate(lines):
            body += [""] if line.backward and n and not lines[n - 1].backward else []
            text = f"{line.name} = {line.code.text}"
            body.append(f"{text:<{width}}  # {line.shape}" if comments else text)
        for name, entries in zip(own, nested, strict=True):
            body += [f"{name} = {entries}"] if name else []
        body.append(f"return {', '.join(returned)}")
        helpers = [f"{text}\n\n" for op, (_, text) in _HELPERS.items() if op in self.helpers]
        head = f"def {function}({', '.join(self.arguments[id(t)] for t in arguments)}):"
        inside = [f"    {row}" if row else "" for line in body for row in line.split("\n")]
        text = "\n".join([*helpers, head, *inside]) + "\n"
        return f"import math\n\n\n{text}" if "math." in text else text

    def _called(self, t: Tensor) -> str:
        return self.arguments.get(id(t)) or identifier(t.name or "t", set(self.taken))

    def _code(self, i: int) -> Code:
        return named(self.names[i]) if i in self.names else number_code(self.sheet.values[i], "math")

    def _forward(self, op: Op, inputs: Sequence[int]) -> Code:
        operands = [self._code(i) for i in inputs]
        if isinstance(op, Selection):
            return self._chosen(op.name, operands)
        return self._write(op, operands)

    def _chosen(self, name: str, operands: Sequence[Code]) -> Code:
        places = ", ".join(["{}"] * len(operands))
        return Code(f"{name}({places})", ATOM, operands) if len(operands) > 1 else operands[0]

    def _write(self, op: Op, operands: Sequence[Code]) -> Code:
        """An op of single numbers."""
        if op is e.identity:
            return operands[0]
        if op in INFIX:
            return infix(INFIX[op][0], operands[0], operands[1], INFIX[op][1])
        if op is s.where and operands[0].text in ("True", "False"):  # as it was recorded
            return operands[1] if operands[0].text == "True" else operands[2]
        if op in _FORMS:
            form, binding, tight = _FORMS[op]
            own = (tight, UNARY) if op is e.power else (tight,) * len(operands)
            return Code(form, binding, operands, own)
        if op in _HELPERS:
            self.helpers[op] = None
            return Code(f"{_HELPERS[op][0]}({', '.join(['{}'] * len(operands))})", ATOM, operands, (CHOICE,) * len(operands))
        raise NoCodeError(
            f"source: there is no code for numbers for {op.name}, which is not an op of this library's table.\n"
            f"  Try: the same in operations of the table"
        )

    def _backward(self) -> list[Line]:
        """``x̄ = Σ ȳ ∂y/∂x`` over the uses y of x, from the root backwards: a line for each number."""
        parts: dict[int, list[tuple[Code, float]]] = {self.root: [(Code("1.0", ATOM), 1.0)]}
        lines = []
        for i in range(len(self.sheet.ops) - 1, -1, -1):
            if i not in self.gradients or i not in parts:
                continue
            total, value = parts[i][0]
            for code, more in parts[i][1:]:
                total, value = infix("+", total, code, SUM), value + more
            lines.append(Line(self.gradients[i], total, f"{value:.7g}", backward=True))
            op, inputs = self.sheet.ops[i], self.sheet.inputs[i]
            for position, j in enumerate(inputs):
                if op is not None and j in self.gradients:
                    parts.setdefault(j, []).append(self._part(op, i, position, value))
        return lines

    def _part(self, op: Op, i: int, position: int, gradient: float) -> tuple[Code, float]:
        """What the use of a number in one operation adds to its gradient, and how much that is."""
        inputs = self.sheet.inputs[i]
        operands = [self._code(j) for j in inputs]
        values = [self.sheet.values[j] for j in inputs]
        y, g = named(self.names[i]), named(self.gradients[i])
        if isinstance(op, Selection):
            ties = Code(f"[{', '.join(['{}'] * len(operands))}].count({{}})", ATOM, [*operands, y])
            share = infix("/", g, ties, INFIX[e.divide][1])
            if len(operands) == 1:
                return g, gradient
            chosen = Code("{} == {}", COMPARE, (operands[position], y), (SUM, SUM))
            found = Code("{1} if {0} else 0.0", CHOICE, (chosen, share), (COMPARE, COMPARE))
            return found, gradient * (values[position] == self.sheet.values[i]) / values.count(self.sheet.values[i])
        known: dict[int, Code] = {}
        # The op's own rule, recorded: what it computes with is what is written.
        own = [_leaf(value, code, known) if code.is_name else value for value, code in zip(values, operands, strict=True)]
        with enable_grad(), np.errstate(all="ignore"):
            piece = op.vjp(position, _leaf(gradient, g, known), _leaf(self.sheet.values[i], y, known), own, self.sheet.params[i])
        if piece is None:
            return Code("0.0", ATOM), 0.0
        return self._written(piece, known), float(piece.item())

    def _written(self, piece: Tensor, known: dict[int, Code]) -> Code:
        for t in topological_order([piece]):
            if id(t) in known:
                continue
            if not t.inputs:
                known[id(t)] = number_code(np.asarray(t._data).item(), "math")
            elif t.op is e.power and type(t.inputs[1]._data) in LITERALS and t.inputs[1]._data == 1:
                known[id(t)] = known[id(t.inputs[0])]
            else:
                known[id(t)] = self._write(t.op, [known[id(x)] for x in t.inputs])
        return known[id(piece)]

    def _unpacked(self, t: Tensor, used: frozenset[str] | set[str]) -> list[str]:
        """The entries of an argument, row by row, under their names; ``_`` for those that are not needed."""
        lines = []
        for row in np.ndindex(*t.shape[:-1]) if t.shape else ():
            names = [self.names[x.id] for x in self.arrays[id(t)][row]]
            shown = [name if name in used else "_" for name in names]
            if set(shown) == {"_"}:
                continue
            left = ", ".join(shown) if len(shown) > 1 else f"[{shown[0]}]"
            if len(left) > WIDEST:
                left = "(\n" + textwrap.indent("\n".join(textwrap.wrap(left, WIDEST)), "    ") + "\n)"
            lines.append(f"{left} = {self.arguments[id(t)]}{''.join(f'[{n}]' for n in row)}")
        return lines

    def _nested(self, t: Tensor) -> str:
        """The names of the gradients, in lists as the tensor's entries are."""
        numbers = self.arrays[id(t)]
        texts = np.empty(t.shape, object)
        for place in np.ndindex(*t.shape):
            x = numbers[place]
            texts[place] = self.gradients.get(x.id, "0.0") if isinstance(x, Number) else "0.0"
        while texts.ndim:
            rows = np.empty(texts.shape[:-1], object)
            for place in np.ndindex(*rows.shape):
                own = list(texts[place])
                line = f"[{', '.join(own)}]"
                if len(line) > WIDEST:
                    line = "[\n" + textwrap.indent("".join(f"{x},\n" for x in own), "    ") + "]"
                rows[place] = line
            texts = rows
        return str(texts[()])


_RESERVED = ("abs", "float", "max", "min", "round", "_")  # names of Python that the text uses itself


def _leaf(value: Any, code: Code, known: dict[int, Code]) -> Tensor:
    t = object.__new__(Tensor)
    t._leaf(np.float64(value))
    known[id(t)] = code
    return t
