"""Classes that a gate cannot judge for want of samples pass by somebody's word: by name, for a time, in the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augment_ops.content import canonical_json
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import ActRefused, CheckRefused, GovernanceError, InputError
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Waiver
from augment_ops.gate.rules import load
from augment_ops.governance.audit import ACTS
from augment_ops.identity import GATE
from augment_ops.lifecycle import waivers
from augment_ops.lifecycle.book import book_of
from augment_ops.lifecycle.waivers import WAIVE, check_in_force, in_force, waive
from augment_ops.pipeline.cause import people_behind, start_key
from augment_ops.pipeline.outputs import Approval
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import StageRecord, keep_record
from augment_ops.pipeline.stages import prospects
from augment_ops.pipeline.stages.decision import promote, waivers_of
from augment_ops.pipeline.stages.prospects import shortages
from augment_ops.workspace import Workspace, open_store
from support.evidence import evidence_about


@pytest.fixture
def desk(draft: Any) -> Any:
    """Rules are signed; no policy is needed."""
    draft.initialise()
    return draft


def in_days(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def gate(desk: Any) -> Path:
    found: Path = desk.settings.policies / "gates" / "default.yaml"
    return found


def given(desk: Any, by: str = "ada", environment: str = "production", **asked: Any) -> None:
    stated = {"classes": ("8",), "until": in_days(30), "reason": "samples come in spring", **asked}
    waive(desk.workspace(by), "digits", "default", environment, **stated)


def counting(desk: Any, environment: str = "production", started_by: str = "pat") -> list[str]:
    found = in_force(desk.workspace(), "digits", gate(desk), environment, started_by.split())
    return [one.class_name for one in found]


def test_a_waiver_counts_for_its_data_set_gate_and_environment_until_it_ends(desk: Any) -> None:
    given(desk, classes=("8", "3"))
    assert counting(desk) == ["3", "8"]
    assert counting(desk, "staging") == []
    assert in_force(desk.workspace(), "others", gate(desk), "production", ("pat",)) == ()
    (entry,) = desk.workspace().ledger.read((WAIVE,))
    assert WAIVE in ACTS  # or `audit log --act` does not find it
    assert (entry.actor, entry.reason, entry.subjects["until"]) == ("ada", "samples come in spring", in_days(30))
    assert entry.subjects["key"] == desk.keys["ada"].public  # signed, as the rules are
    given(desk, by="bob", classes=("3",), until=in_days(0), reason="they have come")
    assert counting(desk) == ["3", "8"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waivers, "_today", lambda: datetime.now(UTC).date() + timedelta(days=1))
        assert counting(desk) == ["8"]
        patch.setattr(waivers, "_today", lambda: datetime.now(UTC).date() + timedelta(days=31))
        assert counting(desk) == []


def test_a_class_that_the_data_set_has_not_is_bad_input_where_the_data_set_is_known(desk: Any) -> None:
    given(desk, classes=("eight",))  # no snapshot yet: nobody knows the classes
    ingest("digits", desk.workspace().store)
    before = list(desk.workspace().ledger.read())
    with pytest.raises(InputError, match=r"(?s)'88'; expected one of 0, 1, 2.*Did you mean 8\?"):
        given(desk, classes=("8", "88"))
    gate(desk).write_text(gate(desk).read_text() + "equivalent: [[0, O]]\n")
    with pytest.raises(InputError, match=r"(?s)'0 = 0'.*Did you mean 0 = O\?"):
        given(desk, classes=("0 = 0",))
    assert list(desk.workspace().ledger.read()) == before
    given(desk, classes=("8", "0 = O"))


def test_another_version_of_the_gate_asks_for_another(desk: Any) -> None:
    given(desk)
    text = gate(desk).read_text()
    gate(desk).write_text(text.replace("version: ", "version: 9", 1))
    assert counting(desk) == []


def test_a_waiver_of_who_starts_the_run_counts_in_dev_alone(desk: Any) -> None:
    for environment in ("dev", "production"):
        given(desk, environment=environment)
    assert (counting(desk, "dev", "ADA"), counting(desk, "production", "ADA")) == (["8"], [])
    assert counting(desk, started_by="schedule ada") == []  # who stands behind the start


def test_who_no_longer_approves_models_there_has_waived_nothing(desk: Any) -> None:
    given(desk)
    desk.write(approvers=f'{{id: bob, name: bob, keys: ["{desk.keys["bob"].public}"]}}')
    assert counting(desk) == []


def test_who_started_the_run_or_left_ends_a_waiver_all_the_same(desk: Any) -> None:
    given(desk)
    given(desk, by="bob", until=in_days(0), reason="they have come")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waivers, "_today", lambda: datetime.now(UTC).date() + timedelta(days=1))
        assert counting(desk) == []
        assert counting(desk, started_by="bob") == []
        desk.write(approvers=f'{{id: ada, name: ada, keys: ["{desk.keys["ada"].public}"]}}')
        assert counting(desk) == []


def test_what_was_ended_can_be_given_and_ended_again_on_one_day(desk: Any) -> None:
    end = {"until": in_days(0), "reason": "they have come"}
    for asked in (end, {}, end):
        given(desk, **asked)
        given(desk, **asked)  # done again, it is found again
    assert len(list(desk.workspace().ledger.read((WAIVE,)))) == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waivers, "_today", lambda: datetime.now(UTC).date() + timedelta(days=1))
        assert counting(desk) == []


def test_what_nobody_signed_does_not_outlive_the_day_on_which_rules_are(draft: Any) -> None:
    for environment in ("dev", "production"):
        given(draft, environment=environment)
    assert counting(draft) == ["8"]
    draft.initialise()
    assert (counting(draft), counting(draft, "dev")) == ([], ["8"])
    given(draft)  # as it was, and signed
    assert counting(draft) == ["8"]


def test_a_made_up_entry_does_not_count_where_rules_are_signed(desk: Any) -> None:
    given(desk)
    ledger = desk.workspace().ledger
    (entry,) = ledger.read((WAIVE,))
    unsigned = {name: entry.subjects[name] for name in ("dataset", "gate", "environment", "until")}
    ledger.append(WAIVE, "ada", {**unsigned, "classes": '["0"]'}, "made up", "made up")
    assert counting(desk) == ["8"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"until": "yesterday"}, "year, month and day"), ({"until": in_days(-1)}, "a waiver is for a time"),
        ({"until": in_days(61)}, "a waiver is for a time"), ({"reason": " "}, "it stands in every decision"),
        ({"classes": ()}, "--class"), ({"environment": "prod"}, "Did you mean production"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_waiver(desk: Any, asked: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        given(desk, **asked)
    assert found in caught.value.faults[0].fix


def test_who_approves_no_models_is_refused_and_that_is_entered(desk: Any) -> None:
    for _ in range(2):
        with pytest.raises(GovernanceError, match="dan, who approves no models there"):
            given(desk, by="dan")
    assert desk.acts()[-1] == ("refuse", "dan")
    assert desk.acts().count(("refuse", "dan")) == 1


def test_who_has_no_registered_key_is_refused_and_that_is_entered(desk: Any) -> None:
    with pytest.raises(GovernanceError):
        waive(
            Workspace(desk.settings, "ada", key=desk.key_file("bob")),
            "digits", "default", "production", ("8",), in_days(30), "why",
        )  # fmt: skip
    assert desk.acts()[-1] == ("refuse", "ada")


def test_a_part_of_what_is_judged_as_one_is_no_class(desk: Any) -> None:
    gate(desk).write_text(gate(desk).read_text() + "\nequivalent: [['3', '8']]\n")
    with pytest.raises(InputError) as caught:
        given(desk)
    assert "'3 = 8'" in caught.value.faults[0].fix
    given(desk, classes=("3 = 8",))
    assert counting(desk) == ["3 = 8"]


@pytest.mark.parametrize("odd", [{"until": "2099-12-31"}, {"until": "x"}, {"classes": "{"}, {"classes": "7"}], ids=str)
def test_an_entry_that_waive_would_not_have_made_counts_for_nothing(desk: Any, odd: dict[str, str]) -> None:
    given(desk, environment="dev", classes=("3",))
    ledger = desk.workspace().ledger
    (entry,) = ledger.read((WAIVE,))
    ledger.append(WAIVE, "ada", {**entry.subjects, "classes": '["8"]', **odd}, "made up", "made up")
    assert counting(desk, "dev") == ["3"]


def test_a_run_that_has_promoted_is_not_refused_when_its_waiver_has_ended(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, workspace = open_store(desk.settings), desk.workspace()
    said: list[str] = []
    manifest = ingest("digits", store, max_samples=150)
    run = SimpleNamespace(id="one", actor="pat")
    ctx: Any = SimpleNamespace(
        store=store, workspace=workspace, ledger=workspace.ledger, run=run, say=said.append,
        params=RunParams(environment="production"),
    )  # fmt: skip
    monkeypatch.setattr(prospects, "misfits", lambda *_: [])
    assert isinstance(prospects.refuse_in_vain(ctx, manifest), CheckRefused)
    keep_record(store, "one", StageRecord("promote", "a" * 64, "b" * 64, 0.1, "2026-11-01T00:00:00+00:00"))
    assert prospects.refuse_in_vain(ctx, manifest) is None
    assert len(said) == 2


def test_whoever_stands_behind_a_start_waives_nothing_for_it(desk: Any) -> None:
    ledger = desk.workspace().ledger
    alert = ledger.append("alert", "ada", {"kind": "drift"}, "it drifted", "alert:one")
    ledger.append("retrain", "bob", {"alert": alert.hash}, "it drifted", start_key("retrain__one"))
    assert people_behind(ledger, "retrain__one") == ("bob", "ada")
    assert people_behind(ledger, "retrain__other") == people_behind(ledger, "manual__1") == ()
    given(desk)
    gave: dict[str, Any] = {"workspace": desk.workspace("schedule"), "ledger": ledger, "settings": desk.settings}
    params = SimpleNamespace(gate="default", environment="production")
    for run, wanted in (("retrain__one", []), ("scheduled__1", ["8"])):
        ctx: Any = SimpleNamespace(
            **gave, params=params, dataset="digits", run=SimpleNamespace(id=run, actor="schedule")
        )
        assert [one.class_name for one in waivers_of(ctx)] == wanted
    verified = [entry for entry in ledger.read() if entry.act != WAIVE]
    assert waivers_of(ctx, verified) == ()  # what is handed in counts, and no other


def test_a_decision_does_not_outlive_its_waivers() -> None:
    one = Waiver(class_name="8", by="ada", until="2027-01-31", reason="why")
    check_in_force([one], [one])
    check_in_force([one], [])
    with pytest.raises(ActRefused, match="waiver of class 8"):
        check_in_force([], [one])


def test_a_waiver_that_was_forged_in_the_ledger_promotes_nothing(desk: Any) -> None:
    """In dev nobody signs: what the file says would count, were it not held against the chain."""
    given(desk, environment="dev", classes=("3",))
    workspace = desk.workspace()
    until, reason = in_days(30), "samples come in spring"
    forged = Waiver(class_name="8", by="ada", until=until, reason=reason)
    ctx = about_to_promote(desk, workspace, forged)
    with pytest.raises(ActRefused, match="waiver of class 8"):
        promote(ctx)
    path = desk.settings.home / "ledger.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE ledger SET subjects = replace(subjects, '3\\\"]', '8\\\"]') WHERE act = 'waive'")
        for _, statement in triggers:
            connection.execute(statement)
    assert in_force(workspace, "digits", gate(desk), "dev", ("pat",)) == (forged,)  # as it stands there
    with pytest.raises(GovernanceError, match="it was altered"):
        promote(ctx)
    assert ("promote", "pat") not in desk.acts()


def about_to_promote(desk: Any, workspace: Workspace, judged_with: Waiver) -> Any:
    """A run in dev whose candidate was judged with a waiver, as far as `promote` looks before it moves anything."""
    store, policy = workspace.store, workspace.admit_to_run("digits-robust")
    digests = {"models": {"candidate": "d" * 64}, "suite_digest": "c" * 64, "seen": {}, "champion_version": None}
    evidence: Any = evidence_about(SimpleNamespace(**digests), stress=None, waivers=(judged_with,))  # type: ignore[arg-type]
    decision = decide(load(gate(desk)), evidence, None)
    assert store.put(canonical_json(evidence)) == decision.evidence_digest
    outputs = {
        "decide": SimpleNamespace(decision=decision, version="1", champion_version=None),
        "approve": Approval(True, GATE, GATE, "approval auto in dev", "2026-11-01T00:00:00+00:00"),
        "train_candidate": SimpleNamespace(model_digest="d" * 64, artifact="e" * 64),
        "resolve_policy": SimpleNamespace(
            policy=lambda: policy, state="draft", name=policy.name, version=policy.version, digest=policy.digest
        ),
    }
    return SimpleNamespace(
        store=store, workspace=workspace, settings=desk.settings, ledger=workspace.ledger, tracker=workspace.tracker,
        book=book_of(workspace), dataset="digits", params=RunParams(), run=SimpleNamespace(id="one", actor="pat"),
        snapshot=SimpleNamespace(manifest=SimpleNamespace(digest="f" * 64, interface="")),
        output=lambda stage, _: outputs[stage],
        refusals=lambda subjects, actor: workspace.refusals("one", subjects, actor=actor),
    )  # fmt: skip


def test_what_is_waived_is_not_missing(desk: Any) -> None:
    store = open_store(desk.settings)
    few = Snapshot(store, ingest("digits", store, max_samples=150))

    def lacking() -> list[str]:
        return [fault.found for fault in shortages(desk.workspace(), RunParams(environment="production"), few)]

    assert lacking()[1].startswith("10 of 10 classes")
    given(desk, classes=("3", "4"))
    assert lacking()[1].startswith("8 of 10 classes")
    given(desk, classes=tuple("01256789"))
    total, one = lacking()
    assert total == "38 held-out samples in the suite"  # which nobody can waive
    assert one.startswith("1 of 10 classes")  # one has to be judged
