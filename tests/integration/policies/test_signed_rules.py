"""What a colleague with a shell on this machine tries, and what the owner and the leads do instead."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import AugmentOpsError, GovernanceError, InputError
from augment_ops.gate.rules import load as load_gate
from augment_ops.governance import approvals as approvals_module
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.keys import ensure
from augment_ops.governance.root import FILE, pinned, read_root
from augment_ops.lifecycle import governing
from augment_ops.lifecycle.acts import end, propose
from augment_ops.lifecycle.admission import admit_policy
from augment_ops.lifecycle.rules import check_judged_by, check_pinned, read_as_begun
from augment_ops.lifecycle.standing import standing
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.pipeline import execute as execution
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.preflight import preflight
from augment_ops.pipeline.provenance import enter_run
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.library import load
from augment_ops.quality.rules import QualityRules
from augment_ops.services import doctor
from augment_ops.stress.suite import load as load_suite
from augment_ops.workspace import Workspace

POLICY = "digits-robust"
PRODUCTION = {"policy": POLICY, "environment": "production", "approval": "ml-lead"}


def _run(desk: Any, **asked: str) -> None:
    preflight(desk.settings, parse_params({**PRODUCTION, **asked}), "pat")


def _refused(desk: Any, act: Callable[[], object]) -> str:
    """What stops the act; the refusal is the ledger's newest entry."""
    before = len(desk.acts())
    with pytest.raises(AugmentOpsError) as caught:
        act()
    assert all(fault.fix for fault in caught.value.faults)
    assert [act for act, _ in desk.acts()[before:]] == ["refuse"]
    return "\n".join(str(fault) for fault in caught.value.faults)


def _edit(desk: Any, name: str, before: str, after: str) -> None:
    path = desk.settings.policies / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_the_right_way(draft: Any) -> None:
    """From a fresh installation: sign the rules, propose, approve, and production admits the policy and the run."""
    draft.edit(("p95_ms: 1.0", "p95_ms: 100.0"))
    draft.initialise()
    propose(draft.workspace("pat"), POLICY, "digits")
    draft.approve("ada")
    _run(draft)
    admitted = draft.admit()
    assert (admitted.standing.state, admitted.standing.proposed_by) == ("approved", ("pat",))
    assert draft.acts() == [("root", "olga"), ("publish", "pat"), ("propose", "pat"), ("approve", "ada")]
    entries = draft.workspace().ledger.entries()
    assert entries[2].subjects["key"] == draft.keys["pat"].public
    draft.initialise()  # again: nothing is left to do
    assert len(draft.acts()) == len(entries)


def test_without_signed_rules_only_what_is_below_production_goes_on(draft: Any) -> None:
    draft.edit(("p95_ms: 1.0", "p95_ms: 100.0"))
    propose(draft.workspace("pat"), POLICY, "digits")  # as staging asks
    for environment in ("dev", "staging"):
        _run(draft, environment=environment, approval="auto")
    assert "augment-ops governance init" in _refused(draft, lambda: _run(draft))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("approvers.yaml", "author:", "reviewer:"),
        ("environments.yaml", "approvals: [auto, ml-lead]", "approvals: [auto]"),
        ("environments.yaml", "state: approved, role: ml-lead, longest_days: 60, discovery", "state: draft, discovery"),
        ("gates/default.yaml", "name: default", "name: default # "),
        ("limits/general.yaml", "max_rotation_deg: 45", "max_rotation_deg: 90"),
    ],
)
def test_an_edited_rule_is_refused_and_named_until_the_owner_signs(
    desk: Any, name: str, before: str, after: str
) -> None:
    desk.approve()
    way = "auto" if "[auto]" in after else "ml-lead"
    _run(desk)
    _edit(desk, name, before, after)
    found = _refused(desk, lambda: _run(desk, approval=way))
    assert f"policies/{name}" in found
    assert "governance sign" in found
    with pytest.raises(GovernanceError, match=name):
        desk.admit()
    desk.admit("staging")  # an environment that is not protected goes on
    desk.sign()
    _run(desk, approval=way)


def test_a_rule_of_ones_own_is_not_named_by_the_owner(desk: Any) -> None:
    desk.approve()
    shutil.copy(desk.settings.policies / "gates" / "default.yaml", desk.settings.policies / "gates" / "mine.yaml")
    _edit(desk, "gates/mine.yaml", "name: default", "name: mine")
    _run(desk)  # which does not use it
    assert "gates/mine.yaml" in _refused(desk, lambda: _run(desk, gate="mine"))


def test_other_policies_are_not_those_of_the_ledger(desk: Any, tmp_path: Path) -> None:
    """A copy of the rules, loosened, and signed by who loosened them."""
    desk.approve()
    shutil.copytree(desk.settings.policies, tmp_path / "policies")
    other = replace(desk, settings=replace(desk.settings, policies=tmp_path / "policies"))
    _edit(
        other,
        "environments.yaml",
        "approvals: [auto, ml-lead], policy: {state: app",
        "approvals: [auto], policy: {state: app",
    )
    assert "environments.yaml" in _refused(other, lambda: _run(other, approval="auto"))
    (other.settings.policies / FILE).unlink()
    assert "no root document" in _refused(other, lambda: _run(other, approval="auto"))
    mallory = Workspace(other.settings, "mallory", key=_key(tmp_path))
    with pytest.raises(GovernanceError, match="no root document"):
        governing.initialise(mallory)
    _forge_root(other, mallory)
    assert "whose key entry" in _refused(other, lambda: _run(other, approval="auto"))


def _forget_heads(desk: Any) -> None:
    """What the ledger's witness in the state folder knows, which alone would stop what follows."""
    shutil.rmtree(desk.settings.home / "witness", ignore_errors=True)


def _key(folder: Path) -> Path:
    ensure(folder / "mallory.pem")
    return folder / "mallory.pem"


def _forge_root(desk: Any, mallory: Workspace) -> None:
    """Signed and entered by who does not own the installation, as our own code would do it."""
    root = governing._drafted(mallory, mallory_key(mallory), "0" * 32)
    governing._keep(mallory, root, governing._signer(mallory))
    governing._enter(mallory, read_root(desk.settings.policies), "mine now")


def mallory_key(mallory: Workspace) -> str:
    return governing._signer(mallory).public


def test_another_ledger_is_not_that_of_the_policies(desk: Any, tmp_path: Path) -> None:
    desk.approve()
    other = replace(desk, settings=replace(desk.settings, ledger=f"sqlite:///{tmp_path / 'other.db'}"))
    with pytest.raises(AugmentOpsError, match="AUGMENT_OPS_LEDGER"):  # nothing is entered there: witnesses know another
        _run(other)
    mallory = Workspace(other.settings, "mallory", key=_key(tmp_path))
    with pytest.raises(GovernanceError, match="key of the owner"):
        governing.initialise(mallory)


def test_another_ledger_and_other_policies_are_not_those_of_mlflow(desk: Any, tmp_path: Path) -> None:
    """Everything but the registry is the attacker's own."""
    _forget_heads(desk)
    shutil.copytree(desk.settings.policies, tmp_path / "policies")
    settings = replace(desk.settings, policies=tmp_path / "policies", ledger=f"sqlite:///{tmp_path / 'other.db'}")
    (settings.policies / FILE).unlink()
    mallory = Workspace(settings, "mallory", key=_key(tmp_path))
    with pytest.raises(GovernanceError, match="MLflow: found installation"):
        governing.initialise(mallory)
    _forge_root(replace(desk, settings=settings), mallory)
    workspace, policy = Workspace(settings, "mallory"), load(settings.policies, POLICY)
    with pytest.raises(GovernanceError, match="one MLflow serves one installation"):
        admit_policy(workspace, policy, "production")


def test_a_ledger_cut_behind_the_newest_rules_is_not_that_of_mlflow(desk: Any, tmp_path: Path) -> None:
    _forget_heads(desk)
    desk.approve()
    old = shutil.copytree(desk.settings.policies, tmp_path / "policies")
    ledger = shutil.copy(desk.settings.home / "ledger.db", tmp_path / "old.db")
    _edit(desk, "gates/default.yaml", "name: default", "name: default # stricter")
    desk.sign()
    desk.admit()
    back = replace(desk.settings, policies=old, ledger=f"sqlite:///{ledger}")
    with pytest.raises(GovernanceError, match="root document 2"):
        admit_policy(Workspace(back, "pat"), load(old, POLICY), "production")


def test_loosened_while_it_is_read_and_put_back(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the bytes that were read, not the file as it stands when it is compared."""
    genuine = approvals_module.read_text

    def loosened(path: Path, *, kind: str) -> str:
        text = genuine(path, kind=kind)
        return text.replace("state: approved, role: ml-lead, longest_days: 60", "state: draft")

    monkeypatch.setattr(approvals_module, "read_text", loosened)
    with pytest.raises(GovernanceError, match=r"environments\.yaml"):
        desk.admit()


def test_rules_are_those_with_which_the_run_began(desk: Any) -> None:
    begun = pinned(desk.settings.policies)
    check_pinned(desk.workspace(), "production", begun)
    _edit(desk, "gates/default.yaml", "name: default", "name: default # ")
    desk.sign()
    with pytest.raises(GovernanceError, match=r"gates/default\.yaml"):
        check_pinned(desk.workspace(), "production", begun)
    check_pinned(desk.workspace(), "dev", begun)


USED = ("quality/default.yaml", "stress/general.yaml", "gates/default.yaml", "drift/default.yaml")


def _readers(policies: Path) -> dict[str, Callable[[], object]]:
    """What reads each kind of rules in a stage of a run."""
    return {
        "quality/default.yaml": lambda: QualityRules.load(policies / "quality" / "default.yaml"),
        "stress/general.yaml": lambda: load_suite(policies / "stress" / "general.yaml"),
        "gates/default.yaml": lambda: load_gate(policies / "gates" / "default.yaml"),
        "drift/default.yaml": lambda: DriftRules.load(policies / "drift" / "default.yaml"),
        "limits/general.yaml": lambda: load_limits(policies, "general"),
        "approvers.yaml": lambda: Approvals.load(policies),
        "environments.yaml": lambda: Approvals.load(policies),
    }


@pytest.mark.parametrize("name", sorted(_readers(Path())))
def test_rules_that_are_loosened_for_one_reading_judge_nothing(desk: Any, name: str) -> None:
    """Changed after the stage has looked, and put back before it ends: the bytes that are read are what counts."""
    begun, policies, workspace = pinned(desk.settings.policies), desk.settings.policies, desk.workspace()
    ledger = workspace.ledger

    @contextmanager
    def refusals() -> Iterator[None]:
        try:
            yield
        except GovernanceError:
            ledger.append("refuse", "pat", {}, "loosened", "loosened")
            raise

    read, genuine = _readers(policies)[name], (policies / name).read_bytes()
    with read_as_begun(workspace, "production", begun, refusals):
        read()
        (policies / name).write_bytes(genuine + b"# \n")
        with pytest.raises(GovernanceError, match=f"policies/{name}"):
            read()
        assert desk.acts()[-1] == ("refuse", "pat")
        (policies / name).write_bytes(genuine.replace(b"\n", b"\r\n"))  # the same rules in another checkout
        read()
        (policies / name).write_bytes(genuine)
        read()
    (policies / name).write_bytes(genuine + b"# \n")
    read()
    with read_as_begun(workspace, "dev", begun, refusals):
        read()


def test_a_file_that_came_since_judges_nothing(desk: Any) -> None:
    policies = desk.settings.policies
    with read_as_begun(desk.workspace(), "production", pinned(policies), nullcontext):
        (policies / "gates" / "mine.yaml").write_text((policies / "gates" / "default.yaml").read_text())
        with pytest.raises(GovernanceError, match=r"gates/mine\.yaml"):
            load_gate(policies / "gates" / "mine.yaml")
        load(policies, POLICY)  # which its digest and its approval are for


def test_a_run_that_began_with_rules_nobody_signed_goes_nowhere(desk: Any) -> None:
    """They stood there while it began, and again whenever a stage looks, but when signatures are asked for."""
    policies = desk.settings.policies
    check_pinned(desk.workspace(), "production", pinned(policies), USED)
    _edit(desk, "stress/general.yaml", "name: general", "name: general # ")
    begun = pinned(policies)
    with pytest.raises(GovernanceError, match=r"stress/general\.yaml"):
        check_pinned(desk.workspace(), "production", begun, USED)
    _edit(desk, "stress/general.yaml", "name: general # ", "name: general")
    (policies / "drift" / "mine.yaml").write_text("name: mine\n")
    check_pinned(desk.workspace(), "production", pinned(policies), USED)
    with pytest.raises(GovernanceError, match=r"drift/mine\.yaml"):
        check_pinned(desk.workspace(), "production", pinned(policies), ("drift/mine.yaml",))
    (policies / FILE).unlink()
    with pytest.raises(GovernanceError, match="no root document"):
        check_pinned(desk.workspace(), "production", pinned(policies), USED)


def test_a_decision_is_by_the_gate_that_stands_in_the_file(desk: Any) -> None:
    digest = load_gate(desk.settings.policies / "gates" / "default.yaml").digest
    check_judged_by(desk.settings, "default", digest)
    with pytest.raises(GovernanceError, match="which judged"):
        check_judged_by(desk.settings, "default", "f" * 64)


@pytest.mark.parametrize("actor", ["ADA", "unknown", "mallory", "schedule"])
def test_who_is_nobody_or_somebody_in_another_spelling_does_not_act(desk: Any, actor: str) -> None:
    workspace = Workspace(desk.settings, actor, key=desk.key_file("ada"))
    _refused(desk, lambda: propose(workspace, POLICY, "digits"))
    _refused(desk, lambda: end(workspace, POLICY, "revoke", reason="why not"))
    if actor == "schedule":
        desk.approve()
        preflight(desk.settings, parse_params(PRODUCTION), actor)  # a clock may start a run, which a person approves
    elif actor != "mallory":
        params = parse_params(PRODUCTION)
        _refused(desk, lambda: preflight(desk.settings, params, actor))


@pytest.mark.parametrize("name", ["ada ", "аda", "a\nb", "x" * 256, "ada\u200b"])
def test_a_name_that_could_be_taken_for_another_is_none(desk: Any, name: str) -> None:
    with pytest.raises(InputError, match="A-Z"):
        Workspace(desk.settings, name)


def test_in_dev_nobody_acts_with_a_warning(draft: Any) -> None:
    asked = parse_params({"policy": POLICY, "environment": "dev"})
    (warning,) = preflight(draft.settings, asked, "unknown")
    assert "AUGMENT_OPS_ACTOR" in warning
    assert preflight(draft.settings, asked, "pat") == ()
    with pytest.raises(AugmentOpsError, match="nobody"):
        preflight(draft.settings, parse_params({"policy": POLICY, "environment": "staging"}), "unknown")


def test_an_unsigned_proposal_counts_only_before_the_rules_were_signed(desk: Any) -> None:
    assert desk.admit("staging").standing.state == "proposed"  # unsigned, from before
    ledger = desk.workspace().ledger
    (old,) = [entry for entry in ledger.entries() if entry.act == "propose"]
    version = desk.edit(("version: 1.0.0", "version: 1.0.1"))
    policy = load(desk.settings.policies, POLICY)
    subjects = {**old.subjects, "policy": policy.digest, "policy_version": f"{POLICY}/1.0.1"}
    ledger.append("propose", "pat", subjects, "made up", "made up")
    assert "a draft" in desk.refused("staging")[0]
    assert standing(desk.workspace(), policy, "staging").proposed_by == ("pat",)  # who may not approve it all the same
    desk.workspace().enter("propose", subjects, "signed", "signed")
    assert desk.admit("staging").standing.state == "proposed"
    assert version.is_file()


def test_a_revocation_stays_when_who_revoked_is_gone(desk: Any) -> None:
    desk.approve("ada")
    end(desk.workspace("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    left = ", ".join(f'{{id: {p}, name: {p}, keys: ["{desk.keys[p].public}"]}}' for p in ("ada", "cy"))
    desk.write(approvers=left)
    assert "it was revoked" in desk.refused()[0]


def test_the_owner_signs_what_was_shown_and_nobody_else_does(desk: Any) -> None:
    before = read_root(desk.settings.policies)
    _edit(desk, "limits/general.yaml", "max_rotation_deg: 45", "max_rotation_deg: 40")
    owner = Workspace(desk.settings, "olga", key=desk.key_file("olga"))
    shown = governing.sign(owner, "narrower", "")
    assert (shown.signed, read_root(desk.settings.policies)) == (False, before)
    assert any(line.startswith("-") and "45" in line for line in shown.lines)
    assert any(line.startswith("+") and "40" in line for line in shown.lines)
    with pytest.raises(GovernanceError, match="key of the owner"):
        governing.sign(desk.workspace("ada"), "narrower", shown.seen)
    _edit(desk, "limits/general.yaml", "max_rotation_deg: 40", "max_rotation_deg: 90")
    assert not governing.sign(owner, "narrower", shown.seen).signed, "not what was shown"
    _edit(desk, "limits/general.yaml", "max_rotation_deg: 90", "max_rotation_deg: 40")
    assert governing.sign(owner, "narrower", shown.seen).signed
    assert desk.acts()[-1] == ("rules", "olga")
    assert governing.unsettled(desk.workspace()) == []


@pytest.mark.parametrize("cut", ["write_root", "_enter", "_note"])
def test_an_init_that_was_cut_off_is_completed(draft: Any, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    genuine = getattr(governing, cut)

    def killed(*args: Any) -> Any:
        genuine(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(governing, cut, killed)
        with pytest.raises(KeyboardInterrupt):
            draft.initialise()
    draft.initialise()
    assert draft.acts() == [("root", "olga")]
    assert governing.unsettled(draft.workspace()) == []


def test_init_trusts_the_witness_of_this_airflow(draft: Any) -> None:
    witness = draft.keys["airflow"].public
    _edit(draft, "approvers.yaml", f'["{witness}"]', "[]  # none yet")
    draft.initialise()
    assert draft.workspace().approvals.witness_keys("airflow") == (witness,)
    assert "# none yet" in (draft.settings.policies / "approvers.yaml").read_text()
    assert governing.differences(draft.workspace()) == []


def test_doctor_names_rules_that_are_missing_or_changed(draft: Any) -> None:
    (draft.settings.home / "ledger.db").unlink(missing_ok=True)
    assert _rules_of(draft) == ("ok", "augment-ops governance init")
    assert not (draft.settings.home / "ledger.db").exists()
    draft.initialise()
    assert _rules_of(draft) == ("ok", "")
    _edit(draft, "gates/default.yaml", "name: default", "name: default # ")
    assert _rules_of(draft)[0] == "warn"
    assert "governance sign" in _rules_of(draft)[1]
    (draft.settings.policies / FILE).unlink()
    assert _rules_of(draft) == ("warn", "restore it from git")


def _rules_of(desk: Any) -> tuple[str, str]:
    return _found(desk, "rules")


def _found(desk: Any, check: str) -> tuple[str, str]:
    (found,) = [finding for finding in doctor.examine(desk.settings) if finding.check == check]
    return found.outcome, found.fix


def test_doctor_asks_for_a_witness_elsewhere_where_rules_are_signed(draft: Any, tmp_path: Path) -> None:
    assert _found(draft, "heads")[0] == "ok"
    draft.initialise()
    outcome, fix = _found(draft, "heads")
    assert (outcome, "set AUGMENT_OPS_WITNESSES" in fix) == ("warn", True)
    below = replace(draft, settings=replace(draft.settings, witnesses=(f"{draft.settings.home}/other",)))
    assert _found(below, "heads")[0] == "warn"
    elsewhere = replace(draft, settings=replace(draft.settings, witnesses=(f"{tmp_path}/other",)))
    assert _found(elsewhere, "heads") == ("ok", "")


def test_a_stage_refuses_rules_that_are_loosened_while_it_runs(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = {"say": lambda _: None}
    enter_run(desk.settings, "r", parse_params({**PRODUCTION}), "pat")
    execute(desk.settings, "r", "ingest", **quiet)
    genuine = execution.believe

    def believe_and_lose_time(*args: Any) -> None:
        genuine(*args)
        _edit(desk, "quality/default.yaml", "name: default", "name: default # ")

    with monkeypatch.context() as patch:
        patch.setattr(execution, "believe", believe_and_lose_time)
        found = _refused(desk, lambda: execute(desk.settings, "r", "check_data", **quiet))
    assert "policies/quality/default.yaml" in found
    _edit(desk, "quality/default.yaml", "name: default # ", "name: default")
    execute(desk.settings, "r", "check_data", **quiet)
