"""Layers: Tensors with names, and a function of them. PyTorch's words; weights are (in, out), as in u = x W + b."""

from . import activations, init, losses, normalization, pooling
from .activations import *  # noqa: F403  # each module lists its public names in __all__
from .convolution import Conv2d
from .dropout import Dropout
from .embedding import Embedding
from .flatten import Flatten
from .linear import Linear
from .losses import *  # noqa: F403
from .module import Module
from .normalization import *  # noqa: F403
from .pooling import *  # noqa: F403
from .sequential import MLP, Sequential

__all__ = [
    "MLP",
    *activations.__all__,
    *losses.__all__,
    *normalization.__all__,
    *pooling.__all__,
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "Linear",
    "Module",
    "Sequential",
    "init",
]
