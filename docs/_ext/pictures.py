"""A picture that a cell shows is described, for whoever cannot see it, by the line of code that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Give the pictures of each cell its last line of code as their alternative text."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            code = next((block.astext() for block in cell.findall(nodes.literal_block)), "")
            for image in cell.findall(nodes.image):
                image.setdefault(
                    "alt", f"The picture that {code.strip().splitlines()[-1].strip()} gives" if code else "A picture"
                )


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
