from __future__ import annotations

from typing import Any

import pytest

from augment_ops.home.web import application
from augment_ops.settings import Settings
from support import home_state


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A workspace with something of everything. Nothing that is served changes it, so all tests share it."""
    return home_state.make(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def app(settings: Settings) -> Any:
    """The pages of it."""
    return application(settings, hosts=("127.0.0.1", "localhost"))
