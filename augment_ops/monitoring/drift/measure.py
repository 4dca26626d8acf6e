"""Everything that the rules ask for, measured on two samples; nothing is judged here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities import NAMES
from augment_ops.monitoring.drift.comparable import comparable, names_its_sample
from augment_ops.monitoring.drift.detectors.base import Detector, Measurement, Values
from augment_ops.monitoring.drift.detectors.catalogue import OF_COLUMNS, OF_VECTORS, DetectorSettings
from augment_ops.monitoring.drift.detectors.confidence import estimated_accuracy
from augment_ops.monitoring.drift.detectors.histogram import is_numeric
from augment_ops.monitoring.drift.detectors.label_shift import label_shift
from augment_ops.monitoring.drift.detectors.performance import ACCURACY, RECALL, LabelledPredictions, performance
from augment_ops.monitoring.drift.rules import SIZE, DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.statistics import Binning

SCHEMA = "schema"
LABEL_SHIFT, ESTIMATED = "label shift", "estimated accuracy"
_SHAPE = "{}-shape"  # of a modality
_OWN_NAMES = {"embeddings": "embeddings", "predictions": "predictions", "labels": "class-mix"}  # of these kinds
_COLUMN = "column "
MISSING_COLUMN = "in the reference, and gone from the window"
NEW_COLUMN = "in the window, and not in the reference"


@dataclass(frozen=True)
class Measured:
    """One measurement.

    Attributes:
        kind: `columns`, `embeddings`, `predictions`, `labels`, `answers`, or the modality's word for its samples
            (`images`): one family of tests.
        name: of the property or column.
        detector: name in the rules' limits, or `schema`.
        note: what is to be said about a change of the schema.
    """

    kind: str
    name: str
    detector: str
    measurement: Measurement
    note: str = ""


def measure(reference: Sample, window: Sample, rules: DriftRules) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """All measurements, and what could not be measured, with the reason."""
    detectors, missing = detectors_of(rules), _Missing([])
    asked = rules.detect
    found = [
        *_samples(reference, window, rules, detectors, missing),
        *_columns(reference, window, rules, detectors, missing),
        *_embeddings(reference, window, rules, detectors, missing),
        *_classes("predictions", reference.predictions, window.predictions, asked.predictions, detectors, missing),
        *_classes("labels", reference.labels, window.labels, asked.labels, detectors, missing),
        *_answers(reference, window, rules, missing),
    ]
    return tuple(found), tuple(missing.reasons)


def detectors_of(rules: DriftRules) -> Mapping[str, Detector]:
    """The detectors of columns and vectors by their names in the rules."""
    settings = DetectorSettings(Binning(rules.bins, rules.tail_share), rules.permutations)
    return {name: made(settings) for name, made in {**OF_COLUMNS, **OF_VECTORS}.items()}


def feature_of(column: str, rules: DriftRules) -> str:
    """The name under which a column of a table is reported: its own, or with a word before it.

    Names of ours (`predictions`, `size`, …) mean our own measurements wherever the rules ask for them, in series,
    alerts and on pages. Which these are follows from the rules alone, so a series never changes what it means.
    """
    own = column
    while own.startswith(_COLUMN):  # a column that is called `column size` must not become that of `size`
        own = own.removeprefix(_COLUMN)
    asked = rules.detect
    ours = {
        *(name for name in (*asked.images, *map(_SHAPE.format, NAMES)) if asked.images),
        *(name for kind, name in _OWN_NAMES.items() if getattr(asked, kind)),
        *((ACCURACY, LABEL_SHIFT, ESTIMATED) if asked.answers else ()),
    }
    taken = own in ours or (bool(asked.answers) and own.startswith(RECALL))
    return f"{_COLUMN}{column}" if taken else column


@dataclass(frozen=True)
class _Missing:
    reasons: list[str]

    def either(self, what: str, reference: object, window: object) -> bool:
        """Whether one side lacks it; the reason is kept."""
        if reference is not None and window is not None:
            return False
        self.reasons.append(f"{what}: the {'reference' if reference is None else 'window'} has none")
        return True


def _by(
    kind: str, name: str, names: Iterable[str], detectors: Mapping[str, Detector], before: Values, after: Values
) -> Iterator[Measured]:
    for detector in names:
        yield Measured(kind, name, detector, detectors[detector].measure(before, after))


def _samples(
    reference: Sample, window: Sample, rules: DriftRules, detectors: Mapping[str, Detector], missing: _Missing
) -> Iterator[Measured]:
    """Properties of the samples themselves, as their modality measures them."""
    wanted, kind = rules.detect.images, reference.kind
    if not wanted or missing.either(kind.plural, reference.payload, window.payload):
        return
    note = _other_form(reference, window)
    if note:
        yield Measured(kind.plural, _SHAPE.format(kind.name), SCHEMA, _sizes(reference, window), note)
    if reference.modality != window.modality:
        return  # the same word for a property would not be the same property
    if not kind.properties:
        missing.reasons.append(f"{', '.join(wanted)}: {kind.plural} are compared by their columns")
        return
    before, after = (_properties(side) for side in (reference, window))
    for name in wanted:
        if name in before and name in after:
            yield from _by(kind.plural, name, rules.detect.numbers, detectors, before[name], after[name])
        else:
            missing.reasons.append(f"{name}: no property of {kind.plural}")


def _properties(side: Sample) -> dict[str, NDArray[Any]]:
    assert side.all_sizes is not None  # there are samples
    return {**side.features, SIZE: side.all_sizes}


def _other_form(reference: Sample, window: Sample) -> str:
    """What the samples of the window are instead of those of the reference; empty where they are alike."""
    assert reference.payload is not None and window.payload is not None
    was, is_ = (" × ".join(map(str, side.shape)) for side in (reference.payload, window.payload))
    if reference.modality != window.modality:
        return f"{window.kind.plural} ({is_}) instead of {reference.kind.plural} ({was})"
    return "" if was == is_ else f"{is_} ({' × '.join(window.kind.axes)}) instead of {was}"


def _columns(
    reference: Sample, window: Sample, rules: DriftRules, detectors: Mapping[str, Detector], missing: _Missing
) -> Iterator[Measured]:
    if not rules.detect.numbers and not rules.detect.categories:
        return
    # A window without any record lacks no column: the service, or its log, was down.
    for column, before in reference.table.items() if window.size else ():
        name = feature_of(column, rules)
        if column not in window.table:
            yield Measured("columns", name, SCHEMA, _sizes(reference, window), MISSING_COLUMN)
            continue
        before, after = comparable(before, window.table[column])  # noqa: PLW2901 - the same column, otherwise written
        if names_its_sample(before):
            missing.reasons.append(f"{name}: nearly every value occurs once, as in an id; a mix of them says nothing")
            continue
        # A number that became text is compared as categories, which it shares none of.
        numeric = is_numeric(before) and is_numeric(after)
        names = rules.detect.numbers if numeric else rules.detect.categories or ("psi",)
        yield from _by("columns", name, names, detectors, before, after)
    for name in window.table if reference.size else ():
        if name not in reference.table:
            yield Measured("columns", feature_of(name, rules), SCHEMA, _sizes(reference, window), NEW_COLUMN)


def _embeddings(
    reference: Sample, window: Sample, rules: DriftRules, detectors: Mapping[str, Detector], missing: _Missing
) -> Iterator[Measured]:
    if rules.detect.embeddings and not missing.either("embeddings", reference.embeddings, window.embeddings):
        assert reference.embeddings is not None and window.embeddings is not None
        sides = reference.embeddings, window.embeddings
        yield from _by("embeddings", _OWN_NAMES["embeddings"], rules.detect.embeddings, detectors, *sides)


def _classes(
    kind: str,
    before: NDArray[Any] | None,
    after: NDArray[Any] | None,
    names: Iterable[str],
    detectors: Mapping[str, Detector],
    missing: _Missing,
) -> Iterator[Measured]:
    if not names or missing.either(kind, before, after):
        return
    assert before is not None and after is not None
    # A label that has not arrived says nothing about the mix; a prediction that is missing is one that failed.
    if kind == "labels":
        before, after = _known(before), _known(after)
    if not len(after):
        missing.reasons.append(f"{kind}: none has arrived in the window")
        return
    yield from _by(kind, _OWN_NAMES[kind], names, detectors, before, after)


def _answers(reference: Sample, window: Sample, rules: DriftRules, missing: _Missing) -> Iterator[Measured]:
    wanted = rules.detect.answers
    if not wanted or missing.either("answers", reference.predictions, window.predictions):
        return
    if missing.either("answers", reference.labels, ()):
        return
    before = LabelledPredictions(reference.labels, reference.predictions)  # type: ignore[arg-type]
    if "label-shift" in wanted:
        found = label_shift(before, window.predictions)  # type: ignore[arg-type]
        yield Measured("answers", LABEL_SHIFT, "label-shift", found)
    if "estimated-accuracy" in wanted and not missing.either("confidence", reference.confidence, window.confidence):
        right = before.labels == before.predictions
        found = estimated_accuracy(reference.confidence, right, window.confidence)  # type: ignore[arg-type]
        yield Measured("answers", ESTIMATED, "estimated-accuracy", found)
    if {"accuracy", "recall"} & set(wanted):
        if window.labels is None or not len(_known(window.labels)):
            missing.reasons.append("accuracy: no label has arrived in the window")
            return
        for name, found in performance(before, LabelledPredictions(window.labels, window.predictions)).items():  # type: ignore[arg-type]
            detector = "accuracy" if name == ACCURACY else "recall"
            if detector in wanted:
                yield Measured("answers", name, detector, found)


def _known(labels: NDArray[Any]) -> NDArray[Any]:
    return np.array([label for label in labels.tolist() if label is not None], dtype=object)


def _sizes(reference: Sample, window: Sample) -> Measurement:
    return Measurement(
        statistic=math.nan, effect=math.nan, p_value=math.nan, n_reference=reference.size, n_window=window.size
    )
