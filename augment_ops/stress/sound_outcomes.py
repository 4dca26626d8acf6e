"""What outcomes have to be wherever they are read: shapes, dtypes, and what follows from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import StoreError
from augment_ops.stress.asked import alerts_fault
from augment_ops.stress.ranking import UNRANKED, Ranked
from augment_ops.stress.report import CLEAN

if TYPE_CHECKING:
    from augment_ops.stress.outcomes import Outcomes

NOT_A_NUMBER = -1  # the "predicted class" of a sample whose logits are not finite; equals no label


def check(outcomes: Outcomes, arrays: Mapping[str, str]) -> None:
    """See that what was read is what outcomes are.

    Args:
        arrays: name → dtype of those that all outcomes have.

    Raises:
        StoreError: it is not.
    """
    n, k = len(outcomes.sample_ids), len(outcomes.classes)
    shape = (len(outcomes.models), len(outcomes.addresses), n)
    for name, kind in arrays.items():
        array: NDArray[np.generic] = getattr(outcomes, name)
        wanted = {"labels": (n,), "groups": (len(outcomes.columns), n)}.get(name, shape)
        if array.shape != wanted or array.dtype != np.dtype(kind):
            raise damaged(f"{name} {array.dtype} {array.shape}", f"{np.dtype(kind)} {wanted}")
    if outcomes.addresses[:1] != ((CLEAN, 0),) or len(set(outcomes.addresses)) != len(outcomes.addresses):
        raise damaged(f"cells {outcomes.addresses!r:.80}", "distinct cells, the clean one first")
    labels, guesses = outcomes.labels, outcomes.predicted
    if n == 0 or labels.min() < 0 or labels.max() >= k or guesses.size == 0 or not _within(guesses, k):
        raise damaged(f"{n} samples, labels and predictions beyond {k} classes", "indices of classes")
    _check_remains(outcomes)
    _check_alerts(outcomes)
    if outcomes.ranked is not None:
        _check_ranked(outcomes, outcomes.ranked)
    if outcomes.out_of_scope is not None:
        _check_confidences(outcomes.out_of_scope, len(outcomes.models))


def _check_confidences(found: NDArray[np.float16], models: int) -> None:
    if found.dtype != np.float16 or found.ndim != 2 or len(found) != models or not found.size:
        raise damaged(f"samples of no class {found.dtype} {found.shape}", f"float16 ({models}, one at least)")
    if not ((found >= 0) & (found <= 1) | np.isnan(found)).all():
        raise damaged("samples of no class with confidences beyond 0 to 1", "probabilities")


def _check_ranked(outcomes: Outcomes, ranked: Ranked) -> None:
    """Who is right follows from the ranks."""
    ranking, items = ranked.ranking, len(ranked.frequency)
    if ranking.fault or outcomes.classes != ranking.classes:
        raise damaged(f"a ranking at {ranking.at} with classes {outcomes.classes!r:.80}", ranking.fault or "its bands")
    shapes: dict[str, tuple[int, ...]] = {
        "ranks": outcomes.predicted.shape,
        "recommended": (len(outcomes.models), items),
        "frequency": (items,),
        "items": outcomes.labels.shape,
    }
    for name, wanted in shapes.items():
        array: NDArray[np.generic] = getattr(ranked, name)
        if array.shape != wanted or array.dtype != np.int32:
            raise damaged(f"{name} {array.dtype} {array.shape}", f"int32 {wanted}")
    if not (ranked.items.min() >= 0 and ranked.items.max() < items) or not np.array_equal(
        ranking.band_of(ranked.frequency)[ranked.items], outcomes.labels
    ):
        raise damaged("items that are in other bands", "the bands of the items")
    hit = ranking.taken_for(ranked.ranks, outcomes.labels)
    if ranked.ranks.min() < 1 or (outcomes.predicted != np.where(ranked.ranks == UNRANKED, NOT_A_NUMBER, hit)).any():
        raise damaged("ranks that give other hits", "a hit where the rank is among the first")


def _check_alerts(outcomes: Outcomes) -> None:
    alerts, scores = outcomes.alerts, outcomes.scores
    if alerts is None or scores is None:
        return
    fault = alerts_fault(alerts, outcomes.classes)
    if fault:
        raise damaged(f"alerts for {alerts.class_name!r:.60} at a rate of {alerts.rate!r:.20}", fault)
    finite, answered = np.isfinite(scores), outcomes.predicted != NOT_A_NUMBER
    if scores.dtype != np.float32 or scores.shape != outcomes.predicted.shape or (finite != answered).any():
        raise damaged(f"scores {scores.dtype} {scores.shape}", f"float32 {outcomes.predicted.shape}, one an answer")
    if set(outcomes.thresholds) != (set(outcomes.models) if alerts.threshold is not None else set()):
        raise damaged(f"thresholds of {', '.join(outcomes.thresholds) or 'no model'}", "one a model that is asked for")
    if not all(value is None or 0 <= value <= 1 for value in outcomes.thresholds.values()):
        raise damaged(f"thresholds {outcomes.thresholds!r:.80}", "scores from 0 to 1")
    if finite.any() and not 0 <= scores[finite].min() <= scores[finite].max() <= 1:
        raise damaged("scores beyond 0 to 1", "probabilities")


def _check_remains(outcomes: Outcomes) -> None:
    codes = outcomes.destroyed
    if codes is None:
        return
    wanted = outcomes.predicted.shape[1:]
    if codes.shape != wanted or codes.dtype != np.uint8:
        raise damaged(f"destroyed {codes.dtype} {codes.shape}", f"uint8 {wanted}")
    if codes.max() > len(outcomes.causes) or codes[0].any():
        raise damaged("destroyed samples without a cause, or clean ones", f"0 to {len(outcomes.causes)}, clean ones 0")


def _within(guesses: NDArray[np.int16], classes: int) -> bool:
    return bool(guesses.min() >= NOT_A_NUMBER and guesses.max() < classes)


def damaged(found: str, expected: str) -> StoreError:
    """The error of outcomes that are none."""
    return StoreError(
        "outcomes of the stress test", found, expected, "restore the object from a backup, or run stress_test again"
    )
