"""Judge again what was judged: rules, evidence and per-sample outcomes from the store, by the digests in a decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from augment_ops import __version__
from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.data.store import Store
from augment_ops.errors import InputError, StoreError
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision, Evidence
from augment_ops.gate.rules import GateRules, load
from augment_ops.pipeline.outputs import Decided
from augment_ops.pipeline.run import record_of

_SHA256_LENGTH = 64


@dataclass(frozen=True)
class Replay:
    """A decision and what came out when it was made again.

    Attributes:
        differences: what is not the same, one sentence each; none where both are the same, byte for byte.
    """

    decision: Decision
    again: Decision
    differences: tuple[str, ...]


def computed_by() -> str:
    """What a decision hangs on besides its inputs: our own formulas, and NumPy, whose random numbers it draws."""
    return f"augment-ops {__version__}, numpy {np.__version__}"


def outcomes_of(store: Store, evidence: Evidence) -> bytes | None:
    """The per-sample outcomes that the stress report names; None where they are gone or damaged."""
    if evidence.stress is None:
        return None
    try:
        return store.get(evidence.stress.outcomes)
    except StoreError:
        return None


def replay(store: Store, reference: str) -> Replay:
    """Make a decision again.

    Args:
        reference: digest of the decision, id of the run that made it, or path of its `decision.json`.

    Raises:
        InputError: there is no such decision.
        StoreError: what it was made from is not in the store any more, or altered.
    """
    decision = find_decision(store, reference)
    evidence = from_json(Evidence, store.get(decision.evidence_digest))
    rules = GateRules.model_validate_json(store.get(decision.rules_digest))
    again = decide(rules, evidence, outcomes_of(store, evidence))
    return Replay(decision, again, tuple(_differences(decision, again, evidence)))


def judge_by(store: Store, reference: str, gate: Path) -> Decision:
    """What another gate says to the evidence of a decision; waivers are for a version of a gate, and no other.

    Raises:
        InputError: there is no such decision, or the gate's file is wrong.
        StoreError: the evidence is not in the store any more, or altered.
    """
    decision = find_decision(store, reference)
    evidence = from_json(Evidence, store.get(decision.evidence_digest))
    rules = load(gate)
    if decision.gate.partition(" (")[0] != f"{rules.name} {rules.version}":
        evidence = replace(evidence, waivers=())
    return decide(rules, evidence, outcomes_of(store, evidence))


def find_decision(store: Store, reference: str) -> Decision:
    """The decision of that digest, run or file.

    Raises:
        InputError: there is none.
    """
    if Path(reference).is_file():
        return from_json(Decision, Path(reference).read_bytes())
    if len(reference) == _SHA256_LENGTH and set(reference) <= set("0123456789abcdef") and store.has(reference):
        return from_json(Decision, store.get(reference))
    record = record_of(store, reference, "decide")
    if record is None:
        raise InputError(
            "--replay",
            f"{reference[:120]!r}: no file, no decision in the store and no run that has decided",
            "the digest of a decision, the id of a run, or the path of a decision.json",
            "take the digest from augment-ops audit, or the run's id from the report",
        )
    return from_json(Decided, store.get(record.output)).decision


def _differences(decision: Decision, again: Decision, evidence: Evidence) -> list[str]:
    if canonical_json(decision) == canonical_json(again):
        return []
    found = []
    if decision.verdict != again.verdict:
        found.append(f"the verdict was {decision.verdict}, and is {again.verdict}")
    before, after = ({canonical_json(reason) for reason in d.reasons} for d in (decision, again))
    lost = [reason for reason in decision.reasons if canonical_json(reason) not in after]
    new = [reason for reason in again.reasons if canonical_json(reason) not in before]
    found += [f"not found again: {reason.outcome} {reason.rule}: {reason.message}" for reason in lost]
    found += [f"found now: {reason.outcome} {reason.rule}: {reason.message}" for reason in new]
    if evidence.software != computed_by():
        found.append(f"it was made by {evidence.software}, this is {computed_by()}: intervals may differ")
    return found or [f"the document {digest_of(decision)[:12]}… is not the one that its parts give"]
