"""Arguments of a command: errors in one line, and what a folder, a count or a seed may be."""

from __future__ import annotations

import argparse
from typing import NoReturn

FAILED = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read on; exit with 2."""
        self.exit(FAILED, f"{self.prog}: {message} (see {self.prog} --help)\n")


def folder(text: str) -> str:
    """The name of a folder, which is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name of the folder is empty")
    return text


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)
