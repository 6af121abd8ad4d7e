"""Modes: ``no_grad`` switches recording off, ``enable_grad`` on again, ``detect_anomaly`` looks at every number.

The modes that are on live in one context variable, so they never reach another thread or task. A generator shares the
context of its caller: a mode that was entered in a generator holds only while that generator is running.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from types import FrameType, TracebackType
from typing import ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MODES: ContextVar[tuple[Guard, ...]] = ContextVar("tinygrad_edu_modes", default=())

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Guard:
    """One entry into a mode. ``owner`` is the generator frame that it belongs to, if it was entered in one."""

    __slots__ = ("kind", "owner")

    def __init__(self, kind: type[Mode], owner: FrameType | None) -> None:
        self.kind = kind
        self.owner = owner

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

    def __init__(self) -> None:
        self._guards: list[Guard] = []

    def __enter__(self) -> None:
        guard = Guard(type(self), _owner(sys._getframe(1)))
        self._guards.append(guard)
        MODES.set((*MODES.get(), guard))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        guard = self._guards.pop()  # not the last one of the context: generators leave in any order
        MODES.set(tuple(g for g in MODES.get() if g is not guard))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Run the function in this mode."""
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{self.name}: {function.__name__} is a generator or a coroutine, which runs after the call.\n"
                f"  Try: put `with tg.{self.name}():` inside it"
            )

        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return inside


def _owner(frame: FrameType | None) -> FrameType | None:
    """The generator frame that entered the mode, None for a plain function.

    contextlib drives a generator on behalf of its caller: ``with`` on a @contextmanager, or an ExitStack. Then the
    mode belongs to that caller.
    """
    while frame is not None:
        driven = frame.f_back is not None and frame.f_back.f_globals.get("__name__") == "contextlib"
        if frame.f_globals.get("__name__") != "contextlib" and not (frame.f_code.co_flags & _GENERATOR and driven):
            break
        frame = frame.f_back
    return frame if frame is not None and frame.f_code.co_flags & _GENERATOR else None


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


def is_recording() -> bool:
    """Whether operations are recorded: the innermost of ``no_grad`` and ``enable_grad`` says so."""
    for guard in reversed(MODES.get()):
        if guard.kind in (no_grad, enable_grad) and guard.holds():
            return guard.kind is enable_grad
    return True


def is_watching() -> bool:
    """Whether the running code is inside ``detect_anomaly``."""
    return any(guard.kind is detect_anomaly and guard.holds() for guard in MODES.get())
