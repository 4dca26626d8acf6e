"""A real data set replayed as production traffic, with a chosen shift: for trying drift out, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.ingest import ingest
from augment_ops.data.payload import Part, chunks
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import InputError, nearest
from augment_ops.governance.audit import MOVES
from augment_ops.lifecycle.datasets import check_known
from augment_ops.modalities import modality
from augment_ops.modalities.base import Payload
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.pipeline.run import find
from augment_ops.production.answers_log import log_answers
from augment_ops.production.reference import ChampionPredictions, Incumbent, incumbent, predictions_of
from augment_ops.progress import Advance, unheard
from augment_ops.settings import Settings
from augment_ops.stress import suite
from augment_ops.workspace import Workspace, log_uri


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What is replayed.

    Attributes:
        source: a data set as `augment-ops run --dataset` takes it; empty for the champion's own.
        windows: stretches of time of `window_h` hours, the last of which ends at `end`.
        per_window: samples in each; they are taken in turn from those that the champion's snapshot does not hold. Where
            its own source has no other, from those that it was tested with.
        shifts: (corruption, severity) of the stress suite, applied in order to every sample.
        labelled: share of the records whose label is logged as well, 0 to 1.
        seed: of the order.
    """

    source: str
    windows: int
    per_window: int
    window_h: float
    end: datetime
    shifts: tuple[tuple[str, int], ...] = ()
    labelled: float = 1.0
    seed: int = 0
    environment: str = ""


def replay(
    settings: Settings,
    dataset: str,
    traffic: Traffic,
    say: Callable[[str], None] = print,
    *,
    advance: Advance = unheard,
) -> int:
    """Let the champion of `dataset` answer, and write its answers to the prediction log; the number of records.

    Records carry the time at which they would have been answered. Replaying the same traffic again writes the same ids,
    which the log counts once.

    Args:
        say: gets a line for each window.
        advance: called with how many windows are written.

    Raises:
        InputError: no champion, an unknown shift, or a source that was asked for and has no sample that the champion's
            snapshot does not hold.
    """
    workspace = Workspace(settings, settings.actor)
    store = workspace.store
    check_known(store, workspace.ledger.read(MOVES), dataset)
    champion = incumbent(workspace, dataset, traffic.environment)
    if champion is None:
        fix = f"train one first: augment-ops run --dataset-name {dataset} --dataset …"
        raise InputError(f"traffic of {dataset}", "no champion", "a promoted model that answers", fix)
    params = find(store, champion.version.tags["augment_ops.pipeline_run"]).typed
    shift = _shift(settings, params.suite, traffic.shifts, champion.snapshot)
    fresh = _fresh(store, traffic.source or params.dataset, params.asked(storage=False), champion, dataset)
    if fresh is None and not traffic.source:
        say(f"{params.dataset} has no other samples than the champion's snapshot: those that it was tested with answer")
        fresh = _held_out(champion)
    if fresh is None:
        raise InputError(
            f"traffic from {traffic.source}",
            "only samples that the champion's snapshot holds",
            "samples that are new to it",
            "replay another source, or leave --source out for those that the champion was tested with",
        )
    manifest = champion.snapshot.manifest
    kind = modality(manifest.modality)
    log = PredictionLog(log_uri(settings), dataset, store, kind.name)
    order = np.random.default_rng(traffic.seed).permutation(len(fresh.labels))
    length = timedelta(hours=traffic.window_h)
    written = 0
    for number in range(traffic.windows):
        start = traffic.end - (traffic.windows - number) * length
        rows = order[np.arange(number * traffic.per_window, (number + 1) * traffic.per_window) % len(order)]
        ids = [f"{traffic.seed}-{start:%Y%m%dT%H%M}-{place:06d}" for place in range(len(rows))]
        samples = shift(fresh.payload.take(rows), ids)
        answers = predictions_of(champion.observe, samples, champion.classes)
        times = [start + length * (place + 0.5) / len(rows) for place in range(len(rows))]
        labels = _some(fresh.labels[rows], traffic.labelled, ids)
        log_answers(
            log,
            ids,
            times,
            version=champion.version.version,
            scores=answers.scores,
            samples=samples,
            classes=champion.classes,
            schema=manifest.schema,
            labels=labels,
            logged_at=max(times),
        )
        written += len(rows)
        accuracy = _accuracy(answers, fresh.labels[rows])
        say(f"{start.isoformat()}: {len(rows)} {kind.shown_as} of {manifest.sample_shape}, accuracy {accuracy}")
        advance(number + 1, traffic.windows, "")
    return written


@dataclass(frozen=True, eq=False)
class _Fresh:
    payload: Payload
    labels: NDArray[Any]


def _held_out(champion: Incumbent) -> _Fresh:
    """The samples that the champion was tested with; it has not learnt from them."""
    held_out = champion.snapshot.split("test")
    return _Fresh(held_out.payload, np.array(champion.classes, dtype=object)[held_out.labels])


def _fresh(store: Any, source: str, asked: Mapping[str, Any], champion: Incumbent, dataset: str) -> _Fresh | None:
    """Usable samples of the source that the champion's snapshot does not hold; None where there is none.

    Args:
        asked: the modality's own parameters of the champion's run.
    """
    snapshot, content = champion.snapshot, champion.snapshot.codec.content
    manifest = ingest(
        source,
        store,
        modality=snapshot.manifest.modality,
        name=f"{dataset}-traffic",
        schema=snapshot.manifest.schema,
        **{**asked, **snapshot.codec.like(snapshot.manifest.sample_shape)},
    )
    found = Snapshot.open(store, manifest.digest)
    index = found.index
    known = set(snapshot.index[content])
    usable = index[(index["row"] >= 0) & (index["label"] >= 0) & ~index[content].isin(known)]
    if usable.empty:
        return None
    payload = Part(found.payload, usable["row"].to_numpy(np.int64))
    return _Fresh(payload, usable["class_name"].to_numpy(dtype=object))


def _shift(
    settings: Settings, suite_name: str, shifts: Sequence[tuple[str, int]], snapshot: Snapshot
) -> Callable[[NDArray[Any], Sequence[str]], NDArray[Any]]:
    spec = suite.load(settings.policies / "stress" / f"{suite_name}.yaml")
    strengths = spec.corruptions
    unknown = [name for name, _ in shifts if name not in strengths]
    if unknown:
        known = ", ".join(strengths)
        raise InputError("--shift", unknown[0], f"one of {known}", f"correct it.{nearest(unknown[0], strengths)}")

    # What is relative to a data set is so to the one that the suite is frozen from.
    held_out = (batch for _, batch in chunks(snapshot.split(spec.split).payload))
    corrupt = spec.known.bound(held_out, snapshot.manifest.schema, ())

    def shifted(samples: NDArray[Any], ids: Sequence[str]) -> NDArray[Any]:
        for name, severity in shifts:
            samples = corrupt(name, severity, samples, ids, strengths[name])
        return samples

    return shifted


def parse_shift(text: str) -> tuple[str, int]:
    """`rotation:5` to its parts.

    Raises:
        InputError: another form.
    """
    name, _, severity = text.partition(":")
    if not name or severity not in ("1", "2", "3", "4", "5"):
        raise InputError("--shift", repr(text), "name:severity, such as rotation:5", "give a severity from 1 to 5")
    return name, int(severity)


def _some(labels: NDArray[Any], share: float, ids: Sequence[str]) -> list[str | None]:
    every = np.floor(np.arange(1, len(ids) + 1) * share) > np.floor(np.arange(len(ids)) * share)
    return [label if kept else None for label, kept in zip(labels, every, strict=True)]


def _accuracy(answers: ChampionPredictions, labels: NDArray[Any]) -> str:
    return f"{float(np.mean(answers.predictions == labels)):.1%}"
