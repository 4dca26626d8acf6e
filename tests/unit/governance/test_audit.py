"""What the ledger answers: what belongs to a policy or a model, and who was champion when."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.governance import Ledger
from augment_ops.governance.audit import Wanted, champions, choose
from augment_ops.governance.chain import Entry

POLICY, MODEL, OTHER_MODEL, DECISION = "a" * 64, "b" * 64, "c" * 64, "d" * 64


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for number, (act, actor, subjects) in enumerate(
        [
            ("publish", "ada", {"policy": POLICY, "policy_version": "robust/1.0.0"}),
            ("publish", "ada", {"policy": "e" * 64, "policy_version": "robust-2/1.0.0"}),
            ("train", "ada", {"model": MODEL, "policy": POLICY, "snapshot": "f" * 64}),
            ("train", "ada", {"model": OTHER_MODEL, "policy": "none", "snapshot": "f" * 64}),
            ("decide", "ada", {"model": MODEL, "decision": DECISION, "version": "digits/1"}),
            ("promote", "lead", {"version": "digits/1", "model": MODEL, "decision": DECISION, "previous": "none"}),
            ("promote", "lead", {"version": "digits/2", "model": OTHER_MODEL, "previous": "1"}),
            ("promote", "lead", {"version": "digits-2/1", "model": OTHER_MODEL, "previous": "none"}),
            ("rollback", "bob", {"version": "digits/1", "model": MODEL, "previous": "2"}),
        ]
    ):
        ledger.append(act, actor, subjects, f"because of {number}", str(number))
    return ledger.entries()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), range(1, 10)),
        (Wanted(act="promote"), (6, 7, 8)),
        (Wanted(actor="bob"), (9,)),
        (Wanted(about="robust"), (1, 3)),
        (Wanted(about="robust/1.0.0"), (1, 3)),
        (Wanted(about="rob"), ()),
        (Wanted(about="digits/1"), (3, 5, 6, 9)),
        (Wanted(about=MODEL[:12]), (3, 5, 6, 9)),
        (Wanted(about="digits/1", act="train"), (3,)),
        (Wanted(since="2020-01-01", until="2020-12-31"), ()),
        (Wanted(since="2020-01-01", until="9999"), range(1, 10)),
    ],
)
def test_what_belongs_together(entries: list[Entry], wanted: Wanted, found: object) -> None:
    assert [entry.seq for entry in choose(entries, wanted)] == list(found)  # type: ignore[call-overload]


def test_a_day_is_whole(entries: list[Entry]) -> None:
    today = entries[0].at[:10]
    assert len(choose(entries, Wanted(since=today, until=today))) == len(entries)


def test_champions(entries: list[Entry]) -> None:
    reigns = [(reign.version, reign.previous, reign.act, reign.by) for reign in champions(entries, "digits")]
    assert reigns == [
        ("1", "none", "promote", "lead"),
        ("2", "1", "promote", "lead"),
        ("1", "2", "rollback", "bob"),
    ]
    assert champions(entries, "nothing") == []
