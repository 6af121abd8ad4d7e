"""Names that every docstring example may use, as NumPy's own documentation uses np; and one BLAS thread for each process."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: threads of several processes wait for each other

import numpy as np
import pytest

import tinygrad_edu as tg


@pytest.fixture(autouse=True)
def _example_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["np"] = np
    doctest_namespace["tg"] = tg
