"""pytest runs the examples of the pages; how Sphinx builds them, and what it builds, is not for pytest."""

collect_ignore = ["conf.py", "_ext", "_build"]
