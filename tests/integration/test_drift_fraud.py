"""Card transactions as a table: April is the reference, May and June are traffic; then amounts rescaled and renamed."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.production.monitor import Monitored, monitor
from augment_ops.settings import Settings
from augment_ops.workspace import log_uri

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(os.environ.get("AUGMENT_OPS_TEST_DATA") or ROOT.parent / "shared" / "datasets")
_ARCHIVE = _DATA / "fraud-handbook-sim" / "data.tar"
JULY = datetime(2018, 7, 1, tzinfo=UTC)
MAY_5 = datetime(2018, 5, 5, tzinfo=UTC)
DAYS = {"april": 30, "may": 31, "june": 30}


@pytest.fixture(scope="module")
def days() -> dict[datetime, pd.DataFrame]:
    if not _ARCHIVE.is_file():
        pytest.skip(f"no {_ARCHIVE}: set AUGMENT_OPS_TEST_DATA")
    found = {}
    with tarfile.open(_ARCHIVE) as archive:
        for member in archive:
            if member.name.endswith(".pkl"):
                file = archive.extractfile(member)
                assert file is not None
                day = datetime.fromisoformat(Path(member.name).stem).replace(tzinfo=UTC)
                # Every third transaction, which leaves over 3,000 a day.
                found[day] = pd.read_pickle(io.BytesIO(file.read())).iloc[::3]
    return found


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("fraud")
    shutil.copytree(ROOT / "policies", home / "policies")
    # Without Evidently's pages: their seconds and megabytes are no part of what is tested.
    path = home / "policies/drift/transactions.yaml"
    path.write_text(path.read_text().replace("evidently: not-ok", "evidently: never"))
    environment = {"AUGMENT_OPS_HOME": str(home / "var"), "AUGMENT_OPS_POLICIES": str(home / "policies")}
    return Settings.from_environment(environment)


def write(settings: Settings, dataset: str, days: dict[datetime, pd.DataFrame], until: datetime, **change) -> None:
    log = PredictionLog(log_uri(settings), dataset)
    for day, frame in days.items():
        if day >= until:
            continue
        moments = pd.to_datetime(frame["TX_DATETIME"]).dt.tz_localize("UTC")
        scale = change.get("scale", 1.0) if day.month != 4 else 1.0
        name = change.get("name", "amount") if day.month != 4 else "amount"
        features = {
            name: frame["TX_AMOUNT"].to_numpy(float) * scale,
            "hour": moments.dt.hour.to_numpy(float),
            "customer": frame["CUSTOMER_ID"].to_numpy(float),
            "terminal": frame["TERMINAL_ID"].to_numpy(float),
        }
        labels = ["fraud" if value else "genuine" for value in frame["TX_FRAUD"]]
        ids = [str(one) for one in frame["TRANSACTION_ID"]]
        times = [moment.to_pydatetime() for moment in moments]
        log.write(ids, times, model_version="", features=features, labels=labels, logged_at=day + timedelta(hours=23.9))


def watch(settings: Settings, dataset: str, until: datetime) -> Monitored:
    return monitor(settings, dataset, "transactions", now=until + timedelta(hours=6), say=lambda line: None)


def test_may_and_june_against_april(settings: Settings, days: dict[datetime, pd.DataFrame]) -> None:
    write(settings, "cards", days, JULY)
    found = watch(settings, "cards", JULY)
    statuses = Counter(judged.status for judged in found.judged)
    assert sum(statuses.values()) == DAYS["may"] + DAYS["june"]
    # Measured: every one of the 61 days is quiet. One false alarm is what the stated level of 1% lets expect.
    assert statuses["drift"] == 0, [j.message for j in found.judged]
    assert statuses["warn"] <= 1, [j.message for j in found.judged if j.status == "warn"]
    assert found.retrain == ()


@pytest.mark.parametrize(
    ("dataset", "change", "named"),
    [("cards-rescaled", {"scale": 1.8}, "amount"), ("cards-renamed", {"name": "sum"}, "amount")],
)
def test_rescaled_amounts_and_a_renamed_column_are_drift_on_the_first_day(
    settings: Settings, days: dict[datetime, pd.DataFrame], dataset: str, change: dict, named: str
) -> None:
    write(settings, dataset, days, MAY_5, **change)
    judged = watch(settings, dataset, MAY_5).judged
    assert [j.status for j in judged] == ["drift"] * 4
    assert all(named in j.message for j in judged)
    alerts = [e for e in Ledger(settings.ledger).read() if e.subjects.get("dataset") == dataset]
    assert Counter(e.subjects["kind"] for e in alerts)["drift"] == 4
    assert np.isfinite(judged[0].metrics["window.samples"])
