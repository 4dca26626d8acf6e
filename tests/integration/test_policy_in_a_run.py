"""A policy's standing in real runs on the digits: refused before anything trains, and again before promotion."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.cli.runs import run_pipeline
from augment_ops.content import from_json, sha256_hex
from augment_ops.errors import EXIT_CHECK_SAID_NO, ActRefused, CheckRefused, GovernanceError, InputError
from augment_ops.governance.keys import Key, ensure, load
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.model_approval import ModelAnswer, SignedAnswer
from augment_ops.lifecycle import governing
from augment_ops.lifecycle.acts import approve, end, propose
from augment_ops.lifecycle.history import history
from augment_ops.modalities.image.bounds import ImageBounds
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import StageRef, execute
from augment_ops.pipeline.graph import STAGES
from augment_ops.pipeline.outputs import Approval, AugmentedCheck, Decided, Prepared, Promotion, ResolvedPolicy
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.stages.answers import about
from augment_ops.policy.spec import Policy
from augment_ops.settings import Settings
from augment_ops.tracking import connect
from augment_ops.workspace import Workspace, open_store

ROOT = Path(__file__).parents[2]
POLICY = "digits-robust"  # which passes the shipped gate
ASKED = {"dataset": "digits", "policy": POLICY}
_KEY = "ada-of-this-file.pem"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return ensure(tmp_path_factory.getbasetemp() / _KEY)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    policies = home / "policies"
    shutil.copytree(ROOT / "policies", policies, ignore=shutil.ignore_patterns("published"))
    policy = policies / "augment" / f"{POLICY}.yaml"
    policy.write_text(policy.read_text().replace("p95_ms: 1.0", "p95_ms: 100.0"))
    config = tmp_path_factory.mktemp("config")
    bob, pat, _ = (ensure(config / "augment-ops" / f"{who}.pem").public for who in ("bob", "pat", "olga"))
    (policies / "approvers.yaml").write_text(
        f'version: 1\nroles:\n  ml-lead: [{{id: ada, name: ada, keys: ["{key.public}"]}}, '
        f'{{id: bob, name: bob, keys: ["{bob}"]}}]\n  author: [{{id: pat, name: pat, keys: ["{pat}"]}}]\n'
    )
    _demand(policies, "state: approved, role: ml-lead, discovery: refuse")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.setenv("AUGMENT_OPS_HOME", str(home))
        patch.setenv("AUGMENT_OPS_POLICIES", str(policies))
        patch.setenv("AUGMENT_OPS_ACTOR", "pat")
        patch.setenv("XDG_CONFIG_HOME", str(config))  # where everybody's keys are
        patch.delenv("AUGMENT_OPS_KEY", raising=False)
        made = Settings.from_environment()
        governing.initialise(Workspace(made, "olga"))
        yield made


def _demand(policies: Path, production: str) -> None:
    (policies / "environments.yaml").write_text(
        "version: 2\nenvironments:\n"
        "  dev: {approvals: [auto], policy: {state: draft, discovery: warn}}\n"
        f"  production: {{approvals: [auto, ml-lead], policy: {{{production}}}}}\n"
    )


def _run(
    settings: Settings, run_id: str, upto: str, say: Callable[[str], None] = lambda line: None, **asked: str | int
) -> list[StageRef]:
    """The stages up to one, in order; the person who is asked says yes."""
    enter_run(settings, run_id, parse_params({**ASKED, **asked}), "pat")
    names = [stage.name for stage in STAGES]
    return [
        execute(settings, run_id, name, external=_yes(settings, run_id) if name == "approve" else None, say=say)
        for name in names[: names.index(upto) + 1]
    ]


def _nobody_answers_for_ada(settings: Settings, run_id: str) -> None:
    """Answers that are not hers: unsigned, signed by an Airflow that nobody named, of another run, by who began it."""
    signed = _yes(settings, run_id)
    another = ensure(settings.home.parent / "of-another-installation.pem")
    made_up = replace(SignedAnswer.from_fields(signed).answer, witness="airflow").signed(another).fields()
    unsigned = {name: signed[name] for name in ("by", "chosen", "reason", "at")}
    was = len(_acts(settings, "refuse"))
    for answer in (unsigned, made_up, signed | {"run": "another"}, signed | {"by": "bob"}, signed | {"by": "pat"}):
        with pytest.raises(GovernanceError, match="answer of"):
            execute(settings, run_id, "approve", external=answer, say=lambda line: None)
    refused = [entry for entry in Ledger(settings.ledger).entries() if entry.act == "refuse"][was:]
    assert [entry.actor for entry in refused] == ["pat"] * 5  # who began the run, and not in whose name it was tried
    assert _acts(settings, "approve") == [a for a in _acts(settings, "approve") if "policy_version" in a]


def _yes(settings: Settings, run_id: str) -> dict[str, str]:
    """The person's answer, signed with her own key."""
    ctx = Context.of(settings, run_id)
    decided = ctx.output("decide", Decided)
    asked = about(ctx, decided.decision, decided.version)
    answer = ModelAnswer(**asked, chosen="Approve", by="ada", reason="looks right", at="2026-05-01T12:00:00+00:00")
    return answer.signed(load(settings.home.parent / _KEY)).fields()


def _acts(settings: Settings, act: str) -> list[dict[str, str]]:
    return [entry.subjects for entry in Ledger(settings.ledger).entries() if entry.act == act]


def _approve(settings: Settings, key: Key) -> None:
    approve(Workspace(settings, "ada"), POLICY, "production", reason="seen", days=30, key=key)


@pytest.fixture(scope="module")
def before(settings: Settings) -> list[StageRef]:
    """A run in dev with a draft, as far as its policy."""
    return _run(settings, "in-dev", "resolve_policy")


@pytest.fixture(scope="module")
def refused(settings: Settings, before: list[StageRef]) -> dict[str, GovernanceError]:
    """Runs for production that were stopped: of a draft, and of a version that nobody approved.

    They have begun all the same, as where that changes after it was looked at.
    """
    found = {}
    for called in ("draft", "proposed"):
        with pytest.raises(GovernanceError) as caught:
            _run(settings, f"refused-{called}", "resolve_policy", environment="production")
        found[called] = caught.value
        if called == "draft":
            propose(Workspace(settings, "pat"), POLICY, "digits")
    return found


def test_nothing_trains_for_production_without_an_approval(
    settings: Settings, refused: dict[str, GovernanceError]
) -> None:
    assert {error.exit_code for error in refused.values()} == {EXIT_CHECK_SAID_NO}
    assert refused["draft"].faults[0].fix == f"augment-ops policy propose {POLICY}"
    assert f"augment-ops policy approve {POLICY} --environment production" in refused["proposed"].faults[0].fix
    entries = Ledger(settings.ledger).entries()
    stopped = [entry for entry in entries if entry.act == "refuse"]
    assert [entry.subjects["policy_version"] for entry in stopped] == [f"{POLICY}/1.0.0"] * 2
    assert [entry.key.partition(":")[0] for entry in stopped] == ["refused-draft", "refused-proposed"]
    assert not [entry for entry in entries if entry.act == "train" and entry.key.startswith("refused")]
    records = settings.home / "store" / "documents" / "runs" / "refused-draft"
    assert {path.stem for path in records.iterdir()} == {"run", "ingest", "check_data"}


def test_tried_again_a_refusal_is_entered_once(settings: Settings, refused: dict[str, GovernanceError]) -> None:
    was = len(_acts(settings, "refuse"))
    for _ in range(2):
        with pytest.raises(GovernanceError, match="no approval that counts"):
            _run(settings, "refused-proposed", "resolve_policy", environment="production")
    assert len(_acts(settings, "refuse")) == was
    assert "Stopped at resolve_policy" in page_of(settings, "refused-proposed").read_text()


def test_what_resolve_policy_would_refuse_is_refused_before_the_run_begins(
    settings: Settings, refused: dict[str, GovernanceError]
) -> None:
    with pytest.raises(ActRefused, match="no approval that counts"):
        run_pipeline({**ASKED, "environment": "production"}, "never-began", quiet=True)
    assert not (settings.home / "store" / "documents" / "runs" / "never-began").exists()
    assert not page_of(settings, "never-began").exists()


def test_too_few_samples_for_the_gate_stop_a_run_for_production(
    settings: Settings, refused: dict[str, GovernanceError]
) -> None:
    with pytest.raises(CheckRefused, match="38 held-out samples in the suite"):
        _run(settings, "too-few", "ingest", environment="production", max_samples=150)
    assert "add about 648 samples" in page_of(settings, "too-few").read_text()


def test_a_proposal_by_somebody_else_does_not_start_a_run_in_dev_over(
    settings: Settings, before: list[StageRef], refused: dict[str, GovernanceError]
) -> None:
    again = _run(settings, "in-dev", "resolve_policy")
    assert [ref.reused for ref in again] == [True] * len(again)
    assert [ref.output for ref in again] == [ref.output for ref in before]


@pytest.mark.slow
def test_a_policy_revoked_after_training_promotes_nothing(
    settings: Settings, refused: dict[str, GovernanceError], key: Key
) -> None:
    _approve(settings, key)
    asked = {"environment": "production", "approval": "ml-lead"}
    *_, resolved, _, _, _, _, _, _, _ = _run(settings, "for-production", "decide", **asked)
    _nobody_answers_for_ada(settings, "for-production")
    _is_asked_from_the_report(settings, "for-production", asked)
    approved = _run(settings, "for-production", "approve", **asked)[-1]
    policy = from_json(ResolvedPolicy, open_store(settings).get(resolved.output))
    assert (resolved.stage, policy.state, policy.approved_by) == ("resolve_policy", "approved", ("ada",))
    assert approved.stage == "approve"
    tracker = connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")
    end(Workspace(settings, "bob"), POLICY, "revoke", reason="a doubt", environment="production")
    with pytest.raises(GovernanceError, match="it was revoked"):
        execute(settings, "for-production", "promote", say=lambda line: None)
    assert tracker.champion("digits") is None
    assert _acts(settings, "promote") == []
    assert _acts(settings, "refuse")[-1]["version"] == "digits/1"
    _approve(settings, key)
    execute(settings, "for-production", "promote", say=lambda line: None)
    champion = tracker.champion("digits")
    assert champion is not None
    assert champion.version == "1"
    (entered,) = _acts(settings, "promote")
    assert (entered["environment"], entered["policy_state"]) == ("production", "approved")
    _the_report_says_what_came_of_it(settings, "for-production")
    _nobody_is_asked_about_the_same_model(settings, asked)


def _parent(ctx: Context) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(ctx.tracker.uri).get_run(ctx.parent.run_id)


def _tags(ctx: Context) -> dict[str, str]:
    tags: dict[str, str] = _parent(ctx).data.tags
    return tags


def _described(ctx: Context) -> str:
    """What the page of the first version says."""
    from mlflow import MlflowClient

    found: str = MlflowClient(ctx.tracker.uri).get_model_version("digits-classifier", "1").description
    return found


def _is_asked_from_the_report(settings: Settings, run_id: str, asked: dict[str, str]) -> None:
    """Before anybody has answered there is the page, in the folder and in MLflow, which says that it waits."""
    _run(settings, run_id, "prepare_report", **asked)
    ctx = Context.of(settings, run_id)
    prepared = ctx.output("prepare_report", Prepared)
    assert (prepared.asks, prepared.brief.policy) == ("ml-lead", f"{POLICY} 1.0.0, approved by ada")
    assert (prepared.brief.champion, prepared.brief.version, prepared.brief.started_by) == ("", "1", "pat")
    page = Path(prepared.path).read_bytes()
    assert sha256_hex(page) == prepared.digest
    assert b"the run waits for the answer of ml-lead. Until then there is no champion." in page
    tags = _tags(ctx)
    assert "It waits for the answer of ml\\-lead" in tags["mlflow.note.content"]
    assert tags["augment_ops.report"] == prepared.path


def _the_report_says_what_came_of_it(settings: Settings, run_id: str) -> None:
    """The same page, in the same place, with the person's reason; so do MLflow and the policy's history."""
    execute(settings, run_id, "report", say=lambda line: None)
    ctx = Context.of(settings, run_id)
    page = Path(ctx.output("prepare_report", Prepared).path).read_text()
    assert "Version 1 is champion of digits in production." in page
    assert "approved by <b>ada as ml-lead: looks right</b>" in page
    assert "waits for the answer" not in page
    assert "There is no champion yet." not in page
    tags = _tags(ctx)
    assert tags["augment_ops.approval"] == "approved by ada as ml-lead: looks right"
    assert "Approved by ada as ml\\-lead: looks right\\." in tags["mlflow.note.content"]
    (chapter,) = history(ctx.workspace, POLICY)
    assert "approved digits version 1 for production: looks right" in [event.what for event in chapter.events]


def _nobody_is_asked_about_the_same_model(settings: Settings, asked: dict[str, str]) -> None:
    """Trained again by the same recipe it is the champion itself: nobody is asked, and nothing changes."""
    was, described = len(_acts(settings, "promote")), _described(Context.of(settings, "for-production"))
    _run(settings, "again", "prepare_report", **asked)
    for name in ("approve", "promote", "report"):
        execute(settings, "again", name, say=lambda line: None)  # nobody has answered
    ctx = Context.of(settings, "again")
    assert ctx.output("prepare_report", Prepared).asks == ""
    assert not ctx.output("approve", Approval).approved
    promotion = ctx.output("promote", Promotion)
    assert (promotion.promoted, promotion.message) == (True, "version 1, the same model, is champion already")
    assert len(_acts(settings, "promote")) == was
    assert (_parent(ctx).info.status, _tags(ctx)["outcome"]) == ("FINISHED", "champion already")
    # The version's page is left to the run that registered it.
    assert _described(ctx) == described != _tags(ctx)["mlflow.note.content"]


def test_a_production_that_asks_for_nothing_is_refused(settings: Settings, refused: dict[str, GovernanceError]) -> None:
    """Somebody edits environments.yaml while the run is on its way: its owner has not signed that."""
    was = len(_acts(settings, "refuse"))
    _run(settings, "weakened", "check_data", environment="production")
    _demand(settings.policies, "state: draft, discovery: refuse")
    try:
        with pytest.raises(GovernanceError, match=r"policies/environments\.yaml"):
            execute(settings, "weakened", "resolve_policy", say=lambda line: None)
        _sign(settings)
        with pytest.raises(
            GovernanceError, match="with which the run began"
        ):  # which the owner's signature does not change
            execute(settings, "weakened", "resolve_policy", say=lambda line: None)
    finally:
        _demand(settings.policies, "state: approved, role: ml-lead, discovery: refuse")
        _sign(settings)
    assert len(_acts(settings, "refuse")) == was + 1  # the same refusal once


def _sign(settings: Settings) -> None:
    """The owner signs what has changed."""
    seen = governing.sign(Workspace(settings, "olga"), "for the test", "").seen
    governing.sign(Workspace(settings, "olga"), "for the test", seen)


def test_what_governance_refuses_before_a_run_begins_is_entered_once(
    settings: Settings, refused: dict[str, GovernanceError]
) -> None:
    was = len(_acts(settings, "refuse"))
    policy = settings.policies / "augment" / f"{POLICY}.yaml"
    text = policy.read_text()
    policy.write_text(text.replace("p: 0.6}", "p: 0.61}"))
    try:
        for run_id in ("changed-1", "changed-2"):
            with pytest.raises(InputError, match=r"as version 1\.0\.0 was published"):
                run_pipeline(ASKED, run_id, quiet=True)
        policy.write_text(text.replace("transforms:", "transfroms:"))
        with pytest.raises(InputError, match="transfroms"):  # of no policy: a slip, not an act
            run_pipeline(ASKED, "slip", quiet=True)
    finally:
        policy.write_text(text)
    assert [entry["policy_version"] for entry in _acts(settings, "refuse")[was:]] == [f"{POLICY}/1.0.0"]
    assert Ledger(settings.ledger).entries()[-1].actor == "pat"
    assert not (settings.home / "store" / "documents" / "runs" / "changed-1").exists()


def test_a_published_family_narrowed_to_its_domain_is_what_a_run_augments_with(settings: Settings) -> None:
    """From the file to the samples: narrowed, told, kept with its bounds, and looked at."""
    path = settings.policies / "augment" / "wide.yaml"
    path.write_text(
        "name: wide\nversion: 1.0.0\nmodality: image\ndomain: general\nowner: tests\ndescription: As published.\n"
        "budget: {p95_ms: 100.0, at: [8, 8, 1]}\ntransforms: [TrivialAugment: {limits: domain}]\n"
    )
    told: list[str] = []
    refs = _run(settings, "narrowed", "check_augmented", say=told.append, policy="wide")
    kept = {ref.stage: open_store(settings).get(ref.output) for ref in refs}
    resolved = from_json(ResolvedPolicy, kept["resolve_policy"])
    assert any("Rotate narrowed from ±135° to ±45°" in line for line in told)
    assert resolved.policy() == Policy.load(path)
    assert resolved.policy().narrowed_to == ImageBounds(
        max_rotation_deg=45,
        max_shear_deg=30,
        max_translation_share=0.3,
        max_brightness_change=0.6,
        max_contrast_change=0.8,
    )
    checked = from_json(AugmentedCheck, kept["check_augmented"])
    assert checked.report.status != "fail"
    assert open_store(settings).has(checked.contact_sheet)
