"""Augmented samples beside their originals, as the checks look at them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Modality, Payload
from augment_ops.modalities.source import Samples, Schema
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.training_samples import TrainingSamples

_MIN_CLASS = 10  # samples from which a class is named as the worst; fewer say nothing about a class
_STANDS_OUT = 1.5  # times the share of all classes: below, the classes suffer alike and naming one would mislead


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """What every check of `check_augmented` reads.

    Attributes:
        originals, augmented: (N, *shape) of the modality's dtype, row by row the same samples.
        ids: N sample ids.
        labels: int64 (N,), 0 and up.
        held_out: samples of that shape that the model will be measured on; to be read once, a bounded part at a time.
        classes: class names; a label without one is named by its number.
        identity: the policy is meant to change nothing.
        modality: of the samples.
        train: the training split that the originals are of.
        copies: augmented samples that training sees of each original, in all.
        schema: of the data set, where its modality has one.
    """

    originals: Samples
    augmented: Samples
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    held_out: Payload
    classes: tuple[str, ...]
    identity: bool
    modality: Modality
    train: TrainingSamples
    copies: int = 1
    schema: Schema | None = None

    def some(self, rows: NDArray[np.int64]) -> Pairs:
        """The pairs at `rows`, int64 (n,), each at most once."""
        return replace(
            self,
            originals=self.originals[rows],
            augmented=self.augmented[rows],
            ids=tuple(self.ids[row] for row in rows.tolist()),
            labels=self.labels[rows],
            train=replace(self.train, places=self.train.places[rows]),
        )

    def unchanged(self) -> NDArray[np.bool_]:
        """Which augmented samples are their original, value for value: bool (N,)."""
        # One by one: all truth values at once would be as large as the samples.
        both = zip(self.augmented, self.originals, strict=True)
        return np.array([np.array_equal(one, other, equal_nan=True) for one, other in both], np.bool_)

    def class_name(self, label: int) -> str:
        """As people call it."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def share(self, name: str, rule: Ceiling, bad: NDArray[np.bool_], found: str, remedy: str) -> CheckResult:
        """A result over the share of `bad` samples, bool (N,); `found` follows the count."""
        shown = tuple(self.ids[i] for i in np.flatnonzero(bad))
        text = f"{int(bad.sum())} of {len(bad)} augmented {self.modality.plural} {found}{self._worst_class(bad)}"
        return judged(name, rule, float(bad.mean()), "share", text, remedy, shown)

    def _worst_class(self, bad: NDArray[np.bool_]) -> str:
        counts = np.bincount(self.labels, minlength=len(self.classes))
        hits = np.bincount(self.labels, weights=bad, minlength=len(self.classes))
        shares = np.where(counts >= _MIN_CLASS, hits / np.maximum(counts, 1), 0)
        worst = int(shares.argmax())
        if shares[worst] <= _STANDS_OUT * bad.mean():
            return ""
        return f", most often in class {self.class_name(worst)} ({shares[worst]:.0%})"


def identical(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of augmented samples that are their original, value for value.

    Of the classes in which any is not: a policy for the rare class leaves the others as they are, and may still change
    all that it is for.
    """
    same = pairs.unchanged()
    plural = pairs.modality.plural
    if pairs.identity:
        found = f"the policy changes nothing by design: {int(same.sum())} of {len(same)} {plural} are identical"
        warn_at, fail_at = rule.bounds
        return CheckResult(
            name="identical",
            status="ok",
            measured=float(same.mean()),
            unit="share",
            warn_at=warn_at,
            fail_at=fail_at,
            message=f"{found}.",
        )
    meant = np.isin(pairs.labels, pairs.labels[~same]) | same.all()
    found = f"{int(same.sum())} of {len(same)} augmented {plural} are identical to their original"
    if not meant.all():
        found += f", {int(same[meant].sum())} of {int(meant.sum())} in the classes that the policy changes"
    return judged(
        "identical",
        rule,
        float(same[meant].mean()),
        "share",
        found,
        "raise the probabilities of the transforms: the candidate is trained like the control",
    )
