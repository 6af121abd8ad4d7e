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
# Seconds. Idle BLAS threads spin for a while (100 ms, OpenBLAS here) and would steal a core from who runs next: after a
# slice that used several cores, the next one waits until its process is idle, or where that cannot be seen, for the longest.
LOOK, LONGEST_PAUSE = 0.02, 0.25


class Result(NamedTuple):
    """The medians of a contender over the rounds; the ratio is the median of the ratios within each round."""

    contender: str
    seconds: float = 0.0
    ratio: float = 0.0
    cores: float = 0.0
    faults: float = 0.0
    skipped: str = ""


class Setting(NamedTuple):
    """How many threads all contenders compute on, and which kernels OpenBLAS is told to use.

    An empty ``coretype`` takes the variable away, so that OpenBLAS chooses; None leaves the environment as it is.
    """

    threads: int = 1
    coretype: str | None = None

    def environment(self, package: Path = ROOT) -> dict[str, str]:
        """The environment of a process that imports tinygrad_edu from this folder."""
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC", "CPU_COUNT")
        env = {**os.environ, **dict.fromkeys(names, str(self.threads)), "PYTHONPATH": str(package)}
        if self.threads == 1:  # JAX has a pool of threads of its own beside the one that NPROC sizes
            env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
        if self.coretype:
            env["OPENBLAS_CORETYPE"] = self.coretype
        elif self.coretype == "":
            env.pop("OPENBLAS_CORETYPE", None)
        return env


class Contender:
    """A worker process, idle until it is asked for a slice."""

    def __init__(self, label: str, task: dict[str, Any], env: dict[str, str]) -> None:
        self.label = label
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        answer = self.hear()
        self.skipped: str = answer.get("missing", "")
        self.losses: list[float] | None = answer.get("losses")
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

    def settle(self) -> None:
        """Wait until its threads have stopped spinning."""
        if not self.slices or self.slices[-1]["cores"] < 1.05:
            return
        waited, before = 0.0, -1
        while waited < LONGEST_PAUSE and (ticks := self.ticks()) != before:
            before = ticks if ticks >= 0 else before - 1  # unknown: never twice the same
            time.sleep(LOOK)
            waited += LOOK

    def ticks(self) -> int:
        """The processor time of its process, in the system's ticks; -1 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return -1
        return int(fields[11]) + int(fields[12])

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def race(
    task: dict[str, Any],
    rows: dict[str, tuple[str, Path]],
    rounds: int,
    setting: Setting,
    tolerance: float,
    expected: Sequence[float] = (),
) -> list[Result]:
    """Time the contenders of a case; the others are compared with the first one that is there.

    ``rows`` gives for each row of the table the contender and the folder that it imports tinygrad_edu from. Nobody is
    timed unless all that compute a loss have the same losses, and the expected ones if there are any.
    """
    everyone: list[Contender] = []
    try:
        for label, (name, package) in rows.items():
            everyone.append(Contender(label, {**task, "contender": name}, setting.environment(package)))
        here = [c for c in everyone if not c.skipped]
        checked = [c for c in here if c.losses is not None]
        for c in checked:
            agree(c, expected or checked[0].losses, tolerance)
        for _ in range(rounds):
            for c in here:
                c.run()
                if setting.threads > 1:
                    c.settle()
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
        median(mine["cores"] for mine, _ in pairs),
        median(mine["faults"] for mine, _ in pairs),
    )
