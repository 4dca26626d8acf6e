"""Policies from proposal to production with a real ledger, a real store and MLflow on SQLite: every refusal, and that
repeating an act, or being cut off in one, leaves nothing twice and nothing half."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from augment_ops.cli import app, audit, policies, runs, services
from augment_ops.errors import AugmentOpsError, GovernanceError, InputError, PolicyError
from augment_ops.governance import ledger as ledger_module
from augment_ops.governance.keys import Key, ensure
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.statements import approval_of, is_policy_approval
from augment_ops.pipeline import admission, policy_acts
from augment_ops.pipeline.office import Office
from augment_ops.pipeline.policy_acts import approve, end, propose, question
from augment_ops.policy.library import admit_to_run, load
from augment_ops.settings import Settings

ROOT = Path(__file__).parents[2]
POLICY = "digits-robust"
VERSION = "digits-robust/1.0.0"
PEOPLE = ("ada", "bob", "cy")


@dataclass(frozen=True)
class Desk:
    """A home and a library of its own, with everybody's keys."""

    settings: Settings
    keys: dict[str, Key]

    def office(self, actor: str = "pat") -> Office:
        return Office(self.settings, actor)

    def approve(self, by: str = "ada", name: str = POLICY, **asked: Any) -> Any:
        asked = {"environment": "production", "reason": f"{by} saw it", "days": 30, "key": self.keys[by], **asked}
        return approve(self.office(by), name, asked.pop("environment"), **asked)

    def admit(self, environment: str = "production", name: str = POLICY) -> admission.Admitted:
        policy = admit_to_run(self.settings.policies, name)
        return admission.admit_policy(self.office(), policy, environment)

    def refused(self, environment: str = "production", name: str = POLICY) -> tuple[str, str]:
        """What was found, and what to do next."""
        with pytest.raises(AugmentOpsError) as caught:
            self.admit(environment, name)
        return "; ".join(f.found for f in caught.value.faults), "; ".join(f.fix for f in caught.value.faults)

    def acts(self) -> list[tuple[str, str]]:
        return [(entry.act, entry.actor) for entry in Ledger(self.settings.ledger).entries()]

    def write(self, *, production: str = "", approvers: str = "") -> None:
        folder = self.settings.policies
        demands = production or "state: approved, role: ml-lead, longest_days: 60, discovery: refuse"
        (folder / "environments.yaml").write_text(
            "version: 2\nenvironments:\n"
            "  dev: {approvals: [auto, ml-lead], policy: {state: draft, discovery: warn}}\n"
            "  staging: {approvals: [auto, ml-lead], policy: {state: proposed, discovery: warn}}\n"
            f"  production: {{approvals: [auto, ml-lead], policy: {{{demands}}}}}\n"
        )
        listed = approvers or ", ".join(f'{{id: {p}, name: {p}, keys: ["{self.keys[p].public}"]}}' for p in PEOPLE)
        (folder / "approvers.yaml").write_text(
            f"version: 1\nroles:\n  ml-lead: [{listed}]\n"
            f'  auditor: [{{id: dan, name: dan, keys: ["{self.keys["dan"].public}"]}}]\n'
            f'witnesses:\n  airflow: ["{self.keys["airflow"].public}"]\n'
        )

    def edit(self, *changes: tuple[str, str], name: str = POLICY) -> Path:
        path = self.settings.policies / "augment" / f"{name}.yaml"
        text = path.read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path.write_text(text)
        return path


def _settings(home: Path) -> Settings:
    return Settings.from_environment({"AUGMENT_OPS_HOME": str(home), "AUGMENT_OPS_POLICIES": str(home / "policies")})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return {who: ensure(folder / f"{who}.pem") for who in (*PEOPLE, "dan", "airflow")}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Key]) -> Desk:
    """Nothing was done yet."""
    home = tmp_path_factory.mktemp("bare") / "home"
    shutil.copytree(ROOT / "policies", home / "policies", ignore=shutil.ignore_patterns("published"))
    made = Desk(_settings(home), keys)
    made.write()
    return made


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory, bare: Desk) -> Desk:
    """One version was proposed: the slow part, profile and gallery, once."""
    made = _copy(bare, tmp_path_factory.mktemp("proposed"))
    made.edit(("p95_ms: 1.0", "p95_ms: 100.0"))  # the machine that tests may be a slow one
    propose(made.office(), POLICY, "digits")
    return made


def _copy(desk: Desk, folder: Path) -> Desk:
    home = folder / "home"
    shutil.copytree(desk.settings.home, home)
    return replace(desk, settings=_settings(home))


@pytest.fixture
def desk(proposed: Desk, tmp_path: Path) -> Desk:
    return _copy(proposed, tmp_path / "desk")


@pytest.fixture
def draft(bare: Desk, tmp_path: Path) -> Desk:
    return _copy(bare, tmp_path / "draft")


# --- proposing


def test_a_proposal_leaves_copy_entries_and_a_registered_version(desk: Desk) -> None:
    from mlflow import MlflowClient

    assert desk.acts() == [("publish", "pat"), ("propose", "pat")]
    copy = desk.settings.policies / "published" / POLICY / "1.0.0.yaml"
    assert load(desk.settings.policies, f"{POLICY}@1.0.0").text == copy.read_text()
    evidence = desk.office().ledger.entries()[-1].subjects
    (version,) = MlflowClient(desk.settings.mlflow_uri).search_model_versions(f"name='policy.{POLICY}'")
    assert version.tags["augment_ops.policy_digest"] == evidence["policy"]
    assert version.tags["augment_ops.profile_digest"] == evidence["evidence.profile"]
    assert version.tags["augment_ops.preview_digest"] == evidence["evidence.preview"]
    assert "6 and 9" in version.tags["augment_ops.limitations"]


def test_proposing_twice_measures_and_enters_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_acts, "profile", lambda policy: pytest.fail("measured again"))
    before = desk.office().ledger.entries()
    again = propose(desk.office("cy"), POLICY, "digits")
    assert desk.office().ledger.entries() == before
    assert again.evidence == policy_acts.Proposed(VERSION, again.digest, again.evidence, "", "").evidence
    desk.approve("cy")  # who only repeated it is not its author


@pytest.mark.parametrize("cut", ["_register", "_publish", "keep_published", "append"])
def test_a_proposal_that_was_cut_off_is_completed_by_the_next(
    draft: Desk, proposed: Desk, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Killed after this effect and before the next."""
    from mlflow import MlflowClient

    evidence = dict(proposed.office().standing(load(proposed.settings.policies, POLICY), "dev").evidence)
    cost, seen = policy_acts.documents(proposed.office().store, evidence)
    shutil.copytree(Path(proposed.settings.store), Path(draft.settings.store), dirs_exist_ok=True)
    draft.edit(("p95_ms: 1.0", "p95_ms: 100.0"))
    monkeypatch.setattr(policy_acts, "profile", lambda policy: cost)
    monkeypatch.setattr(policy_acts, "preview", lambda policy, store, dataset: seen)
    with monkeypatch.context() as patch:
        place, name = (Ledger, "append") if cut == "append" else (policy_acts, cut)
        genuine: Callable[..., Any] = getattr(place, name)

        def killed(*args: Any, **more: Any) -> Any:
            genuine(*args, **more)
            if cut != "append" or args[1] == "propose":
                raise KeyboardInterrupt

        patch.setattr(place, name, killed)
        with pytest.raises(KeyboardInterrupt):
            propose(draft.office(), POLICY, "digits")
    done = propose(draft.office(), POLICY, "digits")
    assert done.evidence == evidence
    assert Path(done.copy).is_file()
    assert draft.acts() == [("publish", "pat"), ("propose", "pat")]
    assert len(MlflowClient(draft.settings.mlflow_uri).search_model_versions(f"name='policy.{POLICY}'")) == 1


def test_a_policy_over_its_budget_is_not_proposed(draft: Desk) -> None:
    draft.edit(("p95_ms: 1.0", "p95_ms: 0.000001"))
    with pytest.raises(PolicyError, match=r"budget\.p95_ms") as caught:
        propose(draft.office(), POLICY, "digits")
    assert "cheaper" in caught.value.faults[0].fix
    assert draft.acts() == [("refuse", "pat")]
    assert not (draft.settings.policies / "published").exists()
    assert not (draft.settings.home / "mlflow").exists()


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ("- OneOf: {transforms: [{Rotate: {limit: 60, p: 1.0}}, {HorizontalFlip: {p: 1.0}}], p: 0.1}", "[-60, 60]|60"),
        ("- Rotate: {limit: 30, p: 0.01}\n  - Rotate: {limit: 30, p: 0.01}", "can reach 60 in all"),
        ("- RandAugment: {num_ops: 3, magnitude: 30}", "chain|Rotate|\\["),
    ],
    ids=["container", "chain", "family"],
)
def test_limits_bind_every_path_and_every_door(draft: Desk, steps: str, found: str) -> None:
    path = draft.edit()
    path.write_text(f"{path.read_text().partition('transforms:')[0]}transforms:\n  {steps}\n")
    for door in (lambda: propose(draft.office(), POLICY, "digits"), draft.admit, lambda: draft.admit("dev")):
        with pytest.raises(PolicyError, match=found) as caught:
            door()
        assert all("narrow" in f.fix or "remove" in f.fix for f in caught.value.faults)
    assert draft.acts() == []


def test_another_content_under_a_proposed_version_leaves_no_copy(desk: Desk) -> None:
    """Somebody who takes the copy away as well still meets the ledger."""
    shutil.rmtree(desk.settings.policies / "published")
    desk.edit(("[-30, 30]", "[-31, 31]"))
    with pytest.raises(GovernanceError, match="as it was published") as caught:
        propose(desk.office(), POLICY, "digits")
    assert "new version" in caught.value.faults[0].fix
    assert not (desk.settings.policies / "published").exists()
    assert desk.acts()[-1] == ("refuse", "pat")
    for environment in ("dev", "staging", "production"):
        found, fix = desk.refused(environment)
        assert "content" in found
        assert "new version" in fix


def test_an_altered_copy_is_refused_when_it_is_used(desk: Desk) -> None:
    copy = desk.settings.policies / "published" / POLICY / "1.0.0.yaml"
    copy.write_text(copy.read_text().replace("[-30, 30]", "[-31, 31]"))
    assert "content" in desk.refused("dev", f"{POLICY}@1.0.0")[0]


@pytest.mark.parametrize("act", ["revoke", "deprecate"])
def test_a_version_that_was_ended_is_not_proposed_again(desk: Desk, act: str) -> None:
    end(desk.office("ada"), POLICY, act, reason="7 and 1 confused")
    with pytest.raises(GovernanceError, match="7 and 1 confused") as caught:
        propose(desk.office(), POLICY, "digits")
    assert caught.value.faults[0].fix == "propose a new version"
    with pytest.raises(GovernanceError, match="7 and 1 confused"):
        desk.approve()


# --- approving


def test_an_approved_version_is_admitted(desk: Desk) -> None:
    assert desk.refused()[0] == "no approval that counts"
    desk.approve()
    admitted = desk.admit()
    assert (admitted.published, admitted.standing.state, set(admitted.standing.counted)) == (True, "approved", {"ada"})


def test_approving_twice_is_entered_once(desk: Desk) -> None:
    first = desk.approve(days=30)
    assert desk.approve(days=20) == first
    assert desk.acts().count(("approve", "ada")) == 1
    longer = desk.approve(days=60)
    assert longer.seq > first.seq
    assert len(desk.admit().standing.approvals) == 2


def test_the_witness_signs_for_who_answered(desk: Desk) -> None:
    signed = desk.approve("bob", key=desk.keys["airflow"], witness="airflow", not_by=("ada",))
    assert (signed.approval.approver, signed.approval.witness) == ("bob", "airflow")
    assert set(desk.admit().standing.counted) == {"bob"}


@pytest.mark.parametrize(
    ("asked", "found", "fix"),
    [
        ({"by": "dan"}, "dan, who is not ml-lead", "ask ada, bob, cy"),
        ({"by": "ada", "key": "bob"}, "ed25519:", "added to ada's keys"),
        ({"by": "ada", "key": "ada", "witness": "airflow"}, "ed25519:", "added to witnesses.airflow"),
        ({"by": "ada", "key": "airflow"}, "ed25519:", "added to ada's keys"),
        ({"by": "ada", "key": "ada", "witness": "jenkins"}, "ed25519:", "added to witnesses.jenkins"),
        ({"by": "ada", "not_by": ("ada",)}, "ada, who proposed it or asked for it", "ask bob, cy"),
        ({"by": "ada", "environment": "staging"}, "environment staging, which asks for none", "choose another"),
        ({"by": "ada", "environment": "producton"}, "'producton'", "Did you mean production"),
        ({"by": "ada", "days": 61}, "61 days", "for a shorter time"),
    ],
)
def test_who_may_not_approve_is_told_why_and_entered(desk: Desk, asked: dict[str, Any], found: str, fix: str) -> None:
    asked = dict(asked)
    if "key" in asked:
        asked["key"] = desk.keys[asked["key"]]
    by = asked.pop("by")
    for _ in range(2):
        with pytest.raises(AugmentOpsError) as caught:
            desk.approve(by, **asked)
        (fault,) = caught.value.faults
        assert found in fault.found
        assert fix in fault.fix
    assert desk.acts().count(("refuse", by)) == 1
    assert ("approve", by) not in desk.acts()


def test_the_author_does_not_approve(draft: Desk, desk: Desk) -> None:
    with pytest.raises(GovernanceError, match="a draft") as caught:
        draft.approve()
    assert caught.value.faults[0].fix == f"augment-ops policy propose {POLICY}"
    _propose_again(desk, "ada")
    with pytest.raises(GovernanceError, match="ada, who proposed it") as caught:
        desk.approve("ada")
    assert caught.value.faults[0].fix == "ask bob, cy to approve it"
    put = question(desk.office("bob"), POLICY, "production", 30)
    assert [person.id for person in put.people] == ["cy"]


def _propose_again(desk: Desk, by: str) -> None:
    """As after a loss of evidence."""
    last = [entry for entry in desk.office().ledger.entries() if entry.act == "propose"][-1]
    desk.office().ledger.append("propose", by, last.subjects, last.reason, f"propose:{by}")


def test_nobody_is_left_to_ask(desk: Desk) -> None:
    for by in PEOPLE:
        _propose_again(desk, by)
    with pytest.raises(GovernanceError, match="ada, bob, cy, pat") as caught:
        question(desk.office(), POLICY, "production", 30)
    assert "approvers.yaml" in caught.value.faults[0].fix


def test_two_approvers_where_the_file_says_so(desk: Desk) -> None:
    desk.write(production="state: approved, role: ml-lead, approvers: 2, discovery: refuse")
    desk.approve("ada")
    assert desk.refused()[0] == "1 that counts"
    desk.approve("bob")
    assert set(desk.admit().standing.counted) == {"ada", "bob"}


def test_an_expired_approval_does_not_count(desk: Desk) -> None:
    now = datetime.now(UTC)
    signed = desk.approve("ada", days=30)
    old = replace(
        signed.approval,
        given=(now - timedelta(days=31)).isoformat(timespec="seconds"),
        expires=(now - timedelta(seconds=1)).isoformat(timespec="seconds"),
    )
    end(desk.office("ada"), POLICY, "revoke", reason="for the test", environment="production")
    _enter(desk, replace(signed, approval=old, signature=desk.keys["ada"].sign(old.message())))
    assert "it expired on" in desk.refused()[0]


def _enter(desk: Desk, signed: Any, **columns: str) -> None:
    entered = {"actor": signed.approval.approver, "reason": signed.approval.reason, **columns}
    desk.office().ledger.append("approve", entered["actor"], signed.subjects(), entered["reason"], f"forged:{signed}")


@pytest.mark.parametrize(
    ("forge", "found"),
    [
        (lambda s, k: replace(s, signature="AAAA"), "it was altered"),
        (lambda s, k: replace(s, approval=replace(s.approval, expires="2999-01-01T00:00:00+00:00")), "it was altered"),
        (lambda s, k: replace(s, key=k["dan"].public, signature=k["dan"].sign(s.approval.message())), "none of ada"),
        (lambda s, k: replace(s, approval=replace(s.approval, approver="bob")), "entry of bob"),
        (lambda s, k: _falsely_witnessed(s, k["dan"]), "none of the witness airflow"),
        (lambda s, k: s, "it repeats entry"),
    ],
    ids=["no signature", "longer", "own key", "other person", "false witness", "copied"],
)
def test_a_forged_entry_does_not_count(desk: Desk, forge: Callable[..., Any], found: str) -> None:
    signed = desk.approve()
    end(desk.office("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    _enter(desk, forge(signed, desk.keys))
    assert found in desk.refused()[0]
    assert desk.office().ledger.verify() == [], "the chain alone would not have shown it"


def _falsely_witnessed(signed: Any, key: Key) -> Any:
    approval = replace(signed.approval, witness="airflow")
    return replace(signed, approval=approval, key=key.public, signature=key.sign(approval.message()))


def test_an_approval_of_another_environment_or_version_does_not_serve(desk: Desk) -> None:
    desk.write(production="state: approved, role: ml-lead, discovery: refuse")
    text = (desk.settings.policies / "environments.yaml").read_text()
    asking = text.replace("state: proposed", "state: approved, role: ml-lead")
    (desk.settings.policies / "environments.yaml").write_text(asking)
    signed = desk.approve(environment="staging")
    assert desk.admit("staging").standing.state == "approved"
    subjects = {**signed.subjects(), "environment": "production"}
    desk.office().ledger.append("approve", "ada", subjects, signed.approval.reason, "forged")
    assert "it was altered" in desk.refused()[0]
    text = desk.edit(("version: 1.0.0", "version: 1.0.1")).read_text()
    assert "version: 1.0.1" in text
    assert "draft" in desk.refused("staging")[0]


def test_an_entry_taken_out_of_the_ledger_is_found_before_anything_trains(desk: Desk) -> None:
    """A revocation is not signed. With it gone the approval would count again."""
    desk.approve()
    end(desk.office("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    desk.approve("cy", key=desk.keys["cy"])
    with sqlite3.connect(desk.settings.home / "ledger.db") as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        database.execute("DELETE FROM ledger WHERE act = 'revoke'")
        for _, statement in triggers:
            database.execute(statement)
    database.close()
    found, fix = desk.refused()
    assert "number" in found
    assert "backup" in fix
    assert desk.admit("dev").standing.state == "proposed"  # where no approval decides


# --- what an approval is bound to


@pytest.mark.parametrize("what", ["profile", "preview", "gallery"])
@pytest.mark.parametrize("how", ["altered", "lost"])
def test_one_byte_of_the_evidence(desk: Desk, what: str, how: str) -> None:
    desk.approve()
    evidence = dict(desk.admit().standing.evidence)
    digest = policy_acts.documents(desk.office().store, evidence)[1].gallery if what == "gallery" else evidence[what]
    path = Path(desk.settings.store) / "objects" / digest[:2] / digest
    content = path.read_bytes()
    path.chmod(0o600)
    path.unlink()
    if how == "altered":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found, _ = desk.refused()
    assert "its evidence does not hold" in found
    assert "propose the version again" in found
    with pytest.raises(GovernanceError, match="evidence") as caught:
        desk.approve("bob")
    assert "augment-ops policy propose" in caught.value.faults[0].fix
    path.write_bytes(content)
    assert desk.admit().standing.state == "approved"


def test_evidence_of_another_policy_is_none(desk: Desk) -> None:
    other = desk.edit(("version: 1.0.0", "version: 1.0.1"))
    policy = load(desk.settings.policies, POLICY)
    last = desk.office().ledger.entries()[-1].subjects
    subjects = {**last, "policy": policy.digest, "policy_version": f"{POLICY}/1.0.1"}
    desk.office().ledger.append("propose", "mallory", subjects, "borrowed", "borrowed")
    with pytest.raises(GovernanceError, match="is of another policy"):
        desk.approve()
    assert other.is_file()


def test_evidence_that_one_approval_lost_leaves_the_others(desk: Desk) -> None:
    """bob approved on new evidence; that ada's is gone is no reason to stop."""
    desk.approve("ada")
    office, policy = desk.office(), load(desk.settings.policies, POLICY)
    evidence = dict(desk.admit().standing.evidence)
    cost, seen = policy_acts.documents(office.store, evidence)
    new = {"profile": policy_acts.keep(office.store, replace(cost, machine="another")), "preview": evidence["preview"]}
    office.ledger.append(
        "propose", "pat", {**policy_acts.subjects_of(policy), **policy_acts.evidence_subjects(new)}, "again", "again"
    )
    desk.approve("bob")
    office.store.remove(evidence["profile"])
    assert set(desk.admit().standing.counted) == {"bob"}
    assert seen.digest == policy.digest


@pytest.mark.parametrize("change", ["key", "role", "name"])
def test_the_approver_file_is_part_of_it(desk: Desk, change: str, keys: dict[str, Key], tmp_path: Path) -> None:
    desk.approve()
    one = f'{{id: ada, name: ada, keys: ["{keys["ada"].public}"]}}'
    bob = f'{{id: bob, name: bob, keys: ["{keys["bob"].public}"]}}'
    new = {
        "key": one.replace(keys["ada"].public, ensure(tmp_path / "new.pem").public),
        "role": "",
        "name": one.replace("name: ada", "name: Ada L"),
    }[change]
    desk.write(approvers=", ".join(filter(None, (new, bob))))
    found, fix = desk.refused()
    assert "approvers.yaml was changed" in found or "does not hold the role" in found
    assert "augment-ops policy approve" in fix


def test_one_byte_of_the_policy(desk: Desk) -> None:
    desk.approve()
    path = desk.edit(("limitations:", "limitations:  # a remark"))
    assert desk.admit().standing.state == "approved"  # comments are no content
    desk.edit(("p: 0.6}", "p: 0.61}"))
    with pytest.raises(PolicyError, match=rf"{path.name}:\d+: transforms\[3\]\.GaussNoise\.p") as caught:
        desk.admit()
    assert "give the changed policy a version above 1.0.0" in caught.value.faults[0].fix


# --- ending


def test_revoking_twice_is_entered_once_and_is_for_good(desk: Desk) -> None:
    desk.approve()
    for reason in ("7 and 1 confused", "once more"):
        end(desk.office("bob"), POLICY, "revoke", reason=reason)
    assert desk.acts().count(("revoke", "bob")) == 1
    for environment in ("dev", "staging", "production"):
        found, fix = desk.refused(environment)
        assert "revoked by bob" in found
        assert f"policy history {POLICY}" in fix


def test_approvals_of_one_environment_are_revoked_and_given_again(desk: Desk) -> None:
    for _ in range(2):
        desk.approve()
        desk.admit()
        for _ in range(2):
            end(desk.office("bob"), POLICY, "revoke", reason="a doubt", environment="production")
        assert "it was revoked" in desk.refused()[0]
        assert desk.admit("staging").standing.state == "proposed"
    assert [act for act, _ in desk.acts()][2:] == ["approve", "revoke"] * 2


def test_deprecated_is_refused_in_production_and_a_warning_below(desk: Desk) -> None:
    desk.approve()
    end(desk.office("pat"), POLICY, "deprecate", reason="1.1.0 is better")
    for environment in ("dev", "staging"):
        assert desk.admit(environment).warnings == ("deprecated by pat: 1.1.0 is better",)
    assert "deprecated by pat" in desk.refused()[0]


@pytest.mark.parametrize(
    ("actor", "act", "environment", "found"),
    [
        ("mallory", "revoke", "", "mallory, who holds no role"),
        ("ada", "revoke", "production", "no approval"),
        ("ada", "revoke", "producton", "'producton'"),
    ],
)
def test_what_cannot_be_ended(desk: Desk, actor: str, act: str, environment: str, found: str) -> None:
    with pytest.raises(AugmentOpsError, match=found) as caught:
        end(desk.office(actor), POLICY, act, reason="why not", environment=environment)
    assert caught.value.faults[0].fix
    assert ("revoke", actor) not in desk.acts()


def test_a_draft_cannot_be_ended_but_changed(draft: Desk) -> None:
    with pytest.raises(InputError, match="a draft") as caught:
        end(draft.office("ada"), POLICY, "revoke", reason="why not")
    assert caught.value.faults[0].fix == "change the file"


def test_a_version_is_revoked_whatever_became_of_file_and_limits(desk: Desk) -> None:
    """The moment when it matters most: limits were narrowed because of it, or somebody changed it."""
    desk.approve()
    proposed = desk.office().standing(load(desk.settings.policies, POLICY), "production").digest
    limits = desk.settings.policies / "limits" / "general.yaml"
    limits.write_text(limits.read_text().replace("max_rotation_deg: 45", "max_rotation_deg: 4"))
    desk.edit(("p: 0.6}", "p: 0.61}"))
    end(desk.office("bob"), POLICY, "revoke", reason="too much tilt")
    (entry,) = [entry for entry in desk.office().ledger.entries() if entry.act == "revoke"]
    assert entry.subjects["policy"] == proposed
    assert desk.office().standing(load(desk.settings.policies, POLICY), "dev").state == "revoked"


# --- admission by environment


def test_a_draft_is_for_dev(draft: Desk) -> None:
    assert draft.admit("dev").standing.state == "draft"
    for environment in ("staging", "production"):
        found, fix = draft.refused(environment)
        assert found == "a draft"
        assert fix == f"augment-ops policy propose {POLICY}"


@pytest.mark.parametrize("link", ["nowhere", "0a" * 16, "in the bin", "of another"])
def test_a_discovery_link_leads_to_the_run_that_found_this_policy(draft: Desk, link: str) -> None:
    from mlflow import MlflowClient

    tracker = draft.office().tracker
    run = tracker.open_run("searches", f"search:{link}")
    client = MlflowClient(tracker.uri)
    name = run.run_id if link in ("in the bin", "of another") else link
    draft.edit(("discovered_by: null", f"discovered_by: {{method: density-matching, mlflow_run: {name}}}"))
    policy = admit_to_run(draft.settings.policies, POLICY)
    client.set_tag(run.run_id, "augment_ops.discovered_policy_digest", policy.digest)
    if link == "in the bin":
        assert draft.admit("dev").warnings == ()
        client.delete_run(run.run_id)
    elif link == "of another":
        client.set_tag(run.run_id, "augment_ops.discovered_policy_digest", "e" * 64)
    (warning,) = draft.admit("dev").warnings
    assert "which is not there" in warning or "which found eeeeeeeeeeee…" in warning
    found, fix = draft.refused()
    assert warning.removeprefix("discovered_by: ") in found
    assert "correct the link in a new version" in fix


def test_a_file_elsewhere_cannot_pose_as_a_published_version(desk: Desk, tmp_path: Path) -> None:
    desk.approve()
    text = (desk.settings.policies / "augment" / f"{POLICY}.yaml").read_text()
    path = tmp_path / f"{POLICY}.yaml"
    path.write_text(text)
    assert desk.admit(name=str(path)).standing.state == "approved"  # the same content is the same policy
    path.write_text(text.replace("[-30, 30]", "[-44, 44]"))
    with pytest.raises(PolicyError, match=rf"{path}:\d+: transforms\[0\]\.Affine\.rotate\[0\]"):
        desk.admit("dev", str(path))


# --- what goes wrong underneath


def test_a_locked_ledger_leaves_nothing_half_recorded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_LOCK_WAIT_S", 0.1)
    before = desk.acts()
    lock = sqlite3.connect(desk.settings.home / "ledger.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")  # reading stays possible, as while another process writes
    try:
        with pytest.raises(GovernanceError, match="locked") as caught:
            desk.approve()
        assert "locked" in caught.value.faults[0].fix
        with pytest.raises(GovernanceError, match="locked"):
            end(desk.office("ada"), POLICY, "revoke", reason="a doubt")
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert desk.acts() == before
    assert desk.refused()[0] == "no approval that counts"
    desk.approve()
    assert desk.acts() == [*before, ("approve", "ada")]


# --- the command line


@pytest.fixture
def call(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    return _caller(desk, monkeypatch)


def _caller(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    if not app.registered_groups:
        for commands in (services, runs, policies, audit):
            commands.register(app)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(desk.settings.home))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(desk.settings.policies))
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, actor: str = "ada") -> Result:
        monkeypatch.setenv("AUGMENT_OPS_ACTOR", actor)
        return CliRunner().invoke(app, ["policy", *words])

    return call


def test_the_story_from_the_command_line(
    desk: Desk, call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = json.loads(call("keygen", "--json").stdout)
    assert Path(made["file"]) == tmp_path / "config" / "augment-ops" / "ada.pem"
    told = call("keygen", "--out", str(tmp_path / "other.pem"))
    assert "keep it to yourself" in told.stdout
    assert yaml.safe_load(told.stdout.splitlines()[-1])["keys"][0].startswith("ed25519:")
    inside = call("keygen", "--out", str(desk.settings.policies / "k.pem"))
    assert isinstance(inside.exception, InputError)
    bob = f'{{id: bob, name: bob, keys: ["{desk.keys["bob"].public}"]}}'
    desk.write(approvers=f'{{id: ada, name: ada, keys: ["{made["public"]}"]}}, {bob}')
    said = json.loads(call("approve", POLICY, "--reason", "gallery seen", "--days", "30", "--json").stdout)
    assert (said["approval"]["approver"], said["approval"]["environment"]) == ("ada", "production")
    again = call("approve", POLICY, "--reason", "gallery seen", "--days", "30")
    assert f"entry {said['seq']}" in again.stdout
    wrong = call("approve", POLICY, "--reason", "r", "--days", "30", actor="bob")
    assert isinstance(wrong.exception, GovernanceError)
    assert "policy keygen" in wrong.exception.faults[0].fix
    done = json.loads(call("revoke", POLICY, "--environment", "production", "--reason", "a doubt", "--json").stdout)
    assert done == {"policy": POLICY, "act": "revoke", "environment": "production"}
    assert "deprecated digits-robust" in call("deprecate", POLICY, "--reason", "1.1.0 is better").stdout
    refused = call("propose", POLICY, "--json")
    assert isinstance(refused.exception, GovernanceError)
    (chapter,) = json.loads(call("history", POLICY, "--json").stdout)
    assert [event["by"] for event in chapter["events"]] == ["pat", "pat", "ada", "ada", "ada", "ada"]


def test_a_policy_is_proposed_profiled_and_shown_in_both_ways(
    desk: Desk, call: Callable[..., Result], tmp_path: Path
) -> None:
    done = json.loads(call("propose", POLICY, "--json", actor="pat").stdout)
    assert done["policy_version"] == VERSION
    assert set(done["evidence"]) == {"profile", "preview"}
    assert "is proposed; its file is kept as" in call("propose", POLICY, actor="pat").stdout
    found = json.loads(call("validate", f"{POLICY}@1.0.0", "--json").stdout)
    assert found == [{"name": POLICY, "version": "1.0.0", "digest": done["digest"]}]
    desk.edit(("version: 1.0.0", "version: 1.1.0"), ("p: 0.6}", "p: 0.7}"))
    changes = json.loads(call("diff", f"{POLICY}@1.0.0", POLICY, "--json").stdout)
    assert "GaussNoise" in json.dumps(changes)
    assert "GaussNoise" in call("diff", f"{POLICY}@1.0.0", POLICY).stdout
    out = tmp_path / "gallery.png"
    seen = json.loads(call("preview", POLICY, "--out", str(out), "--json").stdout)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert seen["file"] == str(out)
    assert seen["rows"][0]["where"] == "transforms[0].Affine"
    assert {draw["level"] for row in seen["rows"] for draw in row["draws"]} == {"low", "middle", "high"}


def test_profile_says_no_with_its_exit_code(desk: Desk, call: Callable[..., Result]) -> None:
    within = call("profile", "digits-none", "--at", "4x4x1", "--json")
    assert (within.exit_code, json.loads(within.stdout)["over_budget"]) == (0, False)
    desk.edit(("p95_ms: 1.0", "p95_ms: 0.0000001"), name="digits-none")
    over = call("profile", "digits-none", "--at", "4x4x1")
    assert over.exit_code == 1
    assert over.stdout.rstrip().endswith("over it")
    wrong = call("profile", "digits-none", "--at", "4x0x1")
    assert isinstance(wrong.exception, InputError)


def test_validate_says_what_is_wrong_with_every_file(desk: Desk, call: Callable[..., Result]) -> None:
    desk.edit(("p: 0.6}", "p: 0.61}"))
    desk.edit(("version: 1.0.0", "version: 01.0.0"), name="digits-none")
    desk.edit(("GaussNoise", "GausNoise"), name="fashion-robust")
    error = call("validate").exception
    assert isinstance(error, PolicyError)
    places = "\n".join(fault.where for fault in error.faults)
    assert "digits-none.yaml: version" in places
    assert "digits-robust.yaml:" in places
    assert "GaussNoise.p" in places
    assert "GausNoise" in places
    assert all(fault.fix for fault in error.faults)


def test_the_ledger_holds_what_was_signed(desk: Desk) -> None:
    signed = desk.approve()
    (entry,) = [entry for entry in desk.office().ledger.entries() if is_policy_approval(entry)]
    assert approval_of(entry) == signed


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGMENT_OPS_KEY", raising=False)
