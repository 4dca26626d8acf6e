"""What a stress test leaves behind: numbers by model role, corruption, severity, class and group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from augment_ops.content import LATER

Role = Literal["candidate", "control", "champion"]
CLEAN = "clean"  # the corruption name of severity 0


@dataclass(frozen=True)
class Remains:
    """What a corruption left of the suite's samples. Those it destroyed are in no other number of the cell.

    Attributes:
        destroyed: cause → samples.
        clean: accuracy of the model on the samples that are left, untouched; NaN where none is.
        class_clean: recall there; None where the class has no sample left.
    """

    destroyed: dict[str, int]
    clean: float
    class_clean: tuple[float | None, ...]

    @property
    def count(self) -> int:
        """Samples destroyed, whatever by."""
        return sum(self.destroyed.values())


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model on one corruption at one severity.

    Attributes:
        corruption: name in the suite; `clean` with severity 0 for the untouched held-out samples.
        severity: 1 to 5; 0 is clean.
        n: samples that the corruption left something of.
        accuracy: share of them correct, 0 to 1; NaN where a prediction was not finite, or nothing is left.
        class_n: of them per class, in the order of `StressReport.classes`.
        class_recall: recall per class; None where the class has no sample.
        remains: None where the corruption destroyed no sample, or was not asked (reports of before).
    """

    role: Role
    corruption: str
    severity: int
    n: int
    accuracy: float
    class_n: tuple[int, ...]
    class_recall: tuple[float | None, ...]
    remains: Remains | None = field(default=None, metadata=LATER)

    def before(self, clean: Cell) -> float:
        """Accuracy on this cell's own samples, untouched.

        Args:
            clean: the model's cell of the untouched samples.
        """
        return clean.accuracy if self.remains is None else self.remains.clean

    def class_before(self, clean: Cell) -> tuple[float | None, ...]:
        """Recall there."""
        return clean.class_recall if self.remains is None else self.remains.class_clean

    @property
    def destroyed_share(self) -> float:
        """Of the suite's samples, those that the corruption left nothing of."""
        return 0.0 if self.remains is None else self.remains.count / (self.n + self.remains.count)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What else is measured in a cell; every number is NaN where a prediction was not finite.

    Attributes:
        balanced_accuracy: mean recall of the classes that have samples.
        class_precision: share of the predictions of a class that are right; None where it was never predicted.
        calibration_error: expected calibration error in 15 bins of equal width (`stress.measures`).
        flip_share: share of the samples whose predicted class differs from the clean one.
    Of samples that the corruption left something of.
    """

    role: Role
    corruption: str
    severity: int
    balanced_accuracy: float
    class_precision: tuple[float | None, ...]
    calibration_error: float
    flip_share: float


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """How the scores of the class that is looked for order the samples of a cell (`stress.ordering`).

    Every number is NaN where a score was not finite, or nothing is left of that class.

    Attributes:
        n: samples of the class that the corruption left something of.
        average_precision: 0 to 1; about the share of the class where scores say nothing.
        recall_at_precision: largest recall at the precision that the suite asks for; None where it asks for none.
        brier_score: of the probability of the class. calibration_error: the expected one of it, in 15 bins.
    """

    role: Role
    corruption: str
    severity: int
    n: int
    average_precision: float
    recall_at_precision: float | None
    brier_score: float
    calibration_error: float


@dataclass(frozen=True)
class ShareOf:
    """A share of n samples with its 95% interval (Wilson)."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What a model gives on clean samples at the threshold that was chosen for it on the validation split.

    Attributes:
        threshold: score from which on an alert is raised; None where none could be chosen by the suite's rule.
        alerts: share of all samples that has one. recall: of those of the class. precision: of the alerts, those right.
            None without a threshold, of nothing, or where a score was not finite.
    """

    role: Role
    threshold: float | None
    alerts: ShareOf | None = None
    recall: ShareOf | None = None
    precision: ShareOf | None = None


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How far a model is less sure of samples of no class than of clean ones (`stress.out_of_scope`).

    Attributes:
        n: samples of no class.
        area: under the ROC curve of the largest probability, 0 to 1: ½ where it tells them apart by chance alone; NaN
            where a logit was not finite.
        threshold: the largest probability from which on 95% of the clean samples are accepted; None where `area` is
            NaN.
        accepted: share of the samples of no class at or above it; None there too.
    """

    role: Role
    n: int
    area: float
    threshold: float | None = None
    accepted: ShareOf | None = None


@dataclass(frozen=True)
class Slice:
    """One model on the samples of one group.

    Attributes:
        column: metadata column of the snapshot.
        n: samples of the group.
        clean: accuracy on the untouched samples.
        stressed: accuracy over all corruptions and severities, each sample that is left in a cell alike.
    """

    column: str
    group: str
    role: Role
    n: int
    clean: float
    stressed: float


@dataclass(frozen=True)
class FlippedSample:
    """A held-out sample that the candidate gets right when clean and wrong under a corruption."""

    corruption: str
    severity: int
    sample_id: str
    label: int
    predicted: int


@dataclass(frozen=True, kw_only=True)
class StressReport:
    """The evidence that the gate judges.

    Attributes:
        suite: name of the suite.
        suite_digest: digest over the suite's definition and every sample in it.
        snapshot_digest: the snapshot whose held-out split the suite was made from.
        models: digest of the model evaluated in each role; `champion` is absent where there is none.
        champion_version: registered version of the champion evaluated, or None.
        confusion: per role, rows true class, columns predicted, on clean samples.
        flipped: a bounded selection, worst corruption first.
        outcomes: sha256 of the per-sample outcomes that every number here follows from (`stress.outcomes`).
        probe: sha256 of the candidate's logits on a few stored samples (`stress.probe`).
        seen: corruption of the suite → transforms of the candidate's policy that train on it; none where it is unseen.
        measures: one a cell, in the order of the cells.
        slices: of every metadata column that forms groups.
        orderings: one a cell where one class is looked for, in the order of the cells; none else, and in reports of
            before.
        operating: one a model where the suite has thresholds chosen; none else.
        separations: one a model where the suite has samples of no class; none else.
    """

    suite: str
    suite_digest: str
    snapshot_digest: str
    classes: tuple[str, ...]
    models: dict[Role, str]
    champion_version: str | None
    cells: tuple[Cell, ...]
    confusion: dict[Role, tuple[tuple[int, ...], ...]]
    flipped: tuple[FlippedSample, ...]
    outcomes: str
    probe: str
    seen: dict[str, tuple[str, ...]]
    measures: tuple[Measures, ...]
    slices: tuple[Slice, ...]
    orderings: tuple[Ordering, ...] = field(default=(), metadata=LATER)
    operating: tuple[OperatingPoint, ...] = field(default=(), metadata=LATER)
    separations: tuple[Separation, ...] = field(default=(), metadata=LATER)

    def cell(self, role: Role, corruption: str, severity: int) -> Cell | None:
        """The one cell of that address, or None."""
        for cell in self.cells:
            if (cell.role, cell.corruption, cell.severity) == (role, corruption, severity):
                return cell
        return None

    @property
    def corruptions(self) -> tuple[str, ...]:
        """Names in the order of the suite, without `clean`."""
        return tuple(dict.fromkeys(c.corruption for c in self.cells if c.corruption != CLEAN))

    @property
    def unseen(self) -> tuple[str, ...]:
        """The corruptions that the policy does not train on, in the order of the suite."""
        return tuple(name for name in self.corruptions if not self.seen.get(name))
