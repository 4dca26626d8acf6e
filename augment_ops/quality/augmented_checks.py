"""Checks of augmented samples beside their originals: whether the label still holds, and nothing leaked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from augment_ops.data.payload import SamplesOrPayload, payload_of
from augment_ops.modalities import modality
from augment_ops.modalities.base import Modality
from augment_ops.modalities.source import Samples, Schema
from augment_ops.quality.pairs import Pairs
from augment_ops.quality.report import QualityReport
from augment_ops.quality.rules import QualityRules, check_name, judged
from augment_ops.quality.training_samples import TrainingSamples

_MEASURE_AGAIN = "augment the snapshot again, and report a bug if this stays"


def check_augmented(
    originals: Samples,
    augmented: Samples,
    ids: Sequence[str],
    labels: npt.NDArray[np.int64],
    held_out: SamplesOrPayload,
    rules: QualityRules,
    subject_digest: str,
    *,
    identity: bool = False,
    classes: Sequence[str] = (),
    schema: Schema | None = None,
    train: TrainingSamples | None = None,
    copies: int = 1,
) -> QualityReport:
    """Measure augmented samples against their originals and judge them by the thresholds.

    Where nothing can be compared (no samples, other shapes or dtypes, counts that differ) every check fails (law 2).

    Args:
        originals, augmented: (N, *shape) of the modality's dtype, row by row the same samples; few enough to be held in
            memory.
        ids: N sample ids.
        labels: int64 (N,); used to name the class that suffers most.
        held_out: M samples that the model will be measured on; read once, a bounded part at a time.
        rules: thresholds for samples of their modality.
        subject_digest: digest of the augmented plan or shards.
        identity: the policy is meant to change nothing, so identical samples are no surprise.
        classes: class names; a label without one is named by its number.
        schema: of the data set, where its modality has one.
        train: the training split that the originals are of; by default they are taken for the whole of it.
        copies: augmented samples that training sees of each original, in all.
    """
    kind, asked = modality(rules.modality), rules.check_augmented.asked
    fault = _incomparable(kind, originals, augmented, ids, labels, held_out)
    if fault:
        checks = tuple(
            judged(check_name(field), rule, np.nan, "share", fault, _MEASURE_AGAIN) for field, rule in asked.items()
        )
    else:
        pairs = Pairs(
            originals=originals,
            augmented=augmented,
            ids=tuple(str(sample) for sample in ids),
            labels=labels,
            held_out=payload_of(held_out),
            classes=tuple(classes),
            identity=identity,
            modality=kind,
            train=train or _alone(originals, labels),
            copies=copies,
            schema=schema,
        )
        checks = tuple(kind.checks.augmented[field](pairs, rule) for field, rule in asked.items())
    return QualityReport("check_augmented", subject_digest, rules.digest, checks)


def _alone(originals: Samples, labels: npt.NDArray[np.int64]) -> TrainingSamples:
    return TrainingSamples(payload=payload_of(originals), labels=labels, places=np.arange(len(originals)))


def _incomparable(
    kind: Modality,
    originals: Samples,
    augmented: Samples,
    ids: Sequence[str],
    labels: npt.NDArray[np.int64],
    held_out: SamplesOrPayload,
) -> str:
    """What keeps the samples from being compared, or an empty text."""
    if not len(originals):
        return "there are no samples to compare"
    if originals.shape != augmented.shape or originals.dtype != kind.codec.dtype or augmented.dtype != kind.codec.dtype:
        return (
            f"augmented {kind.plural} are {augmented.dtype} {augmented.shape} beside originals of "
            f"{originals.dtype} {originals.shape}"
        )
    if len(ids) != len(originals) or len(labels) != len(originals) or labels.min() < 0:
        return f"{len(ids)} ids and {len(labels)} labels for {len(originals)} {kind.plural}, or a label below 0"
    others = payload_of(held_out)
    if not len(others) or others.shape != originals.shape[1:] or others.dtype != kind.codec.dtype:
        shape = (len(others), *others.shape)
        return f"held-out {kind.plural} are {others.dtype} {shape} beside originals of {originals.shape}"
    return ""
