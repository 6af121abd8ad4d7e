"""A checkpoint: everything that the rest of a run depends on, in one file; what differs is found before anything is taken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..nn import Module
from ..optim import Optimizer
from ..saving import differences, load, save
from ..tensor import Tensor
from ..visible import visible
from .history import History

State = dict[str, Any]  # names and arrays


class Checkpoint:
    """The file of a run.

    Parameters
    ----------
    path : str or path
        Where it is written.
    model : callable
        With its random states, if it is a Module.
    tensors : mapping of str to Tensor
        What is trained, and the buffers.
    optimizer : Optimizer
        With its slots and counts.
    settings : mapping
        What else the numbers of the run depend on, as JSON has it: a run of other settings does not go on from this file.
    columns : iterable of str
        What the history will hold.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        model: Callable[..., Any],
        tensors: Mapping[str, Tensor],
        optimizer: Optimizer,
        settings: Mapping[str, Any],
        columns: Iterable[str],
    ) -> None:
        self._path = path
        self._module = model if isinstance(model, Module) else None
        self._tensors = tensors
        self._optimizer = optimizer
        self._settings = settings
        self._columns = list(columns)

    def write(self, history: History, best: State) -> None:
        """Write the file anew, whole or not at all."""
        parts = {
            "model": {name: t.data for name, t in self._tensors.items()},
            "optimizer": self._optimizer.state_dict(),
            "random": self._module.random_state() if self._module is not None else {},
            "best": best,
            "history": history,
            "run": {"settings": json.dumps(self._settings), "seconds": history.seconds},
        }
        save(self._path, {f"{part}/{name}": x for part, state in parts.items() for name, x in state.items()})

    def read(self) -> tuple[History, State]:
        """Take the state of the file, all or nothing, if there is one; give the history, and the best numbers.

        Raises
        ------
        ValueError
            If the file is damaged, or of another run: with every difference.
        """
        if not os.path.exists(self._path):
            return History(), {}
        found = load(self._path)
        parts: dict[str, State] = {part: {} for part in ("model", "optimizer", "random", "best", "history", "run")}
        for name, array in found.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = array
        try:
            settings = json.loads(str(parts["run"]["settings"]))
            history = History({name: x.tolist() for name, x in parts["history"].items()}, parts["run"]["seconds"].tolist())
            known = {name: settings.get(name) for name in self._settings}
        except KeyError as error:
            raise ValueError(f"fit: {os.fspath(self._path)} is not a checkpoint: it has no run/{error.args[0]}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"fit: {os.fspath(self._path)} is not a checkpoint: {error}") from None
        own = {name: t.data for name, t in self._tensors.items()}
        wrong = [f"{name} was {visible(str(known[name]))}, is {x}" for name, x in self._settings.items() if known[name] != x]
        wrong += [f"model: {line}" for line in differences(own, parts["model"])]
        wrong += [f"optimizer: {line}" for line in self._optimizer.differences(parts["optimizer"])]
        if history and history.keys() != set(self._columns):
            wrong.append(f"history: it holds {', '.join(map(visible, history))}, not {', '.join(self._columns)}")
        if len(history.seconds) != history.epochs:
            wrong.append(f"history: there are {history.epochs} epochs, and the times of {len(history.seconds)}")
        wrong += [f"best: {line}" for line in differences(own, parts["best"]) if parts["best"]]
        if wrong:
            raise ValueError(
                "\n  ".join(
                    [
                        f"fit: {os.fspath(self._path)} is of another run, and nothing was changed:",
                        *wrong,
                        "Try: another file name, or delete this one to begin anew",
                    ]
                )
            )
        if self._module is not None:  # it looks at everything, too, before it takes anything
            self._module.load_random_state({name: str(np.asarray(x)) for name, x in parts["random"].items()})
        self._optimizer.load_state_dict(parts["optimizer"])
        for name, t in self._tensors.items():
            t.data = parts["model"][name]
        return history, parts["best"]
