"""The words in the pictures in both languages: what drawing/ writes in English, and nothing that is a name."""

from __future__ import annotations

import re
from html import unescape

from .indexed import plain
from .inline_svg import attribute

BLOCKS = (
    (r"backward through", "hacia atrás por"),
    (r"(.*) operations", r"\1 operaciones"),
    (r"(.*) parameters", r"\1 parámetros"),
    (r"no parameters", "sin parámetros"),
)

LAID_OUT = "laid out anew"
CROSS_ENTROPY = "cross entropy"  # the only op whose symbol is words
_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

_LETTERS = r"[i-t](?:, [i-t])*"
_EQUAL = r"[i-t] = [^ ,:]+(?: and [i-t] = [^ ,:]+)*"
_NUMBER = r"[\d\u202f]+"
# Each is looked for where drawing/zoom.py puts it: a name may hold any of these words.
CAPTION = (
    (rf"Σ over ({_LETTERS}) of  ", r"Σ sobre \1 de  "),
    (rf" if ({_EQUAL}), else 0$", lambda m: f" si {_and(m[1])}, si no 0"),
    (rf" if ({_EQUAL}) where it is reached, else 0$", lambda m: f" si {_and(m[1])} y donde llega, si no 0"),
    (r" where it is reached, else 0$", " donde llega, si no 0"),
    (rf"^only ({_EQUAL}) survives\b", r"solo sobrevive \1"),
    (rf"^only ({_EQUAL}) survive\b", lambda m: f"solo sobreviven {_and(m[1])}"),
    (rf"^({_EQUAL}) is needed\b", r"hace falta \1"),
    (rf"^({_EQUAL}) are needed\b", lambda m: f"hacen falta {_and(m[1])}"),
    (r"^every entry of (.*) depends on it(?=[,:]|$)", r"cada entrada de \1 depende de ella"),
    (r"^some entries depend on it(?=[,:]|$)", "algunas entradas dependen de ella"),
    (r"^no entry is computed from it(?=[,:]|$)", "ninguna entrada se calcula con ella"),
    (r"^(.*) depends on it(?=[,:]|$)", r"\1 depende de ella"),
    (rf", here ({_EQUAL})", lambda m: f", aquí {_and(m[1])}"),
    (rf": ({_NUMBER}) of ({_NUMBER}) terms survive$", r": sobreviven \1 de \2 términos"),
    (rf": ({_NUMBER}) of ({_NUMBER}) terms$", r": \1 de \2 términos"),
    (r"^so  its part of ", "luego  su parte de "),
    (r"^so  ", "luego  "),
    (r"^(.*) uses (.*) in other equations too: over all uses  ", r"\1 usa \2 también en otras ecuaciones: con todos los usos  "),
    (rf"^… ({_NUMBER}) others", r"… otros \1"),
)


def caption_in_spanish(line: str) -> str:
    """A line under a zoom.

    >>> caption_in_spanish("only k = i and l = j survive, here k = 0 and l = 1: 1 of 12 terms")
    'solo sobreviven k = i y l = j, aquí k = 0 y l = 1: 1 de 12 términos'
    """
    for pattern, spanish in CAPTION:
        line = re.sub(pattern, spanish, line)
    return line


def block_in_spanish(text: str) -> str:
    """What is written in a block.

    >>> block_in_spanish("108 parameters"), block_in_spanish("backward through")
    ('108 parámetros', 'hacia atrás por')
    """
    return next((re.sub(pattern, spanish, text) for pattern, spanish in BLOCKS if re.fullmatch(pattern, text)), text)


def rule_in_spanish(rule: str) -> str:
    """What is on an arrow.

    >>> rule_in_spanish("∗ h, Σ over N"), rule_in_spanish("Σ over axis 0, 1"), rule_in_spanish("Σ over everything")
    ('∗ h, Σ sobre N', 'Σ sobre los ejes 0, 1', 'Σ sobre todo')
    """
    rule = re.sub(rf"^(\s*){LAID_OUT}(?=\s*$|, )", r"\1reordenado", rule)
    rule = re.sub(rf"(?<!\w){CROSS_ENTROPY}(?=$| )", "entropía cruzada", rule)
    before, over, axes = rule.rpartition("Σ over ")
    if not over:
        return rule
    if found := re.fullmatch(r"axis (\d.*)", axes):
        axes = f"{'los ejes' if ',' in axes else 'el eje'} {found[1]}"
    return f"{before}Σ sobre {'todo' if axes == 'everything' else axes}"


def short_rule(rule: str) -> str:
    """A rule without what the shapes say better; a sum has the number of its axis, as in the formulas of the steps.

    >>> short_rule("A ∗ (□ − sum(□ ∗ A, axis=1, keepdims=True))"), short_rule("reshape(ᵀ(□, axes=(1, 0)), shape=(9, 2))")
    ('A ∗ (□ − sum₂(□ ∗ A))', 'laid out anew')
    >>> short_rule("/ 5 ∗ (softmax(z) − one_hot(y, classes=3))"), short_rule("/ ≈1.41421")
    ('/ 5 ∗ (softmax(z) − onehot(y))', '/ 1.41421')
    """
    rule = re.sub(r", (?:keepdims=\w+|classes=\d+)(?=[,)])", "", plain(rule)).replace("one_hot(", "onehot(")
    while found := re.search(r", axis=(\d)\)", rule):
        opening = _opening(rule, found.start())
        if not re.search(r"(?<!\w)(?:sum|mean)$", rule[: max(opening, 0)]):
            break
        axis = str(int(found[1]) + 1).translate(_LOW)
        rule = f"{rule[:opening]}{axis}{rule[opening : found.start()]}){rule[found.end() :]}"
    return re.sub(r"^(?:(?:reshape|transpose)\()+□\)+(?=$|, )", LAID_OUT, rule)


def _opening(text: str, end: int) -> int:
    """Where the bracket opens that is still open there; -1 if none is."""
    depth = 1
    for i in reversed(range(end)):
        depth += (text[i] == ")") - (text[i] == "(")
        if not depth:
            return i
    return -1


def words_of(mark: str) -> str:
    """The words of a line of text that has one font; empty for another mark.

    >>> words_of('<text x="1" y="2">a &lt; b</text>')
    'a < b'
    """
    found = re.fullmatch(r"<text[^>]*>([^<]*)</text>", mark)
    return unescape(found[1]) if found else ""


def both(english: str, spanish: str) -> str:
    """The attributes with the words of a text in both languages; none if they are the same.

    >>> both("so  x = 1", "luego  x = 1"), both("x = 1", "x = 1")
    (' data-en="so  x = 1" data-es="luego  x = 1"', '')
    """
    return f' data-en="{attribute(english)}" data-es="{attribute(spanish)}"' if spanish != english else ""


def _and(text: str) -> str:
    return text.replace(" and ", " y ")
