"""What the doctor says: the facts, the tables of what was tried, and what would help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from .facts import Extra, Facts
from .trials import Trial, best, speedups


def report(facts: Facts, kernels: list[Trial] | None, heap: list[Trial] | None) -> str:
    """Everything as text; None for a measurement that was not made, an empty list for one that makes no sense here."""
    lines = [
        f"{facts.versions}, {facts.system}",
        "",
        *_item("Processor", facts.processor, _cores(facts), _features(facts)),
        *_item("BLAS", *_blas(facts)),
        *_item("Heap", _heap(facts)),
        *_item("Variables", *(f"{name}={value} is set" for name, value in facts.variables.items())),
        *_item("Graphviz", facts.graphviz),
        *_item("Formulas", "MathML, which browsers show themselves: neither node nor KaTeX is needed"),
        *_item("Extras", *(_extra(extra) for extra in facts.extras)),
    ]
    if kernels:
        lines += ["", "Matrix products, 512 × 512, one thread:", *table(kernels)]
    if heap:
        lines += ["", "Temporary arrays of 2 MiB, 1 / (1 + exp(-x)):", *table(heap)]
    lines += ["", "What would help", *(f"  {line}" for line in advice(facts, kernels, heap))]
    return "\n".join(lines)


def _item(title: str, *texts: str) -> list[str]:
    return [f"{title if k == 0 else '':<11}{text}" for k, text in enumerate(text for text in texts if text)]


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + "s" * (n != 1)


def _cores(facts: Facts) -> str:
    return _count(facts.cores, "core") + (f", {facts.usable} of them for this process" if facts.usable < facts.cores else "")


def _features(facts: Facts) -> str:
    return f"NumPy sees {', '.join(facts.features)}" if facts.features else ""


def _blas(facts: Facts) -> list[str]:
    built = f"NumPy was built with {facts.blas_name} {facts.blas_version}".rstrip()
    if facts.loaded is None:
        return [built, 'kernels and threads are not known without threadpoolctl: pip install "tinygrad-edu[doctor]"']
    loaded = [
        f"{blas.api} {blas.version}".strip()
        + (f", {blas.kernel} kernels" if blas.kernel else "")
        + f", {_count(blas.threads, 'thread')}"
        for blas in facts.loaded
    ]
    return [built, *(f"loaded: {text}" for text in loaded or ["none that threadpoolctl knows"])]


def _heap(facts: Facts) -> str:
    return "glibc's" if facts.glibc else "not glibc's: nothing is known of it here"


def _extra(extra: Extra) -> str:
    if extra.missing:
        return f'{extra.name:<10}{", ".join(extra.missing)} not installed: pip install "tinygrad-edu[{extra.name}]"'
    return f"{extra.name:<10}{', '.join(extra.installed) or 'nothing to install'}"


def table(trials: Sequence[Trial]) -> list[str]:
    """A row for each setting: medians over the rounds, and the smallest and largest speed-up of a round."""
    first = trials[0]
    if first.out:
        return [f"  not measured: the process {first.out}"]
    dtypes = list(first.samples[0].seconds)
    labels = [trial.label + (f" ({trial.kernel})" if trial.kernel and trial is first else "") for trial in trials]
    width = max(map(len, labels))
    lines = [f"  {'':<{width}}  " + "  ".join(f"{dtype:>10}" for dtype in dtypes) + "  times faster"]
    for label, trial in zip(labels, trials, strict=True):
        if trial.out:
            lines.append(f"  {label:<{width}}  {trial.out}")
            continue
        times = "  ".join(f"{1e3 * trial.seconds(dtype):7.2f} ms" for dtype in dtypes)
        rounds = speedups(trial, first)
        faster = "" if trial is first else f"  {median(rounds):.2f} ({min(rounds):.2f} to {max(rounds):.2f})"
        lines.append(f"  {label:<{width}}  {times}{faster}")
    return lines


def advice(facts: Facts, kernels: list[Trial] | None, heap: list[Trial] | None) -> list[str]:
    """One line for each thing that would help, with the line to set or to run; and what was not looked at."""
    lines = []
    for trials, what in ((kernels, "matrix products"), (heap, "temporary arrays")):
        winner = best(trials or ())
        if trials and winner:
            factor = median(speedups(winner, trials[0]))
            lines += [
                f"{_shell(name, value)}   # {what} {factor:.1f} times faster here" for name, value in winner.changes.items()
            ]
    for blas in facts.loaded or ():
        if blas.threads > facts.usable:
            line = _shell(_threads_variable(blas.api), str(facts.usable))
            lines.append(f"{line}   # {blas.threads} threads on {_count(facts.usable, 'core')} wait for each other")
    if kernels is None or heap is None:
        lines.append("kernels and heap were not measured: run it without --no-measure")
    elif not facts.openblas:
        lines.append(f"no advice on kernels: {facts.blas_name} chooses its own, only OpenBLAS can be told")
    elif not kernels:
        lines.append("no advice on kernels: none is known here that could be tried instead")
    return lines or ["nothing that was tried here is clearly faster"]


def _shell(name: str, value: str | None) -> str:
    if sys.platform == "win32":
        return f"set {name}={value or ''}"
    return f"unset {name}" if value is None else f"export {name}={value}"


def _threads_variable(api: str) -> str:
    return {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS"}.get(api, "OMP_NUM_THREADS")
