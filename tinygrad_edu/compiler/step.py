"""``compile``: a function of Tensors as a program that computes its value and its gradients, recorded once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any

import numpy as np

from ..errors import CompileError, GradientError
from ..modes import MODES, enable_grad, is_tracing, tracing
from ..record import LITERALS
from ..sweep import topological_order
from ..tensor import Tensor
from .arguments import Arguments, Group, Signature, read, variables_of
from .build import RESERVED, Built, build
from .entry import MISS
from .picture import Plan
from .state import State
from .task import Task, record_updates
from .trace import differentiated, first_difference, leaf, leaves_of, other_numbers, parameters_of, structure

Update = Callable[..., Any]
Wrt = int | Tensor | Sequence[int | Tensor] | Mapping[str, Tensor] | None
# How far the compiled numbers may be from the eager ones, relative to the largest number of the array.
ROUNDING = 1000.0  # how many units in the last place of the largest number may be lost on the way
MANY_SETTINGS = 8  # programs that differ only in them
TOLERANCE = {2: 0.05, 4: 1e-3, 8: 1e-7, 16: 1e-7}


def compile(  # named as PyTorch names it
    f: Callable[..., Tensor],
    wrt: Wrt = None,
    *,
    update: Update | None = None,
    slots: int = 0,
    reuse: bool = False,
    check: bool = True,
) -> CompiledStep:
    """``step(*args) -> f(*args), [∂f/∂w, ...]``, computed by a program that was recorded once and writes into planned memory.

    Parameters
    ----------
    f : callable
        Takes Tensors and gives a Tensor: a scalar, unless ``wrt=()``. It may use other Tensors, such as parameters; their
        numbers are read at each call. Arrays and numbers that it uses are constants.
    wrt : int, Tensor, sequence or dict of them, optional
        What to differentiate by: arguments, by their number, and Tensors that ``f`` uses. By default the Tensors that ``f``
        uses and that require a gradient, in the order of their first use (``step.wrt``). One gives one gradient, a sequence a
        list, a dict a dict; ``()`` none.
    update : callable, optional
        ``update(w, g) -> new w``, in Tensors, for each w of ``wrt`` and its gradient g. It becomes part of the program, which
        then gives only the value, and gives the parameters their new numbers.
    slots : int
        How many arrays of w's shape the update rule keeps: ``update(w, g, *slots) -> (new w, *new slots)``. They start at 0.
    reuse : bool
        Give back the same arrays at every call, overwritten, instead of new ones.
    check : bool
        Compare the first call of each signature with the engine.

    Returns
    -------
    CompiledStep
        Called with arrays, numbers or Tensors, and lists, tuples or dicts of them. Keyword arguments that are arrays are data
        too; others are settings, which are passed to ``f`` as they are. Each signature (shapes, dtypes, settings) is recorded
        at its first call, for which ``f`` runs twice. The results are NumPy arrays and numbers.

    Raises
    ------
    CompileError
        If ``f`` is another computation when it runs on other numbers, or the program does not agree with the engine.
    GradientError
        If the value is not a scalar, or does not depend on what it is to be differentiated by.

    Notes
    -----
    A step runs one call at a time; threads wait for each other. NumPy's warnings are silent in it. What ``f`` checks in its
    data (that a target is between 0 and 1) is checked at the first call only.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, -1.0], requires_grad=True, name="w")
    >>> step = tg.compile(lambda x, y: tg.mse(x @ w, y), wrt=w)
    >>> value, gradient = step([[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0])
    >>> float(value), gradient.tolist()
    (2.5, [-7.0, -10.0])
    """
    return CompiledStep(f, wrt, update=update, slots=slots, reuse=reuse, check=check)


class CompiledStep:
    """A compiled function: made by :func:`compile`, called like the function."""

    def __init__(
        self, f: Callable[..., Tensor], wrt: Wrt, *, update: Update | None, slots: int, reuse: bool, check: bool
    ) -> None:
        if not callable(f):
            raise TypeError(f"compile: a function is needed, not {type(f).__name__}.\n  Try: tg.compile(lambda x: ...)")
        if update is not None and not callable(update):
            raise TypeError(f"compile: update is a rule, not {type(update).__name__}.\n  Try: update=lambda w, g: w - 0.1 * g")
        self._f = f
        self._single = isinstance(wrt, (int, np.integer, Tensor)) and not isinstance(wrt, bool)
        self._keys = tuple(wrt) if isinstance(wrt, Mapping) else None
        self._wrt: list[int | Tensor] | None = None
        if wrt is not None:
            if isinstance(wrt, (int, np.integer, Tensor, np.ndarray)):
                self._wrt = [_target(wrt)]
            else:
                self._wrt = [_target(w) for w in (wrt.values() if isinstance(wrt, Mapping) else wrt)]
        if update is not None and self._wrt is not None and not all(isinstance(w, Tensor) for w in self._wrt):
            raise ValueError("compile: an update is for Tensors that f uses, not for its arguments.\n  Try: wrt=[W, b]")
        if update is not None and self._wrt == []:
            raise ValueError("compile: there is nothing to update.\n  Try: wrt=None, for all parameters")
        if slots and update is None:
            raise ValueError("compile: slots belong to an update rule.\n  Try: update=lambda w, g, v: ...")
        self._update, self._slots, self._reuse, self._check = update, slots, reuse, check
        self._state: State | None = None
        self._built: dict[Signature, Built] = {}
        self._last: Built | None = None
        self._fast: tuple[Callable[..., Any], int] | None = None  # the entry of the last signature, and its number of arguments
        self._lock = RLock()
        self.__doc__ = f.__doc__

    def __repr__(self) -> str:
        return f"<compiled {getattr(self._f, '__name__', type(self._f).__name__)}, {len(self._built)} signatures>"

    @property
    def wrt(self) -> tuple[int | Tensor, ...]:
        """What it differentiates by: Tensors, and numbers of arguments."""
        if self._wrt is None:
            raise ValueError(
                "compile: what the gradients are by is known after the first call.\n  Try: call the step once, or wrt="
            )
        return tuple(self._wrt)

    @property
    def slots(self) -> list[list[Tensor]]:
        """``slots[k][i]`` is slot k of parameter i, a Tensor: its ``data`` can be saved, and given back."""
        self._ran()
        return [] if self._state is None else [list(group) for group in self._state.groups[1:]]

    @property
    def source(self) -> str:
        """The text of the program that ran last."""
        return self._ran().text

    @property
    def plan(self) -> Plan:
        """The memory of the program that ran last: which arrays take which bytes, from when to when."""
        built = self._ran()
        return Plan(built.layout, built.instructions)

    def _ran(self) -> Built:
        if self._last is None:
            raise ValueError("compile: there is no program before the first call, whose shapes it is made for.\n  Try: step(...)")
        return self._last

    # ---- calls --------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """The value, and the gradients; with an update the value alone."""
        if MODES.get() and is_tracing():
            raise CompileError(
                "compile: a compiled step is called inside of a function that is compiled: its results are numbers of one call.\n"
                "  Try: the function itself, tg.value_and_grad of it, or one step after the other"
            )
        fast = self._fast
        if fast is not None and not settings and len(args) == fast[1]:
            result = fast[0](*args)
            if result is not MISS:
                return result
        return self._any_signature(args, settings)

    def _any_signature(self, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        arguments = read(self._f, args, settings)
        signature = arguments.signature
        numbers = [x if x.shape else x[()] for x in arguments.arrays]
        built = self._built.get(signature)
        if built is None:
            with self._lock:
                built = self._built.get(signature)  # another thread may have been first
                if built is None:
                    return self._first(signature, arguments, numbers)
        self._use(built, signature)
        result = built.entry(*numbers)
        assert result is not MISS, "an entry takes what its signature says"
        return result

    def _use(self, built: Built, signature: Signature) -> None:
        plain = not signature.settings and all(g.kind is None and not g.keyword for g in signature.groups)
        self._last, self._fast = built, (built.entry, len(signature.groups)) if plain else None

    def _first(self, signature: Signature, arguments: Arguments, numbers: list[Any]) -> Any:
        """Record, build, run and compare."""
        task = self._recorded(arguments)
        state = task.state
        before = [t._data for t in state.tensors] if state is not None else []
        told = len(state.moved) if state is not None else 0
        updated = [t for group in task.updated for t in group]
        expected = [t._data for t in (task.root, *(updated if state is not None else task.gradients))]
        try:
            built = build(task, self._lock)
            result = built.entry(*numbers)
            if self._check:
                self._compare(self._parts(result, task), expected, task)
        except BaseException:
            if state is not None:
                for t, data in zip(state.tensors, before, strict=True):
                    t._data = data
                del state.moved[told:]
            raise
        self._state = state
        self._wrt = self._wrt if self._wrt is not None else list(task.targets)
        self._built[signature] = built
        self._use(built, signature)
        self._warn_of_settings(signature)
        return result

    def _parts(self, result: Any, task: Task) -> list[Any]:
        """The value, and the gradients or what the state has become."""
        if task.state is not None:
            return [result, *(t._data for t in task.state.tensors)]
        if not task.targets:
            return [result]
        value, found = result
        return [value, found] if self._single else [value, *(found.values() if isinstance(found, dict) else found)]

    def _warn_of_settings(self, signature: Signature) -> None:
        """Say once that a setting that changes at every call makes a program each time."""
        alike = sum(s.groups == signature.groups and s.kinds == signature.kinds for s in self._built)
        if alike == MANY_SETTINGS:
            words = ", ".join(name for name, _ in signature.settings)
            warnings.warn(
                f"compile: {alike} programs that differ only in a setting ({words}); each was recorded anew.\n"
                "  Try: numbers that change as positional arguments",
                stacklevel=5,
            )

    def _compare(self, found: Sequence[Any], expected: Sequence[Any], task: Task) -> None:
        names = [task.root._called(), *(t._called() for t in (task.state.tensors if task.state is not None else task.targets))]
        for name, number, right in zip(names, found, map(np.asarray, expected), strict=True):
            wrong = np.abs(np.where(np.isfinite(right), np.subtract(number, right, dtype=float), 0))
            scale = np.max(np.abs(right), initial=0.0, where=np.isfinite(right))
            if right.dtype.kind != "f" or np.all(wrong <= TOLERANCE[right.dtype.itemsize] * max(scale, 1e-3)):
                continue
            # What cancels leaves the rounding errors of the large numbers that it came from.
            if not np.all(wrong <= ROUNDING * np.finfo(right.dtype).eps * _largest([task.root, *task.gradients])):
                raise CompileError(
                    f"compile: the program and the engine differ by {np.max(wrong):.2g} in {name} (largest number {scale:.2g}).\n"
                    "  Please report this with the function; check=False runs the program as it is."
                )

    # ---- recording ----------------------------------------------------------------------------------------------------

    def _recorded(self, arguments: Arguments) -> Task:
        """The call, recorded twice, with its gradients and updates."""
        inputs, others = ([leaf(x, name) for x, name in zip(arguments.arrays, arguments.names, strict=True)] for _ in range(2))
        for t in others:
            t.data = other_numbers(t.data)
        try:
            again = self._run(arguments, others)
        except CompileError:
            raise
        except Exception:  # numbers that f refuses: then the same twice
            others = [leaf(x, name) for x, name in zip(arguments.arrays, arguments.names, strict=True)]
            again = self._run(arguments, others)
        root = self._run(arguments, inputs)  # the last: what f leaves behind belongs to these inputs
        own = {id(t) for t in (*inputs, *others)}
        there = {id(t): t for t in topological_order([again])}
        for t in topological_order([root]):
            if t.inputs and id(t) in there:
                raise CompileError(
                    f"compile: the function uses {t._called()}, which was computed before it was called.\n"
                    "  Try: compute it inside of the function, or use its .detach(), made outside"
                )
        there = {key: t for key, t in there.items() if not t.inputs and key not in own}
        outside = {id(t): t for t in leaves_of([root]) if id(t) in there and type(t._data) not in LITERALS}
        first = structure([root], {**{key: key for key in outside}, **{id(t): n for n, t in enumerate(inputs)}})
        second = structure([again], {**{key: key for key in outside}, **{id(t): n for n, t in enumerate(others)}})
        if first != second:
            raise CompileError(
                f"compile: on other numbers {getattr(self._f, '__name__', 'f')} is another computation: "
                f"{first_difference(first, second)}.\n"
                "  A program is recorded once: branches on numbers, random numbers and numbers read out of Tensors would stay "
                "as they were.\n  Try: tg.where for a branch, an argument for random numbers"
            )
        targets = self._targets(root, inputs, arguments.groups)
        if targets and root.shape:
            raise GradientError(
                f"compile: the function gives shape {root.shape}, not a scalar.\n"
                "  Try: .sum() or .mean() at its end, or wrt=() for the value alone"
            )
        shape = self._keys if self._keys is not None else self._single
        task = Task(inputs, outside, root, targets, differentiated(root, targets), shape, self._reuse)
        task.names = variables_of(self._f)
        if self._update is not None:
            state = self._state or State(targets, self._slots, RESERVED, task.names)
            if len({id(t) for t in targets}) < len(targets):
                raise ValueError("compile: wrt names a parameter twice, which cannot be updated twice.")
            if [id(t) for t in state.groups[0]] != [id(t) for t in targets]:
                raise CompileError("compile: this signature uses other parameters than the first.\n  Try: wrt=[...]")
            record_updates(task, self._update, state)
        return task

    def _run(self, arguments: Arguments, leaves: Sequence[Tensor]) -> Tensor:
        args, keywords = arguments.of(leaves)
        with enable_grad(), tracing():
            y = self._f(*args, **keywords)
        if not isinstance(y, Tensor):
            raise CompileError(
                f"compile: the function gives {type(y).__name__}, not a Tensor.\n"
                "  Try: return the loss; for predictions, a step of their own with wrt=()"
            )
        return y

    def _targets(self, root: Tensor, inputs: list[Tensor], groups: tuple[Group, ...]) -> list[Tensor]:
        """The Tensors to differentiate by; arguments stand for all that they hold."""
        wanted = self._wrt
        if wanted is None:
            wanted = list(parameters_of(root, inputs))
            if not wanted:
                raise GradientError(
                    "compile: the function uses no Tensor around it that requires a gradient; its arguments are data.\n"
                    "  Try: W = tg.Tensor(W, requires_grad=True) outside of it, wrt=0 for the first argument, or wrt=() for the "
                    "value alone"
                )
        used = {id(t) for t in leaves_of([root])}
        targets: list[Tensor] = []
        for w in wanted:
            if isinstance(w, Tensor):
                if id(w) not in used:
                    raise GradientError(f"compile: the function does not use {w._called()}.\n  Try: wrt=None, for all parameters")
                found = [w]
            else:
                if not -len(groups) <= w < len(groups):
                    raise ValueError(f"compile: wrt names argument {w}; the function was called with {len(groups)}.")
                at = w % len(groups)
                if groups[at].kind is not None:
                    raise ValueError(f"compile: argument {w} is a group; its parts have no number.\n  Try: arguments one by one")
                found = [inputs[sum(g.size for g in groups[:at])]]
            for t in found:
                if t.dtype.kind != "f":
                    raise GradientError(f"compile: {t._called()} holds {t.dtype}, which has no derivatives.")
            targets += found
        return targets


def _largest(roots: Sequence[Tensor]) -> float:
    """The largest finite number of a record."""
    found = 0.0
    for t in topological_order(roots):
        x = np.asarray(t._data)
        if x.dtype.kind == "f":
            found = max(found, float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x))))
    return found


def _target(w: Any) -> int | Tensor:
    """One thing to differentiate by."""
    if isinstance(w, np.ndarray):
        raise TypeError(
            f"compile: wrt holds an array of shape {w.shape}, which is a constant of the function.\n"
            "  Try: W = tg.Tensor(W, requires_grad=True)"
        )
    if isinstance(w, Tensor):
        return w
    if isinstance(w, (bool, np.bool_)) or not hasattr(w, "__index__"):
        raise TypeError(f"compile: wrt holds {type(w).__name__}; it takes Tensors and numbers of arguments: {w!r:.60}")
    return int(w)
