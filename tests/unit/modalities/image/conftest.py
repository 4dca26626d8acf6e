from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from augment_ops.policy.spec import Policy
from augment_ops.quality.rules import QualityRules
from augment_ops.stress import suite
from augment_ops.stress.definition import SuiteSpec
from support.places import POLICIES
from support.planting import Planting
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


@pytest.fixture(scope="session")
def spec() -> SuiteSpec:
    return suite.load(POLICIES / "stress" / "invariances.yaml")


@pytest.fixture(scope="session")
def rules() -> QualityRules:
    return QualityRules.load(POLICIES / "quality" / "default.yaml")


@pytest.fixture
def planting() -> Planting:
    return Planting()
