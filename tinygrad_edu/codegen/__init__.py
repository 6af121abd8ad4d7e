"""Source code of forward and backward, written from a record."""

from .code import NoCodeError
from .script import backward_script
from .writing import source

__all__ = ["NoCodeError", "backward_script", "source"]
