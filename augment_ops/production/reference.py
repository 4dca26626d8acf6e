"""What a window is compared with, and what the champion makes of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import digest_of
from augment_ops.data.payload import Joined, payload_of
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import InputError
from augment_ops.lifecycle.book import book_of
from augment_ops.lifecycle.champion import acts_of, environment_with_champion
from augment_ops.lifecycle.champion import champion as present_champion
from augment_ops.modalities.base import Payload
from augment_ops.modalities.source import Samples
from augment_ops.monitoring.drift.log_reader import LogWindow, read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.records import is_missing, number_text
from augment_ops.monitoring.drift.rules import DriftRules, moment
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.statistics import softmax
from augment_ops.workspace import Workspace

if TYPE_CHECKING:
    from augment_ops.runtime.base import Observe
    from augment_ops.tracking import RegisteredVersion

_AT_ONCE = 1024  # samples in one forward pass: 3 MB of activations each at 28×28
_AT_ONCE_BYTES = 32 << 20  # large samples go in smaller batches: activations are many times the input


@dataclass(frozen=True, eq=False)
class Incumbent:
    """A champion and the data it was trained on.

    Attributes:
        load: its program, which takes seconds to load.
    """

    version: RegisteredVersion
    snapshot: Snapshot
    load: Callable[[], Observe]

    @cached_property
    def observe(self) -> Observe:
        """From samples to logits and embeddings; loaded when first asked for, as most calls find no window due."""
        return self.load()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.snapshot.manifest.classes

    @cached_property
    def reference(self) -> Sample:
        """The held-out part of its snapshot, with its own answers: of what it has learnt it would be too sure."""
        held_out, manifest = self.snapshot.split("test"), self.snapshot.manifest
        answers = predictions_of(self.observe, held_out.payload, self.classes)
        labels = np.array(self.classes, dtype=object)[held_out.labels]
        return replace(
            Sample.of_payload(
                manifest.digest, held_out.payload, labels, modality=manifest.modality, schema=manifest.schema
            ),
            predictions=answers.predictions,
            confidence=answers.confidence,
            embeddings=answers.embeddings,
        )


@dataclass(frozen=True, eq=False)
class ChampionPredictions:
    """What a model makes of N samples: class names, probabilities (N, K), embeddings (N, D)."""

    predictions: NDArray[Any]
    scores: NDArray[np.float64]
    embeddings: NDArray[Any]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(N,): the largest probability of each answer."""
        found: NDArray[np.float64] = self.scores.max(axis=1)
        return found


def incumbent(workspace: Workspace, dataset: str, environment: str = "") -> Incumbent | None:
    """The champion of a data set; None where there is none (yet).

    Args:
        environment: whose champion; by default that of the best protected environment that has one.

    Raises:
        GovernanceError: MLflow does not show what the ledger says.
    """
    book, tracker = book_of(workspace), workspace.tracker
    where = environment_with_champion(acts_of(book, dataset), dataset, workspace.settings.policies, environment)
    champion = present_champion(book, tracker, dataset, where)
    if champion is None:
        return None
    snapshot = Snapshot.open(workspace.store, champion.tags["augment_ops.snapshot_digest"])
    number, artifact = champion.version, champion.artifact  # as they were held against the ledger
    return Incumbent(champion, snapshot, lambda: tracker.load_model(dataset, number, artifact).observe)


def predictions_of(observe: Observe, samples: Samples | Payload, classes: Sequence[str]) -> ChampionPredictions:
    """Let a model answer.

    Args:
        samples: (N, *shape) or a `Payload` of them, which is read a batch at a time.
    """
    payload = payload_of(samples)
    size = max(1, min(_AT_ONCE, _AT_ONCE_BYTES // max(1, int(np.prod(payload.shape)))))
    starts = range(0, len(payload), size)
    parts = [observe(payload.take(np.arange(start, min(start + size, len(payload))))) for start in starts]
    logits = np.concatenate([logits for logits, _ in parts])
    names = np.array(classes, dtype=object)[logits.argmax(axis=1)]
    return ChampionPredictions(names, softmax(logits), np.concatenate([embeddings for _, embeddings in parts]))


def as_the_champion_knows(sample: Sample, champion: Incumbent) -> Sample:
    """Samples of the log with the schema of the champion's data set: they are what its model was given."""
    schema = champion.snapshot.manifest.schema
    return sample if sample.schema == schema or not _is_for(champion, sample) else replace(sample, schema=schema)


def with_predictions(sample: Sample, window: LogWindow, champion: Incumbent) -> Sample:
    """The samples of a window with the champion's embeddings, and its answers for records that another version
    answered.
    """
    if sample.payload is None or not _is_for(champion, sample):
        return sample
    found = predictions_of(champion.observe, sample.payload, champion.classes)
    foreign = window.rows["model_version"].to_numpy()[window.payload_rows] != champion.version.version
    predictions = np.full(sample.size, None, dtype=object) if sample.predictions is None else sample.predictions.copy()
    confidence = np.full(sample.size, np.nan) if sample.confidence is None else sample.confidence.copy()
    unanswered = foreign | np.array([said is None for said in predictions[window.payload_rows]])
    rows = window.payload_rows[unanswered]
    predictions[rows], confidence[rows] = found.predictions[unanswered], found.confidence[unanswered]
    return replace(sample, embeddings=found.embeddings, predictions=predictions, confidence=confidence)


def _is_for(champion: Incumbent, sample: Sample) -> bool:
    """Whether there are samples of the champion's modality and shape."""
    manifest = champion.snapshot.manifest
    form = None if sample.payload is None else (sample.modality, sample.payload.shape)
    return form == (manifest.modality, manifest.sample_shape)


def of_period(log: PredictionLog, rules: DriftRules) -> Sample:
    """A fixed stretch of the log.

    Raises:
        InputError: it holds too few records to compare with.
    """
    start, end = moment(rules.reference.start), moment(rules.reference.end)
    found = read_window(log, start, end)
    _refuse_little(found.sample, rules, f"{rules.reference.start} to {rules.reference.end}")
    return found.sample


def of_windows(log: PredictionLog, starts: Sequence[datetime], rules: DriftRules) -> Sample | None:
    """The given windows of the log together; None where they hold too few records."""
    parts = [read_window(log, start, start + rules.window) for start in starts]
    whole = joined([part.sample for part in parts if part.sample.size])
    return whole if whole is not None and whole.size >= rules.min_n else None


def joined(samples: Sequence[Sample]) -> Sample | None:
    """Several samples as one; columns that some lack are filled with missing values. None without any."""
    if not samples:
        return None
    names = list(dict.fromkeys(name for sample in samples for name in sample.columns))
    forms = {(sample.modality, sample.payload.shape) for sample in samples if sample.payload is not None}
    payloads = [sample.payload for sample in samples if sample.payload is not None]
    return Sample(
        digest=digest_of([sample.digest for sample in samples]),
        size=sum(sample.size for sample in samples),
        columns={name: _filled([(s.columns.get(name), s.size) for s in samples]) for name in names},
        payload=Joined(payloads) if len(forms) == 1 else None,
        sizes=_numbers([(s.all_sizes, s.size) for s in samples]),
        predictions=_texts([(s.predictions, s.size) for s in samples]),
        labels=_texts([(s.labels, s.size) for s in samples]),
        confidence=_numbers([(s.confidence, s.size) for s in samples]),
        modality=samples[0].modality,
        schema=samples[0].schema,
    )


_Parts = Sequence[tuple[NDArray[Any] | None, int]]


def _filled(parts: _Parts) -> NDArray[Any]:
    numeric = all(values is None or values.dtype.kind in "fiub" for values, _ in parts)
    found = _numbers(parts) if numeric else _texts(parts)
    assert found is not None
    return found


def _numbers(parts: _Parts) -> NDArray[np.float64] | None:
    if all(values is None for values, _ in parts):
        return None
    return np.concatenate([np.full(size, np.nan) if values is None else values for values, size in parts])


def _texts(parts: _Parts) -> NDArray[Any] | None:
    if all(values is None for values, _ in parts):
        return None
    whole = [np.full(size, None, object) if values is None else _as_text(values) for values, size in parts]
    return np.concatenate(whole)


def _as_text(values: NDArray[Any]) -> NDArray[Any]:
    """A column that is text in another window, as text here as well: 3.0 is the code 3."""
    if values.dtype.kind not in "fiub":
        return values.astype(object)
    found = [None if is_missing(value) else number_text(value) for value in values.tolist()]
    return np.array([*found, None], dtype=object)[:-1]


def _refuse_little(sample: Sample, rules: DriftRules, where: str) -> None:
    if sample.size < rules.min_n:
        raise InputError(
            f"reference of drift policy {rules.name}: {where}",
            f"{sample.size} records in the prediction log",
            f"at least {rules.min_n} (min_n)",
            "correct the period, or the place of the log (AUGMENT_OPS_STORE)",
        )
