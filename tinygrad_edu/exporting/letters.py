"""Which letters of the inputs' axes may have any size in the model, and why others may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..graphs.dims import propagate
from ..tensor import Tensor
from ..visible import visible
from .errors import PARAMETER, BoundError
from .replays import Replays
from .size import Sizes

T = TypeVar("T")


def candidates(order: Sequence[Tensor]) -> tuple[dict[str, int], dict[str, str]]:
    """The letters of data, with their sizes; and those of them that are fixed from the start, with the reason.

    Raises
    ------
    ShapeError
        If one letter stands for two sizes.
    """
    propagate(order)
    free: dict[str, int] = {}
    owners: dict[str, Tensor] = {}
    for t in order:
        if t.dims is None or t.inputs:
            continue
        for letter, size in zip(t.dims, t.shape, strict=True):
            if t._requires_grad:
                owners.setdefault(letter, t)
            else:
                free.setdefault(letter, size)
    fixed = {letter: f"{PARAMETER} {visible(owners[letter].name or '')}".rstrip() for letter in free if letter in owners}
    for letter, size in free.items():
        if letter not in fixed and size < 2:
            fixed[letter] = f"an axis that was recorded with size {size} stays so: 1 is repeated to fit others, more is not"
    return {letter: size for letter, size in free.items() if letter not in fixed}, fixed


def forward(order: Sequence[Tensor], recorded: Sizes) -> Replays:
    """The replays, in which every size that was taken for a letter's has proved to be one.

    It is one if the record does not run with the number in its place.
    """
    replays = Replays(order, recorded)
    for (place, which), size in replays.reader.assumed.items():
        try:
            Replays(order, recorded, frozenset([(place, which)]))
        except BoundError:
            continue
        raise BoundError(size.letters, f"the {size.at(recorded)} in {order[place]._called()} may be {size}, or a number")
    return replays


def symbolic(order: Sequence[Tensor], free: Sizes, build: Callable[[Replays], T]) -> tuple[T, dict[str, int], dict[str, str]]:
    """What ``build`` makes of the replays with as many letters as possible, those letters, and why others are fixed."""
    left, fixed = dict(free), {}
    for letter, size in free.items() if len(free) > 1 else ():
        try:
            forward(order, {letter: size})
        except BoundError as error:
            fixed[letter] = error.reason
            del left[letter]
    while True:
        try:
            return build(forward(order, left)), left, fixed
        except BoundError as error:
            if not left:
                raise
            for letter in sorted(error.letters & left.keys() or left):
                fixed[letter] = error.reason
                del left[letter]
