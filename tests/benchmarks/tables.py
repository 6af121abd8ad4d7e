"""Tables of results, as text for a terminal and as one Markdown page; each setting has its columns."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from contenders import NO_LOSS
from turns import Result, Setting

QUIET = 0.9  # cores that a contender has at least kept busy if nothing else ran
LIBRARIES = ("numpy", "autograd", "mygrad", "torch", "jax", "tinygrad", "micrograd")


class Table(NamedTuple):
    """What was measured in one case: the results under each setting, all with the same rows."""

    title: str
    unit: str  # µs or ms
    columns: list[tuple[str, list[Result]]]

    def rows(self) -> list[tuple[Result, ...]]:
        return list(zip(*(results for _, results in self.columns), strict=True))

    def number(self, seconds: float) -> str:
        return f"{seconds * {'µs': 1e6, 'ms': 1e3}[self.unit]:.1f}"


def heading(setting: Setting) -> str:
    threads = f"{setting.threads} thread" + "s" * (setting.threads > 1)
    return threads if setting.coretype is None else f"{threads}, {setting.coretype or 'kernel as chosen'}"


def as_text(table: Table) -> str:
    """Time, ratio, cores that were busy and page faults of a step, for each setting."""
    width = max(len(row[0].contender) for row in table.rows())
    group = f"{table.unit:>10}  {'ratio':>7}  {'cores':>5}  {'faults':>6}"
    lines = [f"\n{table.title}"]
    if len(table.columns) > 1:
        titles = "  ".join(f"{title:^{len(group)}}" for title, _ in table.columns)
        lines.append(" " * (width + 4) + titles.rstrip())
    lines.append(" " * (width + 4) + "  ".join([group] * len(table.columns)))
    for row in table.rows():
        shown = row[:1] if all(r.skipped for r in row) else row
        cells = [f"skipped: {r.skipped}" if r.skipped else _cells(table, r) for r in shown]
        lines.append(f"  {row[0].contender:<{width}}  " + "  ".join(f"{cell:<{len(group)}}" for cell in cells).rstrip())
    lines += [f"  {remark}" for remark in _remarks(table)]
    return "\n".join(lines)


def _cells(table: Table, r: Result) -> str:
    return f"{table.number(r.seconds):>10}  {r.ratio:7.3f}  {r.cores:5.2f}  {r.faults:6.1f}"


def _remarks(table: Table) -> list[str]:
    """What a reader must know of this table."""
    every = [r for row in table.rows() for r in row if not r.skipped]
    busy = min(r.cores for r in every) < QUIET
    return [NO_LOSS] * any("*" in r.contender for r in every) + ["other programs took the processor: measure again"] * busy


def as_markdown(table: Table) -> str:
    """Time and ratio for each setting."""
    titles = ["", *(f"{title}: {table.unit} | ratio" for title, _ in table.columns)]
    lines = [f"## {table.title}", "", f"| {' | '.join(titles)} |", "|---" + "|--:" * (2 * len(table.columns)) + "|"]
    remarks: list[str] = []
    for row in table.rows():
        cells = [f"{table.number(r.seconds)} | {r.ratio:.2f}" if not r.skipped else "— | —" for r in row]
        lines.append(f"| {row[0].contender.replace('*', '&#42;')} | {' | '.join(cells)} |")
        remarks += dict.fromkeys(f"{r.contender} was skipped: {r.skipped}" for r in row if r.skipped)
    remarks += [remark.replace("*", "&#42;") for remark in _remarks(table)]
    return "\n".join([*lines, *(f"\n{remark[:1].upper()}{remark[1:]}." for remark in remarks)])


def as_page(tables: Sequence[Table], about: Sequence[str], command: str) -> str:
    """All tables as a Markdown page, with the day and the machine they are of."""
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"Measured on {datetime.date.today().isoformat()} with `{command}`.",
            "",
            *(f"- {line}" for line in about),
            "",
            "A step is the loss, all gradients and the update of the parameters. Each contender has a process of its own;",
            "they run in turns, and nobody is timed before all have the same losses. Times are medians over the rounds; a ratio",
            "is the median of the ratios within each round, against the first row of its table. Numbers of different tables or",
            "pages do not compare.",
            "",
            "\n\n".join(as_markdown(table) for table in tables),
            "",
        ]
    )


def versions() -> str:
    """Python and the libraries that are installed."""
    known = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(known)


def processor() -> str:
    """The processor as it names itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
