"""Modes: ``no_grad`` switches recording off, ``enable_grad`` on again, ``detect_anomaly`` looks at every number.

``scope`` changes nothing: it marks what is recorded inside as one group, for pictures.

The modes that are on live in one context variable, so they never reach another thread or task. A generator shares the
context of its caller: a mode that was entered in a generator holds only while that generator is running.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from types import FrameType, TracebackType
from typing import ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MODES: ContextVar[tuple[Guard, ...]] = ContextVar("tinygrad_edu_modes", default=())

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One entry into a scope. Two groups of the same name are two groups: they are told apart by identity."""

    name: str


class Guard:
    """One entry into a mode. ``owner`` is the frame of the generator that it was entered in, if it was in one.

    ``groups`` is for scopes: the group that was entered last, and before it those around it.
    """

    __slots__ = ("groups", "mode", "owner")

    def __init__(self, mode: Mode, owner: FrameType | None, groups: tuple[Group, ...]) -> None:
        self.mode = mode
        self.owner = owner
        self.groups = groups

    def holds(self) -> bool:
        """Whether the code that is running now is inside: always, or while the generator is on the stack."""
        if self.owner is None:
            return True
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame is self.owner:
                return True
            frame = frame.f_back
        return False


class Mode:
    """A context manager, and a decorator, that switches a mode on."""

    name: ClassVar[str]

    def __enter__(self) -> None:
        MODES.set((*MODES.get(), Guard(self, _owner(sys._getframe(1)), self._groups())))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        mine = [guard for guard in MODES.get() if guard.mode is self]
        owner = _owner(sys._getframe(1))
        # Generators leave in any order, and may share this object: the newest entry of this one, not of the context.
        last = next((guard for guard in reversed(mine) if guard.owner is owner), mine[-1] if mine else None)
        MODES.set(tuple(guard for guard in MODES.get() if guard is not last))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Run the function in this mode."""
        kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        if any(is_kind(function) for is_kind in kinds):
            raise TypeError(
                f"{self.name}: {function.__name__} is a generator or a coroutine, which runs after the call.\n"
                f"  Try: put `with tg.{self!r}:` inside it"
            )

        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return inside

    def __repr__(self) -> str:
        return f"{self.name}()"

    def _groups(self) -> tuple[Group, ...]:
        """The groups that an entry opens and is in: none, but for scopes."""
        return ()


def _owner(frame: FrameType | None) -> FrameType | None:
    """The frame of the innermost generator that is running, None outside of generators.

    contextlib drives a generator on behalf of its caller (``with`` on a @contextmanager): that one is passed over, for
    the mode belongs to the caller.
    """
    while frame is not None:
        driven = frame.f_back is not None and frame.f_back.f_globals.get("__name__") == "contextlib"
        if frame.f_code.co_flags & _GENERATOR and not driven:
            return frame
        frame = frame.f_back
    return None


class no_grad(Mode):  # noqa: N801  # PyTorch's word, and used like a function
    """Compute without recording: ``with no_grad():`` or ``@no_grad()``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> with tg.no_grad():
    ...     y = w * w
    >>> y.requires_grad
    False
    """

    name = "no_grad"


class enable_grad(Mode):  # noqa: N801  # PyTorch's word, and used like a function
    """Record again inside ``no_grad``: ``with enable_grad():`` or ``@enable_grad()``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> with tg.no_grad(), tg.enable_grad():
    ...     y = w * w
    >>> y.requires_grad
    True
    """

    name = "enable_grad"


class detect_anomaly(Mode):  # noqa: N801  # PyTorch's word, and used like a function
    """Stop at the first NaN or infinity, forward or backward, and say which operation made it from what.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([1.0, 0.0], name="x")
    >>> with tg.detect_anomaly():  # doctest: +IGNORE_EXCEPTION_DETAIL
    ...     y = 1 / x
    Traceback (most recent call last):
    tinygrad_edu.errors.AnomalyError: divide: the result is inf at [1]
    """

    name = "detect_anomaly"


class scope(Mode):  # noqa: N801  # used like the other modes
    """Mark what is computed inside as one group, for pictures: ``with scope("layer 1"):`` or ``@scope("layer 1")``.

    Numbers and gradients are what they are without it. Scopes nest. Every entry, and every call of a decorated function,
    is a group of its own: a loop that enters ``scope("cell")`` three times makes three groups of that name.

    Parameters
    ----------
    name : str
        How pictures call the group.

    Raises
    ------
    TypeError
        If the name is not text.

    Notes
    -----
    A gradient with a graph of its own (``create_graph=True``) is recorded when it is asked for: it is in the scopes that
    ``gradients`` was called in, not in those of the forward pass.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.modes import scopes
    >>> x = tg.Tensor(2.0, name="x")
    >>> with tg.scope("encoder"), tg.scope("layer 1"):
    ...     h = tg.tanh(x).named("h")
    ...     print([group.name for group in scopes()])
    ['encoder', 'layer 1']
    """

    name = "scope"

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f'scope: the name is {type(name).__name__}, not text: {name!r:.80}\n  Try: tg.scope("layer 1")')
        self.label = name

    def __repr__(self) -> str:
        return f"scope({self.label!r})"

    def _groups(self) -> tuple[Group, ...]:
        return (*scopes(), Group(self.label))


class tracing(Mode):  # noqa: N801  # named like the other modes
    """What is recorded inside becomes a program: its numbers are those of one call only, and must not be looked at."""

    name = "tracing"


def is_recording() -> bool:
    """Whether operations are recorded: the innermost of ``no_grad`` and ``enable_grad`` says so."""
    for guard in reversed(MODES.get()):
        if isinstance(guard.mode, (no_grad, enable_grad)) and guard.holds():
            return isinstance(guard.mode, enable_grad)
    return True


def is_watching() -> bool:
    """Whether the running code is inside ``detect_anomaly``."""
    for guard in MODES.get():  # noqa: SIM110  # asked at every operation of a layer, and any() takes twice as long
        if isinstance(guard.mode, detect_anomaly) and guard.holds():
            return True
    return False


def is_tracing() -> bool:
    """Whether the running code is recorded as a program."""
    return any(isinstance(guard.mode, tracing) and guard.holds() for guard in MODES.get())


def scopes() -> tuple[Group, ...]:
    """The groups that the running code is in, the outermost first.

    A group stays where it was opened, also when a generator carries it elsewhere: each has the same groups around it
    wherever it is seen.
    """
    innermost: tuple[Group, ...] = ()
    for guard in MODES.get():
        if guard.owner is not None:
            break
        innermost = guard.groups or innermost
    else:  # no generator has entered anything: the frames need not be looked at
        return innermost
    newest = {guard.owner: guard.groups for guard in MODES.get() if guard.groups}  # of each generator that is in a scope
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame not in newest:
        frame = frame.f_back
    return newest.get(frame, ())
