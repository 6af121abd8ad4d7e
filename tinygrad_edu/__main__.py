"""``python -m tinygrad_edu``: the command."""

import sys

from .cli import main

sys.exit(main())
