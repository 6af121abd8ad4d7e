"""Benchmarks are run, not collected: what a time should be depends on the machine, so no test asserts one."""

collect_ignore_glob = ["*.py"]
