"""From instructions to Python: the text of the program, and the arrays and functions that it names."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .blocks import Block, blocks_of
from .instructions import Array, Buffer, Instruction, Number, Step, view, view_text
from .names import FUNCTIONS, Names
from .plan import ALIGNMENT, Layout
from .program import frozen

LONGEST_FUNCTION = 2000  # lines; a longer program is a chain of functions
COMMENT_AT = 48  # column


class Emitter:
    """The program's text, and the namespace in which it runs.

    Parameters
    ----------
    names : Names
        What is taken by values.
    layout : Layout
        Where the buffers of the arena are.
    """

    def __init__(self, instructions: Sequence[Instruction], names: Names, layout: Layout | None = None) -> None:
        self.instructions = instructions
        self.names = names
        self.layout = layout = Layout({}, 0) if layout is None else layout
        self.arguments: list[str] = []
        self.namespace: dict[str, Any] = dict(FUNCTIONS)
        self.lines: list[str] = []
        self.assigned: list[str] = []  # by each line, or ""
        self.used: list[tuple[str, ...]] = []  # the variables that each line reads
        self.kept: list[tuple[str, Buffer, tuple[Step, ...]]] = []  # what is to be made anew when kept memory moves
        self.constants: set[str] = set()
        self.texts: list[str] = []  # of each instruction
        self.blocks: list[tuple[str, list[Buffer], int]] = []
        self._views: dict[Any, str] = {}
        self._variables: set[str] = set()
        self._arena = _aligned(layout.size)

    # ---- names of operands --------------------------------------------------------------------------------------------

    def base(self, buffer: Buffer) -> Any:
        """The array of a static buffer."""
        if buffer.home != "arena":
            return buffer.data
        place = self.layout.places[id(buffer)]
        return self._arena[place.offset : place.offset + buffer.nbytes].view(buffer.dtype).reshape(buffer.shape)

    def array(self, x: Array) -> str:
        """The name of an array or a view; a view of memory that changes from call to call is made by a line."""
        key = (id(x.buffer), frozen(x.steps) if x.steps else ())
        found = self._views.get(key)
        if found is not None:
            return found
        buffer = x.buffer
        name = buffer.name
        if x.steps:
            turned = x.steps == (("transpose", tuple(range(len(x.shape)))[::-1]),)
            end = "T" if turned else "x".join(map(str, x.shape)) if x.is_whole else "part"
            name = self.names.new(f"{buffer.name}_{end}")
        self._views[key] = name
        if buffer.home == "constant":
            self.constants.add(name)
        if buffer.is_static:
            self.namespace[name] = view(self.base(buffer), x.steps)
            if buffer.home == "kept":
                self.kept.append((name, buffer, x.steps))
        elif x.steps:
            self._line(f"{name} = {view_text(self.array(Array(buffer, (), buffer.shape)), x.steps)}", name, (buffer.name,))
        elif buffer.home == "result":
            dtype = "" if buffer.dtype == np.float64 else f", {buffer.dtype.name}"
            if dtype:
                self.namespace[buffer.dtype.name] = buffer.dtype.type
            self._line(f"{name} = empty({buffer.shape!r}{dtype})", name, ())
        return name

    def remake_kept(self) -> None:
        """Name the views of kept memory anew, after it has moved."""
        for name, buffer, steps in self.kept:
            self.namespace[name] = view(buffer.data, steps)
        for name, buffers, length in self.blocks:
            if any(buffer.home == "kept" for buffer in buffers):
                self._make_blocks(name, buffers, length)

    # ---- lines --------------------------------------------------------------------------------------------------------

    def _line(self, text: str, assigned: str = "", used: Iterable[str] = ()) -> None:
        self.lines.append(text)
        self.assigned.append(assigned)
        self.used.append(tuple([name for name in used if name in self._variables]))
        if assigned:
            self._variables.add(assigned)

    def prepare(self, text: str, assigned: str, **uses: Any) -> None:
        """A line before the first instruction."""
        self.namespace.update(uses)
        self._line(text, assigned, (assigned,))

    def finish(self, text: str, used: str, **uses: Any) -> None:
        """A line after the last instruction."""
        self.namespace.update(uses)
        self._line(text, "", (used,))

    def argument(self, name: str) -> str:
        """An argument of the program, in order."""
        self.arguments.append(name)
        self._variables.add(name)
        return name

    def write(self, constants: Mapping[str, Any]) -> None:
        """All instructions, elementwise chains on large arrays in blocks."""
        self.namespace.update(constants)
        for unit in blocks_of(self.instructions, self.layout):
            if isinstance(unit, Block):
                self._block(unit)
            else:
                self._instruction(unit)

    def _instruction(self, instruction: Instruction) -> None:
        self.namespace.update(instruction.uses)
        names = [x.text if isinstance(x, Number) else self.array(x) for x in instruction.operands]
        out = instruction.number or (self.array(instruction.out) if instruction.out is not None else "")
        text = instruction.text.format(*names, out=out)
        self.texts.append(text)
        if instruction.out is not None and not instruction.number:
            shape = instruction.out.shape
            place = self.layout.places.get(id(instruction.out.buffer))
            where = f" at {place.offset}" if place is not None else ""
            text = f"{text:<{COMMENT_AT - 4}}# {shape}{where}"
        self._line(text, instruction.number, (*names, out))

    def _block(self, block: Block) -> None:
        """A loop over blocks that stay in the cache: all steps of the chain on one, then on the next."""
        columns: dict[str, Any] = {}
        for instruction in block.instructions:
            self.namespace.update(instruction.uses)
            for x in instruction.arrays:
                if x.shape:
                    columns.setdefault(self.array(Array(x.buffer, (), x.buffer.shape)), x.buffer)
        name = self.names.new("blocks")
        self.blocks.append((name, list(columns.values()), block.length))
        self._make_blocks(*self.blocks[-1])
        local = {c: self.names.new(c) for c in columns}
        lines = [f"for {', '.join(local.values())}, in {name}:  # {len(self.namespace[name])} blocks of {block.length} numbers"]
        for instruction in block.instructions:
            names = [
                x.text if isinstance(x, Number) else local[x.buffer.name] if x.shape else self.array(x)
                for x in instruction.operands
            ]
            assert instruction.out is not None
            lines.append(f"    {instruction.text.format(*names, out=local[instruction.out.buffer.name])}")
            self.texts.append(lines[-1].strip())
        reads = [x.text for instruction in block.instructions for x in instruction.operands if isinstance(x, Number)]
        reads += [self.array(x) for instruction in block.instructions for x in instruction.arrays if not x.shape]
        for line in lines:
            self._line(line, "", reads)

    def _make_blocks(self, name: str, buffers: Sequence[Buffer], length: int) -> None:
        flat = [self.base(buffer).reshape(-1) for buffer in buffers]
        starts = range(0, len(flat[0]), length)
        self.namespace[name] = [tuple([array[start : start + length] for array in flat]) for start in starts]

    # ---- the text -----------------------------------------------------------------------------------------------------

    def text(self, name: str, returned: str, returns: Sequence[str]) -> str:
        """The whole program: one function, or a chain of functions where it is long."""
        if len(self.lines) <= LONGEST_FUNCTION:
            head = f"{self._legend()}def {name}({', '.join(self.arguments)}):"
            return "\n".join([head, *(f"    {line}" for line in self.lines), f"    return {returned}"]) + "\n"
        return self._in_parts(name, returned, returns)

    def _legend(self) -> str:
        """What the constants stand for, as a comment."""
        texts = []
        for (_, steps), name in self._views.items():
            x = self.namespace.get(name)
            if name in self.constants and not steps and isinstance(x, np.ndarray):
                texts.append(f"{name} = {x.item()!r}" if not x.shape else f"{name}: {x.dtype} {x.shape}")
        return f"# {', '.join(texts)}\n" if texts else ""

    def _in_parts(self, name: str, returned: str, returns: Sequence[str]) -> str:
        """A chain of functions; what one of them computes for a later one goes through a list."""
        starts = [0]
        for i, line in enumerate(self.lines):
            if i - starts[-1] >= LONGEST_FUNCTION and not line.startswith("    "):
                starts.append(i)
        parts = [range(start, stop) for start, stop in itertools.pairwise([*starts, len(self.lines)])]
        made_in = dict.fromkeys(self.arguments, -1)
        slots: dict[str, int] = {}  # places in the list
        taken: list[dict[str, None]] = []  # by each part, from the list
        for n, part in enumerate(parts):
            taken.append({})
            for i in part:
                for used in self.used[i]:
                    if made_in[used] != n:
                        slots.setdefault(used, len(slots))
                        taken[n][used] = None
                if self.assigned[i]:
                    made_in[self.assigned[i]] = n
        for used in returns:
            if used in made_in:
                slots.setdefault(used, len(slots))
        texts = []
        for n, part in enumerate(parts):
            left = dict.fromkeys(self.assigned[i] for i in part if self.assigned[i] in slots)
            first = [f"    {used} = shared[{slots[used]}]" for used in taken[n]]
            last = [f"    shared[{slots[made]}] = {made}" for made in left]
            texts.append("\n".join([f"def part_{n}():", *first, *(f"    {self.lines[i]}" for i in part), *last]))
        self.namespace["shared"] = [None] * len(slots)
        body = [f"    shared[{slots[a]}] = {a}" for a in self.arguments if a in slots]
        body += ["    for part in parts:", "        part()"]
        body += [f"    {used} = shared[{slots[used]}]" for used in dict.fromkeys(returns) if used in slots]
        head = f"def {name}({', '.join([*self.arguments, '*', 'parts'])}):"
        return "\n\n\n".join([*texts, "\n".join([head, *body, f"    return {returned}"])]) + "\n"


def load(text: str, namespace: dict[str, Any], name: str) -> Any:
    """Run the text of functions in its namespace, part by part, and take the last one, which calls the others.

    The namespace holds none of them: each holds the namespace, and that would be a cycle.
    """
    functions = []
    for part in text.split("\n\n\n"):
        exec(compile(part, f"<tinygrad_edu {name}>", "exec"), namespace)
        functions.append(namespace.pop(part.partition("def ")[2].partition("(")[0]))
    *parts, program = functions
    if parts:
        program.__kwdefaults__ = {"parts": tuple(parts)}
    return program


def _aligned(size: int) -> Any:
    """Memory that starts at a cache line."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]
