"""Module: an object that holds Tensors and other modules, and computes with them when it is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ..modes import scope
from ..tensor import Tensor
from .frames import framed
from .state import assign


class Module:
    """What has parameters: a layer, or a network made of layers. Write ``forward``; call the module.

    What a module consists of is read from its attributes, also inside of lists, tuples and dicts. A Tensor that was given, not
    computed, is part of its state: a **parameter** if it requires a gradient, else a **buffer**. A module is a child. There is
    nothing to register, and ``__init__`` of this class need not be called.

    Attributes
    ----------
    training : bool
        Whether Dropout and BatchNorm1d do what they do in training. :meth:`train` and :meth:`eval` set it.
    symbols : mapping of str to str
        What pictures and formulas call an attribute; by default its name. A class may set it.

    Notes
    -----
    Names have dots, as in PyTorch: ``encoder.0.weight``. A parameter of two modules is listed once, under its first name.
    At the first call, parameters without a name of their own get one for pictures: the layers are numbered, W1, b1, W2, b2;
    and children get a frame, named after the attribute that holds them.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> class Net(tg.nn.Module):
    ...     def __init__(self):
    ...         self.hidden = tg.nn.Linear(2, 3, seed=0)
    ...         self.scale = tg.Tensor(1.0, requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return self.scale * tg.tanh(self.hidden(x))
    >>> net = Net()
    >>> net([[1.0, 2.0]]).shape
    (1, 3)
    >>> net
    Net
      hidden  Linear(2, 3)  weight (2, 3), bias (3,)  9
      scale ()                                        1
      parameters                                     10
    """

    training: bool = True
    symbols: ClassVar[Mapping[str, str]] = {}
    _frame: scope | None = None
    _number: int | None = None  # of a layer, in the model that it is part of
    _is_named = False

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):  # one that takes the place of another is named, too, at the next call
            vars(self)["_is_named"] = False
        super().__setattr__(name, value)

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """``forward``, in a frame of its own when it is drawn."""
        if not self._is_named:
            self._name_parts()
        if self._frame is None:
            return self.forward(*inputs, **settings)
        return framed(self._frame, self.forward, *inputs, **settings)

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """What the module computes. A subclass writes it.

        Raises
        ------
        NotImplementedError
            If the subclass does not.
        """
        name = type(self).__name__
        raise NotImplementedError(f"{name}: it has no forward.\n  Try: def forward(self, x): ... in class {name}")

    def parameters(self) -> list[Tensor]:
        """The Tensors to train: those of its state that require a gradient, each once, in the order of definition."""
        return [t for _, t in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """The parameters with their dotted names.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> [name for name, w in tg.nn.MLP([2, 3, 1]).named_parameters()]
        ['0.weight', '0.bias', '2.weight', '2.bias']
        """
        return [(name, t) for name, t in self._tensors() if t.requires_grad]

    def named_buffers(self) -> list[tuple[str, Tensor]]:
        """The Tensors of its state that are not trained, such as running statistics, with their dotted names."""
        return [(name, t) for name, t in self._tensors() if not t.requires_grad]

    def children(self) -> list[Module]:
        """The modules that it holds itself."""
        return [module for _, module in self.named_children()]

    def named_children(self) -> list[tuple[str, Module]]:
        """The modules that it holds itself, with their names in it."""
        return [(name, part) for name, part in self._parts() if isinstance(part, Module)]

    def modules(self) -> list[Module]:
        """Itself and all modules below, each once."""
        return [module for _, module in self.named_modules()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """Itself, named ``""``, and all modules below with their dotted names, each once."""
        return [(name, part) for name, part in self._walk() if isinstance(part, Module)]

    def _tensors(self) -> list[tuple[str, Tensor]]:
        return [(name, part) for name, part in self._walk() if isinstance(part, Tensor)]

    def _members(self) -> Iterable[tuple[str, Any]]:
        """The attributes, in the order of definition."""
        return vars(self).items()

    def _parts(self, again: bool = False) -> Iterator[tuple[str, Any]]:
        """The Tensors, modules and random generators that it holds itself, also in lists, tuples and dicts, each once.

        With ``again`` in every place where it holds them.
        """
        seen: set[int] = set()
        stack = list(self._members())[::-1]
        while stack:
            name, value = stack.pop()
            is_container = isinstance(value, (list, tuple, dict))
            if not is_container and not isinstance(value, (Module, Tensor, np.random.Generator)):
                continue
            if id(value) not in seen or (again and not is_container):  # a list may hold itself
                seen.add(id(value))
                if isinstance(value, dict):
                    stack += [(f"{name}.{key}", x) for key, x in value.items()][::-1]
                elif is_container:
                    stack += [(f"{name}.{i}", x) for i, x in enumerate(value)][::-1]
                elif not isinstance(value, Tensor) or value.op is None:  # a result that it keeps is no state
                    yield name, value

    def _walk(self) -> Iterator[tuple[str, Any]]:
        """Itself, and every part of it and of what is below, each once: depth first, without recursion, also in a circle."""
        seen: set[int] = set()
        names: set[str] = set()
        stack: list[tuple[str, Any]] = [("", self)]
        while stack:
            name, part = stack.pop()
            if id(part) not in seen:
                if name in names:  # a state would hold one of them only
                    raise ValueError(
                        f"{type(self).__name__}: two of its parts are called {name!r}.\n"
                        "  Try: dicts with names as keys, without dots"
                    )
                seen.add(id(part))
                names.add(name)
                yield name, part
                if isinstance(part, Module):
                    stack += [(f"{name}.{key}" if name else key, x) for key, x in part._parts()][::-1]

    def state_dict(self) -> dict[str, Any]:
        """Copies of all parameters and buffers, by their dotted names: what ``tg.save`` writes.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> model = tg.nn.Linear(2, 1, seed=0)
        >>> other = tg.nn.Linear(2, 1)
        >>> other.load_state_dict(model.state_dict())
        >>> bool((other.weight.data == model.weight.data).all())
        True
        """
        return {name: t.numpy() for name, t in self._tensors()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give all parameters and buffers the numbers of a state.

        Raises
        ------
        ShapeError, ValueError
            If a name is missing or unexpected, a shape differs or a type cannot be cast. The message lists every difference,
            and nothing was changed.
        """
        assign(f"load_state_dict ({type(self).__name__})", dict(self._tensors()), state)

    def random_state(self) -> dict[str, str]:
        """The states of its random generators (Dropout has one), as JSON texts by their dotted names.

        With ``state_dict`` it is all that a training needs to go on as if it had not been interrupted.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> drop = tg.nn.Dropout(0.5, seed=0)
        >>> before = drop.random_state()
        >>> first = drop(np.ones(20)).tolist()
        >>> drop.load_random_state(before)
        >>> drop(np.ones(20)).tolist() == first
        True
        """
        return {name: json.dumps(g.bit_generator.state, default=np.ndarray.tolist) for name, g in self._generators().items()}

    def load_random_state(self, state: Mapping[str, str]) -> None:
        """Let the random generators go on from a state that :meth:`random_state` gave.

        Raises
        ------
        ValueError
            If the names differ, or a text is no state of that kind of generator; nothing was changed.
        """
        who = f"load_random_state ({type(self).__name__})"
        own = self._generators()
        if own.keys() != state.keys():
            raise ValueError(f"{who}: generators {sorted(own)} are here, states of {sorted(state)} were given.")
        read = {}
        for name, generator in own.items():
            try:
                read[name] = json.loads(state[name])
                type(generator.bit_generator)().state = read[name]  # tried on another one first
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                kind = type(generator.bit_generator).__name__
                raise ValueError(f"{who}: what was given for {name} is no state of a {kind}: {error}") from None
        for name, generator in own.items():
            generator.bit_generator.state = read[name]

    def _generators(self) -> dict[str, np.random.Generator]:
        return {name: part for name, part in self._walk() if isinstance(part, np.random.Generator)}

    def train(self, mode: bool = True) -> Self:
        """Set itself and all below to training, or with ``False`` to evaluation; returns itself.

        A compiled step keeps the mode of its first call.
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set itself and all below to evaluation: no dropout, running statistics; returns itself."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for t in self.parameters():
            t.zero_grad()

    def _name_parts(self) -> None:
        """Number the layers, name their Tensors for pictures, and give frames to what has Tensors."""
        number = 0
        taken: set[int] = set()
        for _, module in self.named_modules():
            parts = list(module._parts())
            is_layer = not any(isinstance(part, Module) for _, part in parts)
            tensors = [(key, part) for key, part in parts if isinstance(part, Tensor) and id(part) not in taken]
            taken |= {id(t) for _, t in tensors}
            module._number = None
            if is_layer and tensors and module is not self:
                number += 1
                module._number = number
            for key, t in tensors:
                symbol = module.symbols.get(key, key)
                if t.name is None or re.fullmatch(rf"{re.escape(symbol)}\d*", t.name):  # not what the user named
                    t.name = symbol if module._number is None or symbol[-1].isdigit() else f"{symbol}{module._number}"
            module._is_named = True
        for _, module in self.named_modules():
            module._set_frames()

    def _set_frames(self) -> None:
        """Give each child that computes with Tensors a frame with the name that it has here."""
        for name, child in self.named_children():
            child._frame = scope(name) if child._tensors() else None

    def extra_repr(self) -> str:
        """What stands in the brackets of its repr: its settings. A subclass may write it."""
        return ""

    def __repr__(self) -> str:
        """A line for each module, with the shapes of its Tensors and the number of its parameters."""
        rows: list[tuple[str, int | None]] = []
        seen: set[int] = set()
        stack: list[tuple[int, str, Any]] = [(0, "", self)]
        while stack:
            depth, name, part = stack.pop()
            indent = "  " * depth
            again = id(part) in seen
            seen.add(id(part))
            if isinstance(part, Tensor):
                rows.append((f"{indent}{_described(name, part)}", None if again else _count([part])))
                continue
            text = f"{indent}{name}  {part._title()}" if name else f"{indent}{part._title()}"
            if again:
                rows.append((f"{text}  (the same as above)" if part._tensors() else text, None))
                continue
            parts = [(key, x) for key, x in part._parts(again=True) if isinstance(x, (Module, Tensor))]
            if any(isinstance(x, Module) for _, x in parts):
                rows.append((text, None))
                stack += [(depth + 1, key, x) for key, x in parts][::-1]
            else:
                own = [(key, x) for key, x in parts if isinstance(x, Tensor)]
                fresh = [x for _, x in own if id(x) not in seen]
                seen |= {id(x) for x in fresh}
                rows.append((f"{text}  {', '.join(_described(key, x) for key, x in own)}".rstrip(), _count(fresh) or None))
        total = _count(self.parameters())
        if len(rows) == 1:
            return f"{rows[0][0]}  {total} parameters" if total else rows[0][0]
        rows.append(("  parameters", total))
        width = max(len(text) for text, _ in rows)
        digits = max(len(str(count)) for _, count in rows if count is not None)
        return "\n".join(f"{text:<{width}}  {'' if n is None else n:>{digits}}".rstrip() for text, n in rows)

    def _title(self) -> str:
        settings = self.extra_repr()
        return f"{type(self).__name__}({settings})" if settings else type(self).__name__


def _described(name: str, t: Tensor) -> str:
    return f"{name} {t.shape}" if t.requires_grad else f"{name} {t.shape} (buffer)"


def _count(tensors: Iterable[Tensor]) -> int:
    """How many numbers are trained."""
    return sum(t.size for t in tensors if t.requires_grad)
