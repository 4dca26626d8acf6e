"""The drift monitor on the digits: real log, real MLflow on SQLite, real ledger; a champion made without training."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from augment_ops.content import from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.sources.snapshot import split_of
from augment_ops.errors import InputError
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.run import begin
from augment_ops.pipeline.stages.alert_compared import alert_compared
from augment_ops.production.causes import enter_started
from augment_ops.production.monitor import Monitored, monitor, monitored_datasets
from augment_ops.production.traffic import Traffic, parse_shift, replay
from augment_ops.settings import Settings
from augment_ops.tracking import connect
from augment_ops.workspace import log_uri, open_ledger, open_store
from support.champions import crown_linear

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
SHIFT = (("brightness_down", 5), ("rotation", 5))
PER_WINDOW = 240


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def settings(home: Path) -> Iterator[Settings]:
    policies = home / "policies"
    shutil.copytree(ROOT / "policies", policies)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.setenv("AUGMENT_OPS_HOME", str(home / "var"))
        patch.setenv("AUGMENT_OPS_POLICIES", str(policies))
        yield Settings.from_environment()


@pytest.fixture(scope="module")
def base(settings: Settings) -> Snapshot:
    return crown(settings, "digits", 1000)


def crown(settings: Settings, dataset: str, max_samples: int) -> Snapshot:
    """Make a linear model of part of the digits champion, as the pipeline does; its snapshot."""
    store, run_id = open_store(settings), f"cli-{dataset}"
    begin(store, run_id, RunParams(dataset="digits", dataset_name=dataset, max_samples=max_samples), "tester")
    manifest = ingest("digits", store, name=dataset, max_samples=max_samples)
    snapshot = Snapshot.open(store, manifest.digest)
    train = snapshot.split("train")
    pixels = train.take(range(len(train))).reshape(len(train), -1) / 255
    fitted = LogisticRegression(max_iter=300).fit(pixels, train.labels)
    crown_linear(settings, snapshot, run_id=run_id, policy="digits-robust", weight=fitted.coef_, bias=fitted.intercept_)
    return snapshot


def send(settings: Settings, days: int, until: datetime, shifts: tuple = (), **more) -> None:
    traffic = Traffic(source="", windows=days, per_window=PER_WINDOW, window_h=24.0, end=until, shifts=shifts, **more)
    told: list[tuple[int, int | None, str]] = []
    replay(settings, "digits", traffic, say=lambda line: None, advance=lambda *far: told.append(far))
    assert told == [(number, days, "") for number in range(1, days + 1)]


def watch(settings: Settings, at: datetime, dataset: str = "digits", rules: str = "default") -> Monitored:
    return monitor(settings, dataset, rules, now=at + timedelta(hours=2), say=lambda line: None)


@pytest.fixture(scope="module")
def quiet(settings: Settings, base: Snapshot) -> Monitored:
    send(settings, 4, START + 4 * DAY)
    return watch(settings, START + 4 * DAY)


@pytest.fixture(scope="module")
def drifted(settings: Settings, quiet: Monitored) -> Monitored:
    """Two more windows, both shifted."""
    send(settings, 2, START + 6 * DAY, SHIFT, seed=1)
    return watch(settings, START + 6 * DAY)


def points(settings: Settings) -> dict[str, int]:
    from mlflow import MlflowClient

    client = MlflowClient(connect(settings.mlflow_uri).uri)
    experiment = client.get_experiment_by_name("augment-ops/digits")
    assert experiment is not None
    runs = [r for r in client.search_runs([experiment.experiment_id]) if "augment_ops.monitor" in r.data.tags]
    assert len(runs) == 1
    assert runs[0].info.run_name.startswith("windows · default ")
    return {key: len(client.get_metric_history(runs[0].info.run_id, key)) for key in runs[0].data.metrics}


def test_quiet_windows_are_quiet_and_judged_once(settings: Settings, quiet: Monitored) -> None:
    assert [judged.status for judged in quiet.judged] == ["ok"] * 4
    assert [judged.start for judged in quiet.judged] == [(START + k * DAY).isoformat() for k in range(4)]
    assert (quiet.alerts, quiet.retrain) == ((), ())
    assert not any(judged.blind or judged.faults for judged in quiet.judged)
    assert watch(settings, START + 4 * DAY).judged == ()
    assert monitored_datasets(settings) == ["digits"]


def test_a_window_is_not_judged_before_its_grace_has_passed(settings: Settings, quiet: Monitored) -> None:
    send(settings, 1, START + 5 * DAY, seed=9)
    early = monitor(settings, "digits", now=START + 5 * DAY + timedelta(minutes=59), say=lambda line: None)
    assert early.judged == ()
    for path in Path(log_uri(settings)).glob("digits/predictions/date=2026-03-05/*/*"):
        path.unlink()


def test_the_first_drifted_window_alerts_and_one_training_follows(settings: Settings, drifted: Monitored) -> None:
    assert [judged.status for judged in drifted.judged] == ["drift", "drift"]
    assert [alert.kind for alert in drifted.alerts] == ["drift", "drift"]
    (training,) = drifted.retrain  # the second is within the cool-down
    assert training.run_id == drifted.alerts[0].run_id
    assert drifted.judged[0].page in training.note
    about = drifted.alerts[0].subjects
    assert (about["page"], about["report"]) == (drifted.judged[0].page, drifted.judged[0].report)
    report = from_json(DriftReport, open_store(settings).get(about["report"]))
    assert about["moved"].split(", ")[0] == report.features[0].name
    acts = Counter(e.subjects["kind"] for e in Ledger(settings.ledger).read() if e.act == "alert")
    assert acts == {"drift": 2}


def test_what_moved_is_named_by_every_kind_of_detector(settings: Settings, drifted: Monitored) -> None:
    report = from_json(DriftReport, open_store(settings).get(drifted.judged[0].report))
    moved = {finding.detector for finding in report.features if finding.status == "drift"}
    assert moved >= {"psi", "mmd", "classifier", "accuracy", "estimated-accuracy"}
    assert report.features[0].status == "drift"
    assert drifted.judged[0].metrics["drift.mean.psi"] > 0.25


def test_the_evidence_is_in_mlflow(drifted: Monitored) -> None:
    folder = Path(drifted.judged[0].page).parent
    page = (folder / "drift.html").read_text()
    assert "Pictures that moved most" in page
    assert page.count("data:image/png;base64,") == 24
    assert "<title>Drift of digits, 2026-03-05 00:00: drift</title>" in page
    assert "digits-classifier version 1, trained with digits-robust" in page
    assert "answers in the window are of version 1" in page
    assert "One training starts, with the labelled production samples" in page
    assert "<h2>Over the last 5 windows</h2>" in page
    assert page.count('<circle class="ok"') == 4 * page.count('<circle class="drift now"') > 0
    assert ">0%</text>" in page
    later = (Path(drifted.judged[1].page).parent / "drift.html").read_text()
    assert "No training starts: alert" in later  # within the cool-down of the first
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (folder / "evidently.html").stat().st_size > 10_000
    assert (folder / "report.json").is_file()
    assert not (folder.parent / "2026-03-01T0000" / "evidently.html").exists()  # not-ok windows only


def test_the_run_of_all_windows_says_what_the_newest_came_to(settings: Settings, drifted: Monitored) -> None:
    tracker = connect(settings.mlflow_uri)
    from mlflow import MlflowClient

    run_id = drifted.judged[1].link.removeprefix("mlflow:")
    note = MlflowClient(tracker.uri).get_run(run_id).data.tags["mlflow.note.content"]
    assert note.startswith("**drift** since 2026\\-03\\-06")
    assert "No training starts: alert" in note


def test_watching_again_tells_the_same_and_enters_nothing(settings: Settings, drifted: Monitored) -> None:
    before = Ledger(settings.ledger).head()
    again = watch(settings, START + 6 * DAY)
    assert (again.judged, again.alerts) == ((), ())
    assert again.retrain == drifted.retrain  # said until drivers have heard it: they know it by its id
    assert Ledger(settings.ledger).head() == before


def test_a_monitor_killed_before_its_record_leaves_everything_once(settings: Settings, drifted: Monitored) -> None:
    """As after a kill between the alert and the record of the window."""
    head, counted = Ledger(settings.ledger).head(), points(settings)
    store = open_store(settings)
    for name in store.documents("drift/digits/windows/"):
        if "20260305" in name or "20260306" in name:
            store.remove_document(name)
    again = watch(settings, START + 6 * DAY)
    assert [judged.status for judged in again.judged] == ["drift", "drift"]
    assert again.retrain == drifted.retrain
    assert Ledger(settings.ledger).head() == head
    assert points(settings) == counted
    assert counted["drift.status"] == 6


def test_the_training_takes_labelled_production_data_and_keeps_every_split(
    settings: Settings, base: Snapshot, drifted: Monitored
) -> None:
    (training,) = drifted.retrain
    params = parse_params(training.params)
    assert params.dataset.startswith(f"snapshot:{base.manifest.digest}+")
    assert (params.dataset_name, params.max_samples) == ("digits", 0)
    manifest = ingest(params.dataset, open_store(settings), name=params.dataset_name, image_size=params.image_size)
    index = Snapshot.open(open_store(settings), manifest.digest).index
    old = index[~index["sample_id"].str.startswith("production/")]
    assert old["split"].tolist() == base.index["split"].tolist()
    new = index[index["sample_id"].str.startswith("production/")]
    # Until the end of the first drifted window: four quiet ones, of pictures that come again, and that one.
    assert PER_WINDOW < len(new) <= 5 * PER_WINDOW
    assert new["split"].tolist() == [split_of(one) for one in new["sample_id"]]
    assert set(new["split"]) == {"train", "validation", "test"}
    assert not index["pixel_sha256"].duplicated().any()
    assert new["defect"].isna().all()
    assert "labelled production samples" in training.note


def test_the_report_of_the_training_compares_with_the_window_that_caused_it(
    settings: Settings, drifted: Monitored
) -> None:
    (training,) = drifted.retrain
    enter_started(open_ledger(settings), open_store(settings), training, actor="tester")
    enter_run(settings, training.run_id, parse_params(training.params), "tester")
    execute(settings, training.run_id, "ingest", say=lambda line: None)
    found = alert_compared(Context.of(settings, training.run_id))
    assert found is not None
    assert (found.kind, found.window) == ("drift", "2026-03-05 00:00 to 2026-03-06 00:00 UTC")
    assert found.found.startswith("Drift in ") and found.found.endswith(".")  # without addresses
    assert found.page == ""  # no server shows it
    moved = {(one.name, one.detector): one for one in found.moved}
    mean = moved["mean", "psi"]
    assert mean.status == "drift"
    assert mean.effect == drifted.judged[0].metrics["drift.mean.psi"]
    assert mean.effect_now is not None
    assert mean.effect_now < mean.effect  # pictures of that window are in what the run is trained on
    assert moved["embeddings", "mmd"].effect_now is None  # of a model's answers nothing is known yet
    assert "need a model's predictions" in found.compared
    # Rules that are gone since cost the comparison and not the report.
    (settings.policies / "drift" / "default.yaml").rename(settings.policies / "drift" / "away.yaml")
    try:
        without = alert_compared(Context.of(settings, training.run_id))
    finally:
        (settings.policies / "drift" / "away.yaml").rename(settings.policies / "drift" / "default.yaml")
    assert without is not None
    assert without.compared.startswith("Not compared with what this run was trained on: ")
    assert [one.effect for one in without.moved] == [one.effect for one in found.moved]


def test_a_corrupt_file_blinds_the_monitor_and_is_told_but_trains_nothing(
    settings: Settings, drifted: Monitored
) -> None:
    send(settings, 1, START + 7 * DAY, seed=2)
    path = next(Path(log_uri(settings)).glob("digits/predictions/date=2026-03-07/*/*.parquet"))
    path.write_bytes(b"PAR1 half a file")
    found = watch(settings, START + 7 * DAY)
    (judged,) = found.judged
    assert judged.blind and path.name in judged.faults[0]
    assert [alert.kind for alert in found.alerts] == ["blind"]
    assert found.retrain == drifted.retrain


def test_an_outage_is_told_once_and_ends_with_the_next_record(settings: Settings, drifted: Monitored) -> None:
    found = watch(settings, START + 9 * DAY)
    silent = found.judged[-2:]
    assert [(judged.status, judged.blind) for judged in silent] == [("insufficient", True)] * 2
    (alert,) = (alert for alert in found.alerts if alert.subjects["window_start"] >= silent[0].start)
    assert alert.kind == "blind"
    assert [judged.alert for judged in silent] == [alert.key] * 2
    (day_after,) = watch(settings, START + 10 * DAY).judged
    assert (day_after.blind, day_after.alert) == (True, alert.key)
    assert watch(settings, START + 10 * DAY + timedelta(hours=1)).judged == ()
    send(settings, 1, START + 11 * DAY, seed=3)
    back = watch(settings, START + 11 * DAY)
    assert (back.alerts, back.judged[0].blind, back.judged[0].alert) == ((), False, "")
    assert f"{alert.key} is over" in back.judged[0].faults[-1]
    entries = [e for e in Ledger(settings.ledger).read() if e.act == "alert" and e.subjects["kind"] == "blind"]
    assert sum(entry.subjects["window_start"] >= silent[0].start for entry in entries) == 1


def test_labels_that_come_late_are_judged_when_they_are_there(settings: Settings, quiet: Monitored) -> None:
    """All answers of a day were wrong, which nobody knew until its labels came; it is told once."""
    text = (ROOT / "policies/drift/transactions.yaml").read_text().replace("name: transactions", "name: loans")
    text = text.replace("2018-04-01", "2026-03-01").replace("2018-05-01", "2026-03-02").replace("1000", "200")
    text = text.replace("labels: [chi-squared]", "answers: [accuracy]")
    text = text.replace("limits:", "limits:\n  accuracy: {warn: 0.03, drift: 0.06}").replace("grace_h: 6", "grace_h: 1")
    (settings.policies / "drift" / "loans.yaml").write_text(text)
    log, said = PredictionLog(log_uri(settings), "loans"), ["a", "b"] * 150
    for day in range(2):
        ids, times = [f"{day}-{i}" for i in range(300)], [START + day * DAY + DAY * (i / 300) for i in range(300)]
        known = said if day == 0 else None
        log.write(ids, times, model_version="1", predictions=said, labels=known, logged_at=START + (day + 1) * DAY)
    (first,) = watch(settings, START + 2 * DAY, "loans", "loans").judged
    assert (first.status, first.labelled) == ("insufficient", 0)
    day_after = START + 2 * DAY  # hourly runs of it, in which no window is due

    def label(some: range, hour: int) -> Monitored:
        log.label({f"1-{i}": "ba"[i % 2] for i in some}, logged_at=day_after + timedelta(hours=hour))
        return watch(settings, day_after + timedelta(hours=hour), "loans", "loans")

    found = label(range(200), 4)
    (again,) = found.judged
    assert (again.start, again.status, again.labelled) == (first.start, "drift", 200)
    assert [alert.key for alert in found.alerts] == [again.alert]
    assert watch(settings, day_after + timedelta(hours=5), "loans", "loans").judged == ()
    complete = label(range(200, 300), 8)
    assert [(one.status, one.labelled, one.alert) for one in complete.judged] == [("drift", 300, again.alert)]
    assert complete.alerts == ()  # it is known
    entries = [e for e in Ledger(settings.ledger).read() if e.subjects.get("dataset") == "loans"]
    assert [entry.act for entry in entries] == ["alert"]


def test_labels_that_come_late_are_in_the_next_training(settings: Settings, base: Snapshot) -> None:
    from augment_ops.production.labelled import gather

    store = open_store(settings)
    log = PredictionLog(log_uri(settings), "late", store)
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    images[5] = base.payload.take(np.array([0]))[0]
    times = [START] * 6
    log.write(list("abcdef"), times, model_version="1", samples=images, labels=["1", "zebra", *[None] * 4])
    before = gather(log, store, base, START + DAY, 7)
    assert (before.samples, before.foreign, before.unlabelled) == (1, 1, 4)
    log.label({"c": "2", "f": "3"})
    after = gather(log, store, base, START + DAY, 7)
    assert (after.samples, after.known, after.unlabelled) == (2, 1, 2)
    assert gather(log, store, base, START + DAY, 7).digest == after.digest
    assert gather(log, store, base, START + 30 * DAY, 7).samples == 0


def test_what_is_missing_is_named(settings: Settings, quiet: Monitored) -> None:
    with pytest.raises(InputError, match="Did you mean digits"):
        watch(settings, START, "digit")
    PredictionLog(log_uri(settings), "table").write(["a"], [START], model_version="1", features={"x": [1.0]})
    with pytest.raises(InputError, match="no champion"):
        watch(settings, START + DAY, "table")
    with pytest.raises(InputError, match="min_n"):
        watch(settings, START + 2 * DAY, "table", "transactions")
    with pytest.raises(InputError, match="rotation:5"):
        parse_shift("rotation")
    with pytest.raises(InputError, match="Did you mean rotation"):
        send(settings, 1, START, (("rotatoin", 5),))


def table(days: int, scale: float = 1.0, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    size = 400 * days
    return {"amount": generator.gamma(2.0, size=size) * scale, "hour": generator.integers(0, 24, size).astype(float)}


@pytest.mark.parametrize(
    ("kind", "change", "statuses"),
    [
        ("rolling", "none", ["insufficient", "ok", "ok", "ok"]),
        ("rolling", "scaled", ["insufficient", "ok", "ok", "drift"]),
        ("rolling", "renamed", ["insufficient", "ok", "ok", "drift"]),
    ],
)
def test_a_table_against_the_windows_before_it(settings: Settings, kind: str, change: str, statuses: list[str]) -> None:
    rules = (ROOT / "policies/drift/transactions.yaml").read_text().replace("name: transactions", f"name: {kind}")
    reference = "{kind: rolling, windows: 3}"
    rules = rules.replace('{kind: period, start: "2018-04-01", end: "2018-05-01"}', reference).replace("1000", "200")
    rules = rules.replace("grace_h: 6", "grace_h: 1")
    (settings.policies / "drift" / f"{kind}.yaml").write_text(rules)
    dataset = f"cards-{change}"
    log = PredictionLog(log_uri(settings), dataset)
    for day in range(4):
        features = table(1, 2.0 if change == "scaled" and day == 3 else 1.0, seed=day)
        if change == "renamed" and day == 3:
            features["sum"] = features.pop("amount")
        times = [START + day * DAY + DAY * (i / 400) for i in range(400)]
        log.write([f"{day}-{i}" for i in range(400)], times, model_version="", features=features)
    found = watch(settings, START + 4 * DAY, dataset, kind)
    assert [judged.status for judged in found.judged] == statuses
    assert len(found.alerts) == statuses.count("drift")
    assert found.retrain == ()  # there is no model to train again
    if change == "renamed":
        assert "amount" in found.judged[-1].message


def test_where_no_sample_is_new_those_that_the_champion_was_tested_with_answer(settings: Settings) -> None:
    """As after a first run on the whole data set."""
    whole = crown(settings, "whole", 5000)
    asked = {"windows": 1, "per_window": 30, "window_h": 24.0, "end": START}
    said: list[str] = []
    assert replay(settings, "whole", Traffic(source="", **asked), say=said.append) == 30
    assert "no other samples than the champion's snapshot" in said[0]
    window = read_window(PredictionLog(log_uri(settings), "whole", open_store(settings)), START - DAY, START, START)
    log = {sample.tobytes() for sample in window.sample.payload.take(np.arange(30))}
    held_out = whole.split("test").payload
    assert log <= {sample.tobytes() for sample in held_out.take(np.arange(len(held_out)))}
    with pytest.raises(InputError, match="leave --source out"):
        replay(settings, "whole", Traffic(source="digits", **asked), say=said.append)
