"""Equations of every kind, for the derivation: leaves of pairwise different sizes, so that no wrong transpose can fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu as tg

Make = Callable[..., tg.Tensor]


class Kind(NamedTuple):
    """An equation ``y = make(*leaves)``; ``form`` says where its derivation ends: in a matrix, in indices or in a rule."""

    shapes: tuple[tuple[int, ...], ...]
    make: Make
    form: str = "matrix"


T = np.array([2, 0, 2, 4])  # a row is looked up twice, another never
ROWS = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
LABELS = np.array([1.0, 0.0, 0.0, 1.0, 1.0])
MASK = np.array([True, False, True, True, False])

KINDS: dict[str, Kind] = {
    # products
    "matmul": Kind(((2, 3), (3, 5)), lambda a, b: a @ b),
    "matmul transposed": Kind(((3, 2), (5, 3)), lambda a, b: a.T @ b.T),
    "vector matrix": Kind(((3,), (3, 5)), lambda a, b: a @ b),
    "matrix vector": Kind(((2, 3), (3,)), lambda a, b: a @ b),
    "vector vector": Kind(((3,), (3,)), lambda a, b: a @ b),
    "batched matmul": Kind(((2, 3, 4), (2, 4, 5)), lambda a, b: a @ b),
    "attention scores": Kind(((2, 3, 4), (2, 5, 4)), lambda q, k: q @ k.transpose(0, 2, 1)),
    "matmul broadcasts its batch": Kind(((2, 3, 4), (4, 5)), lambda a, b: a @ b),
    "matmul broadcasts a batch of one": Kind(((1, 3, 4), (2, 4, 5)), lambda a, b: a @ b),
    "batched matrix vector": Kind(((2, 3, 4), (4,)), lambda a, b: a @ b),
    "three matrices": Kind(((2, 3), (3, 4), (4, 5)), lambda a, b, c: a @ b @ c),
    "affine": Kind(((4, 2), (2, 3), (3,)), lambda x, w, b: x @ w + b),
    "quadratic form": Kind(((4,), (4, 4)), lambda x, a: x @ a @ x),
    "a column": Kind(((4, 3), (3, 1)), lambda x, u: x @ u),
    "a row": Kind(((1, 3), (3, 4)), lambda x, u: x @ u),
    "outer": Kind(((2,), (3,)), lambda a, b: tg.outer(a, b)),
    "outer of columns": Kind(((2, 1), (1, 3)), lambda a, b: a * b),
    "outer of itself": Kind(((3,),), lambda a: tg.outer(a, a)),
    "dot": Kind(((2, 3), (3,)), tg.dot),
    "einsum ij,kj->ik": Kind(((2, 3), (4, 3)), lambda a, b: tg.einsum("ij,kj->ik", a, b)),
    "einsum bij,bkj,k->bi": Kind(((2, 3, 4), (2, 5, 4), (5,)), lambda a, b, c: tg.einsum("bij,bkj,k->bi", a, b, c)),
    "einsum with two sums": Kind(((2, 3, 4), (3, 4, 5)), lambda a, b: tg.einsum("ijk,jkl->il", a, b)),
    "einsum of a diagonal": Kind(((3, 3), (3,)), lambda a, b: tg.einsum("ii,i->i", a, b), "indices"),
    "einsum turned": Kind(((2, 3, 4),), lambda a: tg.einsum("ijk->kij", a)),
    "trace": Kind(((3, 3),), tg.trace, "indices"),
    "trace of a column": Kind(((3, 1),), tg.trace, "rule"),
    "trace of a product": Kind(((2, 3), (3, 2)), lambda a, b: tg.trace(a @ b)),
    # sums
    "sum": Kind(((2, 3),), lambda a: a.sum()),
    "sum axis 0": Kind(((2, 3),), lambda a: a.sum(axis=0)),
    "sum axis 1 kept": Kind(((2, 3),), lambda a: a.sum(axis=1, keepdims=True)),
    "sum of two axes": Kind(((2, 3, 4),), lambda a: a.sum(axis=(0, 2))),
    "mean": Kind(((2, 3),), lambda a: a.mean()),
    "mean axis -1": Kind(((2, 3),), lambda a: a.mean(axis=-1)),
    "mean axis 0 kept": Kind(((2, 3, 4),), lambda a: a.mean(axis=(0, 1), keepdims=True)),
    "centred": Kind(((3, 4),), lambda a: a - a.mean(axis=1, keepdims=True)),
    "var": Kind(((3, 4),), lambda a: a.var(axis=0)),
    "sum of a product": Kind(((2, 3), (2, 3)), lambda a, b: (a * b).sum(axis=1)),
    "norm": Kind(((3, 4),), lambda a: tg.norm(a, axis=1)),
    "norm of all": Kind(((3, 4),), lambda a: tg.norm(a)),
    # arrangement
    "transpose": Kind(((2, 3, 4),), lambda a: a.transpose(2, 0, 1)),
    "reshape by an axis of one": Kind(((2, 3),), lambda a: a.reshape(2, 1, 3)),
    "reshape divides": Kind(((6,),), lambda a: a.reshape(2, 3), "indices"),
    "reshape joins": Kind(((2, 3),), lambda a: a.reshape(6), "rule"),
    "squeeze": Kind(((2, 1, 3),), lambda a: tg.squeeze(a, 1)),
    "broadcast_to": Kind(((3,),), lambda a: tg.broadcast_to(a, (2, 3))),
    "a row by number": Kind(((3, 4),), lambda a: a[1], "indices"),
    "a row from the end": Kind(((3, 4),), lambda a: a[-1], "indices"),
    "an entry": Kind(((3, 4),), lambda a: a[2, 1], "indices"),
    "a slice": Kind(((5, 2),), lambda a: a[1:4], "indices"),
    "a slice with a step": Kind(((7, 2),), lambda a: a[1::2], "indices"),
    "a slice backwards": Kind(((5, 2),), lambda a: a[::-1], "indices"),
    "a slice backwards by two": Kind(((7, 2),), lambda a: a[5:0:-2], "indices"),
    "a column of a batch": Kind(((2, 3, 4),), lambda a: a[..., 1], "indices"),
    "a new axis": Kind(((2, 3),), lambda a: a[:, None]),
    "an embedding": Kind(((5, 3),), lambda e: e[T], "matrix"),
    "an embedding times a matrix": Kind(((5, 3), (3, 2)), lambda e, w: e[T] @ w, "indices"),
    "an entry of each row": Kind(((3, 4),), lambda a: a[[0, 1, 2], [1, 3, 3]], "matrix"),
    "a number and a table apart": Kind(((2, 3, 4),), lambda a: a[1, :, [2, 0, 2, 1, 3]], "indices"),
    "a mask": Kind(((5, 2),), lambda a: a[MASK], "rule"),
    "a mask of two axes": Kind(((3, 3),), lambda a: a[np.eye(3, dtype=bool)], "rule"),
    "a table of tables": Kind(((5, 3),), lambda a: a[[[0, 1, 1], [4, 4, 2]]], "matrix"),
    "nothing": Kind(((3, 2),), lambda a: a[2:2], "indices"),
    "a slice of a slice": Kind(((7, 2),), lambda a: a[1:6][::-1][1:], "indices"),
    "flip": Kind(((4, 3),), lambda a: tg.flip(a, 0), "indices"),
    "pad": Kind(((2, 3),), lambda a: tg.pad(a, ((1, 2), (0, 1))), "indices"),
    "concatenate": Kind(((2, 3), (4, 3)), lambda a, b: tg.concatenate([a, b]), "indices"),
    "concatenate with nothing": Kind(((2, 1),), lambda a: tg.concatenate([a, tg.Tensor(np.zeros((2, 0)))], axis=1)),
    "concatenate axis 1": Kind(((2, 3), (2, 4)), lambda a, b: tg.concatenate([a, b], axis=1), "indices"),
    "stack": Kind(((3,), (3,)), lambda a, b: tg.stack([a, b]), "indices"),
    "stack last": Kind(((2, 3), (2, 3)), lambda a, b: tg.stack([a, 2 * b], axis=-1), "indices"),
    "windows": Kind(((6,),), lambda a: tg.sliding_window_view(a, 3), "indices"),
    "convolution": Kind(((7,), (3,)), lambda x, w: tg.sliding_window_view(x, 3) @ w, "indices"),
    "convolution in a plane": Kind(
        ((5, 6), (2, 3)), lambda x, w: tg.einsum("ijkl,kl->ij", tg.sliding_window_view(x, (2, 3)), w), "indices"
    ),
    # broadcasting
    "bias": Kind(((2, 3), (3,)), lambda a, b: a + b),
    "column bias": Kind(((2, 3), (2, 1)), lambda a, b: a - b),
    "row scale": Kind(((2, 3), (1, 3)), lambda a, b: a * b),
    "scalar scale": Kind(((2, 3), ()), lambda a, c: a * c),
    "column and row": Kind(((2, 1), (3,)), lambda a, b: a + b),
    "three ranks": Kind(((4, 2, 3), (2, 1), (3,)), lambda a, b, c: a * b + c),
    "ratio": Kind(((2, 3), (3,)), lambda a, b: a / (b * b + 1.0)),
    "ratio of a kept sum": Kind(((3, 4),), lambda a: a / (a * a).sum(axis=1, keepdims=True)),
    # elementwise
    "powers": Kind(((2, 3),), lambda a: a**3 + 2 * a**2 - a / 4),
    "negative power": Kind(((2, 3),), lambda a: (a * a + 1.0) ** -2),
    "a root": Kind(((2, 3),), lambda a: (a * a + 1.0) ** 0.5),
    "a to the b": Kind(((2, 3), (3,)), lambda a, b: (a * a + 1.0) ** b),
    "where": Kind(((5,), (5,)), lambda a, b: tg.where(MASK, a, 2 * b)),
    "relu": Kind(((2, 3),), tg.relu),
    "maximum": Kind(((2, 3), (3,)), tg.maximum),
    "max": Kind(((3, 4),), lambda a: a.max(axis=1), "rule"),
    "sort": Kind(((4,),), tg.sort, "rule"),
    "cumsum": Kind(((4, 2),), lambda a: tg.cumsum(a, axis=0), "rule"),
    "prod": Kind(((4,),), tg.prod, "indices"),
    "gelu": Kind(((2, 3),), tg.gelu),
    "log sigmoid": Kind(((2, 3),), lambda a: tg.log_sigmoid(a)),
    "tanh of a sum": Kind(((2, 3), (3,)), lambda a, b: tg.tanh(a + b) * a),
    # with a known Jacobian
    "softmax": Kind(((3, 4),), tg.softmax),
    "softmax axis 0": Kind(((3, 4),), lambda a: tg.softmax(a, axis=0)),
    "log_softmax": Kind(((3, 4),), tg.log_softmax),
    "logsumexp": Kind(((3, 4),), lambda a: tg.logsumexp(a, axis=1)),
    "logsumexp kept": Kind(((3, 4),), lambda a: tg.logsumexp(a, axis=0, keepdims=True)),
    "layer norm": Kind(
        ((3, 4), (4,), (4,)),
        lambda x, s, b: (x - x.mean(axis=1, keepdims=True)) / tg.sqrt(x.var(axis=1, keepdims=True) + 0.1) * s + b,
    ),
    "attention": Kind(((3, 4), (5, 4), (5, 2)), lambda q, k, v: tg.softmax(q @ k.T / 2.0) @ v),
    "a sum inside of a function": Kind(((2, 3), (3,)), lambda a, b: tg.tanh(a @ b) * tg.exp(a.mean(axis=1))),
    # losses
    "cross entropy of rows": Kind(((5, 3),), lambda z: tg.cross_entropy(z, tg.Tensor(ROWS, name="labels"))),
    "cross entropy of classes": Kind(
        ((5, 3),), lambda z: tg.cross_entropy(z, tg.Tensor(np.array([2, 2, 0, 1, 2]), name="t")), "matrix"
    ),
    "bce with logits": Kind(((5,),), lambda z: tg.binary_cross_entropy_with_logits(z, tg.Tensor(LABELS, name="labels"))),
    "bce": Kind(((5,),), lambda z: tg.binary_cross_entropy(tg.sigmoid(z), tg.Tensor(LABELS, name="labels"))),
    "mse": Kind(((4, 3), (4, 3)), tg.mse),
}


def leaves(shapes: Sequence[tuple[int, ...]], rng: np.random.Generator, dims: Sequence[Any] = ()) -> list[tg.Tensor]:
    """Named leaves: numbers between 0.3 and 1.3 of either sign, nowhere near a kink or another entry's number."""
    found = []
    for n, shape in enumerate(shapes):
        size = int(np.prod(shape))
        steps = 0.3 + (rng.permutation(size) + rng.uniform(0.2, 0.8)) / max(size, 1)
        value = (steps * rng.choice([-1.0, 1.0], size)).reshape(shape)
        found.append(tg.Tensor(value, requires_grad=True, name=f"x{n + 1}", dims=dims[n] if dims else None))
    return found


def loss(y: tg.Tensor, rng: np.random.Generator) -> tg.Tensor:
    """A scalar whose gradient by y differs at every entry."""
    weights = tg.Tensor(rng.uniform(0.5, 1.5, y.shape), name="g")
    return (y * weights).sum().named("L")
