from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.errors import PolicyError, ServiceError
from augment_ops.services.people import ensure_passwords, people, read_passwords, simple_auth_users

APPROVERS = """
version: 1
roles:
  ml-lead: [{id: lead, name: ML Lead}, {id: deputy, name: Deputy}]
  risk: [{id: lead, name: ML Lead}]
"""


def policies(folder: Path, text: str) -> Path:
    (folder / "approvers.yaml").write_text(text)
    return folder


def test_each_approver_logs_in_once_with_the_least_role_that_may_answer(tmp_path: Path) -> None:
    everybody = people(policies(tmp_path, APPROVERS))

    assert simple_auth_users(everybody) == "admin:admin,viewer:viewer,augment-ops:viewer,lead:user,deputy:user"
    assert next(person for person in everybody if person.id == "lead").roles == ("ml-lead", "risk")


def test_a_viewer_who_approves_may_answer_and_an_administrator_stays_one(tmp_path: Path) -> None:
    text = "version: 1\nroles: {ml-lead: [{id: viewer, name: V}, {id: admin, name: A}]}"

    assert simple_auth_users(people(policies(tmp_path, text))) == "admin:admin,viewer:user,augment-ops:viewer"


def test_without_a_file_nobody_approves(tmp_path: Path) -> None:
    assert [person.id for person in people(tmp_path)] == ["admin", "viewer", "augment-ops"]


@pytest.mark.parametrize("bad", ["a:admin", "a,b", "", "a b"])
def test_an_id_that_would_add_a_role_or_a_user_is_refused_with_every_other_fault(tmp_path: Path, bad: str) -> None:
    text = json.dumps({"version": 1, "roles": {"ml-lead": [{"id": bad, "name": "bad"}, {"name": "no id"}]}})

    with pytest.raises(PolicyError) as caught:
        people(policies(tmp_path, text))

    assert [fault.where for fault in caught.value.faults] == ["roles.ml-lead.0.id", "roles.ml-lead.1.id"]


def test_passwords_are_kept_over_restarts_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "services" / "passwords.json"
    first = ensure_passwords(path, people(tmp_path))
    second = ensure_passwords(path, people(policies(tmp_path, APPROVERS)))

    assert set(second) == {"admin", "viewer", "augment-ops", "lead", "deputy"}
    assert second["admin"] == first["admin"]
    assert len(set(second.values())) == len(second)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_passwords(path) == second
    assert [p.name for p in path.parent.iterdir()] == ["passwords.json"]


def test_passwords_that_others_could_read_are_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    before = ensure_passwords(path, people(tmp_path))
    path.chmod(0o644)

    assert ensure_passwords(path, people(tmp_path)) == before
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_password_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    path.write_text('{"admin": ')

    with pytest.raises(ServiceError, match=r"passwords\.json.*(?s:.)*Fix: delete"):
        read_passwords(path)
