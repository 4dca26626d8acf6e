"""Who may approve, and which ways of approving an environment allows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from augment_ops.errors import Fault, GovernanceError, InputError, PolicyError, nearest
from augment_ops.policy.yaml_file import load_model

AUTO = "auto"  # the gate alone decides
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]*$", max_length=64)]


class Person(BaseModel):
    """Somebody who may act: the user name in Airflow, and the name that the form shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    # SimpleAuthManager separates users by commas and roles by colons; no other character of theirs may slip in.
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]+$", max_length=255)]
    name: Annotated[str, StringConstraints(min_length=1)]


class _Approvers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    version: Literal[1]
    roles: dict[_Name, Annotated[list[Person], Field(min_length=1)]]


class _Environment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    approvals: Annotated[list[_Name], Field(min_length=1)]


class _Environments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    version: Literal[1]
    environments: Annotated[dict[_Name, _Environment], Field(min_length=1)]


def load_roles(policies: Path) -> dict[str, tuple[Person, ...]]:
    """Role to people of approvers.yaml, in the file's order; empty where there is no such file.

    Raises:
        PolicyError: every fault of the file at once.
    """
    path = policies / "approvers.yaml"
    if not path.is_file():
        return {}
    roles = load_model(path, _Approvers, kind="list of approvers").roles
    return {role: tuple(people) for role, people in roles.items()}


class Approvals:
    """policies/approvers.yaml and policies/environments.yaml, read together."""

    def __init__(self, approvers: _Approvers, environments: _Environments) -> None:
        self._roles = approvers.roles
        self._environments = environments.environments

    @classmethod
    def load(cls, policies: Path) -> Approvals:
        """Read both files from the folder `policies`.

        Raises:
            PolicyError: every fault of a file at once, or an approval that no role stands behind.
        """
        loaded = cls(
            load_model(policies / "approvers.yaml", _Approvers, kind="list of approvers"),
            load_model(policies / "environments.yaml", _Environments, kind="list of environments"),
        )
        faults = [
            Fault(
                f"environments.{name}.approvals",
                f"'{approval}'",
                f"{AUTO} or a role of approvers.yaml",
                f"name one of {', '.join(loaded._roles)}.{nearest(approval, loaded._roles)}",
            )
            for name, environment in loaded._environments.items()
            for approval in environment.approvals
            if approval != AUTO and approval not in loaded._roles
        ]
        if faults:
            raise PolicyError.of(str(policies / "environments.yaml"), faults)
        return loaded

    @property
    def environments(self) -> tuple[str, ...]:
        """Names, in the order of the file."""
        return tuple(self._environments)

    def ways(self, environment: str) -> tuple[str, ...]:
        """Approvals that the environment allows: `auto`, or a role.

        Raises:
            InputError: no such environment.
        """
        if environment not in self._environments:
            raise InputError(
                "environment",
                repr(environment),
                f"one of {', '.join(self._environments)}",
                f"choose one of them, or add it to environments.yaml.{nearest(environment, self._environments)}",
            )
        return tuple(self._environments[environment].approvals)

    def check_way(self, environment: str, approval: str) -> None:
        """Refuse an approval that the environment does not allow.

        Raises:
            InputError: no such environment.
            GovernanceError: not allowed there.
        """
        allowed = self.ways(environment)
        if approval not in allowed:
            raise GovernanceError(
                f"approval for environment {environment}",
                repr(approval),
                f"one of {', '.join(allowed)}",
                f"choose approval {allowed[0]}, or an environment that allows {approval}",
            )

    def people(self, role: str) -> tuple[Person, ...]:
        """Who holds the role.

        Raises:
            GovernanceError: no such role.
        """
        if role not in self._roles:
            raise GovernanceError(
                "approval role",
                repr(role),
                f"one of {', '.join(self._roles)}",
                f"choose one of them, or add the role to approvers.yaml.{nearest(role, self._roles)}",
            )
        return tuple(self._roles[role])

    def may_approve(self, role: str, person: str, triggered_by: str | None) -> Person:
        """The person who answered, if they hold the role and are not the one who started the run.

        Args:
            person: user name of whoever answered.
            triggered_by: user name of whoever started the run; None where a schedule or an event did.

        Raises:
            GovernanceError: refused; nothing may be promoted on that answer.
        """
        holders = self.people(role)
        found = next((holder for holder in holders if holder.id == person), None)
        others = ", ".join(holder.id for holder in holders if holder.id != triggered_by)
        if found is None:
            raise GovernanceError(
                f"approval by {role}",
                repr(person),
                f"one of {', '.join(holder.id for holder in holders)}",
                f"ask one of {others or 'those added to approvers.yaml'} to answer, or add {person} to approvers.yaml",
            )
        if person == triggered_by:
            raise GovernanceError(
                f"approval by {role}",
                f"{person}, who triggered the run",
                "somebody other than who triggered the run",
                f"ask {others} to answer" if others else "add a second person with that role to approvers.yaml",
            )
        return found
