"""The arguments of a call as arrays: which of them are data, how they are grouped, what makes up their signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..tensor import Tensor
from .program import frozen


class Group(NamedTuple):
    """One argument: an array (``kind`` is None), or a list, tuple or dict of arrays."""

    keyword: str  # "" for a positional argument
    kind: type | None = None
    keys: tuple[Any, ...] = ()

    @property
    def size(self) -> int:
        """How many arrays it holds."""
        return 1 if self.kind is None else len(self.keys)


class Signature(NamedTuple):
    """What a program is made for."""

    groups: tuple[Group, ...]
    kinds: tuple[Any, ...]  # shapes and dtypes
    settings: Any


class Arguments(NamedTuple):
    """The arguments of one call."""

    groups: tuple[Group, ...]
    arrays: list[Any]
    names: list[str]
    settings: dict[str, Any]  # keyword arguments that are no data

    @property
    def signature(self) -> Signature:
        """What is equal in calls of one program.

        Raises
        ------
        TypeError
            If a setting is not hashable.
        """
        key = tuple(sorted((k, frozen(v)) for k, v in self.settings.items()))
        try:
            hash(key)
        except TypeError:
            raise TypeError(
                f"compile: keyword arguments that are no arrays are settings, and must be hashable: {', '.join(self.settings)}.\n"
                "  Try: arrays, or plain numbers and texts"
            ) from None
        return Signature(self.groups, tuple([(x.shape, x.dtype) for x in self.arrays]), key)

    def of(self, leaves: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments in their groups again, made of these leaves."""
        rest = iter(leaves)
        args: list[Any] = []
        keywords = dict(self.settings)
        for group in self.groups:
            value = _built(group, rest)
            if group.keyword:
                keywords[group.keyword] = value
            else:
                args.append(value)
        return args, keywords


def read(f: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> Arguments:
    """The arguments of a call of f.

    Examples
    --------
    >>> found = read(lambda x, y, power: x, [1.0, {"a": np.ones(2)}], {"power": 2})
    >>> found.names, found.settings, [x.shape for x in found.arrays]
    (['x', 'a'], {'power': 2}, [(), (2,)])
    """
    groups: list[Group] = []
    arrays: list[Any] = []
    names: list[str] = []
    settings = {k: v for k, v in keywords.items() if not _is_data(v)}
    data = [("", name, x) for name, x in zip(_names(f, len(args)), args, strict=True)]
    data += [(k, k, v) for k, v in sorted(keywords.items()) if k not in settings]
    for keyword, name, x in data:
        if isinstance(x, dict):
            group, own, parts = Group(keyword, dict, tuple(x)), [str(k) for k in x], list(x.values())
        elif isinstance(x, (list, tuple)) and any(isinstance(v, (Tensor, np.ndarray)) for v in x):
            group, own, parts = Group(keyword, type(x), tuple(range(len(x)))), [f"{name}{i}" for i in range(len(x))], list(x)
        else:
            group, own, parts = Group(keyword), [name], [x]
        groups.append(group)
        names += own
        arrays += [_array(part, called) for part, called in zip(parts, own, strict=True)]
    return Arguments(tuple(groups), arrays, names, settings)


def variables_of(f: Callable[..., Any]) -> dict[int, str]:
    """How a function calls the Tensors around it, by their ids."""
    try:
        around = inspect.getclosurevars(f)
    except (TypeError, ValueError):  # not written in Python
        return {}
    return {id(x): name for space in (around.globals, around.nonlocals) for name, x in space.items() if isinstance(x, Tensor)}


def _is_data(x: Any) -> bool:
    if isinstance(x, (list, tuple, dict)):
        return any(isinstance(v, (Tensor, np.ndarray)) for v in (x.values() if isinstance(x, dict) else x))
    return isinstance(x, (Tensor, np.ndarray))


def _built(group: Group, rest: Any) -> Any:
    if group.kind is None:
        return next(rest)
    parts = [next(rest) for _ in group.keys]
    if group.kind is dict:
        return dict(zip(group.keys, parts, strict=True))
    return group.kind(*parts) if hasattr(group.kind, "_fields") else group.kind(parts)


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [positional[i] if i < len(positional) else f"x{i}" for i in range(count)]


def _array(x: Any, name: str) -> Any:
    """An argument as an array of numbers, of one of NumPy's own dtypes: an entry knows them by identity."""
    if isinstance(x, Tensor):
        x = np.asarray(x._data)
    elif type(x) is not np.ndarray or x.dtype.kind not in "fiub":
        x = np.asarray(Tensor(x, name=name)._data)
    plain = np.dtype(x.dtype.newbyteorder("=").str)
    return x if x.dtype is plain else x.astype(plain)
