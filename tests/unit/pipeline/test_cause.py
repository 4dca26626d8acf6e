"""What a run says of the alert that started it: what the ledger has, and nothing where no alert did."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.cause import AlertCause, alert_behind, cause_of, in_markdown
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.causes import enter_start
from augment_ops.production.retraining import Retraining
from augment_ops.production.retraining import in_markdown as note_of

MLFLOW = "http://127.0.0.1:5000"
PAGE = f"{MLFLOW}/#/experiments/1/runs/a/artifacts/windows/drift.html?workflowType=machine_learning"
ABOUT = {
    "window_start": "2026-03-05T00:00:00+00:00",
    "window_end": "2026-03-06T00:00:00+00:00",
    "moved": "mean, contrast",
    "page": PAGE,
    "report": "ab" * 32,
}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def started(ledger: Ledger, about: dict[str, str], found: str = "Drift in mean, contrast.") -> AlertCause | None:
    alert = Alert("drift", "digits", "drift:digits:1", about, f"{found} Evidence: {PAGE}, report abab.", 24.0)
    entry, _ = enter(ledger, alert, "schedule")
    enter_start(ledger, entry, Retraining(alert.run_id, {}, "why"), actor="schedule", origin="drift_monitor/one")
    return alert_behind(ledger, alert.run_id)


def test_a_run_that_an_alert_started_knows_window_features_and_page(ledger: Ledger) -> None:
    cause = started(ledger, ABOUT)
    assert cause is not None
    assert cause.short == "drift: mean, contrast (2026-03-05)"
    assert (cause.entry, cause.report) == (1, "ab" * 32)
    assert in_markdown(cause, (MLFLOW,)) == (
        "Started by an alert of drift (ledger entry 1): Drift in mean, contrast\\. "
        "Window 2026\\-03\\-05 00:00 to 2026\\-03\\-06 00:00 UTC.\n\n"
        f"[What moved in that window]({PAGE})"
    )


def test_an_alert_that_an_earlier_version_entered_is_told_as_far_as_it_goes(ledger: Ledger) -> None:
    cause = started(ledger, {name: ABOUT[name] for name in ("window_start", "window_end")})
    assert cause is not None
    assert cause.short == "drift (2026-03-05)"
    assert "](" not in in_markdown(cause, (MLFLOW,))


def test_text_of_a_feature_and_foreign_addresses_are_no_links(ledger: Ledger) -> None:
    cause = started(ledger, ABOUT | {"page": "http://evil.example/x"}, "Drift in [a](http://evil.example).")
    assert cause is not None
    assert "](" not in in_markdown(cause, (MLFLOW,))


@pytest.mark.parametrize("run", ["manual__1", "retrain__digits__drift__0000000000000000"])
def test_nothing_is_said_where_no_alert_started_it(ledger: Ledger, run: str) -> None:
    started(ledger, ABOUT)
    assert alert_behind(ledger, run) is None


def test_a_drivers_note_says_once_why_and_with_what(ledger: Ledger) -> None:
    alert = Alert("drift", "digits", "drift:digits:1", ABOUT, f"Drift in mean. Evidence: {PAGE}, report abab.", 24.0)
    entry, _ = enter(ledger, alert, "schedule")
    note = f"{entry.reason} Ledger entry 1. With 50 labelled production samples."
    said = note_of(entry, Retraining(alert.run_id, {}, note), (MLFLOW,))
    assert said == f"{in_markdown(cause_of(entry), (MLFLOW,))}\n\nWith 50 labelled production samples\\."
