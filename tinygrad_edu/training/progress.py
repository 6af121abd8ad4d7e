"""The progress line: one line, rewritten on a terminal; elsewhere some plain lines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping

PLAIN_LINES = 10  # where a line cannot be rewritten, as in a notebook or a file


class Progress:
    """Says after each epoch how far a training is.

    Parameters
    ----------
    shown : bool
        Whether to say anything.
    epochs : int
        How many there will be.
    """

    def __init__(self, shown: bool, epochs: int) -> None:
        self._stream = sys.stdout if shown else None
        self._rewrites = self._stream is not None and self._stream.isatty()
        self._epochs = epochs
        self._every = max(1, epochs // PLAIN_LINES)
        self._width = 0

    def show(self, done: int, numbers: Mapping[str, float], last: bool = False) -> None:
        """``done`` epochs are done, the last of them with these numbers."""
        if self._stream is None:
            return
        parts = "  ".join(f"{name} {x:.4g}" for name, x in numbers.items())
        text = f"epoch {done:>{len(str(self._epochs))}}/{self._epochs}  {parts}"
        if self._rewrites:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write(f"\r{text:<{self._width}}")
            self._width = len(text)
        elif last or done % self._every == 0 or done == self._epochs:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line that was rewritten."""
        if self._stream is not None and self._width:
            self._stream.write("\n")
            self._stream.flush()
