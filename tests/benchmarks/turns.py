"""Contenders in turns: a process for each, one slice each per round, so that they all see the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.05  # seconds; idle BLAS threads keep spinning for a while and would steal a core from who runs next


class Result(NamedTuple):
    """The medians of a contender over the rounds; the ratio is the median of the ratios within each round."""

    contender: str
    seconds: float = 0.0
    ratio: float = 0.0
    faults: float = 0.0
    skipped: str = ""


def environment(threads: int, package: Path = ROOT) -> dict[str, str]:
    """The environment of a process that imports tinygrad_edu from this folder and computes on so many threads."""
    count = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**os.environ, **count, "PYTHONPATH": str(package)}


class Contender:
    """A worker process, idle until it is asked for a slice."""

    def __init__(self, label: str, task: dict[str, Any], threads: int, package: Path) -> None:
        self.label = label
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), json.dumps(task)],
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


def race(
    task: dict[str, Any],
    rows: dict[str, tuple[str, Path]],
    rounds: int,
    threads: int,
    tolerance: float,
    expected: Sequence[float] = (),
) -> list[Result]:
    """Time the contenders of a case; the others are compared with the first one that is there.

    ``rows`` gives for each row of the table the contender and the folder that it imports tinygrad_edu from. Nobody is
    timed unless all have the same losses, and the expected ones if there are any.
    """
    everyone = [Contender(label, {**task, "contender": name}, threads, package) for label, (name, package) in rows.items()]
    here = [c for c in everyone if not c.skipped]
    try:
        for c in here:
            agree(c, expected or here[0].losses, tolerance)
        for _ in range(rounds):
            for c in here:
                if threads > 1:
                    time.sleep(PAUSE)
                c.run()
    finally:
        for c in everyone:
            c.stop()
    return [Result(c.label, skipped=c.skipped) if c.skipped else medians(c, here[0]) for c in everyone]


def agree(contender: Contender, expected: Sequence[float], tolerance: float) -> None:
    """Stop at a wrong number: a fast wrong answer wins nothing."""
    for k, (loss, right) in enumerate(zip(contender.losses, expected, strict=True)):
        if not abs(loss - right) <= tolerance * abs(right):
            raise SystemExit(f"step {k}: {contender.label} has loss {loss!r}, expected {right!r}: nothing was timed.")


def medians(contender: Contender, first: Contender) -> Result:
    pairs = list(zip(contender.slices, first.slices, strict=True))
    return Result(
        contender.label,
        median(mine["seconds"] for mine, _ in pairs),
        median(mine["seconds"] / other["seconds"] for mine, other in pairs),
        median(mine["faults"] for mine, _ in pairs),
    )
