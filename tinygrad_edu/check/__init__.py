"""Checks of gradients: against central differences, which know nothing of any rule; and of gradients by hand."""

from __future__ import annotations

from .by_hand import Answer, ByHandError, Report, check_by_hand
from .diagnoses import Diagnosis
from .gradcheck import GradcheckError, GradcheckReport, gradcheck
from .sheets import exercise

__all__ = [
    "Answer",
    "ByHandError",
    "Diagnosis",
    "GradcheckError",
    "GradcheckReport",
    "Report",
    "check_by_hand",
    "exercise",
    "gradcheck",
]
