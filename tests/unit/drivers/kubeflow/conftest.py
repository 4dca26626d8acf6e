from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.drivers.kubeflow.stamp import stamp
from augment_ops.drivers.kubeflow.tasks import work
from augment_ops.governance.keys import default_path, ensure
from augment_ops.pipeline.parameters import RunParams
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store
from support.people import write_approvers
from support.places import POLICIES

LEADS, AUTHOR = ("ada", "bob"), "eve"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What tasks are given: `kubeflow` acts. Ada and Bob are leads, Eve is an author, and each has a key."""
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "AUGMENT_OPS_KEY", "MLFLOW_TRACKING_URI", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies, ignore=shutil.ignore_patterns("published"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    keys = {name: ensure(default_path(name)) for name in (*LEADS, AUTHOR)}
    roles = {"ml-lead": {name: keys[name] for name in LEADS}, "author": {AUTHOR: keys[AUTHOR]}}
    write_approvers(policies, roles)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(policies))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "kubeflow")
    return Settings.from_environment()


Begin = Callable[..., str]


@pytest.fixture
def begin(settings: Settings) -> Begin:
    """Calls the first task of a compiled pipeline as Kubeflow does: with every parameter."""

    def call(run_id: str = "", **asked: Any) -> str:
        given = {"job": "0123", "run_id": run_id, **asdict(RunParams()), **asked}
        return work(settings, "begin", stamp(), given, lambda line: None)

    return call


@pytest.fixture
def recorded(settings: Settings) -> Callable[[], tuple[list[str], list[str]]]:
    """Acts in the ledger, and documents of runs."""

    def look() -> tuple[list[str], list[str]]:
        return [entry.act for entry in open_ledger(settings).read()], open_store(settings).documents("runs/")

    return look


@pytest.fixture
def acting(settings: Settings) -> Callable[[str], Settings]:
    """The settings of a person."""
    return lambda person: replace(settings, actor=person)
