"""A state folder of a test's own, which the program finds by the environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from augment_ops.settings import Settings


@contextmanager
def settings_in(home: Path, policies: Path) -> Iterator[Settings]:
    """While it holds, all state is below a folder, whatever the environment of the tests says.

    Args:
        home: the folder; policies: those that are asked.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_OPS_HOME", str(home))
        patch.setenv("AUGMENT_OPS_POLICIES", str(policies))
        for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        yield Settings.from_environment()
