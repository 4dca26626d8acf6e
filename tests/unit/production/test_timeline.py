"""Which windows are due, and what silence and late labels make of them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.content import canonical_json, digest_of
from augment_ops.data.store import Store
from augment_ops.errors import InputError
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.production.late_labels import LateLabels
from augment_ops.production.monitor import moment_of
from augment_ops.production.outage import outage_of
from augment_ops.production.timeline import JudgedWindow, Period, Timeline

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
_DEFAULT = yaml.safe_load((Path(__file__).parents[3] / "policies/drift/default.yaml").read_text())


def rules(name: str = "daily", **changes) -> DriftRules:
    return DriftRules.model_validate({**_DEFAULT, "name": name, "reference": {"kind": "rolling"}, **changes})


DAILY, HOURLY = rules(), rules("hourly", window_h=1, grace_h=0)


class World:
    """A log, a store, and the timelines of several rules on them."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(str(folder / "store"))
        self.log = PredictionLog(str(folder / "log"), "shop")

    def write(self, at: datetime, n: int = 1, *, logged: datetime | None = None, **more) -> None:
        ids = [f"{at:%Y%m%dT%H%M}-{number}" for number in range(n)]
        self.log.write(ids, [at] * n, model_version="1", logged_at=logged or at, **more)

    def timeline(self, by: DriftRules, reference: str = "") -> Timeline:
        return Timeline(self.store, self.log, by, reference or f"rolling-{by.window_h:g}h")

    def judge(self, by: DriftRules, at: datetime, reference: str = "") -> list[Period]:
        timeline = self.timeline(by, reference)
        spans = timeline.due(at)
        for span in spans:
            timeline.keep(record(span, by))
        return spans

    def judged(self, span: Period, **more) -> JudgedWindow:
        window = read_window(self.log, span.start, span.end, samples=False)
        metrics = {"window.samples": float(window.sample.size)}
        return replace(record(span), metrics=metrics, silent=window.silent, labelled=window.labelled, **more)


def record(span: Period, by: DriftRules = DAILY, **more) -> JudgedWindow:
    plain = JudgedWindow(
        dataset="shop",
        rules=by.name,
        reference="",
        start=span.start.isoformat(),
        end=span.end.isoformat(),
        status="ok",
        blind=False,
        message="",
        faults=(),
        metrics={},
        report="",
        page="",
        link="",
        alert="",
    )
    return replace(plain, **more)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_clock_that_was_reset_to_1970_makes_one_empty_stretch(world: World) -> None:
    old = datetime(1970, 1, 1, tzinfo=UTC)
    world.write(old, logged=START + HOUR)
    for day in range(3):
        world.write(START + day * DAY)
    found = world.judge(DAILY, START + 3 * DAY + HOUR)
    assert found == [
        Period(old, old + DAY),
        Period(old + DAY, START - DAY),
        *(Period(START + day * DAY, START + (day + 1) * DAY) for day in (-1, 0, 1, 2)),
    ]
    assert world.judge(DAILY, START + 3 * DAY + HOUR) == []


@settings(max_examples=10, deadline=None)
@given(
    hours=st.sets(st.integers(0, 6 * 24 - 1), min_size=1, max_size=12),
    calls=st.lists(st.tuples(st.booleans(), st.integers(1, 7 * 24)), min_size=2, max_size=6),
)
def test_rules_beside_each_other_judge_what_each_would_alone(hours: set[int], calls: list[tuple[bool, int]]) -> None:
    """Hourly and daily ones, called in any order: each covers every window once, and a call sees no other's records."""
    with tempfile.TemporaryDirectory() as folder:
        both, alone = World(Path(folder) / "both"), {by.name: World(Path(folder) / by.name) for by in (DAILY, HOURLY)}
        for world in (both, *alone.values()):
            for hour in hours:
                world.write(START + hour * HOUR)
        found: dict[str, list[Period]] = {DAILY.name: [], HOURLY.name: []}
        for hourly, hour in sorted(calls, key=lambda call: call[1]):
            by, at = (HOURLY if hourly else DAILY), START + hour * HOUR
            due = both.judge(by, at)
            assert due == alone[by.name].judge(by, at)
            found[by.name] += due
        for by in (DAILY, HOURLY):
            spans = found[by.name]
            assert all((span.end - span.start) % by.window == timedelta(0) for span in spans)
            assert all(one.end == two.start for one, two in pairwise(spans))
            for span in spans:  # nothing is in what was judged at once
                assert span.end - span.start == by.window or read_window(both.log, span.start, span.end).silent


def test_strict_rules_do_not_hide_windows_from_loose_ones(world: World) -> None:
    world.write(START)
    world.write(START + DAY)
    for by in (rules("strict"), rules("loose")):  # the same reference, and windows of the same length
        assert len(world.judge(by, START + 2 * DAY + HOUR)) == 2


def test_another_champion_judges_only_what_comes_after_it(world: World) -> None:
    for day in range(3):
        world.write(START + day * DAY)
    assert len(world.judge(DAILY, START + 2 * DAY + HOUR, "aaaa-24h")) == 2
    assert world.judge(DAILY, START + 3 * DAY + HOUR, "bbbb-24h") == [Period(START + 2 * DAY, START + 3 * DAY)]


def test_before_the_reference_is_over_nothing_is_due(world: World) -> None:
    world.write(START)
    to_come = rules("later", reference={"kind": "period", "start": "2100-01-01", "end": "2100-01-02"})
    assert world.judge(to_come, START + 30 * DAY) == []
    assert len(world.judge(DAILY, START + DAY + HOUR)) == 1


def test_what_an_earlier_version_judged_is_judged(world: World) -> None:
    world.write(START)
    world.write(START + DAY)
    data = canonical_json(record(Period(START, START + DAY)))
    world.store.put_document("drift/shop/windows/rolling-24h/20260301T000000.json", data)
    world.store.put_document("drift/shop/windows/bbbb-24h/20260301T000000.json", data)
    assert world.judge(DAILY, START + 2 * DAY + HOUR) == [Period(START + DAY, START + 2 * DAY)]
    assert world.judge(rules("other"), START + 2 * DAY + HOUR, "cccc-24h")[0].start == START  # those were not its


def test_of_the_future_nothing_is_missing(world: World) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    world.write(today - 3 * DAY)
    found = world.judge(DAILY, today + 30 * DAY)
    assert found[-1].end <= datetime.now(UTC)
    world.write(today + 3 * DAY)  # the log's clock is ahead of this machine's
    assert world.judge(DAILY, today + 30 * DAY) == [Period(today + 3 * DAY, today + 4 * DAY)]


def test_a_time_in_the_future_is_refused_and_a_clock_that_is_a_little_ahead_is_not() -> None:
    now = datetime.now(UTC)
    with pytest.raises(InputError, match="in the future"):
        moment_of((now + timedelta(minutes=30)).isoformat(), "--until")
    ahead = moment_of((now + timedelta(minutes=1)).isoformat())
    assert ahead is not None and ahead <= datetime.now(UTC)
    assert moment_of("2026-03-01T02:00+02:00") == START
    assert moment_of("") is None
    with pytest.raises(InputError, match="--until: found '0001-01-01T00:00\\+14:00'; expected a time such as"):
        moment_of("0001-01-01T00:00+14:00", "--until")


def test_an_outage_is_told_once_and_is_over_with_the_next_record(world: World) -> None:
    world.write(START, 300)
    world.write(START + 3 * DAY, 300)
    windows = [read_window(world.log, START + n * DAY, START + (n + 1) * DAY) for n in range(4)]
    first = outage_of(windows[1], windows[0], None, DAILY)
    assert (first.blind, first.alert) == (True, "")
    span = Period(windows[1].start, windows[1].end)
    known = record(span, silent=True, blind=True, alert="blind:x", faults=first.faults)
    second = outage_of(windows[2], windows[1], known, DAILY)
    assert (second.blind, second.alert) == (True, "blind:x")
    assert "from 2026-03-03T00:00 to 2026-03-04T00:00" in second.faults[0]
    over = outage_of(windows[3], windows[2], known, DAILY)
    assert (over.blind, over.alert) == (False, "")
    assert "blind:x is over" in over.faults[-1]


def test_a_stray_record_begins_no_outage_and_is_named(world: World) -> None:
    world.write(START - 100 * DAY, logged=START + DAY)
    stray, after = START - 100 * DAY, START - 99 * DAY
    window = read_window(world.log, stray, after, after + HOUR)
    assert window.late == 1
    assert "20251121T0000-0: up to 101 days late" in window.faults[0]
    empty = read_window(world.log, after, START)
    found = outage_of(empty, window, None, DAILY)
    assert (found.blind, found.alert) == (False, "")
    assert "20251121T0000-0" in found.faults[0]
    world.write(stray, 300, logged=stray)  # a service that ran at that time, and then was silent
    assert outage_of(empty, read_window(world.log, stray, after), None, DAILY).blind


def test_records_whose_clock_is_ahead_are_no_outage(world: World) -> None:
    world.log.write(["a"], [START + HOUR / 2 + HOUR], model_version="1", logged_at=START + HOUR - timedelta(minutes=1))
    window = read_window(world.log, START + HOUR, START + 2 * HOUR)
    assert (window.sample.size, window.elsewhere, window.blind, window.silent) == (0, 1, False, False)
    assert "clocks" in window.faults[0]


@pytest.fixture
def labelled(world: World) -> World:
    """A day of 100 records, judged an hour later with 10 labels of them."""
    known = ["a"] * 10 + [None] * 90
    world.write(START, 100, predictions=["a"] * 100, labels=known)
    at = START + DAY + HOUR
    span = Period(START, START + DAY)
    files = LateLabels(world.log, DAILY, world.timeline(DAILY)).files(span, at)
    world.timeline(DAILY).keep(world.judged(span, looked=at.isoformat(), labels=files))
    return world


def grown(world: World, at: datetime, by: DriftRules = DAILY) -> list[JudgedWindow]:
    return list(LateLabels(world.log, by, world.timeline(by)).grown(at))


def label(world: World, first: int, end: int, at: datetime) -> None:
    world.log.label({f"20260301T0000-{number}": "b" for number in range(first, end)}, logged_at=at)


def test_a_window_is_judged_again_once_enough_labels_have_come(labelled: World) -> None:
    day = START + DAY
    assert grown(labelled, day + 2 * HOUR) == []  # nothing has come
    label(labelled, 10, 14, day + 2 * HOUR)
    assert grown(labelled, day + 3 * HOUR) == []  # too few for a class
    label(labelled, 14, 60, day + 4 * HOUR)
    (found,) = grown(labelled, day + 5 * HOUR)
    assert found.labelled == 10
    assert grown(labelled, day + 5 * HOUR) == [found]  # until a record says that it was judged
    span = found.span
    files = LateLabels(labelled.log, DAILY, labelled.timeline(DAILY)).files(span, day + 5 * HOUR)
    labelled.timeline(DAILY).keep(replace(found, labelled=60, looked=(day + 5 * HOUR).isoformat(), labels=files))
    assert grown(labelled, day + 6 * HOUR) == []
    label(labelled, 60, 70, day + 6 * HOUR)
    assert grown(labelled, day + 7 * HOUR) == []  # not half as many again
    label(labelled, 70, 100, day + 7 * HOUR)
    assert len(grown(labelled, day + 8 * HOUR)) == 1  # complete


def test_labels_are_waited_for_within_a_bound(labelled: World) -> None:
    label(labelled, 10, 60, START + 40 * DAY)
    assert grown(labelled, START + 31 * DAY) == []
    assert grown(labelled, START + 40 * DAY + HOUR) == []
    label(labelled, 10, 22, START + 30 * DAY)
    (found,) = grown(labelled, START + 31 * DAY)  # the last look takes what there is
    assert grown(labelled, START + 31 * DAY, rules(label_wait_days=0)) == []
    assert grown(labelled, START + 31 * DAY, rules(detect={"numbers": ["psi"]})) == []  # nothing is asked of labels
    labelled.timeline(DAILY).keep(replace(found, looked=(START + 31 * DAY).isoformat()))
    assert grown(labelled, START + 31 * DAY + HOUR) == []  # that was the last look


@pytest.mark.parametrize("off", [-5 * HOUR, 5 * HOUR], ids=["behind", "ahead"])
def test_labels_of_a_clock_that_is_hours_off_are_noticed(labelled: World, off: timedelta) -> None:
    """They lie under the day before the window, or under one that has not come yet."""
    now = START + (4 if off < timedelta(0) else 20) * HOUR
    span = Period(now - HOUR, now)
    before = LateLabels(labelled.log, DAILY, labelled.timeline(DAILY)).files(span, now)
    label(labelled, 10, 60, now + off)
    assert LateLabels(labelled.log, DAILY, labelled.timeline(DAILY)).files(span, now) != before


def test_an_old_window_is_looked_at_less_often(labelled: World) -> None:
    known = next(labelled.timeline(DAILY).kept(START))
    labelled.timeline(DAILY).keep(replace(known, looked=(START + 11 * DAY).isoformat()))
    label(labelled, 10, 60, START + 11 * DAY)
    assert grown(labelled, START + 11 * DAY + 23 * HOUR) == []
    assert len(grown(labelled, START + 12 * DAY)) == 1


def test_rules_from_before_there_was_a_wait_for_labels_keep_their_digest() -> None:
    before = {name: value for name, value in DAILY.model_dump(mode="json").items() if name != "label_wait_days"}
    assert DAILY.digest == digest_of(before)
    assert rules(label_wait_days=7).digest != DAILY.digest
