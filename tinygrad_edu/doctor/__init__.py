"""What this machine offers and what would help: ``python -m tinygrad_edu doctor``.

Facts are looked up; advice on speed is given only for what a short measurement has shown here. The library itself never
sets a variable behind the user's back.
"""

from __future__ import annotations

from .facts import examine
from .report import report
from .trials import run_child, try_heap, try_kernels

__all__ = ["doctor"]


def doctor(measure: bool = True) -> str:
    """The report on this machine; measuring takes a few seconds.

    Parameters
    ----------
    measure : bool
        Whether to time matrix products and temporary arrays under other settings.

    Returns
    -------
    str
        The report.
    """
    facts = examine()
    if not measure:
        return report(facts, None, None)
    return report(facts, try_kernels(facts, run_child), try_heap(facts, run_child))
