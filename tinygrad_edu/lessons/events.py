"""What the sweep did, in the order in which it did it: the engine's own sweep, watched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sweep import sweep, topological_order
from ..tensor import Tensor, seed_for


@dataclass(frozen=True, slots=True)
class Event:
    """The sweep has come to a node, or a node has handed something back.

    Attributes
    ----------
    node : Tensor
        The node that was reached, whose gradient is finished by then; or that hands back.
    position : int or None
        To which of its inputs it hands back; None when it was reached.
    part : ndarray or None
        What it hands back.
    """

    node: Tensor
    position: int | None = None
    part: Any = None

    @property
    def receiver(self) -> Tensor:
        """Who is handed something, or who was reached."""
        return self.node if self.position is None else self.node.inputs[self.position]


@dataclass(frozen=True)
class Swept:
    """A sweep that was watched: its order, its events, and the gradient of every node that took part."""

    order: list[Tensor]
    events: list[Event]
    gradients: dict[Tensor, Any]


class _Noted(list[Tensor]):
    """A topological order that notes each node when the sweep comes to it."""

    def __init__(self, order: list[Tensor], events: list[Event]) -> None:
        super().__init__(order)
        self._events = events

    def __reversed__(self) -> Iterator[Tensor]:
        for node in super().__reversed__():
            self._events.append(Event(node))
            yield node


def watched(root: Tensor) -> Swept:
    """Sweep from the root as ``backward()`` does, without leaving anything in ``.grad``, and note what happens.

    Raises
    ------
    GradientError
        If the root is not a scalar, or nothing that it was computed from requires a gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(3.0, requires_grad=True, name="w")
    >>> h = (w * w).named("h")
    >>> [(e.node.name, e.position, e.part) for e in watched((h + w).named("L")).events]  # doctest: +NORMALIZE_WHITESPACE
    [('L', None, None), ('L', 0, np.float64(1.0)), ('L', 1, np.float64(1.0)), ('h', None, None),
     ('h', 0, np.float64(3.0)), ('h', 1, np.float64(3.0)), ('w', None, None)]
    """
    seed = seed_for(root, None)
    order = topological_order([root], requiring_grad=True)
    events: list[Event] = []

    def note(node: Tensor, position: int, part: Any) -> None:
        events.append(Event(node, position, part))

    with np.errstate(all="ignore"):
        found = sweep(_Noted(order, events), None, set(order), {root: seed}, watch=note)
    return Swept(order, [e for e in events if e.position is not None or e.node in found], found)
