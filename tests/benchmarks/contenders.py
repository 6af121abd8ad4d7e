"""Who runs in which table: a word to choose it by, its row's title, and what builds its step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import frameworks
import moons
import network
import tuned


class Entry(NamedTuple):
    """``build(size, dtype)`` for the network, ``build()`` for the moons; gives ``step() -> loss``, or ``step() -> None``."""

    title: str
    build: Callable[..., Callable[[], Any]]
    has_loss: bool = True


# The first one that is there is what the others are compared with.
NETWORK = {
    "by-hand": Entry("NumPy by hand", network.by_hand),
    "tuned": Entry("NumPy tuned by hand", tuned.tuned),
    "products": Entry("matrix products alone *", tuned.products, has_loss=False),
    "tinygrad_edu": Entry("tinygrad_edu", network.tinygrad_edu),
    "compiled": Entry("tinygrad_edu compiled", network.tinygrad_edu_compiled),
    "autograd": Entry("HIPS autograd", frameworks.hips_autograd),
    "mygrad": Entry("MyGrad", frameworks.mygrad),
    "pytorch": Entry("PyTorch", frameworks.pytorch),
    "pytorch-compiled": Entry("PyTorch compiled", frameworks.pytorch_compiled),
    "jax": Entry("JAX jit", frameworks.jax_jit),
    "tinygrad": Entry("tinygrad", frameworks.tinygrad),
}
MOONS = {
    "micrograd": Entry("micrograd", lambda: moons.demo(moons.micrograd())),
    "tinygrad_edu": Entry("tinygrad_edu", lambda: moons.demo(moons.tinygrad_edu())),
    "compiled": Entry("tinygrad_edu compiled", moons.compiled),
}
OURS = ("tinygrad_edu", "compiled")
NO_LOSS = "* computes no loss to compare: its products are compared with NumPy's own before they are timed"
