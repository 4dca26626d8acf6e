"""Decisions that earlier versions made are made again, to the byte: their documents are beside this file."""

from __future__ import annotations

import gzip
from pathlib import Path

from augment_ops.content import canonical_json, digest_of, from_json, sha256_hex
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision, Evidence
from augment_ops.gate.rules import GateRules, load
from augment_ops.stress.outcomes import from_bytes

HERE = Path(__file__).parent / "decision_of_format_1"
POLICIES = Path(__file__).resolve().parents[2] / "policies"


def read() -> tuple[GateRules, Evidence, Decision, bytes]:
    rules, evidence, decision = ((HERE / f"{name}.json").read_bytes() for name in ("rules", "evidence", "decision"))
    outcomes = gzip.decompress((HERE / "outcomes.npz.gz").read_bytes())
    return GateRules.model_validate_json(rules), from_json(Evidence, evidence), from_json(Decision, decision), outcomes


def test_a_decision_from_before_destroyed_samples_were_known_is_made_again():
    rules, evidence, decision, outcomes = read()
    assert canonical_json(decide(rules, evidence, outcomes)) == canonical_json(decision)


def test_its_documents_keep_their_digests():
    rules, evidence, decision, outcomes = read()
    assert rules.digest == decision.rules_digest == sha256_hex((HERE / "rules.json").read_bytes())
    assert digest_of(rules.model_dump(mode="json")) == rules.digest
    assert digest_of(evidence) == decision.evidence_digest == sha256_hex((HERE / "evidence.json").read_bytes())
    assert from_bytes(outcomes, sha256_hex(outcomes)).to_bytes() == outcomes


def test_todays_gate_does_not_guess_what_earlier_outcomes_left():
    _, evidence, _, outcomes = read()
    found = decide(load(POLICIES / "gates" / "default.yaml"), evidence, outcomes)
    assert found.verdict == "ERROR"
    assert any(r.rule == "fitness" and "not in the outcomes" in r.message for r in found.reasons)
