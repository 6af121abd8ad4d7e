"""Train the note's network on several processes: the gradients of the shards are summed.

Each process holds a shard of the examples. The loss is a mean over all N examples, so that a shard
of n examples counts n/N: 𝓛 = Σ n/N 𝓛_shard, and so do its gradients. Run it with
``python examples/data_parallel.py``, which starts its own processes with Dask, or with
``--address tcp://...`` on a cluster that is there already.
"""

import argparse
from contextlib import nullcontext

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import note


def loss(parameters, x, y):
    p = parameters
    h1 = tg.tanh(x @ p["W1"] + p["b1"])
    h2 = tg.sigmoid(h1 @ p["W2"] + p["b2"])
    return tg.binary_cross_entropy(tg.sigmoid(h2 @ p["U"] + p["c"]), y)


def loss_and_gradients(parameters, shard):
    """What a process is sent: an ordinary function of arrays."""
    value, gradients = tg.value_and_grad(loss)(parameters, *shard)
    return value.item(), {name: g.numpy() for name, g in gradients.items()}


def train(parameters, sizes, on_every_shard, steps, rate=0.5):
    """Gradient descent; ``on_every_shard(parameters)`` gives each shard's loss and gradients."""
    weights = np.array(sizes) / sum(sizes)
    losses = []
    for _ in range(steps):
        results = on_every_shard(parameters)
        losses.append(sum(w * value for w, (value, _) in zip(weights, results, strict=True)))
        for name in parameters:
            gradient = sum(w * own[name] for w, (_, own) in zip(weights, results, strict=True))
            parameters = {**parameters, name: parameters[name] - rate * gradient}
    return losses, parameters


def train_on_cluster(client, parameters, shards, steps):
    """The same, with the shards sent once to the processes, and the parameters in each step."""
    held = client.scatter(shards)

    def on_every_shard(parameters):
        return client.gather(
            [client.submit(loss_and_gradients, parameters, shard, pure=False) for shard in held]
        )

    return train(parameters, [len(y) for _, y in shards], on_every_shard, steps)


def local_cluster(workers):
    """Processes of this machine, no dashboard; the scheduler's own pages get any free port."""
    from distributed import LocalCluster

    own = {"dashboard_address": "127.0.0.1:0"}
    return LocalCluster(
        workers,
        processes=True,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        scheduler_kwargs=own,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument(
        "--address", help="of the scheduler of a cluster, such as tcp://10.0.0.1:8786"
    )
    arguments.add_argument(
        "--workers",
        type=int,
        default=2,
        help="to start without an address (default: 2)",
    )
    arguments.add_argument(
        "--examples", type=int, default=1001, help="to learn from (default: 1001)"
    )
    arguments.add_argument(
        "--steps", type=int, default=20, help="of gradient descent (default: 20)"
    )
    options = arguments.parse_args()
    if min(options.workers, options.examples, options.steps) < 1:
        arguments.error("workers, examples and steps are at least 1")

    from distributed import Client

    values = {name: t.numpy() for name, t in note.network(options.examples).items()}
    x, y = values["x"], values["y"]
    parameters = {name: values[name] for name in ("W1", "b1", "W2", "b2", "U", "c")}
    alone, trained = train(
        parameters, [len(y)], lambda p: [loss_and_gradients(p, (x, y))], options.steps
    )

    with (
        nullcontext(options.address)
        if options.address
        else local_cluster(options.workers) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(1, timeout=30)
        count = min(len(client.nthreads()), len(y))  # a shard without examples has no mean
        shards = list(zip(np.array_split(x, count), np.array_split(y, count), strict=True))
        together, trained_together = train_on_cluster(client, parameters, shards, options.steps)

    print(f"{count} processes with {', '.join(str(len(y)) for _, y in shards)} examples")
    print("step   one process      several")
    for step, (a, b) in enumerate(zip(alone, together, strict=True)):
        print(f"{step:4d}   {a:.12f}   {b:.12f}")
    losses = np.max(np.abs(np.subtract(alone, together)))
    apart = max(np.max(np.abs(trained[name] - trained_together[name])) for name in parameters)
    print(f"largest difference of the losses {losses:.1e}, of the parameters {apart:.1e}")


if __name__ == "__main__":
    main()
