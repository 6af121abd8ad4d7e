"""The model: inputs, parameters, steps and outputs put together, and as the bytes of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..tensor import Tensor
from ..visible import visible
from . import elementwise, moving, reducing
from .builder import LONGEST_NAME, Builder, Names, Value, onnx_type
from .call import Call
from .errors import NoOnnxError
from .params import Shape
from .plan import Step
from .size import Size

FORMS = {**elementwise.FORMS, **moving.FORMS, **reducing.FORMS}
OPSET, IR_VERSION = 18, 8  # in which all reductions take their axes alike; and the file format of that time
LARGEST = 2**31 - 2**20  # bytes that one file can hold, with some left for the nodes


@dataclass(frozen=True)
class Exported:
    """What was written, and how to call it.

    Attributes
    ----------
    path : Path
        The file.
    inputs : mapping
        What must be given when the model runs: the model's name for it, and the Tensor.
    parameters : mapping
        What may be given, and otherwise has the recorded numbers.
    outputs : tuple of str
        The value, then the gradients in the order that was asked for.
    letters : tuple of str
        The letters of the axes that may have any size.
    fixed : mapping
        The other letters of the inputs, and why they keep the recorded size.
    """

    path: Path
    inputs: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    letters: tuple[str, ...]
    fixed: Mapping[str, str]

    def __repr__(self) -> str:
        names = f"inputs={list(self.inputs)}, parameters={list(self.parameters)}, outputs={list(self.outputs)}"
        return f"Exported({os.fspath(self.path)!r}, {names}, letters={list(self.letters)}, fixed={list(self.fixed)})"


@dataclass(frozen=True)
class Plan:
    """The steps, which of them are the outputs, the leaves that are given, and the names of results; by id of the tensor."""

    steps: Sequence[Step]
    outputs: Sequence[int]
    leaves: Mapping[int, Tensor]
    named: Mapping[int, str]


class Model:
    """Writes the steps of a plan, one after the other.

    Parameters
    ----------
    plan : Plan
        The steps.
    letters : sequence of str
        The letters of axes that may have any size.
    """

    def __init__(self, plan: Plan, letters: Sequence[str]) -> None:
        self.plan = plan
        self.names = Names()
        self.builder = Builder(self.names)
        axes = Names()
        self.letters = {letter: axes.unique(letter) for letter in letters}
        self.inputs: dict[str, Step] = {}
        self.called: dict[int, str] = {}  # the names of what is given, by place
        for place, step in enumerate(plan.steps):
            t = plan.leaves.get(id(step.tensor))
            if t is not None:
                name = self.names.unique(t.name or ("parameter" if t._requires_grad else "input"))
                self.inputs[name], self.called[place] = step, name
                for axis, size in enumerate(step.shape):
                    if len(size.letters) == 1:
                        self.builder.letters.setdefault(next(iter(size.letters)), (name, axis))

    def write(self, root: Tensor, targets: Sequence[Tensor]) -> list[str]:
        """The nodes, and the names of the outputs: the root's, and dy/dt for each target."""
        outputs = [self.names.unique(root.name or "output")]
        called = {id(t): name for name, t in self.given().items()}
        outputs += [self.names.unique(f"d{outputs[0]}_d{called.get(id(t), t.name or 'result')}") for t in targets]
        wanted: dict[int, str] = {}
        for place, output in zip(self.plan.outputs, outputs, strict=True):
            wanted.setdefault(place, output)
        values: list[Value] = []
        for place, step in enumerate(self.plan.steps):
            name = self.called.get(place)
            if step.op is not None:
                name = self._operation(step, [values[i] for i in step.inputs], wanted.get(place))
            values.append(Value(step, name))
        for place, output in zip(self.plan.outputs, outputs, strict=True):
            value = values[place]
            if value.name != output:
                name = Call(self.builder, value.step, [value]).arg(0)
                self.builder.rename(self.builder.op("Identity", name), output)
        return outputs

    def _operation(self, step: Step, args: Sequence[Value], output: str | None) -> str:
        assert step.op is not None
        name = FORMS[step.op](Call(self.builder, step, args))
        given = self.plan.named.get(id(step.tensor))
        if output is None and given is None:
            return name
        if name in {value.name for value in args}:  # the operation did nothing: its operand keeps its own name
            name = self.builder.op("Identity", name)
        return self.builder.rename(name, output or self.names.unique(given or ""))

    def given(self) -> dict[str, Tensor]:
        """The Tensor of each input."""
        return {name: self.plan.leaves[id(step.tensor)] for name, step in self.inputs.items()}

    def dims(self, shape: Shape) -> list[int | str]:
        """A shape as ONNX has it: numbers, and names for what may have any size."""
        result: list[int | str] = []
        for size in shape:
            terms = tuple((tuple(self.letters[letter] for letter in own), c) for own, c in size.terms)
            result.append(str(Size(terms)) if size.number is None else size.number)
        return result


def serialized(model: Model, outputs: Sequence[str], parameters: str, fixed: Mapping[str, str]) -> bytes:
    """The file's bytes; the same for the same model.

    Raises
    ------
    NoOnnxError
        If the numbers do not fit in one file.
    """
    from onnx import checker, helper, numpy_helper

    def info(name: str, step: Step) -> Any:
        return helper.make_tensor_value_info(name, onnx_type(step.dtype), model.dims(step.shape))

    builder = model.builder
    arrays = dict(builder.constants)
    if parameters != "inputs":
        own = [name for name, t in model.given().items() if t._requires_grad]
        arrays |= {name: np.asarray(model.inputs[name].tensor._data) for name in own}
    if sum(array.nbytes for array in arrays.values()) > LARGEST:
        hint = "names for large constants, which become inputs" if parameters == "inputs" else 'parameters="inputs"'
        raise NoOnnxError(f"export_onnx: the numbers do not fit in one file, which holds 2 GB.\n  Try: {hint}")
    graph = helper.make_graph(
        [helper.make_node(node.op, node.inputs, node.outputs, **node.attributes) for node in builder.nodes],
        outputs[0],
        [info(name, step) for name, step in model.inputs.items() if parameters != "constants" or name not in arrays],
        [info(name, model.plan.steps[place]) for name, place in zip(outputs, model.plan.outputs, strict=True)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        doc_string="\n".join(f"{visible(letter)[:LONGEST_NAME]} is fixed: {visible(reason)}" for letter, reason in fixed.items()),
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tinygrad_edu",
        producer_version=__version__,
    )
    checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))
