"""Named arrays in a file, ``.npz``: never pickled, and checked before anything is made of them.

A file is what ``np.savez`` writes: a zip archive, uncompressed, with one ``.npy`` member for each array. A name is only a
name: whatever it says, no other file is written or read.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .files import write_file
from .record import Record
from .visible import visible

__all__ = ["differences", "load", "save"]

KINDS = "fiubU"  # NumPy's letters for floats, integers, unsigned integers, booleans and text
END_RECORD = 22  # bytes at the end of a zip archive, before its comment
LONGEST = 60_000  # bytes of a name; the format ends at 65 535


def save(path: str | os.PathLike[str], state: Any) -> Path:
    """Write named arrays into one file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file, by convention ``.npz``. One that is there is replaced.
    state : mapping, or an object with a ``state_dict()``
        Names, and arrays, Tensors or numbers; or a ``tg.nn.Module`` or an optimizer.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        For values that are not numbers or text, and names that are not text.
    ValueError
        For a name that the format cannot hold.
    OSError
        If the file cannot be written; what was there stays as it was.

    Notes
    -----
    The same arrays give the same bytes. ``np.load(path)`` reads the file too.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> path = tg.save(folder / "weights.npz", {"W1": np.eye(2), "b1": tg.Tensor([0.5, 1.0])})
    >>> tg.load(path)["b1"]
    array([0.5, 1. ])
    """
    if not isinstance(state, Mapping):
        if not callable(getattr(state, "state_dict", None)):
            raise TypeError(f'save: {type(state).__name__} has no names.\n  Try: tg.save(path, {{"W1": W1, "b1": b1}})')
        state = state.state_dict()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in state.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, _array(name, value), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())  # without the time: the same bytes every day
    return write_file(path, buffer.getvalue())


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Read the arrays of a file that :func:`save` or ``np.savez`` wrote, all or none.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    dict
        Names and arrays, in the order of the file.

    Raises
    ------
    ValueError
        If the file is not what :func:`save` writes: truncated, changed, compressed, of objects (which are never
        unpickled), or with a header that does not fit the bytes behind it.
    OSError
        If it cannot be opened: FileNotFoundError, IsADirectoryError, PermissionError.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = tg.save(pathlib.Path(tempfile.mkdtemp()) / "numbers.npz", {"layer/0": np.arange(3)})
    >>> tg.load(path)
    {'layer/0': array([0, 1, 2])}
    """
    shown = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        clear = type(error)(f"load: cannot read {shown}: {error.strerror}")
        clear.errno = error.errno
        raise clear from None
    try:
        return _arrays(data)
    except _UnfitError as error:
        raise ValueError(f"load: {shown} {error}") from None
    except Exception as error:  # whatever the readers of zip and npy trip over in bytes that somebody made up
        raise ValueError(f"load: {shown} is damaged: {error or type(error).__name__}") from None


def differences(expected: Mapping[str, Any], found: Mapping[str, Any], casts: bool = False) -> list[str]:
    """What keeps ``found`` from taking the place of ``expected``: names, shapes and dtypes, a line for each difference.

    Parameters
    ----------
    expected, found : mapping of str to array_like
        Arrays by name.
    casts : bool
        Whether a number may be cast: integers to floats, and floats to floats of another size.

    Returns
    -------
    list of str
        Empty if there is no difference.

    Examples
    --------
    >>> from tinygrad_edu.saving import differences
    >>> for line in differences({"W": np.zeros((2, 3)), "b": np.zeros(3)}, {"W": np.zeros((3, 2)), "c": np.zeros(4)}):
    ...     print(line)
    W has shape (3, 2), not (2, 3)
    b is missing, of shape (3,)
    c is not known here, of shape (4,)
    """
    lines = []
    for name, array in expected.items():
        if name not in found:
            lines.append(f"{visible(name)} is missing{_of_shape(array)}")
            continue
        wanted, there = np.asarray(array), _as_array(found[name])
        if there is None:
            lines.append(f"{visible(name)} is no array, but {type(found[name]).__name__}")
            continue
        if there.shape != wanted.shape:
            lines.append(f"{visible(name)} has shape {there.shape}, not {wanted.shape}")
        fits = np.can_cast(there.dtype, wanted.dtype, "same_kind") if casts else there.dtype == wanted.dtype
        if not fits and not (there.dtype.kind == wanted.dtype.kind == "U"):
            lines.append(f"{visible(name)} holds {there.dtype}, not {wanted.dtype}")
    return [
        *lines,
        *(f"{visible(str(name))} is not known here{_of_shape(found[name])}" for name in found if name not in expected),
    ]


def _as_array(value: Any) -> np.ndarray[Any, np.dtype[Any]] | None:
    """An array, if it is one."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        return None


def _of_shape(value: Any) -> str:
    array = _as_array(value)
    return f", of shape {array.shape}" if array is not None and array.ndim else ""


class _UnfitError(ValueError):
    """What is wrong with a file, as the end of a sentence about it."""


def _array(name: object, value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if not isinstance(name, str):
        raise TypeError(f"save: a name is {type(name).__name__}, not text: {name!r:.80}")
    try:
        fits = len(name.encode()) <= LONGEST and not set(name) & {"\0", "\\"}
    except UnicodeEncodeError:
        fits = False
    if not fits:  # a zip archive ends a name at the first, and some systems read the second as "/"
        raise ValueError(f"save: {name!r:.80} cannot be a name in the file.\n  Try: a short name without NUL or backslash")
    try:
        array = np.asarray(value.numpy() if isinstance(value, Record) else value)
    except ValueError as error:
        raise TypeError(f"save: {name} cannot be made an array: {error}") from None
    if array.dtype.kind not in KINDS:
        raise TypeError(f"save: {name} holds {array.dtype}; a file holds floats, integers, booleans and text: {value!r:.80}")
    return array


def _arrays(data: bytes) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    file = io.BytesIO(data)
    if not zipfile.is_zipfile(file):
        raise _UnfitError("is not a file that tg.save wrote, or only a part of one: it is no whole zip archive.")
    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        at = len(data) - END_RECORD - len(archive.comment)
        count = int.from_bytes(data[at + 10 : at + 12], "little")
        if len(members) != count != 0xFFFF:  # which stands for more; zipfile does not look
            raise _UnfitError(f"is damaged: it says that it holds {count} arrays; {len(members)} are found.")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED:
                raise _UnfitError(
                    "is compressed, which can hide any size.\n  Try: np.savez(path, **np.load(path))   writes it plainly"
                )
        if sum(member.file_size for member in members) > len(data):  # before any memory is asked for
            raise _UnfitError(f"is damaged: it says that it holds more than its {len(data)} bytes.")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise _UnfitError(f"is not a file that tg.save wrote: {name!r:.80} in it is no array.")
            if name in arrays:
                raise _UnfitError(f"is damaged: {name!r:.80} is there twice.")
            arrays[name] = _read_member(name, archive.read(member))
    return arrays


def _read_member(name: str, data: bytes) -> np.ndarray[Any, np.dtype[Any]]:
    """One array, if its header says exactly what the bytes behind it are."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind not in KINDS:
        raise _UnfitError(f"is not a file that tg.save wrote: {name!r:.80} holds {dtype}, not numbers. Nothing was unpickled.")
    promised, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if promised != there:
        raise _UnfitError(f"is damaged: {name!r:.80} says {dtype} {shape}, which is {promised} bytes; {there} are there.")
    stream.seek(0)
    array: np.ndarray[Any, np.dtype[Any]] = np.lib.format.read_array(stream, allow_pickle=False)
    return array.astype(dtype.newbyteorder("="), copy=False)
