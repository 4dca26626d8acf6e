"""Steps that hold other steps: what every modality's policies have in common.

Named as albumentations names its own, with its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Container → its parameters and their defaults, beside `transforms`, the steps that it holds.
CONTAINERS: Mapping[str, Mapping[str, Any]] = {
    "OneOf": {"p": 0.5},
    "Sequential": {"p": 0.5},
    "SomeOf": {"n": 1, "replace": False, "p": 1},
}
