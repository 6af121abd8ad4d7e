"""What all optimizers share: the parameters, their slots and counts, and the step.

An optimizer is one formula, ``(w, g, slots) -> (new w, new slots)``, in operators and NumPy's functions. Called with
arrays it is the eager step; called with Tensors it is recorded, and becomes part of a compiled program.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import GradientError, ShapeError
from ..readonly import read_only
from ..saving import differences
from ..settings import number
from ..tensor import Tensor
from ..visible import visible


class Optimizer:
    """The base of all optimizers. One of your own needs ``formula``, and ``slot_names`` if it remembers something.

    Parameters
    ----------
    params : iterable of Tensors
        What is updated: leaves that require a gradient, each once.
    lr : float
        The learning rate. ``opt.lr = 0.01`` changes it, for a compiled program too.

    Raises
    ------
    ValueError
        If there are no parameters, one is there twice, is a result, or does not require a gradient; or for a setting
        out of its range.
    TypeError
        If a parameter is not a Tensor, or the learning rate is not a number.

    Notes
    -----
    All parameters share the settings; for two learning rates, take two optimizers.

    In a compiled program ``opt.rule`` is the update, and the slots belong to the program (``step.slots``). Only ``lr``
    and the count change from call to call; ``advance()`` counts, before each call. Other settings stay as they were at
    the first.

    Examples
    --------
    >>> class SignSGD(tg.optim.Optimizer):
    ...     def formula(self, w, g, slots, scalars):
    ...         (lr,) = scalars
    ...         return (w - lr * np.sign(g),)
    >>> w = tg.Tensor([1.0, -2.0], requires_grad=True)
    >>> opt = SignSGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [0.5, -1.5]

    A compiled training step with the same rule:

    >>> opt = tg.optim.Adam([w])
    >>> train = tg.compile(lambda x: ((w - x) ** 2).sum(), wrt=opt.params, update=opt.rule, slots=opt.slots_count)
    >>> for epoch in range(100):
    ...     opt.lr = 0.3 * 0.99**epoch
    ...     opt.advance()
    ...     loss = train(np.array([3.0, 4.0]))
    >>> bool(loss < 0.1)
    True
    """

    slot_names: tuple[str, ...] = ()
    settings: ClassVar[tuple[str, ...]] = ()  # the names of the attributes that the formula reads, beside lr

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = _parameters(type(self).__name__, params)
        self._tensors: list[Tensor] | None = None  # the scalars of a compiled program
        self._lr = 0.0
        self._counts = [0] * len(self.params)
        self.lr = lr
        self._slots = [self._zeros(p) for p in self.params]

    def formula(self, w: Any, g: Any, slots: Sequence[Any], scalars: Sequence[Any]) -> tuple[Any, ...]:
        """``(new w, *new slots)``, from operators and NumPy functions alone, nothing in place: arrays or Tensors."""
        raise NotImplementedError(f"{type(self).__name__} has no formula")

    def scalars(self, count: int) -> dict[str, float]:
        """The numbers of the formula that change from step to step, by name; ``count`` is 1 in the first."""
        return {"lr": self.lr}

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = self._number("lr", value)
        self._tell()

    @property
    def count(self) -> int:
        """How many steps there were."""
        return max(self._counts)

    @property
    def slots_count(self) -> int:
        """How many arrays of its own shape are kept for each parameter."""
        return len(self.slot_names)

    def step(self) -> None:
        """Give every parameter that has a gradient its new numbers: all of them, or none if there is an error.

        A record made before keeps the numbers it was computed with. A parameter whose ``grad`` is None is left alone,
        and its count too.

        Raises
        ------
        GradientError
            If no parameter has a gradient.
        ShapeError
            If a gradient that was assigned has not its parameter's shape.
        """
        known: dict[int, tuple[float, ...]] = {}
        slots, counts, found = list(self._slots), list(self._counts), []
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            g, w = np.asarray(p.grad), p._data
            if g.shape != p.shape:
                raise ShapeError(f"step: the gradient of {p._called()} has shape {g.shape}, not {p.shape}.")
            count = counts[i] = counts[i] + 1
            if count not in known:
                known[count] = tuple(self.scalars(count).values())
            new, *slots[i] = self.formula(w, g if g.dtype == w.dtype else g.astype(w.dtype), slots[i], known[count])
            found.append((p, read_only(new)))
        if not found:
            raise GradientError("step: no parameter has a gradient.\n  Try: L.backward() before opt.step()")
        before = [p._data for p, _ in found]
        try:
            for p, new in found:
                p.data = new
        except BaseException:  # Ctrl-C too: half a step is no step
            for (p, _), w in zip(found, before, strict=True):
                p._data = w
            raise
        self._slots, self._counts = slots, counts

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.params:
            p.grad = None

    def rule(self, w: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        """``(w, g, *slots) -> (new w, *new slots)`` with today's learning rate and count: the ``update`` of ``tg.compile``."""
        if not isinstance(w, Tensor):
            return self.formula(w, g, slots, tuple(self.scalars(self.count).values()))
        if self._tensors is None:
            if not self.count:
                raise ValueError("rule: the first step has the count 1.\n  Try: opt.advance() before each call of the program")
            self._tensors = [Tensor(x, name=name) for name, x in self.scalars(self.count).items()]
        return self.formula(w, g, slots, [t.astype(w.dtype) for t in self._tensors])

    def advance(self) -> None:
        """Count a step that a compiled program is about to do; ``step()`` counts by itself."""
        self._counts = [count + 1 for count in self._counts]
        self._tell()

    def _velocity(self, slots: Sequence[Any]) -> Any:
        """The slot of the momentum, which is there if the optimizer was made with one."""
        if "velocity" not in self.slot_names:
            raise ValueError(
                f"{type(self).__name__}: it was made without momentum, and keeps no velocity.\n"
                f"  Try: {type(self).__name__}(params, lr, momentum={getattr(self, 'momentum', 0.9)})"
            )
        return slots[self.slot_names.index("velocity")]

    def state_dict(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """What a later run needs to go on, as arrays by name: kind, settings, counts, and the slots of each parameter."""
        state = {"kind": np.array(type(self).__name__), "lr": np.array(self.lr)}
        state |= {name: np.array(getattr(self, name)) for name in self.settings}
        state["counts"] = np.array(self._counts)
        for i, slots in enumerate(self._slots):
            state |= {f"{name}.{i}": np.array(x) for name, x in zip(self.slot_names, slots, strict=True)}
        return state

    def differences(self, state: Mapping[str, Any]) -> list[str]:
        """What keeps a state from being this optimizer's: a line for each difference."""
        own = self.state_dict()
        wrong = differences(own, state)
        if "kind" in state and str(state["kind"]) != str(own["kind"]):
            wrong.insert(0, f"it is of {visible(str(state['kind']))}, not {own['kind']}")
        if not wrong and (np.min(state["counts"]) < 0 or not all(0 <= state[name] < math.inf for name in ["lr", *self.settings])):
            wrong = ["a count, the learning rate or a setting is negative or not finite"]
        return wrong

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what ``state_dict`` gave, settings and learning rate included, all or nothing.

        Raises
        ------
        ValueError
            With every difference: another kind of optimizer, names, shapes, dtypes.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: a state is a dict, not {type(state).__name__}.\n  Try: opt.state_dict()")
        wrong = self.differences(state)
        if wrong:
            raise ValueError("\n  ".join([f"load_state_dict: this is not the state of {self!r}:", *wrong]))
        for name in self.settings:
            setattr(self, name, np.asarray(state[name]).item())
        self._slots = [[np.array(state[f"{name}.{i}"])[()] for name in self.slot_names] for i in range(len(self.params))]
        self._counts = [int(n) for n in state["counts"]]
        self.lr = float(state["lr"])

    def __repr__(self) -> str:
        return self.described()

    def described(self, lr: bool = True) -> str:
        """Kind and settings in one line, with the learning rate or without."""
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in [*["lr"] * lr, *self.settings])
        n = len(self.params)
        return f"{type(self).__name__}({shown}; {n} parameter{'s' * (n != 1)})"

    def _tell(self) -> None:
        """Show a compiled program the learning rate and the count of now."""
        if self._tensors is not None:
            for t, x in zip(self._tensors, self.scalars(self.count).values(), strict=True):
                t.data = x

    def _zeros(self, p: Tensor) -> list[Any]:
        return [np.zeros(p.shape, p.dtype)[()] for _ in self.slot_names]

    def _number(self, name: str, value: Any, below: float = math.inf) -> float:
        return number(type(self).__name__, name, value, below=below)


def _parameters(who: str, params: Any) -> list[Tensor]:
    if isinstance(params, Tensor):
        raise TypeError(f"{who}: the parameters are one Tensor, {params._called()}.\n  Try: a list, [w]")
    if not isinstance(params, Iterable) or callable(getattr(params, "parameters", None)):
        raise TypeError(f"{who}: the parameters are {type(params).__name__}, not a list.\n  Try: model.parameters()")
    found = list(params.values() if isinstance(params, Mapping) else params)
    if not found:
        if isinstance(params, list):  # as model.parameters() of a model that has none, or has them frozen
            raise ValueError(f"{who}: there are no parameters.\n  Try: w.requires_grad = True for what is to be trained")
        raise ValueError(
            f"{who}: there are no parameters. (A generator that was gone through before is empty.)\n"
            "  Try: list(model.parameters())"
        )
    seen: dict[int, int] = {}
    for i, p in enumerate(found):
        if not isinstance(p, Tensor):
            hint = ""
            if callable(getattr(p, "parameters", None)):
                hint = "\n  Try: [p for model in models for p in model.parameters()]"
            elif isinstance(p, tuple):
                hint = "\n  Try: model.parameters(), without names"
            elif isinstance(p, dict):
                hint = "\n  Try: an optimizer for each group"
            raise TypeError(f"{who}: parameter {i} is {type(p).__name__}, not a Tensor.{hint}")
        if p.inputs:
            raise ValueError(f"{who}: parameter {i} is {p._called()}, a result: only a leaf can be given new numbers.")
        if not p.requires_grad:
            raise ValueError(f"{who}: parameter {i}, {p._called()}, gets no gradient.\n  Try: requires_grad=True")
        if id(p) in seen:
            raise ValueError(f"{who}: {p._called()} is there twice, as parameter {seen[id(p)]} and {i}.")
        seen[id(p)] = i
    return found
