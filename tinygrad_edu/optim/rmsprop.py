"""RMSProp: each number has a step of its own, by the size of its gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..tensor import Tensor
from .optimizer import Optimizer


class RMSProp(Optimizer):
    """w ← w − η g / (√s + ε), with s ← α s + (1 − α) g²: the gradient in units of its own root mean square.

    Parameters
    ----------
    params : iterable of Tensors
        What is updated.
    lr : float
        η, the learning rate.
    alpha : float
        α, below 1: how long squares are remembered, about 1/(1 − α) steps.
    eps : float
        ε, which keeps the step finite where there were no gradients.
    momentum : float
        μ: with it the step is by v ← μ v + g / (√s + ε).
    weight_decay : float
        λ: λ w is added to the gradient.

    Notes
    -----
    As PyTorch's ``RMSprop``, without ``centered``. T. Tieleman and G. Hinton, "Lecture 6.5: RMSProp", Coursera: Neural
    Networks for Machine Learning, 2012.

    Examples
    --------
    >>> w = tg.Tensor([1000.0, 1.0], requires_grad=True)
    >>> opt = tg.optim.RMSProp([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> bool(np.allclose(w.numpy(), [999.9, 0.9]))  # the same step for a large gradient and a small one
    True
    """

    settings: ClassVar[tuple[str, ...]] = ("alpha", "eps", "momentum", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.alpha = self._number("alpha", alpha, below=1)
        self.eps = self._number("eps", eps)
        self.momentum = self._number("momentum", momentum)
        self.weight_decay = self._number("weight_decay", weight_decay)
        self.slot_names = ("square", "velocity") if self.momentum else ("square",)
        super().__init__(params, lr)

    def formula(self, w: Any, g: Any, slots: Sequence[Any], scalars: Sequence[Any]) -> tuple[Any, ...]:
        """``(new w, new s)``, and with momentum the new v."""
        (lr,) = scalars
        if self.weight_decay:
            g = g + self.weight_decay * w
        s = self.alpha * slots[0] + (1 - self.alpha) * (g * g)
        step = g / (np.sqrt(s) + self.eps)
        if not self.momentum:
            return w - lr * step, s, *slots[1:]
        v = self.momentum * self._velocity(slots) + step
        return w - lr * v, s, v
