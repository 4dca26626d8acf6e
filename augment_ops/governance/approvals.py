"""Who may approve, with which keys, and what an environment demands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from augment_ops.content import digest_of, sha256_hex
from augment_ops.errors import ActRefused, Fault, GovernanceError, InputError, PolicyError, nearest
from augment_ops.governance.keys import canonical
from augment_ops.identity import RESERVED, among, fold, lookalike, same
from augment_ops.policy.yaml_file import parse, read_text, same_lines, validate

AUTO = "auto"  # the gate alone decides
PRODUCTION = "production"  # always protected
APPROVERS, ENVIRONMENTS = "approvers.yaml", "environments.yaml"
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]*$", max_length=64)]


_PublicKey = Annotated[str, AfterValidator(canonical)]


class Person(BaseModel):
    """Somebody who may act: the user name in Airflow, the name that the form shows, and keys to sign with."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    # SimpleAuthManager separates users by commas and roles by colons; no other character of theirs may slip in.
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]+$", max_length=255)]
    name: Annotated[str, StringConstraints(min_length=1)]
    keys: list[_PublicKey] = []

    @property
    def digest(self) -> str:
        """sha256 over the entry: an approval is bound to it."""
        return digest_of(self.model_dump())


class ApproversFile(BaseModel):
    """approvers.yaml as it is written; `approvers_of` reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    version: Literal[1]
    roles: dict[_Name, Annotated[list[Person], Field(min_length=1)]]
    witnesses: dict[_Name, list[_PublicKey]] = {}


class PolicyDemands(BaseModel):
    """What a policy needs in an environment before a run may train on it.

    Attributes:
        state: `draft`, any file within its limits; `proposed`, published with evidence; `approved`.
        role, approvers: whose approval counts, and of how many people.
        longest_days: for how long an approval counts at most.
        discovery: what a `discovered_by` that leads nowhere means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    state: Literal["draft", "proposed", "approved"]
    role: _Name | None = None
    approvers: Annotated[int, Field(ge=1, le=10)] = 1
    longest_days: Annotated[int, Field(ge=1, le=3650)] = 365
    discovery: Literal["warn", "refuse"]


class _Environment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    approvals: Annotated[list[_Name], Field(min_length=1)]
    policy: PolicyDemands
    protected: bool = False
    rollout: _Name | None = None


class _Environments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    version: Literal[2]
    environments: Annotated[dict[_Name, _Environment], Field(min_length=1)]


def load_roles(policies: Path) -> dict[str, tuple[Person, ...]]:
    """Role to people of approvers.yaml, in the file's order; empty where there is no such file.

    Raises:
        PolicyError: every fault of the file at once.
    """
    path = policies / APPROVERS
    if not path.is_file():
        return {}
    return {role: tuple(people) for role, people in approvers_of(path, _text_of(path)).roles.items()}


def _text_of(path: Path) -> str:
    return read_text(path, kind="list of approvers" if path.name == APPROVERS else "list of environments")


def approvers_of(path: Path, text: str) -> ApproversFile:
    """approvers.yaml, in which a person is the same in every role, and no two of them share a name or a key.

    Raises:
        PolicyError: every fault of the file at once.
    """
    found = validate(parse(text, str(path)), ApproversFile, str(path))
    known: dict[str, Person] = {}
    faults = []
    for role, people in found.roles.items():
        for i, person in enumerate(people):
            first = known.setdefault(fold(person.id), person)
            if first != person:
                faults.append(_not_one_person(f"roles.{role}[{i}]", person, first))
            if among(person.id, RESERVED):
                where, fix = f"roles.{role}[{i}].id", "give the person another id"
                faults.append(Fault(where, repr(person.id), "an id that the ledger keeps for no other", fix))
    faults += _shared_keys(found, known)
    if faults:
        raise PolicyError.of(str(path), faults)
    return found


def _not_one_person(where: str, person: Person, first: Person) -> Fault:
    if person.id == first.id:
        fix = "make the entries of one person the same"
        return Fault(where, f"another name or key of {person.id}", "one person", fix)
    fix = f"make them one person, {first.id}, or give one of them an id that differs in more than case"
    return Fault(f"{where}.id", f"{person.id!r}, which reads as {first.id!r}", "ids that nobody takes for another", fix)


def _shared_keys(found: ApproversFile, known: Mapping[str, Person]) -> list[Fault]:
    """Keys that two people, or a person and a witness, have: whoever holds one could approve in both names."""
    owners: dict[str, str] = {}
    held = [(person.id, key) for person in known.values() for key in person.keys]
    held += [(f"the witness {name}", key) for name, keys in found.witnesses.items() for key in keys]
    return [
        Fault(f"key {key}", f"that of {owners[key]} and of {owner}", "the key of one", "let each make their own")
        for owner, key in held
        if owners.setdefault(key, owner) != owner
    ]


class Approvals:
    """policies/approvers.yaml and policies/environments.yaml, read together and once.

    Attributes:
        read: file → sha256 of the very bytes that were read.
    """

    def __init__(self, approvers: ApproversFile, environments: _Environments, read: Mapping[str, str]) -> None:
        self.read = dict(read)
        self._roles = approvers.roles
        self._witnesses = approvers.witnesses
        self._environments = environments.environments

    @classmethod
    def load(cls, policies: Path) -> Approvals:
        """Read both files from the folder `policies`.

        Raises:
            PolicyError: every fault of a file at once, or an approval that no role stands behind.
        """
        texts = {name: _text_of(policies / name) for name in (APPROVERS, ENVIRONMENTS)}
        where = str(policies / ENVIRONMENTS)
        loaded = cls(
            approvers_of(policies / APPROVERS, texts[APPROVERS]),
            validate(parse(texts[ENVIRONMENTS], where), _Environments, where),
            {name: sha256_hex(same_lines(text.encode())) for name, text in texts.items()},
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
        for name, environment in loaded._environments.items():
            faults += _demand_faults(f"environments.{name}.policy", environment.policy, loaded._roles)
            faults += _rollout_faults(f"environments.{name}.rollout", environment.rollout, policies / "rollout")
        if faults:
            raise PolicyError.of(where, faults)
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
        return tuple(self._environment(environment).approvals)

    def demands(self, environment: str) -> PolicyDemands:
        """What a policy needs there.

        Raises:
            InputError: no such environment.
        """
        return self._environment(environment).policy

    def rollout(self, environment: str) -> str | None:
        """Name of the rules by which a model takes the place of the champion there; None where it does so at once.

        Raises:
            InputError: no such environment.
        """
        return self._environment(environment).rollout

    def is_protected(self, environment: str) -> bool:
        """Whether a run there stands on rules that the owner has signed. Production always does.

        Raises:
            InputError: no such environment.
        """
        return self._environment(environment).protected or environment == PRODUCTION

    def is_above_dev(self, environment: str) -> bool:
        """Whether what is done there counts: any environment that asks for more than a draft.

        Raises:
            InputError: no such environment.
        """
        return self.is_protected(environment) or self.demands(environment).state != "draft"

    def _environment(self, environment: str) -> _Environment:
        if environment not in self._environments:
            raise InputError(
                "environment",
                repr(environment),
                f"one of {', '.join(self._environments)}",
                f"choose one of them, or add it to environments.yaml.{nearest(environment, self._environments)}",
            )
        return self._environments[environment]

    def check_way(self, environment: str, approval: str) -> None:
        """Refuse an approval that the environment does not allow.

        Raises:
            InputError: no such environment.
            ActRefused: not allowed there.
        """
        allowed = self.ways(environment)
        if approval not in allowed:
            raise ActRefused(
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

    def person(self, person: str) -> Person | None:
        """Somebody of the file, whatever the role; None where nobody has that id."""
        return next((holder for people in self._roles.values() for holder in people if same(holder.id, person)), None)

    def taken_for(self, person: str) -> str | None:
        """The id of somebody of the file that `person` could be taken for without being it."""
        return lookalike(person, (holder.id for people in self._roles.values() for holder in people))

    def holds(self, role: str, person: str) -> bool:
        """Whether that person holds the role."""
        return among(person, (holder.id for holder in self._roles.get(role, ())))

    def witness_keys(self, witness: str) -> tuple[str, ...]:
        """Public keys of a service whose word counts for what a person answered there."""
        return tuple(self._witnesses.get(witness, ()))

    def others(self, role: str, triggered_by: str | None) -> tuple[Person, ...]:
        """Who holds the role beside the one who started a run: the only ones whose answer to it can count.

        Raises:
            ActRefused: nobody else holds it.
            GovernanceError: no such role.
        """
        found = others(self.people(role), (triggered_by,))
        if not found:
            raise ActRefused(
                f"approval by {role}",
                f"only {triggered_by}, who starts the run",
                "another person who may approve it",
                "add a second person with that role to approvers.yaml, or let somebody else start the run",
            )
        return found

    def may_approve(self, role: str, person: str, triggered_by: str | None) -> Person:
        """The person who answered, if they hold the role and are not the one who started the run.

        Args:
            person: user name of whoever answered.
            triggered_by: user name of whoever started the run; None where a schedule or an event did.

        Raises:
            ActRefused: refused; nothing may be promoted on that answer.
        """
        holders = self.people(role)
        found = next((holder for holder in holders if same(holder.id, person)), None)
        left = ", ".join(holder.id for holder in others(holders, (triggered_by,)))
        if found is None:
            raise ActRefused(
                f"approval by {role}",
                repr(person),
                f"one of {', '.join(holder.id for holder in holders)}",
                f"ask one of {left or 'those added to approvers.yaml'} to answer, or add {person} to approvers.yaml",
            )
        if same(person, triggered_by):
            raise ActRefused(
                f"approval by {role}",
                f"{person}, who triggered the run",
                "somebody other than who triggered the run",
                f"ask {left} to answer" if left else "add a second person with that role to approvers.yaml",
            )
        return found


def others(people: Iterable[Person], concerned: Collection[str | None]) -> tuple[Person, ...]:
    """Those of the people who are none of the concerned: whoever asks for something, or made it, does not answer."""
    return tuple(person for person in people if not any(same(person.id, one) for one in concerned))


def check_reason(where: str, reason: str) -> None:
    """Refuse an answer without a reason: it is what whoever looks later has to go by.

    Raises:
        InputError: it is blank.
    """
    if not reason.strip():
        raise InputError(
            where,
            "no reason",
            "why, in a sentence: ledger, report and MLflow keep it",
            "answer again, with what it was decided from",
        )


def _demand_faults(where: str, demands: PolicyDemands, roles: Mapping[str, Sequence[Person]]) -> list[Fault]:
    if demands.state != "approved":
        return []
    if demands.role is None:
        return [Fault(f"{where}.role", "nothing", "the role whose approval counts", f"name one of {', '.join(roles)}")]
    if demands.role not in roles:
        fix = f"name one of {', '.join(roles)}.{nearest(demands.role, roles)}"
        return [Fault(f"{where}.role", f"'{demands.role}'", "a role of approvers.yaml", fix)]
    holders = len({holder.id for holder in roles[demands.role]})
    if demands.approvers > holders:
        fix = f"lower it, or give {demands.role} more people"
        return [Fault(f"{where}.approvers", str(demands.approvers), f"at most {holders}, who hold the role", fix)]
    return []


def _rollout_faults(where: str, name: str | None, folder: Path) -> list[Fault]:
    if name is None or (folder / f"{name}.yaml").is_file():
        return []
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    fix = f"name one of them, or write {folder / name}.yaml.{nearest(name, known)}"
    return [Fault(where, f"'{name}'", f"one of policies/rollout/: {', '.join(known) or 'there is none'}", fix)]
