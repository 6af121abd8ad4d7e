"""Attention: one head learns to look things up; its map shows where each question looks.

Each example is a list of eight cards, a letter and a number on each, and eight questions: what
number is on the card with this letter? A = softmax(Q Kᵀ / √d) with Q from the questions, K from the
letters; the answer is read from A V, V from the numbers. A. Vaswani et al., "Attention is all you
need" (2017), equation 1. All examples are new, in every step and in the test.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos, nn

LETTERS, NUMBERS, CARDS, D = "abcdefghijklmnop", 10, 8, 16


class Head(nn.Module):
    def __init__(self, rng):
        self.letters = nn.Embedding(len(LETTERS), D, seed=rng)
        self.numbers = nn.Embedding(NUMBERS, D, seed=rng)
        self.query = nn.Linear(D, D, bias=False, seed=rng)
        self.key = nn.Linear(D, D, bias=False, seed=rng)
        self.value = nn.Linear(D, D, bias=False, seed=rng)
        self.answer = nn.Linear(D, NUMBERS, seed=rng)

    def attention(self, letters, questions):
        """A (N, questions, cards): every row adds up to 1."""
        Q, K = self.query(self.letters(questions)), self.key(self.letters(letters))
        return tg.softmax(Q @ tg.swapaxes(K, 1, 2) / np.sqrt(D), axis=-1)

    def forward(self, letters, numbers, questions):
        V = self.value(self.numbers(numbers))
        return self.answer(self.attention(letters, questions) @ V)


def examples(n, rng):
    """Letters, numbers and questions, each (n, 8), and the answers (n, 8)."""
    letters = rng.permuted(np.tile(np.arange(len(LETTERS)), (n, 1)), axis=1)[:, :CARDS]
    numbers = rng.integers(NUMBERS, size=(n, CARDS))
    asked = rng.permuted(np.tile(np.arange(CARDS), (n, 1)), axis=1)
    questions, answers = (np.take_along_axis(a, asked, axis=1) for a in (letters, numbers))
    return (letters, numbers, questions), answers


def run(out, quick=False, seed=0):
    rng = np.random.default_rng(seed)
    model = Head(rng)
    opt = tg.optim.Adam(model.parameters(), lr=0.005)
    test, answers = examples(500, rng)
    print(model, "\n\n step     loss   right, new examples")
    steps, every = (60, 15) if quick else (120, 15)
    losses, right = [], {}
    maps = {"before": model.attention(test[0][:1], test[2][:1]).numpy()[0]}
    for step in range(steps + 1):
        x, y = examples(64, rng)
        opt.zero_grad()
        L = tg.cross_entropy(model(*x), y)
        L.backward()
        losses.append(L.item())
        if step % every == 0:
            right[step] = tg.training.accuracy(model(*test).numpy(), answers)
            print(f"{step:5d}{losses[-1]:9.4f}{right[step]:12.3f}")
        opt.step()
    maps["after"] = model.attention(test[0][:1], test[2][:1]).numpy()[0]
    letters, numbers, questions = (a[0] for a in test)
    cards = [f"{LETTERS[i]}{k}" for i, k in zip(letters, numbers, strict=True)]
    asked = [f"{LETTERS[i]}?" for i in questions]

    figure, axes = tg.plots.panels(1, 3, size=(15, 4.6))
    tg.plots.loss_curve(losses, log=True, xlabel="step", title="Cross entropy", ax=axes[0])
    for ax, (when, A) in zip(axes[1:], maps.items(), strict=True):
        title = f"Attention {when} learning"
        tg.plots.heatmap(
            A, rows=asked, columns=cards, title=title, xlabel="cards", ylabel="questions", ax=ax
        )
    figure.write(out / "attention.svg")
    A = model.attention(test[0], test[2]).numpy()
    on_card = float(A[test[2][:, :, None] == test[0][:, None, :]].mean())
    print(f"\nSeen: {right[0]:.1%} of the answers are right at first, {right[steps]:.1%} at last.")
    print(f"Of its attention each question gives {on_card:.1%} to the card that it asks for.")
    numbers = {"losses": losses, "right": list(right.values())}
    return numbers | {"on_card": on_card, "map": maps["after"].tolist()}


if __name__ == "__main__":
    demos.main(run)
