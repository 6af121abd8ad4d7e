"""Any text as a DOT label that shows exactly that text: never markup, never an escape, never a broken file."""

from __future__ import annotations

import re

from ..visible import visible

LIMIT = 60

# A quoted DOT string is read three times: by the parser (\"), for escapes (\N, \n, \l) and for entities (&lt;). Entities
# rather than quotes and angle brackets, because a label that looks like <...> is HTML to Graphviz, and because they still
# hold when labels are joined. The backslash is doubled: as an entity it would become an escape again.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\\": "\\\\"})

# Inside <...> only \N, \G and the like are replaced, after the entities, and cannot be escaped: they are kept apart.
_OBJECT = re.compile(r"\\(?=[NGETHL])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "[": "&#91;", "]": "&#93;"})


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
    return visible(text).translate(_ENTITIES)


def html(text: str, limit: int = LIMIT) -> str:
    """The same for a place inside an HTML-like label, such as a cell of a table.

    Examples
    --------
    >>> html('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    shown = _OBJECT.sub("\\\\\N{ZERO WIDTH SPACE}", visible(text)).translate(_HTML)
    return shown or " "  # Graphviz refuses an empty <B></B>
