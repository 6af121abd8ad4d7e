"""What is to be compiled: a recorded call, its gradients, and what an update rule makes of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import CompileError
from ..modes import enable_grad, tracing
from ..ops import Elementwise
from ..record import LITERALS
from ..tensor import Tensor
from .state import State, leaf_like
from .trace import order_from, structure

Update = Callable[..., Any]


class FlatUpdate(NamedTuple):
    """An update of all parameters of one dtype at once: the leaves that stand for them, and what becomes of them."""

    state: list[Tensor]  # the parameters, then each slot
    gradient: Tensor
    new: list[Tensor]


@dataclass(slots=True)
class Task:
    """A recorded call, and what becomes of its gradients."""

    inputs: list[Tensor]
    outside: dict[int, Tensor]  # leaves that were there before the call
    root: Tensor
    targets: list[Tensor]
    gradients: list[Tensor]
    shape: bool | tuple[str, ...]  # of the gradients: True for a single one, the keys of a dict, else a list
    reuse: bool  # give back the same arrays at every call
    names: dict[int, str] = field(default_factory=dict)  # of Tensors without one, by id
    state: State | None = None
    updated: list[list[Tensor]] = field(default_factory=list)  # by group, what the state becomes
    flat: list[FlatUpdate] = field(default_factory=list)  # by chunk; empty where the rule looks at more than one place


def record_updates(task: Task, update: Update, state: State) -> None:
    """Record what the update rule makes of every parameter, and if it works place by place, of all of them at once.

    The rule runs twice for each. The leaves that are there in both runs come from outside, such as a learning rate; what
    else differs would be frozen as it was.
    """
    task.state = state
    columns = []
    for i in range(len(state.groups[0])):
        old = [group[i] for group in state.groups]
        given = [old[0], task.gradients[i], *old[1:]]
        new, again = (_applied(update, given, len(state.groups)) for _ in range(2))
        for before, after in zip(old, new, strict=True):
            if after.shape != before.shape:
                raise CompileError(
                    f"compile: update makes {before._called()} of shape {before.shape} one of shape {after.shape}."
                )
        roles: dict[int, Any] = {id(t): n for n, t in enumerate(given)}
        both = {id(t) for t in order_from(again, roles) if not t.inputs} - roles.keys()
        own = {id(t) for t in (*state.tensors, *task.inputs)}
        task.outside.update({id(t): t for t in order_from(new, roles) if id(t) in both - own and type(t._data) not in LITERALS})
        roles = {key: key for key in task.outside} | {id(t): id(t) for t in task.inputs} | roles
        if structure(new, roles) != structure(again, roles):
            raise CompileError(
                f"compile: update is another computation when it runs again for {old[0]._called()}: random numbers or a count "
                "in it would stay as they were.\n  Try: a slot that counts, or an argument of the step"
            )
        columns.append(new)
    task.updated = [list(group) for group in zip(*columns, strict=True)]
    task.flat = _flat_updates(task, update, state) or []


def _flat_updates(task: Task, update: Update, state: State) -> list[FlatUpdate] | None:
    """The same rule on whole chunks, if it is the same rule there: equal operations, each on one place."""
    outside: dict[int, Any] = {key: key for key in task.outside} | {id(t): id(t) for t in task.inputs}
    found = []
    for chunk in state.chunks:
        leaves, gradient = [leaf_like(buffer) for buffer in chunk.flats], leaf_like(chunk.gradient)
        given = [leaves[0], gradient, *leaves[1:]]
        try:
            new = _applied(update, given, len(state.groups))
        except Exception:  # a rule that asks for the shape of each parameter
            return None
        if not _is_place_by_place(new, given):
            return None
        written = _on_any_shape(structure(new, outside | {id(t): n for n, t in enumerate(given)}))
        for i in chunk.members:
            own = [state.groups[0][i], task.gradients[i], *(group[i] for group in state.groups[1:])]
            roles = outside | {id(t): n for n, t in enumerate(own)}
            if _on_any_shape(structure([group[i] for group in task.updated], roles)) != written:
                return None
        found.append(FlatUpdate(leaves, gradient, new))
    return found


def _applied(update: Update, given: Sequence[Tensor], groups: int) -> list[Tensor]:
    with enable_grad(), tracing():
        try:
            found = update(*given)
        except TypeError as error:
            if "positional argument" not in str(error):
                raise
            slots = f" and {groups - 1} slots" if groups > 2 else " and a slot" if groups > 1 else ""
            raise CompileError(f"compile: update takes the parameter, its gradient{slots}: {error}\n  {_try(groups)}") from None
    new = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(new) != groups or not all(isinstance(t, Tensor) for t in new):
        wanted = "the new parameter" if groups == 1 else f"a tuple of the new parameter and {groups - 1} new slots"
        raise CompileError(
            f"compile: update gives {', '.join(type(t).__name__ for t in new)}; it must give {wanted}, as Tensors.\n"
            f"  {_try(groups)}"
        )
    return [t if t.dtype == given[0].dtype else t.astype(given[0].dtype) for t in new]


def _try(groups: int) -> str:
    if groups == 1:
        return "Try: update=lambda w, g: w - 0.1 * g"
    return "Try: update=lambda w, g, v: (w - 0.1 * v, 0.9 * v + g), slots=1"


def _is_place_by_place(roots: Sequence[Tensor], given: Sequence[Tensor]) -> bool:
    leaves = {id(t) for t in given}
    for t in order_from(roots, leaves):
        if id(t) not in leaves and not (isinstance(t.op, Elementwise) if t.inputs else not t.shape):
            return False
    return all(t.shape == given[0].shape for t in roots)


def _on_any_shape(entries: Sequence[Any]) -> list[Any]:
    """A structure without its shapes."""
    *values, roots = entries
    return [*(entry[:2] if entry[0] == "given" else entry[:3] for entry in values), roots]
