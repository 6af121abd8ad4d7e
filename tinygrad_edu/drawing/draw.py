"""``draw``: from a record to a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..graphs import backward_graph, graph
from ..tensor import Tensor
from .files import write_file
from .layout import LayoutError, NoGraphvizError, layout
from .named import backward, forward
from .picture import Picture


def draw(root: Tensor, *, direction: str = "forward", level: str = "named", to: str | os.PathLike[str] | None = None) -> Picture:
    """Draw how a result was computed, or how the gradients flow back from it.

    Parameters
    ----------
    root : Tensor
        The result.
    direction : {"forward", "backward"}
        Forward: the values, with their shapes and the operations between them. Backward: the gradients under the values
        they belong to, and dashed, from where they were computed, the values that they reuse.
    level : {"named", "op", "scalar"}
        Of the forward picture: a node per named tensor, per operation, or per number.
    to : path, optional
        A file to write: .svg, .png, .pdf, or .dot for the text alone.

    Returns
    -------
    Picture
        A ``graphviz.Digraph``: it shows itself in Jupyter, and can be restyled.

    Raises
    ------
    NoGraphvizError
        If ``to`` needs a layout and there is no Graphviz; the DOT text was then written.
    GradientError
        If a backward picture is asked of a result that is not a scalar or does not depend on any named tensor.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> picture = tg.draw((w * w).named("L"))
    >>> print(picture.source.splitlines()[0])
    digraph {
    """
    picture = Picture()
    if direction == "forward":
        forward(picture, graph(root, level=level))
    elif direction != "backward":
        raise ValueError(f'draw: there is no direction {direction!r}.\n  Try: direction="forward" or "backward"')
    elif level != "named":
        raise ValueError(f'draw: the backward picture has the level "named", not {level!r}.')
    else:
        backward(picture, backward_graph(root))
    if to is not None:
        picture.write(to)
    return picture


def write_all(pictures: Mapping[str, Picture], folder: Path) -> tuple[list[Path], str]:
    """Write each picture as NAME.svg and NAME.dot, all laid out before the first is written.

    Returns
    -------
    tuple
        The files, and a line that says what is missing when only the DOT text could be written.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    files: dict[str, bytes] = {}
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
