"""Formulas as MathML, written while the pages are built: a browser shows them without a script and without a network."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
ET.register_namespace("", "http://www.w3.org/1998/Math/MathML")

# How many parts an element must have; a formula with a part missing is converted all the same.
PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "mover": 2, "munder": 2, "munderover": 3, "mroot": 2}
PRIMES = ("\u2032", "\u2033", "\u2034")


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
    math = ET.fromstring(written)
    for element in math.iter():
        tag = tag_of(element)
        if "\\" in (element.text or ""):
            raise ValueError(f"{element.text} is not known")
        if len(element) != PARTS.get(tag, len(element)):
            raise ValueError(f"{tag} should have {PARTS[tag]} parts")
    set_like_a_book(math)
    return ET.tostring(math, encoding="unicode")


def tag_of(element: ET.Element) -> str:
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def first(element: ET.Element) -> ET.Element:
    """What an element begins with: the base of a power or of an index, the first sign of a row."""
    while len(element) and tag_of(element) in ("mrow", "mstyle", "msub", "msup", "msubsup", "munder", "mover", "munderover"):
        element = element[0]
    return element


def is_function(element: ET.Element) -> bool:
    """Whether it is a name such as ln, with an index or a power or without."""
    base = first(element)
    return tag_of(element) != "mrow" and tag_of(base) == "mi" and len(base.text or "") > 1 and (base.text or "").isalpha()


def put_prime_beside(power: ET.Element) -> None:
    """Make f′ of f to the power of ′: fonts raise the sign themselves, and as a power it would be raised twice and be tiny."""
    prime = power[-1]
    prime.tag = prime.tag.replace("mi", "mo")
    if tag_of(power) == "msup":
        power.tag = power.tag.replace("msup", "mrow")
        return
    base = ET.Element(power.tag.replace("msubsup", "mrow"))
    base.extend([power[0], prime])
    power.tag = power.tag.replace("msubsup", "msub")
    power[:] = [base, power[1]]


def set_like_a_book(math: ET.Element) -> None:
    """A thin space around function names, as in 2 ln a, and between fractions; primes of the size that fonts give them."""
    for element in [*math.iter()]:
        text = element.text or ""
        if tag_of(element) == "mo" and len(text) > 1 and text.isalpha():
            element.tag = element.tag.replace("mo", "mi")  # an operator would have the spaces of a plus
            element.attrib.clear()
        elif tag_of(element) in ("msup", "msubsup") and (element[-1].text or "") in PRIMES:
            put_prime_beside(element)
    for row in [*math.iter()]:
        if tag_of(row) not in ("math", "mrow", "mstyle", "mtd"):
            continue
        for before, after in reversed([*pairwise(row)]):
            operand = tag_of(after) not in ("mo", "mspace") and tag_of(first(after)) != "mo"
            factor = tag_of(before) not in ("mo", "mspace") or before.text == ")"
            fractions = tag_of(before) == tag_of(after) == "mfrac"
            if (is_function(before) and operand) or (factor and is_function(after)) or fractions:
                row.insert([*row].index(after), ET.Element(row.tag.replace(tag_of(row), "mspace"), width="0.167em"))


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
