"""tg.fit: the loop that it says it is, resuming bit for bit, early stop, and what it says when something is wrong."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.training import History, accuracy
from tinygrad_edu.training.progress import Progress

X, Y = tg.data.moons(60, noise=0.2, seed=0)
XV, YV = tg.data.moons(30, noise=0.2, seed=1)


def network(seed: int = 0) -> nn.Sequential:
    """Everything that has a state: weights, running statistics, random numbers."""
    return nn.Sequential(
        nn.Linear(2, 8, seed=seed), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3, seed=seed), nn.Linear(8, 2, seed=seed + 1)
    )


def numbers(model: nn.Module) -> list[Any]:
    return [t.numpy() for t in (*model.parameters(), *(t for _, t in model.named_buffers()))]


def equal(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def run(model: nn.Module, optimizer: tg.optim.Optimizer | None = None, **settings: Any) -> History:
    optimizer = optimizer or tg.optim.Adam(model.parameters(), lr=0.05)
    return tg.fit(model, tg.cross_entropy, (X, Y), optimizer, **{"progress": False, "batch_size": 16, **settings})


# ---- the loop ------------------------------------------------------------------------------------------------------------


def test_it_is_the_loop_that_one_writes() -> None:
    ours, theirs = network(), network()
    rates = []
    schedule = tg.optim.CosineLR(0.1, epochs=4)
    history = run(ours, epochs=4, schedule=schedule, clip=0.5, seed=3)
    optimizer = tg.optim.Adam(theirs.parameters(), lr=0.05)
    losses = []
    for epoch in range(4):
        optimizer.lr = schedule(epoch)
        rates.append(optimizer.lr)
        total = 0.0
        for xb, yb in tg.data.minibatches(X, Y, 16, seed=3, epoch=epoch):
            optimizer.zero_grad()
            L = tg.cross_entropy(theirs(xb), yb)
            L.backward()
            tg.optim.clip_grad_norm(theirs.parameters(), 0.5)
            optimizer.step()
            total += L.item() * len(xb)
        losses.append(total / len(X))
    assert equal(numbers(ours), numbers(theirs))
    assert history["loss"] == losses
    assert history["lr"] == rates
    assert history.epochs == 4


def test_validation_is_done_in_evaluation_without_a_record() -> None:
    model = network()
    seen = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            self.inner = model

        def forward(self, x: Any) -> tg.Tensor:
            prediction: tg.Tensor = self.inner(x)
            seen.append((self.inner.training, prediction.requires_grad, len(x)))
            return prediction

    optimizer = tg.optim.Adam(model.parameters())
    history = tg.fit(
        Watched(),
        tg.cross_entropy,
        (X, Y),
        optimizer,
        epochs=2,
        validation=(XV, YV),
        metrics={"right": accuracy},
        batch_size=40,
        progress=False,
    )
    assert seen == [(True, True, 40), (True, True, 20), (False, False, 30)] * 2
    assert list(history) == ["loss", "right", "val_loss", "val_right", "lr"]
    model.eval()
    assert history["val_loss"][-1] == pytest.approx(tg.cross_entropy(model(XV), YV).item(), rel=1e-12)
    assert history["val_right"][-1] == np.mean(model(XV).numpy().argmax(axis=1) == YV)


def test_the_model_is_left_in_the_mode_it_had() -> None:
    model = network()
    model[1].eval()
    before = [part.training for part in model.modules()]
    run(model, epochs=1, validation=(XV, YV))
    assert [part.training for part in model.modules()] == before
    with pytest.raises(ZeroDivisionError):
        run(model, epochs=1, callback=lambda epoch, history: 1 / 0)
    assert [part.training for part in model.modules()] == before


def test_a_model_may_be_a_function(tmp_path: Path) -> None:
    def fitted(epochs: int, checkpoint: Path | None = None, start: float = 0.0) -> tuple[History, float]:
        w = tg.Tensor(start, requires_grad=True)
        x = np.linspace(-1, 1, 20)
        history = tg.fit(
            lambda x: w * x, tg.mse, (x, 3 * x), tg.optim.SGD([w], 0.5, momentum=0.5), epochs=epochs, checkpoint=checkpoint,
            progress=False,
        )  # fmt: skip
        return history, w.item()

    history, w = fitted(40)
    assert w == pytest.approx(3, abs=1e-2)
    fitted(15, tmp_path / "run.npz")
    assert fitted(40, tmp_path / "run.npz", start=99.0) == (history, w)


def test_the_order_is_that_of_the_seed() -> None:
    runs = [run(network(), epochs=2, seed=seed)["loss"] for seed in (0, 0, 1, None)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0] != runs[3]
    seen: list[Any] = []

    def model(x: Any) -> tg.Tensor:
        seen.append(x)
        return w * x

    w = tg.Tensor(1.0, requires_grad=True)
    rows = np.arange(5.0)
    tg.fit(model, tg.mse, (rows, rows), tg.optim.SGD([w], 0.1), epochs=1, batch_size=2, seed=None, progress=False)
    assert np.concatenate(seen).tolist() == rows.tolist()


# ---- checkpoints ---------------------------------------------------------------------------------------------------------


FULL: dict[str, Any] = {
    "epochs": 9,
    "validation": (XV, YV),
    "metrics": [accuracy],
    "schedule": tg.optim.WarmupLR(tg.optim.CosineLR(0.1, epochs=9), epochs=2),
    "clip": 1.0,
    "patience": 4,
}
OPTIMIZERS: list[Callable[[nn.Module], tg.optim.Optimizer]] = [
    lambda model: tg.optim.Adam(model.parameters(), lr=0.05),
    lambda model: tg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True),
]


def test_a_checkpoint_with_more_epochs_than_asked_for_says_so(tmp_path: Path) -> None:
    first = network()
    whole = run(first, epochs=5, checkpoint=tmp_path / "run.npz")
    assert whole.stopped == ""
    for epochs, said in ((5, ""), (3, "the checkpoint has 5 epochs already")):
        again = network(seed=1)
        history = run(again, epochs=epochs, checkpoint=tmp_path / "run.npz")
        assert (history, history.stopped) == (whole, said)
        assert equal(numbers(again), numbers(first))


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("stop", range(1, 9))
def test_a_resumed_run_is_bit_for_bit_the_whole_one(
    tmp_path: Path, stop: int, make: Callable[[nn.Module], tg.optim.Optimizer]
) -> None:
    whole = network()
    optimizer = make(whole)
    expected = run(whole, optimizer, **FULL)
    first = network()
    run(first, make(first), **{**FULL, "epochs": stop}, checkpoint=tmp_path / "run.npz")
    resumed = network(seed=77)  # all of its numbers come from the file
    again = make(resumed)
    history = run(resumed, again, **FULL, checkpoint=tmp_path / "run.npz")
    assert history == expected
    assert history.stopped == expected.stopped == ""
    assert equal(numbers(resumed), numbers(whole))
    ours, theirs = optimizer.state_dict(), again.state_dict()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert resumed.random_state() == whole.random_state()
    # What was finished is only read.
    third = network(seed=5)
    assert run(third, make(third), **FULL, checkpoint=tmp_path / "run.npz") == expected
    assert equal(numbers(third), numbers(whole))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_run_that_is_interrupted_in_an_epoch(tmp_path: Path, error: type[BaseException]) -> None:
    whole = network()
    expected = run(whole, epochs=5)
    count = 0

    def loss(prediction: tg.Tensor, y: Any) -> tg.Tensor:
        nonlocal count
        count += 1
        if count == 4 * 3 + 2:  # in the fourth epoch
            raise error
        return tg.cross_entropy(prediction, y)

    loss.__qualname__ = tg.cross_entropy.__qualname__  # the checkpoint knows it by its name
    model = network()
    settings: dict[str, Any] = {"epochs": 5, "batch_size": 16, "progress": False, "checkpoint": tmp_path / "run.npz"}
    with pytest.raises(error):
        tg.fit(model, loss, (X, Y), tg.optim.Adam(model.parameters(), lr=0.05), **settings)
    assert all(np.isfinite(x).all() for x in numbers(model))
    model = network(seed=3)
    history = tg.fit(model, tg.cross_entropy, (X, Y), tg.optim.Adam(model.parameters(), lr=0.05), **settings)
    assert history == expected
    assert equal(numbers(model), numbers(whole))


def test_a_checkpoint_of_another_run_lists_every_difference(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(network(), epochs=2, checkpoint=path)
    kept = path.read_bytes()
    model = nn.Sequential(nn.Linear(2, 5, seed=0), nn.Dropout(0.1, seed=0), nn.Linear(5, 2, seed=0))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    before = [numbers(model), optimizer.state_dict(), model.random_state()]
    with pytest.raises(ValueError, match="of another run, and nothing was changed") as caught:
        run(model, optimizer, epochs=2, checkpoint=path, batch_size=8, seed=4, clip=1.0, validation=(XV, YV), metrics=[accuracy])
    lines = str(caught.value).splitlines()
    for line in (
        "  batch_size was 16, is 8",
        "  seed was 0, is 4",
        "  clip was None, is 1.0",
        "  metrics was [], is ['accuracy']",
        "  model: 0.weight has shape (2, 8), not (2, 5)",
        "  optimizer: it is of Adam, not SGD",
        "  Try: another file name, or delete this one to begin anew",
    ):
        assert line in lines
    assert any(line.startswith("  optimizer was Adam(") for line in lines)
    assert any(line.startswith("  validation was None, is x float64 (30, 2)") for line in lines)
    assert equal(numbers(model), before[0])
    assert all(np.array_equal(x, before[1][name]) for name, x in optimizer.state_dict().items())
    assert model.random_state() == before[2]
    assert path.read_bytes() == kept


def test_a_checkpoint_of_other_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    model = network()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    run(model, optimizer, epochs=1, checkpoint=path)
    changed = X.copy()
    changed[3, 1] += 1e-9
    with pytest.raises(ValueError, match=r"data was x float64 \(60, 2\) \(checksum"):
        tg.fit(model, tg.cross_entropy, (changed, Y), optimizer, batch_size=16, epochs=2, checkpoint=path, progress=False)
    with pytest.raises(ValueError, match=r"optimizer was Adam\(lr=0.05.*, is Adam\(lr=0.1"):
        run(model, tg.optim.Adam(model.parameters(), lr=0.1), epochs=2, checkpoint=path)
    with pytest.raises(ValueError, match="schedule was None, is ExponentialLR"):
        run(model, epochs=2, checkpoint=path, schedule=tg.optim.ExponentialLR(0.1, 0.9))


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    model = network()
    before = numbers(model)
    run(network(), epochs=1, checkpoint=path)
    whole = path.read_bytes()
    state = tg.load(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(ValueError, match="no whole zip archive"):
        run(model, checkpoint=path)
    tg.save(path, model)
    with pytest.raises(ValueError, match="is not a checkpoint: it has no run/settings"):
        run(model, checkpoint=path)
    tg.save(path, {**state, "random/3.generator": np.array("{}")})
    with pytest.raises(ValueError, match="load_random_state"):
        run(model, checkpoint=path)
    tg.save(path, {**state, "history/loss": np.array([1.0, 2.0, 3.0])})
    with pytest.raises(ValueError, match="is not a checkpoint: History: the columns are not equally long"):
        run(model, checkpoint=path)
    assert equal(numbers(model), before)


def test_a_history_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(network(), epochs=2, checkpoint=path, metrics=[accuracy])
    state = tg.load(path)
    model = network()
    before = numbers(model)
    without = {name: array for name, array in state.items() if name != "history/accuracy"}
    none = {name: array for name, array in state.items() if not name.startswith("history/")}
    for changed, words in [
        (without, "history: it holds loss, lr, not loss, accuracy, lr\n"),
        ({**state, "history/more": np.ones(2)}, "history: it holds loss, accuracy, lr, more, not"),
        ({**state, "run/seconds": np.ones(3)}, "history: there are 2 epochs, and the times of 3"),
        (none, "history: there are 0 epochs, and the times of 2"),
        ({**state, "history/loss": np.ones((2, 2))}, "is not a checkpoint"),
        ({**state, "run/settings": np.array("[]")}, "is not a checkpoint"),
    ]:
        tg.save(path, changed)
        with pytest.raises(ValueError, match=words):
            run(model, epochs=3, checkpoint=path, metrics=[accuracy])
        assert equal(numbers(model), before)
    tg.save(path, state)
    assert run(model, epochs=3, checkpoint=path, metrics=[accuracy]).epochs == 3


def test_best_numbers_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(network(), epochs=1, checkpoint=path, patience=5)
    model = network()
    before = numbers(model)
    tg.save(path, {**tg.load(path), "best/0.weight": np.ones((8, 2))})
    with pytest.raises(ValueError, match=r"best: 0.weight has shape \(8, 2\), not \(2, 8\)"):
        run(model, checkpoint=path, patience=5)
    assert equal(numbers(model), before)


def test_a_folder_that_cannot_be_written_is_known_before_training(tmp_path: Path) -> None:
    model = network()
    before = numbers(model)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        run(model, checkpoint=tmp_path / "none" / "run.npz")
    assert equal(numbers(model), before)


# ---- early stop ----------------------------------------------------------------------------------------------------------


def valley(**settings: Any) -> tuple[History, float]:
    """w moves by −0.5 in every epoch from 2, over the minimum of the validation loss at 0.5: epoch 2."""
    w = tg.Tensor(2.0, requires_grad=True)
    history = tg.fit(
        lambda x: w * x, lambda p, y: tg.mean(p) if w.requires_grad and p.requires_grad else tg.mse(p, y),
        (np.ones(4), np.ones(4)), tg.optim.SGD([w], 0.5), validation=(np.ones(3), np.full(3, 0.5)), progress=False, **settings,
    )  # fmt: skip
    return history, w.item()


def test_it_stops_when_it_gets_no_better_and_gives_back_the_best() -> None:
    history, w = valley(epochs=20, patience=3)
    assert history["val_loss"] == pytest.approx([1.0, 0.25, 0.0, 0.25, 1.0, 2.25])
    assert history.best["epoch"] == 2
    assert w == pytest.approx(0.5)
    assert history.stopped == "stopped: no better for 3 epochs"
    assert repr(history).endswith("stopped: no better for 3 epochs")
    history, w = valley(epochs=20, patience=3, restore_best=False)
    assert w == pytest.approx(-1.0)
    history, w = valley(epochs=6)
    assert (history.epochs, history.stopped) == (6, "")
    assert w == pytest.approx(-1.0)
    history, w = valley(epochs=4, patience=3)  # ends before the patience does
    assert (history.epochs, history.stopped) == (4, "")
    assert w == pytest.approx(0.5)


@pytest.mark.parametrize("first", range(1, 6))
def test_the_best_is_in_the_checkpoint(tmp_path: Path, first: int) -> None:
    expected, best = valley(epochs=20, patience=3)
    valley(epochs=first, patience=3, checkpoint=tmp_path / "run.npz")
    for _ in range(2):
        history, w = valley(epochs=20, patience=3, checkpoint=tmp_path / "run.npz")
        assert (history, history.stopped, w) == (expected, expected.stopped, best)


@pytest.mark.parametrize(("answer", "epochs"), [(True, 1), (np.True_, 1), (False, 3), (None, 3), ("kept", 3), ([1], 3)])
def test_only_true_stops_it(answer: object, epochs: int) -> None:
    assert run(network(), epochs=3, callback=lambda epoch, history: answer).epochs == epochs


def test_the_callback_may_stop_it() -> None:
    seen = []

    def callback(epoch: int, history: History) -> bool:
        seen.append((epoch, history.epochs))
        return epoch == 2

    history = run(network(), epochs=9, callback=callback)
    assert seen == [(0, 1), (1, 2), (2, 3)]
    assert history.stopped == "stopped by the callback"


# ---- what is wrong -------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    w = tg.Tensor(1.0, requires_grad=True)
    x = np.array([1.0, 2.0, 0.0, 3.0])
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"loss is -?inf in epoch 0, batch 2 .*\n.*below 0\.1.*detect_anomaly"),
    ):
        tg.fit(
            lambda x: tg.log(w * x), lambda p, y: tg.mean(p * 1e-9), (x, x), tg.optim.SGD([w], 0.1), batch_size=1, seed=None,
            progress=False,
        )  # fmt: skip
    assert math.isfinite(w.item())
    assert w.item() != 1.0  # of the batches before
    with pytest.raises(tg.AnomalyError, match="log: the result is -inf"), tg.detect_anomaly():
        tg.fit(lambda x: tg.log(w * x), lambda p, y: tg.mean(p), (x, x), tg.optim.SGD([w], 0.1), batch_size=1, progress=False)


def test_arguments_that_do_not_fit() -> None:
    model = network()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    w = tg.Tensor(1.0, requires_grad=True)
    good: dict[str, Any] = {"model": model, "loss": tg.cross_entropy, "data": (X, Y), "optimizer": optimizer, "progress": False}
    for changed, error, words in [
        ({"data": X}, TypeError, r"data is ndarray; it must be two arrays.\n  Try: \(x, y\)"),
        ({"data": (X, Y, Y)}, TypeError, "two arrays"),
        ({"data": (X, Y[:-1])}, tg.ShapeError, r"data has x \(60, 2\) and y \(59,\)"),
        ({"data": (X[:0], Y[:0])}, tg.ShapeError, "at least one"),
        ({"validation": (XV, 3)}, tg.ShapeError, r"validation has x \(30, 2\) and y \(\)"),
        ({"optimizer": tg.optim.SGD}, TypeError, r"Try: tg\.optim\.SGD\(model\.parameters\(\), lr=0\.1\)"),
        ({"optimizer": tg.optim.SGD([w], 0.1)}, ValueError, "updates no parameter of this Sequential"),
        ({"model": 3}, TypeError, "the model is int, not a function"),
        ({"loss": "mse"}, TypeError, "the loss is str, not a function"),
        ({"loss": lambda p, y: 3.0}, TypeError, r"the loss gives float, not a Tensor"),
        ({"loss": lambda p, y: p}, tg.GradientError, "not a scalar"),
        ({"epochs": -1}, ValueError, "epochs is -1: it must be at least 0"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"patience": 0}, ValueError, "patience is 0"),
        ({"epochs": 2.5}, TypeError, "epochs is float, not a whole number"),
        ({"metrics": accuracy}, TypeError, r"Try: metrics=\[accuracy\]"),
        ({"metrics": [accuracy, accuracy]}, ValueError, "names of their own"),
        ({"metrics": {"loss": accuracy}}, ValueError, "names of their own"),
        ({"schedule": lambda epoch: -1.0}, ValueError, "lr is -1"),
        ({"schedule": 0.0}, TypeError, "the schedule is float, not a function"),
        ({"callback": 0}, TypeError, "the callback is int, not a function"),
        ({"loss": nn.CrossEntropyLoss}, TypeError, r"the loss is the class CrossEntropyLoss.\n  Try: CrossEntropyLoss\(\)"),
        ({"model": nn.Tanh}, TypeError, r"the model is the class Tanh.\n  Try: Tanh\(\)"),
        ({"epochs": None}, TypeError, "epochs is NoneType, not a whole number"),
        ({"batch_size": 16.0}, TypeError, "batch_size is float"),
        ({"seed": -1}, ValueError, "fit: seed is -1"),
        ({"patience": "a"}, TypeError, "patience is str"),
        ({"clip": -1}, ValueError, "fit: clip is -1"),
        ({"clip": "a"}, TypeError, "fit: clip is str, not a number"),
        ({"metrics": "accuracy"}, TypeError, r"a metric is str, not a function.\n  Try: metrics=\[tg.training.accuracy\]"),
        ({"metrics": {"e": 3}}, TypeError, "a metric is int"),
    ]:
        before = [w.numpy() for w in model.parameters()]
        with pytest.raises(error, match=words):
            tg.fit(**{**good, **changed})
        assert equal([w.numpy() for w in model.parameters()], before)
    assert tg.fit(**{**good, "epochs": 0}).epochs == 0


def test_metrics_and_models_that_give_something_else() -> None:
    for metric, what in ((lambda p, y: p, r"an array of shape \(16, 2\)"), (lambda p, y: None, "NoneType")):
        with pytest.raises(TypeError, match=f"the metric e gives {what}, not a number"):
            run(network(), metrics={"e": metric})
    two = nn.Linear(2, 2, seed=0)
    optimizer = tg.optim.SGD(two.parameters(), lr=0.1)

    def first(p: Any, y: Any) -> tg.Tensor:
        return tg.cross_entropy(p[0], y)

    def fit(model: Any, loss: Any, **settings: Any) -> History:
        return tg.fit(model, loss, (X, Y), optimizer, epochs=1, progress=False, **settings)

    assert fit(lambda x: (two(x), two(x)), first).epochs == 1
    more: list[dict[str, Any]] = [{"metrics": [accuracy]}, {"validation": (XV, YV)}]
    for settings in more:
        with pytest.raises(TypeError, match="the model gives a tuple; metrics and validation need one Tensor"):
            fit(lambda x: (two(x), two(x)), first, **settings)
    with pytest.raises(tg.ShapeError, match="a row for every example; it gives a single number"):
        fit(lambda x: two(x).mean(), lambda p, y: p * p, validation=(XV, YV))


def test_what_is_said_about_a_loss_that_is_not_finite() -> None:
    w = tg.Tensor(1.0, requires_grad=True)
    x = np.array([1.0, np.nan, 2.0])

    def fit(x: Any, y: Any, lr: float = 0.1, **settings: Any) -> str:
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError) as caught:
            tg.fit(lambda x: w * x, tg.mse, (x, y), tg.optim.SGD([w], lr), seed=None, progress=False, batch_size=2, **settings)
        return str(caught.value)

    assert "x of this batch is nan at [1]: no rate would help" in fit(x, np.ones(3))
    assert "y of this batch is nan at [1]" in fit(np.ones(3), x)
    assert "Try: with tg.detect_anomaly()" in fit(np.full(3, 1e200), np.ones(3))  # before any step
    assert "Try: a learning rate below 1e+300 or clip=1.0 or with" in fit(np.ones(3), np.zeros(3), 1e300)
    w.data = 1.0
    assert "Try: a learning rate below 1e+300 or with" in fit(np.ones(3), np.zeros(3), 1e300, clip=2.0)


# ---- what is printed -----------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_where_nothing_can_be_rewritten(capsys: pytest.CaptureFixture[str]) -> None:
    run(network(), epochs=25, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert lines[0].startswith("epoch  2/25  loss 0.")
    assert lines[-1].startswith("epoch 25/25  loss 0.")
    run(network(), epochs=3, progress=True, callback=lambda epoch, history: epoch == 1)
    assert len(capsys.readouterr().out.splitlines()) == 2
    run(network(), epochs=3, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_shorter_line_leaves_nothing_of_the_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    line = Progress(True, 2)
    line.show(1, {"loss": 0.1234})
    line.show(2, {"loss": 0.5})
    line.close()
    first, second = terminal.getvalue().rstrip("\n").split("\r")[1:]
    assert len(first) == len(second)
    assert second.rstrip() == "epoch 2/2  loss 0.5"


def test_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "30")
    run(network(), epochs=12, progress=True)
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    parts = text.rstrip("\n").split("\r")[1:]
    assert len(parts) == 12
    assert all(part.startswith(f"epoch {n:>2}/12  loss ") for n, part in enumerate(parts, start=1))
    assert max(map(len, parts)) <= 29


# ---- history and metrics -------------------------------------------------------------------------------------------------


def test_history() -> None:
    history = History()
    assert (repr(history), history.epochs, dict(history)) == ("History of no epochs", 0, {})
    with pytest.raises(ValueError, match="no epochs"):
        _ = history.best
    for x in [math.nan, 3.0, 1.0, 1.0]:
        history.append({"loss": x}, seconds=x)
    other = History({"loss": [4.0, 3.0, 1.0, 1.0]})
    assert history.best == {"epoch": 2, "loss": 1.0}  # NaN is not the best, and the first of equals is
    assert other == {"loss": [4.0, 3.0, 1.0, 1.0]}
    assert other == History(other, seconds=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="an epoch of val_loss after epochs of loss"):
        history.append({"val_loss": 1.0})
    with pytest.raises(KeyError, match="there is no 'accuracy'; there are loss"):
        history["accuracy"]
    long = repr(History({"loss": [abs(i - 50.0) for i in range(100)], "lr": [0.1] * 100})).splitlines()
    assert [line.split()[0] for line in long] == [
        "epoch", "0", "1", "2", "3", "...", "50", "...", "96", "97", "98", "99",
    ]  # fmt: skip
    assert long[6].endswith("best")
    assert "nan" in repr(history)


def test_accuracy() -> None:
    assert accuracy([0.3, -0.3, 0.0], [1, 0, 0]) == 1.0  # above 0, not above 1/2
    assert accuracy([[1.0, 2.0, 0.0], [5.0, 0.0, 0.0]], [1, 2]) == 0.5
    assert accuracy([[-1.0], [2.0]], [0, 1]) == 1.0
    assert accuracy([[-1.0], [2.0]], [[1], [1]]) == 0.5
    assert accuracy(np.zeros((2, 3, 4)), np.zeros((2, 3))) == 1.0
    with pytest.raises(tg.ShapeError, match=r"predictions \(2, 3\) do not fit classes \(3,\)"):
        accuracy(np.zeros((2, 3)), np.zeros(3))
