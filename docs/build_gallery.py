"""Run the code of gallery.md and write its pictures, and the plan of compile.md: python docs/build_gallery.py."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.compiler import Plan
from tinygrad_edu.drawing import Picture, write_all

PAGE = Path(__file__).with_name("gallery.md")
FOLDER = PAGE.parent / "pictures" / "gallery"
PLAN = PAGE.parent / "pictures" / "plan.svg"

_FIGURE = re.compile(
    r"```python\n(?P<code>.*?)```\n\n!\[(?P<words>[^\]]*)\]\(pictures/gallery/(?P<name>[\w-]+)\.svg\)", re.DOTALL
)


class Figure(NamedTuple):
    """A picture of the page: its file's name, the code that draws it, and the words for whoever cannot see it."""

    name: str
    code: str
    words: str

    def draw(self) -> Picture:
        """Run the code."""
        names: dict[str, object] = {"np": np, "tg": tg}
        exec(compile(self.code, f"{PAGE.name}, {self.name}", "exec"), names)
        picture = names["picture"]
        assert isinstance(picture, Picture)
        return picture


def figures() -> Iterator[Figure]:
    """The pictures of the page, from top to bottom."""
    for found in _FIGURE.finditer(PAGE.read_text(encoding="utf-8")):
        yield Figure(found["name"], found["code"], found["words"])


def plan() -> Plan:
    """The memory of a compiled step of the note's network, for compile.md."""
    values = note.network()
    parameters = W1, b1, W2, b2, U, c = [values[name] for name in ("W1", "b1", "W2", "b2", "U", "c")]  # noqa: N806  # the note's names

    def loss(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        h1 = tg.tanh(x @ W1 + b1).named("h1")
        h2 = tg.sigmoid(h1 @ W2 + b2).named("h2")
        yhat = tg.sigmoid(h2 @ U + c).named("yhat")
        return tg.binary_cross_entropy(yhat, y).named("L")

    step = tg.compile(loss, wrt=parameters)
    step(values["x"], values["y"])
    return step.plan


def main() -> int:
    """Write every picture, and remove those that are no longer on the page."""
    plan().save(PLAN)
    pictures = {figure.name: figure.draw() for figure in figures()}
    files, remark = write_all(pictures, FOLDER)
    for file in set(FOLDER.iterdir()) - set(files):
        if file.stem not in pictures:
            file.unlink()
    print(remark or f"{len(pictures)} pictures are in {FOLDER}, {sum(f.stat().st_size for f in files) // 1000} kB")
    return 1 if remark else 0


if __name__ == "__main__":
    sys.exit(main())
