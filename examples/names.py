"""Made-up names: a network that read Spanish names says which letter comes after three others.

Each letter is a point that is learned too (an embedding); the points of three letters go through
a hidden layer to a score for every letter that may follow. Y. Bengio et al., "A neural
probabilistic language model", Journal of Machine Learning Research 3 (2003), with letters for
words. The loss of names held out tells how much it knows, beside that of counted pairs of letters.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos, nn

CONTEXT, DIM, END = 3, 8, "."


def examples(names, letters):
    """All contexts (N, 3) and the letters (N,) that follow; the end stands before a name too."""
    words = [[letters.index(a) for a in END * CONTEXT + name + END] for name in names]
    x = [word[i - CONTEXT : i] for word in words for i in range(CONTEXT, len(word))]
    return np.array(x), np.array([k for word in words for k in word[CONTEXT:]])


def pairs_loss(train_set, test_set, n):
    """The cross entropy of guessing by how often each letter follows each, plus one."""
    counts = np.ones((n, n))
    np.add.at(counts, (train_set[0][:, -1], train_set[1]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log(shares[test_set[0][:, -1], test_set[1]]).mean())


def invent(model, letters, rng):
    """A name, each letter drawn with the probability that the model gives it."""
    word = END * CONTEXT
    while not word[CONTEXT:].endswith(END) and len(word) < 20:
        context = np.array([[letters.index(a) for a in word[-CONTEXT:]]])
        word += rng.choice(letters, p=tg.softmax(model(context)).numpy()[0])
    return word.strip(END)


def run(out, quick=False, seed=0):
    known = tg.data.names()
    letters = [END, *sorted(set("".join(known)))]
    parts = tg.data.split(known, test=0.1, seed=seed)
    train_set, test_set = (examples(names, letters) for (names,) in parts)
    rng = np.random.default_rng(seed)
    table = nn.Embedding(len(letters), DIM, init=lambda s, r: r.normal(0, 0.3, s), seed=rng)
    net = nn.MLP([CONTEXT * DIM, 64, len(letters)], seed=rng)
    model = nn.Sequential(table, nn.Flatten(), net)
    opt = tg.optim.Adam(model.parameters())
    epochs = 6 if quick else 20
    how = {"epochs": epochs, "batch_size": 64, "schedule": tg.optim.CosineLR(0.01, epochs)}
    how |= {"validation": test_set, "seed": seed, "progress": False}
    history = tg.fit(model, tg.cross_entropy, train_set, opt, **how)
    guessing, pairs = float(np.log(len(letters))), pairs_loss(train_set, test_set, len(letters))
    network = history["val_loss"][-1]
    losses = {"guessing": guessing, "pairs, counted": pairs, "network": network}
    print("on the names held out   loss   as unsure as among so many letters")
    for name, loss in losses.items():
        print(f"{name:<19}{loss:9.3f}{np.exp(loss):12.1f}")
    invented = [invent(model, letters, rng) for _ in range(10)]
    print("\ninvented:", *(name + "*" * (name in known) for name in invented))
    draw(history, losses, letters, table.weight.numpy(), out / "names.svg")
    print(f"\nSeen: the loss is {network:.2f}, with pairs {pairs:.2f}, by guessing {guessing:.2f}.")
    copied = sum(name in known for name in invented) or "None"
    print(f"Smaller is better. {copied} of ten names are in its list; a * marks those that are.")
    return {"losses": losses, "invented": invented}


def draw(history, losses, letters, points, path):
    """The loss, and the plane in which the letters' points are spread most widely."""
    figure, (left, right) = tg.plots.panels(1, 2, size=(12, 4.8))
    tg.plots.loss_curve(history, title="Cross entropy", ax=left)
    for name in ("guessing", "pairs, counted"):
        left.axhline(losses[name], color="black", linestyle=":")
        at = (len(history["loss"]) - 1, losses[name])
        left.annotate(name, at, (0, 3), textcoords="offset points", ha="right")
    left.legend(loc="center right")
    plane = points @ np.linalg.eigh(np.cov(points.T))[1][:, -2:]
    right.scatter(*plane.T, alpha=0)
    for point, letter in zip(plane, letters, strict=True):
        look = {"color": "#D55E00" if letter in "aeiouáéíóú" else "#0072B2", "fontsize": 16}
        right.annotate(letter, point, ha="center", va="center", weight="bold", **look)
    right.set_title("The letters' points: vowels are orange")
    right.set(xticks=[], yticks=[])
    figure.write(path)


if __name__ == "__main__":
    demos.main(run)
