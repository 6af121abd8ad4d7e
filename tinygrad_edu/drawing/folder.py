"""Several pictures into one folder, all laid out before the first is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..files import write_file
from .layout import LayoutError, NoGraphvizError, layout
from .picture import Picture


def write_all(
    pictures: Mapping[str, Picture], folder: Path, pages: Mapping[str, str | bytes] | None = None
) -> tuple[list[Path], str]:
    """Write each picture as NAME.svg and NAME.dot, all laid out before the first is written, and other files beside them.

    Returns
    -------
    tuple
        The files, and a line that says what is missing when only the DOT text could be written.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    files = {name: page if isinstance(page, bytes) else page.encode("utf-8", "replace") for name, page in (pages or {}).items()}
    remark = ""
    for name, picture in pictures.items():
        files[f"{name}.dot"] = picture.source.encode()
        try:
            files[f"{name}.svg"] = layout(picture.source, "svg")
        except (NoGraphvizError, LayoutError) as error:
            remark = str(error)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"cannot make the folder {folder}: {error.strerror}") from None
    for name in files:
        if (folder / name).is_dir():
            raise IsADirectoryError(f"cannot write {folder / name}: it is a folder")
    return [write_file(folder / name, data) for name, data in sorted(files.items())], remark
