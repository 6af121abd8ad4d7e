"""The sweep: dynamic programming over the recorded graph, in reverse topological order.

Each node is finished once: when the sweep reaches it, every use of it has already handed back its part, and the sum of
those parts is the node's gradient. The work is one local derivative per edge, however many paths there are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ShapeError
from .ops.contraction import sum as total
from .ops.elementwise import astype

if TYPE_CHECKING:
    from .tensor import Tensor

Array = Any  # an ndarray or a NumPy scalar, or a Tensor when the backward pass is recorded


def topological_order(roots: Iterable[Tensor], requiring_grad: bool = False) -> list[Tensor]:
    """All ancestors of the roots, each after its inputs; or only those that require a gradient.

    Depth first, without recursion: the stack holds each node with the iterator over its inputs.
    """
    order: list[Tensor] = []
    seen: set[Tensor] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(root.inputs))]
        while stack:
            node, inputs = stack[-1]
            for t in inputs:
                if t not in seen and (t._requires_grad or not requiring_grad):
                    seen.add(t)
                    if t.inputs:
                        stack.append((t, iter(t.inputs)))
                        break
                    order.append(t)
            else:
                order.append(node)
                stack.pop()
    return order


def depending_on(order: Sequence[Tensor], targets: Iterable[Tensor]) -> set[int]:
    """The ids of the nodes in a topological order that change when a target changes, the targets included."""
    active = {id(t) for t in targets}
    for node in order:
        if node.inputs and node.op.differentiable and any(id(t) in active for t in node.inputs):
            active.add(id(node))
    return active


def sweep(
    order: Sequence[Tensor],
    active: Container[int] | None,
    keep: Container[Tensor],
    seeds: dict[Tensor, Array],
    record: bool = False,
    watch: Callable[[Tensor, int, Array], None] | None = None,
) -> dict[Tensor, Array]:
    """The gradients of the active leaves, and of the nodes to keep, given the gradients (seeds) of the roots.

    Parameters
    ----------
    order : sequence of Tensors
        A topological order that holds every active node.
    active : container of ids, or None
        The nodes that take part: those on a path from a target to a root. None for those that require a gradient.
    keep : container of Tensors
        The results whose gradient is wanted; of the others it is dropped once it has been handed on.
    seeds : dict
        The gradient of each root. It becomes the result.
    record : bool
        Compute with Tensors instead of arrays, so that the backward pass has a graph of its own.
    watch : callable, optional
        Called with (node, i, contribution) for each edge, as it is swept.
    """
    grads = seeds
    for node in reversed(order):
        if not node.inputs or node not in grads:
            continue  # what has arrived at a leaf stays there
        g = grads[node] if node in keep else grads.pop(node)
        vjp, params = node.op.vjp, node.params
        y, args = (node, node._inputs_as_recorded()) if record else (node._data, node.args)
        for i, parent in enumerate(node.inputs):
            if not (parent._requires_grad if active is None else id(parent) in active):
                continue
            part = vjp(i, g, y, args, params)
            if part is None:
                continue
            x = parent._data
            if part.shape != x.shape or part.dtype is not x.dtype:
                part = onto(part, x.shape, x.dtype, node.op.name)
            if watch is not None:
                watch(node, i, part)
            grads[parent] = grads[parent] + part if parent in grads else part
    return grads


def onto(g: Array, shape: tuple[int, ...], dtype: np.dtype[Any], who: str) -> Array:
    """Un-broadcast: what the forward pass repeated or promoted, the backward pass adds up and casts back."""
    if g.shape != shape:
        before = g.shape
        extra = len(before) - len(shape)
        axes: tuple[int, ...] = tuple(range(extra))
        if before[extra:] != shape:
            axes += tuple(extra + a for a, size in enumerate(shape) if extra + a >= 0 and size == 1 != before[extra + a])
        if axes:
            add_up = total.forward if type(g) is np.ndarray else total  # the plain function is faster than the op
            g = add_up(g, axis=axes[0] if len(axes) == 1 else axes, keepdims=False)
        if g.shape != shape:  # only axes of size 1 may be missing
            if [n for n in g.shape if n != 1] != [n for n in shape if n != 1]:
                raise ShapeError(f"{who}: its rule gave a gradient of shape {before} for an input of shape {shape}.")
            g = g.reshape(shape)
    if g.dtype != dtype:
        g = astype(g, dtype=dtype)
    return g
