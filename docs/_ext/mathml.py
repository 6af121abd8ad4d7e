"""Formulas as MathML, written while the pages are built: a browser shows them without a script and without a network."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

# How many parts an element must have; a formula with a part missing is converted all the same.
PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "mover": 2, "munder": 2, "munderover": 3, "mroot": 2}


def mathml(latex: str, display: str = "inline") -> str:
    """A ``<math>`` element.

    Raises
    ------
    ValueError
        If the formula cannot be read whole: an unknown command, a brace or an argument that is missing.
    """
    if len(re.findall(r"(?<!\\)\{", latex)) != len(re.findall(r"(?<!\\)\}", latex)):
        raise ValueError("braces do not match")
    # The page numbers equations itself, and rows of an equation have no numbers.
    rows = re.sub(r"(\\(?:begin|end)\{)align(?:ed)?\}", r"\1align*}", latex)
    try:
        written = convert(rows, display=display)
    except Exception as problem:
        raise ValueError(repr(problem)) from problem
    written = written.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # \sim is a relation, not the sign ~
    for element in ET.fromstring(written).iter():
        tag = element.tag.rpartition("}")[2]
        if "\\" in (element.text or ""):
            raise ValueError(f"{element.text} is not known")
        if len(element) != PARTS.get(tag, len(element)):
            raise ValueError(f"{tag} should have {PARTS[tag]} parts")
    return written


def written(self: HTML5Translator, node: nodes.Element, display: str) -> str:
    """The formula, or, with a warning, its LaTeX."""
    try:
        return mathml(node.astext(), display)
    except ValueError as problem:
        logger.warning("this formula cannot be read: %s (%s)", node.astext(), problem, location=node)
        return f"<code>{self.encode(node.astext())}</code>"


def visit_math(self: HTML5Translator, node: nodes.Element) -> None:
    """A formula within a line."""
    self.body.append(written(self, node, "inline"))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.Element) -> None:
    """A formula on its own, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(written(self, node, "block"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({node["number"]})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
