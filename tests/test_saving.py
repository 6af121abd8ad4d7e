"""tg.save and tg.load: what comes back, and every file that must be refused."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_edu as tg
from tinygrad_edu.saving import differences

DTYPES = st.sampled_from(["f8", "f4", "f2", ">f8", "i8", ">i2", "u1", "?", "U3"])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
NAMES = st.text(st.characters(exclude_characters="\0\\", exclude_categories=["Cs"]), max_size=20)


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype.newbyteorder("=") == b.dtype and (a.astype(b.dtype).tobytes() == b.tobytes())


@given(st.dictionaries(NAMES, ARRAYS, max_size=4))
def test_what_was_saved_comes_back(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("saved") / "state.npz"
    assert tg.save(path, state) == path
    found = tg.load(path)
    assert list(found) == list(state)
    assert all(same(state[name], found[name]) for name in state)
    assert all(array.flags.writeable for array in found.values())


def test_names_are_only_names(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    names = ["../evil", "/etc/evil", "a/b", "..", ".", "", "file", "x.npy", "C:evil", "ñ ∂𝓛", "two\nlines", "-rf", "a" * 3000]
    tg.save(folder / "names.npz", {name: np.array([i]) for i, name in enumerate(names)})
    found = tg.load(folder / "names.npz")
    assert [found[name].tolist() for name in names] == [[i] for i in range(len(names))]
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", "names.npz"]


def test_tensors_numbers_modules_and_optimizers(tmp_path: Path) -> None:
    model = tg.nn.MLP([2, 3, 1], seed=0)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.5)
    (model([[1.0, 2.0]]) ** 2).sum().backward()
    optimizer.step()
    tg.save(tmp_path / "model.npz", model)
    tg.save(tmp_path / "optimizer.npz", optimizer)
    tg.save(tmp_path / "numbers.npz", {"t": tg.Tensor([1.0], requires_grad=True), "n": 3, "half": 0.5, "yes": True, "word": "ñ"})
    other = tg.nn.MLP([2, 3, 1], seed=1)
    other.load_state_dict(tg.load(tmp_path / "model.npz"))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    again = tg.optim.Adam(other.parameters())
    again.load_state_dict(tg.load(tmp_path / "optimizer.npz"))
    assert repr(again) == repr(optimizer)
    found = tg.load(tmp_path / "numbers.npz")
    assert {name: array.tolist() for name, array in found.items()} == {"t": [1.0], "n": 3, "half": 0.5, "yes": True, "word": "ñ"}


def test_numpy_reads_it_and_it_reads_numpys(tmp_path: Path) -> None:
    state = {"W1": np.arange(6.0).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)), "b": np.float32(2.5)}
    tg.save(tmp_path / "ours.npz", state)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as theirs:
        assert all(np.array_equal(theirs[name], state[name]) for name in state)
    np.savez(tmp_path / "numpys.npz", **state)
    found = tg.load(tmp_path / "numpys.npz")
    assert all(np.array_equal(found[name], state[name]) and found[name].dtype == np.asarray(state[name]).dtype for name in state)


def test_the_same_arrays_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tg.save(tmp_path / name, {"w": np.ones(3), "v": np.zeros(2)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # not of today


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ({"w": object()}, TypeError, "w holds object"),
        ({"w": None}, TypeError, "w holds object"),
        ({"w": 1j}, TypeError, "w holds complex128"),
        ({"w": np.zeros(2, "f8,f8")}, TypeError, "w holds"),
        ({"w": np.zeros(2, "M8[s]")}, TypeError, "w holds datetime64"),
        ({"w": [[1.0], [1.0, 2.0]]}, TypeError, "w cannot be made an array"),
        ({3: np.ones(1)}, TypeError, "a name is int, not text: 3"),
        ({"a\0b": np.ones(1)}, ValueError, "without NUL or backslash"),
        ({"a\\b": np.ones(1)}, ValueError, "without NUL or backslash"),
        ({"\ud800": np.ones(1)}, ValueError, "cannot be a name"),
        ({"a" * 70_000: np.ones(1)}, ValueError, "a short name"),
        (np.ones(3), TypeError, "ndarray has no names"),
        ([("w", np.ones(3))], TypeError, "list has no names"),
    ],
)
def test_what_cannot_be_saved_leaves_the_file_as_it_was(tmp_path: Path, state: Any, error: type[Exception], words: str) -> None:
    path = tg.save(tmp_path / "state.npz", {"w": np.ones(1)})
    before = path.read_bytes()
    with pytest.raises(error, match=words):
        tg.save(path, state)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["state.npz"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        tg.save(tmp_path / "none" / "state.npz", {"w": np.ones(1)})
    with pytest.raises(FileNotFoundError, match=r"load: cannot read .*none\.npz: No such file"):
        tg.load(tmp_path / "none.npz")
    with pytest.raises((IsADirectoryError, PermissionError), match="load: cannot read"):
        tg.load(tmp_path)


# ---- files that are not what they say ------------------------------------------------------------------------------------


def npy(array: Any, shape: str | None = None, descr: str | None = None) -> bytes:
    """An array as ``.npy`` bytes; with another shape or dtype in its header, of the same length."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    data = buffer.getvalue()
    for old, new in ((str(array.shape), shape), (f"'{array.dtype.str}'", descr)):
        if new is not None:
            start = data.index(old.encode())
            end = data.index(b"\n")
            data = data[:start] + (new.encode() + data[start + len(old) : end]).rstrip().ljust(end - start) + data[end:]
    return data


def archive(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data, compress_type=compression)


class Evil:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("was_unpickled",)


def objects() -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Evil()]), allow_pickle=True)
    return buffer.getvalue()


BAD_MEMBERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a larger shape": (lambda: npy(np.ones(3), shape="(4,)"), r"says float64 \(4,\), which is 32 bytes; 24 are there"),
    "a smaller shape": (lambda: npy(np.ones(3), shape="(2,)"), "which is 16 bytes; 24 are there"),
    "an immense shape": (lambda: npy(np.ones(3), shape="(10**9,)"), "damaged"),
    "a shape of a petabyte": (lambda: npy(np.ones(3), shape=f"({10**15},)"), f"{8 * 10**15} bytes"),
    "a shape that overflows": (lambda: npy(np.ones(3), shape=f"({2**62}, {2**62})"), "bytes; 24 are there"),
    "a negative shape": (lambda: npy(np.ones(3), shape="(-3,)"), "damaged"),
    "two negative sizes": (lambda: npy(np.ones(3), shape="(-3, -1)"), "damaged"),
    "another dtype": (lambda: npy(np.ones(3), descr="'<f4'"), r"says float32 \(3,\)"),
    "objects": (objects, "holds object, not numbers. Nothing was unpickled"),
    "a claim of objects": (lambda: npy(np.ones(3), descr="'|O'"), "holds object"),
    "complex numbers": (lambda: npy(np.ones(3) * 1j), "holds complex128"),
    "a pickle": (lambda: pickle.dumps(Evil()), "damaged"),
    "code as header": (lambda: npy(np.ones(3), shape="__import__('os').mkdir('was_unpickled')"), "damaged"),
    "nothing": (lambda: b"", "damaged"),
    "half a header": (lambda: npy(np.ones(3))[:40], "damaged"),
    "an unknown version": (lambda: b"\x93NUMPY\x09\x00" + npy(np.ones(3))[8:], "damaged"),
}


@pytest.mark.parametrize(("make", "words"), BAD_MEMBERS.values(), ids=BAD_MEMBERS.keys())
def test_members_that_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state.npz"
    archive(path, ("good.npy", npy(np.ones(2))), ("w.npy", make()))
    with pytest.raises(ValueError, match=words) as caught:
        tg.load(path)
    assert str(caught.value).startswith(f"load: {path} ")
    assert os.listdir(tmp_path) == ["state.npz"]


def test_archives_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    for data in (b"", b"PK", b"not a zip archive" * 100, npy(np.ones(3)), pickle.dumps({"w": 1})):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="it is no whole zip archive"):
            tg.load(path)
    np.savez_compressed(path, w=np.zeros(1_000_000))
    with pytest.raises(ValueError, match=r"is compressed.*\n  Try: np\.savez"):
        tg.load(path)
    np.savez(path, **np.load(path))  # what the message says
    assert tg.load(path)["w"].shape == (1_000_000,)
    archive(path, ("w.txt", b"text"))
    with pytest.raises(ValueError, match=r"'w\.txt' in it is no array"):
        tg.load(path)
    with pytest.warns(UserWarning, match="Duplicate"):
        archive(path, ("w.npy", npy(np.ones(3))), ("w.npy", npy(np.ones(3))))
    with pytest.raises(ValueError, match="'w' is there twice"):
        tg.load(path)


def test_a_member_that_claims_more_than_the_file(tmp_path: Path) -> None:
    path = tg.save(tmp_path / "state.npz", {"w": np.ones(3)})
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    for offset in (20, 24):  # compressed and uncompressed size, in the directory that a reader believes
        data[central + offset : central + offset + 4] = struct.pack("<I", 2**31)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"it says that it holds more than its {len(data)} bytes"):
        tg.load(path)


def test_every_truncation_is_an_error_and_every_flip_is_one_or_harmless(tmp_path: Path) -> None:
    state = {"W1": np.array([[1.0, 2.0]]), "b/1": np.array([3], "i4")}
    path = tg.save(tmp_path / "state.npz", state)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="load: "):
            tg.load(path)
    harmless = 0
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            found = tg.load(path)
        except ValueError:
            continue
        harmless += 1  # such as the date of a member
        assert found.keys() == state.keys()
        assert all(same(state[name], found[name]) for name in state)
    assert harmless < len(data) / 4


def test_every_difference_is_listed() -> None:
    expected = {"W": np.zeros((2, 3)), "b": np.zeros(3), "k": np.array("Adam")}
    found = {"W": np.zeros((3, 2), "f4"), "c": np.zeros(3), "k": np.array("SGD")}
    assert differences(expected, found) == [
        "W has shape (3, 2), not (2, 3)",
        "W holds float32, not float64",
        "b is missing, of shape (3,)",
        "c is not known here, of shape (3,)",
    ]
    assert differences(expected, expected) == []
    assert differences({"w": np.zeros(1)}, {"w": [1]}, casts=True) == []
    assert differences({"w": np.zeros(1)}, {"w": [1]}) == ["w holds int64, not float64"]
    assert differences({"n": np.zeros(1, int)}, {"n": [0.5]}, casts=True) == ["n holds float64, not int64"]
    assert differences({"w": np.zeros(1)}, {"w": [[1], [2, 3]], 3: [[1], [2, 3]]}) == [
        "w is no array, but list",
        "3 is not known here",
    ]
