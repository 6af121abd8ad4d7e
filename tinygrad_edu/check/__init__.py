"""Checks of gradients: against central differences, which know nothing of any rule."""

from __future__ import annotations

from .gradcheck import GradcheckError, GradcheckReport, gradcheck

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck"]
