"""How fast, against what? ``python tests/benchmarks/run.py`` prints tables of ratios.

The note's network, a whole training step (loss, six gradients, update) against the same formulas written by hand in
NumPy; micrograd's own demo, scalar by scalar, against micrograd; the import against NumPy's. Only ratios within a run
mean something: a process for each contender, taken in turns, medians over the rounds, the garbage collector on, and
the same losses from all of them before any is timed. What is not installed is skipped; ``pip install -e .[bench]``
brings the small libraries, ``.[bench-all]`` PyTorch, JAX and tinygrad too.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from contenders import MOONS, NETWORK, OURS, Entry
from imports import cost
from moons import NOTEBOOK
from network import SIZES
from tables import Table, as_page, as_text, heading, processor, versions
from turns import ROOT, Setting, race

HEAPS = {
    "warm": "warm heap (a block of 31 MiB was freed first: glibc then keeps what is freed)",
    "fresh": "fresh heap (glibc hands what is freed back to the system, and it is paged in again)",
}
KERNEL = """
import numpy, threadpoolctl
print(*{i["architecture"] for i in threadpoolctl.threadpool_info() if i["internal_api"] == "openblas"})
"""


def main() -> None:
    options, chosen, ours = parsed()
    coretypes = ["", *options.coretype] if options.coretype else [None]
    settings = [Setting(threads, coretype) for threads in options.threads for coretype in coretypes]
    about = description(options, settings)
    print("\n".join(about))

    tables = []
    for size in SIZES:
        for dtype in options.dtype:
            if f"network {size}" in chosen and not (options.quick and size.startswith("N=1024")):
                tables += network(size, dtype, ours, settings, options)
    if "moons" in chosen:
        tables += scalars(ours, settings[:1], options)
    if "import" in chosen:
        imports(ours, options)
    if options.markdown:
        command = shlex.join(["python", "tests/benchmarks/run.py", *sys.argv[1:]])
        options.markdown.write_text(as_page(tables, about, command), encoding="utf-8")


def parsed() -> tuple[argparse.Namespace, list[str], dict[str, Path]]:
    """The options, the tables that are asked for, and where the copies of this library are."""
    known = list(dict.fromkeys([*NETWORK, *MOONS]))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0], epilog=__doc__.partition("\n\n")[2])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and not the largest network")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help="computing threads (default 1)")
    parser.add_argument("--dtype", nargs="+", choices=["float64", "float32"], default=["float64"])
    parser.add_argument(
        "--coretype",
        nargs="+",
        default=[],
        metavar="NAME",
        help="run without OPENBLAS_CORETYPE, and with each of these; the doctor command knows which are worth it",
    )
    parser.add_argument("--heap", choices=list(HEAPS), default="warm")
    parser.add_argument("--only", metavar="WORD", help=f"the tables with this word: {', '.join(SIZES)}, moons, import")
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=known,
        default=known,
        metavar="WHO",
        help=f"who runs: {', '.join(known)} (default: all)",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables as a page")
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
    if min(options.threads) < 1:
        parser.error("--threads: at least 1")
    if options.markdown and not options.markdown.absolute().parent.is_dir():
        parser.error(f"--markdown {options.markdown}: there is no such folder")
    for folder in options.compare:
        if not (folder / "tinygrad_edu" / "__init__.py").is_file():
            parser.error(f"--compare {folder}: there is no tinygrad_edu in this folder")
    return options, chosen, {"": ROOT} | {f" in {folder}": folder.resolve() for folder in options.compare}


def description(options: argparse.Namespace, settings: list[Setting]) -> list[str]:
    """What all tables share."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = {setting.coretype: kernel(setting) for setting in settings}
    kernels = [which if name is None else f"{which} with OPENBLAS_CORETYPE={name or '(unset)'}" for name, which in found.items()]
    return [
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        versions(),
        f"{blas['name']} {blas['version']}, kernels: {', '.join(kernels)}",
        f"{HEAPS[options.heap]}, garbage collector on",
    ]


def kernel(setting: Setting) -> str:
    """The kernels that OpenBLAS takes under this setting, as threadpoolctl says."""
    found = subprocess.run([sys.executable, "-c", KERNEL], env=setting.environment(), capture_output=True, text=True, check=False)
    return found.stdout.strip() or "not known (pip install threadpoolctl)"


def network(size: str, dtype: str, ours: dict[str, Path], settings: list[Setting], options: argparse.Namespace) -> list[Table]:
    who = rows(NETWORK, options.contenders, ours)
    if not who:
        return []
    task = {"case": size, "dtype": dtype, "heap": options.heap, "check": 5, "steps": 1}
    rounds = 11 if options.quick else 41
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    columns = [(heading(setting), race(task, who, rounds, setting, tolerance)) for setting in settings]
    table = Table(f"The note's network, {size}, {dtype}: a training step, {rounds} rounds", "µs", columns)
    print(as_text(table), flush=True)
    return [table]


def scalars(ours: dict[str, Path], settings: list[Setting], options: argparse.Namespace) -> list[Table]:
    who = rows(MOONS, options.contenders, ours)
    if not who:
        return []
    # Several steps to a slice: full collections of the garbage collector come two or three to a step.
    task = {"case": "moons", "heap": options.heap, "check": len(NOTEBOOK), "steps": 4}
    rounds = 3 if options.quick else 9
    columns = [(heading(setting), race(task, who, rounds, setting, 1e-9, NOTEBOOK)) for setting in settings]
    table = Table(f"micrograd's moons demo, scalar by scalar: a training step, {rounds} rounds of {task['steps']}", "ms", columns)
    print(as_text(table), flush=True)
    return [table]


def imports(ours: dict[str, Path], options: argparse.Namespace) -> None:
    rounds = 11 if options.quick else 31
    print(f"\nImport: ms, medians over {rounds} fresh processes each")
    for suffix, package in ours.items():
        numpy, beyond = cost(package, rounds)
        print(f"  NumPy {1e3 * numpy:.1f}, tinygrad_edu{suffix} {1e3 * beyond:.1f} beyond it")


def rows(entries: dict[str, Entry], chosen: list[str], ours: dict[str, Path]) -> dict[str, tuple[str, Path]]:
    """A row for each contender, and one for each copy of this library."""
    return {
        entry.title + suffix: (name, package)
        for name, entry in entries.items()
        if name in chosen
        for suffix, package in (ours.items() if name in OURS else [("", ROOT)])
    }


if __name__ == "__main__":
    main()
