from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine, text

from augment_ops.governance.approvals import Approvals
from augment_ops.governance.keys import Key

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(postgres_server: Callable[[], Any]) -> Callable[[], str]:
    """A real PostgreSQL; gives the URL of a new, empty database."""
    folder = postgres_server().get_uri().rpartition("host=")[2]
    at = f"postgresql+pg8000://postgres@/{{}}?unix_sock={folder}/.s.PGSQL.5432"

    def new() -> str:
        name = f"ledger_{next(_numbers)}"
        engine = create_engine(at.format("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return at.format(name)

    return new


@pytest.fixture(scope="session")
def key() -> Key:
    """The key of an installation."""
    return Key(Ed25519PrivateKey.from_private_bytes(b"i" * 32))


@pytest.fixture(scope="session")
def other_key() -> Key:
    """That of another one."""
    return Key(Ed25519PrivateKey.from_private_bytes(b"o" * 32))


@dataclass(frozen=True)
class Workspace:
    """Three leads with keys, somebody of another role, a service that witnesses, and three environments."""

    folder: Path
    keys: dict[str, Key]

    @property
    def approvals(self) -> Approvals:
        return Approvals.load(self.folder)

    def write(self, approvers: str = "", production: str = "", witnesses: bool = True) -> Approvals:
        """Write both files, with other leads or other demands of production where they are given."""
        listed = approvers or ", ".join(f'{{id: {p}, name: {p}, keys: ["{self.keys[p].public}"]}}' for p in LEADS)
        witness = f'"{self.keys["airflow"].public}"' if witnesses else ""
        (self.folder / "approvers.yaml").write_text(
            f"version: 1\nroles:\n  ml-lead: [{listed}]\n"
            f'  auditor: [{{id: dan, name: dan, keys: ["{self.keys["dan"].public}"]}}]\n'
            f"witnesses:\n  airflow: [{witness}]\n"
        )
        demands = production or "state: approved, role: ml-lead, discovery: refuse"
        (self.folder / "environments.yaml").write_text(
            "version: 2\nenvironments:\n"
            "  dev: {approvals: [auto], policy: {state: draft, discovery: warn}}\n"
            "  staging: {approvals: [auto], policy: {state: proposed, discovery: warn}}\n"
            f"  production: {{approvals: [ml-lead], policy: {{{demands}}}}}\n"
        )
        return self.approvals


LEADS = ("ada", "bob", "cy")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    people = (*LEADS, "dan", "airflow")
    keys = {p: Key(Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32)) for i, p in enumerate(people, 1)}
    made = Workspace(tmp_path, keys)
    made.write()
    return made
