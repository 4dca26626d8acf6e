"""Counts are right by hand, add up in any order and any cut, survive JSON, and hold nothing that the rules forbid."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from augment_ops.errors import InputError
from augment_ops.rollout.comparisons import Arm, Comparison, ComparisonLog
from augment_ops.rollout.counting import tally, tally_labels
from augment_ops.rollout.tally import DIFFERENCES, EDGES, PROBABILITIES, Tally, added
from support.simulated_rollouts import DEFAULT, Model, answers

AT = datetime(2026, 11, 29, tzinfo=UTC)
FAILED = Arm(predictions=None, confidences=None, seconds=0.5)


def arm(*predictions: str, sure: float = 0.5, seconds: float = 0.02) -> Arm:
    return Arm(predictions=predictions, confidences=np.full(len(predictions), sure, np.float32), seconds=seconds)


def one(step: int, ids: str, by: Any, champion: Arm | None, challenger: Arm | None) -> Comparison:
    parts = {"request": ids, "subject": ids, "ids": tuple(ids), "at": AT, "arm": by}
    return Comparison(step=step, champion=champion, challenger=challenger, **parts)


def same(one: Tally, other: Tally) -> bool:
    return json.dumps(one.document()) == json.dumps(other.document())


@pytest.fixture
def table(tmp_path: Path) -> pa.Table:
    log = ComparisonLog(str(tmp_path), "digits", "7")
    log.write(
        [
            one(0, "ab", "shadow", arm("x", "y"), arm("x", "x", sure=0.7, seconds=0.06)),
            one(0, "c", "shadow", arm("y"), FAILED),
            one(0, "d", "shadow", FAILED, FAILED),
            one(1, "e", "champion", arm("x"), None),
            one(1, "f", "champion", FAILED, None),
            one(1, "gh", "challenger", None, arm("y", "y", sure=0.9)),
            one(1, "i", "challenger", arm("y"), FAILED),  # the champion answered instead
        ]
    )
    return log.read(log.files()[0])


LABELS = {"a": "x", "b": "y", "c": "y", "e": "y", "g": "y", "h": "x", "i": "y"}


def test_the_counts_of_a_few_requests_are_those_of_a_hand(table: pa.Table) -> None:
    found = tally(DEFAULT, table)
    assert found.asked.tolist() == [4, 3, 0, 0]
    assert found.failed_pairs[0].tolist() == [0, 2, 1]
    assert found.failed_sides[1].tolist() == [[1, 1], [1, 1]]
    assert found.failed_sides[0].sum() == found.failed_pairs[1:].sum() == 0
    assert {name: counts.tolist() for name, counts in found.agreement.items()} == {"x": [0, 1], "y": [1, 0]}
    place = np.flatnonzero(found.latency[0, 1])
    assert EDGES[place - 1] < 0.06 <= EDGES[place]
    assert found.latency.sum(axis=2).tolist() == [[2, 1], [1, 1], [0, 0], [0, 0]]
    (moved,) = np.flatnonzero(found.confidence_pairs)
    assert (round(DIFFERENCES[moved], 6), found.confidence_pairs[moved]) == (0.2, 2)
    (sure,) = np.flatnonzero(found.confidence_sides[1, 1])
    assert (round(PROBABILITIES[sure], 6), found.confidence_sides[1, 1, sure]) == (0.9, 2)
    assert found.confidence_sides[1, 0].sum() == 1
    assert (found.odd, found.unreadable, found.right_pairs) == (0, 0, {})


def test_labels_are_counted_where_both_or_the_one_that_answered_are_known(table: pa.Table) -> None:
    found = tally_labels(DEFAULT, table, LABELS)
    assert {name: counts.tolist() for name, counts in found.right_pairs.items()} == {
        "x": [0, 0, 0, 1],
        "y": [0, 0, 1, 0],
    }
    sides = {name: counts[1].tolist() for name, counts in found.right_sides.items()}
    assert sides == {"x": [[0, 0], [1, 0]], "y": [[1, 0], [0, 1]]}
    assert found.asked.sum() == 0


def test_what_is_cut_into_files_adds_up_to_the_same(table: pa.Table) -> None:
    rng = np.random.default_rng(2)
    parts = [answers(rng, 300, step, Model(fails=0.1), Model(own=0.3, fails=0.2)) for step in (0, 1, 2)]
    labels = {name: label for _, known in parts for name, label in known.items()}
    whole = pa.concat_tables([table, *(part for part, _ in parts)])
    everything = tally(DEFAULT, whole) + tally_labels(DEFAULT, whole, labels)
    cut = [whole.slice(0, 5), whole.slice(5, 400), whole.slice(405, 1), whole.slice(406)]
    of_each = [tally(DEFAULT, one) + tally_labels(DEFAULT, one, labels) for one in cut]
    a, b, c, d = of_each
    assert same(everything, added(of_each, 4))
    assert same((a + b) + (c + d), a + (d + (c + b)))
    assert same(everything, everything + Tally.nothing(4))
    assert everything.asked[0] > 300


def test_json_brings_back_the_same(table: pa.Table) -> None:
    found = tally(DEFAULT, table) + tally_labels(DEFAULT, table, LABELS) + Tally.nothing(4, unreadable=2)
    again = Tally.of_document(json.loads(json.dumps(found.document())))
    assert same(found, again)
    assert same(again + again, found + found)
    assert again.unreadable == 2
    assert set(found.document()) == {"format", *(one.name for one in fields(Tally))}


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"format": None},
        {"latency": [[1]]},
        {"asked": [1, 2]},
        {"asked": [-1, 0, 0, 0]},
        {"agreement": {"x": [1, 2, 3]}},
        {"right_pairs": [1]},
        {"odd": None},
        {"asked": [10**30, 0, 0, 0]},
    ],
)
def test_another_format_is_refused(changed: dict[str, Any]) -> None:
    document = {**Tally.nothing(4).document(), **changed}
    with pytest.raises(InputError, match="counts in format 1"):
        Tally.of_document(document)


def test_rows_that_no_step_could_have_made_are_counted_apart(table: pa.Table) -> None:
    def moved(step: int) -> pa.Table:
        return table.set_column(0, table.schema.field("step"), pa.array([step] * table.num_rows, pa.int32()))

    beyond, shadows, canaries = (tally(DEFAULT, moved(step)) for step in (4, 0, 2))
    assert (beyond.odd, beyond.asked.sum()) == (table.num_rows, 0)
    assert (shadows.odd, shadows.asked[0]) == (3, 4)  # the challenger answered in no shadow
    assert (canaries.odd, canaries.asked[2]) == (4, 3)  # and shadowed in no canary


def test_what_a_shadow_leaves_out_is_no_part_of_it(tmp_path: Path) -> None:
    log = ComparisonLog(str(tmp_path), "digits", "7")
    log.write([one(0, "a", "champion", arm("x"), None), one(0, "b", "shadow", arm("x"), arm("x"))])
    table = log.read(log.files()[0])
    found = tally(DEFAULT, table) + tally_labels(DEFAULT, table, {"a": "x", "b": "x"})
    assert (found.odd, found.latency.sum(), found.right_sides) == (0, 2, {})


def test_seconds_beyond_the_edges_and_no_rows_are_counted(tmp_path: Path, table: pa.Table) -> None:
    log = ComparisonLog(str(tmp_path), "letters", "7")
    log.write([one(0, "a", "shadow", arm("x", seconds=0), arm("x", seconds=5000))])
    found = tally(DEFAULT, log.read(log.files()[0]))
    assert (found.latency[0, 0, 0], found.latency[0, 1, -1]) == (1, 1)
    assert same(tally(DEFAULT, table.slice(0, 0)), Tally.nothing(4))
    assert same(tally_labels(DEFAULT, table.slice(0, 0), LABELS), Tally.nothing(4))
