"""``source``: forward and backward of a record as one Python function that a person could have written."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from ..derivation.matrix import Matrix
from ..derivation.writer import Deriver
from ..errors import GradientError
from ..graphs.backward import Trace, leaves_to_differentiate, record_sweep
from ..graphs.levels import is_number
from ..ops import OPS, Op
from ..ops import elementwise as e
from ..ops import tabulated as t_
from ..record import LITERALS
from ..tensor import Tensor
from .code import ATOM, HELPERS, PRODUCT, SUM, UNARY, Code, Writer, call, infix

_TRUTHS = frozenset(op for op in OPS.values() if op.kind == "discrete" and op.name not in ("sign", "floor", "ceil", "rint"))
_LOGICAL = frozenset((e.logical_and, e.logical_or, e.logical_not))
LONGEST_NAME = 40
WIDEST = 100  # columns, beyond which a shape is not put beside a line


@dataclass(frozen=True)
class Line:
    """``name = code``, and the names that it uses."""

    name: str
    code: str
    uses: frozenset[str]
    shape: str = ""
    backward: bool = False
    helpers: tuple[Op, ...] = ()
    frozen: bool = False


def source(
    root: Tensor,
    wrt: Tensor | Sequence[Tensor] | None = None,
    *,
    level: str = "named",
    xp: bool = False,
    comments: bool = True,
    function: str = "forward_backward",
) -> str:
    """Forward and backward as one Python function: the value, and its gradients, in your names.

    Parameters
    ----------
    root : Tensor
        A scalar result.
    wrt : Tensor or sequence of Tensors, optional
        What to differentiate by; by default every leaf that requires a gradient.
    level : {"named", "op"}
        A line per named tensor, or per operation.
    xp : bool
        Write it over the Array API standard: the function's first argument is the library, so that the same text runs on
        NumPy, PyTorch, JAX, Dask and others.
    comments : bool
        The shape beside each line.
    function : str
        The function's name.

    Returns
    -------
    str
        Python source. It needs nothing but NumPy, or with ``xp`` nothing but the library that it is given. It takes the
        inputs, the constants and the parameters, and returns the value and the gradients as a tuple. Where every axis has
        a letter (``dims``) it mostly serves arrays of any size; where a recorded size had to be written, it begins with
        assertions of the recorded shapes.

    Raises
    ------
    GradientError
        If the root is not a scalar, or does not depend on what it is to be differentiated by.
    NoCodeError
        If an op of your own has no NumPy code.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], name="x", dims="N F")
    >>> w = tg.Tensor([0.5, -0.25], requires_grad=True, name="w", dims="F")
    >>> h = tg.tanh(x @ w).named("h")
    >>> print(tg.source((h * h).mean().named("L")))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def forward_backward(x, w):
        N = x.shape[0]
        h = np.tanh(x @ w)                   # (N,)
        L = np.mean(h * h)                   # ()
    <BLANKLINE>
        dL_dh = 2 * h / N                    # (N,)
        dL_dw = x.T @ (dL_dh * (1 - h * h))  # (F,)
        return L, dL_dw
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"source: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if root.shape:
        raise GradientError(
            f"source: {root._called()} has shape {root.shape}; gradients are of a single number.\n  Try: its .sum()"
        )
    if level not in ("named", "op"):
        raise ValueError(f'source: there is no level {level!r}.\n  Try: level="named" or "op"')
    taken = {"np", "xp", *(name for name, _ in HELPERS.values())}
    if not function.isidentifier() or keyword.iskeyword(function) or function in taken:
        raise ValueError(f"source: {function!r:.60} is no name for a function.\n  Try: forward_backward")
    wanted = None if wrt is None else [wrt] if isinstance(wrt, Tensor) else list(wrt)
    if wanted is not None and not wanted:
        raise ValueError("source: there is nothing to differentiate by.\n  Try: wrt=None, for all parameters")
    for t in wanted or ():
        if not isinstance(t, Tensor):
            raise TypeError(f"source: the gradient by {type(t).__name__} was asked for, not by a Tensor: {t!r:.80}")
        if t is root:
            raise ValueError("source: the gradient of a value by itself is 1.\n  Try: wrt=None, for all parameters")
    return _Function(root, wanted, level, "xp" if xp else "np").text(function, comments)


@dataclass
class _Function:
    """One function while it is written."""

    root: Tensor
    wanted: Sequence[Tensor] | None
    level: str
    library: str
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writer = Writer(self.library)
        try:
            self.deriver = Deriver(self.root, self.wanted, every_operation=self.level == "op")
            self.deriver.sections()
        except GradientError as error:
            raise GradientError(str(error).replace("derive:", "source:", 1)) from None
        order, places = self.deriver.order, self.deriver.reading.places
        leaves = [t for t in order if not t.inputs and t._requires_grad]
        self.targets = list(self.wanted) if self.wanted is not None else leaves
        self.taken = {self.library, *keyword.kwlist, *(name for name, _ in HELPERS.values())}
        names = self.deriver.names
        self.identifiers = {i: self._identifier(names[i]) for i in range(len(names))}
        root = self.identifiers[places[id(self.root)]]
        self.gradients = {i: self._identifier(f"d{root}_d{self.identifiers[i]}") for i in self.deriver.twins if i is not None}
        self.by_name = {name: self.identifiers[i] for i, name in enumerate(names)}
        self.gradient_by_name = {names[i]: identifier for i, identifier in self.gradients.items()}
        self.used: set[str] = set()
        self.counts: dict[str, str] = {}
        self.letters: dict[str, str] = {}
        self.after: dict[str, str] = {}  # what is asserted of a value when it is there

    def _identifier(self, name: str) -> str:
        """A Python name for a tensor's name."""
        text = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "v"
        text = f"v{text}" if text[0].isdigit() else text
        text = text[:LONGEST_NAME]
        plain, n = text, 2
        while text in self.taken:
            text, n = f"{plain}_{n}", n + 1
        self.taken.add(text)
        return text

    # ---- lines --------------------------------------------------------------------------------------------------------

    def text(self, function: str, comments: bool) -> str:
        """The whole module."""
        graph = self.deriver.reading.graph
        arguments = []
        for node in graph:
            t = self.deriver.tensors[node.id]
            if not t.inputs:
                if is_number(t) and t.name is None:
                    continue
                arguments.append(node.id)
            elif node.id in self.deriver.tensors:
                self._add(self.identifiers[node.id], self._expression(t), node.id)
        for place in self.deriver.twins:
            if place is not None and place in self.gradients and self.deriver.twins[place].contributions:
                self._add(self.gradients[place], self._gradient(place), place, backward=True)
        returned = [self.identifiers[self.deriver.reading.places[id(self.root)]]]
        returned += [self._gradient_name(t) for t in self.targets]
        lines = self._alive(returned)
        used = {name for line in lines for name in line.uses} | set(returned)
        counted = [f"{name} = {code}" for name, code in self.counts.items() if name in used]
        order = sorted(arguments, key=lambda i: graph.nodes[i].kind == "parameter")
        own = [
            self.identifiers[i]
            for i in order
            if self.identifiers[i] in used or any(f" = {self.identifiers[i]}.shape" in c for c in counted)
        ]
        head = f"def {function}({', '.join([*(['xp'] if self.library == 'xp' else []), *own])}):"
        body = [*self._assertions(lines, own), *counted, *self._laid_out(lines, comments), f"return {', '.join(returned)}"]
        helpers = self.writer.helper_texts({op for line in lines for op in line.helpers})
        inside = [line for text in helpers for line in [*text.split("\n"), ""]] if self.library == "xp" else []
        outside = [f"{text}\n\n" for text in helpers] if self.library == "np" else []
        indented = [f"    {line}" if line else "" for line in [*inside, *body]]
        start = [] if self.library == "xp" else ["import numpy as np\n\n"]
        return "\n".join([*start, *outside, head, *indented]) + "\n"

    def _assertions(self, lines: Sequence[Line], own: Sequence[str]) -> list[str]:
        """What the text takes for granted: the recorded shapes, where one stands in it, and rows that sum to 1."""
        graph = self.deriver.reading.graph
        nodes = {self.identifiers[node.id]: node for node in graph}
        shown = [
            node for node in graph if any(line.name in (self.identifiers[node.id], self.gradients.get(node.id)) for line in lines)
        ]
        unnamed = any(letter is None and n != 1 for node in shown for letter, n in zip(node.dims, node.shape, strict=True))
        checks = []
        if unnamed or any(line.frozen for line in lines):
            checks = [f"{name}.shape == {nodes[name].shape}" for name in own if nodes[name].shape]
        sums = {self.by_name[name]: self._sums_to_1(self.by_name[name]) for name in sorted(self.deriver.distributions)}
        checks += [check for name, check in sums.items() if name in own]
        self.after = {name: check for name, check in sums.items() if name not in own}
        return [f"assert {check}" for check in checks]

    def _mark(self, value: Any) -> None:
        """Note that a number stands in the text that may be a size of these arrays: a variance divides by one."""
        if value is None or (abs(float(value)) > 1 and abs(float(value)) in self.sizes):
            self.writer.frozen = True

    @cached_property
    def sizes(self) -> set[float]:
        """How many entries the arrays, and their leading or trailing axes, have; and one fewer."""
        found: set[float] = set()
        for node in self.deriver.reading.graph:
            for start, stop in combinations(range(len(node.shape) + 1), 2):
                n = math.prod(node.shape[start:stop])
                found |= {float(n), float(n - 1)}
        return found

    def _sums_to_1(self, name: str) -> str:
        return f"{self.library}.all({self.library}.abs({self.library}.sum({name}, axis=-1) - 1) < 1e-6)"

    def _add(self, name: str, code: Code, place: int, backward: bool = False) -> None:
        node = self.deriver.reading.graph.nodes[place]
        letters = [letter or str(n) for letter, n in zip(node.dims, node.shape, strict=True)]
        shape = f"({', '.join(letters)}{',' if len(letters) == 1 else ''})"
        helpers, frozen = tuple(self.writer.helpers), self.writer.frozen
        self.lines.append(Line(name, code.text, frozenset(self.used), shape, backward, helpers, frozen))
        self.used, self.writer.helpers, self.writer.frozen = set(), {}, False

    def _alive(self, returned: Sequence[str]) -> list[Line]:
        """The lines that what is returned needs."""
        needed = set(returned)
        kept = []
        for line in reversed(_in_order(self.lines)):
            if line.name in needed:
                needed |= line.uses
                kept.append(line)
        return kept[::-1]

    def _laid_out(self, lines: Sequence[Line], comments: bool) -> list[str]:
        texts = [f"{line.name} = {line.code}" for line in lines]
        width = max((len(text) for text in texts if len(text) <= WIDEST), default=0)
        result = []
        for n, (line, text) in enumerate(zip(lines, texts, strict=True)):
            if line.backward and n and not lines[n - 1].backward:
                result.append("")
            result.append(f"{text:<{width}}  # {line.shape}" if comments else text)
            result += [f"assert {self.after[line.name]}"] if line.name in self.after else []
        return result

    # ---- expressions --------------------------------------------------------------------------------------------------

    def _name(self, identifier: str) -> Code:
        self.used.add(identifier)
        return Code(identifier, ATOM)

    def _gradient_name(self, t: Tensor) -> str:
        return self.gradients[self.deriver.reading.places[id(t)]]

    def _value(self, t: Tensor, gradients: dict[int, str]) -> Code:
        """A tensor on the right-hand side: its name, its number, or its expression."""
        if id(t) in gradients:
            return self._name(gradients[id(t)])
        place = self.deriver.reading.places.get(id(t))
        if place is not None and not (is_number(t) and t.name is None):
            return self._name(self.identifiers[place])
        if not t.inputs:
            self._mark(t._data if not t.shape else None)
            return _literal(t, self.library)
        return self._expression(t, gradients)

    def _expression(self, t: Tensor, gradients: dict[int, str] | None = None) -> Code:
        args = []
        for x in t.inputs:
            frozen = self.writer.frozen
            args.append(self._value(x, gradients or {}))
            if t.op is e.power and args[1:]:  # an exponent is no size
                self.writer.frozen = frozen
        return self.writer.write(t.op, args, [x.shape for x in t.inputs], t.shape, t.params)

    def _gradient(self, place: int) -> Code:
        """A gradient: as the derivation found it, or where that stays in indices as the engine recorded it."""
        forms = self.deriver.forms.get(place, ())
        shape = self.deriver.tensors[place].shape
        if forms and all(form is not None for form in forms) and not self._may_divide_by_0(place):
            found: Code | None = None
            for form in forms:
                assert form is not None
                if form.kind == "number" and len(forms) > 1 and not form.detail:
                    continue
                part = self._matrix(form)
                if form.shape != shape:  # axes of size 1
                    part = call(f"{self.library}.reshape", part.text, f"{self._name(self.identifiers[place]).text}.shape")
                found = part if found is None else infix("+", found, part, SUM)
            return found if found is not None else Code("0.0", ATOM)
        trace = self._trace
        self.writer.frozen = True  # the rule of an op may hold any size
        own = self.deriver.tensors[place]
        gradients: dict[int, str] = {}
        for i in self.deriver.twins:  # in the order of the sweep: of several that are one and the same, the first
            t = self.deriver.tensors[i] if i is not None else own
            if (
                i is not None
                and t is not own
                and t is not self.root
                and t in trace.gradients
                and trace.gradients[t] is not trace.gradients[own]
            ):
                gradients.setdefault(id(trace.gradients[t]), self.gradients[i])
        total: Code | None = None
        for _, _, piece in trace.parts[id(own)]:
            code = self._value(piece, gradients)
            total = code if total is None else infix("+", total, code, SUM)
        return total if total is not None else Code("0.0", ATOM)

    def _may_divide_by_0(self, place: int) -> bool:
        """Whether the gradient comes through a norm, whose rule says what 0/0 is: the derivation does not."""
        uses = (c.use.target for c in self.deriver.twins[place].contributions)
        return any(self.deriver.tensors[target].op is t_.norm for target in uses)

    @cached_property
    def _trace(self) -> Trace:
        order = self.deriver.order
        return record_sweep(self.root, order, leaves_to_differentiate(order, True))

    def _matrix(self, m: Matrix, truth: bool = False) -> Code:
        """An expression of the derivation; ``truth``: its truth values stay what they are."""
        kind = m.kind
        if kind == "value":
            symbol = m.detail
            if symbol.gradient_of:
                return self._name(self.gradient_by_name[symbol.gradient_of])
            if symbol.made_of is not None:
                op, of, params = symbol.made_of
                return self.writer.write(op, [self._name(self.by_name[of])], [m.shape], m.shape, params)
            is_truth = np.asarray(symbol.array).dtype.kind == "b" and not truth
            return self._number_of(self._name(self.by_name[symbol.name]), is_truth)
        if kind == "onehot":
            classes = self._count(m.axes[-1].size, m.axes[-1].dim) if m.axes[-1] is not None else Code("1", ATOM)
            table = self._name(self.by_name[m.detail.name])
            rows = f"({table.text} % {classes.text})[..., None]"  # an index may count from the end
            return self._number_of(Code(f"{rows} == {self.library}.arange({classes.text})", 0), True)
        if kind == "number":
            return Code(
                repr(int(m.detail) if float(m.detail).is_integer() else float(m.detail)), ATOM if m.detail >= 0 else UNARY
            )
        if kind == "count":
            parts = [self._count(n, letter) for n, letter in m.detail.axes]
            found = parts[0]
            for part in parts[1:]:
                found = infix("*", found, part, PRODUCT)
            return found
        parts = [self._matrix(part, kind == "call" and m.detail[0] in _LOGICAL) for part in m.parts]
        if kind == "product":
            return _product(parts, m.detail)
        if kind == "matmul":
            return infix("@", parts[0], parts[1], PRODUCT)
        if kind == "outer":
            return self.writer.outer(*parts)
        if kind == "add":
            return _added(parts, m.detail)
        if kind == "transpose":
            return self.writer.transpose(parts[0], m.detail)
        if kind == "sum":
            axis = m.detail if m.detail is None or len(m.detail) > 1 else m.detail[0]
            return self.writer.reduce("sum", parts[0], axis, False)
        if kind == "expand" and not m.parts[0].axes:
            if m.parts[0].kind == "number":
                return call(f"{self.library}.full", repr(m.shape), repr(float(m.parts[0].detail)))
            return call(f"{self.library}.reshape", parts[0].text, repr(m.shape))  # of ones
        if kind == "expand":
            key = ", ".join("None" if n in m.detail else ":" for n in range(len(m.axes)))
            return Code(f"{parts[0].within(ATOM)}[{key}]", ATOM)
        if kind == "power":
            return Code(f"{parts[0].within(ATOM)}**{m.detail}", 4)
        if kind == "call":
            op, params = m.detail
            written = self.writer.write(op, parts, [p.shape for p in m.parts], m.shape, dict(params))
            return self._number_of(written, op in _TRUTHS and not truth)
        if kind == "einsum":
            return self.writer.einsum(m.detail, parts)
        return self._spread(m, parts[0])

    def _number_of(self, code: Code, truth: bool) -> Code:
        """Truth values as numbers, which the Array API standard does not multiply by themselves."""
        if not truth or self.library == "np":
            return code
        root = self._name(self.identifiers[self.deriver.reading.places[id(self.root)]])
        return call("xp.astype", code.text, f"{root.text}.dtype")

    def _spread(self, m: Matrix, part: Code) -> Code:
        own = list(m.parts[0].axes)
        key = []
        for i in m.axes:
            while own and own[0] is None:
                own.pop(0)
                key.append("0")
            key.append(":" if own and own[0] is i else "None")
            if own and own[0] is i:
                own.pop(0)
        key += ["0"] * len(own)
        lead = key[: len(key) - len(m.parts[0].axes)]
        plain = not m.parts[0].axes or (set(lead) <= {"None"} and set(key[len(lead) :]) == {":"})
        turned = part if plain else Code(f"{part.within(ATOM)}[{', '.join(key)}]", ATOM)
        sizes = ", ".join(self._count(i.size, i.dim).text for i in m.axes if i is not None)
        shape = f"({sizes}{',' if len(m.axes) == 1 else ''})"
        if m.parts[0].kind == "number":
            return call(f"{self.library}.full", shape, repr(float(m.parts[0].detail)))
        return self.writer.broadcast(turned, shape)

    def _count(self, n: int, letter: str | None) -> Code:
        """How long an axis is: its letter, if an argument has an axis of that letter."""
        if letter is not None:
            for node in self.deriver.reading.graph:
                if node.op is None and letter in node.dims:
                    name = self._letter(letter)
                    self.counts.setdefault(name, f"{self.identifiers[node.id]}.shape[{node.dims.index(letter)}]")
                    return self._name(name)
        self.writer.frozen = True
        return Code(str(n), ATOM)

    def _letter(self, letter: str) -> str:
        if letter not in self.letters:
            self.letters[letter] = self._identifier(letter)
        return self.letters[letter]


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """The lines, each after those that it uses, and else as they are."""
    by_name = {line.name: line for line in lines}
    done: dict[str, Line] = {}
    for first in lines:
        stack = [first]
        while stack:
            line = stack[-1]
            open_ = [by_name[name] for name in sorted(line.uses) if name in by_name and name not in done and name != line.name]
            if open_ and line.name not in done:
                stack += open_
                continue
            done.setdefault(line.name, line)
            stack.pop()
    return list(done.values())


def _literal(t: Tensor, library: str) -> Code:
    data = t._data
    if type(data) in LITERALS or not t.shape:
        value = data.item() if hasattr(data, "item") else data
        if isinstance(value, bool) and library == "xp":
            return call("xp.asarray", repr(value))
        return Code(repr(value), ATOM if not isinstance(value, (int, float)) or value >= 0 else UNARY)
    array = np.asarray(data)
    if np.all(array == array.flat[0]):
        return call(f"{library}.full", repr(t.shape), repr(array.flat[0].item()))
    return call(f"{library}.{'asarray' if library == 'xp' else 'array'}", repr(array.tolist()))


def _product(parts: Sequence[Code], powers: Sequence[int]) -> Code:
    above = [p for p, n in zip(parts, powers, strict=True) if n > 0]
    below = [p for p, n in zip(parts, powers, strict=True) if n < 0]
    if len(above) > 1 and above[0].text == "-1":
        return Code(f"-{_product(parts[1:], powers[1:]).within(PRODUCT)}", UNARY)
    found = above[0] if above else Code("1", ATOM)
    for part in above[1:]:
        found = Code(f"{found.within(PRODUCT)} * {part.within(PRODUCT + 1)}", PRODUCT)
    for part in below:
        found = Code(f"{found.within(PRODUCT)} / {part.within(PRODUCT + 1)}", PRODUCT)
    return found


def _added(parts: Sequence[Code], signs: Sequence[int]) -> Code:
    text = ""
    for part, sign in zip(parts, signs, strict=True):
        if text:
            text += f" + {part.within(SUM)}" if sign > 0 else f" - {part.within(SUM + 1)}"
        else:
            text = part.within(SUM) if sign > 0 else f"-{part.within(UNARY)}"
    return Code(text, SUM)
