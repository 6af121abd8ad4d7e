"""A picture that a cell shows is described, for whoever cannot see it, by the line of code that made it; a graph is marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def is_graph(path: Path) -> bool:
    """Whether Graphviz drew it: on a phone it scrolls, while a plot may be made smaller."""
    return path.suffix == ".svg" and path.is_file() and 'class="graph"' in path.read_text(encoding="utf-8")


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Give the pictures of each cell its last line of code as their alternative text, and graphs the class ``graph``."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            code = next((block.astext() for block in cell.findall(nodes.literal_block)), "")
            for image in cell.findall(nodes.image):
                if is_graph(Path(app.srcdir, image["uri"])):
                    image["classes"].append("graph")
                image.setdefault(
                    "alt", f"The picture that {code.strip().splitlines()[-1].strip()} gives" if code else "A picture"
                )


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", describe, priority=600)  # after Sphinx has found the files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
