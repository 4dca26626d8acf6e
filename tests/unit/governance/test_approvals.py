"""Approvals: who may answer, which ways an environment allows, and files that are wrong."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from augment_ops.errors import ActRefused, GovernanceError, InputError, PolicyError
from augment_ops.governance import Approvals
from support.places import POLICIES

APPROVERS = """
version: 1
roles:
  ml-lead: [{id: ada, name: Ada}, {id: bob, name: Bob}]
  solo: [{id: eve, name: Eve}]
"""
ENVIRONMENTS = """
version: 2
environments:
  development: {approvals: [auto, ml-lead], policy: {state: draft, discovery: warn}}
  production: {approvals: [ml-lead], policy: {state: approved, role: ml-lead, discovery: refuse}}
"""


def load(folder: Path, approvers: str = APPROVERS, environments: str = ENVIRONMENTS) -> Approvals:
    (folder / "approvers.yaml").write_text(approvers)
    (folder / "environments.yaml").write_text(environments)
    return Approvals.load(folder)


def test_shipped_files_let_the_gate_decide_alone_only_below_production() -> None:
    approvals = Approvals.load(POLICIES)
    assert [name for name in approvals.environments if "auto" not in approvals.ways(name)] == ["production"]
    assert len(approvals.people("ml-lead")) >= 2, "with one person, a run that this person triggers cannot be approved"


def test_holder_who_did_not_trigger_may_approve(tmp_path: Path) -> None:
    approvals = load(tmp_path)
    assert approvals.may_approve("ml-lead", "ada", "bob").name == "Ada"
    assert approvals.may_approve("ml-lead", "ada", None).name == "Ada"


@pytest.mark.parametrize(
    ("role", "person", "trigger", "fix"),
    [
        ("ml-lead", "ada", "ada", "ask bob to answer"),
        ("ml-lead", "mallory", "ada", "ask one of bob to answer"),
        ("solo", "eve", "eve", "add a second person"),
        ("ml-led", "ada", "bob", "Did you mean ml-lead?"),
    ],
)
def test_refusals_say_what_to_do_next(tmp_path: Path, role: str, person: str, trigger: str, fix: str) -> None:
    with pytest.raises(GovernanceError) as caught:
        load(tmp_path).may_approve(role, person, trigger)
    assert fix in caught.value.faults[0].fix


def test_environment_refuses_a_way_it_does_not_allow(tmp_path: Path) -> None:
    approvals = load(tmp_path)
    approvals.check_way("development", "auto")
    with pytest.raises(ActRefused, match="choose approval ml-lead"):
        approvals.check_way("production", "auto")
    with pytest.raises(InputError, match="Did you mean production"):
        approvals.check_way("producton", "auto")


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    broken = "version: 2\nroles:\n  ml-lead: []\nextra: 1\n"
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, approvers=broken)
    assert {fault.where for fault in caught.value.faults} == {"version", "roles.ml-lead", "extra"}


def test_approval_without_a_role_behind_it_is_a_fault(tmp_path: Path) -> None:
    policy = "policy: {state: draft, discovery: warn}"
    environments = f"version: 2\nenvironments:\n  production: {{approvals: [ml-leed], {policy}}}\n"
    with pytest.raises(PolicyError, match="Did you mean ml-lead"):
        load(tmp_path, environments=environments)


@pytest.mark.parametrize("text", ["roles: [", ""])
def test_unreadable_yaml_is_a_policy_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyError, match=r"approvers\.yaml"):
        load(tmp_path, approvers=text)


def test_absent_file_is_a_policy_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"approvers\.yaml"):
        Approvals.load(tmp_path)


def test_no_two_people_share_a_key(tmp_path: Path) -> None:
    """Whoever proposed a policy could approve it in the other's name."""
    one, other = (f"ed25519:{base64.b64encode(bytes([i]) * 32).decode()}" for i in (1, 2))
    approvers = f"""
version: 1
roles:
  ml-lead: [{{id: ada, name: Ada, keys: ["{one}", "{one}"]}}, {{id: bob, name: Bob, keys: ["{one}"]}}]
  auditor: [{{id: ada, name: Ada, keys: ["{one}", "{one}"]}}]
witnesses:
  airflow: ["{other}", "{one}"]
"""
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, approvers=approvers)
    found = [fault.found for fault in caught.value.faults]
    assert found == ["that of ada and of bob", "that of ada and of the witness airflow"]
    load(tmp_path, approvers=approvers.replace(f', "{one}"]\n', "]\n").replace(f'Bob, keys: ["{one}"]', "Bob"))


def test_a_key_is_one_key_however_it_is_written(tmp_path: Path) -> None:
    raw = bytes([1]) * 32
    ours = f"ed25519:{base64.b64encode(raw).decode()}"
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00 " + raw
    theirs = f"ssh-ed25519 {base64.b64encode(blob).decode()} ada@laptop"
    approvers = f"""
version: 1
roles:
  ml-lead: [{{id: ada, name: Ada, keys: ["{theirs}"]}}, {{id: bob, name: Bob, keys: ["{ours}"]}}]
"""
    with pytest.raises(PolicyError, match="that of ada and of bob"):
        load(tmp_path, approvers=approvers)
    person = load(tmp_path, approvers=approvers.replace(f'["{ours}"]', "[]")).person("ada")
    assert person is not None
    assert person.keys == [ours]
    for wrong in (
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        theirs.replace("ssh-ed25519", "ssh-rsa"),
        "ssh-ed25519 " + "A" * 68,
    ):
        with pytest.raises(PolicyError, match="keys"):
            load(tmp_path, approvers=approvers.replace(theirs, wrong))


@pytest.mark.parametrize(
    ("people", "found", "fix"),
    [
        ("ml-lead: [{id: ml-deputy, name: D}, {id: ML-Deputy, name: E}]", "reads as 'ml-deputy'", "ml-deputy"),
        ("ml-lead: [{id: bob, name: B}]\n  other: [{id: Bob, name: B}]", "reads as 'bob'", "one person, bob"),
        ("ml-lead: [{id: Unknown, name: U}]", "'Unknown'", "another id"),
        ("ml-lead: [{id: schedule, name: S}]", "'schedule'", "another id"),
    ],
)
def test_no_two_people_have_names_that_read_alike(tmp_path: Path, people: str, found: str, fix: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, approvers=f"version: 1\nroles:\n  {people}\n", environments=ENVIRONMENTS)
    (fault,) = caught.value.faults
    assert found in fault.found
    assert fix in fault.fix


@pytest.mark.parametrize("spelled", ["ADA", "Ada ", "ａda"])
def test_people_are_compared_folded(tmp_path: Path, spelled: str) -> None:
    approvals = load(tmp_path)
    assert approvals.taken_for(spelled) == "ada"
    assert approvals.taken_for("ada") is None
    assert approvals.holds("ml-lead", spelled)
    with pytest.raises(GovernanceError, match="who triggered the run"):
        approvals.may_approve("ml-lead", "ada", spelled)


def test_production_is_always_protected_and_others_where_the_file_says_so(tmp_path: Path) -> None:
    approvals = load(tmp_path)
    assert (approvals.is_protected("production"), approvals.is_protected("development")) == (True, False)
    assert (approvals.is_above_dev("production"), approvals.is_above_dev("development")) == (True, False)
    asking = ENVIRONMENTS.replace("discovery: warn}", "discovery: warn}, protected: true")
    assert load(tmp_path, environments=asking).is_protected("development")
    loosened = ENVIRONMENTS.replace("discovery: refuse}", "discovery: refuse}, protected: false")
    assert load(tmp_path, environments=loosened).is_protected("production")


def test_more_approvers_than_people_is_a_fault(tmp_path: Path) -> None:
    demands = "policy: {state: approved, role: ml-lead, approvers: 2, discovery: refuse}"
    environments = f"version: 2\nenvironments:\n  production: {{approvals: [ml-lead], {demands}}}\n"
    assert load(tmp_path, environments=environments).demands("production").approvers == 2
    twice = "version: 1\nroles:\n  ml-lead: [{id: ada, name: Ada}, {id: ada, name: Ada}]\n"
    with pytest.raises(PolicyError, match=r"at most 1, who hold the role") as caught:
        load(tmp_path, approvers=twice, environments=environments)
    assert "give ml-lead more people" in caught.value.faults[0].fix


@pytest.mark.parametrize(
    ("demands", "where"),
    [
        ("state: approved, discovery: refuse", "role"),
        ("state: approved, role: ml-leed, discovery: refuse", "role"),
        ("state: aproved, discovery: refuse", "state"),
        ("state: approved, role: ml-lead, approvers: 0, discovery: refuse", "approvers"),
        ("state: draft", "discovery"),
    ],
)
def test_demands_that_no_approval_could_meet_are_faults(tmp_path: Path, demands: str, where: str) -> None:
    environments = f"version: 2\nenvironments:\n  production: {{approvals: [ml-lead], policy: {{{demands}}}}}\n"
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, environments=environments)
    assert [fault.where.rpartition(".")[2] for fault in caught.value.faults] == [where]
    assert caught.value.faults[0].fix
