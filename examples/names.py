"""Made-up names: a network that learned Spanish names says which letter comes after three others.

Each letter is a point that is learned too (an embedding); the points of three letters go through
a hidden layer to a score for every letter that may follow. Y. Bengio et al., "A neural
probabilistic language model", Journal of Machine Learning Research 3 (2003), with letters for
words. Names that are held out tell how much it knows; the letters' pairs, counted, know less.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos, nn

CONTEXT, END = 3, "."


def examples(names, letters):
    """All contexts (N, 3) and the letters (N,) that follow; the end stands before a name too."""
    x, y = [], []
    for name in names:
        word = [letters.index(letter) for letter in END * CONTEXT + name + END]
        for i in range(CONTEXT, len(word)):
            x.append(word[i - CONTEXT : i])
            y.append(word[i])
    return np.array(x), np.array(y)


def pairs_loss(train_set, test_set, n):
    """The cross entropy of the letter before, with how often each follows each, plus one."""
    counts = np.ones((n, n))
    np.add.at(counts, (train_set[0][:, -1], train_set[1]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log(shares[test_set[0][:, -1], test_set[1]]).mean())


def invent(model, letters, rng):
    """A name, letter by letter, each drawn with the probability that the model gives it."""
    context, name = [0] * CONTEXT, ""
    while len(name) < 15:
        p = tg.softmax(model(np.array([context]))).numpy()[0]
        k = rng.choice(len(letters), p=p)
        if letters[k] == END:
            break
        name, context = name + letters[k], [*context[1:], k]
    return name


def run(out, quick=False, seed=0, dim=2, hidden=64, lr=0.01,wd=0.0, ep=None):
    known = tg.data.names()
    letters = [END, *sorted(set("".join(known)))]
    n = len(letters)
    train_names, test_names = tg.data.split(known, test=0.1, seed=seed)
    train_set, test_set = examples(train_names[0], letters), examples(test_names[0], letters)
    rng = np.random.default_rng(seed)
    table = nn.Embedding(n, dim, seed=rng)
    model = nn.Sequential(
        table, nn.Flatten(), nn.MLP([CONTEXT * dim, hidden, n], activation="tanh", seed=rng)
    )
    opt = tg.optim.AdamW(model.parameters(), weight_decay=wd)
    epochs = ep or (3 if quick else 20)
    history = tg.fit(model, tg.cross_entropy, train_set, opt, epochs=epochs, batch_size=64, seed=seed,
        schedule=tg.optim.CosineLR(lr, epochs),validation=test_set, progress=False)
    print(dim,hidden,lr,wd,history['loss'][-1], history["val_loss"][-1], min(history["val_loss"]), pairs_loss(train_set, test_set, n), len(train_set[0]))
    print([invent(model, letters, rng) for _ in range(10)])
