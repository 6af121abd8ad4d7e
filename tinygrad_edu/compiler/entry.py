"""The way into a program: looks at the arguments, at the parameters' memory, and runs it with nobody else.

NumPy's warnings are silent in a program, as the rules of the op table silence them where an infinity is on the way to a
right result: it runs in a context of its own, in which that is set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

import numpy as np

from ..tensor import Tensor
from .state import State

MISS = object()  # what an entry gives for arguments that its program is not for


def make_entry(program: Callable[..., Any], inputs: Sequence[Tensor], state: State | None, lock: Any) -> Callable[..., Any]:
    """``entry(*arguments)``: what the program gives, or MISS where an argument has another shape or dtype."""
    names = [f"x{n}" for n in range(len(inputs))]
    context = Context()
    context.run(np.seterr, all="ignore")
    space: dict[str, Any] = {
        "Tensor": Tensor, "ndarray": np.ndarray, "float64": np.float64, "MISS": MISS, "lock": lock, "run": context.run,
        "program": program,
    }  # fmt: skip
    lines = [f"def entry({', '.join(names)}):"]
    for n, (x, t) in enumerate(zip(names, inputs, strict=True)):
        lines.append(f"    if type({x}) is Tensor: {x} = {x}._data")
        if t.shape:
            space[f"dtype{n}"] = t.dtype
            lines.append(f"    if type({x}) is not ndarray or {x}.shape != {t.shape!r} or {x}.dtype is not dtype{n}: return MISS")
        else:
            space[f"kind{n}"] = t.dtype.type
            if t.dtype == np.float64:
                lines.append(f"    if type({x}) is float: {x} = float64({x})")
            lines.append(f"    if type({x}) is not kind{n}: return MISS")
    call = f"run({', '.join(['program', *names])})"
    lines.append("    with lock:")
    if state is None:
        lines.append(f"        return {call}")
    else:
        lines += _checks(state, space)
        lines += ["        try:", f"            return {call}", "        finally:"]
        shown = [n for n, t in enumerate(state.tensors) if not t.shape]
        for n in shown:
            space[f"cell{n}"] = state.buffers[n]
            lines.append(f"            t{n}._data = seen[{n}] = cell{n}.data[()]")
        lines += [] if shown else ["            pass"]
    exec(compile("\n".join(lines), "<tinygrad_edu entry>", "exec"), space)
    entry: Callable[..., Any] = space.pop("entry")  # its own namespace does not hold it: that would be a cycle
    return entry


def _checks(state: State, space: dict[str, Any]) -> list[str]:
    """Whether each Tensor still shows the step's memory, and nobody else holds a view of it."""
    space |= {"seen": state.seen, "state": state, "move": state.move, "count": state.references}
    space |= {f"t{n}": t for n, t in enumerate(state.tensors)}
    mine = " and ".join(f"t{n}._data is seen[{n}]" for n in range(len(state.tensors)))
    return [f"        if not ({mine}) or count() != state.expected: move()"]
