"""What the ledger answers: what belongs to a policy or a model, and who was champion when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.errors import InputError
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
        (Wanted(since="2020-01-01", until="9999-12-31"), range(1, 10)),
    ],
)
def test_what_belongs_together(entries: list[Entry], wanted: Wanted, found: object) -> None:
    assert [entry.seq for entry in choose(entries, wanted)] == list(found)  # type: ignore[call-overload]


def test_a_day_is_whole(entries: list[Entry]) -> None:
    today = entries[0].at[:10]
    assert len(choose(entries, Wanted(since=today, until=today))) == len(entries)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("2026-05-31", "2026-05-31", [1, 2, 3, 4]),
        ("2026-05-31T12", "", [2, 3, 4, 5]),
        ("2026-05-31T12:00:00.000001", "", [3, 4, 5]),
        ("", "2026-05-31T12", [1, 2, 3]),
        ("", "2026-05-31 12:00", [1, 2]),
        ("", "2026-05-31T12:30:00.000000", [1, 2]),
        ("2026-05-31T12:30:00Z", "2026-05-31T12:30", [3]),
        ("2026-05-31T14:30+02:00", "2026-06-01T02:00+02:00", [3, 4, 5]),
        ("2026-06-01T01:59:59+02:00", "2026-05-31", [4]),
    ],
)
def test_times_are_those_of_the_clock(entries: list[Entry], since: str, until: str, found: list[int]) -> None:
    times = ["00:00:00.000000", "12:00:00", "12:30:00.500000", "23:59:59.999999"]  # whole seconds: an older version's
    ats = [*(f"2026-05-31T{time}+00:00" for time in times), "2026-06-01T00:00:00.000000+00:00"]
    told = [replace(entry, at=at) for entry, at in zip(entries, ats, strict=False)]
    assert [entry.seq for entry in choose(told, Wanted(since=since, until=until))] == found


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-13-01", "2026-02-30", "2026", "2026-5-1", "20260501", "2026-05-01T25", "2026-05-01T12:60",
     "2026-05-01T", "2026-05-01+02:00", "2026-05-01T12:00+99:00", "0001-01-01T00:00+14:00", "２０２６-05-01", "~"],
)  # fmt: skip
def test_what_is_no_time_is_refused(name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"--{name}: found '.*; expected a date or a time in UTC"):
        choose([], Wanted(**{name: text}))


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InputError, match="--since: found 2026-05-02; expected a time up to --until 2026-05-01"):
        choose([], Wanted(since="2026-05-02", until="2026-05-01"))


def test_champions(entries: list[Entry]) -> None:
    reigns = [(reign.version, reign.previous, reign.act, reign.by) for reign in champions(entries, "digits")]
    assert reigns == [
        ("1", "none", "promote", "lead"),
        ("2", "1", "promote", "lead"),
        ("1", "2", "rollback", "bob"),
    ]
    assert champions(entries, "nothing") == []
