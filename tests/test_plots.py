"""Plots: what they draw is what they were given; the same bytes every time; and what is wrong is said."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import plots

matplotlib = pytest.importorskip("matplotlib")

SVG, PNG, PDF = b"<?xml", b"\x89PNG", b"%PDF"
POINTS = np.array([[0.0, 0.0], [1.0, 0.2], [0.3, 1.0], [1.0, 1.0]])
CLASSES = np.array([0, 1, 0, 1])


def trained() -> plots.Watch:
    """Three steps of a net with two hidden layers."""
    random = np.random.default_rng(0)
    x = random.normal(size=(5, 2))
    W1, W2 = (tg.Tensor(random.normal(size=(2, 2)), requires_grad=True, name=name) for name in ("W1", "W2"))
    b = tg.Tensor([0.1, 0.2], requires_grad=True, name="b1")
    watch = plots.Watch([W1, b, W2])
    for _ in range(3):
        L = (tg.tanh(tg.tanh(x @ W1 + b).named("h1") @ W2).named("h2") ** 2).mean()
        for p in (W1, b, W2):
            p.zero_grad()
        L.backward()
        watch.record(L)
        for p in (W1, b, W2):
            p.data -= 0.1 * p.grad
    return watch


def bowl(x: Any, y: Any) -> Any:
    return x**2 + 4 * y**2


def side(p: tg.Tensor) -> tg.Tensor:
    return 3 * (p[:, 0] - 0.5)


def plain(to: Any = None) -> Any:
    return plots.loss_curve([3.0, 2.0, 1.0], to=to)


KINDS: dict[str, Callable[[], Any]] = {
    "loss_curve": lambda: plots.loss_curve({"loss": [3.0, 1.0], "val_loss": [3.0, 2.0]}),
    "decision_boundary": lambda: plots.decision_boundary(side, POINTS, CLASSES, resolution=20),
    "activations": lambda: plots.activations(trained()),
    "gradients": lambda: plots.gradients(trained()),
    "update_ratio": lambda: plots.update_ratio(trained()),
    "layer_activations": lambda: plots.layer_activations(trained()),
    "difference_curve": lambda: plots.difference_curve(tg.exp, [1.0]),
    "heatmap": lambda: plots.heatmap([[1.0, -2.0], [0.5, np.nan]]),
    "parameter_map": lambda: plots.parameter_map(tg.Tensor([[1.0, -2.0]], name="W1")),
    "images": lambda: plots.images(np.eye(4)[:3], labels=[1, 2, 3], predictions=[1, 2, 2]),
    "path": lambda: plots.path(bowl, {"way": [[2.0, 1.0], [0.0, 0.0]]}, minimum=(0, 0)),
    "panels": lambda: plots.panels(1, 2)[0],
}


def lines(figure: Any, axes: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """What is drawn, by label: the points of each line, (T, 2)."""
    return {line.get_label(): line.get_xydata() for line in figure.axes[axes].get_lines()}


def texts(figure: Any) -> list[str]:
    """Everything that is written."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without matplotlib."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib" or name == "tinygrad_edu.plots.chart":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_every_time_whatever_the_reader_has_set(kind: str, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    first = KINDS[kind]()
    assert isinstance(first, matplotlib.figure.Figure)
    first.write(tmp_path / "1.svg")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 5, "svg.fonttype": "none", "axes.grid": True}):
        second = KINDS[kind]()
        second.write(tmp_path / "2.svg")
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    assert (tmp_path / "1.svg").read_bytes().startswith(SVG)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(("suffix", "start"), [("svg", SVG), ("PNG", PNG), ("pdf", PDF)])
def test_the_suffix_is_the_format(suffix: str, start: bytes, tmp_path: Path) -> None:
    target = tmp_path / f"f.{suffix}"
    plain(to=target)
    first = target.read_bytes()
    assert first.startswith(start)
    plain(to=str(target))
    assert target.read_bytes() == first
    assert list(tmp_path.iterdir()) == [target]


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end it in \.svg, \.png or \.pdf"):
        plain(to=tmp_path / "f.jpeg")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        plain(to=tmp_path / "none" / "f.svg")
    with pytest.raises(ValueError, match=r"end it in \.gif"):
        plots.decision_animation([side], POINTS, CLASSES, to=tmp_path / "f.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_shows_itself_in_jupyter() -> None:
    figure = plain()
    assert figure._repr_svg_().startswith("<?xml")
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(figure)
    assert "<svg" in shown["image/svg+xml"]
    film = plots.decision_animation([side], POINTS, CLASSES, resolution=5)
    assert 'src="data:image/gif;base64,R0lGOD' in formatters.DisplayFormatter().format(film)[0]["text/html"]


def test_neither_pyplot_nor_a_display_is_needed() -> None:
    code = (
        "import sys, tinygrad_edu as tg; tg.plots; print('matplotlib' in sys.modules);"
        "tg.plots.loss_curve([1.0, 2.0])._repr_svg_(); print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


@pytest.mark.usefixtures("unseen")
@pytest.mark.parametrize("kind", KINDS)
def test_without_matplotlib_the_command_is_named(kind: str) -> None:
    with pytest.raises(ImportError, match=r'pip install "tinygrad-edu\[plots\]"'):
        KINDS[kind]()


@pytest.mark.usefixtures("unseen")
def test_a_watch_needs_no_matplotlib() -> None:
    assert trained().steps == 3


def test_loss_curve_draws_the_numbers() -> None:
    history = tg.training.History({"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, 2.5, 2.75], "accuracy": [0.1, 0.5, 0.9]})
    figure = plots.loss_curve(history, title="A run")
    drawn = lines(figure)
    assert drawn["training"].tolist() == [[0, 3], [1, 2], [2, 1]]
    assert drawn["validation"][:, 1].tolist() == [4, 2.5, 2.75]
    assert {"A run", "epoch", "loss", f"best: 2.5 in epoch {history.best['epoch']}"} <= set(texts(figure))
    first, second, ring = figure.axes[0].get_lines()
    assert first.get_linestyle() != second.get_linestyle()
    assert ring.get_xydata().tolist() == [[1, 2.5]]
    assert lines(plots.loss_curve(history, what="accuracy"))["accuracy"][:, 1].tolist() == [0.1, 0.5, 0.9]


def test_loss_curve_of_several_runs() -> None:
    runs = {"SGD": [2.0, 1.0], "Adam": {"loss": [2.0, 0.5], "val_loss": [2.0, 0.7]}}
    figure = plots.loss_curve(runs, log=True)
    assert list(lines(figure)) == ["SGD", "Adam", "Adam, validation"]
    assert figure.axes[0].get_yscale() == "log"
    drawn = figure.axes[0].get_lines()
    assert len({line.get_color() for line in drawn}) == 2
    assert len({line.get_marker() for line in drawn}) == 2
    assert not [text for text in texts(figure) if text.startswith("best")]


def test_loss_curve_leaves_gaps_and_says_so() -> None:
    figure = plots.loss_curve([1.0, np.nan, 2.0, np.inf, -1.0, 0.0, 3.0], log=True, xlabel="step")
    assert "step not drawn: 1 NaN and 1 infinite and 2 not positive in loss" in [t.replace("\n", " ") for t in texts(figure)]
    assert np.isnan(lines(figure)["loss"][:, 1]).tolist() == [False, True, False, True, True, True, False]
    figure._repr_svg_()
    with pytest.raises(ValueError, match=r"(?s)no 'f1', it has loss, lr.*Try"):
        plots.loss_curve({"loss": [1.0], "lr": [0.1]}, what="f1")
    everything = plots.loss_curve([np.nan, np.nan])
    assert "not drawn: 2 NaN in loss" in everything.axes[0].get_xlabel()
    everything._repr_svg_()


@pytest.mark.parametrize("empty", [[], {}, {"loss": []}, {"a": []}, [[1.0]], 3.0])
def test_loss_curve_needs_a_history(empty: Any) -> None:
    with pytest.raises(ValueError, match="loss_curve: "):
        plots.loss_curve(empty)


def test_loss_curve_names_what_is_missing() -> None:
    with pytest.raises(ValueError, match="run 'a' has no 'accuracy', it has loss"):
        plots.loss_curve({"a": {"loss": [1.0]}}, what="accuracy")
    with pytest.raises(TypeError, match="'loss' is not a list of numbers"):
        plots.loss_curve(["a", "b"])


def contours(figure: Any) -> np.ndarray[Any, Any]:
    """The points of the lines between classes."""
    paths = [path for c in figure.axes[0].collections if hasattr(c, "levels") for path in c.get_paths()]
    return np.concatenate([np.zeros((0, 2)), *(path.vertices for path in paths)])


def test_the_boundary_is_where_the_logit_is_zero() -> None:
    figure = plots.decision_boundary(lambda p: p[:, 0] - 2 * p[:, 1] + 0.3, POINTS, CLASSES, resolution=40)
    found = contours(figure)
    assert len(found) > 20
    assert np.allclose(found[:, 0] - 2 * found[:, 1] + 0.3, 0, atol=1e-9 + 5e-3)
    # The same with one column, with two, and as probabilities.
    same: list[tuple[Callable[[Any], Any], str]] = [
        (lambda p: p[:, :1] - 2 * p[:, 1:] + 0.3, "logits"),
        (lambda p: tg.concatenate([0 * p[:, :1], p[:, :1] - 2 * p[:, 1:] + 0.3], axis=1), "logits"),
        (lambda p: tg.sigmoid(p[:, 0] - 2 * p[:, 1] + 0.3), "probabilities"),
    ]
    for predict, output in same:
        other = plots.decision_boundary(predict, POINTS, CLASSES, output=output, resolution=40)
        assert np.allclose(other.axes[0].get_images()[0].get_array(), figure.axes[0].get_images()[0].get_array())
        assert np.allclose(contours(other), found)


def test_the_boundary_has_the_colour_and_the_points_of_each_class() -> None:
    x, y = tg.data.spirals(60, 3)
    centers = np.array([[0.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])

    def predict(p: tg.Tensor) -> tg.Tensor:
        return 5 * (p @ centers.T)

    figure = plots.decision_boundary(predict, x, y, classes=["a", "b", "c"], resolution=30)
    ax = figure.axes[0]
    image, (left, right, bottom, top) = np.asarray(ax.get_images()[0].get_array()), ax.get_images()[0].get_extent()
    legend = dict(
        zip(
            [t.get_text() for t in ax.get_legend().get_texts()],
            [c for c in ax.collections if c.get_label() in "abc"],
            strict=True,
        )
    )
    for k, name in enumerate("abc"):
        assert np.allclose(legend[name].get_offsets(), x[y == k])
        column, row = ((centers[k] * 0.7 - [left, bottom]) / [right - left, top - bottom] * 29).round().astype(int)
        color = matplotlib.colors.to_rgb(plots.style.COLORS[k])
        assert np.allclose(image[row, column], 1 - 0.5 * (1 - np.array(color)), atol=0.1)
    assert ax.get_legend().get_texts()[0].get_text() == "a"
    without = plots.decision_boundary(predict, x, y, resolution=5, legend=False)
    assert without.axes[0].get_legend() is None


def test_the_boundary_is_asked_in_parts_without_recording_in_evaluation() -> None:
    class Model(tg.nn.Module):
        def __init__(self) -> None:
            self.linear = tg.nn.Linear(2, 1, seed=0)
            self.dropout = tg.nn.Dropout(0.5, seed=0)
            self.dropout.eval()
            self.asked: list[int] = []

        def forward(self, p: tg.Tensor) -> tg.Tensor:
            assert not self.training
            u: tg.Tensor = self.dropout(self.linear(p))
            assert u.is_leaf  # nothing was recorded
            self.asked.append(len(p))
            return u

    model = Model()
    plots.decision_boundary(model, POINTS, CLASSES, resolution=100)
    assert model.asked == [4096, 4096, 10_000 - 2 * 4096]
    assert (model.training, model.linear.training, model.dropout.training) == (True, True, False)
    with pytest.raises(tg.ShapeError):
        plots.decision_boundary(model, POINTS[:, :1], CLASSES)
    assert model.training


def test_predictions_that_are_not_finite_are_grey_and_said() -> None:
    def half(p: tg.Tensor) -> tg.Tensor:
        return tg.where(p[:, 1] > 0.5, np.nan, p[:, 0] - 0.5)

    figure = plots.decision_boundary(half, POINTS, CLASSES, resolution=20)
    assert "predictions that are not finite (50 % of the plane, grey)" in " ".join(figure.axes[0].get_xlabel().split())
    image = figure.axes[0].get_images()[0].get_array()
    assert np.allclose(image[15], matplotlib.colors.to_rgb(plots.style.BAD))
    with np.errstate(all="ignore"):
        plots.decision_boundary(lambda p: p[:, 0] * np.inf, POINTS, CLASSES, resolution=5)._repr_svg_()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((side, np.ones((4, 3)), CLASSES), tg.ShapeError, r"x\[:, \[0, 1\]\]"),
        ((side, np.ones((0, 2)), []), tg.ShapeError, r"\(0, 2\)"),
        ((side, POINTS, CLASSES[:3]), tg.ShapeError, r"\(4, 2\) and y \(3,\)"),
        ((side, POINTS, [0, 1, 0.5, 1]), ValueError, "y is not classes"),
        ((side, POINTS, [0, 1, -1, 1]), ValueError, "y is not classes"),
        ((side, POINTS * [1, np.nan], CLASSES), ValueError, "4 of the points"),
        ((lambda p: p.sum(), POINTS, CLASSES), tg.ShapeError, r"gives shape \(\)"),
        ((lambda p: p[:3, 0], POINTS, CLASSES), tg.ShapeError, r"gives shape \(3,\): it must be \(4096,\)"),
        ((side, POINTS, [0, 1, 2, 1]), tg.ShapeError, "gives 2 classes, but y has class 2"),
    ],
)
def test_boundaries_that_cannot_be_drawn(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        plots.decision_boundary(*arguments)
    with pytest.raises(ValueError, match="output is 'odds'"):
        plots.decision_boundary(side, POINTS, CLASSES, output="odds")
    with pytest.raises(ValueError, match="there are 1 names"):
        plots.decision_boundary(side, POINTS, CLASSES, classes=["one"])


def test_an_animation_asks_each_frame_when_it_comes(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    state = {"shift": 0.0}

    def training() -> Iterator[tuple[str, Callable[[Any], Any]]]:
        for epoch in range(4):
            yield f"epoch {epoch}", lambda p: p[:, 0] - state["shift"]
            state["shift"] += 0.3

    film = plots.decision_animation(training(), POINTS, CLASSES, resolution=30, fps=5, to=tmp_path / "f.gif")
    assert (tmp_path / "f.gif").read_bytes() == film.data
    assert film.frames == 4
    gif = image.open(io.BytesIO(film.data))
    assert gif.n_frames == 4
    blue, durations = [], []
    for k in range(4):
        gif.seek(k)
        durations.append(gif.info["duration"])
        pixels = np.asarray(gif.convert("RGB")).astype(int)
        blue.append(int((pixels[..., 2] > pixels[..., 0] + 5).sum()))
    assert durations == [200, 200, 200, 2000]
    assert blue[0] < blue[1] < blue[2] < blue[3]  # the boundary moves to the right
    state["shift"] = 0.0
    assert plots.decision_animation(training(), POINTS, CLASSES, resolution=30, fps=5).data == film.data
    still = image.open(io.BytesIO(plots.decision_animation([("a", side), ("a\nb\nc", side)], POINTS, CLASSES, resolution=9).data))
    halves = []
    for k in range(2):
        still.seek(k)
        halves.append(np.asarray(still.convert("RGB"))[200:])
    assert np.array_equal(*halves)  # what is under a title stands still
    assert (halves[0][-1] == 255).all()  # white is white
    with pytest.raises(ValueError, match="no frames"):
        plots.decision_animation([], POINTS, CLASSES)


def test_a_watch_notes_what_happens() -> None:
    x = np.array([[1.0, -2.0]])
    W = tg.Tensor([[0.5], [0.25]], requires_grad=True, name="W1")
    watch = plots.Watch(W)
    before = W.numpy()
    norms, ratios = [], []
    for _ in range(3):
        L = (tg.tanh(x @ W).named("h1") * 2.0).sum()
        W.zero_grad()
        L.backward()
        watch.record(L)
        h = np.tanh(x @ before)
        gradient = 2 * (1 - h * h) * x.T
        norms.append(np.sqrt((gradient**2).sum()))
        ratios.append(0.1 * norms[-1] / np.sqrt((before**2).sum()))
        before = before - 0.1 * gradient
        W.data -= 0.1 * W.grad
    assert watch.norms["W⁽¹⁾"] == pytest.approx(norms)
    assert watch.ratios["W⁽¹⁾"] == pytest.approx(ratios[:2])
    assert watch.means["h⁽¹⁾"][0] == pytest.approx(0.0)
    assert watch.stds["h⁽¹⁾"] == [0.0, 0.0, 0.0]
    assert watch.values["h⁽¹⁾"].shape == (1, 1)


def test_a_watch_of_a_module() -> None:
    model = tg.nn.Sequential(tg.nn.Linear(3, 4, seed=0), tg.nn.ReLU(), tg.nn.Linear(4, 2, seed=1), tg.nn.Tanh())
    watch = plots.Watch(model)
    x = np.random.default_rng(0).normal(size=(6, 3))
    L = (model(x) ** 2).sum()
    L.backward()
    watch.record(L)
    hidden = np.maximum(x @ model.parameters()[0].numpy() + model.parameters()[1].numpy(), 0)
    assert len(watch.means) == 2
    assert next(iter(watch.means.values())) == pytest.approx([hidden.mean()])
    assert len(watch.norms) == 4
    assert len(watch.weights) == 2


def test_a_watch_says_what_is_wrong() -> None:
    a, b = (tg.Tensor([1.0], requires_grad=True, name="w") for _ in range(2))
    with pytest.raises(ValueError, match="two parameters are called w"):
        plots.Watch([a, b])
    with pytest.raises(ValueError, match="no parameters"):
        plots.Watch([])
    with pytest.raises(TypeError, match=r"no\. 0 is a ndarray"):
        plots.Watch([np.ones(2)])
    watch = plots.Watch({"first": a}, activations=["h9"])
    with pytest.raises(ValueError, match="no tensor that is called h9; it has w"):
        watch.record(tg.tanh(a).sum())
    watch = plots.Watch({"first": a})
    watch.record(tg.tanh(a).sum())
    assert np.isnan(watch.norms["first"][0])  # no backward, no gradient
    with pytest.raises(ValueError, match="this record has none, the first one had tanh 1"):
        watch.record(a.sum())


def test_layers_are_drawn_by_their_numbers() -> None:
    watch = trained()
    figure = plots.gradients(watch)
    drawn = figure.axes[0].get_lines()
    assert [line.get_ydata().tolist() for line in drawn] == [watch.norms["W⁽¹⁾"], watch.norms["W⁽²⁾"]]
    assert {"W⁽¹⁾", "W⁽²⁾"} <= set(texts(figure))
    assert len({line.get_linestyle() for line in drawn}) == 2
    biases = plots.gradients(watch, parameters=["b⁽¹⁾"])
    assert biases.axes[0].get_lines()[0].get_ydata().tolist() == watch.norms["b⁽¹⁾"]
    both = plots.activations(watch)
    for axes, series in ((0, watch.stds), (1, watch.means)):
        assert [line.get_ydata().tolist() for line in both.axes[axes].get_lines()] == list(series.values())
    mark, *ratios = plots.update_ratio(watch).axes[0].get_lines()
    assert list(mark.get_ydata()) == [1e-3, 1e-3]
    assert [line.get_ydata().tolist() for line in ratios] == [watch.ratios["W⁽¹⁾"], watch.ratios["W⁽²⁾"]]


def test_names_at_the_ends_of_lines_do_not_overlap() -> None:
    figure = plots.gradients({f"layer {k}": [1.0, 1.0 + 1e-3 * k] for k in range(8)})
    figure._repr_svg_()
    boxes = sorted((t.get_window_extent() for t in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) == 8
    assert all(above.y0 >= below.y1 - 4 for below, above in pairwise(boxes))
    low = plots.gradients({**{f"layer {k}": [1.0, 1.0 + 1e-3 * k] for k in range(8)}, "high": [1.0, 1e6]})
    low._repr_svg_()
    assert min(t.get_window_extent().y0 for t in low.axes[0].texts) > low.axes[0].get_window_extent().y0 - 12


def contrast(color: Any) -> float:
    """With white, as the Web Content Accessibility Guidelines define it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(color)]
    return float(1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05))


def test_names_of_layers_can_be_read() -> None:
    layers = {f"W{i}": [10.0**-i, 10.0**-i] for i in range(6)}
    for figure in (plots.gradients(layers), plots.update_ratio(layers), plots.activations(trained())):
        for text in figure.findobj(matplotlib.text.Text):
            assert contrast(text.get_color()) >= 4.5, text
    lightest = plots.gradients(layers).axes[0].get_lines()[0].get_color()
    assert contrast(lightest) < 4.5  # a line may be paler than text
    assert contrast("#777777") == pytest.approx(4.48, abs=0.005)  # as the guidelines' examples have it


def test_a_title_that_is_set_later_looks_like_the_others() -> None:
    figure, (left, right) = plots.panels(1, 2, sharey=True)
    plots.loss_curve([3.0, 2.0], title="ours", ax=left)
    with matplotlib.rc_context({"axes.titleweight": "light", "axes.titlesize": 30}):
        right.set_title("theirs")
    ours, theirs = left.title, right.title
    assert theirs.get_weight() == ours.get_weight() == "bold"
    assert (theirs.get_fontproperties(), theirs.get_color()) == (ours.get_fontproperties(), ours.get_color())
    right.set_title("theirs", fontweight="light", loc="left")
    assert right.get_title(loc="left") == "theirs"
    assert right._left_title.get_weight() == "light"
    assert plots.panels(subplot_kw={"projection": "polar"})[1].name == "polar"
    assert figure.axes == [left, right]


def test_histograms_count_every_value() -> None:
    values = {"first": np.linspace(-1, 1, 40), "second": [0.0, 0.0, np.nan]}
    figure = plots.layer_activations(values, bins=4)
    steps = [ax.patches[0].get_data() for ax in figure.axes]
    assert [step.values.tolist() for step in steps] == [[0.25] * 4, [0, 0, 1, 0]]
    assert steps[0].edges.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert "not drawn: 1 NaN in second" in figure.axes[-1].get_xlabel()


def test_layers_that_cannot_be_drawn() -> None:
    w = tg.Tensor([[1.0]], requires_grad=True, name="W1")
    empty = plots.Watch(w)
    for draw in (plots.activations, plots.gradients, plots.update_ratio, plots.layer_activations):
        with pytest.raises(ValueError, match=rf"{draw.__name__}: .*"):
            draw(empty)
    with pytest.raises(ValueError, match="there is no W9; there are W⁽¹⁾"):
        plots.gradients(empty, parameters=["W9"])
    figure = plots.gradients({"a": [1.0, 0.0, np.nan], "b": [np.nan] * 3})
    assert "not drawn: 1 NaN and 1 not positive in a; 3 NaN in b" in figure.axes[0].get_xlabel()
    figure._repr_svg_()


def test_difference_errors_are_those_of_taylor() -> None:
    errors = plots.difference_errors(lambda a: a**3, [2.0])
    assert errors.exact == 12
    large = errors.h > 1e-3
    h = errors.h[large]
    assert errors.forward[large] == pytest.approx(6 * h + h**2, rel=1e-6)
    assert errors.central[large] == pytest.approx(h**2, rel=1e-4)
    assert (errors.h[0], errors.h[-1]) == (1, pytest.approx(1e-16, rel=0.5))
    assert 1e-7 < errors.best < 1e-4
    tiny = errors.h < 1e-12
    assert errors.central[tiny].max() > 1e-5  # rounding


def test_difference_errors_along_a_direction() -> None:
    a, b = np.array([0.3, -0.2]), np.array([[1.0, 2.0]])
    errors = plots.difference_errors(lambda a, b: (b @ tg.sin(a)).sum(), [a, tg.Tensor(b)], seed=3)
    v = np.random.default_rng(3).standard_normal(4)
    v /= np.linalg.norm(v)
    assert errors.exact == pytest.approx((b[0] * np.cos(a)) @ v[:2] + np.sin(a) @ v[2:])
    assert errors.central.min() < 1e-9
    with pytest.raises(ValueError, match=r"shape \(2,\): it must be one number"):
        plots.difference_errors(tg.sin, [a])
    with pytest.raises(ValueError, match="choose a point where both are finite"), np.errstate(all="ignore"):
        plots.difference_errors(tg.log, [0.0])


def test_difference_curve_draws_them() -> None:
    errors = plots.difference_errors(tg.exp, [1.0])
    figure = plots.difference_curve(tg.exp, [1.0])
    drawn = lines(figure)
    kept = errors.central > 0
    assert np.array_equal(drawn["central difference"][kept], np.column_stack([errors.h, errors.central])[kept])
    assert {"O(h)", "O(h²)", "ε |f| / h", f"best: h = {errors.best:.0e}"} <= set(texts(figure))
    plots.difference_curve(lambda a: tg.log(a), [0.5])._repr_svg_()  # x − h is outside of its domain
    plots.difference_curve(lambda a: 2 * a, [1.0])._repr_svg_()  # hardly any error


def test_heatmap_shows_the_numbers() -> None:
    values = np.array([[1.0, -2.0, 0.5], [0.25, np.nan, 0.0]])
    figure = plots.heatmap(tg.Tensor(values), rows=["a", "b"], columns=["x", "y", "z"], xlabel="to")
    image = figure.axes[0].get_images()[0]
    assert np.array_equal(image.get_array().filled(7), np.where(np.isnan(values), 7, values))
    assert image.get_clim() == (-2, 2)  # 0 is in the middle, white
    assert {"a", "b", "x", "y", "z", "−2.00", "0.25", "×"} <= set(texts(figure))
    assert "not drawn: 1 of 6 values" in figure.axes[0].get_xlabel()
    counts = plots.heatmap(np.arange(4).reshape(2, 2), bar=False)
    assert {"0", "1", "2", "3"} <= set(texts(counts))
    assert len(counts.axes) == 1
    assert counts.axes[0].get_images()[0].get_clim() == (0, 3)
    assert len(plots.heatmap(np.zeros((40, 40))).axes[0].texts) == 0
    with pytest.raises(tg.ShapeError, match="3 names for 2 rows"):
        plots.heatmap(values, rows="abc")
    with pytest.raises(tg.ShapeError, match=r"shape \(1, 2, 3\)"):
        plots.heatmap(values[None])
    with pytest.raises(TypeError, match="not an array of numbers"):
        plots.heatmap([["a"]])


def test_parameters_as_maps() -> None:
    figure = plots.parameter_map(tg.Tensor([[1.0, -2.0]], requires_grad=True, name="W1"))
    assert figure.axes[0].get_title() == "W⁽¹⁾  (1, 2)"
    assert {"input", "output"} <= set(texts(figure))
    filters = np.random.default_rng(0).normal(size=(5, 2, 3, 3))
    figure = plots.parameter_map(filters)
    shown = [ax.get_images()[0].get_array() for ax in figure.axes if ax.get_visible()]
    assert np.allclose(shown, filters.mean(axis=1))
    with pytest.raises(tg.ShapeError, match=r"shape \(1, 1, 1\)"):
        plots.parameter_map(np.zeros((1, 1, 1)))


def test_images_say_what_they_were_taken_for() -> None:
    x = np.random.default_rng(0).uniform(size=(5, 9))
    figure = plots.images(x, labels=np.arange(5), predictions=[0, 1, 7, 3, 4], columns=3)
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert np.allclose([ax.get_images()[0].get_array() for ax in visible], x.reshape(5, 3, 3))
    assert [ax.get_title() for ax in visible] == ["0", "1", "2 → 7", "3", "4"]
    widths = [ax.spines["left"].get_linewidth() for ax in visible]
    assert widths[2] > 2 * max(widths[:2] + widths[3:])
    with pytest.raises(tg.ShapeError, match="4 labels for 5 images"):
        plots.images(x, labels=range(4))
    with pytest.raises(tg.ShapeError, match="pixels"):
        plots.images(np.zeros((2, 10)))


def test_paths_on_a_surface() -> None:
    ways = {"a": [[2.0, 1.0], [1.0, 0.5], [0.1, 0.0]], "b": [[2.0, 1.0], [np.inf, 0.0], [0.0, 0.1]]}
    figure = plots.path(bowl, ways, minimum=(0, 0), levels=6)
    drawn = lines(figure)
    assert drawn["a"].tolist() == ways["a"]
    assert np.isnan(drawn["b"][1]).all()
    assert "not drawn: 1 NaN in b" in figure.axes[0].get_xlabel() or "1 infinite in b" in figure.axes[0].get_xlabel()
    assert {"start", "minimum"} <= set(texts(figure))
    lowest = next(c for c in figure.axes[0].collections if hasattr(c, "levels"))
    for level, path in zip(lowest.levels, lowest.get_paths(), strict=True):
        heights = bowl(*path.vertices.T)
        assert np.allclose(heights, level, rtol=0.05, atol=2e-3)
    tensors = plots.path(lambda x, y: tg.exp(x) + y, ways, xlim=(0, 1), ylim=(0, 2))
    assert tensors.axes[0].get_xlim() == (0, 1)
    plots.path(lambda x, y: 0 * x, ways)._repr_svg_()  # flat
    with pytest.raises(tg.ShapeError, match=r"'a' has shape \(3,\)"):
        plots.path(bowl, {"a": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="no finite point"):
        plots.path(bowl, {})
    with pytest.raises(tg.ShapeError, match="entry by entry"):
        plots.path(lambda x, y: 1.0, ways)


def test_any_name_is_shown_as_text() -> None:
    names = ["$x$", "y$", r"$\frac{$", "_hidden", "a\nb", "\x1b[2J", "<b>&", "日本 🙂", "n" * 5000]
    curve = plots.loss_curve({name: [1.0, 2.0] for name in names})
    shown = [text.get_text() for text in curve.axes[0].get_legend().get_texts()]
    assert [text.strip() for text in shown[3:7]] == ["_hidden", "a↵b", "�[2J", "<b>&"]
    assert len(shown) == len(names)
    assert len(shown[8]) == 32
    steps = plots.gradients({name: [1.0, 2.0] for name in names})
    square = plots.heatmap(np.eye(9), rows=names, columns=names)
    ways = plots.path(bowl, {name: [[1.0, 1.0]] for name in names})
    parameter = plots.parameter_map(tg.Tensor([[1.0]], name="$_<"))
    for figure in (curve, steps, square, ways, parameter):
        figure._repr_svg_()


def test_plots_on_axes_that_are_there(tmp_path: Path) -> None:
    figure, (left, right) = plots.panels(1, 2)
    assert plots.loss_curve([1.0, 2.0], ax=left) is figure
    assert plots.decision_boundary(side, POINTS, CLASSES, ax=right, resolution=5) is figure
    assert len(left.get_lines()) == 1
    # A figure of the reader's own, also one in another.
    own = matplotlib.figure.Figure()
    inner = own.subfigures(1, 2)[0].subplots()
    assert plots.heatmap([[1.0]], ax=inner, to=tmp_path / "own.png") is own
    assert (tmp_path / "own.png").read_bytes().startswith(PNG)


# ---- what there is little room for ----------------------------------------------------------------------------------


def test_a_long_title_and_small_print_stay_on_the_figure() -> None:
    title = "How the losses of two runs that were trained on the same data with other learning rates came down in the end"
    for figure in (
        plots.loss_curve([3.0, np.nan, 1.0], title=title),
        plots.heatmap([[1.0, np.nan]], title="Three words here"),
        plots.decision_boundary(lambda p: p[:, 0] * np.nan, POINTS, CLASSES, resolution=5, title=title),
    ):
        figure.canvas.draw()
        wide = figure.get_figwidth() * figure.dpi
        for text in (figure.axes[0].title, figure.axes[0].xaxis.label):
            box = text.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= wide, text.get_text()


def test_a_single_step_is_at_a_whole_number() -> None:
    for figure in (plots.loss_curve([1.0]), plots.gradients({"W": [1.0]})):
        figure.canvas.draw()
        left, right = figure.axes[0].get_xlim()
        assert [tick for tick in figure.axes[0].get_xticks() if left <= tick <= right] == [0.0]


def test_numbers_in_the_fields_are_told_to_two_digits_at_least() -> None:
    assert {"1.2e−05", "−3.0e−07"} <= set(texts(plots.heatmap([[1.2e-5, -3e-7]])))
    assert "0.012" in texts(plots.heatmap([[0.012, 0.034]]))
    row = np.linspace(0.11, 0.98, 40)
    assert "0.110" not in texts(plots.heatmap(row))  # no room
    assert "0.110" in texts(plots.heatmap(row, numbers=True))


def test_logits_are_not_drawn_as_probabilities() -> None:
    with pytest.raises(ValueError, match=r'(?s)predict gives .* to .*: probabilities are 0 to 1.*Try: output="logits"'):
        plots.decision_boundary(lambda p: 3 * p[:, 0], POINTS, CLASSES, output="probabilities")
    with pytest.raises(ValueError, match="probabilities are 0 to 1"):
        plots.decision_boundary(lambda p: np.exp(np.asarray(p)), POINTS, CLASSES, output="probabilities")  # not normalized
    plots.decision_boundary(lambda p: tg.sigmoid(3 * p[:, 0]), POINTS, CLASSES, output="probabilities", resolution=5)


def test_errors_of_zero_are_counted_and_no_inputs_are_refused() -> None:
    figure = plots.difference_curve(lambda x: 0 * x, [0.7])
    errors = plots.difference_errors(lambda x: 0 * x, [0.7])
    zeros = int((errors.forward == 0).sum() + (errors.central == 0).sum())
    assert zeros > 50
    assert f"not drawn: {zeros} errors that are 0" in figure.axes[0].get_xlabel()
    with pytest.raises(ValueError, match="there are no inputs"):
        plots.difference_curve(tg.tanh, [])


def test_a_path_that_left_may_end_where_f_overflows() -> None:
    figure = plots.path(lambda x, y: x * x + y * y, {"a": [[1.0, 1.0], [1e200, 2.0]]})
    assert figure.axes


def test_the_names_of_rows_may_be_an_array() -> None:
    classes = np.unique([2, 0, 1, 0])
    figure = plots.heatmap(np.eye(3), rows=classes, columns=classes)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0", "1", "2"]
