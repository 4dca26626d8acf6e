"""The root document and the chain of its successors in the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from augment_ops.errors import AugmentOpsError, GovernanceError
from augment_ops.governance.acts import HAND_OVER, ROOT, RULES, Act
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.root import (
    FILE,
    Root,
    additions,
    changes,
    handing_over,
    in_force,
    pinned,
    read_root,
    write_root,
)
from support.places import POLICIES


def _root(signer: Any, **fields: Any) -> Root:
    asked = {"installation": "0" * 32, "number": 1, "previous": "", "owner": "ada", "protected": ["production"]}
    return Root(**{**asked, "key": signer.public, "files": {"approvers.yaml": "a" * 64}, **fields}).signed(signer)


def _enter(ledger: Ledger, root: Root, signer: Any, act: str = "") -> None:
    said = Act(act or (RULES if root.previous else ROOT), "ada", root.subjects(), "", f"rules:{root.digest}")
    ledger.append(said.act, "ada", said.signed(signer), "", said.once)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("number: 1", "number: 2"),
        ("owner: ada", "owner: bob"),
        ("- production", "- staging"),
        ("a" * 64, "b" * 64),
        ("0" * 32, "1" * 32),
        ("previous: ''", f"previous: {'c' * 64}"),
        ("approvers.yaml:", "environments.yaml:"),
        ("version: 1", "version: 2"),
        ("signature: ", "signature: A"),
        ("owner: ada", "owner: ada\nmore: 1"),
    ],
)
def test_one_field_changed_voids_it(workspace: Any, tmp_path: Path, before: str, after: str) -> None:
    root = _root(workspace.keys["ada"])
    path = write_root(tmp_path, root)
    assert read_root(tmp_path) == root
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(AugmentOpsError, match=r"governance\.yaml"):
        read_root(tmp_path)


def test_signed_by_another_key_it_is_void(workspace: Any, tmp_path: Path) -> None:
    root = _root(workspace.keys["ada"])
    write_root(tmp_path, root.model_copy(update={"signature": workspace.keys["bob"].sign(root.message())}))
    with pytest.raises(GovernanceError, match="not ada's"):
        read_root(tmp_path)
    (tmp_path / FILE).unlink()
    assert read_root(tmp_path) is None


def test_only_the_owner_brings_the_next(workspace: Any, ledger: Ledger) -> None:
    ada, bob = workspace.keys["ada"], workspace.keys["bob"]
    assert in_force(ledger.read()) is None
    first = _root(ada)
    _enter(ledger, first, bob)  # not signed by the key that it names
    assert in_force(ledger.read()) is None
    ledger.append(ROOT, "ada", first.subjects(), "", "unsigned")
    assert in_force(ledger.read()) is None
    first = _root(ada, installation="2" * 32)
    _enter(ledger, first, ada)
    _enter(ledger, _root(bob), bob)  # a second first one
    _enter(ledger, _root(bob, number=2, previous=first.digest, installation="2" * 32), bob)
    _enter(ledger, _root(ada, number=2, previous="f" * 64, installation="2" * 32), ada)
    _enter(ledger, _root(ada, number=2, previous=first.digest, installation="3" * 32), ada)
    known = in_force(ledger.read())
    assert known is not None
    assert (known.digest, known.key, known.protected, known.by) == (first.digest, ada.public, ("production",), "ada")
    second = _root(ada, number=2, previous=first.digest, installation="2" * 32)
    _enter(ledger, second, ada)
    known = in_force(ledger.read())
    assert known is not None
    assert (known.digest, known.number) == (second.digest, 2)


def _hand_over(ledger: Ledger, to: str, signer: Any) -> None:
    known = in_force(ledger.read())
    assert known is not None
    said = Act(HAND_OVER, "ada", handing_over(known, to), "", f"rules:hand-over:{known.since}:{to}:{signer.public}")
    ledger.append(said.act, "ada", said.signed(signer), "", said.once)


def test_who_was_handed_the_rules_brings_the_next_and_who_had_them_does_not(workspace: Any, ledger: Ledger) -> None:
    ada, bob, cy = (workspace.keys[who] for who in ("ada", "bob", "cy"))
    first = _root(ada)
    _enter(ledger, first, ada)

    def present() -> tuple[str, str]:
        known = in_force(ledger.read())
        assert known is not None
        return known.digest, known.next_key

    _hand_over(ledger, bob.public, bob)  # to oneself
    assert present() == (first.digest, ada.public)
    _hand_over(ledger, bob.public, ada)
    assert present() == (first.digest, bob.public)
    _hand_over(ledger, cy.public, ada)  # it is not hers any more
    _enter(ledger, _root(ada, number=2, previous=first.digest), ada)
    mixed = _root(cy, number=2, previous=first.digest)
    _enter(ledger, mixed, bob)  # a document of somebody else's key
    assert present() == (first.digest, bob.public)
    second = _root(bob, number=2, previous=first.digest, protected=["production", "staging"])
    _enter(ledger, second, bob)
    assert present() == (second.digest, bob.public)
    _hand_over(ledger, ada.public, bob)  # and back
    assert present() == (second.digest, ada.public)


def test_every_rule_that_decides_is_pinned_and_line_ends_are_not(workspace: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(POLICIES, tmp_path / "policies")
    before = pinned(folder)
    kinds = {name.partition("/")[0] for name in before}
    assert kinds == {"approvers.yaml", "environments.yaml", "drift", "gates", "limits", "quality", "rollout", "stress"}
    gate = folder / "gates" / "default.yaml"
    gate.write_bytes(gate.read_bytes().replace(b"\n", b"\r\n"))
    assert pinned(folder) == before
    root = _root(workspace.keys["ada"], files=before)
    gate.write_text(gate.read_text() + "\n")
    (folder / "limits" / "medical.yaml").unlink()
    (folder / "limits" / "mine.yaml").write_text("")
    (folder / "gates" / "mine.yaml").write_text("")
    found = pinned(folder)
    assert [f.where for f in changes(root, found)] == ["policies/gates/default.yaml", "policies/limits/medical.yaml"]
    assert [f.where for f in additions(root, found, ())] == ["policies/limits/mine.yaml"]
    used = additions(root, found, ("gates/mine.yaml",))
    assert [f.where for f in used] == ["policies/gates/mine.yaml", "policies/limits/mine.yaml"]
