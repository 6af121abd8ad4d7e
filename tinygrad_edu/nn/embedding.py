"""Embedding: a row of a table for each number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..explain import message, spell
from ..record import TensorLike
from ..settings import size
from ..tensor import Tensor, as_tensor
from .arguments import initial, parameter
from .init import Initializer, Seed
from .module import Module


class Embedding(Module):
    """y_i = E_(n_i): the row of the table that each whole number names; the gradients of a row that is used twice add up.

    It is onehot(n) E without the zeros. Shapes: n (...), E (num, dim), y (..., dim).

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many rows there are, and how many numbers each has.
    init : "auto" or callable
        ``init(shape, rng)`` gives the first E; by default N(0, 1), as in PyTorch.
    seed, dtype
        As in :class:`Linear`.

    Raises
    ------
    TypeError
        When called with numbers that are not integers.
    IndexError
        When called with a number outside of 0 to ``num_embeddings`` − 1. In a compiled step it is found at the first call only.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> table = tg.nn.Embedding(5, 2, seed=0)
    >>> table([[0, 3, 0]]).sum().backward()
    >>> table.weight.grad[:, 0].tolist()
    [2.0, 0.0, 0.0, 1.0, 0.0]
    """

    symbols: ClassVar[Mapping[str, str]] = {"weight": "E"}

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        init: str | Initializer = "auto",
        seed: Seed = None,
        dtype: Any = np.float64,
    ) -> None:
        shape = (size("Embedding", "num_embeddings", num_embeddings), size("Embedding", "embedding_dim", embedding_dim))
        self.num_embeddings, self.embedding_dim = shape
        self.weight = parameter(initial("Embedding", shape, _normal if init == "auto" else init, seed, dtype), "E")

    def forward(self, indices: TensorLike) -> Tensor:
        """E_(n_i)."""
        n = as_tensor(indices)
        if n.dtype.kind not in "iu":
            tries, rule = [(f"{spell(n, 'indices')}.astype(int)", n.shape)], "rows are named by integers."
            raise TypeError(message("Embedding", (n,), f"the numbers are {n.dtype}", rule, tries, ("indices",)))
        numbers = np.asarray(n._data)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= self.num_embeddings):
            wrong = numbers[(numbers < 0) | (numbers >= self.num_embeddings)].ravel()[0]
            rule = f"the rows are 0 to {self.num_embeddings - 1}."
            raise IndexError(message("Embedding", (n, self.weight), f"there is no row {wrong}", rule, (), ("indices", "weight")))
        return self.weight[n]

    def extra_repr(self) -> str:
        """``num, dim``."""
        return f"{self.num_embeddings}, {self.embedding_dim}"


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    return rng.normal(size=shape)
