"""The checks on a real snapshot: scikit-learn's digits, ingested into a store."""

from __future__ import annotations

from pathlib import Path

from augment_ops.content import canonical_json, from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.quality.data_checks import check_snapshot
from augment_ops.quality.report import QualityReport
from augment_ops.quality.rules import QualityRules


def test_digits_pass_and_the_report_is_a_document(tmp_path: Path, rules: QualityRules) -> None:
    store = Store(str(tmp_path / "store"))
    manifest = ingest("digits", store)

    report = check_snapshot(Snapshot.open(store, manifest.digest), rules)

    assert [c for c in report.checks if c.status != "ok"] == []
    assert (report.stage, report.subject_digest, report.rules_digest) == ("check_data", manifest.digest, rules.digest)
    assert from_json(QualityReport, canonical_json(report)) == report
