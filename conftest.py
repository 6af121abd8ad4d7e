"""Names that every docstring example may use, as NumPy's own documentation uses np."""

import numpy as np
import pytest

import tinygrad_edu as tg


@pytest.fixture(autouse=True)
def _example_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["np"] = np
    doctest_namespace["tg"] = tg
