"""Three spirals: the border of a network winds itself around them, filmed while it learns.

Three classes, cross entropy: L = −ln softmax(u)_y. Each picture of the film is taken after some
epochs of tg.fit; a generator trains between two of them. The data are those of the course CS231n,
Stanford.
"""

from functools import partial

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos


def run(out, quick=False, seed=0):
    points = tg.data.spirals(300, classes=3, seed=seed)
    (x, y), test_set = tg.data.split(*points, test=75, seed=seed, stratify=True)
    model = tg.nn.MLP([2, 32, 32, 3], activation="tanh", seed=seed)
    opt = tg.optim.Adam(model.parameters(), lr=0.01)
    frames, epochs = (4, 25) if quick else (40, 5)
    fit = partial(tg.fit, model, tg.cross_entropy, (x, y), opt, epochs=epochs, progress=False)
    losses, accuracies = [], []

    def film():
        """Show the model, train for some epochs, and again."""
        for frame in range(frames + 1):
            if frame:
                losses.extend(fit(seed=seed + frame)["loss"])
            accuracies.append(tg.training.accuracy(model(test_set[0]).numpy(), test_set[1]))
            yield f"epoch {frame * epochs}: {accuracies[-1]:.0%}", model

    resolution = 60 if quick else 120
    tg.plots.decision_animation(
        film(), x, y, classes=points.classes, resolution=resolution, to=out / "spirals.gif"
    )
    print("epoch     loss   accuracy, held out")
    for frame in np.linspace(1, frames, 4).round().astype(int):
        print(f"{frame * epochs:5d}{losses[frame * epochs - 1]:9.4f}{accuracies[frame]:21.3f}")

    figure, (left, right) = tg.plots.panels(1, 2, size=(11, 4.4))
    tg.plots.loss_curve(losses, log=True, title="Cross entropy while it learns", ax=left)
    left.axhline(np.log(3), color="black", linestyle=":")
    left.annotate(
        "guessing: ln 3", (len(losses), np.log(3)), (0, 4), ha="right", textcoords="offset points"
    )
    left.set_ylim(top=3)
    title = f"{accuracies[-1]:.1%} of the held-out points are right"
    tg.plots.decision_boundary(model, *test_set, classes=points.classes, title=title, ax=right)
    figure.write(out / "spirals.svg")
    print(f"\nSeen: the loss falls from {losses[0]:.2f} to {losses[-1]:.3f}; guessing has ln 3.")
    print(f"Held-out points are right: {accuracies[0]:.0%} at first, {accuracies[-1]:.0%} at last.")
    return {"losses": losses, "accuracies": accuracies}


if __name__ == "__main__":
    demos.main(run)
