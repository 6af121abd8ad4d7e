"""How fast, against what? ``python tests/benchmarks/run.py`` prints tables of ratios.

The note's network, a whole training step (loss, six gradients, update) against the same formulas written by hand in
NumPy; micrograd's own demo, scalar by scalar, against micrograd; the import against NumPy's. Only ratios within a run
mean something: a process for each contender, taken in turns, medians over the rounds, the garbage collector on, and
the same losses from all of them before any is timed. What is not installed is skipped; ``pip install -e .[bench]``
brings all of it.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import numpy as np
from imports import cost
from moons import ENGINES, NOTEBOOK
from network import CONTENDERS, SIZES
from turns import ROOT, Result, race

HEAPS = {
    "warm": "warm heap (a block of 31 MiB was freed first: glibc then keeps what is freed)",
    "fresh": "fresh heap (glibc hands what is freed back to the system, and it is paged in again)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0], epilog=__doc__.partition("\n\n")[2])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and not the largest network")
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads (default 1)")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--heap", choices=list(HEAPS), default="warm")
    parser.add_argument("--only", metavar="WORD", help=f"the tables with this word: {', '.join(SIZES)}, moons, import")
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help="also race the tinygrad_edu of another checkout; may be given several times",
    )
    options = parser.parse_args()
    titles = [f"network {size}" for size in SIZES] + ["moons", "import"]
    chosen = [title for title in titles if options.only is None or options.only in title]
    if not chosen:
        parser.error(f"--only {options.only}: no table has this word")
    if options.threads < 1:
        parser.error("--threads: at least 1")
    for folder in options.compare:
        if not (folder / "tinygrad_edu" / "__init__.py").is_file():
            parser.error(f"--compare {folder}: there is no tinygrad_edu in this folder")

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {blas['name']} {blas['version']}, {os.cpu_count()} cores")
    print(f"BLAS threads: {options.threads}, {options.dtype}, {HEAPS[options.heap]}, garbage collector on")
    ours = {"": ROOT} | {f" in {folder}": folder.resolve() for folder in options.compare}

    for size in SIZES:
        if f"network {size}" in chosen and not (options.quick and size.startswith("N=1024")):
            network(size, ours, options)
    if "moons" in chosen:
        scalars(ours, options)
    if "import" in chosen:
        imports(ours, options)


def network(size: str, ours: dict[str, Path], options: argparse.Namespace) -> None:
    task = {"case": size, "dtype": options.dtype, "heap": options.heap, "check": 5, "steps": 1}
    rounds = 11 if options.quick else 41
    results = race(task, rows(list(CONTENDERS), ours), rounds, options.threads, 1e-9 if options.dtype == "float64" else 1e-4)
    table(f"The note's network, {size}: µs per training step, {rounds} rounds", results, 1e6)


def scalars(ours: dict[str, Path], options: argparse.Namespace) -> None:
    # Several steps to a slice: full collections of the garbage collector come two or three to a step.
    task = {"case": "moons", "heap": options.heap, "check": len(NOTEBOOK), "steps": 4}
    rounds = 3 if options.quick else 9
    results = race(task, rows(list(ENGINES), ours), rounds, options.threads, 1e-9, NOTEBOOK)
    table(f"micrograd's moons demo, scalar by scalar: ms per training step, {rounds} rounds of {task['steps']}", results, 1e3)


def imports(ours: dict[str, Path], options: argparse.Namespace) -> None:
    rounds = 11 if options.quick else 31
    print(f"\nImport: ms, medians over {rounds} fresh processes each")
    for suffix, package in ours.items():
        numpy, beyond = cost(package, rounds)
        print(f"  NumPy {1e3 * numpy:.1f}, tinygrad_edu{suffix} {1e3 * beyond:.1f} beyond it")


def rows(contenders: list[str], ours: dict[str, Path]) -> dict[str, tuple[str, Path]]:
    """A row for each contender, and one for each copy of this library."""
    return {
        name + suffix: (name, package)
        for name in contenders
        for suffix, package in (ours.items() if name == "tinygrad_edu" else [("", ROOT)])
    }


def table(title: str, results: list[Result], unit: float) -> None:
    print(f"\n{title}")
    width = max(len(r.contender) for r in results)
    print(f"  {'':<{width}}  {'time':>9}  {'ratio':>6}  page faults")
    for r in results:
        if r.skipped:
            print(f"  {r.contender:<{width}}  skipped: {r.skipped}")
        else:
            print(f"  {r.contender:<{width}}  {unit * r.seconds:9.1f}  {r.ratio:6.3f}  {r.faults:11.1f}")


if __name__ == "__main__":
    main()
