"""The public functions: NumPy's names where NumPy has one. They accept Tensors, arrays and numbers, and give Tensors."""

from . import contraction, elementwise, losses, rearrangement, selection
from . import protocol as protocol  # its functions are reached through NumPy
from .contraction import *  # noqa: F403  # each module lists its public names in __all__
from .elementwise import *  # noqa: F403
from .losses import *  # noqa: F403
from .rearrangement import *  # noqa: F403
from .selection import *  # noqa: F403

__all__ = [
    *contraction.__all__,
    *elementwise.__all__,
    *losses.__all__,
    *rearrangement.__all__,
    *selection.__all__,
]
