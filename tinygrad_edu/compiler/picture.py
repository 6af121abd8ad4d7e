"""The plan of a program's memory, to print and to look at: time runs down, memory to the right."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from os import PathLike
from pathlib import Path

from ..files import write_file
from .plan import Layout, Place

COLOURS = ("#cfe3f7", "#fbe0b8", "#d3ecd0", "#f6cfd2", "#e3d6f2", "#f3f0b6", "#cdeceb", "#ead9cc")
ROW, LEFT, WIDTH, TOP = 18, 350, 640, 46  # pixels
LONGEST_TEXT = 44  # characters of a line
MOST_ROWS = 400  # instructions; of a longer program the rows are drawn thinner, and without their text


class Plan:
    """Which arrays of a program take which bytes, from which instruction to which.

    Shown in Jupyter, it is a picture; ``svg()`` is its text, ``save("plan.svg")`` writes it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, -1.0], requires_grad=True, name="w")
    >>> step = tg.compile(lambda x: (tg.tanh(x * w) * w).sum(), wrt=w)
    >>> value, gradient = step([0.5, 2.0])
    >>> print(step.plan)
    7 arrays in 128 bytes; 448 bytes if each had a place of its own
      bytes       instructions  array
         0 ..  63    0 .. 1    t1 (2,) float64
         0 ..  63    1 .. 8    t2 (2,) float64
    ...
    """

    def __init__(self, layout: Layout, instructions: Sequence[str]) -> None:
        self.size = layout.size
        self.size_without_reuse = layout.without_reuse
        self.places: list[Place] = sorted(layout.places.values(), key=lambda p: (p.first, p.offset))
        self.instructions = list(instructions)
        self._starts = {(p.offset, p.first) for p in self.places}

    def __str__(self) -> str:
        head = (
            f"{len(self.places)} arrays in {self.size:,} bytes; {self.size_without_reuse:,} bytes if each had a place of its own"
        )
        digits, steps = len(str(max(self.size - 1, 0))), len(str(len(self.instructions)))
        rows = [
            f"  {p.offset:>{digits + 1}} .. {p.offset + p.size - 1:>{digits}}   {p.first:>{steps + 1}} .. {p.last:>{steps}}    "
            f"{p.buffer.name} {p.buffer.shape} {p.buffer.dtype}"
            for p in self.places
        ]
        return "\n".join([head, f"  {'bytes':<{2 * digits + 5}} instructions  array", *rows])

    def __repr__(self) -> str:
        return f"<Plan: {len(self.places)} arrays in {self.size:,} bytes>"

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return self.svg()

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture as an SVG file.

        Raises
        ------
        OSError
            If it cannot be written; then the folder is as it was.
        """
        return write_file(path, self.svg().encode())

    def svg(self) -> str:
        """The picture as SVG text."""
        rows = len(self.instructions)
        small = rows > MOST_ROWS
        row = max(1.0, MOST_ROWS * ROW / rows) if small else float(ROW)
        left = 60 if small else LEFT
        height = TOP + row * rows + 12
        width = left + WIDTH + 16
        scale = WIDTH / max(self.size, 1)
        title = f"{len(self.places)} arrays in {self.size:,} bytes, {self.size_without_reuse:,} without reuse"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
            f'font-family="Helvetica, Arial, sans-serif" font-size="11" role="img">',
            f"<title>{title}</title>",
            f'<rect width="{width}" height="{height:g}" fill="#ffffff"/>',
            f'<text x="{left}" y="16" font-size="13" fill="#222222">{title}</text>',
            *self._ruler(left, scale, height),
        ]
        if not small:
            for i, text in enumerate(self.instructions):
                line = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
                place = (
                    f'y="{TOP + row * i + row - 5:g}" text-anchor="end" font-family="Menlo, Consolas, monospace" font-size="10"'
                )
                parts.append(f'<text x="{left - 12}" {place} fill="#888888">{i}</text>')
                parts.append(f'<text x="{left - 38}" {place} fill="#222222">{escape(line)}</text>')
        parts += [self._rectangle(n, p, left, scale, row) for n, p in enumerate(self.places) if p.size]
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _ruler(self, left: float, scale: float, height: float) -> list[str]:
        parts = []
        for n in range(5):
            byte = self.size * n // 4
            x = left + byte * scale
            parts.append(f'<line x1="{x:g}" y1="{TOP - 8}" x2="{x:g}" y2="{height - 8:g}" stroke="#dddddd"/>')
            anchor = "end" if n == 4 else "start" if n == 0 else "middle"
            small = 'fill="#666666" font-size="10"'
            unit = " bytes" if n == 4 else ""
            parts.append(f'<text x="{x:g}" y="{TOP - 12}" text-anchor="{anchor}" {small}>{byte:,}{unit}</text>')
        return [*parts, f'<text x="{left - 12}" y="{TOP - 12}" text-anchor="end" {small}>instructions, downwards</text>']

    def _rectangle(self, n: int, place: Place, left: float, scale: float, row: float) -> str:
        x, width = left + place.offset * scale, place.size * scale
        written_over = place.last > place.first and (place.offset, place.last) in self._starts
        y, height = TOP + row * place.first, row * (place.last - place.first + (0 if written_over else 1))
        label = f"{place.buffer.name} {place.buffer.shape}"
        tip = f"{label}: bytes {place.offset} to {place.offset + place.size - 1}, instructions {place.first} to {place.last}"
        shown = label if width > 6 * len(label) else place.buffer.name if width > 6 * len(place.buffer.name) else ""
        middle = f'x="{x + width / 2:g}" y="{y + min(height, 26) / 2 + 4:g}" text-anchor="middle"'
        text = f'<text {middle} fill="#222222">{escape(shown)}</text>' if shown and height >= 12 else ""
        box = f'x="{x + 0.5:g}" y="{y + 0.5:g}" width="{max(width - 1, 1):g}" height="{max(height - 1, 1):g}" rx="2"'
        colour = COLOURS[n % len(COLOURS)]
        return f'<g><title>{escape(tip)}</title><rect {box} fill="{colour}" stroke="#7a8794" stroke-width="0.8"/>{text}</g>'
