"""Adam, and AdamW: momentum, in units of the root mean square, both corrected for having begun at 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..tensor import Tensor
from .optimizer import Optimizer


class Adam(Optimizer):
    """w ← w − η m̂ / (√v̂ + ε): m and v are running means of g and of g², m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    Parameters
    ----------
    params : iterable of Tensors
        What is updated.
    lr : float
        η, the learning rate: about how far a number goes in one step.
    betas : pair of floats
        β₁ and β₂, below 1: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g².
    eps : float
        ε, which keeps the step finite where there were no gradients.
    weight_decay : float
        λ: λ w is added to the gradient, as PyTorch's Adam does. Better: ``AdamW``.

    Notes
    -----
    t counts the steps of the parameter, from 1. D. P. Kingma and J. Ba, "Adam: A method for stochastic optimization",
    ICLR 2015, algorithm 1.

    Examples
    --------
    >>> w = tg.Tensor([3.0, -3.0], requires_grad=True)
    >>> opt = tg.optim.Adam([w], lr=0.1)
    >>> for _ in range(100):
    ...     opt.zero_grad()
    ...     (w * w).sum().backward()
    ...     opt.step()
    >>> bool(np.abs(w.numpy()).max() < 0.2)
    True
    """

    slot_names = ("m", "v")
    settings: ClassVar[tuple[str, ...]] = ("beta1", "beta2", "eps", "weight_decay")
    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{type(self).__name__}: betas is {betas!r:.80}, not a pair.\n  Try: betas=(0.9, 0.999)")
        beta1, beta2 = betas
        self.beta1, self.beta2 = self._number("beta1", beta1, below=1), self._number("beta2", beta2, below=1)
        self.eps = self._number("eps", eps)
        self.weight_decay = self._number("weight_decay", weight_decay)
        super().__init__(params, lr)

    def scalars(self, count: int) -> dict[str, float]:
        """η, 1 − β₁ᵗ, 1 − β₂ᵗ."""
        return {"lr": self.lr, "correction1": 1 - self.beta1**count, "correction2": 1 - self.beta2**count}

    def formula(self, w: Any, g: Any, slots: Sequence[Any], scalars: Sequence[Any]) -> tuple[Any, ...]:
        """``(new w, new m, new v)``."""
        m, v = slots
        lr, correction1, correction2 = scalars
        if self.weight_decay and not self.decoupled:
            g = g + self.weight_decay * w
        m = self.beta1 * m + (1 - self.beta1) * g
        v = self.beta2 * v + (1 - self.beta2) * (g * g)
        if self.weight_decay and self.decoupled:
            w = w - (lr * self.weight_decay) * w
        return w - (lr / correction1) * m / (np.sqrt(v / correction2) + self.eps), m, v


class AdamW(Adam):
    """w ← (1 − η λ) w − η m̂ / (√v̂ + ε): Adam, with the weight decay beside the gradient, not in it.

    What decays does not go through m and v, so that it is the same part of every weight. Parameters as for ``Adam``.

    Notes
    -----
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2, with PyTorch's η λ.

    Examples
    --------
    >>> w = tg.Tensor([2.0], requires_grad=True)
    >>> opt = tg.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (0 * w).sum().backward()
    >>> opt.step()
    >>> round(w.item(), 6)  # no gradient: only the decay
    1.9
    """

    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
