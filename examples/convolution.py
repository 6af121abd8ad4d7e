"""Convolution: the same few weights at every place of a picture, which may then be moved.

A dense layer learns each pixel for itself; a convolution moves windows of 3 × 3 weights over the
picture, here twice, each time followed by the largest of every 2 × 2 neighbours. Both networks
learn the digits where they stand; then the digits are moved to the right by one pixel. Y. LeCun et
al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86 (1998).
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos, nn


def networks(rng):
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 64, seed=rng), nn.ReLU())
    return {
        "dense": nn.Sequential(*dense, nn.Linear(64, 10, seed=rng)),
        "convolution": nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, seed=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, seed=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 10, seed=rng),
        ),
    }


def run(out, quick=False, seed=0):
    x, y = tg.data.digits()
    x = x.reshape(-1, 1, 8, 8)
    train_set, (x_test, y_test) = tg.data.split(x, y, test=0.25, seed=seed, stratify=True)
    moved = np.zeros_like(x_test)
    moved[..., 1:] = x_test[..., :-1]
    models = networks(np.random.default_rng(seed))
    print(models["convolution"])
    print("\n              weights   last loss   right, held out   right, moved by a pixel")
    numbers = {}
    for name, model in models.items():
        opt = tg.optim.Adam(model.parameters())
        epochs = 6 if quick else 12
        how = {"epochs": epochs, "seed": seed, "schedule": tg.optim.CosineLR(0.01, epochs)}
        history = tg.fit(model, tg.cross_entropy, train_set, opt, **how, progress=False)
        numbers[name] = {
            "weights": sum(p.size for p in model.parameters()),
            "loss": history["loss"][-1],
            "right": tg.training.accuracy(model(x_test).numpy(), y_test),
            "moved": tg.training.accuracy(model(moved).numpy(), y_test),
        }
        row = "{weights:9d}{loss:12.4f}{right:18.3f}{moved:26.3f}".format(**numbers[name])
        print(f"{name:<12}{row}")
    draw(models["convolution"], x_test[:3], out / "convolution.svg")
    dense, conv = numbers["dense"], numbers["convolution"]
    print("\nSeen: of the digits that were held out the convolution reads ", end="")
    print(f"{conv['right']:.1%} right with {conv['weights']} weights,")
    print(f"the dense network {dense['right']:.1%} with {dense['weights']}. ", end="")
    print(f"Moved by a pixel it is {conv['moved']:.1%} and {dense['moved']:.1%}.")
    return numbers


def draw(model, digits, path):
    """The filters of the first layer, and below them what they make of some digits."""
    filters = model[0].weight.numpy()[:, 0]
    maps = model[1](model[0](digits)).numpy()
    figure, axes = tg.plots.panels(1 + len(digits), 1 + len(filters), size=(11, 5.3))
    bound = np.abs(filters).max()
    for k, (ax, kernel) in enumerate(zip(axes[0, 1:], filters, strict=True)):
        ax.imshow(kernel, cmap="PuOr_r", vmin=-bound, vmax=bound)
        ax.set_title(f"filter {k}")
    for row, digit, found in zip(axes[1:], digits, maps, strict=True):
        for ax, picture in zip(row, [digit[0], *found], strict=True):
            ax.imshow(picture, cmap="Greys", vmin=0)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(ax is not axes[0, 0])
    axes[0, 0].text(0.5, 0.5, "orange: > 0\nviolet: < 0", ha="center", va="center")
    axes[1, 0].set_title("digit")
    figure.write(path)


if __name__ == "__main__":
    demos.main(run)
