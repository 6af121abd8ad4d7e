"""Source code of forward and backward, written from a record."""

from .code import NoCodeError
from .writing import source

__all__ = ["NoCodeError", "source"]
