"""One contender in a process of its own: it shows its numbers, warms up, then times a slice whenever it is told to.

Speaks lines of JSON: the task comes as the only argument; each line on stdin asks for one slice.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import moons
import network
import numpy as np

try:
    import resource
except ImportError:  # Windows does not count page faults for us
    resource = None

WARM_UP, SLICE = 0.3, 0.02  # seconds, at least


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["heap"] == "warm":
        np.ones(31 * 2**20, np.uint8)  # once a block this large was freed, glibc keeps what is freed after it
    try:
        step = build(task)
    except ModuleNotFoundError as missing:
        if task["contender"] == "tinygrad_edu":
            raise  # what is to be measured is never skipped
        say(missing=f"{missing.name} is not installed")
        return
    say(losses=[step() for _ in range(task["check"])])
    seconds = duration(step, 1)
    started = time.perf_counter()
    while time.perf_counter() - started < WARM_UP:
        seconds = min(seconds, duration(step, 1))
    count = max(task["steps"], math.ceil(SLICE / seconds))
    for _ in sys.stdin:
        before = page_faults()
        elapsed = duration(step, count)
        say(seconds=elapsed / count, faults=(page_faults() - before) / count)


def build(task: dict[str, Any]) -> Callable[[], float]:
    if task["case"] == "moons":
        return moons.demo(moons.ENGINES[task["contender"]]())
    return network.CONTENDERS[task["contender"]](task["case"], task["dtype"])


def duration(step: Callable[[], float], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - started


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


def say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main()
