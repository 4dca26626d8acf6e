"""The table of metrics, and what becomes of a series when it is observed again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augment_ops.monitoring.telemetry import metrics
from augment_ops.monitoring.telemetry.metrics import FAMILIES, KEPT_VERSIONS, Family, fold

ROOT = Path(__file__).parents[4]


def test_prometheus_names_follow_from_name_unit_and_kind() -> None:
    assert metrics.STAGE_WORK.name == "augment_ops_stage_work_seconds_total"
    assert metrics.DATA_WAIT.name == "augment_ops_training_data_wait_ratio"
    assert metrics.TRAINING_THROUGHPUT.name == "augment_ops_training_throughput_per_second"
    assert metrics.PEAK_MEMORY.name == "augment_ops_training_peak_memory_bytes"
    assert metrics.CLASS_SAMPLES.name == "augment_ops_class_samples"


def test_names_are_unique_and_their_scopes_are_labels() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) > 25
    for family in FAMILIES:
        assert set(family.scope) <= set(family.labels)
        assert re.fullmatch(r"augment_ops(\.[a-z_]+)+", family.otel)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_page_of_operations_lists_every_metric_with_its_labels(family: Family) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{family.name}` ")]
    assert row.split("|")[2].strip() == ", ".join(family.labels)


def test_labels_must_be_those_of_the_family() -> None:
    with pytest.raises(ValueError, match="dataset, role"):
        metrics.DATA_WAIT.set(0.1, dataset="digits")
    with pytest.raises(ValueError, match="counts"):
        metrics.TRAINING_SAMPLES.set(1, dataset="digits", role="candidate")
    with pytest.raises(ValueError, match="counts"):
        Family(
            otel="augment_ops.some.duration",
            kind="histogram",
            unit="s",
            labels=(),
            meaning="Of something.",
            buckets=(1.0,),
        ).set(1)


def test_counters_grow_and_gauges_are_replaced() -> None:
    known = {}
    for value in (3, 4):
        known = fold(
            known,
            [
                metrics.TRAINING_SAMPLES.add(value, dataset="d", role="candidate"),
                metrics.DATA_WAIT.set(value / 10, dataset="d", role="candidate"),
            ],
        )
    assert known == {
        (metrics.TRAINING_SAMPLES.name, ("d", "candidate")): 7,
        (metrics.DATA_WAIT.name, ("d", "candidate")): 0.4,
    }


def test_a_gauge_replaces_all_that_was_known_about_its_subject_and_nothing_else() -> None:
    def checked(dataset: str, **found: str) -> list[metrics.Observation]:
        return [
            metrics.DRIFT_STATUS.set(1, dataset=dataset, rules="default", feature=f, detector="psi", status=s)
            for f, s in found.items()
        ]

    known = fold({}, [*checked("a", mean="drift", contrast="ok"), *checked("b", mean="drift")])
    known = fold(known, checked("a", mean="ok"))
    assert set(known) == {
        (metrics.DRIFT_STATUS.name, ("a", "default", "mean", "psi", "ok")),
        (metrics.DRIFT_STATUS.name, ("b", "default", "mean", "psi", "drift")),
    }


def test_nothing_known_takes_back_what_was() -> None:
    known = fold({}, [metrics.QUEUE_DEPTH.set(3, dataset="d", role=role) for role in ("candidate", "control")])
    known = fold(known, [metrics.QUEUE_DEPTH.unknown(dataset="d", role="control")])
    assert set(known) == {(metrics.QUEUE_DEPTH.name, ("d", "candidate"))}


def test_refusals_in_a_row_start_again_after_a_pass() -> None:
    add, reset = (
        metrics.GATE_REFUSALS_IN_A_ROW.add(1, dataset="d"),
        metrics.GATE_REFUSALS_IN_A_ROW.set(0, dataset="d"),
    )
    known, seen = {}, []
    for sample in (add, add, reset, add):
        known = fold(known, [sample])
        seen.append(*known.values())
    assert seen == [1, 2, 0, 1]


def test_the_versions_observed_longest_ago_are_dropped() -> None:
    known = {}
    for version in ("1", "2", "3", "4", "5", "1", "6"):  # 1 is still champion and tested again
        known = fold(
            known,
            [
                metrics.MODEL_CLASS_RECALL.set(0.9, dataset="d", model_version=version, class_name=name)
                for name in ("cat", "dog")
            ],
        )
    assert KEPT_VERSIONS == 5
    assert {labels[1] for _, labels in known} == {"1", "3", "4", "5", "6"}
    assert len(known) == 10
