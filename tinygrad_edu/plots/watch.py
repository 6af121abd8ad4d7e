"""What goes on inside a network while it learns, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graphs import pretty
from ..sweep import topological_order
from ..tensor import Tensor

# Results of these are activations, where nothing is named.
ACTIVATIONS = frozenset({"tanh", "sigmoid", "relu", "softplus", "gelu", "elu", "leaky_relu", "selu", "silu"})


class Watch:
    """Per step: the mean and spread of activations, the norm of each gradient, how far each parameter moved.

    Parameters
    ----------
    parameters : Module, mapping, or iterable of Tensor
        A module; or tensors by name; or tensors, which are called by their own names.
    activations : sequence of str, optional
        The names of the tensors whose values are followed. By default the results of tanh, relu, sigmoid and the like,
        in the order in which they were computed.

    Attributes
    ----------
    means, stds : dict of str to list of float
        Of the values of each activation.
    values : dict of str to ndarray
        The activations of the last step that was recorded.
    norms : dict of str to list of float
        ‖dL/dW‖ of each parameter, NaN where it had no gradient.
    ratios : dict of str to list of float
        ‖W_after − W_before‖ / ‖W_before‖ of each parameter between a step and the next: one entry less than steps.
    weights : tuple of str
        The parameters with two axes or more, in which the layers are seen best.

    Raises
    ------
    ValueError
        If there are no parameters, or two have the same name.

    Notes
    -----
    The ratio is the one of the course CS231n, Stanford: "it should be somewhere around 1e-3".

    Examples
    --------
    >>> W = tg.Tensor([[0.5, -0.5]], requires_grad=True, name="W1")
    >>> watch = tg.plots.Watch([W])
    >>> for step in range(3):
    ...     L = (tg.tanh(np.ones((4, 1)) @ W).named("h1") ** 2).sum()
    ...     W.zero_grad()
    ...     L.backward()
    ...     watch.record(L)
    ...     W.data -= 0.01 * W.grad
    >>> watch
    Watch(3 steps; activations h⁽¹⁾; parameters W⁽¹⁾)
    >>> [f"{ratio:.3f}" for ratio in watch.ratios["W⁽¹⁾"]]
    ['0.058', '0.060']
    """

    def __init__(self, parameters: Any, activations: Sequence[str] | None = None) -> None:
        self._parameters = _named(parameters)
        self._wanted = None if activations is None else tuple(activations)
        self._before: dict[str, Any] = {}
        self.steps = 0
        self.means: dict[str, list[float]] = {}
        self.stds: dict[str, list[float]] = {}
        self.values: dict[str, Any] = {}
        self.norms: dict[str, list[float]] = {name: [] for name in self._parameters}
        self.ratios: dict[str, list[float]] = {name: [] for name in self._parameters}
        self.weights = tuple(name for name, t in self._parameters.items() if t.ndim > 1)

    def record(self, L: Tensor | None = None) -> None:  # noqa: N803  # the loss is called L throughout
        """Note down this step: after ``L.backward()``, before the parameters are changed.

        Without L the activations are left out.
        """
        found = {} if L is None else _activations(L, self._wanted)
        if self.steps and L is not None and found.keys() != self.means.keys():
            raise ValueError(f"Watch: this record has {_list(found)}, the first one had {_list(self.means)}.")
        self.steps += 1
        for name, value in found.items():
            self.means.setdefault(name, []).append(float(value.mean()))
            self.stds.setdefault(name, []).append(float(value.std()))
        self.values = found or self.values
        for name, t in self._parameters.items():
            now = np.array(t.data)
            self.norms[name].append(float("nan") if t.grad is None else float(np.linalg.norm(t.grad)))
            if name in self._before:
                before = self._before[name]
                length = float(np.linalg.norm(before))
                self.ratios[name].append(float(np.linalg.norm(now - before)) / length if length else float("nan"))
            self._before[name] = now

    def __repr__(self) -> str:
        shown = "; ".join([f"activations {_list(self.means)}"] * bool(self.means) + [f"parameters {_list(self.norms)}"])
        return f"Watch({self.steps} steps; {shown})"


def _named(parameters: Any) -> dict[str, Tensor]:
    pairs: Iterable[tuple[str | None, Tensor]]
    if hasattr(parameters, "named_parameters"):
        named = list(parameters.named_parameters())
        # A tensor's own name is shorter than its place in the module, if it is the only one of that name.
        own = [t.name for _, t in named]
        pairs = named if None in own or len(set(own)) < len(own) else [(t.name, t) for _, t in named]
    elif isinstance(parameters, Mapping):
        pairs = list(parameters.items())
    else:
        pairs = [(getattr(t, "name", None), t) for t in ([parameters] if isinstance(parameters, Tensor) else parameters)]
    found: dict[str, Tensor] = {}
    for i, (name, t) in enumerate(pairs):
        if not isinstance(t, Tensor):
            raise TypeError(f"Watch: parameter no. {i} is a {type(t).__name__}, not a Tensor.")
        called = pretty(name) if name else f"parameter {i}"
        if called in found:
            raise ValueError(f"Watch: two parameters are called {called}.\n  Try: Watch({{'first': ..., 'second': ...}})")
        found[called] = t
    if not found:
        raise ValueError("Watch: there are no parameters.")
    return found


def _activations(root: Tensor, wanted: tuple[str, ...] | None) -> dict[str, Any]:
    """The values of the activations in a record, by name."""
    order = topological_order([root])
    if wanted is not None:
        by_name = {t.name: t for t in order if t.name is not None}
        missing = [name for name in wanted if name not in by_name]
        if missing:
            raise ValueError(f"Watch: the record has no tensor that is called {', '.join(missing)}; it has {_list(by_name)}.")
        return {pretty(name): by_name[name].numpy() for name in wanted}
    found: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for t in order:
        if t.inputs and t.op.name in ACTIVATIONS:
            counts[t.op.name] = counts.get(t.op.name, 0) + 1
            found[pretty(t.name) if t.name and pretty(t.name) not in found else f"{t.op.name} {counts[t.op.name]}"] = t.numpy()
    return found


def _list(names: Iterable[str | None]) -> str:
    return ", ".join(map(str, names)) or "none"
