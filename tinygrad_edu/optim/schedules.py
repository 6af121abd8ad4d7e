"""Learning-rate schedules: the learning rate as a function of the epoch, from 0, and of nothing else.

Used as ``opt.lr = schedule(epoch)``, or as ``tg.fit(..., schedule=schedule)``. PyTorch's schedulers of these names hold the
optimizer and count by themselves (``scheduler.step()``); these hold nothing, so that a run that goes on at epoch 7 needs
only the 7. Any function of the epoch is a schedule too. Count steps instead of epochs, if you call them yourself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..settings import number

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class StepLR:
    """η · γ^⌊t / s⌋: the rate falls by a factor γ every s epochs.

    Parameters
    ----------
    lr : float
        η, the first learning rate.
    step_size : int
        s.
    gamma : float
        γ.

    Examples
    --------
    >>> schedule = tg.optim.StepLR(1.0, step_size=2, gamma=0.5)
    >>> [schedule(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _at_least("StepLR", step_size=(self.step_size, 1), gamma=(self.gamma, 0), lr=(self.lr, 0))

    def __call__(self, t: float) -> float:
        """The learning rate of epoch t."""
        return self.lr * math.pow(self.gamma, t // self.step_size)


@dataclass(frozen=True)
class ExponentialLR:
    """η · γᵗ.

    Parameters
    ----------
    lr : float
        η, the first learning rate.
    gamma : float
        γ, the factor of each epoch.

    Examples
    --------
    >>> schedule = tg.optim.ExponentialLR(1.0, gamma=0.5)
    >>> [schedule(t) for t in range(3)]
    [1.0, 0.5, 0.25]
    """

    lr: float
    gamma: float

    def __post_init__(self) -> None:
        _at_least("ExponentialLR", gamma=(self.gamma, 0), lr=(self.lr, 0))

    def __call__(self, t: float) -> float:
        """The learning rate of epoch t."""
        return self.lr * math.pow(self.gamma, t)


@dataclass(frozen=True)
class CosineLR:
    """η₁ + (η − η₁) (1 + cos(π t / T)) / 2: half a wave down, and η₁ after that.

    Parameters
    ----------
    lr : float
        η, the first learning rate.
    epochs : int
        T, when the minimum is reached.
    minimum : float
        η₁.

    Notes
    -----
    PyTorch's ``CosineAnnealingLR``, which rises again after T. I. Loshchilov and F. Hutter, "SGDR: Stochastic gradient
    descent with warm restarts", ICLR 2017, equation 5.

    Examples
    --------
    >>> schedule = tg.optim.CosineLR(1.0, epochs=4)
    >>> [round(schedule(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    lr: float
    epochs: int
    minimum: float = 0.0

    def __post_init__(self) -> None:
        _at_least("CosineLR", epochs=(self.epochs, 1), minimum=(self.minimum, 0), lr=(self.lr, 0))

    def __call__(self, t: float) -> float:
        """The learning rate of epoch t."""
        return _cosine(self.lr, self.minimum, t / self.epochs)


@dataclass(frozen=True)
class WarmupLR:
    """η (t + 1) / (T + 1) while t < T, and then another schedule, which begins at η: small steps while nothing is known.

    Parameters
    ----------
    after : schedule or float
        What follows; a number is a constant rate.
    epochs : int
        T, how long the rise takes.

    Notes
    -----
    P. Goyal et al., "Accurate, large minibatch SGD: Training ImageNet in 1 hour", 2017, section 2.2.

    Examples
    --------
    >>> schedule = tg.optim.WarmupLR(tg.optim.ExponentialLR(1.0, gamma=0.5), epochs=3)
    >>> [schedule(t) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """

    after: Schedule | float
    epochs: int

    def __post_init__(self) -> None:
        _at_least("WarmupLR", epochs=(self.epochs, 0))
        if not callable(self.after):
            _at_least("WarmupLR", after=(self.after, 0))

    def __call__(self, t: int) -> float:
        """The learning rate of epoch t."""
        then = max(t - self.epochs, 0)
        rate = self.after(then) if callable(self.after) else float(self.after)
        return rate * min(1.0, (t + 1) / (self.epochs + 1))


@dataclass(frozen=True)
class OneCycleLR:
    """From η/25 up to η in the first 30 % of the epochs, and down to η/250 000, both along half a cosine.

    Parameters
    ----------
    lr : float
        η, the largest learning rate.
    epochs : int
        How long the cycle takes.
    warmup : float
        The part that rises, between 0 and 1.

    Notes
    -----
    PyTorch's ``OneCycleLR`` with its default factors, without its cycle of the momentum. L. N. Smith and N. Topin,
    "Super-convergence: Very fast training of neural networks using large learning rates", 2018.

    Examples
    --------
    >>> schedule = tg.optim.OneCycleLR(1.0, epochs=10)
    >>> [round(schedule(t), 3) for t in (0, 2, 6, 9)]
    [0.04, 1.0, 0.389, 0.0]
    """

    lr: float
    epochs: int
    warmup: float = 0.3

    def __post_init__(self) -> None:
        _at_least("OneCycleLR", epochs=(self.epochs, 1), lr=(self.lr, 0), warmup=(self.warmup, 0))
        if self.warmup > 1:
            raise ValueError(f"OneCycleLR: warmup is {self.warmup}; it is a part of the epochs, between 0 and 1.")

    def __call__(self, t: float) -> float:
        """The learning rate of epoch t."""
        last = self.epochs - 1
        top = max(self.warmup * self.epochs - 1, 0.0)  # counted as PyTorch counts
        if t < top:
            return _cosine(self.lr / 25, self.lr, t / top)
        return _cosine(self.lr, self.lr / 250_000, (t - top) / (last - top) if last > top else 0.0)


def _cosine(start: float, end: float, part: float) -> float:
    """From start to end along half a cosine; ``part`` from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(part, 0.0), 1.0))) / 2


def _at_least(who: str, **values: tuple[float, float]) -> None:
    for name, (value, low) in values.items():
        if callable(getattr(value, "step", None)):
            raise TypeError(f"{who}: {name} is an optimizer; a schedule holds none.\n  Try: tg.optim.{who}({name}=opt.lr, ...)")
        number(who, name, value, low)
