r"""Text of the user, such as a name, as it may be shown: on a terminal, in a picture, on a page."""

from __future__ import annotations

import re

_SIGNS = {"\n": "↵", "\t": "⇥"}  # unlike the pictures of control characters (␊, ␉), these are in most fonts

# Control characters, which a terminal would obey; line separators; marks and overrides that would reorder the text around
# them; lone surrogates, which no file can hold; and noncharacters, two of which no XML file may hold.
_NONCHARACTERS = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_HIDDEN = re.compile(rf"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff{_NONCHARACTERS}]")


def visible(text: str) -> str:
    r"""The text with a sign for each character that is invisible, or that changes how the others are shown.

    A line break shows as ↵, a tab as ⇥, everything else of that kind as U+FFFD.

    Examples
    --------
    >>> visible("a\nb\tc\x1b[2J")
    'a↵b⇥c�[2J'
    """
    return _HIDDEN.sub(lambda match: _SIGNS.get(match[0], "\N{REPLACEMENT CHARACTER}"), text)
