"""What a person says of a model that passed the gate, in a form that can be signed and is read back from the ledger.

As with policies (`statements`), the signature covers every field: who calls the stage `approve` with an answer that
nobody gave has nothing to show for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from augment_ops.content import canonical_json
from augment_ops.errors import ActRefused
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.keys import verifies
from augment_ops.governance.signers import Signer

APPROVE, REJECT = "Approve", "Reject"
_PURPOSE = "augment-ops: answer about a model, version 1"  # so that no signature can serve as another kind's
_CLOCKS_DIFFER = timedelta(minutes=1)  # what the service that was answered in and this machine may differ


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """One person's answer to one question about one model.

    Attributes:
        run: id of the pipeline run; decision: digest of the gate's.
        version: `dataset/number` of the registered model.
        chosen: `Approve` or `Reject`.
        by: user name; role: in which they were asked.
        at: when they answered, ISO 8601 with a zone.
        witness: service where they answered after logging in, which signs; empty where the person signs.
    """

    run: str
    decision: str
    version: str
    environment: str
    chosen: str
    by: str
    role: str
    reason: str
    at: str
    witness: str = ""

    def message(self) -> bytes:
        """The bytes to sign."""
        return canonical_json({"purpose": _PURPOSE, **asdict(self)})

    def signed(self, key: Signer) -> SignedAnswer:
        """The same with the signature of a key."""
        return SignedAnswer(self, key.public, key.sign(self.message()))


@dataclass(frozen=True)
class SignedAnswer:
    """An answer with its signature (base64)."""

    answer: ModelAnswer
    key: str
    signature: str

    def subjects(self) -> dict[str, str]:
        """As the ledger keeps it; person and reason have columns of their own there, `chosen` is the act."""
        told = asdict(self.answer)
        for column in ("by", "reason", "chosen"):
            told.pop(column)
        return {**told, "key": self.key, "signature": self.signature}

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> SignedAnswer:
        """What a driver brings; a field that is missing is empty, and no signature covers that."""
        answer = ModelAnswer(**{name: fields.get(name, "") for name in ModelAnswer.__dataclass_fields__})
        return cls(answer, fields.get("key", ""), fields.get("signature", ""))

    def fields(self) -> dict[str, str]:
        """As a driver carries it."""
        return {**asdict(self.answer), "key": self.key, "signature": self.signature}

    def check(self, about: Mapping[str, str], approvals: Approvals, local: str | None, now: datetime) -> None:
        """See that this person gave this answer to this question.

        Args:
            about: what was asked: field of the answer → value that it has to have.
            local: public key of this installation's own witness, trusted where `approvals` need not name it; None
                where it must.
            now: aware.

        Raises:
            ActRefused: the first objection.
        """
        objection = next(self._objections(about, approvals, local, now), None)
        if objection is not None:
            found, expected, fix = objection
            where = f"answer of {self.answer.by or 'nobody'} about {self.answer.version or 'a model'}"
            raise ActRefused(where, found, expected, fix)

    def _objections(
        self, about: Mapping[str, str], approvals: Approvals, local: str | None, now: datetime
    ) -> Iterator[tuple[str, str, str]]:
        answer, again = self.answer, "have the person asked again: clear the task that asks, or start a new run"
        for name, wanted in about.items():
            if getattr(answer, name) != wanted:
                yield f"{name} {getattr(answer, name)[:80]!r}", f"{wanted[:80]!r}, which was asked", again
        person = approvals.person(answer.by)
        trusted = set(approvals.witness_keys(answer.witness)) if answer.witness else set(person.keys if person else ())
        if answer.witness and local is not None:
            trusted.add(local)
        if self.key not in trusted:
            whose = f"the witness {answer.witness}" if answer.witness else answer.by
            yield (
                f"a signature with {self.key or 'no key'}",
                f"a key of {whose} in approvers.yaml",
                "add the line that `augment-ops doctor` prints to policies/approvers.yaml",
            )
        if not verifies(self.key, self.signature, answer.message()):
            yield "a signature that is not that of its content", "the answer as it was signed", again
        if (given := _time(answer.at)) is None or given > now + _CLOCKS_DIFFER:
            yield f"the time {answer.at[:40]!r}", "a time with a zone that has passed", again


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
