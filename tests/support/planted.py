"""What a policy makes of a training set, for tests that plant a failure in it and look what the checks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augment_ops.data.payload import ArrayPayload
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.report import CheckResult, QualityReport
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.training_samples import TrainingSamples, names_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Augmented:
    """N samples of training, what a policy makes of them, and the shipped rules that it is judged by.

    Attributes:
        originals, augmented: (N, *shape), sample by sample the same; not to be changed.
        labels: int64 (N,).
        held_out: (M, *shape).
        groups: column → each sample's group.
    """

    originals: np.ndarray
    augmented: np.ndarray
    ids: Sequence[str]
    labels: np.ndarray
    held_out: np.ndarray
    classes: tuple[str, ...]
    rules: QualityRules
    schema: dict[str, Any] | None = None
    subjects: Sequence[str | None] | None = None
    groups: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    def asking(self, *only: str) -> QualityRules:
        """The shipped rules with some of their checks, or all."""
        asked = self.rules.check_augmented.asked
        left_out = {name: None for name in asked if only and name.replace("_", "-") not in only}
        return self.rules.model_copy(update={"check_augmented": self.rules.check_augmented.model_copy(update=left_out)})

    def report(self, augmented: np.ndarray, *only: str, copies: int = 2) -> QualityReport:
        """What the checks say of other augmented samples, all of the checks or some."""
        train = TrainingSamples(
            payload=ArrayPayload(self.originals),
            labels=self.labels,
            places=np.arange(len(self.labels)),
            subjects=None if self.subjects is None else names_of(self.subjects),
            groups={name: names_of(groups) for name, groups in self.groups.items()},
        )
        return check_augmented(
            self.originals,
            augmented,
            self.ids,
            self.labels,
            self.held_out,
            self.asking(*only),
            "plan",
            classes=self.classes,
            schema=self.schema,
            train=train,
            copies=copies,
        )

    def checked(self, augmented: np.ndarray, *only: str, copies: int = 2) -> dict[str, CheckResult]:
        """The same by name."""
        return {check.name: check for check in self.report(augmented, *only, copies=copies).checks}
