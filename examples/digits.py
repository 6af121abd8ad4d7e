"""Handwritten digits: 97 % of those that were held out are read right, after some seconds.

1797 pictures of 8 × 8 pixels, ten classes, one hidden layer. A matrix shows what is taken for what,
another picture the mistakes themselves: some are hard for us too. E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998).
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos


def run(out, quick=False, seed=0):
    x, y = tg.data.digits()
    train_set, (x_test, y_test) = tg.data.split(x, y, test=0.25, seed=seed, stratify=True)
    model = tg.nn.MLP([64, 64, 10], activation="relu", seed=seed)
    epochs = 10 if quick else 40
    history = tg.fit(
        model,
        tg.cross_entropy,
        train_set,
        tg.optim.Adam(model.parameters()),
        epochs=epochs,
        seed=seed,
        schedule=tg.optim.CosineLR(0.01, epochs),
        validation=(x_test, y_test),
        metrics=[tg.training.accuracy],
        progress=False,
    )
    print(model, end="\n\n")
    print(history)
    scores = model(x_test).numpy()
    found = scores.argmax(axis=1)
    table = np.array([np.bincount(found[y_test == k], minlength=10) for k in range(10)])

    figure, (left, right) = tg.plots.panels(1, 2, size=(12, 5))
    tg.plots.loss_curve(history, log=True, title="Cross entropy", ax=left)
    title = f"{len(y_test)} digits held out"
    tg.plots.heatmap(table, title=title, xlabel="taken for", ylabel="digit", ax=right)
    figure.write(out / "digits.svg")
    wrong = np.flatnonzero(found != y_test)
    if len(wrong):
        tg.plots.images(
            x_test[wrong],
            labels=y_test[wrong],
            predictions=found[wrong],
            title="All mistakes: what it is → what it was taken for",
            to=out / "digits_mistakes.svg",
        )
    accuracy = float(np.mean(found == y_test))
    pairs = table - np.diag(np.diag(table))
    i, j = divmod(int(pairs.argmax()), 10)
    print(f"\nSeen: of {len(y_test)} digits that were held out {accuracy:.1%} are read right.")
    print(f"Of {len(wrong)} mistakes, the most frequent is {i} taken for {j}, {pairs.max()} times.")
    return {"accuracy": accuracy, "table": table.tolist(), "losses": history["loss"]}


if __name__ == "__main__":
    demos.main(run)
