"""Sequential: modules one after the other, and MLP, the one with Linear layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..modes import scope
from ..record import TensorLike
from ..settings import size
from ..tensor import Tensor, as_tensor
from .activations import ACTIVATIONS
from .frames import framed
from .init import Initializer, Seed, he_normal, xavier_uniform
from .linear import Linear
from .module import Module


class Sequential(Module):
    """y = f_k(... f_2(f_1(x))): each module takes what the one before gives.

    Parameters
    ----------
    *layers : Module
        The modules. ``model[i]`` is one of them, ``len(model)`` their number; ``model[i] = layer`` replaces one.

    Raises
    ------
    TypeError
        If one of them is no Module.

    Notes
    -----
    For pictures, the layers that have parameters are numbered. Layer k has a frame, together with the modules without parameters
    that follow it; what the layer itself gives is called u_k, what leaves the frame h_k.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 16, seed=0), tg.nn.Tanh(), tg.nn.Linear(16, 3, seed=1))
    >>> model
    Sequential
      0  Linear(2, 16)  weight (2, 16), bias (16,)  48
      1  Tanh
      2  Linear(16, 3)  weight (16, 3), bias (3,)   51
      parameters                                    99
    >>> model(np.zeros((5, 2))).shape
    (5, 3)
    """

    def __init__(self, *layers: Module) -> None:
        self.layers = layers

    @property
    def layers(self) -> tuple[Module, ...]:
        """The modules. Others may be assigned, all together or one: ``model[2] = layer``."""
        return self._layers

    @layers.setter
    def layers(self, layers: Iterable[Module]) -> None:
        self._layers = tuple(layers)
        for i, layer in enumerate(self._layers):
            if not isinstance(layer, Module):
                hint = "tg.nn.Tanh()" if callable(layer) else "tg.nn.Sequential(*layers)"
                raise TypeError(f"Sequential: no. {i} is {type(layer).__name__}, not a Module: {layer!r:.80}\n  Try: {hint}")
        self._name_parts()

    def forward(self, x: TensorLike) -> Any:
        """One module after the other."""
        y: Any = as_tensor(x)
        for frame, number, start, stop in self._groups:
            y = self._run(number, start, stop, y) if frame is None else framed(frame, self._run, number, start, stop, y)
        return y

    def _run(self, number: int | None, start: int, stop: int, x: Any) -> Any:
        """The modules of one group."""
        y = self.layers[start](x)
        if number is not None and isinstance(y, Tensor) and y.name is None:
            y.name = f"u{number}"
        for layer in self.layers[start + 1 : stop]:
            y = layer(y)
        if number is not None and isinstance(y, Tensor) and y.name is None:
            y.name = f"h{number}"
        return y

    def _set_frames(self) -> None:
        """Group each module that has Tensors with those without that follow it."""
        super()._set_frames()
        starts = [i for i, layer in enumerate(self.layers) if layer._tensors()]
        first = starts[0] if starts else len(self.layers)
        self._groups: tuple[tuple[scope | None, int | None, int, int], ...] = ((None, None, 0, first),) if first else ()
        for start, stop in pairwise([*starts, len(self.layers)]):
            layer = self.layers[start]
            frame = scope(f"layer {layer._number}" if layer._number is not None else type(layer).__name__)
            self._groups += ((frame, layer._number, start, stop),)
            layer._frame = None  # it is in the frame of its group

    def _members(self) -> Iterable[tuple[str, Any]]:
        """The modules by their numbers, then whatever a subclass adds."""
        yield from ((str(i), layer) for i, layer in enumerate(self.layers))
        yield from ((name, value) for name, value in vars(self).items() if name not in ("_layers", "_groups"))

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]

    def __setitem__(self, i: int, layer: Module) -> None:
        layers = list(self.layers)
        layers[i] = layer
        self.layers = tuple(layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)


class MLP(Sequential):
    """h_k = f(h_(k−1) W_k + b_k), h_0 = x: Linear layers with an activation after each but the last.

    Parameters
    ----------
    sizes : sequence of int
        How many numbers an example has at the input, in each hidden layer, at the output.
    activation : str or Module
        ``"tanh"``, ``"relu"``, ``"sigmoid"``, ``"gelu"``, ..., or a module such as ``tg.nn.LeakyReLU(0.1)``.
    init : "auto" or callable
        By default :func:`tg.nn.init.he_normal` before an activation that cuts off one half (relu and its relatives), else, and
        for the output, :func:`tg.nn.init.xavier_uniform`.
    dims : str or sequence of str, optional
        A letter for each size, such as ``"F d1 d2"``: pictures, derivations and messages show them.
    seed, dtype
        As in :class:`Linear`.

    Raises
    ------
    ValueError
        If there are less than two sizes, or no activation of that name.
    TypeError
        If sizes are no integers, or the activation is neither a name nor a module.

    Notes
    -----
    The output has no activation: the losses take it as it is (logits). With one output it is (N, 1); a last ``Flatten(0)``,
    or ``[..., 0]``, makes it (N,).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> model = tg.nn.MLP([2, 16, 16, 3], seed=0)
    >>> [w.name for w in model.parameters()]
    ['W1', 'b1', 'W2', 'b2', 'W3', 'b3']
    >>> model(np.zeros((5, 2))).shape
    (5, 3)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Module = "tanh",
        *,
        init: str | Initializer = "auto",
        dims: str | Sequence[str] | None = None,
        seed: Seed = None,
        dtype: Any = np.float64,
    ) -> None:
        if not isinstance(sizes, Iterable):
            raise TypeError(f"MLP: sizes is {type(sizes).__name__}, not a list: {sizes!r:.80}\n  Try: tg.nn.MLP([2, 16, 1])")
        numbers = [size("MLP", f"sizes[{i}]", n) for i, n in enumerate(sizes)]
        if len(numbers) < 2:
            raise ValueError(f"MLP: sizes {numbers} are not an input and an output.\n  Try: tg.nn.MLP([2, 16, 1])")
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(f"MLP: there is no activation {activation!r}.\n  Try: one of {', '.join(ACTIVATIONS)}")
        if not isinstance(activation, (str, Module)):
            raise TypeError(
                f"MLP: the activation is {type(activation).__name__}, not a name or a module: {activation!r:.80}\n"
                '  Try: activation="relu", or activation=tg.nn.LeakyReLU(0.1)'
            )
        rng = np.random.default_rng(seed)
        layers: list[Module] = []
        for i, (before, after) in enumerate(pairwise(numbers)):
            is_last = i == len(numbers) - 2
            function = ACTIVATIONS[activation]() if isinstance(activation, str) else activation
            chosen = init if init != "auto" else he_normal if getattr(function, "cuts", False) and not is_last else xavier_uniform
            layers.append(Linear(before, after, init=chosen, seed=rng, dtype=dtype))
            layers += [] if is_last else [function]
        super().__init__(*layers)
        if dims is not None:
            self._give_dims(dims, numbers)

    def _give_dims(self, dims: str | Sequence[str], sizes: Sequence[int]) -> None:
        letters = tuple(dims.split()) if isinstance(dims, str) else tuple(dims)
        if len(letters) != len(sizes):
            raise ValueError(f"MLP: dims {' '.join(letters)!r} are {len(letters)} letters for {len(sizes)} sizes.")
        linear = [layer for layer in self if isinstance(layer, Linear)]
        for layer, (before, after) in zip(linear, pairwise(letters), strict=True):
            layer.weight.dims = (before, after)
            if layer.bias is not None:
                layer.bias.dims = (after,)
