"""The doctor: its advice on measurements that are made up, its children, and its report on this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu.doctor import facts as looked_up
from tinygrad_edu.doctor.facts import Blas, Extra, Facts, allowed_kernels, examine, processor_flags, usable_cores
from tinygrad_edu.doctor.report import advice, report
from tinygrad_edu.doctor.trials import (
    Changes,
    ProbeError,
    Sample,
    Task,
    Trial,
    _ending,
    best,
    race,
    run_child,
    speedups,
    try_heap,
    try_kernels,
)

AVX512 = frozenset({"avx2", "fma", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})
MACHINE = Facts(
    versions="tinygrad_edu 0.1.0, Python 3.12.0, NumPy 2.4.0",
    system="Linux x86_64",
    processor="A Processor",
    features=("X86_V3", "X86_V4"),
    flags=AVX512,
    blas_name="scipy-openblas",
    blas_version="0.3.31",
    loaded=(Blas("openblas", "0.3.31", "Haswell", 4),),
    cores=4,
    usable=4,
    variables={},
    glibc=True,
    graphviz="the dot program, /usr/bin/dot",
    extras=(Extra("dot", ("pygraphviz 2.0",), ()), Extra("plots", (), ("matplotlib",))),
)
TAKEN = {"Haswell": "Haswell", "Zen": "Haswell", "SkylakeX": "SkylakeX", "Cooperlake": "SkylakeX"}


def openblas(chosen: str, seconds: Mapping[str, float], calls: list[str] | None = None) -> Callable[[Task, Changes], Sample]:
    """An OpenBLAS that chooses this kernel, and whose kernels take so long."""

    def probe(task: Task, changes: Changes) -> Sample:
        name = changes.get("OPENBLAS_CORETYPE")
        kernel = TAKEN[name] if name else chosen
        if calls is not None:
            calls.append(name or "")
        return Sample(kernel, True, {"float64": 2 * seconds[kernel], "float32": seconds[kernel]})

    return probe


def trial(*rounds: tuple[float, float], label: str = "other") -> Trial:
    return Trial(label, {"X": "1"}, [Sample("", True, {"float64": a, "float32": b}) for a, b in rounds])


def one_child(kind: str) -> Callable[[Task, Changes], Sample]:
    """Everything runs in a moment, only the child with SkylakeX is of another kind."""

    def probe(task: Task, changes: Changes) -> Sample:
        if changes.get("OPENBLAS_CORETYPE") == "SkylakeX":
            if kind == "wrong":
                return Sample("SkylakeX", False, {"float64": 0.1, "float32": 0.1})
            return run_child(task, changes, kind)
        return Sample(changes.get("OPENBLAS_CORETYPE") or "Haswell", True, {"float64": 1.0, "float32": 1.0})

    return probe


# ---- which kernels may be tried ----------------------------------------------------------------------------------


def test_only_kernels_whose_instructions_are_there() -> None:
    assert allowed_kernels(set()) == []
    assert allowed_kernels({"avx2"}) == []
    assert allowed_kernels({"avx2", "fma"}) == ["Haswell", "Zen"]
    assert allowed_kernels(AVX512) == ["Haswell", "Zen", "SkylakeX"]
    for flag in AVX512 - {"avx2", "fma"}:
        assert "SkylakeX" not in allowed_kernels(AVX512 - {flag})
    assert allowed_kernels(AVX512 | {"avx512_vnni", "avx512_bf16"})[-1] == "Cooperlake"
    assert "SapphireRapids" not in allowed_kernels(AVX512 | {"avx512_vnni", "avx512_bf16", "avx512_fp16"})


def test_flags_come_from_linux_and_from_numpy(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: A: B\nflags\t\t: fpu avx512_bf16 \n\nprocessor\t: 1\nflags\t\t: other\n")
    assert processor_flags([], str(cpuinfo)) == {"fpu", "avx512_bf16"}
    assert looked_up.cpuinfo("model name", str(cpuinfo)) == "A: B"
    for names in (["X86_V3", "X86_V4"], ["AVX2", "FMA3", "AVX512_SKX"]):
        assert processor_flags(names, str(tmp_path / "none")) == AVX512
    assert processor_flags(["NEON", "ASIMD"], str(tmp_path / "none")) == set()


@pytest.mark.parametrize(("text", "cores"), [("50000 100000\n", 1), ("100000 100000\n", 1), ("max 100000\n", None), ("?", None)])
def test_a_quota_limits_the_cores(tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert usable_cores(str(tmp_path / "cpu.max")) == (cores or usable_cores(str(tmp_path / "none")))


# ---- the race ----------------------------------------------------------------------------------------------------


def test_an_avx512_processor_that_is_taken_for_a_haswell() -> None:
    calls: list[str] = []
    trials = try_kernels(MACHINE, openblas("Haswell", {"Haswell": 1.7, "SkylakeX": 1.0}, calls), rounds=3)
    assert calls == ["", "Haswell", "Zen", "SkylakeX", "", "SkylakeX", "", "SkylakeX"]
    assert [t.out for t in trials] == ["", "takes Haswell too", "takes Haswell too", ""]
    assert advice(MACHINE, trials, []) == ["export OPENBLAS_CORETYPE=SkylakeX   # matrix products 1.7 times faster here"]


def test_nothing_to_gain_where_the_kernels_are_right() -> None:
    trials = try_kernels(MACHINE, openblas("SkylakeX", {"Haswell": 1.7, "SkylakeX": 1.0}), rounds=2)
    assert advice(MACHINE, trials, []) == ["nothing that was tried here is clearly faster"]


def test_a_kernel_that_was_set_and_is_slower_than_the_chosen_one() -> None:
    facts = replace(MACHINE, variables={"OPENBLAS_CORETYPE": "Haswell"})

    def probe(task: Task, changes: Changes) -> Sample:
        given = changes.get("OPENBLAS_CORETYPE", "Haswell")
        return openblas("SkylakeX", {"Haswell": 1.5, "SkylakeX": 1.0})(task, {"OPENBLAS_CORETYPE": given})

    trials = try_kernels(facts, probe, rounds=2)
    assert advice(facts, trials, []) == ["unset OPENBLAS_CORETYPE   # matrix products 1.5 times faster here"]
    text = report(facts, trials, [])
    assert "Variables  OPENBLAS_CORETYPE=Haswell is set\n" in text
    assert "OPENBLAS_CORETYPE=Haswell, as set (Haswell)" in text


def test_kernels_are_told_apart_by_their_names_without_threadpoolctl() -> None:
    def probe(task: Task, changes: Changes) -> Sample:
        fast = changes.get("OPENBLAS_CORETYPE") == "SkylakeX"
        return Sample("", True, {"float64": 1.0 if fast else 2.0, "float32": 1.0 if fast else 2.0})

    facts = replace(MACHINE, loaded=None)
    trials = try_kernels(facts, probe, rounds=2)
    assert not any(t.out for t in trials)
    assert "export OPENBLAS_CORETYPE=SkylakeX" in advice(facts, trials, [])[0]
    assert 'not known without threadpoolctl: pip install "tinygrad-edu[doctor]"' in report(facts, trials, [])


@pytest.mark.parametrize("name", ["mkl", "accelerate"])
def test_another_blas_is_not_told_what_to_do(name: str) -> None:
    facts = replace(MACHINE, blas_name=name, loaded=(Blas(name, "1", "", 4),))
    assert try_kernels(facts, one_child("raise SystemExit(1)")) == []
    assert advice(facts, [], []) == [f"no advice on kernels: {name} chooses its own, only OpenBLAS can be told"]


def test_a_processor_without_other_kernels() -> None:
    facts = replace(MACHINE, flags=frozenset({"asimd"}))
    assert try_kernels(facts, one_child("raise SystemExit(1)")) == []
    assert advice(facts, [], []) == ["no advice on kernels: none is known here that could be tried instead"]


def test_clear_means_in_every_round_and_for_both_dtypes() -> None:
    first = trial((2.0, 2.0), (2.0, 2.0), (2.0, 2.0), label="first")
    assert best([first, trial((1.7, 1.7), (1.7, 1.7), (1.7, 1.7))]) is not None
    assert best([first, trial((1.0, 1.0), (1.0, 1.0), (1.8, 1.8))]) is None
    assert best([first, trial((0.5, 2.2), (0.5, 2.2), (0.5, 2.2))]) is None
    faster = trial((1.0, 1.5), (1.5, 1.0), (1.0, 1.0), label="faster")
    assert best([first, trial((1.5, 1.5), (1.5, 1.5), (1.0, 1.0)), faster]) is faster
    assert best([]) is None
    np.testing.assert_allclose(speedups(faster, first), [np.sqrt(2 * 4 / 3), np.sqrt(2 * 4 / 3), 2], rtol=1e-14)


# ---- children that do not end well -------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGILL", "SIGSEGV"])
def test_a_kernel_that_crashes_is_shown_and_not_advised(name: str) -> None:
    code = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    trials = try_kernels(MACHINE, one_child(code), rounds=2)
    assert trials[-1].out == f"crashed ({name})"
    assert re.search(rf"OPENBLAS_CORETYPE=SkylakeX +crashed \({name}\)\n", report(MACHINE, trials, []))
    assert advice(MACHINE, trials, []) == ["nothing that was tried here is clearly faster"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("wrong", "computes wrong products"),
        ("raise SystemExit(3)", "crashed (exit status 3)"),
        ("print('hello')", "gave no times"),
        ("print('{}')", "gave no times"),
    ],
)
def test_other_children_that_are_out(kind: str, said: str) -> None:
    trials = try_kernels(MACHINE, one_child(kind), rounds=1)
    assert trials[-1].out == said
    assert best(trials) is None


def test_a_child_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_edu.doctor.trials.TIME_LIMIT", 0.2)
    with pytest.raises(ProbeError, match=r"^did not end within 0\.2 s$"):
        run_child("products", {}, "import time; time.sleep(30)")


def test_without_a_first_one_nothing_is_compared() -> None:
    def probe(task: Task, changes: Changes) -> Sample:
        if not changes:
            raise ProbeError("crashed (SIGILL)")
        return Sample("", True, {"float64": 1.0})

    trials = race("products", [Trial("first", {}), Trial("second", {"X": "1"})], probe)
    assert best(trials) is None
    assert trials[1].samples == []
    assert "  not measured: the process crashed (SIGILL)\n" in report(MACHINE, trials, [])


@pytest.mark.skipif(sys.platform == "win32", reason="exit statuses of POSIX")
def test_the_changes_reach_the_child_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKEN_AWAY", "1")
    before = dict(os.environ)
    code = (
        "import json, os, sys; e = os.environ; print(json.dumps({'kernel': e['SET'] + e['OPENBLAS_NUM_THREADS'] + sys.argv[1], "
        "'right': 'TAKEN_AWAY' not in e, 'seconds': {}}))"
    )
    sample = run_child("temporaries", {"SET": "this", "TAKEN_AWAY": None}, code)
    assert (sample.kernel, sample.right) == ("this1temporaries", True)
    assert dict(os.environ) == before


@pytest.mark.parametrize("task", ["products", "temporaries"])
def test_the_real_child(task: Task) -> None:
    sample = run_child(task, {})
    assert sample.right
    assert set(sample.seconds) == {"float64", "float32"}
    assert all(0 < s < 10 for s in sample.seconds.values())


# ---- heap and threads --------------------------------------------------------------------------------------------


def test_the_heap_is_tried_where_it_is_glibcs_and_nothing_is_set() -> None:
    def probe(task: Task, changes: Changes) -> Sample:
        assert task == "temporaries"
        seconds = 1.0 if "MALLOC_TOP_PAD_" in changes else 3.0
        return Sample("", True, {"float64": seconds, "float32": seconds})

    trials = try_heap(MACHINE, probe, rounds=2)
    assert advice(MACHINE, try_kernels(MACHINE, openblas("Haswell", {"Haswell": 1, "SkylakeX": 1}), 1), trials) == [
        "export MALLOC_TOP_PAD_=67108864   # temporary arrays 3.0 times faster here"
    ]
    assert try_heap(replace(MACHINE, glibc=False), probe) == []
    assert try_heap(replace(MACHINE, variables={"MALLOC_MMAP_THRESHOLD_": "1"}), probe) == []


def test_more_threads_than_cores() -> None:
    facts = replace(MACHINE, usable=1)
    trials = try_kernels(facts, openblas("Haswell", {"Haswell": 1, "SkylakeX": 1}), 1)
    assert advice(facts, trials, []) == ["export OPENBLAS_NUM_THREADS=1   # 4 threads on 1 core wait for each other"]
    assert "           4 cores, 1 of them for this process\n" in report(facts, trials, [])
    assert "export MKL_NUM_THREADS=1" in advice(replace(facts, loaded=(Blas("mkl", "1", "", 4),)), trials, [])[0]


# ---- the report --------------------------------------------------------------------------------------------------

REPORT = """\
tinygrad_edu 0.1.0, Python 3.12.0, NumPy 2.4.0, Linux x86_64

Processor  A Processor
           4 cores
           NumPy sees X86_V3, X86_V4
BLAS       NumPy was built with scipy-openblas 0.3.31
           loaded: openblas 0.3.31, Haswell kernels, 4 threads
Heap       glibc's
Graphviz   the dot program, /usr/bin/dot
Formulas   MathML, which browsers show themselves: neither node nor KaTeX is needed
Extras     dot       pygraphviz 2.0
           plots     matplotlib not installed: pip install "tinygrad-edu[plots]"

Matrix products, 512 × 512, one thread:
                                    float64     float32  times faster
  as OpenBLAS chooses (Haswell)     3.40 ms     1.70 ms
  OPENBLAS_CORETYPE=Haswell      takes Haswell too
  OPENBLAS_CORETYPE=Zen          takes Haswell too
  OPENBLAS_CORETYPE=SkylakeX        2.00 ms     1.00 ms  1.70 (1.70 to 1.70)

What would help
  export OPENBLAS_CORETYPE=SkylakeX   # matrix products 1.7 times faster here"""


def test_the_report() -> None:
    trials = try_kernels(MACHINE, openblas("Haswell", {"Haswell": 0.0017, "SkylakeX": 0.001}), rounds=2)
    assert report(MACHINE, trials, []) == REPORT


def test_what_is_found_on_this_machine() -> None:
    facts = examine()
    assert f"NumPy {np.__version__}" in facts.versions
    assert 1 <= facts.usable <= facts.cores
    assert set(facts.features) <= set(np.show_config(mode="dicts")["SIMD Extensions"]["found"])
    for extra in facts.extras:
        assert extra.name not in {"test", "lint", "docs", "bench", "bench-all"}
        for package in extra.missing:
            assert looked_up._version(package).startswith("(")


def command(*arguments: str, cwd: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "tinygrad_edu"]
    return subprocess.run(
        [sys.executable, "-X", "utf8", *start, *arguments],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_the_command_without_measuring(tmp_path: Path) -> None:
    result = command("doctor", "--no-measure", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"NumPy {np.__version__}" in result.stdout
    for title in ("Processor", "BLAS", "Heap", "Graphviz", "Formulas", "What would help"):
        assert re.search(rf"^{title}", result.stdout, re.MULTILINE), title
    assert "kernels and heap were not measured: run it without --no-measure" in result.stdout
    assert "times faster" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_command_without_threadpoolctl(tmp_path: Path) -> None:
    code = "import sys; sys.modules['threadpoolctl'] = None; from tinygrad_edu.cli import main; sys.exit(main(sys.argv[1:]))"
    result = command("doctor", "--no-measure", cwd=tmp_path, code=code)
    assert (result.returncode, result.stderr) == (0, "")
    assert "kernels and threads are not known without threadpoolctl" in result.stdout


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    broken = "import numpy; numpy.show_config = lambda mode: 1 / 0"
    code = f"{broken}; import sys; from tinygrad_edu.cli import main; sys.exit(main(sys.argv[1:]))"
    result = command("doctor", "--no-measure", cwd=tmp_path, code=code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "tinygrad-edu doctor: ZeroDivisionError: division by zero\n"


@pytest.mark.skipif(sys.platform == "win32", reason="the export lines are of POSIX shells")
def test_a_numpy_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('not NumPy')")
    monkeypatch.chdir(tmp_path)
    assert run_child("products", {}).right


def test_endings_have_names() -> None:
    assert _ending(-signal.SIGINT) == "SIGINT"
    assert _ending(-1000) == "signal 1000"
    assert _ending(0xC000001D) == "illegal instruction"  # as Windows says it
    assert _ending(3) == "exit status 3"
