"""The engine's gradients beside others that were found another way: one row per gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..gradients import gradients
from ..graphs import backward_graph, pretty, pretty_dim, replay, scalar_gradients, swept
from ..graphs.dims import propagate
from ..graphs.levels import unique_names, values_as_recorded
from ..sweep import topological_order
from ..tensor import Tensor
from .differences import Array, slope

AGREEMENT = 1e-6  # relative; where two step sizes differ by more, a shorter one is tried
SMALL = 256  # numbers up to which all entries of a tensor are checked by finite differences
SAMPLED = 64  # entries of a larger one that are
MOST_ROWS = 100  # gradients that are compared
WORK = 400_000  # operations that finite differences may compute again
SCALARS = 20_000  # recorded numbers up to which the scalar level is written out


@dataclass(frozen=True)
class Row:
    """One gradient: what it is of, its formula and shape, and the largest differences from two other ways to find it.

    ``by_hand`` is the difference from a formula, or from the scalar chain rule; ``numeric`` the one from finite
    differences, of ``sampled`` entries. None where that way was not taken.
    """

    of: str
    formula: str
    shape: str
    by_hand: float | None
    numeric: float | None
    sampled: int
    size: int


def compare(
    root: Tensor, others: Mapping[str, Any] | None = None, formulas: Mapping[str, str] | None = None, seed: int = 0
) -> list[Row]:
    """A row for each gradient of a scalar result.

    Parameters
    ----------
    root : Tensor
        The scalar result.
    others : mapping of arrays, optional
        The gradients found another way, by name: rows are made for these, in this order. Without it, for every named
        tensor that the sweep reaches, against the plain chain rule on the scalar level if that is not too large.
    formulas : mapping of str, optional
        How each gradient is written; by default the rule that the engine recorded.
    seed : int
        Chooses the entries of large tensors for finite differences.
    """
    order = topological_order([root])
    names = unique_names(order)
    reached = [t for t in swept(root) if id(t) in names and t is not root]
    if others is None:
        chosen = reached[:MOST_ROWS]
        by_scalars = _by_scalars(root, chosen)
        graph = backward_graph(root, [root, *chosen])
        formulas = {graph.nodes[node.gradient_of].name: node.formula for node in graph if node.gradient_of is not None}
    else:
        by_name = {names[id(t)]: t for t in reached}
        chosen = [by_name[name] for name in others if name in by_name]
        by_scalars = {id(by_name[name]): others[name] for name in others if name in by_name}
    rng = np.random.default_rng(seed)
    letters = propagate(order)
    affordable = max(1, WORK // (4 * len(order) * max(1, len(chosen))))  # entries of each tensor
    rows = []
    for t, g in zip(chosen, gradients(root, chosen), strict=True):
        engine = g.numpy()
        other = by_scalars.get(id(t))
        places = _places(t, rng, affordable)
        numeric = finite_differences(root, t, places)
        rows.append(
            Row(
                of=names[id(t)],
                formula=(formulas or {}).get(names[id(t)], ""),
                shape=shape_text(t, letters[id(t)]),
                by_hand=None if other is None else _largest(engine - other),
                numeric=_largest(np.array([engine[place] for place in places]) - numeric),
                sampled=len(places),
                size=t.size,
            )
        )
    return rows


def _largest(difference: Any) -> float:
    return float(np.max(np.abs(difference), initial=0.0))


def _by_scalars(root: Tensor, targets: Sequence[Tensor]) -> dict[int, Any]:
    """The gradients by the scalar chain rule, by id; none where the scalar level is too large, or cannot be written."""
    if sum(t.size for t in topological_order([root])) > SCALARS:
        return {}
    try:
        found = scalar_gradients(root, targets)
    except TypeError:  # an op that cannot be expanded to scalars
        return {}
    return {id(t): g for t, g in zip(targets, found, strict=True)}


def _places(t: Tensor, rng: np.random.Generator, affordable: int) -> list[tuple[int, ...]]:
    """Which entries of a tensor are checked: all of a small one, of others some that are chosen at random."""
    if t.size <= min(SMALL, affordable):
        return list(np.ndindex(*t.shape))
    flat = np.sort(rng.choice(t.size, min(SAMPLED, affordable), replace=False))
    return [tuple(int(i) for i in np.unravel_index(k, t.shape)) for k in flat]


def finite_differences(root: Tensor, target: Tensor, places: Sequence[tuple[int, ...]]) -> Array:
    """``∂root/∂target`` at these places, from values of the recorded graph alone.

    Central differences of two step sizes, extrapolated; shorter steps where they disagree, because a kink is near.
    """
    run = replay(root, target)
    base = np.array(values_as_recorded(topological_order([root])).get(id(target), target._data))
    ulp = float(np.finfo(base.dtype).eps)

    def along(place: tuple[int, ...]) -> Callable[[float], Array]:
        def value(step: float) -> Array:
            moved = base.copy()
            moved[place] += step
            return np.asarray(run(moved), float)

        return value

    steps = [ulp**0.2 * max(1.0, abs(float(base[place]))) for place in places]
    return np.array([slope(along(p), s, AGREEMENT, 0.0, ulp).value for p, s in zip(places, steps, strict=True)])


def shape_text(t: Tensor, letters: Sequence[str | None]) -> str:
    """The shape, with its letters where there are some: (N, d₁) = (4, 3)."""
    if not any(letters):
        return str(t.shape)
    parts = ", ".join(str(n) if letter is None else pretty_dim(letter) for letter, n in zip(letters, t.shape, strict=True))
    return f"({parts}{',' if t.ndim == 1 else ''}) = {t.shape}"


def as_table(rows: Sequence[Row], root: str, other: str) -> str:
    """The rows as a table of text."""
    head = ("gradient", "formula", "shape", f"− {other}", "− finite differences")
    body = [(f"∂{pretty(root)}/∂{pretty(r.of)}", f"= {r.formula}", r.shape, number(r.by_hand), _sampled(r)) for r in rows]
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in (head, *body)]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _sampled(row: Row) -> str:
    return number(row.numeric) + (f"  ({row.sampled} of {row.size} entries)" if row.sampled < row.size else "")


def number(value: float | None) -> str:
    """A difference to two digits; a dash where it was not computed."""
    return "—" if value is None else "0" if value == 0 else f"{value:.1e}"
