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

import contenders
import numpy as np
from network import Unavailable

try:
    import resource
except ImportError:  # Windows does not count page faults for us
    resource = None

WARM_UP, SLICE = 0.3, 0.02  # seconds, at least


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["heap"] == "warm":
        np.ones(31 * 2**20, np.uint8)  # once a block this large was freed, glibc keeps what is freed after it
    entry = (contenders.MOONS if task["case"] == "moons" else contenders.NETWORK)[task["contender"]]
    try:
        step = entry.build(*(() if task["case"] == "moons" else (task["case"], task["dtype"])))
    except ModuleNotFoundError as missing:
        if task["contender"] in contenders.OURS:
            raise  # what is to be measured is never skipped
        say(missing=f"{missing.name} is not installed")
        return
    except Unavailable as reason:
        say(missing=str(reason))
        return
    losses = [step() for _ in range(task["check"])]
    say(losses=losses if entry.has_loss else None)
    seconds = duration(step, 1)
    started = time.perf_counter()
    while time.perf_counter() - started < WARM_UP:
        seconds = min(seconds, duration(step, 1))
    count = max(task["steps"], math.ceil(SLICE / seconds))
    for _ in sys.stdin:
        faults, busy = page_faults(), time.process_time()
        elapsed = duration(step, count)
        busy = time.process_time() - busy  # of all threads, those that only wait and spin too
        say(seconds=elapsed / count, faults=(page_faults() - faults) / count, cores=busy / elapsed)


def duration(step: Callable[[], object], count: int) -> float:
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
