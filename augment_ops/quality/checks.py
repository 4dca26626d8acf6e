"""The checks of a modality: what samples are measured by before augmentation and after it, and the thresholds' form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from augment_ops.quality.pairs import Pairs
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Rules
from augment_ops.quality.samples import CheckedSamples


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What a modality brings. Checks that need not know what a sample looks like are in `quality.neutral`.

    A check is named as its thresholds are in the rules: `feature_skew` there is `feature-skew` in the file and in the
    report. Reports have the order of the rules' fields.

    Attributes:
        data_rules: one field a check of `check_data`; the key in the file is the check's name. None by default is a
            check that is done where a file asks for it.
        data: field → what measures a snapshot's samples, given them and the field's value.
        augmented_rules, augmented: those of `check_augmented`, which compares augmented samples with their originals.
        contents: what equal samples have in common, in messages: `values`.
        records: what a source has one of for each sample, in messages: `files`, `rows`.
        compared: how many samples `check_augmented` compares with their originals, drawn evenly.
        of_each_class: and at least so many of each class, or all that it has: a rare one is hardly there otherwise.
    """

    data_rules: type[Rules]
    data: Mapping[str, Callable[[CheckedSamples, Any], CheckResult]]
    augmented_rules: type[Rules]
    augmented: Mapping[str, Callable[[Pairs, Any], CheckResult]]
    contents: str
    records: str
    compared: int = 1_000  # enough for shares to one percent; keeps the check of large samples within seconds
    of_each_class: int = 0
