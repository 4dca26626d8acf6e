"""Policies from proposal to production, with a real ledger, a real store and MLflow on SQLite."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import AugmentOpsError
from augment_ops.governance.keys import Key, ensure, witness_path
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle import admission, governing
from augment_ops.lifecycle.acts import approve, propose
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace

ROOT = Path(__file__).parents[3]
POLICY = "digits-robust"
VERSION = "digits-robust/1.0.0"
PEOPLE = ("ada", "bob", "cy")


@dataclass(frozen=True)
class Desk:
    """A home and a library of its own, with everybody's keys."""

    settings: Settings
    keys: dict[str, Key]
    folder: Path

    def workspace(self, actor: str = "pat") -> Workspace:
        return Workspace(self.settings, actor, key=self.key_file(actor))

    def initialise(self) -> None:
        """The owner signs the rules as they stand: what production asks for."""
        governing.initialise(Workspace(self.settings, "olga", key=self.key_file("olga")))

    def sign(self) -> None:
        """The owner signs rules that were changed."""
        workspace = Workspace(self.settings, "olga", key=self.key_file("olga"))
        governing.sign(workspace, "for the test", governing.sign(workspace, "for the test", "").seen)

    def key_file(self, who: str) -> Path:
        return self.folder / f"{who}.pem"

    def approve(self, by: str = "ada", name: str = POLICY, **asked: Any) -> Any:
        asked = {"environment": "production", "reason": f"{by} saw it", "days": 30, "key": self.keys[by], **asked}
        return approve(self.workspace(by), name, asked.pop("environment"), **asked)

    def admit(self, environment: str = "production", name: str = POLICY) -> admission.Admitted:
        workspace = self.workspace()
        return admission.admit_policy(workspace, workspace.admit_to_run(name), environment)

    def refused(self, environment: str = "production", name: str = POLICY) -> tuple[str, str]:
        """What was found, and what to do next."""
        with pytest.raises(AugmentOpsError) as caught:
            self.admit(environment, name)
        return "; ".join(f.found for f in caught.value.faults), "; ".join(f.fix for f in caught.value.faults)

    def acts(self) -> list[tuple[str, str]]:
        return [(entry.act, entry.actor) for entry in Ledger(self.settings.ledger).entries()]

    def write(self, *, production: str = "", approvers: str = "") -> None:
        """Both files; signed again where they were signed before."""
        folder = self.settings.policies
        demands = production or "state: approved, role: ml-lead, longest_days: 60, discovery: refuse"
        (folder / "environments.yaml").write_text(
            "version: 2\nenvironments:\n"
            "  dev: {approvals: [auto, ml-lead], policy: {state: draft, discovery: warn}}\n"
            "  staging: {approvals: [auto, ml-lead], policy: {state: proposed, discovery: warn}}\n"
            f"  production: {{approvals: [auto, ml-lead], policy: {{{demands}}}}}\n"
        )
        listed = approvers or ", ".join(f'{{id: {p}, name: {p}, keys: ["{self.keys[p].public}"]}}' for p in PEOPLE)
        (folder / "approvers.yaml").write_text(
            f"version: 1\nroles:\n  ml-lead: [{listed}]\n"
            f'  auditor: [{{id: dan, name: dan, keys: ["{self.keys["dan"].public}"]}}]\n'
            f'  author: [{{id: pat, name: pat, keys: ["{self.keys["pat"].public}"]}}]\n'
            f'witnesses:\n  airflow: ["{self.keys["airflow"].public}"]\n'
        )
        if (folder / "governance.yaml").exists():
            self.sign()

    def edit(self, *changes: tuple[str, str], name: str = POLICY) -> Path:
        path = self.settings.policies / "augment" / f"{name}.yaml"
        text = path.read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path.write_text(text)
        return path


def _settings(home: Path) -> Settings:
    return Settings.from_environment({"AUGMENT_OPS_HOME": str(home), "AUGMENT_OPS_POLICIES": str(home / "policies")})


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def keys(key_folder: Path) -> dict[str, Key]:
    return {who: ensure(key_folder / f"{who}.pem") for who in (*PEOPLE, "dan", "pat", "olga", "airflow")}


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Key], key_folder: Path) -> Desk:
    """Nothing was done yet."""
    home = tmp_path_factory.mktemp("bare") / "home"
    shutil.copytree(ROOT / "policies", home / "policies", ignore=shutil.ignore_patterns("published"))
    made = Desk(_settings(home), keys, key_folder)
    made.write()
    # The witness of this home is the one that approvers.yaml names.
    witness_path(home / "keys").parent.mkdir(mode=0o700)
    shutil.copy(key_folder / "airflow.pem", witness_path(home / "keys"))
    return made


@pytest.fixture(scope="session")
def proposed(tmp_path_factory: pytest.TempPathFactory, bare: Desk) -> Desk:
    """One version was proposed: the slow part, profile and gallery, once."""
    made = _copy(bare, tmp_path_factory.mktemp("proposed"))
    made.edit(("p95_ms: 1.0", "p95_ms: 100.0"))  # the machine that tests may be a slow one
    propose(made.workspace(), POLICY, "digits")
    made.initialise()
    return made


def _copy(desk: Desk, folder: Path) -> Desk:
    home = folder / "home"
    shutil.copytree(desk.settings.home, home)
    return replace(desk, settings=_settings(home))


@pytest.fixture
def desk(proposed: Desk, tmp_path: Path) -> Desk:
    return _copy(proposed, tmp_path / "desk")


@pytest.fixture
def draft(bare: Desk, tmp_path: Path) -> Desk:
    return _copy(bare, tmp_path / "draft")


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGMENT_OPS_KEY", raising=False)
