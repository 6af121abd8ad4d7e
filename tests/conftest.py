"""What all tests share: property tests that draw the same examples every time, and helpers that tests can import."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# With importlib import mode, pytest does not put the folder of a test on the path: `import op_samples` needs it.
sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "tinygrad_edu",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tinygrad_edu")
