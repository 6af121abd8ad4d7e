"""Frames in pictures: a call whose results belong to one group, as in ``tg.scope``, at a layer's price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..modes import MODES, Group, Guard, scope, scopes


def framed(frame: scope, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``function(*args)``, computed inside of the scope.

    ``with frame:`` does the same, but it also looks for the generator that it was entered in, and so goes through all callers.
    Here the scope ends before the call returns: a generator cannot carry it away.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> framed(tg.scope("layer 1"), lambda: [group.name for group in scopes()])
    ['layer 1']
    """
    before = MODES.get()
    if any(guard.owner is not None for guard in before):  # a generator is inside of a mode of its own
        with frame:
            return function(*args, **kwargs)
    around = scopes() if before else ()
    mine = Guard(frame, None, (*around, Group(frame.label)))
    MODES.set((*before, mine))
    try:
        return function(*args, **kwargs)
    finally:
        after = MODES.get()
        MODES.set(before if after[-1] is mine else tuple([guard for guard in after if guard is not mine]))
