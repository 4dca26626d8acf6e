from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.keys import Key, ensure
from augment_ops.governance.model_approval import ModelAnswer, SignedAnswer

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ASKED = {
    "run": "r",
    "decision": "d" * 64,
    "version": "digits/3",
    "environment": "production",
    "role": "ml-lead",
}
GIVEN = ModelAnswer(**ASKED, chosen="Approve", by="ada", reason="seen", at="2026-05-01T11:59:00+00:00")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Key]:
    return {name: ensure(tmp_path / "keys" / f"{name}.pem") for name in ("ada", "bob", "airflow", "local")}


@pytest.fixture
def approvals(tmp_path: Path, keys: dict[str, Key]) -> Approvals:
    (tmp_path / "approvers.yaml").write_text(
        f'version: 1\nroles:\n  ml-lead:\n    - {{id: ada, name: Ada, keys: ["{keys["ada"].public}"]}}\n'
        f'    - {{id: bob, name: Bob, keys: ["{keys["bob"].public}"]}}\n'
        f'witnesses: {{airflow: ["{keys["airflow"].public}"]}}\n'
    )
    (tmp_path / "environments.yaml").write_text(
        "version: 2\nenvironments:\n  production: {approvals: [ml-lead], policy: {state: draft, discovery: warn}}\n"
    )
    return Approvals.load(tmp_path)


def test_an_answer_counts_by_the_persons_key_and_by_the_witness(keys: dict[str, Key], approvals: Approvals) -> None:
    GIVEN.signed(keys["ada"]).check(ASKED, approvals, None, NOW)
    replace(GIVEN, witness="airflow").signed(keys["airflow"]).check(ASKED, approvals, None, NOW)


def test_an_installations_own_word_counts_where_it_may(keys: dict[str, Key], approvals: Approvals) -> None:
    signed = replace(GIVEN, witness="airflow").signed(keys["local"])
    signed.check(ASKED, approvals, keys["local"].public, NOW)
    with pytest.raises(GovernanceError, match=r"a key of the witness airflow in approvers\.yaml"):
        signed.check(ASKED, approvals, None, NOW)
    with pytest.raises(GovernanceError, match=r"a key of ada in approvers\.yaml"):  # in her own name it is nobody's
        GIVEN.signed(keys["local"]).check(ASKED, approvals, keys["local"].public, NOW)


@pytest.mark.parametrize("field", [field.name for field in fields(ModelAnswer)])
def test_a_field_that_was_changed_is_found(field: str, keys: dict[str, Key], approvals: Approvals) -> None:
    signed = replace(GIVEN, witness="airflow").signed(keys["airflow"])
    told = signed.fields() | {field: {"chosen": "Reject", "at": "2026-05-01T11:58:00+00:00"}.get(field, "bob")}
    with pytest.raises(GovernanceError):
        SignedAnswer.from_fields(told).check(ASKED, approvals, None, NOW)


def test_what_the_ledger_keeps_gives_the_answer_back(keys: dict[str, Key]) -> None:
    signed = GIVEN.signed(keys["ada"])
    told = signed.subjects() | {"by": "ada", "reason": "seen", "chosen": "Approve"}
    assert SignedAnswer.from_fields(told) == signed
    assert SignedAnswer.from_fields(signed.fields()) == signed


def test_an_answer_made_up_without_a_key(approvals: Approvals) -> None:
    made_up = {**ASKED, "by": "ada", "chosen": "Approve", "at": "2026-05-01T11:59:00+00:00"}
    for extra in ({}, {"key": "ed25519:", "signature": "AAAA"}, {"witness": "nobody"}):
        with pytest.raises(GovernanceError):
            SignedAnswer.from_fields(made_up | extra).check(ASKED, approvals, None, NOW)


@pytest.mark.parametrize("at", ["2026-05-01T12:05:00+00:00", "2026-05-01T11:59:00", "yesterday", ""])
def test_times_that_no_clock_gave(at: str, keys: dict[str, Key], approvals: Approvals) -> None:
    with pytest.raises(GovernanceError, match="the time"):
        replace(GIVEN, at=at).signed(keys["ada"]).check(ASKED, approvals, None, NOW)


def test_an_answer_about_another_run_or_version_is_not_this_ones(keys: dict[str, Key], approvals: Approvals) -> None:
    for field in ASKED:
        with pytest.raises(GovernanceError, match=f"found {field} 'other'"):
            replace(GIVEN, **{field: "other"}).signed(keys["ada"]).check(ASKED, approvals, None, NOW)
