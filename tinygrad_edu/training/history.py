"""History: what happened in each epoch, as lists of numbers by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

ROWS = 12  # of the table that repr shows


class History(Mapping[str, list[float]]):
    """One list for each name, with a number for each epoch: ``history["loss"][3]`` is of epoch 3, counted from 0.

    Parameters
    ----------
    columns : mapping of str to lists, optional
        What is known already.
    seconds : iterable of floats, optional
        How long each epoch took. Not compared: two runs of the same numbers are equal.

    Attributes
    ----------
    seconds : list of float
        How long each epoch took.
    stopped : str
        Why there are not as many epochs as were asked for; empty if there are.

    Examples
    --------
    >>> history = tg.training.History({"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.6, 0.7]})
    >>> history
    epoch    loss  val_loss
        0     0.9         1
        1     0.5       0.6  best
        2     0.4       0.7
    >>> history.best
    {'epoch': 1, 'loss': 0.5, 'val_loss': 0.6}
    >>> history["loss"][-1]
    0.4
    """

    def __init__(self, columns: Mapping[str, Iterable[float]] = {}, seconds: Iterable[float] = ()) -> None:
        self._columns = {name: [float(x) for x in column] for name, column in columns.items()}
        self.seconds = [float(s) for s in seconds]
        self.stopped = ""
        if len({len(column) for column in self._columns.values()}) > 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in self._columns.items())
            raise ValueError(f"History: the columns are not equally long: {lengths}.")

    def __getitem__(self, name: str) -> list[float]:
        try:
            return self._columns[name]
        except KeyError:
            raise KeyError(f"History: there is no {name!r}; there are {', '.join(self._columns) or 'no epochs yet'}.") from None

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def append(self, numbers: Mapping[str, float], seconds: float = 0.0) -> None:
        """Add an epoch.

        Raises
        ------
        ValueError
            If the names are not those of the epochs before.
        """
        if self._columns and numbers.keys() != self._columns.keys():
            raise ValueError(f"History: an epoch of {', '.join(numbers)} after epochs of {', '.join(self._columns)}.")
        for name, x in numbers.items():
            self._columns.setdefault(name, []).append(float(x))
        self.seconds.append(seconds)

    @property
    def epochs(self) -> int:
        """How many epochs there were."""
        return len(next(iter(self._columns.values()), ()))

    @property
    def best(self) -> dict[str, float]:
        """The numbers of the epoch with the smallest ``val_loss``, without validation the smallest ``loss``; the first of equals.

        Raises
        ------
        ValueError
            If there were no epochs.
        """
        if not self.epochs:
            raise ValueError("History: there were no epochs.")
        judged = [math.inf if math.isnan(x) else x for x in self._columns.get("val_loss") or self["loss"]]
        epoch = judged.index(min(judged))
        return {"epoch": epoch, **{name: column[epoch] for name, column in self._columns.items()}}

    def __repr__(self) -> str:
        if not self.epochs:
            return "History of no epochs"
        best = int(self.best["epoch"]) if self.keys() & {"loss", "val_loss"} else -1
        n, part = self.epochs, ROWS // 3
        shown = range(n) if n <= ROWS else sorted({*range(part), best, *range(n - part, n)} - {-1})
        rows = [["epoch", *self._columns]]
        rows += [[str(i), *(f"{column[i]:.4g}" for column in self._columns.values())] for i in shown]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
        for at, (i, before) in enumerate(zip(shown, [-1, *shown], strict=False), start=1):
            lines[at] += "  best" if i == best else ""
            lines[at] = f"{'...'.rjust(widths[0])}\n{lines[at]}" if i > before + 1 else lines[at]
        return "\n".join([*lines, *([self.stopped] if self.stopped else [])])
