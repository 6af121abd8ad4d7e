"""``fit``: the training loop."""

from __future__ import annotations

import math
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data import minibatches
from ..errors import ShapeError
from ..explain import first_bad
from ..modes import no_grad
from ..nn import Module
from ..optim import Optimizer, clip_grad_norm
from ..settings import number, size
from ..tensor import Tensor, as_tensor
from .checkpoint import Checkpoint, State
from .history import History
from .progress import Progress

Array = np.ndarray[Any, np.dtype[Any]]
Model = Callable[[Any], Tensor]
Loss = Callable[[Any, Any], Tensor]
Metric = Callable[[Array, Array], float]
Metrics = Mapping[str, Metric]
Pair = Sequence[ArrayLike] | tuple[ArrayLike, ArrayLike]


def fit(
    model: Model,
    loss: Loss,
    data: Pair,
    optimizer: Optimizer,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    seed: int | None = 0,
    validation: Pair | None = None,
    metrics: Metrics | Sequence[Metric] = (),
    schedule: Callable[[int], float] | None = None,
    clip: float | None = None,
    patience: int | None = None,
    restore_best: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
    callback: Callable[[int, History], object] | None = None,
) -> History:
    """Train: for every epoch and every minibatch, forward, backward, step.

    Parameters
    ----------
    model : Module or callable
        ``model(x)`` gives the prediction. A Module is set to training for it, and to evaluation for the validation.
    loss : callable
        ``loss(prediction, y)`` gives a scalar Tensor, the mean over the examples.
    data : pair of array_like
        x and y, an example in each row.
    optimizer : Optimizer
        It knows the parameters.
    epochs : int
        How often every example is seen.
    batch_size : int
        How many examples are in a step.
    seed : int, optional
        Of the order of the examples; None leaves them in order.
    validation : pair of array_like, optional
        x and y of examples that are not learned from: gives ``val_loss`` and ``val_`` metrics.
    metrics : mapping of str to callables, or sequence of callables
        ``metric(prediction, y)``, in arrays, gives a number, such as ``tg.training.accuracy``. For the examples that are learned
        from it is the mean over the minibatches.
    schedule : callable, optional
        ``schedule(epoch)`` gives the learning rate of the epoch, counted from 0.
    clip : float, optional
        The largest norm of the gradient.
    patience : int, optional
        Stop when the validation loss (without validation, the loss) was not smaller than its best for that many epochs.
    restore_best : bool
        With patience: give the parameters, at the end, the numbers of the best epoch.
    checkpoint : str or path, optional
        A file that is written after every epoch. If it is there already, the run goes on where it ended, and its numbers
        are, bit for bit, those of a run that was never stopped; ``epochs`` may be more than before.
        If the file has more, nothing is trained, and ``history.stopped`` says so.
    progress : bool
        Print how far it is.
    callback : callable, optional
        ``callback(epoch, history)``, called after every epoch; if it gives True, the training stops.

    Returns
    -------
    History
        ``loss``, ``val_loss``, metrics and ``lr`` by epoch.

    Raises
    ------
    FloatingPointError
        If the loss is NaN or infinite; the step is not made.
    ShapeError, ValueError, TypeError
        If the data, the optimizer or a setting does not fit; or the checkpoint is of another run.

    Notes
    -----
    Without what is optional, this is all that it does:

    >>> def train(model, loss, x, y, optimizer, epochs, batch_size, seed):
    ...     for epoch in range(epochs):
    ...         for xb, yb in tg.data.minibatches(x, y, batch_size, seed=seed, epoch=epoch):
    ...             optimizer.zero_grad()
    ...             L = loss(model(xb), yb)
    ...             L.backward()
    ...             optimizer.step()

    Ctrl-C ends it where it is: every parameter has the numbers of the last whole step, and a checkpoint those of the last whole
    epoch. A model that draws random numbers resumes exactly if it is a Module that holds their generators.

    Examples
    --------
    >>> x, y = tg.data.moons(200, noise=0.1, seed=0)
    >>> model = tg.nn.MLP([2, 16, 2], seed=0)
    >>> optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    >>> history = tg.fit(
    ...     model, tg.cross_entropy, (x, y), optimizer, epochs=60, metrics=[tg.training.accuracy], progress=False
    ... )
    >>> history["accuracy"][-1] > 0.97
    True
    """
    x, y = _pair("data", data)
    val = None if validation is None else _pair("validation", validation)
    measures = _named(metrics)
    _check(model, loss, optimizer, schedule, callback)
    epochs, batch_size = size("fit", "epochs", epochs, 0), size("fit", "batch_size", batch_size)
    patience = None if patience is None else size("fit", "patience", patience)
    seed = None if seed is None else size("fit", "seed", seed, 0)
    clip = None if clip is None else number("fit", "clip", clip)
    tensors = _tensors(model, optimizer)
    file = None
    history, best = History(), State()
    if checkpoint is not None:
        facts: dict[str, object] = {
            "optimizer": optimizer.described(lr=schedule is None),
            "batch_size": batch_size,
            "seed": seed,
            "clip": clip,
            "patience": patience,
            "loss": _described(loss),
            "metrics": list(measures),
            "schedule": _described(schedule),
            "data": _facts(x, y),
            "validation": None if val is None else _facts(*val),
        }
        names = ["loss", *measures]
        columns = [*names, *(f"val_{name}" for name in names if val is not None), "lr"]
        file = Checkpoint(checkpoint, model, tensors, optimizer, facts, columns)
        history, best = file.read()
        if history.epochs > epochs:
            history.stopped = f"the checkpoint has {history.epochs} epochs already"
        file.write(history, best)  # what cannot be written is known before the first epoch, not after it
    line = Progress(progress, epochs)
    try:
        with _as_found(model):
            while history.epochs < epochs:
                if patience is not None and history.epochs and history.epochs - 1 - history.best["epoch"] >= patience:
                    history.stopped = f"stopped: no better for {patience} epochs"
                    break
                epoch, began = history.epochs, time.perf_counter()
                if schedule is not None:
                    optimizer.lr = schedule(epoch)
                numbers = _train_epoch(model, loss, x, y, optimizer, measures, clip, batch_size, seed, epoch)
                if val is not None:
                    found = _evaluate(model, loss, *val, measures, batch_size)
                    numbers |= {f"val_{name}": value for name, value in found.items()}
                history.append({**numbers, "lr": optimizer.lr}, time.perf_counter() - began)
                if patience is not None and history.best["epoch"] == epoch:
                    best = {name: t.data for name, t in tensors.items()}
                answer = callback(epoch, history) if callback is not None else None
                stop = isinstance(answer, (bool, np.bool_)) and bool(answer)
                if file is not None:
                    file.write(history, best)
                line.show(history.epochs, {**numbers, "lr": optimizer.lr}, last=stop)
                if stop:
                    history.stopped = "stopped by the callback"
                    break
    finally:
        line.close()
    if restore_best:
        for name, numbers_then in best.items():
            tensors[name].data = numbers_then
    return history


def _train_epoch(
    model: Model,
    loss: Loss,
    x: Array,
    y: Array,
    optimizer: Optimizer,
    measures: Metrics,
    clip: float | None,
    batch_size: int,
    seed: int | None,
    epoch: int,
) -> dict[str, float]:
    """One pass over the examples: the mean loss, and the mean of each metric."""
    if isinstance(model, Module):
        model.train()
    totals = dict.fromkeys(["loss", *measures], 0.0)
    for batch, (xb, yb) in enumerate(minibatches(x, y, batch_size, seed=seed, epoch=epoch)):
        optimizer.zero_grad()
        prediction = model(xb)
        L = loss(prediction, yb)  # noqa: N806  # as everywhere
        if not isinstance(L, Tensor):
            raise TypeError(f"fit: the loss gives {type(L).__name__}, not a Tensor.\n  Try: loss=tg.mse")
        L.backward()
        value = L.item()
        if not math.isfinite(value):
            raise FloatingPointError(_not_finite(value, epoch, batch, {"x": xb, "y": yb}, optimizer.lr, clip))
        if clip is not None:
            clip_grad_norm(optimizer.params, clip)
        optimizer.step()
        totals["loss"] += value * len(xb)
        for name, measure in measures.items():
            totals[name] += _measured(name, measure, _one_array(prediction).numpy(), yb) * len(xb)
    return {name: total / len(x) for name, total in totals.items()}


@no_grad()
def _evaluate(model: Model, loss: Loss, x: Array, y: Array, measures: Metrics, batch_size: int) -> dict[str, float]:
    """The loss and the metrics of all examples at once; the predictions are made batch by batch."""
    if isinstance(model, Module):
        model.eval()
    parts = [_one_array(model(xb)).numpy() for (xb,) in minibatches(x, batch_size=batch_size)]
    if not parts[0].ndim:
        raise ShapeError("fit: with validation the model must give a row for every example; it gives a single number.")
    prediction = np.concatenate(parts)
    return {
        "loss": float(as_tensor(loss(Tensor(prediction), y)).item()),
        **{name: _measured(name, measure, prediction, y) for name, measure in measures.items()},
    }


def _one_array(prediction: Any) -> Tensor:
    """What metrics and the validation look at."""
    if isinstance(prediction, (tuple, list, dict)):
        raise TypeError(
            f"fit: the model gives a {type(prediction).__name__}; metrics and validation need one Tensor.\n"
            "  Try: a model that gives the prediction alone; or neither metrics nor validation"
        )
    return as_tensor(prediction)


def _measured(name: str, measure: Metric, prediction: Array, y: Array) -> float:
    found: Any = measure(prediction, y)
    try:
        return float(found)
    except (TypeError, ValueError):
        what = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise TypeError(f"fit: the metric {name} gives {what}, not a number.") from None


def _not_finite(value: float, epoch: int, batch: int, arrays: Mapping[str, Array], lr: float, clip: float | None) -> str:
    """The message about a loss, with what can be done: numbers that are given are not the learning rate's fault."""
    text = f"fit: the loss is {value} in epoch {epoch}, batch {batch} (both from 0); the step was not made."
    for name, array in arrays.items():
        place = first_bad(array)
        if place is not None:
            return f"{text}\n  {name} of this batch is {array[place]} at [{', '.join(map(str, place))}]: no rate would help."
    slower = [f"a learning rate below {lr:g}"] * (epoch + batch > 0) + ["clip=1.0"] * (epoch + batch > 0 and clip is None)
    return f"{text}\n  Try: {' or '.join([*slower, 'with tg.detect_anomaly(): tg.fit(...)'])}   (names the operation)"


@contextmanager
def _as_found(model: Model) -> Iterator[None]:
    """Training and evaluation, as every part of the model had it before."""
    before = [(part, part.training) for part in model.modules()] if isinstance(model, Module) else []
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _tensors(model: Model, optimizer: Optimizer) -> dict[str, Tensor]:
    """What a run changes: the parameters and buffers of the model, and what else the optimizer updates."""
    known = [*model.named_parameters(), *model.named_buffers()] if isinstance(model, Module) else []
    mine = {id(t) for _, t in known}
    others = [(f"parameter {i}", p) for i, p in enumerate(optimizer.params) if id(p) not in mine]
    if known and len(others) == len(optimizer.params):
        raise ValueError(
            f"fit: the optimizer updates no parameter of this {type(model).__name__}.\n"
            "  Try: an optimizer made with model.parameters() of this model"
        )
    return dict([*known, *others])


def _check(model: object, loss: object, optimizer: object, schedule: object, callback: object) -> None:
    for name, f in {"model": model, "loss": loss, "schedule": schedule, "callback": callback}.items():
        if f is None and name in ("schedule", "callback"):
            continue
        if not callable(f):
            raise TypeError(f"fit: the {name} is {type(f).__name__}, not a function.")
        if isinstance(f, type) and issubclass(f, Module):
            raise TypeError(f"fit: the {name} is the class {f.__name__}.\n  Try: {f.__name__}(), an object of it")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"fit: the optimizer is {optimizer!r:.60}.\n  Try: tg.optim.SGD(model.parameters(), lr=0.1)")


def _pair(name: str, pair: Any) -> tuple[Array, Array]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"fit: {name} is {type(pair).__name__}; it must be two arrays.\n  Try: (x, y)")
    x, y = (np.asarray(t.data if isinstance(t, Tensor) else t) for t in pair)
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise ShapeError(f"fit: {name} has x {x.shape} and y {y.shape}: each needs a row for every example, and at least one.")
    return x, y


def _named(metrics: Metrics | Sequence[Metric]) -> Metrics:
    if callable(metrics):
        raise TypeError(f"fit: metrics is one function.\n  Try: metrics=[{getattr(metrics, '__name__', 'metric')}]")
    odd = [f for f in (metrics.values() if isinstance(metrics, Mapping) else metrics) if not callable(f)]
    if odd:
        raise TypeError(f"fit: a metric is {type(odd[0]).__name__}, not a function.\n  Try: metrics=[tg.training.accuracy]")
    named = metrics if isinstance(metrics, Mapping) else {getattr(f, "__name__", type(f).__name__): f for f in metrics}
    if len(named) < len(metrics) or named.keys() & {"loss", "lr"}:
        raise ValueError('fit: metrics need names of their own, not loss and not lr.\n  Try: metrics={"error": f}')
    return named


def _described(f: object) -> str | None:
    """A function as text that is the same in the next run."""
    if f is None:
        return None
    text = repr(f)
    return text if " at 0x" not in text else str(getattr(f, "__qualname__", type(f).__name__))


def _facts(x: Array, y: Array) -> str:
    """What tells these arrays from others."""
    return ", ".join(f"{name} {a.dtype} {a.shape} (checksum {zlib.crc32(a.tobytes()):08x})" for name, a in (("x", x), ("y", y)))
