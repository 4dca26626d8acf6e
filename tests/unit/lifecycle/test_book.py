"""What counts of the ledger where champions are concerned, and with whose key it is entered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance.acts import Act, why_not
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import Key, ensure
from augment_ops.governance.rollouts import APPROVE, END, EXPOSING, PAUSE, RESUME, START
from augment_ops.lifecycle.book import QUARANTINE, ROLLBACK, Book, Signing, book_of
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, open_ledger
from support.people import keys_of, signed_rules, write_approvers, write_environments

SUBJECTS = {"version": "digits/1", "previous": "2", "environment": "production"}


@pytest.fixture
def ada(tmp_path: Path) -> Key:
    return ensure(tmp_path / "ada.pem")


@pytest.fixture
def workspace(tmp_path: Path, ada: Key) -> Workspace:
    """Ada's, with her key; nobody has signed the rules yet."""
    policies = tmp_path / "policies"
    policies.mkdir()
    write_approvers(policies, {"ml-lead": {"ada": ada, **keys_of("bob")}})
    write_environments(policies)
    home = {"AUGMENT_OPS_HOME": str(tmp_path / "home"), "AUGMENT_OPS_POLICIES": str(policies)}
    return Workspace(Settings.from_environment(home), "ada", key=tmp_path / "ada.pem")


def _again(workspace: Workspace) -> Workspace:
    """What the next command has: a workspace reads what is in force once."""
    return Workspace(workspace.settings, workspace.actor, key=workspace.key)


def _sign_rules(workspace: Workspace) -> Workspace:
    signed_rules(workspace.settings.policies, workspace.ledger, "olga", keys_of("olga")["olga"])
    return _again(workspace)


def _enter(workspace: Workspace, act: str, once: str, key: Key | None = None) -> Entry:
    """As whoever reaches the ledger past the commands; signed by the holder of a key, or by nobody."""
    said = Act(act, "ada", SUBJECTS, "worse on sevens", once)
    subjects = SUBJECTS if key is None else said.signed(key)
    return workspace.ledger.append(act, "ada", subjects, said.reason, once)


@pytest.fixture(params=["counted", "signing"])
def reading(request: pytest.FixtureRequest) -> object:
    """Each of the two books, over a workspace."""
    books = {"counted": book_of, "signing": Signing}
    return books[request.param]


def _keys(book: Book, *acts: str) -> list[str]:
    return [entry.key for entry in book.read(acts)]


def test_rollbacks_count_with_a_signature_that_holds(workspace: Workspace, ada: Key, reading) -> None:
    _enter(workspace, ROLLBACK, "before the rules")
    workspace = _sign_rules(workspace)
    _enter(workspace, ROLLBACK, "nobody's")
    _enter(workspace, ROLLBACK, "signed", ada)
    _enter(workspace, ROLLBACK, "of a stranger", keys_of("eve")["eve"])
    other = Act(ROLLBACK, "ada", SUBJECTS | {"version": "digits/9"}, "worse on sevens", "altered").signed(ada)
    workspace.ledger.append(ROLLBACK, "ada", {**other, "version": "digits/1"}, "worse on sevens", "altered")
    _enter(workspace, "promote", "a promotion, which nobody signs")
    expected = ["before the rules", "signed"]
    assert _keys(reading(workspace), ROLLBACK) == expected
    everything = [key for key in _keys(reading(workspace)) if not key.startswith("rules:")]
    assert everything == [*expected, "a promotion, which nobody signs"]


@pytest.mark.parametrize("act", EXPOSING)
def test_what_gives_a_challenger_requests_counts_with_a_signature_that_holds(
    workspace: Workspace, ada: Key, act: str, reading
) -> None:
    workspace = _sign_rules(workspace)
    _enter(workspace, act, "nobody's")
    _enter(workspace, act, "signed", ada)
    _enter(workspace, PAUSE, "a pause, which takes them away")
    _enter(workspace, END, "an end")
    assert _keys(reading(workspace), act, PAUSE, END) == ["signed", "a pause, which takes them away", "an end"]


def test_only_what_was_asked_for_is_read(workspace: Workspace, ada: Key, reading) -> None:
    workspace = _sign_rules(workspace)
    _enter(workspace, ROLLBACK, "a", ada)
    _enter(workspace, QUARANTINE, "b", ada)
    _enter(workspace, "promote", "c")
    assert _keys(reading(workspace), QUARANTINE, "promote") == ["b", "c"]  # and not the entry with which signing began


def test_without_signed_rules_all_of_it_counts_and_no_approvers_are_asked(workspace: Workspace) -> None:
    _enter(workspace, ROLLBACK, "nobody's")
    (workspace.settings.policies / "approvers.yaml").unlink()
    assert _keys(book_of(workspace)) == ["nobody's"]
    assert _keys(book_of(workspace), ROLLBACK) == ["nobody's"]


@pytest.mark.parametrize("act", [ROLLBACK, QUARANTINE, START, PAUSE, RESUME, APPROVE, END])
def test_what_a_person_does_to_a_champion_or_rollout_is_signed_with_their_key(
    workspace: Workspace, ada: Key, act: str
) -> None:
    book = Signing(_sign_rules(workspace))
    entry = book.append(act, "ada", SUBJECTS, "worse on sevens", f"{act}:1")
    assert (entry.subjects["key"], why_not(entry, workspace.approvals)) == (ada.public, None)
    assert book.append(act, "ada", SUBJECTS, "worse on sevens", f"{act}:1") == entry
    assert _keys(book, act) == [f"{act}:1"]


@pytest.mark.parametrize("act", [ROLLBACK, QUARANTINE])
def test_whoever_has_no_registered_key_does_nothing_to_a_champion(
    workspace: Workspace, tmp_path: Path, act: str
) -> None:
    workspace = _sign_rules(workspace)
    ensure(tmp_path / "eve.pem")
    for other in (replace(workspace, key=tmp_path / "eve.pem"), replace(workspace, actor="eve")):
        with pytest.raises(GovernanceError):
            Signing(other).append(act, other.actor, SUBJECTS, "", f"{act}:1")
    assert _keys(book_of(workspace), act) == []


def test_a_refusal_is_entered_without_a_key(workspace: Workspace, tmp_path: Path) -> None:
    workspace = replace(_sign_rules(workspace), key=tmp_path / "lost.pem")
    entry = Signing(workspace).append("refuse", "ada", SUBJECTS, "no champion before it", "refuse:1")
    assert "signature" not in entry.subjects


def test_what_a_program_enters_is_signed_by_nobody(workspace: Workspace) -> None:
    workspace = _sign_rules(workspace)
    entry = book_of(workspace).append("promote", "gate", SUBJECTS, "PASS", "promote:1")
    assert entry.subjects == SUBJECTS
    assert open_ledger(workspace.settings).find("promote:1") == entry


def test_without_signed_rules_nobody_needs_a_key(workspace: Workspace, tmp_path: Path) -> None:
    entry = Signing(replace(workspace, key=tmp_path / "lost.pem")).append(ROLLBACK, "ada", SUBJECTS, "", "rollback:1")
    assert entry.subjects == SUBJECTS
