"""From a task to a program that runs: values, instructions, memory, text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sweep import topological_order
from ..tensor import Tensor
from .arrays import TABLE, ArrayLowering
from .emit import Emitter, load
from .entry import make_entry
from .floats import TAKEN, FloatLowering, is_scalar
from .instructions import Array, Number, Operand
from .lower import Lowering
from .names import UFUNCS
from .plan import Layout, lay_out
from .program import Program, Value
from .task import FlatUpdate, Task
from .trace import Reader

RESERVED = ("program", "shared", "float64")


@dataclass(frozen=True, slots=True)
class Built:
    """A program that is ready to run: ``entry`` takes arrays and Tensors."""

    entry: Callable[..., Any]
    text: str
    layout: Layout
    instructions: list[str]  # the text of each


def build(task: Task, lock: Any) -> Built:
    """The fastest program for a task: of Python's floats where every value is one number, else of arrays."""
    values = Values(task)
    if is_scalar(values.program.needed(values.outputs + values.updated)):
        del values.reader  # the numbers of the record are not needed any more
        return _of_numbers(values, task.inputs, lock)
    return _of_arrays(task, values, lock)


class Values:
    """The task as values of one program."""

    def __init__(self, task: Task) -> None:
        self.outside = task.outside
        self.names = task.names
        self.state = task.state
        self.shape, self.alone = task.shape, task.state is not None or not task.targets
        self.program = Program()
        self.arguments = [
            self.program.given(("argument", n), t.shape, t.dtype, t.name or f"x{n}") for n, t in enumerate(task.inputs)
        ]
        self.reader = Reader(self.program, {id(t): v for t, v in zip(task.inputs, self.arguments, strict=True)})
        self.at_state = {id(t): n for n, t in enumerate(task.state.tensors)} if task.state is not None else {}
        self.outputs = self.read([task.root, *task.gradients])
        self._name_gradients(task)
        self.updated = self.read([t for group in task.updated for t in group])

    def read(self, roots: Sequence[Tensor]) -> list[Value]:
        """The values of recorded Tensors; leaves that were there before the call come from outside."""
        known = self.reader.known
        for t in topological_order(roots):
            if not t.inputs and id(t) not in known:
                if id(t) in self.at_state:
                    known[id(t)] = self.program.given(("state", self.at_state[id(t)]), t.shape, t.dtype, self.called(t))
                elif id(t) in self.outside:
                    known[id(t)] = self.program.given(("outside", t), t.shape, t.dtype, self.called(t))
        return self.reader.read(roots)

    def read_flat(self, updates: Sequence[FlatUpdate]) -> list[tuple[list[Value], list[Value]]]:
        """For each chunk the values of the flat state, and what becomes of them."""
        found = []
        for n, (leaves, gradient, new) in enumerate(updates):
            old = [self.program.given(("flat", n, k), t.shape, t.dtype) for k, t in enumerate(leaves)]
            self.reader.known.update({id(t): v for t, v in zip(leaves, old, strict=True)})
            self.reader.known[id(gradient)] = self.program.given(("gradient", n), gradient.shape, gradient.dtype)
            found.append((old, self.read(new)))
        return found

    def called(self, t: Tensor) -> str:
        """Its own name, or the variable's that holds it."""
        return t.name or self.names.get(id(t), "w")

    def _name_gradients(self, task: Task) -> None:
        root = task.root.name or "L"
        for t, v in zip(task.targets, self.outputs[1:], strict=True):
            if v.op is not None and not v.name:
                v.name = f"d{root}_d{self.called(t)}"

    def returned(self, texts: Sequence[str]) -> str:
        """What the program gives back: the value, and the gradients unless they were used up."""
        if self.alone:
            return texts[0]
        if self.shape is True:
            return f"{texts[0]}, {texts[1]}"
        if isinstance(self.shape, tuple):
            return f"{texts[0]}, {{{', '.join(f'{k!r}: {t}' for k, t in zip(self.shape, texts[1:], strict=True))}}}"
        return f"{texts[0]}, [{', '.join(texts[1:])}]"


# ---- programs of single numbers --------------------------------------------------------------------------------------


def _of_numbers(values: Values, inputs: Sequence[Tensor], lock: Any) -> Built:
    fast = _number_program(values, FloatLowering([*RESERVED, *TAKEN]))
    slow: list[Built] = []

    def run(*args: Any) -> Any:
        try:
            return fast.entry(*args)
        except (ArithmeticError, ValueError):  # Python raises where NumPy's numbers become inf or nan
            if not slow:
                slow.append(_number_program(values, ArrayLowering(RESERVED)))
            return slow[0].entry(*args)

    return Built(make_entry(run, inputs, None, lock), fast.text, fast.layout, [])


def _number_program(values: Values, low: Lowering) -> Built:
    """One assignment for each value, and at the end the new numbers of the parameters."""
    emitter = Emitter(low.instructions, low.names)
    plain = ".item()" if isinstance(low, FloatLowering) else ""  # Python's own numbers are several times faster than NumPy's
    for v in values.arguments:
        name = emitter.argument(low.name(v.name))
        low.where[v.place] = Number(name)
        if plain:
            emitter.prepare(f"{name} = {name}{plain}", name)
    state = values.state.tensors if values.state is not None else []
    holders: dict[int, str] = {}
    needed = values.program.needed(values.outputs + values.updated)
    for v in needed:
        if v.source is not None and v.place not in low.where:
            t = state[v.source[1]] if v.source[0] == "state" else v.source[1]
            name = low.name(v.name)
            holders[id(t)] = holder = low.name(f"{name}_")
            low.where[v.place] = Number(name)
            emitter.prepare(f"{name} = {holder}._data{plain}", name, **{holder: t})
    for v in needed:
        if v.op is not None:
            low.lower(v)
    texts = [low.number(v).text for v in values.outputs]
    new = [low.number(v).text for v in values.updated]
    emitter.namespace["float64"] = np.float64
    emitter.write(low.constants())
    for t, text in zip(state, new, strict=True):
        holder = holders.get(id(t)) or low.name(t.name or "w")
        emitter.finish(f"{holder}._data = float64({text})", text, **{holder: t})
    text = emitter.text("program", values.returned(texts), texts)
    return Built(load(text, emitter.namespace, "program"), text, emitter.layout, [])


# ---- programs of arrays ----------------------------------------------------------------------------------------------


def _of_arrays(task: Task, values: Values, lock: Any) -> Built:
    state = task.state
    if state is not None:
        state.move()
    low = ArrayLowering(state.names if state is not None else RESERVED)
    flat = values.read_flat(task.flat)
    updated = [] if flat else values.updated
    states = [v for old, new in flat for v in old + new]
    given = _Given(task, low)
    for v in [*values.arguments, *values.program.needed(values.outputs + updated + states)]:
        if v.source is not None and v.place not in low.where:
            low.where[v.place] = given.place(v)
    arguments = [low.where[v.place] for v in values.arguments]
    if not task.reuse:  # else they are copied when every argument, which may be a result of before, has been read
        for v in values.outputs if state is None else values.outputs[:1]:
            _force(low, v, _result(task, low, v))
    if flat and state is not None:
        for v, buffer in zip(values.outputs[1:], state.gradients, strict=True):
            _force(low, v, Array(buffer, (), buffer.shape))
    for v in values.program.needed(values.outputs + updated):
        if v.op is not None:
            low.lower(v)
    results = _results(task, low, values.outputs if state is None else values.outputs[:1])
    if flat:
        _update_flat(task, low, values, flat)
    elif state is not None:
        _update_each(task, low, updated)
    layout = lay_out(low.instructions)
    emitter = Emitter(low.instructions, low.names, layout)
    for x in arguments:
        emitter.argument(x.text if isinstance(x, Number) else x.buffer.name)
    for line, name, uses in given.lines:
        emitter.prepare(line, name, **uses)
    emitter.write(low.constants())
    texts = [x.text if isinstance(x, Number) else emitter.array(x) for x in results]
    text = emitter.text("program", values.returned(texts), texts)
    program = load(text, emitter.namespace, "program")
    if state is not None:
        state.moved.append(emitter.remake_kept)
    return Built(make_entry(program, task.inputs, state, lock), text, layout, emitter.texts)


class _Given:
    """What comes from outside, and the lines that fetch it."""

    def __init__(self, task: Task, low: Lowering) -> None:
        self.task = task
        self.low = low
        self.lines: list[tuple[str, str, Mapping[str, Any]]] = []

    def place(self, v: Value) -> Operand:
        """The operand that a value from outside is."""
        kind, which, *more = v.source
        state = self.task.state
        if kind in ("argument", "outside"):
            found: Operand = self.low.buffer(v.shape, v.dtype, "given", v.name) if v.shape else Number(self.low.name(v.name))
            if kind == "outside":
                name = found.text if isinstance(found, Number) else found.buffer.name
                holder = self.low.name(f"{name}_")
                self.lines.append((f"{name} = {holder}._data", name, {holder: which}))
            return found
        assert state is not None
        if kind == "state":
            buffer = state.buffers[which]
        else:
            buffer = state.chunks[which].flats[more[0]] if kind == "flat" else state.chunks[which].gradient
        return Array(buffer, (), buffer.shape)


def _force(low: Lowering, v: Value, array: Array | None) -> None:
    if v.op is not None and array is not None:
        low.forced.setdefault(v.place, array)


def _result(task: Task, low: Lowering, v: Value) -> Array | None:
    """Memory for a result: the caller's own, or with ``reuse`` the same at every call; a number needs none."""
    if not v.shape:
        return None
    if task.reuse:
        return low.buffer(v.shape, v.dtype, "kept", v.name, np.zeros(v.shape, v.dtype))
    return low.buffer(v.shape, v.dtype, "result", v.name)


def _results(task: Task, low: Lowering, outputs: Sequence[Value]) -> list[Operand]:
    """The results, each in memory that nothing else uses."""
    results: list[Operand] = []
    taken: set[int] = set()
    for v in outputs:
        own = low.forced.get(v.place) if v.place not in taken else None
        if not v.shape:
            results.append(low.number(v))
        elif own is not None:
            results.append(own)
        else:  # given as it is, or given twice
            copy = _result(task, low, v)
            assert copy is not None
            low.emit("{out}[...] = {0}", low.array(v), out=copy)
            results.append(copy)
        taken.add(v.place)
    return results


def _update_each(task: Task, low: Lowering, updated: Sequence[Value]) -> None:
    """New numbers, parameter by parameter."""
    assert task.state is not None
    places = [Array(buffer, (), buffer.shape) for buffer in task.state.buffers]
    _store(low, list(zip(updated, places, strict=True)))


def _store(low: Lowering, pairs: Sequence[tuple[Value, Array]]) -> None:
    """Write values into kept memory, when all of them are there: one may be what another overwrites, and is copied first."""
    held = []
    for v, place in pairs:
        x = low.array(v)
        if x.buffer.home == "kept":
            copy = low.buffer(x.shape, x.buffer.dtype)
            low.emit("{out}[...] = {0}", x, out=copy)
            x = copy
        held.append((x, place))
    for x, place in held:
        low.emit("{out}[...] = {0}", x, out=place)


def _update_flat(task: Task, low: Lowering, values: Values, flat: Sequence[tuple[list[Value], list[Value]]]) -> None:
    """New numbers for whole chunks, written over the old ones where nothing reads those any more."""
    assert task.state is not None
    for v, buffer in zip(values.outputs[1:], task.state.gradients, strict=True):
        x = low.where.get(v.place)
        if not isinstance(x, Array) or x.buffer is not buffer:
            low.emit("{out}[...] = {0}", low.array(v), out=Array(buffer, (), buffer.shape))
    needed = values.program.needed([v for _, new in flat for v in new])
    last_read = _last_reads(needed) | {v.place: len(values.program.values) for _, new in flat for v in new if v.op is None}
    late: list[tuple[Value, Array]] = []
    safe = all(v.op in TABLE for v in needed if v.op is not None)  # somebody's own op may raise, when half is written
    for old, new in flat:
        for before, after in zip(old, new, strict=True):
            place = low.where[before.place]
            assert isinstance(place, Array)
            free = safe and last_read.get(before.place, -1) <= after.place
            if free and after.op in UFUNCS and after.place not in low.forced and after.place not in low.where:
                low.forced[after.place] = place
            else:
                late.append((after, place))
    for v in needed:
        if v.op is not None and v.place not in low.where:
            low.lower(v)
    _store(low, late)


def _last_reads(values: Iterable[Value]) -> dict[int, int]:
    """By place, the last value that reads it."""
    last: dict[int, int] = {}
    for v in values:
        for a in v.args:
            last[a.place] = v.place
    return last
