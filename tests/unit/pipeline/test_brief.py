"""What the approver is told beside the numbers: what changed of the policy, and who or what asked for the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.content import canonical_json
from augment_ops.gate.decision import Outcome, Reason
from augment_ops.pipeline.cause import start_key
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import ResolvedPolicy
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import StageRecord, begin, keep_record, now
from augment_ops.pipeline.stages.brief import _because, _changes, warnings_of
from augment_ops.policy.spec import Discovery, Policy
from augment_ops.settings import Settings
from augment_ops.tracking import RegisteredVersion
from augment_ops.workspace import Workspace, open_store
from support.places import POLICIES
from support.policies import policy_text

TEXT = policy_text("Rotate: {limit: 10, p: 0.5}", name="shapes")
BEFORE = Policy.from_text(TEXT, "shapes")
AFTER = Policy.from_text(TEXT.replace("1.0.0", "1.1.0").replace("limit: 10", "limit: 20"), "shapes")


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    home = {"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(POLICIES)}
    settings = Settings.from_environment(home)
    run = begin(open_store(settings), "retrain__shapes__drift__1", RunParams(), "ada")
    return Context(Workspace(settings, "ada"), run)


def champion(of: Policy, **tags: str) -> RegisteredVersion:
    told = {"augment_ops.pipeline_run": "earlier", "augment_ops.policy_digest": of.digest, **tags}
    return RegisteredVersion("shapes-classifier", "3", "m" * 64, "a" * 64, "r", told)


def resolved(ctx: Context, policy: Policy) -> None:
    """Have the champion's run resolve it."""
    output = ResolvedPolicy(
        name=policy.name, version=policy.version, digest=policy.digest, domain=policy.domain, owner=policy.owner,
        description=policy.description, limitations=(), text=policy.text, engine="compiled", p50_ms=0.1, p95_ms=0.2,
        budget_p95_ms=2.0, budget_at=(8, 8, 1),
    )  # fmt: skip
    record = StageRecord("resolve_policy", "k" * 64, ctx.store.put(canonical_json(output)), 0.0, now())
    keep_record(ctx.store, "earlier", record)


def test_the_change_is_against_what_the_champion_was_trained_with(ctx: Context) -> None:
    resolved(ctx, BEFORE)
    changes = _changes(ctx, champion(BEFORE), AFTER)
    assert changes is not None
    assert changes[0] == "version: 1.0.0 → 1.1.0"
    assert any(line.startswith("~ transforms[0].Rotate.limit") for line in changes)
    assert not [line for line in changes if line.startswith("digest")]


def test_the_same_policy_is_no_change_whoever_has_its_text(ctx: Context) -> None:
    assert _changes(ctx, champion(AFTER), AFTER) == ()


def test_without_its_text_nothing_is_said_of_the_change(ctx: Context) -> None:
    assert _changes(ctx, champion(BEFORE), AFTER) is None
    resolved(ctx, AFTER)  # the run's record names another policy than the champion's version does
    assert _changes(ctx, champion(BEFORE), AFTER) is None


def test_an_alert_that_started_the_run_says_why(ctx: Context) -> None:
    alert = ctx.ledger.append("alert", "schedule", {"kind": "drift"}, "Brightness rose. Evidence: elsewhere", "alert:1")
    subjects = {"dataset": "shapes", "alert": alert.hash}
    ctx.ledger.append("retrain", "schedule", subjects, "", start_key("retrain__another"))
    assert _because(ctx, AFTER) == ""
    ctx.ledger.append("retrain", "schedule", subjects, "", start_key(ctx.run.id))
    assert _because(ctx, AFTER) == f"an alert of drift (ledger entry {alert.seq}) found: Brightness rose."


def test_a_search_that_found_the_policy_is_named(ctx: Context) -> None:
    found = replace(AFTER, discovered_by=Discovery(method="halving", mlflow_run="0123"))
    assert _because(ctx, found) == "a search found the policy: halving, MLflow run 0123"


def test_warnings_are_what_did_not_stop_the_candidate_and_of_one_kind_one_line() -> None:
    def low(outcome: Outcome, corruption: str, severity: int) -> Reason:
        message = f"{corruption} at severity {severity} costs 9 points."
        return Reason(
            rule="invariance", outcome=outcome, message=message, corruption=corruption, severity=severity, measured=0.09
        )

    drift = Reason(rule="drift", outcome="warn", message="The production window begins to differ.")
    few = Reason(rule="class_recall", outcome="investigate", message="Too few.", class_name="8", threshold=20, n=3)
    reasons = [low("fail", "rotation", 5), low("warn", "noise", 4), drift, low("warn", "noise", 5), few]
    reasons += [Reason(rule=name, outcome="pass", message="Well.") for name in ("champion", "control")]
    assert warnings_of(reasons) == [
        "invariance: noise at severity 4 costs 9 points. Also at severity 5.",
        "drift: The production window begins to differ.",
    ]
