"""The lesson: one page that walks through forward and backward of a record."""

from __future__ import annotations

from .lesson import Lesson, lesson

__all__ = ["Lesson", "lesson"]
