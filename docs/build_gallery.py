"""Run the code of gallery.md and write its pictures: python docs/build_gallery.py."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.drawing import Picture, write_all

PAGE = Path(__file__).with_name("gallery.md")
FOLDER = PAGE.parent / "pictures" / "gallery"

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


def main() -> int:
    """Write every picture, and remove those that are no longer on the page."""
    pictures = {figure.name: figure.draw() for figure in figures()}
    files, remark = write_all(pictures, FOLDER)
    for file in set(FOLDER.iterdir()) - set(files):
        if file.stem not in pictures:
            file.unlink()
    print(remark or f"{len(pictures)} pictures are in {FOLDER}, {sum(f.stat().st_size for f in files) // 1000} kB")
    return 1 if remark else 0


if __name__ == "__main__":
    sys.exit(main())
