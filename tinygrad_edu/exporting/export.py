"""``export_onnx``: a record, and its gradients, as a file that other programs run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np

from ..errors import GradientError
from ..files import write_file
from ..gradients import gradients
from ..graphs.backward import leaves_to_differentiate
from ..modes import enable_grad
from ..sweep import depending_on, topological_order
from ..tensor import Tensor
from ..visible import visible
from .errors import PARAMETER, BoundError, NoOnnxError
from .letters import candidates, symbolic
from .model import FORMS, Exported, Model, Plan, serialized
from .params import is_input
from .plan import steps_of
from .replays import Replays


def export_onnx(
    root: Tensor,
    path: str | os.PathLike[str],
    wrt: Tensor | Sequence[Tensor] | bool | None = None,
    *,
    parameters: str = "initializers",
) -> Exported:
    """Write the record of y, and ∂y/∂t for each t, as an ONNX model of ordinary operators.

    Parameters
    ----------
    root : Tensor
        The result y; a scalar where gradients are asked for.
    path : path
        The file. An existing one is replaced.
    wrt : Tensor, sequence of Tensors, or True, optional
        What to differentiate by, leaves or results; True for every leaf that requires a gradient.
    parameters : {"initializers", "inputs", "constants"}
        What the leaves that require a gradient are: values in the file that a run may override, inputs that must be given,
        or values in the file that stay.

    Returns
    -------
    Exported
        The names of inputs and outputs, and which axes may have any size.

    Raises
    ------
    NoOnnxError
        If ONNX has no form of an operation: an op of your own whose forward is not made of recorded ones, or a mask that
        is computed.
    GradientError
        If y is not a scalar and gradients are asked for, or y does not depend on a target.
    ImportError
        If the package onnx is not there.
    OSError
        If the file cannot be written. Then the folder is as it was.

    Warns
    -----
    UserWarning
        If an axis of the data keeps its recorded size though it has a letter, with the reason.

    Notes
    -----
    Inputs of the model are the leaves with a name or with letters; other leaves are constants in it. An axis of data whose
    letter (``dims``) is on no parameter may have any size, in the gradients too.

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], name="x", dims="N F")
    >>> w = tg.Tensor([0.5, -0.25], requires_grad=True, name="w", dims="F")
    >>> L = (tg.tanh(x @ w) ** 2).mean().named("L")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = tg.export_onnx(L, f"{folder}/f.onnx", wrt=w)
    >>> list(model.inputs), list(model.parameters), model.outputs, model.letters
    (['x'], ['w'], ('L', 'dL_dw'), ('N',))
    """
    try:
        import onnx  # noqa: F401  # asked for here, so that a long computation does not end in this error
    except ImportError:
        raise ImportError(
            'export_onnx: the package onnx is not installed.\n  Try: pip install "tinygrad-edu[onnx]"', name="onnx"
        ) from None
    if not isinstance(root, Tensor):
        raise TypeError(f"export_onnx: a Tensor is exported, not {type(root).__name__}: {root!r:.80}")
    if parameters not in ("initializers", "inputs", "constants"):
        raise ValueError(
            f"export_onnx: there is no parameters={parameters!r:.60}.\n"
            '  Try: "initializers", which a run may override, "inputs", which it must give, or "constants"'
        )
    if not root.inputs:
        why = "computed under no_grad, which leaves no record" if root.op is not None else "not computed but given"
        raise NoOnnxError(f"export_onnx: {root._called()} was {why}: there is nothing to export.")
    order = topological_order([root])
    targets = _targets(root, order, wrt)
    free, fixed = candidates(order)

    def plan(replays: Replays) -> Plan:
        return _with_gradients(replays, order, root, targets)

    found, letters, refused = symbolic(order, free, plan)
    fixed |= refused
    model = Model(found, list(letters))
    outputs = model.write(root, targets)
    written = write_file(path, serialized(model, outputs, parameters, fixed))
    loud = [letter for letter, reason in fixed.items() if not reason.startswith(PARAMETER)]
    if loud:
        lines = "".join(f"\n  {visible(letter)}: {fixed[letter]}" for letter in loud)
        warnings.warn(
            f"export_onnx: axes that keep their recorded size in {written.name}:{lines}\n"
            "  Try: record it with another size, or .mean() in place of a division by the size, or dims for all inputs",
            stacklevel=2,
        )
    given = model.given()
    optional = {name for name, t in given.items() if t._requires_grad and parameters != "inputs"}
    return Exported(
        written,
        {name: t for name, t in given.items() if name not in optional},
        {name: t for name, t in given.items() if name in optional and parameters != "constants"},
        tuple(outputs),
        tuple(letters),
        fixed,
    )


def _targets(root: Tensor, order: Sequence[Tensor], wrt: Tensor | Sequence[Tensor] | bool | None) -> list[Tensor]:
    """What to differentiate by, each once."""
    if wrt is None or wrt is False:
        return []
    if isinstance(wrt, Tensor):
        wanted = [wrt]
    elif wrt is True:
        active = depending_on(order, leaves_to_differentiate(order, by_all=False))
        wanted = [t for t in leaves_to_differentiate(order, by_all=False) if id(t) in active] if id(root) in active else []
        if not wanted:
            raise GradientError(f"export_onnx: no leaf that {root._called()} depends on requires a gradient.")
    else:
        wanted = list(wrt) if isinstance(wrt, Sequence) else [wrt]
    for t in wanted:
        if not isinstance(t, Tensor):
            raise TypeError(f"export_onnx: the gradient by {type(t).__name__} was asked for, not by a Tensor: {t!r:.80}")
    there = {id(t) for t in order}
    for t in wanted:
        if id(t) not in there:
            raise GradientError(f"export_onnx: {root._called()} does not depend on {t._called()}: there is no path between them.")
    return list(dict.fromkeys(wanted))


def _with_gradients(replays: Replays, order: Sequence[Tensor], root: Tensor, targets: Sequence[Tensor]) -> Plan:
    """The steps to the root and to its gradients, with the letters of the replays."""
    place = replays.place
    results: list[list[Tensor]] = []
    for copy in replays.copies:
        y = copy[place[id(root)]]
        try:
            with enable_grad(), np.errstate(all="ignore"):
                by = gradients(y, [copy[place[id(t)]] for t in targets], create_graph=True) if targets else []
        except Exception as error:
            if not results:
                raise
            raise BoundError(replays.sizes[0], f"its gradient needs that size ({str(error).partition(chr(10))[0]})") from None
        results.append([y, *by])
    first = replays.copies[0]
    leaves = {id(copy): t for t, copy in zip(order, first, strict=True) if is_input(t)}
    named = {id(copy): t.name for t, copy in zip(order, first, strict=True) if t.inputs and t.name is not None}
    steps, places = steps_of(results, replays.measured, FORMS.__contains__, set(leaves))
    return Plan(steps, places, leaves, named)
