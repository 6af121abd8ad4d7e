"""Settings of the environment, tried in turns: fresh processes, medians, and a setting that is clearly faster or none."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from .facts import Facts, allowed_kernels

ROUNDS = 5
CLEAR = 1.15  # a setting is advised if it was this many times faster in every round
NOISE = 1.05  # and for no dtype slower than by this much
TIME_LIMIT = 60.0  # seconds for one process
TOP_PAD = str(64 * 2**20)

Task = Literal["products", "temporaries"]
Changes = Mapping[str, str | None]  # of the environment; None takes a variable away
Probe = Callable[[Task, Changes], "Sample"]

_CHILD = """\
import json, sys, time
import numpy as np

def median_seconds(f, least=0.04):
    f()
    times = []
    started = time.perf_counter()
    while time.perf_counter() - started < least or len(times) < 3:
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return sorted(times)[len(times) // 2]

task = sys.argv[1]
n = 512
rng = np.random.default_rng(0)
a, b = rng.integers(-8, 9, (2, n, n))
v = rng.integers(-8, 9, n)
seconds, right = {}, True
for dtype in ("float64", "float32"):
    x, y = a.astype(dtype), b.astype(dtype)
    if task == "products":
        out = x @ y  # sums of small whole numbers: exact in both types, whatever the order
        right = right and bool(np.array_equal(out.astype(np.int64) @ v, a @ (b @ v)))
        seconds[dtype] = median_seconds(lambda: np.matmul(x, y, out=out))
    else:
        x = x if dtype == "float64" else np.repeat(x, 2, axis=0)  # as many bytes: the size decides what the heap does
        seconds[dtype] = median_seconds(lambda: 1 / (1 + np.exp(-x)))
kernel = ""
if task == "products":
    try:
        from threadpoolctl import threadpool_info
        kernel = next((i["architecture"] for i in threadpool_info() if i["internal_api"] == "openblas"), "")
    except ImportError:
        pass
print(json.dumps({"kernel": kernel, "right": right, "seconds": seconds}))
"""


class ProbeError(Exception):
    """A process that was to be timed did not end well; the message says how."""


@dataclass(frozen=True)
class Sample:
    """One timed process: the kernels it used if that is known, whether its products were right, seconds by dtype."""

    kernel: str
    right: bool
    seconds: Mapping[str, float]


@dataclass
class Trial:
    """A setting that was tried: its samples, round by round; or why it is out of the race."""

    label: str
    changes: Changes
    samples: list[Sample] = field(default_factory=list)
    out: str = ""

    @property
    def kernel(self) -> str:
        """The kernels that OpenBLAS took under this setting; empty if not known."""
        return self.samples[0].kernel if self.samples else ""

    def seconds(self, dtype: str) -> float:
        """Median over the rounds."""
        return median(sample.seconds[dtype] for sample in self.samples)


def run_child(task: Task, changes: Changes, code: str = _CHILD) -> Sample:
    """Time a task in a fresh process, on one thread, with these changes of the environment.

    Raises
    ------
    ProbeError
        If the process crashed, failed, or took too long.
    """
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for name, value in changes.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    command = [sys.executable, "-P", "-c", code, task]  # -P: a numpy.py in the current folder is not NumPy
    try:
        run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise ProbeError(f"did not end within {TIME_LIMIT:g} s") from None
    except OSError as error:
        raise ProbeError(f"could not be started: {error.strerror}") from None
    if run.returncode:
        raise ProbeError(f"crashed ({_ending(run.returncode)})")
    try:
        return Sample(**json.loads(run.stdout))
    except (ValueError, TypeError):
        raise ProbeError("gave no times") from None


def _ending(status: int) -> str:
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return "illegal instruction" if status == 0xC000001D else f"exit status {status}"


def try_kernels(facts: Facts, probe: Probe, rounds: int = ROUNDS) -> list[Trial]:
    """Matrix products with the kernels that OpenBLAS takes here, and with the others that the processor allows."""
    if not facts.openblas:
        return []
    given = facts.variables.get("OPENBLAS_CORETYPE")
    trials = [Trial(f"OPENBLAS_CORETYPE={given}, as set" if given else "as OpenBLAS chooses", {})]
    if given:
        trials.append(Trial("as OpenBLAS chooses", {"OPENBLAS_CORETYPE": None}))
    trials += [Trial(f"OPENBLAS_CORETYPE={name}", {"OPENBLAS_CORETYPE": name}) for name in allowed_kernels(facts.flags)]
    return race("products", trials, probe, rounds) if len(trials) > 1 else []


def try_heap(facts: Facts, probe: Probe, rounds: int = ROUNDS) -> list[Trial]:
    """Temporary arrays with the heap as it is, and with one that keeps what is freed."""
    if not facts.glibc or any(name.startswith("MALLOC_") for name in facts.variables):
        return []
    trials = [Trial("heap as it is", {}), Trial(f"MALLOC_TOP_PAD_={TOP_PAD}", {"MALLOC_TOP_PAD_": TOP_PAD})]
    return race("temporaries", trials, probe, rounds)


def race(task: Task, trials: list[Trial], probe: Probe, rounds: int = ROUNDS) -> list[Trial]:
    """A fresh process for each setting in each round, in turns; the first one is the machine as it is.

    Who crashes or computes wrong products is out, and so is who takes the same kernels as one before. If that happens
    to the first one, all are out: there is nothing to compare with.
    """
    first = trials[0]
    for k in range(rounds):
        for trial in trials:
            if trial.out or first.out:
                continue
            try:
                sample = probe(task, trial.changes)
            except ProbeError as error:
                trial.out = str(error)
                continue
            if not sample.right:
                trial.out = "computes wrong products"
                continue
            trial.samples.append(sample)
            if k == 0 and sample.kernel and any(t.kernel == sample.kernel for t in trials if t is not trial and not t.out):
                trial.out = f"takes {sample.kernel} too"
    return trials


def speedups(trial: Trial, first: Trial) -> list[float]:
    """How many times faster than the first one, round by round: the geometric mean over the dtypes."""
    return [
        math.prod(other.seconds[dtype] / mine.seconds[dtype] for dtype in mine.seconds) ** (1 / len(mine.seconds))
        for mine, other in zip(trial.samples, first.samples, strict=True)
    ]


def best(trials: Sequence[Trial]) -> Trial | None:
    """The fastest setting that is clearly faster than the first: in every round, and slower for no dtype."""
    if not trials or trials[0].out:
        return None
    first = trials[0]
    clear = [
        t
        for t in trials[1:]
        if not t.out
        and min(speedups(t, first)) >= CLEAR
        and all(t.seconds(dtype) <= NOISE * first.seconds(dtype) for dtype in t.samples[0].seconds)
    ]
    return max(clear, key=lambda t: median(speedups(t, first)), default=None)
