"""The root document: the rules of an installation's protected environments, by digest, signed by its owner.

It lies beside the rules, in policies/governance.yaml, and is reviewed and kept with them. The ledger says which one is
in force and whose key may sign the next: an entry `root` for the first, an entry `rules` for each that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.errors import Fault, GovernanceError
from augment_ops.files import NotReadableError, read_regular, replace_file
from augment_ops.governance.acts import HAND_OVER, ROOT, RULES, signed_by
from augment_ops.governance.approvals import APPROVERS, ENVIRONMENTS
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import verifies
from augment_ops.governance.signers import Signer
from augment_ops.policy.yaml_file import load_model, same_lines
from augment_ops.policy.yaml_limits import MAX_BYTES

FILE = "governance.yaml"
ENTERED_UNDER = "rules:"  # begins the ledger's key of every entry about a root document: found without reading all
_PURPOSE = "augment-ops: root document, version 1"  # so that no signature can serve as another kind's
# What a decision rests on beside the policy itself, which approvals cover by its digest.
_FILES = (APPROVERS, ENVIRONMENTS)
_FOLDERS = ("drift", "gates", "limits", "quality", "rollout", "stress")
_HEAD = "# Signed by the owner, who changes it with `augment-ops governance sign`; an edit by hand voids it.\n"
INIT, SIGN = "augment-ops governance init", 'augment-ops governance sign --reason "…"'

_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Root(BaseModel):
    """What the owner signed.

    Attributes:
        installation: drawn once; two installations are told apart by it.
        number: 1, 2, 3 …; previous: digest of the document before, empty for the first.
        owner: who signed; key: with what.
        protected: environments whose runs stand on these rules.
        files: file below policies/ → sha256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    version: Literal[1] = 1
    installation: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    number: Annotated[int, Field(ge=1)]
    previous: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
    owner: str
    key: str
    protected: list[str]
    files: dict[str, _Digest]
    signature: str = ""

    def message(self) -> bytes:
        """The bytes to sign."""
        return canonical_json({"purpose": _PURPOSE, **self.model_dump(exclude={"signature"})})

    @property
    def digest(self) -> str:
        """sha256 over everything but the signature, by which ledger and MLflow know it."""
        return sha256_hex(self.message())

    def signed(self, signer: Signer) -> Root:
        """The same with the owner's signature."""
        return self.model_copy(update={"signature": signer.sign(self.message())})

    def subjects(self) -> dict[str, str]:
        """As the ledger keeps it."""
        return {
            "root": self.digest,
            "installation": self.installation,
            "number": str(self.number),
            "previous": self.previous,
            "owner_key": self.key,
            "protected": ", ".join(self.protected),
        }


@dataclass(frozen=True, kw_only=True)
class InForce:
    """Which root document the ledger says is in force.

    Attributes:
        key: with which it is signed.
        seq, at, by: of the entry.
        next_key: the owner's; only what it signed comes next. It is `key`, unless that was handed over since.
        since: the newest entry of all that are told of here.
    """

    digest: str
    installation: str
    number: int
    key: str
    protected: tuple[str, ...]
    seq: int
    at: str
    by: str
    next_key: str
    since: int


def read_root(policies: Path) -> Root | None:
    """The root document of a folder of policies; None where there is none.

    Raises:
        PolicyError: it is faulty.
        GovernanceError: its signature is not that of its content.
    """
    path = policies / FILE
    if not path.exists():
        return None
    root = load_model(path, Root, kind="root document")
    if not verifies(root.key, root.signature, root.message()):
        raise GovernanceError(
            str(path),
            f"a signature that is not {root.owner}'s of this content",
            "the document as it was signed",
            "restore it from git; find out who changed it",
        )
    return root


def write_root(policies: Path, root: Root) -> Path:
    """Put the document beside the rules, whole or not at all."""
    path = policies / FILE
    replace_file(path, _HEAD + yaml.safe_dump(root.model_dump(), sort_keys=False, allow_unicode=True))
    return path


def pinned(policies: Path) -> dict[str, str]:
    """File below policies/ → sha256, of every file that a decision rests on, as they stand now."""
    files = [policies / name for name in _FILES]
    files += [path for folder in _FOLDERS for path in sorted((policies / folder).glob("*.yaml"))]
    found = ((rule_name(policies, path), path) for path in files if path.is_file())
    return {name: sha256_hex(rule_text(path)) for name, path in found}


def is_rules(name: str) -> bool:
    """Whether a decision rests on a file, named as `pinned` names it."""
    folder, _, file = name.rpartition("/")
    return name in _FILES or (folder in _FOLDERS and file.endswith(".yaml"))


def rule_name(policies: Path, path: Path) -> str:
    """As `pinned` names a file; empty where it does not lie below policies/."""
    below = path.absolute()
    return below.relative_to(policies).as_posix() if below.is_relative_to(policies) else ""


def digest_of_rules(data: bytes) -> str:
    """By which rules are pinned."""
    return sha256_hex(same_lines(data))


def rule_text(path: Path) -> bytes:
    """What is pinned of a file.

    Raises:
        GovernanceError: it is longer than rules may be.
    """
    try:
        return same_lines(read_regular(str(path), limit=MAX_BYTES))
    except NotReadableError as error:
        raise GovernanceError(str(path), str(error), "a file of rules", "restore it from git") from error


def in_force(entries: Iterable[Entry]) -> InForce | None:
    """The root document that the ledger names; None where nobody has signed rules yet.

    The first one says whose key counts, and each that follows is signed with it and names the one before, until it says
    itself that another counts (`hand-over`): what others enter under these acts changes nothing.
    """
    found: InForce | None = None
    for entry in entries:
        told = entry.subjects
        if entry.act == ROOT and found is None:
            key = told.get("owner_key", "")
        elif entry.act in (RULES, HAND_OVER) and found is not None and told.get("previous") == found.digest:
            key = found.next_key
        else:
            continue
        if not signed_by(entry, key) or (found is not None and told.get("installation") != found.installation):
            continue
        if entry.act == HAND_OVER and found is not None:
            found = replace(found, next_key=told.get("owner_key", ""), since=entry.seq)
        elif told.get("owner_key") == key:
            found = _in_force(entry)
    return found


def handing_over(known: InForce, public: str) -> dict[str, str]:
    """What the entry says by which a key signs from now on, in place of the present one."""
    return {"installation": known.installation, "previous": known.digest, "owner_key": public}


def _in_force(entry: Entry) -> InForce:
    told = entry.subjects
    return InForce(
        digest=told.get("root", ""),
        installation=told.get("installation", ""),
        number=int(told.get("number", "0")),
        key=told.get("owner_key", ""),
        protected=tuple(told.get("protected", "").split(", ")),
        seq=entry.seq,
        at=entry.at,
        by=entry.actor,
        next_key=told.get("owner_key", ""),
        since=entry.seq,
    )


def changes(root: Root, present: Mapping[str, str]) -> list[Fault]:
    """Files that are not as the document names them."""
    faults = []
    for name, wanted in root.files.items():
        found = present.get(name)
        if found != wanted:
            was = "no such file" if found is None else f"sha256 {found[:12]}…"
            faults.append(_changed(name, was, f"{wanted[:12]}…, as the root document names it"))
    return faults


def additions(root: Root, present: Mapping[str, str], used: Iterable[str]) -> list[Fault]:
    """Files that are used, or bound others, and that the document does not name."""
    wanted = set(used)
    return [
        _changed(name, f"sha256 {found[:12]}…", "a file that the root document names")
        for name, found in present.items()
        if name not in root.files and (name in wanted or name.startswith("limits/"))
    ]


def _changed(name: str, found: str, expected: str) -> Fault:
    return Fault(f"policies/{name}", found, expected, f"restore it; or let the owner sign it: {SIGN}")


def standing_faults(policies: Path, root: Root | None, known: InForce | None) -> list[Fault]:
    """Why the root document beside the rules is not the one in force; empty where it is."""
    where = f"{policies / FILE}"
    if root is None:
        if known is None:
            return [Fault(where, "no root document", "rules that their owner has signed", INIT)]
        wanted = f"that of {known.by}, which entry {known.seq} of the ledger names ({known.digest[:12]}…)"
        return [Fault(where, "no root document", wanted, "restore it from git")]
    if known is None:
        fix = f"point AUGMENT_OPS_LEDGER at the ledger of this installation; where it has none yet: {INIT}"
        found = f"no entry of {root.owner}'s root document {root.digest[:12]}…"
        return [Fault("the ledger", found, "the entry that it was made with", fix)]
    if (root.installation, root.key) != (known.installation, known.key):
        found = f"installation {root.installation[:12]}… of {root.owner}"
        wanted = f"{known.installation[:12]}… of {known.by}, whose key entry {known.seq} of the ledger names"
        fix = "point AUGMENT_OPS_POLICIES and AUGMENT_OPS_LEDGER at one installation, or restore the file from git"
        return [Fault(where, found, wanted, fix)]
    if root.digest != known.digest:
        wanted = f"number {known.number} ({known.digest[:12]}…), which entry {known.seq} of the ledger names"
        fix = f"restore it from git; what was signed and not entered is completed by {INIT}"
        return [Fault(where, f"number {root.number} ({root.digest[:12]}…)", wanted, fix)]
    return []
