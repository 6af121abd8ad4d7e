"""The recorded forward and backward pass as a program that a page can compute again with other numbers.

Values in the order of their computation: first the given ones (leaves, and constants of the rules), then one instruction for
each operation, forward before backward. Equal values are one value, as in the compiler's programs; nothing is simplified, so
that each number is the engine's to the last rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from ..compiler.program import Program as Values
from ..compiler.program import Shape, Value, result_type
from ..graphs.backward import leaves_to_differentiate, record_sweep
from ..graphs.fold import stands_for_leaf
from ..graphs.levels import read, values_as_recorded
from ..ops import Index
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..record import LITERALS
from ..sweep import topological_order
from ..tensor import Tensor
from ..visible import visible
from .javascript import JAVASCRIPT

MOST_GIVEN = 20_000  # numbers that a page holds for its program
MOST_COMPUTED = 2_000_000  # numbers that it computes at every change, so that it answers while one types
MOST_INSTRUCTIONS = 3_000
MOST_EXPECTED = 4_000  # numbers that are compared, as many of each value
PRECISIONS = {"float64": 1e-9, "float32": 1e-4}  # of the comparison, relative

Number = float | int | bool | str  # "NaN", "Infinity" and "-Infinity" are texts, since JSON has no such numbers
Remark = dict[str, str]  # by language


class Given(TypedDict):
    """A leaf (then ``node`` is its node), or a constant. One number stands for an array of equal ones."""

    node: int | None
    shape: list[int]
    dtype: str
    data: list[Number]


class Instruction(TypedDict):
    """One operation; ``inputs`` are places among the values, counted from the first given one."""

    op: str
    inputs: list[int]
    params: dict[str, Any]
    shape: list[int]
    dtype: str


class Expected(TypedDict):
    """The engine's numbers, the first of each value and gradient, by node."""

    values: dict[str, list[Number]]
    gradients: dict[str, list[Number]]


class Program(TypedDict):
    """What :mod:`.javascript` computes.

    ``forward`` is how many instructions the loss needs; ``values`` and ``gradients`` are places by node; ``parameters`` are the
    nodes that a gradient step moves.
    """

    given: list[Given]
    instructions: list[Instruction]
    forward: int
    loss: int
    values: dict[str, int]
    gradients: dict[str, int]
    parameters: list[int]
    expected: Expected
    tolerance: float


FROZEN: Remark = {
    "en": (
        "The page computes the operations that were recorded. What your Python code decided from numbers stays as it was: "
        "a branch that was taken, a random draw, which entries a mask selects."
    ),
    "es": (
        "La página calcula las operaciones que se registraron. Lo que el código de Python decidió a partir de números queda "
        "como fue: la rama que se tomó, un sorteo al azar, las entradas que elige una máscara."
    ),
}


def program(root: Tensor, places: Mapping[int, int] | None = None) -> tuple[Program | None, Remark]:
    """The recorded computation of a scalar and of all its gradients as data, or None where a page cannot compute it.

    Parameters
    ----------
    root : Tensor
        The loss.
    places : mapping, optional
        The node of each tensor that is one, by the tensor's id. By default as in ``tg.graph(root, level="op")``.

    Returns
    -------
    tuple
        The program, and a remark in each language: what stays as recorded, or why there is no program.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(3.0, requires_grad=True, name="x")
    >>> found, remark = program(x * x)
    >>> [(i["op"], i["inputs"]) for i in found["instructions"]]
    [('multiply', [0, 0]), ('multiply', [1, 0]), ('add', [3, 3])]
    >>> found["forward"], found["gradients"], found["expected"]["gradients"]["0"]
    (1, {'0': 4, '1': 1}, [6.0])
    """
    order = topological_order([root])
    if places is None:
        places = read([root], "op", loss=root).places
    with np.errstate(all="ignore"):
        trace = record_sweep(root, order, leaves_to_differentiate(order, by_all=True))
    reader = _Reader(values_as_recorded(order), {id(t): places.get(id(t)) for t in order if not t.inputs})
    shown = [t for t in order if id(t) in places and not stands_for_leaf(t)]
    shown = list({places[id(t)]: t for t in shown}.values())  # of a block, the last
    reader.read([root])
    count = len(reader.values.values)
    gradients = [t for t in shown if t in trace.gradients]
    reader.read([trace.gradients[t] for t in gradients])

    values = {places[id(t)]: reader.known[id(t)] for t in shown}
    slopes = {places[id(t)]: reader.known[id(trace.gradients[t])] for t in gradients}
    needed = reader.values.needed([*values.values(), *slopes.values(), reader.known[id(root)]])
    reason = _obstacle(needed)
    if reason is not None:
        return None, reason
    given = [v for v in needed if v.op is None]
    instructions = [v for v in needed if v.op is not None]
    at = {v.place: i for i, v in enumerate([*given, *instructions])}
    share = max(1, MOST_EXPECTED // (len(shown) + len(gradients)))
    result = Program(
        given=[_given(v) for v in given],
        instructions=[_instruction(v, at) for v in instructions],
        forward=sum(v.place < count for v in instructions),
        loss=at[reader.known[id(root)].place],
        values={str(node): at[v.place] for node, v in values.items()},
        gradients={str(node): at[v.place] for node, v in slopes.items()},
        parameters=[places[id(t)] for t in gradients if not t.inputs and t.requires_grad],
        expected=Expected(
            values={str(places[id(t)]): _numbers(reader.recorded.get(id(t), t._data))[:share] for t in shown},
            gradients={str(places[id(t)]): _numbers(trace.gradients[t]._data)[:share] for t in gradients},
        ),
        tolerance=max(PRECISIONS.get(v.dtype.name, 0) for v in needed),
    )
    return result, dict(FROZEN)


class _Reader:
    """Brings recorded Tensors into a program. ``recorded`` are the arrays of the leaves when they were used, by id."""

    def __init__(self, recorded: Mapping[int, Any], nodes: Mapping[int, int | None]) -> None:
        self.values = Values()
        self.recorded = recorded
        self.nodes = nodes
        self.known: dict[int, Value] = {}

    def read(self, roots: Sequence[Tensor]) -> None:
        """Read the roots, and before them all that they were computed from."""
        for t in topological_order(roots):
            if id(t) not in self.known:
                self.known[id(t)] = self._result(t) if t.inputs else self._leaf(t)

    def _leaf(self, t: Tensor) -> Value:
        data = self.recorded.get(id(t), t._data)
        if type(data) in LITERALS or self.nodes.get(id(t)) is None:
            return self.values.constant(data)
        leaf = self.values.given(("leaf", self.nodes[id(t)]), t.shape, t.dtype, t.name or "")
        leaf.data = data
        return leaf

    def _result(self, t: Tensor) -> Value:
        args = []
        for x, arg in zip(t.inputs, t.args, strict=True):
            rebound = not x.inputs and type(arg) not in LITERALS and arg is not self.recorded.get(id(x), x._data)
            args.append(self.values.constant(arg) if rebound else self.known[id(x)])
        if t.op is e.identity and args[0].dtype == t.dtype:
            return args[0]
        params = t.params
        if t.op is r.getitem or t.op is r.scatter:
            shape = t.params["shape"] if t.op is r.scatter else t.inputs[0].shape
            key, arrays = self._key(t.params["key"], shape, args[1:], t.args[1:])
            args, params = [args[0], *arrays], {**t.params, "key": key}
        dtype = result_type(args)
        if dtype.kind == "f":  # a Python number is rounded to the dtype of what it meets
            args = [self.values.constant(dtype.type(a.data)) if a.weak and dtype.itemsize < 8 else a for a in args]
        return self.values.op(t.op, args, params, t.shape, t.dtype)

    def _key(self, key: Any, shape: Shape, indices: Sequence[Value], recorded: Sequence[Any]) -> tuple[list[Any], list[Value]]:
        """A key as JSON, in which every axis has its item and masks are index arrays; and these arrays."""
        keys = key if isinstance(key, tuple) else (key,)
        masks = {i: np.asarray(m) for i, m in enumerate(recorded) if np.asarray(m).dtype.kind == "b"}
        taken = sum(masks[k.position].ndim if isinstance(k, Index) and k.position in masks else 1 for k in keys if k is not None)
        items: list[Any] = []
        arrays: list[Value] = []
        axis = 0

        def index(value: Value, **more: bool) -> None:
            items.append({"array": len(arrays), **more})
            arrays.append(value)

        for k in keys if any(k is Ellipsis for k in keys) else (*keys, Ellipsis):
            if k is None:
                items.append(None)
            elif k is Ellipsis:
                rest = len(shape) - taken + any(k is Ellipsis for k in keys)
                items += [_slice(slice(None), n) for n in shape[axis : axis + rest]] or ["..."]
                axis += rest
            elif isinstance(k, slice):
                items.append(_slice(k, shape[axis]))
                axis += 1
            elif not isinstance(k, Index):
                items.append(int(k) % shape[axis])
                axis += 1
            elif k.position not in masks:
                index(indices[k.position])
                axis += 1
            elif masks[k.position].ndim:
                for found in np.nonzero(masks[k.position]):
                    index(self.values.constant(found))
                axis += masks[k.position].ndim
            else:
                index(self.values.constant(np.zeros(int(masks[k.position]), int)), axis=False)
        return items, arrays


def _slice(k: slice, n: int) -> dict[str, int]:
    start, stop, step = k.indices(n)
    return {"start": start, "step": step, "count": len(range(start, stop, step))}


def _obstacle(values: Sequence[Value]) -> Remark | None:
    """Why a page cannot compute these values."""
    for v in values:
        if v.op is not None and v.op not in JAVASCRIPT:
            name = visible(v.op.name)
            return _fixed(f"the page has no JavaScript for the operation {name}", f"la página no tiene {name} en JavaScript")
        if v.dtype.kind == "f" and v.dtype.name not in PRECISIONS:
            kind = v.dtype.name
            return _fixed(f"JavaScript has no numbers of type {kind}", f"JavaScript no tiene números de tipo {kind}")
    results = [v for v in values if v.op is not None]
    given = sum(len(_compact(v)) for v in values if v.op is None)
    if given > MOST_GIVEN or len(results) > MOST_INSTRUCTIONS or sum(v.size for v in results) > MOST_COMPUTED:
        return _fixed("the computation is too large for a page", "el cálculo es demasiado grande para una página")
    return None


def _fixed(en: str, es: str) -> Remark:
    return {"en": f"The numbers cannot be changed here: {en}.", "es": f"Aquí no se pueden cambiar los números: {es}."}


def _given(v: Value) -> Given:
    node = None if v.source is None else v.source[1]
    return Given(node=node, shape=list(v.shape), dtype=v.dtype.name, data=_compact(v))


def _compact(v: Value) -> list[Number]:
    numbers = _numbers(v.data)
    return numbers[:1] if len(set(map(repr, numbers))) == 1 else numbers


def _instruction(v: Value, at: Mapping[int, int]) -> Instruction:
    assert v.op is not None
    return Instruction(
        op=v.op.name, inputs=[at[a.place] for a in v.args], params=_params(v), shape=list(v.shape), dtype=v.dtype.name
    )


def _params(v: Value) -> dict[str, Any]:
    """The parameters as JSON: axes as a list, counted from the first. What the shape and the dtype say is left out."""
    params: dict[str, Any] = {}
    joins = v.op is r.concatenate or v.op is r.stack
    rank = len(v.shape if v.op is r.overlap_add else v.args[0].shape)
    for name, x in v.params.items():
        if name in ("axis", "axes") and not joins:
            axes = range(rank) if x is None else x if isinstance(x, (tuple, list)) else (x,)
            params["axes"] = [int(a) % rank for a in axes] if rank else []
        elif name == "value":
            params[name] = _numbers(x)[0]
        elif name not in ("dtype", "shape", "keepdims", "sizes"):
            params[name] = x
    if v.op is c.trace:
        params["offset"] = int(params["offset"])
    return params


def _numbers(data: Any) -> list[Number]:
    """Flat, row by row, each with as many digits as tell it from its neighbours."""
    array = np.asarray(data)
    flat = array.ravel()
    if array.dtype.kind != "f":
        return list(flat.tolist())
    digits = [float(str(x)) for x in flat] if array.dtype.itemsize < 8 else flat.tolist()
    return [x if math.isfinite(x) else "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity" for x in digits]
