"""People with keys, the files that name them, and rules that their owner has signed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from augment_ops.governance.acts import ROOT, Act
from augment_ops.governance.keys import Key
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.root import ENTERED_UNDER, Root, pinned

DEMANDED = "state: approved, role: ml-lead, discovery: refuse"  # of policies, in production


def keys_of(*people: str) -> dict[str, Key]:
    """A key each, the same ones every time."""
    return {p: Key(Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32)) for i, p in enumerate(people, 1)}


def person(name: str, key: Key) -> str:
    """Somebody as approvers.yaml has them."""
    return f'{{id: {name}, name: {name}, keys: ["{key.public}"]}}'


def write_approvers(policies: Path, roles: Mapping[str, str | Mapping[str, Key]], witness: Key | None = None) -> None:
    """The file approvers.yaml.

    Args:
        roles: role → its people and their keys, or the list as the file has it.
        witness: key of the service airflow; None trusts none.
    """
    lists = {
        role: people if isinstance(people, str) else ", ".join(person(*of) for of in people.items())
        for role, people in roles.items()
    }
    lines = [f"  {role}: [{people}]\n" for role, people in lists.items()]
    witnesses = "" if witness is None else f'"{witness.public}"'
    (policies / "approvers.yaml").write_text(
        f"version: 1\nroles:\n{''.join(lines)}witnesses:\n  airflow: [{witnesses}]\n"
    )


def write_environments(policies: Path, production: str = DEMANDED, ways: tuple[str, ...] = ("auto", "ml-lead")) -> None:
    """The file environments.yaml: dev, staging, production.

    Args:
        production: what it demands of policies.
        ways: of approval, in production; the others have `auto` besides.
    """
    everywhere = ", ".join(dict.fromkeys(("auto", *ways)))
    (policies / "environments.yaml").write_text(
        "version: 2\nenvironments:\n"
        f"  dev: {{approvals: [{everywhere}], policy: {{state: draft, discovery: warn}}}}\n"
        f"  staging: {{approvals: [{everywhere}], policy: {{state: proposed, discovery: warn}}}}\n"
        f"  production: {{approvals: [{', '.join(ways)}], policy: {{{production}}}}}\n"
    )


def signed_rules(policies: Path, ledger: Ledger, owner: str, key: Key) -> Root:
    """The rules as they stand, signed for the first time and entered; nothing is written beside them."""
    root = Root(
        installation="0" * 32, number=1, previous="", owner=owner, key=key.public, protected=["production"],
        files=pinned(policies),
    ).signed(key)  # fmt: skip
    said = Act(ROOT, owner, root.subjects(), "the rules as they stand", f"{ENTERED_UNDER}{root.digest}")
    ledger.append(said.act, owner, said.signed(key), said.reason, said.once)
    return root
