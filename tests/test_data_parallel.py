"""The example with shards: on processes of their own it computes what one process computes."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import note

EXAMPLE = Path(__file__).parent.parent / "examples" / "data_parallel.py"
SIZES = (3, 30, 7)  # of shards that are far from equal

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(EXAMPLE.parent)  # of the processes that are started, too
    yield importlib.import_module("data_parallel")
    del sys.modules["data_parallel"]


def start() -> tuple[dict[str, Array], list[tuple[Array, Array]]]:
    """The parameters, and the examples in shards."""
    values = {name: t.numpy() for name, t in note.network(sum(SIZES), seed=2).items()}
    places = np.cumsum(SIZES)[:-1]
    shards = list(zip(np.split(values["x"], places), np.split(values["y"], places), strict=True))
    return {name: values[name] for name in ("W1", "b1", "W2", "b2", "U", "c")}, shards


def by_hand(
    parameters: dict[str, Array], shards: Sequence[tuple[Array, Array]], steps: int
) -> tuple[list[float], dict[str, Array]]:
    """The same training in one process by the note's own formulas, without the engine."""
    x, y = (np.concatenate(part) for part in zip(*shards, strict=True))
    losses = []
    for _ in range(steps):
        found = note.by_hand({"x": x, "y": y, **parameters})
        losses.append(float(found["L"]))
        parameters = {name: p - 0.5 * found[name] for name, p in parameters.items()}
    return losses, parameters


def assert_same(found: tuple[list[float], dict[str, Array]], expected: tuple[list[float], dict[str, Array]]) -> None:
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-12)
    assert found[1].keys() == expected[1].keys()
    for name, value in found[1].items():
        np.testing.assert_allclose(value, expected[1][name], rtol=0, atol=1e-12)


def test_unequal_shards_count_by_their_examples(example: ModuleType) -> None:
    parameters, shards = start()

    def on_every_shard(p: dict[str, Array]) -> list[Any]:
        return [example.loss_and_gradients(p, shard) for shard in shards]

    assert_same(example.train(parameters, SIZES, on_every_shard, 6), by_hand(parameters, shards, 6))
    equal = example.train(parameters, [1, 1, 1], on_every_shard, 6)
    assert np.max(np.abs(np.subtract(equal[0], by_hand(parameters, shards, 6)[0]))) > 1e-3, "weights make a difference"


def test_any_scheduler_can_run_the_function_that_is_sent(example: ModuleType) -> None:
    parameters, shards = start()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:

        def on_every_shard(p: dict[str, Array]) -> list[Any]:
            return list(pool.map(partial(example.loss_and_gradients, p), shards, timeout=60))

        assert_same(example.train(parameters, SIZES, on_every_shard, 3), by_hand(parameters, shards, 3))


@pytest.mark.interop
def test_two_processes_with_unequal_shards_equal_one(example: ModuleType) -> None:
    distributed = pytest.importorskip("distributed")
    parameters, shards = start()
    with example.local_cluster(2) as cluster, distributed.Client(cluster, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
        processes = set(client.run(os.getpid).values())
        found = example.train_on_cluster(client, parameters, shards, 6)
    assert_same(found, by_hand(parameters, shards, 6))
    assert len(processes) == 2
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@pytest.mark.interop
def test_the_example_closes_its_processes_and_says_nothing_on_stderr() -> None:
    pytest.importorskip("distributed")
    command = [sys.executable, "-W", "error", os.fspath(EXAMPLE), "--steps", "3", "--examples", "21"]
    # A process that was left behind would keep these pipes open, and this would not return.
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert run.stdout.startswith("2 processes with 11, 10 examples\n")
    differences = re.findall(r"largest difference of the losses (\S+), of the parameters (\S+)\n", run.stdout)
    assert max(float(x) for x in differences[0]) < 1e-12


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--steps", "-1"], ["--workers", "many"]])
def test_mistaken_arguments(arguments: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, os.fspath(EXAMPLE), *arguments], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
