"""Who may log in to Airflow here: an administrator, a viewer, everybody who may approve, and the tasks themselves."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import ServiceError
from augment_ops.files import SMALL, read_regular, replace_file
from augment_ops.governance.approvals import load_roles
from augment_ops.identity import SERVICE

ADMIN = "admin"
VIEWER = "viewer"
# Airflow's simple roles: `user` is the least that may trigger a DAG and answer a human-in-the-loop task
# (is_authorized_dag asks for USER to write); `op` would add connections, variables and pools.
APPROVER_ROLE = "user"


@dataclass(frozen=True)
class Login:
    """One login.

    Attributes:
        id: login name, and the id that a human-in-the-loop task is assigned to.
        name: as shown to people.
        airflow_role: admin, op, user or viewer.
        roles: roles of policies/approvers.yaml that the person holds.
    """

    id: str
    name: str
    airflow_role: str
    roles: tuple[str, ...] = ()


def people(policies: Path) -> tuple[Login, ...]:
    """The administrator, the viewer, the tasks' login and each person of `policies`/approvers.yaml once, in its order.

    Raises:
        PolicyError: the file is there and faulty; all faults at once.
    """
    found = {
        ADMIN: Login(ADMIN, "Administrator", "admin"),
        VIEWER: Login(VIEWER, "Viewer", "viewer"),
        SERVICE: Login(SERVICE, "AugmentOps' own tasks", "viewer"),
    }
    for role, approvers in load_roles(policies).items():
        for approver in approvers:
            known = found.get(approver.id)
            if known is None:
                found[approver.id] = Login(approver.id, approver.name, APPROVER_ROLE, (role,))
            else:  # holds several roles, or the administrator approves: never less than before
                airflow_role = known.airflow_role if known.airflow_role != "viewer" else APPROVER_ROLE
                found[approver.id] = Login(approver.id, known.name, airflow_role, (*known.roles, role))
    return tuple(found.values())


def simple_auth_users(everybody: tuple[Login, ...]) -> str:
    """The value of `[core] simple_auth_manager_users`."""
    return ",".join(f"{person.id}:{person.airflow_role}" for person in everybody)


def ensure_passwords(path: Path, everybody: tuple[Login, ...]) -> dict[str, str]:
    """Passwords by person id. Those already in `path` are kept, missing ones are drawn; the file is mode 0600.

    Raises:
        ServiceError: the file is there and cannot be read.
    """
    known = read_passwords(path)
    passwords = {**known, **{p.id: secrets.token_urlsafe(12) for p in everybody if p.id not in known}}
    if passwords != known or path.stat().st_mode & 0o077:
        write_passwords(path, passwords)
    return passwords


def write_passwords(path: Path, passwords: Mapping[str, str]) -> None:
    """Keep passwords by person id in a file of mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, json.dumps(dict(passwords), indent=1) + "\n", mode=0o600)


def read_passwords(path: Path) -> dict[str, str]:
    """Passwords by person id, empty where the file is not there.

    Raises:
        ServiceError: not readable, or not a JSON object of strings.
    """
    try:
        content = json.loads(read_regular(str(path), limit=SMALL))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise _unreadable(path, "something else")
    return content


def _unreadable(path: Path, found: str) -> ServiceError:
    return ServiceError(
        str(path), found[:200], "a JSON object {user: password}", f"delete {path}; `augment-ops up` makes new passwords"
    )
