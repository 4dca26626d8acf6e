"""A person's answer about a model: whose word counts where."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.gate.decision import Decision
from augment_ops.gate.explanation import Explanation
from augment_ops.governance.keys import Key, ensure, witness_path
from augment_ops.governance.model_approval import ModelAnswer, SignedAnswer
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Decided
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.stages.answers import check_answer, entered_answer, why_nobody
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace
from support.people import keys_of, write_approvers

ADA = keys_of("ada")["ada"]
FREE, PROTECTED = "dev", "staging"  # production, always protected, is asked about as well


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    policies = tmp_path / "policies"
    policies.mkdir()
    write_approvers(policies, {"ml-lead": {"ada": ADA}})  # it trusts no witness
    (policies / "environments.yaml").write_text(
        "version: 2\nenvironments:\n"
        f"  {FREE}: {{approvals: [ml-lead], policy: {{state: draft, discovery: warn}}}}\n"
        f"  {PROTECTED}: {{approvals: [ml-lead], policy: {{state: draft, discovery: warn}}, protected: true}}\n"
        "  production: {approvals: [ml-lead], policy: {state: draft, discovery: warn}}\n"
    )
    home = {"AUGMENT_OPS_HOME": str(tmp_path / "home"), "AUGMENT_OPS_POLICIES": str(policies)}
    return Settings.from_environment(home)


Ask = Callable[[str], tuple[Context, dict[str, str]]]


@pytest.fixture
def ask(settings: Settings) -> Ask:
    """A run for an environment, and what its person is asked."""

    def asked(environment: str) -> tuple[Context, dict[str, str]]:
        params = RunParams(environment=environment, approval="ml-lead")
        run = enter_run(settings, f"run-{environment}", params, "pat")
        question = {
            "run": run.id,
            "decision": "d" * 64,
            "version": "digits/3",
            "environment": environment,
            "role": "ml-lead",
        }
        return Context(Workspace(settings, run.actor), run), question

    return asked


def _answer(asked: dict[str, str], key: Key, witness: str = "", at: str = "", **other: Any) -> SignedAnswer:
    said = {**asked, "chosen": "Approve", "by": "ada", "reason": "seen", "witness": witness, **other}
    return ModelAnswer(**said, at=at or datetime.now(UTC).isoformat()).signed(key)


def _own_airflow(settings: Settings) -> Key:
    return ensure(witness_path(settings.keys))


@pytest.mark.parametrize(
    ("verdict", "version", "champion", "said"),
    [
        ("PASS", "2", "1", ""),
        ("PASS", "1", None, ""),
        ("PASS", "1", "1", "version 1, the same model, is champion already"),
        ("FAIL", None, "1", "there is nothing to approve"),
        ("INVESTIGATE", None, None, "there is nothing to approve"),
    ],
)
def test_a_person_is_asked_where_their_answer_would_change_something(
    ask: Ask, verdict: Any, version: str | None, champion: str | None, said: str
) -> None:
    ctx, _ = ask(PROTECTED)
    decision = Decision(
        verdict=verdict, gate="default 2.1.0", rules_digest="r" * 64, evidence_digest="e" * 64, reasons=(), summary=""
    )
    explanation = Explanation("d" * 64, verdict, "", "", "", ())
    decided = Decided(decision=decision, explanation=explanation, version=version, champion_version=champion)
    why = why_nobody(ctx, decided)
    assert (said in why, bool(why)) == (True, bool(said))


@pytest.mark.parametrize("environment", [FREE, PROTECTED, "production"])
def test_the_persons_own_key_counts_everywhere(ask: Ask, environment: str) -> None:
    ctx, asked = ask(environment)
    check_answer(ctx, _answer(asked, ADA), asked)


def test_this_installations_airflow_is_believed_where_nothing_is_protected(settings: Settings, ask: Ask) -> None:
    ctx, asked = ask(FREE)
    check_answer(ctx, _answer(asked, _own_airflow(settings), "airflow"), asked)


@pytest.mark.parametrize("environment", [PROTECTED, "production"])
def test_where_the_environment_is_protected_it_has_to_be_named(settings: Settings, ask: Ask, environment: str) -> None:
    own = _own_airflow(settings)
    ctx, asked = ask(environment)
    with pytest.raises(GovernanceError, match=r"a key of the witness airflow in approvers\.yaml"):
        check_answer(ctx, _answer(asked, own, "airflow"), asked)
    write_approvers(settings.policies, {"ml-lead": {"ada": ADA}}, witness=own)
    check_answer(ctx, _answer(asked, own, "airflow"), asked)


def test_another_installations_airflow_is_not_believed(settings: Settings, ask: Ask, tmp_path: Path) -> None:
    ctx, asked = ask(FREE)
    other = ensure(tmp_path / "another.pem")
    with pytest.raises(GovernanceError, match="the witness airflow"):
        check_answer(ctx, _answer(asked, other, "airflow"), asked)  # and there is no key of this one's yet
    assert not witness_path(settings.keys).exists()  # looking for one makes none
    _own_airflow(settings)
    with pytest.raises(GovernanceError, match="the witness airflow"):
        check_answer(ctx, _answer(asked, other, "airflow"), asked)


def test_the_airflow_here_signs_in_no_persons_name(settings: Settings, ask: Ask) -> None:
    ctx, asked = ask(FREE)
    with pytest.raises(GovernanceError, match=r"a key of ada in approvers\.yaml"):
        check_answer(ctx, _answer(asked, _own_airflow(settings)), asked)


@pytest.mark.parametrize("field", ["run", "decision", "version", "environment", "role"])
def test_an_answer_to_another_question_is_none_to_this_one(ask: Ask, field: str) -> None:
    ctx, asked = ask(FREE)
    with pytest.raises(GovernanceError, match=f"{field} 'another'"):
        check_answer(ctx, _answer(asked, ADA, **{field: "another"}), asked)


def test_an_answer_is_not_of_tomorrow(ask: Ask) -> None:
    ctx, asked = ask(FREE)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(GovernanceError, match="a time with a zone that has passed"):
        check_answer(ctx, _answer(asked, ADA, at=tomorrow.isoformat()), asked)


def _enter(ctx: Context, act: str, signed: SignedAnswer, once: str) -> None:
    ctx.ledger.append(act, signed.answer.by, signed.subjects(), signed.answer.reason, f"{ctx.run.id}:{once}")


def test_the_newest_answer_of_the_ledger_is_read_back_as_it_was_signed(ask: Ask) -> None:
    first, asked = ask(FREE)
    with pytest.raises(GovernanceError, match="run the stage approve again"):
        entered_answer(first)
    rejected, approved = _answer(asked, ADA, chosen="Reject"), _answer(asked, ADA)
    _enter(first, "reject", rejected, "a")
    ctx, _ = ask(FREE)
    assert entered_answer(ctx) == rejected
    _enter(ctx, "approve", approved, "b")
    ctx, _ = ask(FREE)
    assert entered_answer(ctx) == approved
    check_answer(ctx, entered_answer(ctx), asked | {"chosen": "Approve"})
    with pytest.raises(GovernanceError, match="chosen 'Approve'"):
        check_answer(ctx, entered_answer(ctx), asked | {"chosen": "Reject"})
