"""What a window's page says comes next is what comes next: the same rule that starts trainings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.check import DriftReport, check_drift
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.next_steps import follows, model_of, reference_of
from augment_ops.production.timeline import Period

RULES = DriftRules.load(Path(__file__).parents[3] / "policies" / "drift" / "default.yaml")
DAY = timedelta(days=1)
START = datetime(2026, 3, 5, tzinfo=UTC)
SPAN = Period(START, START + DAY)
KEY = "drift:digits:2"
CHAMPION: Any = SimpleNamespace(
    version=SimpleNamespace(
        model="digits-classifier",
        version="3",
        tags={"augment_ops.policy": "digits-robust", "augment_ops.policy_version": "1.0.0"},
    ),
    snapshot=SimpleNamespace(manifest=SimpleNamespace(dataset="digits")),
)


@pytest.fixture(scope="module")
def reports() -> dict[str, DriftReport]:
    pixels = np.random.default_rng(0).integers(60, 90, (600, 8, 8, 1), dtype=np.uint8)
    reference = Sample.of_payload("r", pixels)
    return {
        "ok": check_drift(reference, Sample.of_payload("w", pixels[:400]), RULES),
        "drift": check_drift(reference, Sample.of_payload("w", pixels[:400] + np.uint8(100)), RULES),
        "blind": check_drift(reference, Sample.of_payload("w", pixels[:0]), RULES, ["no record"], blind=True),
    }


def alerts(tmp_path: Path, *keys: str) -> list[Entry]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for key in keys:
        enter(ledger, Alert("drift", "digits", key, {}, "drifted", RULES.cool_down_h), "schedule")
    return list(ledger.read())


def said(report: DriftReport, entries: list[Entry], champion: Any = CHAMPION, later: timedelta = timedelta()) -> str:
    return "\n".join(follows(report, SPAN, RULES, champion, entries, KEY, datetime.now(UTC) + later))


def test_a_drifted_window_says_that_a_training_starts_and_what_holds_it(
    reports: dict[str, DriftReport], tmp_path: Path
) -> None:
    found = said(reports["drift"], [])
    assert "One training starts, with the labelled production samples of the last 7 days" in found
    assert "version 3 stays" in found
    assert "People are told through log" in found
    assert "No training starts: there is no champion" in said(reports["drift"], [], None)


def test_within_the_cool_down_it_says_that_none_starts_and_until_when(
    reports: dict[str, DriftReport], tmp_path: Path
) -> None:
    entries = alerts(tmp_path, "drift:digits:1")
    assert "No training starts: alert 1 of the ledger has started one" in said(reports["drift"], entries)
    assert "One training starts" in said(reports["drift"], entries, later=timedelta(hours=RULES.cool_down_h + 1))


def test_a_window_that_is_judged_again_tells_of_its_own_training(
    reports: dict[str, DriftReport], tmp_path: Path
) -> None:
    assert "One training starts" in said(reports["drift"], alerts(tmp_path, KEY))


@pytest.mark.parametrize(("kind", "expected"), [("ok", "no training starts"), ("blind", "monitoring is blind")])
def test_what_starts_no_training_says_so(reports: dict[str, DriftReport], kind: str, expected: str) -> None:
    found = said(reports[kind], [])
    assert expected in found
    assert "One training starts" not in found
    assert "The next window ends at 2026-03-07 00:00 UTC and is judged from 2026-03-07 01:00 on." in found


def test_model_and_reference_are_named_in_words() -> None:
    assert model_of(CHAMPION) == "digits-classifier version 3, trained with digits-robust 1.0.0"
    assert model_of(None).startswith("no champion yet")
    rolling = RULES.model_copy(update={"reference": RULES.reference.model_copy(update={"kind": "rolling"})})
    assert reference_of(RULES) == "the held-out part of the snapshot that the model was trained on"
    assert reference_of(rolling) == "the last windows before it that were ok, 14 at most"
