"""What ``import tinygrad_edu`` costs beyond NumPy's own import, in fresh processes taken in turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from turns import Setting

TIMED = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module: str, package: Path, compiled: str) -> float:
    # Installed packages have their bytecode beside them: an environment that forbids to write it would time the compiler.
    env = {**Setting().environment(package), "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", TIMED.format(module)]
    return float(subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout)


def cost(package: Path, rounds: int) -> tuple[float, float]:
    """Medians: NumPy alone, and what the package takes in addition. The first round compiles, and warms the disk."""
    with TemporaryDirectory() as compiled:
        pairs = [(seconds("numpy", package, compiled), seconds("tinygrad_edu", package, compiled)) for _ in range(rounds + 1)][1:]
    return median(n for n, _ in pairs), median(t - n for n, t in pairs)
