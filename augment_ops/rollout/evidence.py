"""What a rollout was judged by, as a document: anybody can count, measure and judge again from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from augment_ops.content import LATER, canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.errors import StoreError
from augment_ops.rollout.judge import Judgement, MeasuredCondition
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.state import Rollout
from augment_ops.rollout.tally import Tally

FORMAT = 1
_GROWTH = 1.25  # of the answers from one point of a series to the next: some 40 of the first 10,000 answers


@dataclass(frozen=True, kw_only=True)
class SeriesPoint:
    """What was known at one moment.

    Attributes:
        at: UTC, ISO 8601.
        step: index of the step that ran; answers: samples that the challenger had been asked in all steps.
    """

    at: str
    step: int
    answers: int
    measured: tuple[MeasuredCondition, ...]


@dataclass(frozen=True, kw_only=True)
class RolloutEvidence:
    """A judgement with all that it rests on.

    Attributes:
        rollout: its id; step: index of the step that was judged.
        rules: digest of their document in the store.
        answers, hours: of the step, as they were judged.
        tally: the document of the counts.
        series: how what is known has grown, oldest first.
    """

    format: int
    rollout: str
    dataset: str
    environment: str
    champion: str
    challenger: str
    step: int
    rules: str
    at: str
    answers: int
    hours: float
    tally: dict[str, Any]
    measured: tuple[MeasuredCondition, ...]
    judgement: Judgement
    series: tuple[SeriesPoint, ...] = field(default=(), metadata=LATER)

    def kept(self, store: Store) -> str:
        """Put it into the store; its digest."""
        return store.put(canonical_json(self))


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """What is known of a rollout at one moment.

    Attributes:
        at: UTC.
        answers, hours: of the step that runs.
    """

    rollout: Rollout
    rules: RolloutRules
    at: datetime
    answers: int
    hours: float
    tally: Tally
    measured: tuple[MeasuredCondition, ...]
    judgement: Judgement
    series: tuple[SeriesPoint, ...] = ()

    @property
    def evidence(self) -> RolloutEvidence:
        """As the store keeps it."""
        one = self.rollout
        return RolloutEvidence(
            format=FORMAT,
            rollout=one.id,
            dataset=one.dataset,
            environment=one.environment,
            champion=one.champion,
            challenger=one.challenger,
            step=one.step,
            rules=one.rules,
            at=self.at.isoformat(),
            answers=self.answers,
            hours=self.hours,
            tally=self.tally.document(),
            measured=self.measured,
            judgement=self.judgement,
            series=self.series,
        )


def grown(series: Sequence[SeriesPoint], looked: Looked) -> tuple[SeriesPoint, ...]:
    """A series with the present moment, where enough answers have come since the last one, or a step has begun."""
    answers = int(looked.tally.asked.sum())
    last = series[-1] if series else None
    if answers == 0 or (last and last.step == looked.rollout.step and answers < _GROWTH * last.answers):
        return tuple(series)
    point = SeriesPoint(at=looked.at.isoformat(), step=looked.rollout.step, answers=answers, measured=looked.measured)
    return (*series, point)


def rules_of(store: Store, rollout: Rollout) -> RolloutRules:
    """The rules that a rollout began with.

    Raises:
        StoreError: they are not in the store, or are none.
    """
    try:
        return RolloutRules.model_validate(json.loads(store.get(rollout.rules)))
    except ValueError as error:
        where = f"rules of rollout {rollout.id}, object {rollout.rules[:12]}…"
        fix = f"end it: augment-ops rollout abort {rollout.dataset} --environment {rollout.environment} --reason …"
        raise StoreError(where, "no rules that this version reads", "rules of a rollout", fix) from error


def evidence_in(store: Store, digest: str) -> RolloutEvidence:
    """The document of that digest.

    Raises:
        StoreError: it is not there, or of another format.
    """
    return _read(store.get(digest), f"evidence {digest[:12]}…")


def keep_progress(store: Store, looked: Looked) -> None:
    """Keep what is known now where `progress` finds it: for people who look, nothing is decided by it."""
    store.put_document(_progress(looked.rollout), canonical_json(looked.evidence))


def progress(store: Store, rollout: Rollout) -> RolloutEvidence | None:
    """What a driver knew last; None where none has looked yet.

    Raises:
        StoreError: what is kept is of another format.
    """
    document = store.get_document(_progress(rollout))
    return None if document is None else _read(document, f"progress of rollout {rollout.id}")


def _read(document: bytes, where: str) -> RolloutEvidence:
    found = from_json(RolloutEvidence, document)
    if found.format != FORMAT:
        raise StoreError(where, f"format {found.format}", f"format {FORMAT}", "read it with the version that wrote it")
    return found


def _progress(rollout: Rollout) -> str:
    return f"rollouts/{rollout.dataset}/{rollout.id}.json"
