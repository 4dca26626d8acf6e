from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from augment_ops.settings import Settings
from support.command_line import Call, caller
from support.places import POLICIES


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home of its own, with the shipped policies; Ann is who acts, and has no key."""
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "AUGMENT_OPS_KEY", "MLFLOW_TRACKING_URI", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(POLICIES))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "ann")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Settings.from_environment()


@pytest.fixture
def library(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The policies as a copy that a test may change."""
    copy = tmp_path / "policies"
    shutil.copytree(settings.policies, copy, ignore=shutil.ignore_patterns("published"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(copy))
    return copy


@pytest.fixture
def call(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls `augment-ops` in that home: exit code, stdout, stderr."""
    return caller(monkeypatch, capsys)
