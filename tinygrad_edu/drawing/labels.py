"""Any text as a DOT label that shows exactly that text: never markup, never an escape, never a broken file."""

from __future__ import annotations

import unicodedata

LIMIT = 60

# A quoted DOT string is read three times: by the parser (\"), for escapes (\N, \n, \l) and for entities (&lt;). Entities
# rather than quotes and angle brackets, because a label that looks like <...> is HTML to Graphviz, and because they still
# hold when labels are joined. The backslash is doubled: as an entity it would become an escape again.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\\": "\\\\"})

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SIGNS = {"\n": "↵", "\t": "⇥"}  # unlike the pictures of control characters (␊, ␉), these are in most fonts
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they would reorder the text around them


def escape(text: str, limit: int = LIMIT) -> str:
    r"""The DOT label that shows ``text`` and nothing else.

    Parameters
    ----------
    text : str
        Any text. A line break shows as ↵, a tab as ⇥, other control characters as U+FFFD.
    limit : int
        How many characters to show; a longer text ends in ….

    Returns
    -------
    str
        For an ordinary label of ``graphviz.Digraph``, not for an HTML-like or a record label. Escaped labels can be
        joined: ``escape(name) + r"\n" + escape(shape)`` has two lines.

    Examples
    --------
    >>> escape("<b>")
    '&lt;b&gt;'
    >>> print(escape("a\\N"))
    a\\N
    >>> escape("x" * 20_000, limit=5)
    'xxxx…'
    """
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    return "".join(map(_visible, text)).translate(_ENTITIES)


def _visible(character: str) -> str:
    """The character, or a sign for one that is invisible or may not be in an XML file."""
    # Not all of category C: an emoji that is newer than this Python is Cn, and no control character.
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _DIRECTIONS
    if hidden or ord(character) & 0xFFFE == 0xFFFE:
        return _SIGNS.get(character, _REPLACEMENT)
    return character
