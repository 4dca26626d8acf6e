"""The metrics of a state folder: what is written is what is read, by whoever writes at once."""

from __future__ import annotations

import math
import multiprocessing
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from augment_ops.errors import InputError, StoreError
from augment_ops.monitoring.telemetry import metrics
from augment_ops.monitoring.telemetry.endpoint import serve
from augment_ops.monitoring.telemetry.publish import publish
from augment_ops.monitoring.telemetry.textfile import path_below, read, record

AWKWARD = 'a "b"\\c\nd, é'


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    known = record(
        tmp_path,
        [
            metrics.CLASS_RECALL.set(0.5, dataset="d", role="candidate", class_name=AWKWARD),
            metrics.TRAINING_SAMPLES.add(2**40, dataset="d", role="candidate"),
            metrics.STRESS_ACCURACY.set(math.nan, dataset="d", role="candidate", corruption="noise", severity="1"),
        ],
    )
    found = read(path_below(tmp_path))
    nan = (metrics.STRESS_ACCURACY.name, ("d", "candidate", "noise", "1"))
    assert math.isnan(found.pop(nan))
    assert math.isnan(known.pop(nan))
    assert found == known
    assert found[metrics.CLASS_RECALL.name, ("d", "candidate", metrics.label_value(AWKWARD))] == 0.5
    assert (metrics.COUNTING_SINCE.name, ()) in found


HOSTILE_NAMES = (
    AWKWARD, 'x"} 1\naugment_ops_ledger_faults 0\n#', "a\rb", "a\x85b\u2028c\x0bd", "\\", '\\"', "\\n", "lone \ud800",
    "nul \x00", "n" * 100_000, "n" * 100_000 + "x", "", "{a='b'}", "# HELP", "\u202egnp",
)  # fmt: skip


def test_no_name_breaks_a_line_and_names_that_differ_stay_apart(tmp_path: Path) -> None:
    samples = [metrics.CLASS_SAMPLES.set(n, dataset="d", class_name=name) for n, name in enumerate(HOSTILE_NAMES)]
    # All in one observation: each is about one data set.
    known = record(tmp_path, samples)
    text = path_below(tmp_path).read_bytes().decode()
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(lines) == len(HOSTILE_NAMES) + 1
    assert len(text) < 10_000
    assert read(path_below(tmp_path)) == known
    assert text.splitlines() == text.rstrip("\n").split("\n")  # no line break of any kind but our own
    port, end = serve(tmp_path, "127.0.0.1", 0)
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            shown = answer.read().decode()
    finally:
        end()
    assert "augment_ops_telemetry_readable 1.0" in shown
    assert "\naugment_ops_ledger_faults" not in shown


def test_series_of_a_metric_are_bounded_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_SERIES", 3)
    samples = [metrics.CLASS_SAMPLES.set(n, dataset="d", class_name=str(n)) for n in range(5)]
    known = metrics.fold({}, [metrics.PROMOTIONS.add(1, dataset="d"), *samples])
    assert [labels[1] for name, labels in known if name == metrics.CLASS_SAMPLES.name] == ["2", "3", "4"]
    assert known[metrics.SERIES_DROPPED.name, (metrics.CLASS_SAMPLES.name,)] == 2
    assert known[metrics.PROMOTIONS.name, ("d",)] == 1


def test_the_order_of_observation_outlives_the_process(tmp_path: Path) -> None:
    """Which versions to drop follows from it."""
    for version in ("2", "1", "2"):
        record(tmp_path, [metrics.MODEL_CLASS_RECALL.set(1, dataset="d", model_version=version, class_name="x")])
    assert [labels[1] for name, labels in read(path_below(tmp_path)) if name == metrics.MODEL_CLASS_RECALL.name] == [
        "1",
        "2",
    ]


def add_fifty(home: Path) -> None:
    for _ in range(50):
        record(home, [metrics.PROMOTIONS.add(1, dataset="d")])


def test_processes_that_count_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_fifty, args=(tmp_path,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert read(path_below(tmp_path))[metrics.PROMOTIONS.name, ("d",)] == 200
    assert [p.name for p in path_below(tmp_path).parent.glob("*.prom*")] == ["augment_ops.prom"]


def test_a_metric_of_another_version_is_left_out(tmp_path: Path) -> None:
    record(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")])
    path = path_below(tmp_path)
    path.write_text(path.read_text() + 'augment_ops_gone{a="b"} 1\n' + f'{metrics.DATA_WAIT.name}{{old="label"}} 1\n')
    assert {name for name, _ in read(path)} == {metrics.PROMOTIONS.name, metrics.COUNTING_SINCE.name}


def test_a_damaged_file_is_not_counted_over(tmp_path: Path) -> None:
    path = path_below(tmp_path)
    path.parent.mkdir()
    path.write_text('augment_ops_promotions_total{dataset="d} 41\n')
    with pytest.raises(StoreError, match="Prometheus' text format"):
        record(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")])
    assert "41" in path.read_text()
    (problem,) = publish(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")])
    assert "not kept" in problem


def test_a_full_disk_stops_nobody_and_leaves_the_old_file(tmp_path: Path, files_up_to) -> None:
    record(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")])
    before = path_below(tmp_path).read_bytes()
    with files_up_to(20):
        (problem,) = publish(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")])
    assert "File too large" in problem
    assert path_below(tmp_path).read_bytes() == before
    assert sorted(p.name for p in path_below(tmp_path).parent.iterdir()) == [".lock", "augment_ops.prom"]


def scraped(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_the_endpoint_shows_the_file_as_it_is_at_each_scrape(tmp_path: Path) -> None:
    port, end = serve(tmp_path, "127.0.0.1", 0)
    try:
        assert scraped(port) == {"augment_ops_telemetry_readable": 1}
        for _ in range(2):
            record(tmp_path, [metrics.PROMOTIONS.add(1, dataset="d")])
        assert scraped(port)["augment_ops_promotions_total"] == 2
        path_below(tmp_path).write_text("nonsense {")
        assert scraped(port) == {"augment_ops_telemetry_readable": 0}
        with pytest.raises(InputError, match=str(port)):
            serve(tmp_path, "127.0.0.1", port)
    finally:
        end()
