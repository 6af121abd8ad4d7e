"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path


def write_file(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write beside, then rename: after a failure the folder is as it was.

    Raises
    ------
    OSError
        Of the type that ``open`` raises, with the reason in one line.
    """
    target = os.path.realpath(path)  # through a symbolic link, which stays
    folder = os.path.dirname(target)
    beside = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    try:
        if os.path.isfile(target):  # may it be written? renaming would not ask
            open(target, "r+b").close()
        with open(beside, "xb") as file:
            file.write(data)
        if os.path.exists(target):
            shutil.copymode(target, beside)
        os.replace(beside, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if not isinstance(error, OSError):
            raise
        missing = isinstance(error, FileNotFoundError) and not os.path.isdir(folder)
        reason = f"there is no folder {folder}" if missing else error.strerror
        clear = type(error)(f"cannot write {os.fspath(path)}: {reason}")
        clear.errno = error.errno
        raise clear from None
    return Path(path)
