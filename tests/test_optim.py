"""tg.optim: each rule against PyTorch and against its compiled self; state, schedules, clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.optim import SGD, Adam, AdamW, Optimizer, RMSProp
from tinygrad_edu.record import Record

Make = Callable[[Any], Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: SGD(p, 0.05),
    "sgd decay": lambda p: SGD(p, 0.05, weight_decay=0.1),
    "momentum": lambda p: SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: SGD(p, 0.05, momentum=0.8, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda p: RMSProp(p, 0.01),
    "rmsprop momentum": lambda p: RMSProp(p, 0.01, alpha=0.9, eps=1e-6, momentum=0.5, weight_decay=0.1),
    "adam": lambda p: Adam(p, 0.01),
    "adam decay": lambda p: Adam(p, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "adamw": lambda p: AdamW(p, 0.01, weight_decay=0.1),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


def leaves(dtype: Any = float) -> list[tg.Tensor]:
    rng = np.random.default_rng(0)
    return [tg.Tensor(rng.normal(size=s), requires_grad=True, name=f"w{len(s)}", dtype=dtype) for s in [(3, 2), (4,), ()]]


def give_gradients(params: Sequence[tg.Tensor], step: int) -> None:
    """Gradients that depend on the parameters, too; the second parameter has one only now and then."""
    rng = np.random.default_rng(step)
    for i, p in enumerate(params):
        g = p.numpy() + rng.normal(size=p.shape)
        p.grad = None if i == 1 and step % 3 else np.array(g, dtype=p.dtype)


# ---- the rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.interop
@every_optimizer
def test_fifty_steps_are_pytorchs(make: Make) -> None:
    torch = pytest.importorskip("torch")
    params = leaves()
    opt = make(params)
    theirs = [torch.tensor(p.numpy(), requires_grad=True) for p in params]
    settings: dict[str, Any] = {name: getattr(opt, name) for name in opt.settings}
    if "beta1" in settings:
        settings["betas"] = settings.pop("beta1"), settings.pop("beta2")
    kinds = {SGD: torch.optim.SGD, RMSProp: torch.optim.RMSprop, Adam: torch.optim.Adam, AdamW: torch.optim.AdamW}
    other = kinds[type(opt)](theirs, lr=opt.lr, **settings)
    for step in range(50):
        opt.lr = other.param_groups[0]["lr"] = 0.02 * 0.97**step
        give_gradients(params, step)
        for t, p in zip(theirs, params, strict=True):
            t.grad = None if p.grad is None else torch.tensor(p.grad)
        opt.step()
        other.step()
    for t, p in zip(theirs, params, strict=True):
        np.testing.assert_allclose(p.numpy(), t.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-12), (np.float32, 1e-4)])
@every_optimizer
def test_compiled_is_the_same_rule(make: Make, dtype: Any, close: float) -> None:
    x = np.random.default_rng(1).normal(size=(5, 3)).astype(dtype)

    def loss(w: Sequence[tg.Tensor], x: Any) -> tg.Tensor:
        return tg.mean(tg.tanh(x @ w[0]) ** 2) + tg.sum(w[1] ** 2) + w[2] * w[2]

    eager, compiled = leaves(dtype), leaves(dtype)
    opt, other = make(eager), make(compiled)
    step = tg.compile(lambda x: loss(compiled, x), wrt=other.params, update=other.rule, slots=other.slots_count)
    for i in range(20):
        other.advance()
        if i % 3 == 0:  # else the program hears of the count alone
            opt.lr = other.lr = 0.05 / (1 + i)
        opt.zero_grad()
        loss(eager, x).backward()
        opt.step()
        step(x)
    for p, q in zip(eager, compiled, strict=True):
        assert p.dtype == q.dtype == dtype
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=close, atol=close)
    for i, slots in enumerate(opt._slots):
        assert [np.asarray(s).dtype for s in slots] == [dtype] * opt.slots_count
        for k, s in enumerate(slots):
            np.testing.assert_allclose(s, step.slots[k][i].numpy(), rtol=close, atol=close)
    given_tensors = [tg.Tensor(np.ones(3), dtype=dtype) for _ in range(2 + other.slots_count)]
    assert {t.dtype for t in other.rule(*given_tensors)} == {np.dtype(dtype)}  # float32 all the way
    assert "lr" in step.source  # the program calls it so
    assert "1 signatures" in repr(step)  # recorded once, though the learning rate and the count changed


def test_a_compiled_step_counts_before_its_first_call() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    opt = Adam([w])
    step = tg.compile(lambda: (w * w).sum(), wrt=opt.params, update=opt.rule, slots=2)
    with pytest.raises(ValueError, match=r"opt\.advance\(\)"):
        step()
    opt.advance()
    assert step() == 1


@every_optimizer
def test_the_rule_changes_nothing_that_it_is_given(make: Make) -> None:
    opt = make([tg.Tensor([1.0, 2.0], requires_grad=True)])
    opt.advance()
    given_arrays = [np.array([1.0, 2.0]) + i for i in range(2 + opt.slots_count)]
    for array in given_arrays:
        array.setflags(write=False)
    w, *slots = opt.rule(*given_arrays)
    assert len(slots) == opt.slots_count
    assert all(not np.shares_memory(w, array) for array in given_arrays)


@every_optimizer
def test_a_descent_finds_the_minimum(make: Make) -> None:
    w = tg.Tensor([2.0, -1.0], requires_grad=True)
    opt = make([w])
    opt.lr = 0.05
    for _ in range(400):
        opt.zero_grad()
        ((w - 0.0) ** 2).sum().backward()
        opt.step()
    assert np.abs(w.numpy()).max() < 0.06


# ---- the step ------------------------------------------------------------------------------------------------------------


def test_a_record_made_before_keeps_its_numbers() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    opt = SGD([w], lr=1.0)
    L = (w**3).sum()
    L.backward()
    shown = w.data
    opt.step()
    assert w.tolist() == [-2.0, -10.0]
    assert shown.tolist() == [1.0, 2.0]
    w.zero_grad()
    L.backward()  # of the numbers that were used
    assert w.grad.tolist() == [3.0, 12.0]
    with pytest.raises(ValueError, match="cannot be changed in place"):
        w.data[0] = 5


def test_the_step_keeps_nothing_of_the_gradient() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    opt = SGD([w], lr=1.0, momentum=0.5)
    w.grad = g = np.array([1.0, 1.0])
    opt.step()
    g[:] = 100
    opt.step()
    assert w.tolist() == [1.0 - 1 - 100.5, 2.0 - 1 - 100.5]


@every_optimizer
def test_a_step_that_fails_changes_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    params = leaves()
    opt = make(params)
    give_gradients(params, 0)
    opt.step()
    before = {**{str(i): p.numpy() for i, p in enumerate(params)}, **opt.state_dict()}
    params[2].grad = np.zeros(7)
    with pytest.raises(tg.ShapeError, match=r"gradient of Tensor w0 has shape \(7,\), not \(\)"):
        opt.step()
    params[2].grad = np.array(1.0)
    calls = []

    def interrupted(self: Record, value: Any) -> None:
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        self._data = np.asarray(value)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "data", Record.data.setter(interrupted))  # type: ignore[attr-defined]  # a property
        with pytest.raises(KeyboardInterrupt):
            opt.step()
    after = {**{str(i): p.numpy() for i, p in enumerate(params)}, **opt.state_dict()}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_without_a_gradient() -> None:
    a, b = tg.Tensor(1.0, requires_grad=True), tg.Tensor(1.0, requires_grad=True)
    opt = Adam([a, b], lr=0.5)
    with pytest.raises(tg.GradientError, match=r"L\.backward\(\)"):
        opt.step()
    assert opt.count == 0
    (a * 2).backward()
    opt.step()
    assert a.item() == pytest.approx(0.5)
    assert b.item() == 1.0
    opt.zero_grad()
    assert a.grad is None


@every_optimizer
def test_float32_stays_float32(make: Make) -> None:
    params = leaves(np.float32)
    opt = make(params)
    for step in range(3):
        give_gradients(params, step)
        params[0].grad = np.asarray(params[0].grad, dtype=float)  # a gradient that somebody computed in float64
        opt.step()
    assert {p.dtype for p in params} == {np.dtype(np.float32)}
    assert {np.asarray(s).dtype for slots in opt._slots for s in slots} <= {np.dtype(np.float32)}


# ---- what is refused -----------------------------------------------------------------------------------------------------


def test_parameters_that_cannot_be_updated() -> None:
    w = tg.Tensor([1.0], requires_grad=True, name="w")
    gone = iter([w])
    assert SGD(gone, 0.1).params == [w]
    for params, error, words in [
        (gone, ValueError, "no parameters.*generator"),
        ((), ValueError, r"list\(model\.parameters\(\)\)"),
        ([], ValueError, "there are no parameters.*w.requires_grad = True"),
        ([w, w], ValueError, "Tensor w is there twice, as parameter 0 and 1"),
        ([w * 2], ValueError, "parameter 0 is the result of multiply"),
        ([tg.Tensor([1.0], name="x")], ValueError, "Tensor x, gets no gradient"),
        ([np.ones(2)], TypeError, "parameter 0 is ndarray"),
        (w, TypeError, r"a list, \[w\]"),
        (tg.nn.Linear(2, 3, seed=0), TypeError, r"model\.parameters\(\)"),
        (tg.nn.Linear(2, 3, seed=0).parameters, TypeError, r"are method, not a list.*model\.parameters\(\)"),
        (None, TypeError, "are NoneType, not a list"),
        ([tg.nn.Linear(2, 3)], TypeError, r"0 is Linear, not a Tensor.*\[p for model in models for p in model.parameters\(\)\]"),
        (tg.nn.Linear(2, 3).named_parameters(), TypeError, "0 is tuple, not a Tensor.*without names"),
        ([{"params": [w], "lr": 0.1}], TypeError, "0 is dict, not a Tensor.*an optimizer for each group"),
    ]:
        with pytest.raises(error, match=f"(?s)SGD: .*{words}"):
            SGD(params, 0.1)  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (SGD, {"lr": -0.1}, "SGD: lr is -0.1; it must be at least 0 and finite"),
        (SGD, {"lr": math.nan}, "lr is nan"),
        (SGD, {"lr": math.inf}, "lr is inf"),
        (SGD, {"lr": 0.1, "momentum": -1}, "momentum is -1"),
        (SGD, {"lr": 0.1, "nesterov": True}, "nesterov"),
        (Adam, {"betas": (1.0, 0.9)}, "beta1 is 1; it must be at least 0 and below 1"),
        (Adam, {"eps": -1e-8}, "eps"),
        (AdamW, {"weight_decay": -1}, "weight_decay"),
        (RMSProp, {"alpha": 1}, "alpha"),
    ],
)
def test_settings_out_of_range(kind: type[Optimizer], settings: dict[str, Any], words: str) -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=words):
        kind([w], **settings)


def test_the_learning_rate_is_a_number() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match="SGD: lr is str, not a number: 'fast'"):
        SGD([w], "fast")  # type: ignore[arg-type]  # what is refused
    for wrong in (True, "0.1", None, np.array([0.1]), tg.optim.StepLR(0.1, 3)):
        with pytest.raises(TypeError, match=r"lr is .*, not a number"):
            SGD([w], wrong)  # type: ignore[arg-type]  # what is refused
    for betas in (0.9, (0.9,), (0.9, 0.9, 0.9)):
        with pytest.raises(TypeError, match=r"Adam: betas is .*, not a pair.\n  Try: betas=\(0.9, 0.999\)"):
            Adam([w], betas=betas)  # type: ignore[arg-type]  # what is refused
    opt = SGD([w], lr=tg.Tensor(0.5))  # type: ignore[arg-type]  # what __float__ makes of it
    with pytest.raises(ValueError, match="lr is -1"):
        opt.lr = -1
    assert opt.lr == 0.5


def test_what_an_optimizer_says_of_itself() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    assert repr(SGD([w], 0.1)) == "SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0; 1 parameter)"
    assert repr(Adam(leaves())) == "Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0; 3 parameters)"
    w.grad = np.ones(1)
    with pytest.raises(NotImplementedError, match="Optimizer has no formula"):
        Optimizer([w], 0.1).step()


# ---- state ---------------------------------------------------------------------------------------------------------------


@every_optimizer
def test_a_state_goes_on_bit_for_bit(make: Make) -> None:
    whole, half = leaves(), leaves()
    opt, first = make(whole), make(half)
    for step in range(10):
        give_gradients(whole, step)
        opt.step()
    for step in range(5):
        give_gradients(half, step)
        first.step()
    rest = [tg.Tensor(p.numpy(), requires_grad=True) for p in half]
    second = make(rest)
    state = first.state_dict()
    second.load_state_dict(state)
    for array in state.values():
        if array.dtype.kind == "f":
            array[...] = 99  # the optimizers keep nothing of it
    assert first.lr == second.lr == make(rest).lr
    for step in range(5, 10):
        give_gradients(rest, step)
        second.step()
    for p, q in zip(whole, rest, strict=True):
        assert np.array_equal(p.numpy(), q.numpy())
    assert second.count == 10


@pytest.mark.parametrize("kind", [SGD, RMSProp])
def test_a_momentum_that_is_set_to_0_later(kind: Any) -> None:
    a, b = tg.Tensor([1.0], requires_grad=True), tg.Tensor([1.0], requires_grad=True)
    opt, plain = kind([a], 0.1, momentum=0.9), kind([b], 0.1)
    opt.momentum = 0.0
    for _ in range(3):
        a.grad, b.grad = 2 * a.data, 2 * b.data
        opt.step()
        plain.step()
        assert np.array_equal(a.data, b.data)
    opt.load_state_dict(opt.state_dict())


@pytest.mark.parametrize("kind", [SGD, RMSProp])
def test_a_momentum_that_is_set_later_has_no_velocity(kind: Any) -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    opt = kind([w], 0.1)
    opt.momentum = 0.5
    w.grad = 2 * w.data
    with pytest.raises(ValueError, match=r"made without momentum") as error:
        opt.step()
    assert w.tolist() == [1.0]
    suggestion = str(error.value).split("Try: ")[1]
    eval(suggestion, {kind.__name__: kind, "params": [w], "lr": 0.1}).step()
    assert w.tolist() != [1.0]


def test_a_state_brings_its_settings() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    opt = SGD([w], 0.5, momentum=0.5, weight_decay=0.25)
    other = SGD([w], 0.1, momentum=0.9)
    other.load_state_dict(opt.state_dict())
    assert repr(other) == repr(opt)


def test_a_state_of_another_optimizer_lists_every_difference() -> None:
    a, b = tg.Tensor([1.0], requires_grad=True), tg.Tensor([1.0, 2.0], requires_grad=True)
    opt = Adam([b])
    before = opt.state_dict()
    with pytest.raises(ValueError, match="load_state_dict") as caught:
        opt.load_state_dict(RMSProp([a, b]).state_dict())
    text = str(caught.value)
    for words in (
        "it is of RMSProp, not Adam", "beta1 is missing", "m.0 is missing", "alpha is not known",
        "counts has shape (2,), not (1,)",
    ):  # fmt: skip
        assert words in text
    with pytest.raises(ValueError, match="it is of AdamW, not Adam"):
        opt.load_state_dict(AdamW([b]).state_dict())
    with pytest.raises(ValueError, match=r"m\.0 has shape \(1,\), not \(2,\)\n  v\.0 has shape"):
        opt.load_state_dict(Adam([a]).state_dict())
    for name in ("lr", "eps", "beta1"):
        for wrong in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="negative or not finite"):
                opt.load_state_dict({**before, name: np.array(wrong)})
    with pytest.raises(TypeError, match=r"a state is a dict, not NoneType.\n  Try: opt.state_dict\(\)"):
        opt.load_state_dict(None)  # type: ignore[arg-type]  # what is refused
    after = opt.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


# ---- schedules -----------------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (tg.optim.StepLR(0.5, 3, 0.2), lambda s, o: s.StepLR(o, 3, 0.2)),
        (tg.optim.ExponentialLR(0.5, 0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
        (tg.optim.CosineLR(0.5, 12, 0.1), lambda s, o: s.CosineAnnealingLR(o, 12, 0.1)),
        (tg.optim.OneCycleLR(0.5, 13), lambda s, o: s.OneCycleLR(o, 0.5, total_steps=13, cycle_momentum=False)),
        (tg.optim.OneCycleLR(0.5, 13, 0.5), lambda s, o: s.OneCycleLR(o, 0.5, total_steps=13, pct_start=0.5)),
    ],
)
def test_schedules_are_pytorchs(schedule: Any, theirs: Any) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=0.9)
    scheduler = theirs(torch.optim.lr_scheduler, optimizer)
    for epoch in range(12):
        assert schedule(epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_schedules_need_nothing_but_the_epoch() -> None:
    cosine = tg.optim.CosineLR(1.0, epochs=10)
    warm = tg.optim.WarmupLR(cosine, epochs=4)
    assert [warm(t) for t in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [warm(t + 4) for t in range(12)] == [cosine(t) for t in range(12)]
    assert [tg.optim.WarmupLR(0.3, 2)(t) for t in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.3])
    assert tg.optim.WarmupLR(0.3, 0)(0) == 0.3
    assert warm == tg.optim.WarmupLR(tg.optim.CosineLR(1.0, epochs=10), epochs=4)
    assert cosine(10) == cosine(99) == 0.0
    assert tg.optim.OneCycleLR(1.0, 1)(0) == 1.0
    for make in (
        lambda: tg.optim.StepLR(0.1, 0),
        lambda: tg.optim.StepLR(-0.1, 1),
        lambda: tg.optim.ExponentialLR(0.1, math.nan),
        lambda: tg.optim.CosineLR(0.1, 0),
        lambda: tg.optim.WarmupLR(-1.0, 3),
        lambda: tg.optim.OneCycleLR(0.1, 10, warmup=2),
    ):
        with pytest.raises(ValueError, match=r"LR: \w+ is "):
            make()
    opt = SGD([tg.Tensor([1.0], requires_grad=True)], 0.1)
    with pytest.raises(TypeError, match=r"StepLR: lr is an optimizer; .*\n  Try: tg.optim.StepLR\(lr=opt.lr, \.\.\.\)"):
        tg.optim.StepLR(opt, 3)
    with pytest.raises(TypeError, match="CosineLR: lr is str, not a number"):
        tg.optim.CosineLR("fast", 3)


# ---- clipping ------------------------------------------------------------------------------------------------------------


def with_gradients(*gradients: Any) -> list[tg.Tensor]:
    params = [tg.Tensor(np.zeros(np.shape(g)), requires_grad=True, name=f"w{i}") for i, g in enumerate(gradients)]
    for p, g in zip(params, gradients, strict=True):
        p.grad = np.array(g, dtype=float)
    return [*params, tg.Tensor([1.0], requires_grad=True)]  # the last has none


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=5), min_size=1, max_size=3), st.floats(0, 1e6))
def test_the_norm_is_at_most_what_was_asked(gradients: list[list[float]], most: float) -> None:
    params = with_gradients(*gradients)
    all_before = np.concatenate(gradients)
    norm = tg.optim.clip_grad_norm(params, most)
    assert norm == pytest.approx(np.linalg.norm(all_before), rel=1e-12)
    after = np.concatenate([p.grad for p in params[:-1]])
    np.testing.assert_allclose(after, all_before * (most / norm if norm > most else 1), rtol=1e-9, atol=1e-300)
    assert params[-1].grad is None


def test_norms_that_overflow_when_squared() -> None:
    params = with_gradients([3e200, 0.0], 4e200)
    assert tg.optim.clip_grad_norm(params, 5.0) == pytest.approx(5e200)
    assert params[0].grad.tolist() == pytest.approx([3.0, 0.0])
    assert params[1].grad.item() == pytest.approx(4.0)
    assert tg.optim.clip_grad_norm(with_gradients([0.0]), 0.0) == 0.0
    assert tg.optim.clip_grad_norm([], 1.0) == 0.0


def test_a_parameter_twice_is_clipped_once() -> None:
    params = with_gradients([3.0, 4.0])
    assert tg.optim.clip_grad_norm([params[0], params[0]], 1.0) == 5.0
    assert params[0].grad.tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_no_scale_makes_finite(bad: float) -> None:
    params = with_gradients([9.0], [1.0, bad])
    with pytest.raises(FloatingPointError, match=rf"gradient of Tensor w1 is {bad} at \[1\]"):
        tg.optim.clip_grad_norm(params, 1.0)
    assert params[0].grad.tolist() == [9.0]
    with pytest.raises(FloatingPointError, match=f"gradient of Tensor w0 is {bad}:"):
        tg.optim.clip_grad_norm(with_gradients(bad), 1.0)


@pytest.mark.parametrize("clip", [tg.optim.clip_grad_norm, tg.optim.clip_grad_value])
def test_limits_of_clipping(clip: Any) -> None:
    w = tg.Tensor([3.0, -4.0], requires_grad=True)
    w.grad = np.array([3.0, -4.0])
    for wrong, error in ((-1, ValueError), (math.nan, ValueError), ("a", TypeError), (None, TypeError)):
        with pytest.raises(error, match=f"{clip.__name__}: max_"):
            clip([w], wrong)
    with pytest.raises(TypeError, match=r"are Linear, not a list.\n  Try: model.parameters\(\)"):
        clip(tg.nn.Linear(2, 3), 1.0)
    clip([w], math.inf)
    assert w.grad.tolist() == [3.0, -4.0]
    clip([w], 0)
    assert w.grad.tolist() == [0.0, 0.0]
    assert clip([tg.Tensor([1.0], requires_grad=True)], 1.0) in (0.0, None)  # no gradient


def test_clipping_by_value() -> None:
    params = with_gradients([3.0, -0.5], -7.0)
    tg.optim.clip_grad_value(params, 1.0)
    assert params[0].grad.tolist() == [1.0, -0.5]
    assert params[1].grad.tolist() == -1.0
    for clip in (tg.optim.clip_grad_value, tg.optim.clip_grad_norm):
        with pytest.raises(ValueError, match=f"{clip.__name__}: max_.* is nan"):
            clip(params, math.nan)
