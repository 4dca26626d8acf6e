from __future__ import annotations

import pytest

from augment_ops.quality.rules import QualityRules
from support.places import POLICIES
from support.planting import Planting


@pytest.fixture
def planting() -> Planting:
    return Planting()


@pytest.fixture(scope="session")
def rules() -> QualityRules:
    return QualityRules.load(POLICIES / "quality" / "default.yaml")
