"""Two half moons: a hidden layer bends the border, seen on points that it did not learn from.

The loop is written out: forward, backward, step, for one minibatch after the other; tg.fit does the
same. A linear model on the same points shows what the hidden layer is good for.
"""

import tinygrad_edu as tg
from tinygrad_edu import demos


def train(model, train_set, epochs, seed):
    """The mean loss of every epoch."""
    opt = tg.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for x, y in tg.data.minibatches(*train_set, batch_size=32, seed=seed, epoch=epoch):
            opt.zero_grad()
            L = tg.binary_cross_entropy_with_logits(model(x)[:, 0], y)
            L.backward()
            opt.step()
            total += L.item() * len(x)
        losses.append(total / len(train_set[1]))
    return losses


def run(out, quick=False, seed=0):
    points = tg.data.moons(600, noise=0.1, seed=seed)
    train_set, test_set = tg.data.split(*points, test=200, seed=seed, stratify=True)
    models = {
        "linear": tg.nn.Linear(2, 1, seed=seed),
        "16 hidden neurons": tg.nn.MLP([2, 16, 1], activation="tanh", seed=seed),
    }
    print("                    first loss   last loss   accuracy, training   accuracy, held out")
    losses, accuracy = {}, {}
    for name, model in models.items():
        losses[name] = train(model, train_set, epochs=40 if quick else 100, seed=seed)
        seen, held_out = (
            tg.training.accuracy(model(x).numpy(), y) for x, y in (train_set, test_set)
        )
        accuracy[name] = {"training": seen, "held out": held_out}
        row = f"{losses[name][0]:10.4f}{losses[name][-1]:12.4f}{seen:21.3f}{held_out:21.3f}"
        print(f"{name:<20}{row}")

    figure, axes = tg.plots.panels(1, 3, size=(15, 4.4))
    tg.plots.loss_curve(losses, log=True, title="Loss on the training set", ax=axes[0])
    for ax, (name, model) in zip(axes[1:], models.items(), strict=True):
        title = f"{name}: {accuracy[name]['held out']:.1%} right"
        tg.plots.decision_boundary(
            model, *test_set, classes=points.classes, legend=ax is axes[2], title=title, ax=ax
        )
    figure.write(out / "moons.svg")
    straight, bent = (accuracy[name]["held out"] for name in models)
    print(f"\nSeen: a straight border is right for {straight:.1%} of the points held out.")
    print(f"The border of {len(models)} layers is bent, and right for {bent:.1%}.")
    return {"losses": losses, "accuracy": accuracy}


if __name__ == "__main__":
    demos.main(run)
