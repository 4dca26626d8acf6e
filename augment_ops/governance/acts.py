"""An act with its signature: what a person did, in a form that can be signed, entered, and read back.

The signature covers the entry's key of the ledger, under which nothing is entered twice: a statement that was signed
once cannot be entered again later, when it would say something else. It draws no random number and holds no time, so
that an act which was cut off is completed by doing it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from augment_ops.content import canonical_json
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import verifies
from augment_ops.governance.signers import Signer

# The acts of the owner: rules are signed for the first time, and again; another key signs from now on.
ROOT, RULES, HAND_OVER = "root", "rules", "hand-over"
_KEY, _SIGNATURE, _WITNESS = "key", "signature", "witness"


@dataclass(frozen=True)
class Act:
    """What somebody did.

    Attributes:
        act, actor, subjects, reason: as the ledger has them; an environment is one of the subjects.
        once: the ledger's key.
        witness: service that saw the actor log in, which signs; empty where the actor signs.
    """

    act: str
    actor: str
    subjects: Mapping[str, str]
    reason: str
    once: str
    witness: str = ""

    def message(self) -> bytes:
        """The bytes to sign; the purpose names the kind, so that no signature can serve as another's."""
        said = {"actor": self.actor, "subjects": dict(self.subjects), "reason": self.reason, "once": self.once}
        return canonical_json({"purpose": f"augment-ops: act {self.act}, version 1", **said, "witness": self.witness})

    def signed(self, signer: Signer) -> dict[str, str]:
        """The entry's subjects, with key and signature."""
        proof = {_KEY: signer.public, _SIGNATURE: signer.sign(self.message())}
        return {**self.subjects, **proof, **({_WITNESS: self.witness} if self.witness else {})}


def act_of(entry: Entry) -> Act:
    """The act that an entry holds."""
    said = {name: value for name, value in entry.subjects.items() if name not in (_KEY, _SIGNATURE, _WITNESS)}
    return Act(entry.act, entry.actor, said, entry.reason, entry.key, entry.subjects.get(_WITNESS, ""))


def signed_by(entry: Entry, key: str) -> bool:
    """Whether the entry is what the holder of that key signed."""
    told = entry.subjects
    return told.get(_KEY) == key and verifies(key, told.get(_SIGNATURE, ""), act_of(entry).message())


def why_not(entry: Entry, approvers: Approvals) -> str | None:
    """Why the signature of an act does not count today, or None where it does."""
    key, witness = entry.subjects.get(_KEY, ""), entry.subjects.get(_WITNESS, "")
    if not key:
        return "it is not signed"
    if key not in trusted_keys(approvers, entry.actor, witness):
        return f"its key is none of {f'the witness {witness}' if witness else entry.actor} in approvers.yaml"
    return None if signed_by(entry, key) else "its signature is not that of its content: it was altered"


def trusted_keys(approvers: Approvals, actor: str, witness: str = "") -> tuple[str, ...]:
    """The keys that sign for a person: their own, or those of the service that saw them log in."""
    if witness:
        return approvers.witness_keys(witness)
    person = approvers.person(actor)
    return tuple(person.keys) if person is not None else ()


def counted(entries: Iterable[Entry], approvers: Approvals, acts: Collection[str]) -> Iterator[Entry]:
    """The entries without those of `acts` whose signature does not hold.

    Signatures began with the entry that signed the rules for the first time; what was done before counts as it did.
    """
    began = False
    for entry in entries:
        began = began or entry.act == ROOT
        asked = began and entry.act in acts and asks_for_signature(entry.subjects, approvers)
        if not asked or why_not(entry, approvers) is None:
            yield entry


def asks_for_signature(subjects: Mapping[str, str], approvers: Approvals) -> bool:
    """Whether what is done counts above dev: unless it names an environment that asks for no more than a draft."""
    environment = subjects.get("environment", "")
    return environment not in approvers.environments or approvers.is_above_dev(environment)
