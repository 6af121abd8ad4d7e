"""Small data sets, each made from a seed or shipped, and minibatches of them.

A set is x, float64 (N, F), and y (N,): integers from 0 for classes, floats for regression.
"""

from .batches import minibatches, split, standardize
from .curve import linear, regression
from .dataset import Dataset
from .given_names import names
from .plane import circles, moons, spirals, xor
from .scikit import digits, iris

__all__ = [
    "Dataset",
    "circles",
    "digits",
    "iris",
    "linear",
    "minibatches",
    "moons",
    "names",
    "regression",
    "spirals",
    "split",
    "standardize",
    "xor",
]
