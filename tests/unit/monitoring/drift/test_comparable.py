"""The same column written in two ways is the same column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from augment_ops.monitoring.drift.check import check_drift
from augment_ops.monitoring.drift.comparable import comparable, names_its_sample
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample

RULES = DriftRules.load(Path(__file__).resolve().parents[4] / "policies/drift/default.yaml")
CODES = np.random.default_rng(0).integers(0, 5, 600)
TIMES = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=int(i)) for i in CODES]
WAYS = {
    "integers": (CODES, CODES.astype(np.float32)),
    "with one missing": (CODES, np.array([None, *CODES[1:].tolist()], object)),
    "as text": (CODES, np.array([str(code) for code in CODES], object)),
    "as text of floats": (np.array([f"{code}.0" for code in CODES], object), CODES),
    "among names": (np.array(["x", *CODES[1:].astype(float)], object), np.array(["x", *map(str, CODES[1:])], object)),
    "decimals": (np.array([Decimal(int(code)) / 10 for code in CODES], object), CODES / 10),
    "truth values": (CODES > 2, (CODES > 2).astype(object)),
    "times": (np.array(TIMES, object), np.array([t.replace(tzinfo=None) for t in TIMES], "datetime64[ns]")),
    "zones": (np.array(TIMES, object), np.array([t.astimezone(timezone(timedelta(hours=5))) for t in TIMES], object)),
}


def status(before: np.ndarray, after: np.ndarray) -> tuple[str, tuple[str, ...]]:
    sides = [
        Sample(digest=d * 64, size=len(values), columns={"x": values}) for d, values in (("a", before), ("b", after))
    ]
    report = check_drift(*sides, RULES)
    return report.status, report.not_measured


@pytest.mark.parametrize("way", list(WAYS))
def test_another_way_to_write_a_column_is_no_drift(way: str) -> None:
    before, after = WAYS[way]
    assert status(before, after)[0] == "ok"
    assert status(after, before)[0] == "ok"


@pytest.mark.parametrize("way", list(WAYS))
def test_and_hides_none(way: str) -> None:
    before, after = WAYS[way]
    changed = after[np.argsort(CODES, kind="stable")][-200:].repeat(3)  # the highest codes alone
    assert status(before, changed)[0] == "drift"


def test_text_that_writes_no_number_stays_text() -> None:
    before, after = comparable(CODES, np.array(["many", *map(str, CODES[1:])], object))
    assert (before.dtype.kind, after.dtype.kind) == ("i", "O")
    assert status(CODES, np.array(list("abc") * 200, object))[0] == "drift"


def test_what_is_missing_everywhere_is_no_number() -> None:
    nothing = np.array([None] * 300, object)
    assert comparable(CODES, nothing)[1].dtype.kind == "O"
    assert status(CODES, nothing)[0] == "drift"


def test_integers_beyond_a_float_are_infinite_and_not_an_error() -> None:
    found, _ = comparable(np.array([10**400, -(10**400), None], object), CODES)
    assert found.tolist()[:2] == [np.inf, -np.inf]


def test_an_id_is_unsuitable_and_said_to_be() -> None:
    before, after = (np.array([f"{prefix}-{i}" for i in range(600)], object) for prefix in "ab")
    assert names_its_sample(before)
    assert not names_its_sample(np.array(list("abc") * 200, object))
    assert not names_its_sample(np.array([str(i) for i in range(20)], object))
    found, reasons = status(before, after)
    assert found != "drift"
    assert any(reason.startswith("x: nearly every value occurs once") for reason in reasons)
