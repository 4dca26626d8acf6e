"""Programs of Debian's packages prometheus and prometheus-alertmanager."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Where a program is; the test is skipped where it is not."""

    def found(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"no {name}: install Debian's packages prometheus and prometheus-alertmanager")
        return path

    return found
