"""What can be looked up: the processor, NumPy and its BLAS, threads, Graphviz, the extras. Nothing is measured here."""

from __future__ import annotations

import math
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..drawing.layout import LayoutError, NoGraphvizError, find_program, find_pygraphviz, layout

_AVX2 = {"avx2", "fma"}
_AVX512 = _AVX2 | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
_COOPERLAKE = _AVX512 | {"avx512_vnni", "avx512_bf16"}

# OpenBLAS's names, and the flags that the instructions of these kernels need, as Linux spells them.
KERNELS: dict[str, set[str]] = {
    "Haswell": _AVX2,
    "Zen": _AVX2,
    "SkylakeX": _AVX512,
    "Cooperlake": _COOPERLAKE,
    "SapphireRapids": _COOPERLAKE | {"avx512_fp16", "amx_tile", "amx_bf16"},
}

# What NumPy's names of features stand for; older versions name single ones, newer ones whole levels.
NUMPY_FEATURES: dict[str, set[str]] = {
    "AVX2": {"avx2"},
    "FMA3": {"fma"},
    "X86_V3": _AVX2,
    "AVX512_SKX": _AVX512,
    "X86_V4": _AVX512,
    "AVX512_ICL": _AVX512 | {"avx512_vnni"},
}

VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
)

# For work on the library itself; a user needs none of them.
DEVELOPERS = {"bench", "bench-all", "docs", "lint", "test"}


@dataclass(frozen=True)
class Blas:
    """A BLAS as threadpoolctl finds it loaded."""

    api: str
    version: str
    kernel: str
    threads: int


@dataclass(frozen=True)
class Extra:
    """An extra of this package: what of it is installed, and what is missing."""

    name: str
    installed: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What was found, before anything is measured."""

    versions: str
    system: str
    processor: str
    features: tuple[str, ...]
    flags: frozenset[str]
    blas_name: str
    blas_version: str
    loaded: tuple[Blas, ...] | None  # None: threadpoolctl is not installed
    cores: int
    usable: int
    variables: Mapping[str, str]
    glibc: bool
    graphviz: str
    extras: tuple[Extra, ...]

    @property
    def openblas(self) -> bool:
        """Whether NumPy's matrix products are OpenBLAS's."""
        return "openblas" in self.blas_name.lower() or any(blas.api == "openblas" for blas in self.loaded or ())


def examine() -> Facts:
    """Look everything up; nothing is measured, and nothing is changed."""
    config: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]  # typed as if it always printed
    blas = config.get("Build Dependencies", {}).get("blas", {})
    features = tuple(config.get("SIMD Extensions", {}).get("found", ()))
    return Facts(
        versions=f"tinygrad_edu {_version('tinygrad-edu')}, Python {platform.python_version()}, NumPy {np.__version__}",
        system=f"{platform.system()} {platform.machine()}",
        processor=cpuinfo("model name") or platform.processor(),
        features=features,
        flags=frozenset(processor_flags(features)),
        blas_name=str(blas.get("name", "unknown")),
        blas_version=str(blas.get("version", "")),
        loaded=loaded_blas(),
        cores=os.cpu_count() or 1,
        usable=usable_cores(),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
        glibc=platform.libc_ver()[0] == "glibc",
        graphviz=graphviz(),
        extras=tuple(extras()),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"


def cpuinfo(key: str, file: str = "/proc/cpuinfo") -> str:
    """What Linux says of the first processor; empty elsewhere."""
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    line = re.search(rf"^{key}\s*:(.*)$", text, re.MULTILINE)
    return line[1].strip() if line else ""


def processor_flags(features: Iterable[str], file: str = "/proc/cpuinfo") -> set[str]:
    """The flags that Linux shows, and those that NumPy's features stand for.

    Examples
    --------
    >>> from tinygrad_edu.doctor.facts import processor_flags
    >>> sorted(processor_flags(["X86_V3"], file="/nowhere"))
    ['avx2', 'fma']
    """
    known = (NUMPY_FEATURES.get(feature, set()) for feature in features)
    return set(cpuinfo("flags", file).split()).union(*known)


def allowed_kernels(flags: Iterable[str]) -> list[str]:
    """The kernels whose instructions the processor has: no other may be tried, for it would crash.

    Examples
    --------
    >>> from tinygrad_edu.doctor.facts import allowed_kernels
    >>> allowed_kernels({"avx2", "fma", "avx512f"})
    ['Haswell', 'Zen']
    """
    return [name for name, needed in KERNELS.items() if needed <= set(flags)]


def loaded_blas() -> tuple[Blas, ...] | None:
    """Every BLAS in this process, or None without threadpoolctl."""
    if find_spec("threadpoolctl") is None:
        return None
    from threadpoolctl import threadpool_info

    return tuple(
        Blas(str(i["internal_api"]), str(i["version"] or ""), str(i.get("architecture") or ""), int(i["num_threads"]))
        for i in threadpool_info()
        if i["user_api"] == "blas"
    )


def usable_cores(quota: str = "/sys/fs/cgroup/cpu.max") -> int:
    """The cores that this process may use: fewer than the machine's if it is pinned, or in a container with a quota."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        most, period = Path(quota).read_text(encoding="utf-8").split()
        return min(cores, math.ceil(int(most) / int(period)))
    except (OSError, ValueError):  # no such file, or the quota is the word max
        return cores


def graphviz() -> str:
    """Which Graphviz draws, tried on a small graph; or what is missing."""
    program, wheel = find_program("dot"), find_pygraphviz()
    try:
        layout("digraph { a -> b }", "svg", timeout=20)
    except (NoGraphvizError, LayoutError) as error:
        return str(error)
    return f"the dot program, {program}" if program else f"the pygraphviz wheel, {wheel}"


def extras() -> list[Extra]:
    """The extras of this package that are for users."""
    try:
        names = metadata("tinygrad-edu").get_all("Provides-Extra") or []
        requirements = requires("tinygrad-edu") or []
    except PackageNotFoundError:
        return []
    found = []
    for name in sorted(set(names) - DEVELOPERS):
        needed = [r for r in requirements if re.search(rf"extra\s*==\s*['\"]{re.escape(name)}['\"]", r)]
        packages = dict.fromkeys(re.split(r"[^\w.-]", r, maxsplit=1)[0] for r in needed)
        packages.pop("tinygrad-edu", None)  # an extra of ours that this one includes: it is listed itself
        versions = {package: _version(package) for package in packages}
        found.append(
            Extra(
                name,
                tuple(f"{package} {number}" for package, number in versions.items() if not number.startswith("(")),
                tuple(package for package, number in versions.items() if number.startswith("(")),
            )
        )
    return found
