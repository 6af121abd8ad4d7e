"""Iris: three species by four lengths, and which two of them are mixed up.

Softmax regression, u = x W + b with cross entropy, is a network without a hidden layer; beside it
one with 8 hidden neurons. 150 flowers are few: in five rounds each is held out once, so that every
prediction is of a flower that was not learned from. R. A. Fisher, "The use of multiple measurements
in taxonomic problems", Annals of Eugenics 7 (1936).
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos

PETALS = [2, 3]  # the columns with their length and width


def train(sizes, x, y, seed, epochs):
    model = tg.nn.MLP(sizes, seed=seed)
    opt = tg.optim.Adam(model.parameters(), lr=0.05)
    tg.fit(model, tg.cross_entropy, (x, y), opt, epochs=epochs, seed=seed, progress=False)
    return model


def held_out(sizes, x, y, seed, epochs):
    """The class of each flower by a model that learned from other flowers, four fifths of all."""
    found = np.empty_like(y)
    for part in np.array_split(np.random.default_rng(seed).permutation(len(y)), 5):
        rest = np.setdiff1d(range(len(y)), part)
        x_rest, x_part = tg.data.standardize(x[rest], x[part])
        found[part] = train(sizes, x_rest, y[rest], seed, epochs)(x_part).numpy().argmax(axis=1)
    return found


def run(out, quick=False, seed=0):
    iris = tg.data.iris(scaled=False)
    x, y = iris
    epochs = 30 if quick else 60
    tries = {
        "petals, linear": (x[:, PETALS], [2, 3]),
        "all four lengths, linear": (x, [4, 3]),
        "all four lengths, 8 hidden": (x, [4, 8, 3]),
    }
    tables = {}
    for name, (columns, sizes) in tries.items():
        found = held_out(sizes, columns, y, seed, epochs)
        tables[name] = np.array([np.bincount(found[y == k], minlength=3) for k in range(3)])
        print(f"{name}: {np.trace(tables[name])} of {len(y)} right\n   is, taken for", end="")
        print("".join(f"{species:>12}" for species in iris.classes))
        for species, row in zip(iris.classes, tables[name], strict=True):
            print(f"   {species:<13}" + "".join(f"{n:12d}" for n in row))

    figure, (left, right) = tg.plots.panels(1, 2, size=(12, 4.6))
    petals = x[:, PETALS]
    mean, std = petals.mean(axis=0), petals.std(axis=0)
    model = train([2, 3], tg.data.standardize(petals), y, seed, epochs)
    tg.plots.decision_boundary(
        lambda p: model((p - mean) / std),
        petals,
        y,
        classes=iris.classes,
        title="Petals, linear, all flowers learned",
        xlabel="petal length in cm",
        ylabel="petal width in cm",
        ax=left,
    )
    tg.plots.heatmap(
        tables[name],
        rows=iris.classes,
        columns=iris.classes,
        title="Held out: all four, 8 hidden",
        xlabel="taken for",
        ylabel="species",
        ax=right,
    )
    figure.write(out / "iris.svg")
    right = {name: int(np.trace(table)) for name, table in tables.items()}
    setosa = sum(table[0, 1:].sum() + table[1:, 0].sum() for table in tables.values())
    mixed = sum(table[1, 2] + table[2, 1] for table in tables.values())
    print(f"\nSeen: in the {len(tries)} tries together setosa is mixed up {setosa} times, ", end="")
    print(f"versicolor and virginica {mixed} times.")
    by_petals, by_all, hidden = right.values()
    print(f"Right of 150: by petals {by_petals}, by all lengths {by_all}, with 8 hidden {hidden}.")
    return {"right": right, "setosa": int(setosa), "mixed": int(mixed)}


if __name__ == "__main__":
    demos.main(run)
