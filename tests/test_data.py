"""Data sets: where their points lie, what is in them, and minibatches that meet each example once."""

from __future__ import annotations

import pickle
import sys
import unicodedata
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import data

PLANE = [data.moons, data.circles, data.spirals, data.xor]


@pytest.mark.parametrize("make", PLANE)
def test_points_of_the_plane(make: Callable[..., data.Dataset]) -> None:
    x, y = make(n=101)
    assert x.shape == (101, 2)
    assert (x.dtype, y.dtype) == (np.float64, np.int64)
    counts = np.bincount(y)
    assert counts.max() - counts.min() <= 1
    again, other = make(n=101), make(n=101, seed=1)
    assert np.array_equal(again.x, x)
    assert np.array_equal(again.y, y)
    assert not np.array_equal(other.x, x)
    # In random order: neither half has only one class.
    assert len(set(y[:50])) == len(set(y[50:])) == len(counts)


def test_moons_without_noise_lie_on_their_circles() -> None:
    x, y = data.moons(101, noise=0)
    upper, lower = x[y == 0], x[y == 1]
    assert np.allclose(np.hypot(*upper.T), 1)
    assert (upper[:, 1] >= -1e-12).all()
    assert np.allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert (lower[:, 1] <= 0.5 + 1e-12).all()
    assert (upper[:, 0].min(), upper[:, 0].max()) == (-1, 1)


def test_circles_without_noise_have_their_radii() -> None:
    x, y = data.circles(60, noise=0, factor=0.3)
    assert np.allclose(np.hypot(*x.T), np.where(y == 0, 1, 0.3))
    assert np.allclose(x[y == 0].mean(axis=0), 0)  # all around


@pytest.mark.parametrize("classes", [2, 5])
def test_spirals_turn_by_their_radius(classes: int) -> None:
    x, y = data.spirals(100, classes, noise=0, turns=1.2)
    r = np.hypot(*x.T)
    assert (r.min(), r.max()) == pytest.approx((0.1, 1))
    angle = np.arctan2(x[:, 0], x[:, 1])
    turned = angle - 2 * np.pi * (y / classes + 1.2 * r)
    assert np.allclose(np.exp(1j * turned), 1)


def test_noise_is_its_standard_deviation() -> None:
    clean, noisy = data.moons(20_000, noise=0), data.moons(20_000, noise=0.2)
    assert np.array_equal(clean.y, noisy.y)
    assert (noisy.x - clean.x).std(axis=0) == pytest.approx([0.2, 0.2], rel=0.03)


def test_xor_is_the_truth_table() -> None:
    x, y = data.xor()
    assert x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert y.tolist() == [0, 1, 1, 0]
    x, y = data.xor(80, noise=0.05)
    assert np.array_equal(y, x.round()[:, 0].astype(int) ^ x.round()[:, 1].astype(int))
    assert y.sum() == 40


def test_regression_sets_have_a_known_truth() -> None:
    x, y = data.regression(2000, noise=0.3)
    assert (x.shape, y.shape, y.dtype) == ((2000, 1), (2000,), np.float64)
    assert (np.diff(x[:, 0]) >= 0).all()
    assert (y - np.sin(np.pi * x[:, 0]) - 0.5 * x[:, 0]).std() == pytest.approx(0.3, rel=0.05)
    x, y = data.linear(2000, weights=[2.0, -1.0, 0.5], bias=0.3, noise=0.1)
    found = np.linalg.lstsq(np.column_stack([x, np.ones(2000)]), y)[0]
    assert found == pytest.approx([2.0, -1.0, 0.5, 0.3], abs=0.02)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: data.moons(1), "moons: n is 1"),
        (lambda: data.moons(10, noise=-1), "noise is -1"),
        (lambda: data.moons(10, noise=float("nan")), "noise is nan"),
        (lambda: data.circles(10, factor=1.5), "factor is 1.5"),
        (lambda: data.spirals(10, classes=1), "classes is 1"),
        (lambda: data.xor(3), "4 groups"),
        (lambda: data.regression(0), "n is 0"),
        (lambda: data.linear(5, weights=[[1.0]]), r"shape \(1, 1\)"),
    ],
)
def test_bad_arguments(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def test_a_data_set_is_a_pair_with_names() -> None:
    moons = data.moons(10)
    x, y = moons
    assert moons.x is x
    assert moons.y is y
    assert repr(moons) == "Dataset(x (10, 2), y (10,), classes: upper, lower)"
    copy = pickle.loads(pickle.dumps(moons))
    assert isinstance(copy, data.Dataset)
    assert np.array_equal(copy.x, x)
    assert (copy.features, copy.classes) == (("x0", "x1"), ("upper", "lower"))


def test_names_are_words_of_the_alphabet() -> None:
    names = data.names()
    assert len(names) >= 600
    assert names == sorted(set(names))
    assert {"maría", "íñigo", "begoña", "josé"} <= set(names)
    for name in names:
        assert name.isalpha()
        assert name == name.lower() == unicodedata.normalize("NFC", name)


def test_iris_and_digits() -> None:
    pytest.importorskip("sklearn")
    iris = data.iris()
    assert iris.x.shape == (150, 4)
    assert np.bincount(iris.y).tolist() == [50, 50, 50]
    assert iris.classes == ("setosa", "versicolor", "virginica")
    assert iris.features[3] == "petal width"
    assert np.allclose(iris.x.mean(axis=0), 0)
    assert np.allclose(iris.x.std(axis=0), 1)
    assert data.iris(scaled=False).x[0].tolist() == [5.1, 3.5, 1.4, 0.2]
    x, y = data.digits()
    assert x.shape == (1797, 64)
    assert (x.min(), x.max(), x.dtype, y.dtype) == (0, 1, np.float64, np.int64)
    assert set(y) == set(range(10))
    # The picture of a 0 is empty in the middle.
    assert x[y == 0].reshape(-1, 8, 8)[:, 3:5, 3:5].mean() < 0.1 < x[y == 0].mean()


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_without_scikit_learn_the_command_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=rf'{name} needs scikit-learn: pip install "tinygrad-edu\[examples\]"'):
        getattr(data, name)()


@given(n=st.integers(0, 40), size=st.integers(1, 12), seed=st.none() | st.integers(0, 2**64), epoch=st.integers(0, 9))
def test_each_example_is_met_once(n: int, size: int, seed: int | None, epoch: int) -> None:
    x, y, z = np.arange(2 * n).reshape(n, 2), np.arange(n), tg.Tensor(np.arange(n) / 2)
    batches = list(data.minibatches(x, y, z, size, seed=seed, epoch=epoch))
    whole, left = divmod(n, size)
    assert [len(yb) for _, yb, _ in batches] == [size] * whole + [left] * (left > 0)
    order = np.concatenate([y[:0], *(yb for _, yb, _ in batches)])
    assert sorted(order) == list(range(n))
    for xb, yb, zb in batches:
        assert np.array_equal(xb, x[yb])
        assert np.array_equal(zb, yb / 2)
    shorter = list(data.minibatches(x, y, z, batch_size=size, seed=seed, epoch=epoch, drop_last=True))
    assert [yb.tolist() for _, yb, _ in shorter] == [yb.tolist() for _, yb, _ in batches[:whole]]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(**options: int) -> list[int]:
        return [int(i) for (yb,) in data.minibatches(np.arange(50), 8, **options) for i in yb]

    assert order() == list(range(50))
    assert order(seed=3, epoch=2) == order(seed=3, epoch=2)
    assert len({tuple(order(seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_minibatches_say_at_once_what_is_wrong() -> None:
    x, y = np.zeros((4, 2)), np.zeros(3)
    with pytest.raises(tg.ShapeError, match=r"no. 0  \(4, 2\)\n  no. 1  \(3,\)"):
        data.minibatches(x, y, 2)
    with pytest.raises(ValueError, match=r"Try: minibatches\(x, y, 32\)"):
        data.minibatches(x, x)
    with pytest.raises(ValueError, match="batch_size is 0"):
        data.minibatches(x, 0)
    with pytest.raises(TypeError, match="float"):
        data.minibatches(x, 2.5)
    with pytest.raises(ValueError, match="epoch is -1"):
        data.minibatches(x, 2, epoch=-1)
    with pytest.raises(ValueError, match="no arrays"):
        data.minibatches(batch_size=2)
    with pytest.raises(TypeError, match=r"Try: minibatches\(\*data"):
        data.minibatches(data.xor(), 2)  # type: ignore[arg-type]  # the mistake that is caught


@given(n=st.integers(2, 60), seed=st.integers(0, 99), stratify=st.booleans())
def test_split_parts_every_example(n: int, seed: int, stratify: bool) -> None:
    x, y = np.arange(n), np.arange(n) % 3 // 2
    (x1, y1), (x2, y2) = data.split(x, y, test=1 + seed % (n - 1), seed=seed, stratify=stratify)
    assert len(x2) == 1 + seed % (n - 1)
    assert sorted([*x1, *x2]) == list(range(n))
    assert np.array_equal(y[x1], y1)
    assert np.array_equal(y[x2], y2)
    if stratify:
        for k in (0, 1):
            assert abs((y2 == k).sum() - (y == k).sum() * len(y2) / n) <= 1


def test_split_is_in_random_order() -> None:
    x, y = np.arange(100), np.repeat([0, 1], 50)
    (_, y1), (_, y2) = data.split(x, y, stratify=True)
    assert np.bincount(y2).tolist() == [10, 10]
    assert 20 < y1[:40].sum() + y2.sum() < 40
    assert data.split(x, seed=1)[1][0].tolist() != data.split(x, seed=2)[1][0].tolist()
    for bad in (0, 100, 0.0, 1.0, -1):
        with pytest.raises(ValueError, match="both parts need at least one"):
            data.split(x, test=bad)
    with pytest.raises(tg.ShapeError, match=r"classes of shape \(N,\)"):
        data.split(y, x[:, None], stratify=True)


def test_standardize_uses_the_first_alone() -> None:
    random = np.random.default_rng(0)
    x, other = random.normal(5, 3, (50, 3)), random.normal(size=(7, 3))
    x[:, 2] = 0.1  # whose standard deviation is not 0 when it is computed
    scaled, scaled_other = data.standardize(x, other)
    assert np.allclose(scaled[:, :2].mean(axis=0), 0)
    assert np.allclose(scaled[:, :2].std(axis=0), 1)
    assert (scaled[:, 2] == 0).all()
    assert np.allclose(scaled_other[:, 0], (other[:, 0] - x[:, 0].mean()) / x[:, 0].std())
    assert np.array_equal(data.standardize(x), scaled)
    with pytest.raises(tg.ShapeError, match=r"no. 1 has shape \(7, 2\)"):
        data.standardize(x, other[:, :2])
    with pytest.raises(ValueError, match="at least one row"):
        data.standardize(np.zeros((0, 2)))
