"""Stochastic gradient descent: down the slope, with a memory of where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ..tensor import Tensor
from .optimizer import Optimizer


class SGD(Optimizer):
    """w ← w − η v, with v ← μ v + g: gradient descent, with momentum μ.

    Parameters
    ----------
    params : iterable of Tensors
        What is updated.
    lr : float
        η, the learning rate.
    momentum : float
        μ. With 0 nothing is remembered, and v is the gradient g.
    nesterov : bool
        Step by g + μ v instead of v: the gradient as if one had gone ahead already.
    weight_decay : float
        λ: λ w is added to the gradient, which is that of λ/2 · ‖w‖² in the loss.

    Raises
    ------
    ValueError
        For a setting that is negative, and for ``nesterov`` without momentum.

    Notes
    -----
    As PyTorch defines it: the learning rate is outside of v, so that a change of it acts at once. B. T. Polyak, "Some
    methods of speeding up the convergence of iteration methods", 1964; I. Sutskever et al., "On the importance of
    initialization and momentum in deep learning", ICML 2013.

    Examples
    --------
    >>> w = tg.Tensor([4.0], requires_grad=True)
    >>> opt = tg.optim.SGD([w], lr=0.1, momentum=0.5)
    >>> for _ in range(3):
    ...     opt.zero_grad()
    ...     (w * w).sum().backward()
    ...     opt.step()
    ...     print(f"{w.item():.3f}")
    3.200
    2.160
    1.208
    """

    settings: ClassVar[tuple[str, ...]] = ("momentum", "nesterov", "weight_decay")

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        self.momentum = self._number("momentum", momentum)
        self.nesterov = bool(nesterov)
        self.weight_decay = self._number("weight_decay", weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov looks ahead along the momentum, which is 0.\n  Try: momentum=0.9, nesterov=True")
        self.slot_names = ("velocity",) if self.momentum else ()
        super().__init__(params, lr)

    def formula(self, w: Any, g: Any, slots: Sequence[Any], scalars: Sequence[Any]) -> tuple[Any, ...]:
        """``(new w, new v)``."""
        (lr,) = scalars
        if self.weight_decay:
            g = g + self.weight_decay * w
        if not self.momentum:
            return (w - lr * g, *slots)
        v = self.momentum * self._velocity(slots) + g
        return w - lr * (g + self.momentum * v if self.nesterov else v), v
