"""Where a rollout stands, by what the ledger holds; and that whatever is odd exposes nobody to a challenger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from augment_ops.governance.chain import Entry, chained
from augment_ops.rollout.state import Rollout, admissions, entries_of, rollouts, running, unfinished

MODELS = {"1": "a" * 64, "2": "b" * 64, "3": "c" * 64}
EVIDENCE = "e" * 64


class Written:
    """What the ledger has of the digits in production, and of whatever else a test enters."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def enter(
        self, act: str, version: str = "2", actor: str = "rollout", reason: str = "because", **said: str
    ) -> Entry:
        name = version if "/" in version else f"digits/{version}"
        last = self.entries[-1] if self.entries else None
        content = {
            "at": (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=len(self.entries))).isoformat(),
            "act": act,
            "actor": actor,
            "subjects": {"version": name, "environment": "production", **said},
            "reason": reason,
            "software": "augment-ops",
            "key": f"{act}:{len(self.entries)}",
        }
        self.entries.append(chained(last, content))
        return self.entries[-1]

    def read(self, acts: Collection[str] = ()) -> Iterator[Entry]:
        """As a book."""
        return (entry for entry in self.entries if not acts or entry.act in acts)

    def append(self, act: str, actor: str, subjects: Mapping[str, str], reason: str, key: str) -> Entry:
        """As a book; nothing here does it."""
        raise NotImplementedError

    def crown(self, version: str, previous: str, act: str = "promote", **said: str) -> Entry:
        told = {"model": MODELS[version], "artifact": "f" * 64, "registered": "d" * 64, "previous": previous}
        return self.enter(act, version, "lead", **{**told, **said})

    def start(self, reign: Entry, version: str = "2", previous: str = "1", **said: str) -> str:
        told = {
            "model": MODELS[version],
            "artifact": "f" * 64,
            "registered": "d" * 64,
            "previous": previous,
            "champion_seq": str(reign.seq),
            "rules": "9" * 64,
            "rules_name": "careful",
        }
        return str(self.enter("rollout-start", version, "ada", **{**told, **said}).seq)

    def running(self, environment: str = "production") -> Rollout | None:
        return running(entries_of(self, "digits"), "digits", environment)

    def all(self) -> list[Rollout]:
        return rollouts(entries_of(self, "digits"), "digits")

    @property
    def last(self) -> Rollout:
        return self.all()[-1]


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def reign(written: Written) -> Entry:
    """Version 1 is champion."""
    return written.crown("1", "none")


@pytest.fixture
def rollout(written: Written, reign: Entry) -> str:
    """Version 2 began to be rolled out."""
    return written.start(reign)


def test_nothing_runs_where_nothing_was_begun(written: Written, reign: Entry) -> None:
    assert reign.seq == 1
    assert (written.running(), written.all()) == (None, [])


def test_a_rollout_begins_with_its_first_step(written: Written, rollout: str) -> None:
    found = written.running()
    assert found is not None
    assert (found.id, found.champion, found.challenger, found.step, found.state) == (rollout, "1", "2", 0, "running")
    assert (found.by, found.rules, found.rules_name, found.model) == ("ada", "9" * 64, "careful", MODELS["2"])
    assert found.began == found.step_began == found.since
    assert unfinished(entries_of(written, "digits"), "digits", "production") == found
    assert written.running("staging") is None
    assert running(entries_of(written, "fraud"), "fraud", "production") is None


def test_it_goes_from_step_to_step(written: Written, rollout: str) -> None:
    for number in (1, 2):
        entry = written.enter("rollout-step", rollout=rollout, step=str(number), evidence=EVIDENCE)
        found = written.last
        assert (found.step, found.step_began, found.since) == (number, entry.at, entry.at)
        assert found.began < entry.at
    assert [one.act for one in found.acts] == ["rollout-start", "rollout-step", "rollout-step"]


def test_a_pause_ends_with_a_resumption_in_the_same_step(written: Written, rollout: str) -> None:
    step = written.enter("rollout-step", rollout=rollout, step="1")
    written.enter("rollout-pause", rollout=rollout, reason="looks odd")
    assert (written.last.state, written.last.paused) == ("paused", "looks odd")
    entry = written.enter("rollout-resume", rollout=rollout)
    found = written.last
    assert (found.state, found.step, found.step_began, found.since) == ("running", 1, step.at, entry.at)
    written.enter("rollout-resume", rollout=rollout)  # which changes nothing: its time in the step is not begun again
    assert written.last.since == entry.at


def test_a_step_that_was_entered_as_somebody_paused_begins_and_is_paused(written: Written, rollout: str) -> None:
    written.enter("rollout-pause", rollout=rollout)
    written.enter("rollout-step", rollout=rollout, step="1")
    assert (written.last.state, written.last.step) == ("paused", 1)


def test_a_person_lets_it_go_on_who_saw_the_evidence(written: Written, rollout: str) -> None:
    written.enter("rollout-approve", actor="bob", rollout=rollout, evidence=EVIDENCE)
    assert written.last.approvals == ()  # before anything was asked
    written.enter("rollout-wait", rollout=rollout, evidence=EVIDENCE)
    assert (written.last.state, written.last.asked, written.last.step) == ("waits", EVIDENCE, 0)
    written.enter("rollout-wait", rollout=rollout, evidence="1" * 64)
    assert written.last.asked == EVIDENCE
    written.enter("rollout-approve", actor="eve", rollout=rollout, evidence="1" * 64)
    assert written.last.approvals == ()
    written.enter("rollout-approve", actor="bob", rollout=rollout, evidence=EVIDENCE)
    assert [entry.actor for entry in written.last.approvals] == ["bob"]
    assert written.last.state == "waits"  # until a driver begins the step
    written.enter("rollout-step", rollout=rollout, step="1")
    assert (written.last.state, len(written.last.approvals)) == ("running", 1)


def test_a_pause_while_it_waits_is_a_pause(written: Written, rollout: str) -> None:
    written.enter("rollout-wait", rollout=rollout, evidence=EVIDENCE)
    states = []
    for act in ("rollout-pause", "rollout-resume"):
        written.enter(act, rollout=rollout)
        states.append(written.last.state)
    assert states == ["paused", "waits"]


def test_a_promotion_is_done_with_the_move_that_follows_its_end(written: Written, rollout: str) -> None:
    written.enter("rollout-end", rollout=rollout, outcome="promoted", reason="it held")
    found = written.running()
    assert found is not None
    assert (found.state, found.closed, found.outcome) == ("promoting", True, "")
    written.enter("rollout-pause", rollout=rollout)
    assert written.last.state == "promoting"  # decided: the key of its end is taken
    written.crown("2", "1")
    assert written.running() is None
    assert (written.last.outcome, written.last.state) == ("promoted", "ended")
    assert unfinished(entries_of(written, "digits"), "digits", "production") is None


@pytest.mark.parametrize("outcome", ["rolled_back", "aborted", "compared", "overtaken", "of a later version", ""])
def test_any_other_end_ends_it(written: Written, rollout: str, outcome: str) -> None:
    written.enter("rollout-end", rollout=rollout, outcome=outcome, reason="slow")
    assert written.running() is None
    found = written.last
    assert (found.outcome, found.why, found.closed) == (outcome or "invalid", "slow", True)
    written.enter("rollout-resume", rollout=rollout)
    written.enter("rollout-step", rollout=rollout, step="1")
    written.enter("rollout-end", rollout=rollout, outcome="promoted")
    assert (written.last.outcome, written.last.step, written.running()) == (outcome or "invalid", 0, None)


def test_a_rollback_is_unfinished_until_its_model_is_in_quarantine(written: Written, rollout: str) -> None:
    def left() -> Rollout | None:
        return unfinished(entries_of(written, "digits"), "digits", "production")

    written.enter("rollout-end", rollout=rollout, outcome="rolled_back")
    found = left()
    assert found is not None
    assert found.id == rollout
    written.enter("quarantine", model=MODELS["2"])
    assert left() is None


@pytest.mark.parametrize("decided", [False, True])
def test_whoever_makes_another_one_champion_overtakes_it(written: Written, rollout: str, decided: bool) -> None:
    if decided:
        written.enter("rollout-end", rollout=rollout, outcome="promoted")
    written.crown("3", "1")
    assert written.running() is None
    assert (written.last.outcome, written.last.closed) == ("overtaken", decided)
    assert "version 3 was made champion by lead" in written.last.why
    assert (unfinished(entries_of(written, "digits"), "digits", "production") is None) == decided


def test_a_move_that_does_not_count_overtakes_nothing(written: Written, rollout: str) -> None:
    written.crown("3", "2")  # which is no champion
    found = written.running()
    assert found is not None
    assert found.id == rollout


def test_a_champion_of_another_environment_overtakes_nothing(written: Written, rollout: str) -> None:
    written.crown("2", "none", environment="staging")
    assert written.running() is not None
    assert written.last.id == rollout


def test_the_same_number_with_another_model_is_overtaken_and_not_promoted(written: Written, rollout: str) -> None:
    written.crown("2", "1", model=MODELS["3"])
    assert (written.last.id, written.last.outcome) == (rollout, "overtaken")


def test_a_rollback_to_the_champion_before_overtakes_it(written: Written, reign: Entry) -> None:
    second = written.crown("3", "1")
    written.start(second, previous="3")
    written.crown("1", "3", "rollback")
    assert reign.seq < second.seq
    assert written.last.outcome == "overtaken"


@pytest.mark.parametrize("dataset", ["digits", "letters"])
def test_a_challenger_in_quarantine_gets_no_request(written: Written, rollout: str, dataset: str) -> None:
    written.enter("quarantine", version=f"{dataset}/9", model=MODELS["2"], reason="reads 7 as 1")
    assert written.running() is None
    assert (written.last.id, written.last.outcome) == (rollout, "rolled_back")
    assert "reads 7 as 1" in written.last.why


def test_two_rollouts_one_after_the_other(written: Written, reign: Entry, rollout: str) -> None:
    written.enter("rollout-end", rollout=rollout, outcome="aborted")
    second = written.start(reign, "3")
    found = written.running()
    assert found is not None
    assert (found.id, found.challenger) == (second, "3")
    written.enter("rollout-step", "3", rollout=second, step="1")
    assert [(one.id, one.step, one.outcome) for one in written.all()] == [(rollout, 0, "aborted"), (second, 1, "")]


def test_the_next_begins_where_the_one_before_was_overtaken_and_nobody_has_said_so(
    written: Written, rollout: str
) -> None:
    third = written.crown("3", "1")
    second = written.start(third, previous="3")
    found = written.running()
    assert found is not None
    assert found.id == second
    left = unfinished(entries_of(written, "digits"), "digits", "production")
    assert left is not None
    assert left.id == second
    written.enter("rollout-end", rollout=second, outcome="compared")
    left = unfinished(entries_of(written, "digits"), "digits", "production")
    assert left is not None
    assert left.id == rollout


def test_a_second_one_that_was_entered_beside_it_never_runs(written: Written, reign: Entry, rollout: str) -> None:
    second = written.start(reign, "3")
    found = written.running()
    assert found is None or found.id == rollout
    written.enter("rollout-end", rollout=rollout, outcome="aborted")
    assert written.running() is None
    assert [(one.id, one.outcome) for one in written.all()] == [(rollout, "aborted"), (second, "invalid")]


def test_environments_have_rollouts_of_their_own(written: Written, rollout: str) -> None:
    staging = written.crown("1", "none", environment="staging")
    second = written.start(staging, environment="staging")
    written.enter("rollout-end", rollout=rollout, outcome="aborted")
    found = written.running("staging")
    assert found is not None
    assert (found.id, written.running()) == (second, None)


MALFORMED: list[Callable[[Written, str], object]] = [
    lambda written, rollout: written.enter("rollout-step", rollout=rollout, step="2"),
    lambda written, rollout: written.enter("rollout-step", rollout=rollout, step="0"),
    lambda written, rollout: written.enter("rollout-step", rollout=rollout, step="-1"),
    lambda written, rollout: written.enter("rollout-step", rollout=rollout, step="１"),
    lambda written, rollout: written.enter("rollout-step", rollout=rollout),
    lambda written, rollout: written.enter("rollout-step", "3", rollout=rollout, step="1"),
    lambda written, rollout: written.enter("rollout-step", rollout=rollout, step="1", environment="staging"),
    lambda written, rollout: written.enter("rollout-resume", "3", rollout=rollout),
    lambda written, rollout: written.enter("rollout-approve", rollout=rollout, environment="dev"),
    lambda written, rollout: written.enter("rollout-end", "3", rollout=rollout, outcome="promoted"),
]


@pytest.mark.parametrize("enter", MALFORMED)
def test_entries_that_do_not_follow_from_each_other_end_it(
    written: Written, rollout: str, enter: Callable[[Written, str], object]
) -> None:
    enter(written, rollout)
    assert written.running() is None
    assert (written.last.id, written.last.outcome) == (rollout, "invalid")
    written.enter("rollout-step", rollout=rollout, step="1")
    assert written.running() is None


@pytest.mark.parametrize(
    "name", ["environment", "previous", "rules", "model", "artifact", "registered", "champion_seq"]
)
def test_a_beginning_that_does_not_say_what_begins_nothing(written: Written, reign: Entry, name: str) -> None:
    written.start(reign, **{name: ""})
    assert written.all() == []


@pytest.mark.parametrize(
    "said", [{"champion_seq": "7"}, {"champion_seq": "1x"}, {"previous": "3"}, {"environment": "staging"}]
)
def test_a_beginning_about_another_champion_never_runs(written: Written, reign: Entry, said: dict[str, str]) -> None:
    written.start(reign, **said)
    assert written.running() is None
    assert written.running("staging") is None


def test_a_beginning_with_a_model_in_quarantine_never_runs(written: Written, reign: Entry) -> None:
    written.enter("quarantine", model=MODELS["2"])
    written.start(reign)
    assert (written.running(), written.last.outcome) == (None, "invalid")


def test_entries_about_a_rollout_that_there_is_not_change_nothing(written: Written, rollout: str) -> None:
    before = written.all()
    for act in ("rollout-step", "rollout-pause", "rollout-end", "rollout-approve"):
        written.enter(act, rollout="99", step="1", outcome="aborted")
        written.enter(act, step="1", outcome="aborted")
    assert written.all() == before
    assert before[-1].id == rollout


def test_what_runs_let_into_rollouts(written: Written, reign: Entry) -> None:
    said = {"model": MODELS["2"], "artifact": "f" * 64, "registered": "d" * 64, "previous": reign.subjects["previous"]}
    written.enter("admit", actor="ada", decision="8" * 64, **said)
    written.enter("admit", "3", environment="staging")
    (found,) = admissions(entries_of(written, "digits"), "digits", "production")
    assert (found.version, found.previous, found.by, found.subjects["decision"]) == ("2", "none", "ada", "8" * 64)
    assert admissions(entries_of(written, "letters"), "letters", "production") == []
