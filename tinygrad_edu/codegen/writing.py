"""``source``: forward and backward of a record as one Python function that a person could have written."""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from ..derivation.evaluate import TooLargeError
from ..derivation.matrix import Matrix
from ..derivation.writer import Deriver
from ..errors import GradientError
from ..graphs.backward import Trace, leaves_to_differentiate, record_sweep
from ..graphs.levels import is_number
from ..ops import OPS, Op
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t_
from ..record import LITERALS
from ..tensor import Tensor
from ..visible import visible
from .code import COMPARING, HELPER_NAMES, MIXING, SUMMING, Writer
from .expression import ATOM, COMPARE, POWER, PRODUCT, SUM, UNARY, Axes, Code, after, call, infix, named
from .naming import WIDEST, identifier, number_code
from .scalars import scalar_source
from .sharing import Line, alive, in_order, shape_text, shared, without_copies

_TRUTHS = frozenset(op for op in OPS.values() if op.kind == "discrete" and op.name not in ("sign", "floor", "ceil", "rint"))
_LOGICAL = frozenset((e.logical_and, e.logical_or, e.logical_not))


def source(
    root: Tensor,
    wrt: Tensor | Sequence[Tensor] | None = None,
    *,
    level: str = "named",
    xp: bool | None = None,
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
    level : {"named", "op", "scalar"}
        A line per named tensor, per operation, or per number. On the scalar level it is plain Python, as an engine for
        single numbers would compute it: it takes numbers and lists of them, and returns the value and the gradients as
        numbers and lists in the shapes of the parameters. What conditions and indices chose stands in it as recorded.
    xp : bool, optional
        True writes it over the Array API standard: the function's first argument is the library, so that the same text runs
        on NumPy, PyTorch, JAX, Dask and others. None and False are NumPy.
    comments : bool
        The shape beside each line; on the scalar level the recorded number.
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
        If an op of your own has no NumPy code, or on the scalar level if there are more than 2000 numbers.

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
    if level not in ("named", "op", "scalar"):
        raise ValueError(f'source: there is no level {level!r}.\n  Try: level="named", "op" or "scalar"')
    if level == "scalar" and xp:
        raise ValueError('source: plain Python numbers need no library: xp goes with level="named" or "op".\n  Try: xp=None')
    taken = {"np", "xp", "math", *HELPER_NAMES}
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
    if not root.requires_grad and wanted is None:
        raise GradientError(f"source: {root._called()} was computed from nothing that requires a gradient.")
    if level == "scalar":
        return scalar_source(root, wanted, function, comments)
    return Function(root, wanted, level, "xp" if xp else "np").written(function, comments).text


@dataclass(frozen=True)
class Written:
    """The text of a function, with the recorded numbers by the names that it has for them.

    Attributes
    ----------
    text : str
        The module.
    given : dict
        The arguments, in their order.
    results : dict
        What the engine found for what is returned, in its order.
    tensors : dict
        The values of the forward pass.
    """

    text: str
    given: Mapping[str, Any]
    results: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def written(root: Tensor, wrt: Sequence[Tensor] | None = None) -> Written:
    """``source(root, wrt)``, with the recorded numbers.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> found = written((w * w).named("L"))
    >>> {name: float(value) for name, value in found.given.items()}, {k: float(v) for k, v in found.results.items()}
    ({'w': 2.0}, {'L': 4.0, 'dL_dw': 4.0})
    """
    return Function(root, wrt, "named", "np").written("forward_backward", True)


@dataclass
class Function:
    """One function while it is written; ``identifiers`` and ``gradients`` are what it calls each value and gradient."""

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
        reached = [t for t in order if not t.inputs and t._requires_grad and places[id(t)] in self.deriver.twins]
        self.targets = list(self.wanted) if self.wanted is not None else reached
        self.taken = {self.library, *keyword.kwlist, *HELPER_NAMES}
        names = self.deriver.names
        self.identifiers = {i: self._identifier(names[i]) for i in range(len(names))}
        root = self.identifiers[places[id(self.root)]]
        self.gradients = {i: self._identifier(f"d{root}_d{self.identifiers[i]}") for i in self.deriver.twins if i is not None}
        self.by_name = {name: self.identifiers[i] for i, name in enumerate(names)}
        self.gradient_by_name = {names[i]: identifier for i, identifier in self.gradients.items()}
        self.helpers: dict[str, tuple[Op, ...]] = {}  # that a line calls
        self.frozen: set[str] = set()  # the lines in which a recorded size stands
        self.counts: dict[str, str] = {}
        self.letters: dict[str, str] = {}
        self.after: dict[str, str] = {}  # what is asserted of a value when it is there

    def _identifier(self, name: str) -> str:
        """A Python name for a tensor's name."""
        return identifier(name, self.taken)

    # ---- lines --------------------------------------------------------------------------------------------------------

    def written(self, function: str, comments: bool) -> Written:
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
        lines = alive(in_order(self.lines), returned)
        used = {name for line in lines for name in line.uses} | set(returned)
        counted = [f"{name} = {code}" for name, code in self.counts.items() if name in used]
        order = sorted(arguments, key=lambda i: graph.nodes[i].kind == "parameter")
        own = [
            self.identifiers[i]
            for i in order
            if self.identifiers[i] in used or any(f" = {self.identifiers[i]}.shape" in c for c in counted)
        ]
        head = f"def {function}({', '.join([*(['xp'] if self.library == 'xp' else []), *own])}):"
        helpers = self.writer.helper_texts({op for line in lines for op in self.helpers[line.name]})
        checks = self._assertions(lines, own)
        lines = shared(without_copies(lines, self._removable(returned)), self._identifier, self.counts)
        body = [*checks, *counted, *self._laid_out(lines, comments), f"return {', '.join(returned)}"]
        inside = [line for text in helpers for line in [*text.split("\n"), ""]] if self.library == "xp" else []
        outside = [f"{text}\n\n" for text in helpers] if self.library == "np" else []
        indented = [f"    {line}" if line else "" for line in [*inside, *body]]
        start = [] if self.library == "xp" else ["import numpy as np\n\n"]
        text = "\n".join([*start, *outside, head, *indented]) + "\n"
        values = {self.identifiers[node.id]: node.value for node in graph}
        values |= {self.gradients[i]: twin.value for i, twin in self.deriver.twins.items() if i in self.gradients}
        tensors = {self.identifiers[i]: t for i, t in self.deriver.tensors.items()}
        return Written(text, {name: values[name] for name in own}, {name: values[name] for name in returned}, tensors)

    def _removable(self, returned: Sequence[str]) -> set[str]:
        """The names that nobody gave, for values of which a line of their own need not be seen."""
        if self.level == "op":
            return set()
        graph = self.deriver.reading.graph
        invented = [node.id for node in graph if node.automatic and node.op is not None]
        own = {self.identifiers[i] for i in invented} | {self.gradients[i] for i in invented if i in self.gradients}
        return own - set(returned) - set(self.after)

    def _assertions(self, lines: Sequence[Line], own: Sequence[str]) -> list[str]:
        """What the text takes for granted: the recorded shapes, where one stands in it, and rows that sum to 1."""
        graph = self.deriver.reading.graph
        nodes = {self.identifiers[node.id]: node for node in graph}
        shown = [
            node for node in graph if any(line.name in (self.identifiers[node.id], self.gradients.get(node.id)) for line in lines)
        ]
        unnamed = any(letter is None and n != 1 for node in shown for letter, n in zip(node.dims, node.shape, strict=True))
        checks = []
        if unnamed or any(line.name in self.frozen for line in lines):
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
        self.lines.append(Line(name, code, shape_text(_letters(node.dims, node.shape)), backward))
        self.helpers[name] = tuple(self.writer.helpers)
        self.frozen |= {name} if self.writer.frozen else set()
        self.writer.helpers, self.writer.frozen = {}, False

    def _laid_out(self, lines: Sequence[Line], comments: bool) -> list[str]:
        texts = [f"{line.name} = {line.code.text}" for line in lines]
        width = max((len(text) for text in texts if len(text) <= WIDEST), default=0)
        result = []
        for n, (line, text) in enumerate(zip(lines, texts, strict=True)):
            if line.backward and n and not lines[n - 1].backward:
                result.append("")
            result.append(f"{text:<{width}}  # {line.shape}" if comments and line.shape else text)
            result += [f"assert {self.after[line.name]}"] if line.name in self.after else []
        return result

    # ---- expressions --------------------------------------------------------------------------------------------------

    def _gradient_name(self, t: Tensor) -> str:
        return self.gradients[self.deriver.reading.places[id(t)]]

    def _value(self, t: Tensor, gradients: dict[int, str]) -> Code:
        """A tensor on the right-hand side: its name, its number, or its expression."""
        if id(t) in gradients:
            return named(gradients[id(t)], self._axes(t))
        place = self.deriver.reading.places.get(id(t))
        if place is not None and not (is_number(t) and t.name is None):
            return named(self.identifiers[place], self._axes(t))
        if not t.inputs:
            self._mark(t._data if not t.shape else None)
            return _literal(t, self.library).shaped(self._axes(t))
        return self._expression(t, gradients)

    def _axes(self, t: Tensor) -> Axes:
        return _letters(self.deriver.reading.dims.get(id(t), (None,) * t.ndim), t.shape)

    def _expression(self, t: Tensor, gradients: dict[int, str] | None = None) -> Code:
        if gradients is not None and (plain := _without_ones(t)) is not t:
            return self._value(plain, gradients)
        if gradients is not None and t.op is r.broadcast_to and _is_one(t):
            self.writer.frozen = True
            return self._full(repr(t.shape), 1.0).shaped(self._axes(t))
        args = []
        for x in t.inputs:
            frozen = self.writer.frozen
            args.append(self._value(x, gradients or {}))
            if t.op is e.power and args[1:]:  # an exponent is no size
                self.writer.frozen = frozen
        if self.writer.standard:
            args = self._of_one_kind(t, args)
        self.writer.masks = [x.dtype.kind == "b" for x in t.inputs[1:]]
        return self.writer.write(t.op, args, [x.shape for x in t.inputs], t.shape, t.params).shaped(self._axes(t))

    def _of_one_kind(self, t: Tensor, args: Sequence[Code]) -> list[Code]:
        """The operands as numbers of one kind: the Array API standard does not mix integers, truth and floats."""
        mixing = t.op in MIXING or (t.op is t_.cross_entropy and t.inputs[0].shape == t.inputs[1].shape)
        if t.op in SUMMING and t.inputs[0].dtype.kind == "b":
            return [self.writer.astype(args[0], t.dtype)]
        if not mixing and t.op not in COMPARING:
            return list(args)
        first = 1 if t.op is s.where else 0
        arrays = [x.dtype for x in t.inputs[first:] if type(x._data) not in LITERALS]
        wanted = np.result_type(*arrays) if t.op in COMPARING and arrays else t.dtype
        found = list(args[:first])
        for x, code in zip(t.inputs[first:], args[first:], strict=True):
            literal = type(x._data) in LITERALS
            found.append(self.writer.astype(code, wanted) if not literal and x.dtype.kind != wanted.kind else code)
        if t.op is s.where and not arrays:
            found[1] = call("xp.asarray", found[1], f"dtype=xp.{wanted}")
        return found

    def _gradient(self, place: int) -> Code:
        """A gradient: as the derivation found it, or where that stays in indices as the engine recorded it."""
        forms = self.deriver.forms.get(place, ())
        shape = self.deriver.tensors[place].shape
        if forms and all(form is not None for form in forms) and not self._may_divide_by_0(place) and self._holds(place):
            found: Code | None = None
            for form in forms:
                assert form is not None
                if form.kind == "number" and len(forms) > 1 and not form.detail:
                    continue
                part = self._matrix(form)
                if _is_exact(form) and not self.writer.standard:
                    part = self._as_float(part)
                if form.shape != shape:  # axes of size 1
                    wanted = after(named(self.identifiers[place]), ".shape")
                    part = call(f"{self.library}.reshape", part, wanted, cost=0)
                    part = part.shaped(self._axes(self.deriver.tensors[place]))
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

    def _holds(self, place: int) -> bool:
        """Whether what was derived gives the engine's numbers."""
        twin = self.deriver.twins[place]
        try:
            parts = [np.reshape(form.evaluate(), twin.shape) for form in self.deriver.forms[place] if form is not None]
        except TooLargeError:
            return True
        dtype = self.deriver.tensors[place].dtype
        with np.errstate(all="ignore"):
            apart = np.abs(sum(parts) - np.asarray(twin.value, float))
        scale = np.maximum(1.0, np.max(np.abs(twin.value), initial=0.0))
        return not np.any(apart > np.sqrt(np.finfo(dtype).eps) * scale)

    @cached_property
    def _trace(self) -> Trace:
        order = self.deriver.order
        return record_sweep(self.root, order, leaves_to_differentiate(order, True))

    def _matrix(self, m: Matrix, truth: bool = False) -> Code:
        """An expression of the derivation; ``truth``: its truth values stay what they are."""
        letters = [None if i is None else i.dim for i in m.axes]
        return self._matrix_code(m, truth).shaped(_letters(letters, m.shape))

    def _matrix_code(self, m: Matrix, truth: bool) -> Code:
        kind = m.kind
        if kind == "value":
            symbol = m.detail
            if symbol.gradient_of:
                return named(self.gradient_by_name[symbol.gradient_of])
            if symbol.made_of is not None:
                op, of, params = symbol.made_of
                return self.writer.write(op, [named(self.by_name[of])], [m.shape], m.shape, params)
            return self._number_of(named(self.by_name[symbol.name]), np.asarray(symbol.array).dtype.kind != "f" and not truth)
        if kind == "onehot":
            classes = self._count(m.axes[-1].size, m.axes[-1].dim) if m.axes[-1] is not None else Code("1", ATOM)
            table = named(self.by_name[m.detail.name])
            if not self.writer.standard:
                number = [self._dtype] if self.root.dtype != np.float64 else []
                return after(call("np.eye", classes, *number), "[{}]", parts=[table])
            wrapped = Code("{} % {}", PRODUCT, (table, classes), (PRODUCT, PRODUCT + 1), cost=1)  # it may count from the end
            row = call("xp.arange", classes, Code("dtype={}.dtype", ATOM, [table]))  # the standard compares numbers of one kind
            rows = Code("{} == {}", COMPARE, (after(wrapped, "[..., None]"), row), (SUM, SUM), cost=1)
            return self._number_of(rows, True)
        if kind == "number":
            return _number(m.detail)
        if kind == "count":
            parts = [self._count(n, letter) for n, letter in m.detail.axes]
            found = parts[0]
            for part in parts[1:]:
                found = infix("*", found, part, PRODUCT)
            return found
        if kind == "call":
            return self._called(m, truth)
        parts = self._countable(m)
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
                return self._full(repr(m.shape), float(m.parts[0].detail))
            return call(f"{self.library}.reshape", parts[0], repr(m.shape), cost=0)  # of ones
        if kind == "expand":
            key = ", ".join("None" if n in m.detail else ":" for n in range(len(m.axes)))
            return after(parts[0], f"[{key}]")
        if kind == "power":
            return Code(f"{{}}**{m.detail}", POWER, parts, (ATOM,), cost=1, op="**")
        if kind == "einsum":
            return self.writer.einsum(m.detail, parts)
        return self._spread(m, parts[0])

    def _countable(self, m: Matrix) -> list[Code]:
        """The parts of an expression: of truth values alone NumPy makes no sums, so that one of them becomes a number."""
        parts = [self._matrix(part) for part in m.parts]
        truths = [n for n, part in enumerate(m.parts) if _is_truth(part)]
        others = [part for part in m.parts if part.kind != "number"]
        negative = (m.kind == "product" and parts[0].text == "-1") or (m.kind == "add" and min(m.detail) < 0)
        several = m.kind in ("matmul", "einsum") or (m.kind == "add" and len(truths) > 1)
        if truths and len(truths) == len(others) and not self.writer.standard and (negative or several):
            parts[truths[0]] = self._as_float(parts[truths[0]])
        return parts

    def _as_float(self, code: Code) -> Code:
        """Truth values, or how many of them, as numbers of the kind of the result."""
        if code.names <= set(self.counts):
            return Code(f"{code.text}.0", code.binding, axes=code.axes) if code.text.lstrip("-").isdecimal() else code
        root = named(self.identifiers[self.deriver.reading.places[id(self.root)]])
        return Code("{}.astype({}.dtype)", ATOM, [code, root], (ATOM, ATOM), cost=2, op="astype", axes=code.axes)

    def _called(self, m: Matrix, truth: bool) -> Code:
        """An op of a derivation, on truth values where it takes them."""
        op, params = m.detail
        conditions = len(m.parts) if op in _LOGICAL else 1 if op is s.where else 0
        parts = [self._condition(part) if n < conditions else self._matrix(part) for n, part in enumerate(m.parts)]
        if op is s.where and self.writer.standard and not parts[1].names | parts[2].names:
            parts[1] = call("xp.asarray", parts[1], self._dtype)
        written = self.writer.write(op, parts, [p.shape for p in m.parts], m.shape, dict(params))
        return self._number_of(written, op in _TRUTHS and not truth)

    def _condition(self, m: Matrix) -> Code:
        if m.kind == "value":
            is_truth = np.asarray(m.detail.array).dtype.kind == "b" and not m.detail.gradient_of
        else:
            is_truth = m.kind == "call" and m.detail[0] in _TRUTHS
        if is_truth or not self.writer.standard:
            return self._matrix(m, True)
        return Code("{} != 0", COMPARE, [self._matrix(m)], (SUM,), cost=1, op="!=")

    @property
    def _dtype(self) -> Code:
        """That numbers are to be of the kind of the result."""
        root = named(self.identifiers[self.deriver.reading.places[id(self.root)]])
        return Code("dtype={}.dtype", ATOM, [root])

    def _number_of(self, code: Code, exact: bool) -> Code:
        """Truth values and integers as floats, by which the Array API standard does not multiply them otherwise."""
        return call("xp.astype", code, Code("{}.dtype", ATOM, self._dtype.parts)) if exact and self.writer.standard else code

    def _full(self, shape: str | Code, value: float | Code) -> Code:
        """One number everywhere."""
        number = value if isinstance(value, Code) else repr(value)
        kind = [self._dtype] if self.writer.standard or self.root.dtype != np.float64 else []
        return call(f"{self.library}.full", shape, number, *kind, cost=1)

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
        turned = part if plain else after(part, f"[{', '.join(key)}]")
        sizes = [self._count(i.size, i.dim) for i in m.axes if i is not None]
        form = f"({', '.join(['{}'] * len(sizes))}{',' if len(m.axes) == 1 else ''})"
        shape = Code(form, ATOM, sizes)
        if m.parts[0].kind == "number":
            return self._full(shape, float(m.parts[0].detail))
        if turned.names <= set(self.counts):  # a number of Python
            return self._full(shape, turned)
        return self.writer.broadcast(turned, shape)

    def _count(self, n: int, letter: str | None) -> Code:
        """How long an axis is: its letter, if an argument has an axis of that letter."""
        if letter is not None:
            for node in self.deriver.reading.graph:
                if node.op is None and letter in node.dims:
                    name = self._letter(letter)
                    self.counts.setdefault(name, f"{self.identifiers[node.id]}.shape[{node.dims.index(letter)}]")
                    return named(name, ())
        self.writer.frozen = True
        return Code(str(n), ATOM, axes=())

    def _letter(self, letter: str) -> str:
        if letter not in self.letters:
            self.letters[letter] = self._identifier(letter)
        return self.letters[letter]


def _is_exact(m: Matrix) -> bool:
    """Whether NumPy would give truth values or integers."""
    if m.kind == "count" or _is_truth(m):
        return True
    if m.kind == "number":
        return float(m.detail).is_integer()
    if m.kind == "value":
        return np.asarray(m.detail.array).dtype.kind != "f"
    if m.kind in ("call", "onehot") or (m.kind == "product" and min(m.detail) < 0):
        return False
    filled = m.kind in ("expand", "spread") and m.parts[0].kind == "number"  # by floats
    return not filled and all(_is_exact(part) for part in m.parts)


def _is_truth(m: Matrix) -> bool:
    """Whether NumPy would give truth values."""
    if m.kind == "value":
        return np.asarray(m.detail.array).dtype.kind == "b"
    if m.kind in ("transpose", "expand", "spread", "outer", "product"):
        divided = m.kind == "product" and min(m.detail) < 0
        return not divided and all(_is_truth(part) for part in m.parts)
    return bool(m.kind == "call" and m.detail[0] in _TRUTHS)


def _letters(dims: Sequence[str | None], shape: Sequence[int]) -> Axes:
    # A letter may be any text, and what stands beside a line must not go on to the next.
    return tuple(visible(letter) if letter else str(n) for letter, n in zip(dims, shape, strict=True))


def _number(value: Any) -> Code:
    text = repr(int(value) if float(value).is_integer() else float(value))
    return Code(text, ATOM if value >= 0 else UNARY, axes=())


def _is_one(t: Tensor) -> bool:
    """Whether it is the seed of the sweep, repeated or not."""
    while t.op in (r.broadcast_to, r.reshape):
        t = t.inputs[0]
    return not t.inputs and t.name is None and not t._requires_grad and not t.shape and t._data == 1


def _without_ones(t: Tensor) -> Tensor:
    """What is left of a product with ones, and of a first power."""
    if t.op is e.multiply:
        left, right = t.inputs
        if _is_one(left) and right.shape == t.shape:
            return right
        if _is_one(right) and left.shape == t.shape:
            return left
    if t.op is e.power and t.inputs[0].shape == t.shape and type(t.inputs[1]._data) in LITERALS and t.inputs[1]._data == 1:
        return t.inputs[0]
    return t


def _literal(t: Tensor, library: str) -> Code:
    data = t._data
    if type(data) in LITERALS or not t.shape:
        value = data.item() if hasattr(data, "item") else data
        if isinstance(value, bool):
            return call("xp.asarray", repr(value), cost=0) if library == "xp" else Code(repr(value), ATOM)
        return number_code(value, library)
    array = np.asarray(data)
    dtype = [] if array.dtype in (np.float64, np.int64, np.bool_) else [f"dtype={library}.{array.dtype.name}"]
    if not array.size or np.all(array == array.flat[0]):
        return call(f"{library}.full", repr(t.shape), repr(array.flat[0].item() if array.size else 0.0), *dtype)
    if array.ndim == 2 and np.array_equal(array, np.eye(*array.shape)):
        return call(f"{library}.eye", *map(str, dict.fromkeys(array.shape)), *dtype)
    return call(f"{library}.{'asarray' if library == 'xp' else 'array'}", repr(array.tolist()), *dtype)


def _product(parts: Sequence[Code], powers: Sequence[int]) -> Code:
    above = [p for p, n in zip(parts, powers, strict=True) if n > 0]
    below = [p for p, n in zip(parts, powers, strict=True) if n < 0]
    if len(above) > 1 and above[0].text == "-1":
        return Code("-{}", UNARY, [_product(parts[1:], powers[1:])], (PRODUCT,), cost=1, op="-")
    found = above[0] if above else Code("1", ATOM, axes=())
    for sign, part in [*(("*", part) for part in above[1:]), *(("/", part) for part in below)]:
        found = infix(sign, found, part, PRODUCT, PRODUCT + 1)
    return found


def _added(parts: Sequence[Code], signs: Sequence[int]) -> Code:
    found = parts[0] if signs[0] > 0 else Code("-{}", UNARY, parts[:1], (UNARY,), cost=1, op="-", axes=parts[0].axes)
    for part, sign in zip(parts[1:], signs[1:], strict=True):
        found = infix("+" if sign > 0 else "-", found, part, SUM)
    return found
