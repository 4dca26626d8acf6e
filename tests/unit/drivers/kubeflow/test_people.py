"""Who asks for a run and who answers it: nobody alone, and nobody in another's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from augment_ops.content import canonical_json, digest_of
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.drivers.kubeflow import people
from augment_ops.drivers.kubeflow.stamp import stamp
from augment_ops.drivers.kubeflow.tasks import work
from augment_ops.errors import GovernanceError, InputError
from augment_ops.gate.decision import Decision, Verdict
from augment_ops.gate.explanation import Explanation
from augment_ops.governance.keys import default_path, ensure
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Approval, Decided, Prepared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import StageRecord, find, keep_record, now
from augment_ops.report.brief import Brief
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store

Begin = Callable[..., str]
Acting = Callable[[str], Settings]
Recorded = Callable[[], tuple[list[str], list[str]]]

ASKED = {"approval": "ml-lead", "seed": 9}
PARAMS = RunParams(approval="ml-lead", seed=9)


@pytest.fixture
def asked_for(acting: Acting) -> Callable[[str], str]:
    """A run that somebody signed for, and its id."""
    return lambda person: people.request(acting(person), PARAMS, None).run


PREPARED = Prepared(
    brief=Brief(
        dataset="digits", version="3", champion="", verdict="PASS", summary="Nothing speaks against it.",
        policy="digits-robust 1.0.0, draft", policy_before="", policy_changes=(), environment="dev", started_by="eve",
        because="", compared=None, warnings=(),
    ),
    asks="ml-lead",
    path="/reports/report.html",
)  # fmt: skip


def edit(settings: Settings, run_id: str, name: str, **changes: Any) -> None:
    """Write into a document beside a run's records, as whoever has the store can."""
    store, document = open_store(settings), f"runs/{run_id}/{name}.json"
    store.put_document(document, canonical_json(json.loads(store.get_document(document) or b"{}") | changes))


def decided(settings: Settings, run_id: str, verdict: Verdict = "PASS", champion: str | None = None) -> None:
    """Have the gate decide, as the stages before it would leave it behind."""
    decision = Decision(verdict, "default 2.1.0", "r" * 64, "e" * 64, (), "Nothing speaks against it.")
    told = Explanation(digest_of(decision), verdict, decision.summary, "s" * 64, "d" * 64, ())
    manifest = SnapshotManifest(
        digest="d" * 64, dataset="digits", uri="digits", classes=("0", "1"), image_shape=(8, 8, 1),
        split_rule="by hash", counts={}, samples=2, defective=0, index="i" * 64, images="p" * 64,
    )  # fmt: skip
    found = Decided(decision, told, "3", champion)
    for stage, output in (("ingest", manifest), ("decide", found), ("prepare_report", PREPARED)):
        ctx = Context.of(settings, run_id)
        record = StageRecord(stage, "k" * 64, ctx.store.put(canonical_json(output)), 0.0, now())
        ctx.enter(record)
        keep_record(ctx.store, run_id, record)


def approve(settings: Settings, run_id: str) -> Approval:
    """What the task of the stage `approve` leaves behind."""
    work(settings, "approve", stamp(), {"run_id": run_id}, lambda line: None)
    return Context.of(settings, run_id).output("approve", Approval)


def test_a_run_that_a_person_approves_is_begun_for_whoever_signed_for_it(
    settings: Settings, begin: Begin, asked_for: Callable[[str], str]
) -> None:
    run_id = asked_for("eve")
    assert begin(run_id=run_id, **ASKED) == run_id
    assert find(open_store(settings), run_id).actor == "eve"


def test_without_a_request_it_is_refused_and_the_refusal_entered(begin: Begin, recorded: Recorded) -> None:
    for _ in range(2):
        with pytest.raises(GovernanceError, match="augment-ops kubeflow request"):
            begin(**ASKED)
    assert recorded() == (["refuse"], [])


def test_a_run_that_the_gate_alone_decides_may_be_asked_for_as_well(
    settings: Settings, begin: Begin, acting: Acting
) -> None:
    begin(run_id=people.request(acting("eve"), RunParams(), None).run)
    assert {entry.actor for entry in open_ledger(settings).read()} == {"eve"}


def test_other_parameters_than_were_asked_for_are_named(
    begin: Begin, recorded: Recorded, asked_for: Callable[[str], str]
) -> None:
    run_id = asked_for("eve")
    with pytest.raises(InputError, match=r"others than eve asked for \(seed, approval\)"):
        begin(run_id=run_id)
    assert recorded() == ([], [f"runs/{run_id}/request.json"])


@pytest.mark.parametrize(
    "change", [{"by": "bob"}, {"params": {**ASKED, "seed": 8}}, {"signature": ""}, {"run": "kfp-4567"}], ids=str
)
def test_a_request_that_nobody_signed_begins_nothing(
    settings: Settings, begin: Begin, recorded: Recorded, asked_for: Callable[[str], str], change: dict[str, Any]
) -> None:
    run_id = asked_for("eve")
    edit(settings, run_id, "request", **change)
    with pytest.raises(GovernanceError, match="no signature of"):
        begin(run_id=run_id, **ASKED)
    assert recorded() == (["refuse"], [f"runs/{run_id}/request.json"])


def test_a_key_of_ones_own_signs_in_nobody_elses_name(
    settings: Settings, begin: Begin, asked_for: Callable[[str], str], tmp_path: Path
) -> None:
    run_id, own = asked_for("bob"), ensure(tmp_path / "own.pem")
    said = people._said(run_id, asdict(PARAMS), "eve")
    edit(settings, run_id, "request", by="eve", key=own.public, signature=own.sign(said.message()))
    with pytest.raises(GovernanceError, match="no signature of 'eve'"):
        begin(run_id=run_id, **ASKED)


def test_a_request_for_another_run_is_none_for_this_one(
    settings: Settings, begin: Begin, asked_for: Callable[[str], str]
) -> None:
    store = open_store(settings)
    store.put_document("runs/kfp-0123/request.json", store.get_document(f"runs/{asked_for('eve')}/request.json") or b"")
    with pytest.raises(GovernanceError, match="for this run"):
        begin(**ASKED)


def test_only_who_has_a_registered_key_asks(settings: Settings, acting: Acting, tmp_path: Path) -> None:
    with pytest.raises(GovernanceError):
        people.request(acting("mallory"), PARAMS, None)
    with pytest.raises(GovernanceError, match="key of ada"):
        people.request(acting("ada"), PARAMS, default_path("eve"))
    assert open_store(settings).documents("runs/") == []


def test_a_run_waits_until_somebody_else_has_answered(
    settings: Settings, begin: Begin, acting: Acting, asked_for: Callable[[str], str]
) -> None:
    run_id = begin(run_id=asked_for("ada"), **ASKED)
    decided(settings, run_id)
    before = len(list(open_ledger(settings).read()))
    with pytest.raises(GovernanceError, match=f"the signed answer of bob, not of ada.*\n.*kubeflow approve {run_id}"):
        approve(settings, run_id)
    with pytest.raises(GovernanceError, match="ada, who triggered the run"):
        people.answer(acting("ada"), run_id, "Approve", "mine", None)
    assert len(list(open_ledger(settings).read())) == before, "waiting is no act"
    people.answer(acting("bob"), run_id, "Approve", "pictures seen", None)
    given = approve(settings, run_id)
    assert (given.approved, given.by, given.role, given.reason) == (True, "bob", "ml-lead", "pictures seen")
    acts = [(entry.act, entry.actor) for entry in open_ledger(settings).read()][before:]
    assert acts[0] == ("approve", "bob")


def test_an_answer_that_nobody_gave_is_refused_and_entered(
    settings: Settings, begin: Begin, acting: Acting, asked_for: Callable[[str], str]
) -> None:
    run_id = begin(run_id=asked_for("eve"), **ASKED)
    decided(settings, run_id)
    signed = people.answer(acting("ada"), run_id, "Approve", "seen", None)
    changes = {"by": "bob", "chosen": "Reject", "decision": "0" * 64, "signature": "", "witness": "airflow"}
    said = set()
    for name, value in changes.items():
        edit(settings, run_id, "answer", fields=signed.fields() | {name: value})
        with pytest.raises(GovernanceError, match=r"answer of (ada|bob)") as refused:
            approve(settings, run_id)
        said.add(str(refused.value))
    acts = [entry.act for entry in open_ledger(settings).read()]
    assert acts.count("refuse") == len(said)  # once however often it is tried
    assert "approve" not in acts


def test_an_own_answer_that_was_signed_past_the_command_is_refused(
    settings: Settings, begin: Begin, acting: Acting, asked_for: Callable[[str], str]
) -> None:
    run_id = begin(run_id=asked_for("ada"), **ASKED)
    decided(settings, run_id)
    signed = people.answer(acting("bob"), run_id, "Approve", "seen", None).answer
    own = vars(signed) | {"by": "ada"}
    key = people.Workspace(acting("ada"), "ada").signer()
    edit(settings, run_id, "answer", fields=type(signed)(**own).signed(key).fields())
    with pytest.raises(GovernanceError, match="ada, who triggered the run"):
        approve(settings, run_id)


@pytest.mark.parametrize("chosen", ["Approve", "Reject"])
def test_an_answer_needs_a_reason(
    settings: Settings, begin: Begin, acting: Acting, asked_for: Callable[[str], str], chosen: str
) -> None:
    run_id = begin(run_id=asked_for("eve"), **ASKED)
    decided(settings, run_id)
    with pytest.raises(InputError, match="no reason"):
        people.answer(acting("ada"), run_id, chosen, " \n", None)
    signed = people.answer(acting("ada"), run_id, chosen, "seen", None).answer
    key = people.Workspace(acting("ada"), "ada").signer()
    blank = type(signed)(**(vars(signed) | {"reason": " "})).signed(key)  # past the command
    edit(settings, run_id, "answer", fields=blank.fields())
    with pytest.raises(InputError, match="no reason"):
        approve(settings, run_id)
    assert not {entry.act for entry in open_ledger(settings).read()} & {"approve", "reject"}


@pytest.mark.parametrize(
    ("verdict", "approval", "champion"), [("FAIL", "ml-lead", None), ("PASS", "auto", "2"), ("PASS", "ml-lead", "3")]
)
def test_where_nobody_is_asked_nobody_answers_and_the_run_goes_on(
    settings: Settings, begin: Begin, acting: Acting, verdict: Verdict, approval: str, champion: str | None
) -> None:
    run_id = people.request(acting("eve"), RunParams(approval=approval), None).run
    begin(run_id=run_id, approval=approval)
    decided(settings, run_id, verdict, champion)
    with pytest.raises(InputError, match="a run that waits for a person"):
        people.answer(acting("ada"), run_id, "Approve", "seen", None)
    assert people.brought(Context.of(settings, run_id)) == {}
    assert approve(settings, run_id).approved == (approval == "auto")


def test_who_holds_no_such_role_does_not_answer(
    settings: Settings, begin: Begin, acting: Acting, asked_for: Callable[[str], str]
) -> None:
    run_id = begin(run_id=asked_for("ada"), **ASKED)
    decided(settings, run_id)
    with pytest.raises(GovernanceError, match="'eve'"):
        people.answer(acting("eve"), run_id, "Approve", "seen", None)
    assert open_store(settings).get_document(f"runs/{run_id}/answer.json") is None
