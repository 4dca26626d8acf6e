"""What the tests of nearline augmentation share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from augment_ops.data.snapshot import Snapshot
from support.nearline import Made, NearlineService, snapshot_of_digits


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot_of_digits(tmp_path_factory.mktemp("store"))


@pytest.fixture
def made(snapshot: Snapshot, tmp_path: Path, request: pytest.FixtureRequest) -> Made:
    return partial(NearlineService, snapshot, tmp_path, request.node.name)
