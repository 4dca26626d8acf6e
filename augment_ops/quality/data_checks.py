"""Checks of a snapshot before anything is augmented or trained: damage, labels, duplicates, leakage, balance, size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment_ops.data.payload import SamplesOrPayload, payload_of
from augment_ops.modalities import modality
from augment_ops.modalities.codec import Reading
from augment_ops.modalities.source import Schema
from augment_ops.quality.report import CheckResult, QualityReport
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import COLUMNS, CONTENT, CheckedSamples

if TYPE_CHECKING:
    import pandas as pd

    from augment_ops.data.snapshot import Snapshot

_AS_READ = Reading()  # whole, and nothing converted


def check_snapshot(snapshot: Snapshot, rules: QualityRules, reading: Reading | None = None) -> QualityReport:
    """Measure a snapshot and judge it by the thresholds; a failed check is a value (law 2).

    Args:
        reading: how it was read; by default what the snapshot knows of the last time.

    Raises:
        PolicyError: the thresholds are for another modality.
        StoreError: the snapshot's index or samples cannot be read back as they were written.
    """
    manifest, content = snapshot.manifest, snapshot.codec.content
    rules.check_modality(manifest.modality)
    index = snapshot.read_index([*COLUMNS, content]).rename(columns={content: CONTENT})
    checks = check_samples(
        index, snapshot.payload, manifest.classes, rules, reading or manifest.reading, manifest.schema
    )
    return QualityReport("check_data", manifest.digest, rules.digest, checks)


def check_samples(
    index: pd.DataFrame,
    samples: SamplesOrPayload,
    classes: tuple[str, ...],
    rules: QualityRules,
    reading: Reading = _AS_READ,
    schema: Schema | None = None,
) -> tuple[CheckResult, ...]:
    """Every check that the rules ask for, in the order of the modality's `data_rules`.

    Args:
        index: at least the columns `COLUMNS` of `Snapshot.index`, and `CONTENT`: equal where samples are.
        samples: those that the index's `row` numbers; read once, a bounded part at a time.
        classes: class names; a label is an index into them.
        rules: thresholds for samples of their modality.
        reading: how they were read.
        schema: of the data set, where its modality has one.
    """
    kind = modality(rules.modality)
    checked = CheckedSamples(
        index=index, payload=payload_of(samples), classes=classes, reading=reading, modality=kind, schema=schema
    )
    return tuple(kind.checks.data[field](checked, rule) for field, rule in rules.check_data.asked.items())
