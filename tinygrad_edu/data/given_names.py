"""Words for a model of letters: given names."""

from __future__ import annotations

from importlib.resources import files


def names() -> list[str]:
    """Nine hundred Spanish given names in lower case, with their accents and ñ.

    Returns
    -------
    list of str
        Each name once, in the order of the code points (á after z). Every character is one letter (Unicode's form NFC).

    Notes
    -----
    Written down from general knowledge for this library: names in use in Spain and Latin America, of any origin, some
    of them Basque, Catalan and Galician. Nothing is said of how frequent a name is. They are in ``data/names.txt``.

    Examples
    --------
    >>> names = tg.data.names()
    >>> names[:3], len(names)
    (['aarón', 'abel', 'abelardo'], 969)
    >>> "".join(sorted(set("".join(names))))
    'abcdefghijklmnopqrstuvwxyzáéíñóú'
    """
    return files(__package__).joinpath("names.txt").read_text(encoding="utf-8").split()
