from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from augment_ops.policy.spec import Policy
from support.policies import HEAD


@pytest.fixture
def policy() -> Callable[..., Policy]:
    """Makes a policy of the given steps, each one line of YAML."""
    return lambda *steps: Policy.from_text(
        HEAD + "".join(f"  - {step}\n" for step in steps) if steps else HEAD + "  []"
    )


@pytest.fixture
def images() -> np.ndarray:
    """Twelve smooth images 12×10×3, all different."""
    y, x, c = np.mgrid[0:12, 0:10, 0:3]
    return np.stack([(20 * y + 15 * x + 40 * c + 19 * n) % 256 for n in range(12)]).astype(np.uint8)
