"""Contenders in turns: a process for each, one slice each per round, so that they all see the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.05  # seconds; idle BLAS threads keep spinning for a while and would steal a core from who runs next


class Result(NamedTuple):
    """The medians of a contender over the rounds; the ratio is the median of the ratios within each round."""

    contender: str
    seconds: float
    ratio: float
    faults: float
    skipped: str = ""


def environment(threads: int, package: Path = ROOT) -> dict[str, str]:
    """The environment of a process that imports tinygrad_edu from this folder and computes on so many threads."""
    count = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**os.environ, **count, "PYTHONPATH": str(package), "PYTHONHASHSEED": "0"}


class Contender:
    """A worker process, idle until it is asked for a slice."""

    def __init__(self, label: str, task: dict[str, Any], threads: int, package: Path) -> None:
        self.label = label
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/benchmarks/worker.py"), json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(threads, package),
        )
        answer = self.hear()
        self.skipped: str = answer.get("missing", "")
        self.losses: list[float] = answer.get("losses", [])
        self.slices: list[dict[str, float]] = []

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label}: its process ended (exit status {self.process.wait()}); its message is above.")
        return json.loads(line)

    def run(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.slices.append(self.hear())

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def race(task: dict[str, Any], labels: dict[str, tuple[str, Path]], rounds: int, threads: int, tolerance: float) -> list[Result]:
    """Time the contenders of a case; the first one that is there is what the others are compared with.

    ``labels`` gives for each row of the table the contender and the folder that it imports tinygrad_edu from.
    """
    everyone = [Contender(label, {**task, "contender": name}, threads, package) for label, (name, package) in labels.items()]
    try:
        here = [c for c in everyone if not c.skipped]
        for c in here[1:]:
            agree(here[0], c, tolerance)
        for _ in range(rounds):
            for c in here:
                if threads > 1:
                    time.sleep(PAUSE)
                c.run()
    finally:
        for c in everyone:
            c.stop()
    results = []
    for c in everyone:
        if c.skipped:
            results.append(Result(c.label, 0, 0, 0, c.skipped))
            continue
        pairs = zip(c.slices, here[0].slices, strict=True)
        ratio = median(mine["seconds"] / first["seconds"] for mine, first in pairs)
        results.append(
            Result(c.label, median(s["seconds"] for s in c.slices), ratio, median(s["faults"] for s in c.slices)),
        )
    return results


def agree(first: Contender, other: Contender, tolerance: float) -> None:
    """Stop unless both computed the same losses: a fast wrong answer wins nothing."""
    for k, (a, b) in enumerate(zip(first.losses, other.losses, strict=True)):
        if not abs(a - b) <= tolerance * abs(a):
            raise SystemExit(f"step {k}: {first.label} has loss {a!r}, {other.label} has {b!r}: nothing was timed.")
