"""``compile``: programs equal the engine, for the whole op table, and own what they write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from derivation_samples import KINDS, leaves
from hypothesis import given
from hypothesis import strategies as st
from op_samples import SAMPLES, Sample
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu.ops import OPS

Array = np.ndarray[Any, np.dtype[Any]]


def apply(op: Any, *args: Any, **params: Any) -> tg.Tensor:
    """The op on Tensors, recorded."""
    tensors = [x if isinstance(x, tg.Tensor) else tg.Tensor(x) for x in args]
    y: tg.Tensor = op(*tensors, **params)
    return y


def is_mask(name: str, x: Array) -> bool:
    """Whether it selects by its truth: then the shape depends on it, and it must be a constant."""
    return name in ("getitem", "scatter") and x.dtype.kind == "b"


def weighted(y: tg.Tensor) -> tg.Tensor:
    """A scalar that depends on each number of y in another way; of truth values and integers there is only a sum."""
    if y.dtype.kind != "f":
        return y.astype(float).sum()
    w = np.linspace(0.5, 1.5, y.size).reshape(y.shape)
    return (y * w * y).sum() + (y * w).sum()


def same(found: Any, expected: Any, tolerance: float = 1e-9) -> None:
    right = np.asarray(expected)
    assert np.shape(found) == right.shape
    scale = np.max(np.abs(right), initial=0)
    np.testing.assert_allclose(found, right, rtol=tolerance, atol=tolerance * max(scale, 1e-3))


def eager(f: Callable[..., tg.Tensor], arrays: list[Array], wrt: list[int]) -> tuple[Any, list[Any]]:
    inputs = [tg.Tensor(x) for x in arrays]
    y = f(*inputs)
    found = tg.gradients(y, [inputs[i] for i in wrt], unused="zero") if wrt else []
    return y.numpy(), [g.numpy() for g in found]


def agrees(f: Callable[..., tg.Tensor], signatures: list[list[Array]]) -> None:
    """Compiled and eager give the same value and gradients, for several signatures in turn, twice."""
    step = tg.compile(f, wrt=[i for i, x in enumerate(signatures[0]) if x.dtype.kind == "f"], check=False)
    for arrays in [*signatures, *signatures]:
        wrt = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
        value, gradients = step(*arrays)
        right, right_gradients = eager(f, arrays, wrt)
        same(value, right)
        for g, expected in zip(gradients, right_gradients, strict=True):
            same(g, expected)


@pytest.mark.parametrize("name", OPS)
@given(data=st.data())
def test_every_op_of_the_table(name: str, data: st.DataObject) -> None:
    sample: Sample = data.draw(SAMPLES[name])
    if not any(x.dtype.kind == "f" for x in sample.args):
        step = tg.compile(lambda *args: apply(OPS[name], *args, **sample.params), wrt=())
        same(step(*sample.args), OPS[name].forward(*sample.args, **sample.params))
        return

    masks = [x for x in sample.args if is_mask(name, x)]

    def f(*args: tg.Tensor) -> tg.Tensor:
        return weighted(apply(OPS[name], *args, *masks, **sample.params))

    given_ = [x for x in sample.args if not is_mask(name, x)]
    rolled = [np.roll(x, 1) if x.dtype.kind == "f" else x for x in given_]
    agrees(f, [given_, rolled])


@pytest.mark.parametrize("name", OPS)
@given(data=st.data())
def test_every_op_with_a_chain_behind_it(name: str, data: st.DataObject) -> None:
    """In the middle of a program, where operands are in the arena and may be overwritten."""
    sample: Sample = data.draw(SAMPLES[name])
    floats = [i for i, x in enumerate(sample.args) if x.dtype.kind == "f"]
    masks = [x for x in sample.args if is_mask(name, x)]
    if not floats:
        return

    def f(*args: tg.Tensor) -> tg.Tensor:
        inner = [a + 0.125 * tg.sin(a) * 0 if i in floats else a for i, a in enumerate(args)]
        y = apply(OPS[name], *inner, *masks, **sample.params)
        return weighted(tg.tanh(y) if y.dtype.kind == "f" else y) + sum((weighted(inner[i]) for i in floats), tg.Tensor(0.0))

    agrees(f, [[x for x in sample.args if not is_mask(name, x)]])


@pytest.mark.parametrize("kind", KINDS)
def test_equations_of_every_kind(kind: str) -> None:
    xs = leaves(KINDS[kind].shapes, np.random.default_rng(0))
    agrees(lambda *args: weighted(KINDS[kind].make(*args)), [[x.numpy() for x in xs]])


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int) -> None:
    def f(*args: tg.Tensor) -> tg.Tensor:
        return program(seed, list(args))[0]

    _, xs = program(seed)
    arrays = [x.numpy() for x in xs]
    agrees(f, [arrays])
