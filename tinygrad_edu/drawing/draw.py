"""``draw``: from a record to a picture."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..graphs import Block, Graph, graph
from ..graphs.backward import check_root, differentiate, differentiate_folded
from ..graphs.expression import HOLE
from ..graphs.fold import count_arrows, count_shown, fold_evenly, fold_scopes
from ..graphs.levels import is_number, read
from ..graphs.scalarized import scalarized
from ..sweep import topological_order
from ..tensor import Tensor
from .flow import Flow, Show
from .layout import LayoutError
from .picture import Picture
from .style import count, sizes_text, start
from .zoom import draw_zoom

MAX_NODES = 100  # more than that is not read, and takes Graphviz long
MOST_BLOCKS = 12  # of a graph that is folded for its size alone
ARROWS = 4  # for each of these nodes
LONGEST = 5_000  # tensors in a record; a longer one is always folded, also where it has few names

CHOICES = {
    "direction": ("forward", "backward", "both"),
    "level": ("named", "op", "scalar"),
    "rankdir": ("LR", "RL", "TB", "BT"),
}


def draw(
    root: Tensor,
    *,
    direction: str = "forward",
    level: str = "named",
    values: bool | None = None,
    grads: bool | None = None,
    local: bool = False,
    dims: bool = True,
    groups: bool | str | Sequence[str] = True,
    rankdir: str = "LR",
    max_nodes: int = MAX_NODES,
    title: str | None = None,
    zoom: Tensor | str | None = None,
    by: Tensor | str | None = None,
    entry: int | Sequence[int] | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw how a result was computed, or how the gradients flow back from it.

    Parameters
    ----------
    root : Tensor
        The result.
    direction : {"forward", "backward", "both"}
        Forward: the values and the operations between them. Backward: the gradients under the values they belong to; on
        each arrow the rule that is applied to the incoming gradient; a sum where a value was used more than once; and
        dashed, from where they were computed, the values that are reused. Both: these, and the operations between values.
    level : {"named", "op", "scalar"}
        A node per named tensor, a card per operation, or a card per number.
    values : bool, optional
        Write the numbers: a grid of a small array, else its smallest, mean and largest entry. By default on the cards.
    grads : bool, optional
        Write ``∂root/∂value`` beside each value. By default on the cards, where it is — until ``backward()`` has left
        gradients; ``True`` computes them for the picture alone. Where ``.grad`` holds another amount, it is shown too.
    local : bool
        Write the local derivative on each arrow of the forward picture: ``∂p/∂w = x = 2`` between single numbers, else the
        rule: ``· (W⁽²⁾)ᵀ``, ``∗ h ∗ (1 − h)``, ``Σ over N``.
    dims : bool
        Write shapes in the letters of ``dims``, with their sizes below; else in numbers.
    groups : bool, "folded" or sequence of str
        Draw each ``scope`` as a frame (True), not at all (False), as one node ("folded"), or those of these names as one
        node. A parameter that only a scope uses is drawn inside. A folded picture has no rules and no gradients' numbers.
    rankdir : {"LR", "RL", "TB", "BT"}
        Which way the computation runs.
    max_nodes : int
        A picture of more values is folded: to a coarser level, to its scopes, or to runs of operations; it says so.
    title : str, optional
        A line above the picture.
    zoom : Tensor or str, optional
        One result instead of the whole: which entries of ``by``, one of the values in its equation, reach which of its
        entries, and for one ``entry`` of those the terms of the sum that do not vanish.
    by : Tensor or str, optional
        With zoom: by default the first parameter of the equation.
    entry : int or sequence of int, optional
        With zoom: the entry of ``by`` that is highlighted.
    to : path, optional
        A file to write: .svg, .png, .pdf, or .dot for the text alone.

    Returns
    -------
    Picture
        A ``graphviz.Digraph``: it shows itself in Jupyter, and can be restyled.

    Raises
    ------
    NoGraphvizError
        If ``to`` needs a layout and there is no Graphviz; the DOT text was then written.
    GradientError
        If gradients are asked of a result that is not a scalar, or that depends on nothing that requires a gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> picture = tg.draw((w * w).named("L"), level="op", local=True)
    >>> "∂𝓛/∂w = w = 2" in picture.source
    True
    """
    _check(root, direction=direction, level=level, rankdir=rankdir)
    if zoom is not None:
        return draw_zoom(root, zoom, by, entry, title=title, to=to)
    if by is not None or entry is not None:
        raise ValueError("draw: by and entry go with zoom.\n  Try: zoom=u, the result to look into")
    try:
        most = operator.index(max_nodes)
    except TypeError:
        most = 0
    if most < 2:
        raise ValueError(f"draw: max_nodes is {max_nodes!r}: it is a whole number from 2 on.")
    if title is not None and not isinstance(title, str):
        raise TypeError(f"draw: the title is {type(title).__name__}, not text.")
    if direction != "forward" or grads:
        check_root(root, "draw")
    order = topological_order([root])
    _check_groups(order, groups)
    plan = plan_of(root, order, level, groups, most)
    cards = plan.level != "named"
    if grads is None:  # a gradient is shown where there is a place for it, and computed when backward() was called
        grads = cards and direction == "forward" and root.requires_grad and not root.shape
        compute = grads and any(t.grad is not None for t in order if not t.inputs)
    else:
        compute = grads
    show = Show(
        values=cards if values is None else values,
        grads=grads and not plan.blocks,
        local=local and not plan.blocks,
        dims=dims,
        groups=bool(groups),
        rankdir=rankdir,
    )
    found: Graph
    if plan.blocks:
        forward = direction == "forward"
        found = (
            read([root], plan.level, blocks=plan.blocks, order=order).graph
            if forward
            else differentiate_folded(root, plan.level, plan.blocks, order)
        )
    elif direction == "forward" and not compute and not local:
        found = graph(plan.root, level=plan.level)
    else:
        found = differentiate(plan.root, plan.level, by_all=local, stored=direction != "forward")
        if len(found) > 2 * most:  # too many values are reused to draw each
            found = differentiate(plan.root, plan.level, by_all=local, stored=False)
    picture = _picture(found, direction, show, title, plan.notice)
    if to is not None:
        picture.write(to)
    return picture


def picture_of(found: Graph) -> Picture:
    """The picture of a graph that was read already: forward, or backward where it holds gradients.

    Raises
    ------
    LayoutError
        If it is too large to be read.
    """
    if len(found) > 2 * MAX_NODES:
        raise LayoutError(f"{count(len(found))} nodes are too many for one picture; tg.draw folds them")
    direction = "backward" if any(node.kind == "gradient" for node in found) else "forward"
    return _picture(found, direction, Show(values=found.level != "named"), None, "")


def lesson_pictures(root: Tensor) -> tuple[dict[str, Picture], str]:
    """The pictures of a lesson, by their names, and a line on the one that could not be drawn.

    Forward and backward on the named and on the op level, and a zoom on the last result that a matrix of parameters goes
    into, or else any parameter, at an entry whose terms are not all zero if there is one.
    """
    pictures = {}
    for level, suffix in (("named", ""), ("op", "_op")):
        for direction in ("forward", "backward"):
            grads = True if level == "op" and direction == "forward" else None
            pictures[direction + suffix] = draw(root, direction=direction, level=level, grads=grads)
    if len(topological_order([root])) > LONGEST:
        return pictures, ""
    found = graph(root)
    uses = [(node, found.nodes[i]) for node in reversed(found.nodes) for i in node.inputs if found.nodes[i].kind == "parameter"]
    uses.sort(key=lambda use: len(use[1].shape) < 2)
    if not uses:
        return pictures, ""
    result, parameter = uses[0]
    try:
        pictures["zoom"] = draw_zoom(root, result.name, parameter.name)
    except (ValueError, TypeError) as error:
        return pictures, str(error).splitlines()[0]
    return pictures, ""


def _picture(found: Graph, direction: str, show: Show, title: str | None, notice: str) -> Picture:
    picture = Picture()
    lines = (*(sizes_text(found) if show.dims else ()), *([notice] if notice else []))
    if direction != "forward" or show.local:
        lines = (*lines, *_hole_text(found))
    start(picture, title=title, lines=lines, rankdir=show.rankdir)
    flow = Flow(picture, found, show)
    if direction == "forward":
        flow.forward()
    else:
        flow.backward(both=direction == "both")
    return picture


def _hole_text(found: Graph) -> tuple[str, ...]:
    """The line that says what □ is, if a rule needs one."""
    rules = (c.rule for node in found for c in node.contributions)
    return (f"{HOLE} is the gradient that comes in",) if any(HOLE in rule for rule in rules) else ()


def _check(root: Tensor, **words: str) -> None:
    if not isinstance(root, Tensor):
        raise TypeError(f"draw: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    for option, word in words.items():
        choices = CHOICES[option]
        if word not in choices:
            tries = ", ".join(f'"{choice}"' for choice in choices[:-1])
            raise ValueError(f'draw: there is no {option} {word!r}.\n  Try: {option}={tries} or "{choices[-1]}"')


def _check_groups(order: Sequence[Tensor], groups: bool | str | Sequence[str]) -> None:
    """Refuse a name that no scope has."""
    if isinstance(groups, bool) or groups == "folded":
        return
    if not isinstance(groups, (str, list, tuple)) or not all(isinstance(name, str) for name in groups):
        raise TypeError(f'draw: groups is {groups!r:.60}.\n  Try: groups=True, False, "folded" or the names of scopes')
    known = {group.name: None for t in order for group in getattr(t, "_scope", ())}
    for name in [groups] if isinstance(groups, str) else groups:
        if name not in known:
            there = ", ".join(map(repr, list(known)[:8])) or "no scope at all"
            raise ValueError(f'draw: there is no scope {name!r:.60}.\n  Try: groups="folded", or one of {there}')


class Plan(NamedTuple):
    """What is drawn: the root, on which level, which tensors as one node, and what to say about it."""

    root: Tensor
    level: str
    blocks: Mapping[int, Block]
    notice: str


def plan_of(root: Tensor, order: Sequence[Tensor], level: str, groups: bool | str | Sequence[str], max_nodes: int) -> Plan:
    """Choose a level, and blocks, so that no more than ``max_nodes`` values are drawn."""
    keep = {id(root)}
    if not isinstance(groups, bool) and groups:
        names = None if groups == "folded" else [groups] if isinstance(groups, str) else list(groups)
        blocks = fold_scopes(order, names, keep)
        if _left(order, blocks) <= max_nodes:
            return Plan(root, "op" if level == "scalar" else level, blocks, "")
    level = "op" if len(order) > LONGEST else level
    too_many = _too_many(order, level, max_nodes)
    if not too_many:
        return Plan(scalarized(root), "op", {}, "") if level == "scalar" else Plan(root, level, {}, "")
    for coarser in ("op", "named") if len(order) <= LONGEST else ():
        if level in ("scalar", "op") and coarser != level and not _too_many(order, coarser, max_nodes):
            return Plan(root, coarser, {}, f"{too_many}: drawn on the level {coarser}")
    level = "op" if level == "scalar" else level
    blocks = fold_scopes(order, None, keep) if groups is not False else {}
    if blocks and _left(order, blocks) <= max_nodes:
        return Plan(root, level, blocks, f"{too_many}: every scope is folded to one node")
    blocks = fold_evenly(order, max(1, min(MOST_BLOCKS, max_nodes // 2)), keep)
    runs = len({id(block) for block in blocks.values()})
    return Plan(root, level, blocks, f"{too_many}: folded to {runs} runs of operations" if runs else "")


def _too_many(order: Sequence[Tensor], level: str, max_nodes: int) -> str:
    """What there is too much of for one picture, if anything is."""
    shown, most = count_shown(order, level), max_nodes
    what = {"scalar": "numbers", "op": "operations and given values", "named": "values"}[level]
    if level == "named" and shown <= most:
        shown, most, what = count_arrows(order), ARROWS * max_nodes, "arrows"
    return f"{count(shown)} {what} are more than {count(most)}" if shown > most else ""


def _left(order: Sequence[Tensor], blocks: Mapping[int, Block]) -> int:
    """How many nodes there are when the blocks are folded; bare numbers stand in formulas."""
    return len({id(blocks.get(id(t), t)) for t in order if id(t) in blocks or t.name is not None or not is_number(t)})
