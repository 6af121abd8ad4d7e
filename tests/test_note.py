"""The note's network: the loss, the eleven results, the interlude."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.check.compare import as_table, compare


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_the_engine_equals_the_note(n: int, features: int, d1: int, d2: int, seed: int) -> None:
    values = note.network(n, features, d1, d2, seed)
    hand = note.by_hand({name: t.numpy() for name, t in values.items()})
    np.testing.assert_allclose(values["L"].item(), hand["L"], rtol=1e-13)
    names = [r.of for r in note.RESULTS]
    assert len(names) == 11
    for name, g in zip(names, tg.gradients(values["L"], [values[name] for name in names]), strict=True):
        assert g.shape == values[name].shape
        np.testing.assert_allclose(g.numpy(), hand[name], rtol=1e-11, atol=1e-15)


def test_the_table_would_show_a_wrong_formula() -> None:
    values = note.network()
    hand = note.by_hand({name: t.numpy() for name, t in values.items()})
    del hand["L"]
    right = compare(values["L"], hand)
    assert [row.of for row in right] == [r.of for r in note.RESULTS]
    assert all(row.by_hand is not None and row.by_hand < 1e-15 for row in right)
    assert all(row.numeric is not None and row.numeric < 1e-10 for row in right)
    hand["W2"] = hand["W2"].T.copy()  # the transpose, which has the same shape here
    wrong = {row.of: row for row in compare(values["L"], hand)}
    assert (wrong["W2"].by_hand or 0) > 1e-3
    assert (wrong["W2"].numeric or 0) < 1e-10


def test_the_table_of_a_large_network_samples() -> None:
    values = note.network(n=3, features=40, d1=20, d2=2)
    rows = {row.of: row for row in compare(values["L"], {"W1": np.zeros((40, 20))})}
    assert (rows["W1"].sampled, rows["W1"].size) == (64, 800)
    assert "(64 of 800 entries)" in as_table(list(rows.values()), "L", "by hand")


@pytest.mark.parametrize(("label", "prediction", "printed"), note.INTERLUDE)
def test_the_interlude(label: int, prediction: float, printed: float) -> None:
    error = tg.binary_cross_entropy([prediction], [float(label)]).item()
    np.testing.assert_allclose(error, -np.log(prediction if label else 1 - prediction), rtol=1e-12)
    assert abs(error - printed) < 1e-3


def test_the_misprinted_box_has_the_wrong_shape() -> None:
    values = note.network(n=4, features=2, d1=3)
    du1 = tg.gradients(values["L"], values["u1"]).numpy()
    assert (du1.T @ du1).shape == (3, 3) != values["W1"].shape
    assert (values["x"].numpy().T @ du1).shape == values["W1"].shape
