"""A sample of what the models answered, asked again: per-sample outcomes that nobody's answers stand behind show up.

The gate computes every number again from the outcomes, so outcomes and report that were rewritten together fit each
other. They do not fit the models. Which cells and samples are asked again follows from a key that nobody knew when the
outcomes were written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import generator, sample_key
from augment_ops.modalities import modality
from augment_ops.modalities.source import Samples
from augment_ops.stress.outcomes import Outcomes, confidences, group_codes, probabilities, scores_of
from augment_ops.stress.probe import ABSOLUTE, RELATIVE
from augment_ops.stress.ranking import UNRANKED, first_shares
from augment_ops.stress.report import Role
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from augment_ops.stress.suite import Get, SuiteCell, SuiteManifest

CELLS = 8
ROWS = 512  # of all cells together: 2% of them rewritten are found with a chance of 0.99997
# Where alerts are judged, a few samples decide: who lowers the scores of fifty that are not looked for, of 100,000,
# gives their alerts to fifty that are. In eight cells that is found with a chance of 0.9997; by 512 samples, of 0.12.
ROWS_OF_ALERTS = 32_768
BYTES = 64 << 20  # of samples, so that large ones cost no more than a second
# Probabilities are kept as float16 (to 0.0005), and another processor's differ in the fifth digit.
TOLERANCE = 0.002
# Scores p are float32: this many p (1 - p), which is what another processor's logits can be apart. Not as much for all
# of them: where all scores are small, that would be room to put them into any order.
SCORE_TOLERANCE = 0.0004
_SCORE_ROUNDING = 1e-7
OUTSIDE = -1  # the cell of samples of no class


@dataclass(frozen=True)
class Pick:
    """Samples of one cell.

    Attributes:
        cell: position of the cell in the suite and in the outcomes, or `OUTSIDE`.
        rows: ascending positions of samples.
    """

    cell: int
    rows: tuple[int, ...]


def pick(manifest: SuiteManifest, key: str, labels: NDArray[np.int64]) -> tuple[Pick, ...]:
    """Which samples to ask again: at most `CELLS` cells, `ROWS` samples and `BYTES` bytes in all.

    Where the suite has samples of no class, as many of them beside as of one of these cells.

    Where one class is looked for, they are `ROWS_OF_ALERTS`, and half of them are of that class: among all samples
    hardly one would be.

    Args:
        labels: int64 (N,), those of the suite.
    """
    rng = generator(sample_key("asked again", key))
    n, cells = len(manifest.sample_ids), len(manifest.cells)
    chosen = np.sort(rng.permutation(cells)[:CELLS])
    size = int(np.prod(manifest.shape)) * np.dtype(manifest.dtype).itemsize
    each = max(1, min(ROWS if manifest.alerts is None else ROWS_OF_ALERTS, BYTES // size) // len(chosen))
    wanted = np.zeros(0, np.int64)
    if manifest.alerts is not None:
        wanted = np.flatnonzero(labels == manifest.classes.index(manifest.alerts.class_name))

    def drawn() -> tuple[int, ...]:
        some = wanted[rng.permutation(len(wanted))[: each // 2]] if len(wanted) else wanted
        return tuple(np.union1d(some, rng.permutation(n)[: each - len(some)]).tolist())

    picks = [Pick(int(cell), drawn()) for cell in chosen]
    if manifest.out_of_scope is not None:
        outside = rng.permutation(len(manifest.out_of_scope.sample_ids))[:each]
        picks.append(Pick(OUTSIDE, tuple(np.sort(outside).tolist())))
    return tuple(picks)


def of_another_suite(
    manifest: SuiteManifest,
    outcomes: Outcomes,
    labels: NDArray[np.int64],
    columns: Mapping[str, list[str | None]],
) -> str:
    """What the outcomes say otherwise than the suite that was frozen and its snapshot; empty where nothing.

    Args:
        labels: int64 (N,), those of the suite.
        columns: metadata column → the group of each sample, as `evaluate` was given them.
    """
    if outcomes.sample_ids != manifest.sample_ids or not np.array_equal(
        outcomes.labels, manifest.judged_labels(labels)
    ):
        return "other samples or labels"
    if outcomes.ranked is not None and (
        outcomes.ranked.frequency.tolist() != list(manifest.frequency)
        or not np.array_equal(outcomes.ranked.items, labels)
    ):
        return "other items, or other frequencies of them"
    outside = 0 if manifest.out_of_scope is None else len(manifest.out_of_scope.sample_ids)
    if (0 if outcomes.out_of_scope is None else outcomes.out_of_scope.shape[1]) != outside:
        return "other samples of no class"
    names, groups = group_codes(columns, len(labels))
    if outcomes.columns != names or not np.array_equal(outcomes.groups, groups):
        return "other groups"
    if outcomes.asked == manifest.asked:
        return ""
    return "other alerts" if outcomes.ranked is None and manifest.ranking is None else "another ranking"


def samples(manifest: SuiteManifest, picks: Sequence[Pick], get: Get) -> Samples:
    """The picked samples, one after the other: (rows, *shape); each stored object is verified."""
    parts = []
    for picked in picks:
        rows, first = np.array(picked.rows), 0
        of_cell = picked.cell != OUTSIDE
        for batch in manifest.batches(manifest.cells[picked.cell], get) if of_cell else manifest.outside(get):
            parts.append(batch[rows[(rows >= first) & (rows < first + len(batch))] - first])
            first += len(batch)
    return np.concatenate(parts)


def differing(outcomes: Outcomes, role: Role, picks: Sequence[Pick], logits: NDArray[np.float32]) -> list[str]:
    """The picked samples, `sample under corruption at severity`, on which the model now says something else.

    Args:
        logits: float32 (rows, K), in the order of `samples`.
    """
    m, start, found = list(outcomes.models).index(role), 0, []
    for picked in picks:
        rows = np.array(picked.rows)
        now = logits[start : start + len(rows)]
        start += len(rows)
        if picked.cell == OUTSIDE:
            found += _differing_outside(outcomes, m, rows, now)
            continue
        said = outcomes.predicted[m, picked.cell, rows]
        p_true, p_said = (kept[m, picked.cell, rows] for kept in (outcomes.p_true, outcomes.p_predicted))
        if outcomes.ranked is None:
            same = _same(now, said, outcomes.labels[rows], p_true, p_said)
        else:
            ranked = outcomes.ranked
            same = _ranked_same(
                now, ranked.ranks[m, picked.cell, rows], ranked.items[rows], p_true, p_said, ranked.ranking.at
            )
        if outcomes.alerts is not None and outcomes.scores is not None:
            scores = outcomes.scores[m, picked.cell, rows]
            again = scores_of(now, outcomes.classes.index(outcomes.alerts.class_name))
            apart = np.abs(scores.astype(np.float64) - again)
            same &= (apart <= SCORE_TOLERANCE * again * (1.0 - again) + _SCORE_ROUNDING) | (
                np.isnan(scores) & np.isnan(again)
            )
        corruption, severity = outcomes.addresses[picked.cell]
        found += [f"{outcomes.sample_ids[row]} under {corruption} at severity {severity}" for row in rows[~same]]
    return found


def _differing_outside(outcomes: Outcomes, m: int, rows: NDArray[np.int64], logits: NDArray[np.float32]) -> list[str]:
    assert outcomes.out_of_scope is not None  # `of_another_suite` has seen it
    said, again = outcomes.out_of_scope[m, rows], confidences(logits)
    same = (np.abs(said - again) <= TOLERANCE) | (np.isnan(said) & np.isnan(again))
    return [f"sample {row} out of scope" for row in rows[~same].tolist()]


def differing_remains(manifest: SuiteManifest, outcomes: Outcomes, get: Get, workers: int = 1) -> str:
    """The first cell whose destroyed samples are not those that its frozen samples give; empty where there is none.

    All of them, because what is left out is not judged: no model can be asked about it.

    Raises:
        StoreError: not the samples that were frozen.
    """
    assert outcomes.destroyed is not None  # who asks has seen that the outcomes know it

    remains = modality(manifest.modality).corruptions.remains

    def again(cell: SuiteCell) -> NDArray[np.uint8]:
        return np.concatenate([remains(cell.corruption, *pair) for pair in manifest.pairs(cell, get)])

    found = dict(zip(outcomes.addresses, outcomes.destroyed, strict=True))
    corrupted = [cell for cell in manifest.cells if cell.severity]
    with ThreadPoolExecutor(workers) as pool:
        for cell, now in zip(corrupted, pool.map(again, corrupted), strict=True):
            said = found.get((cell.corruption, cell.severity))
            odd = [] if said is None else np.flatnonzero(now != said).tolist()
            if odd:
                first = f"such as {manifest.sample_ids[odd[0]]}"
                return f"{len(odd)} samples under {cell.corruption} at severity {cell.severity}, {first}"
    return ""


def _ranked_same(
    logits: NDArray[np.float32],
    ranks: NDArray[np.int32],
    items: NDArray[np.int32],
    p_true: NDArray[np.float16],
    p_first: NDArray[np.float16],
    at: int,
) -> NDArray[np.bool_]:
    """Row by row; items whose logits are level to the tolerance may have been in any order."""
    shares, finite = probabilities(logits)
    own = logits[np.arange(len(logits)), items][:, None]
    room = ABSOLUTE + RELATIVE * np.abs(own)
    best, worst = 1 + (logits > own + room).sum(axis=1), (logits >= own - room).sum(axis=1)
    close = np.abs(shares[np.arange(len(logits)), items] - p_true) <= TOLERANCE
    close &= np.abs(first_shares(shares, at) - p_first) <= TOLERANCE
    same: NDArray[np.bool_] = np.where(finite, close & (best <= ranks) & (ranks <= worst), ranks == UNRANKED)
    return same


def _same(
    logits: NDArray[np.float32],
    said: NDArray[np.int16],
    labels: NDArray[np.int16],
    p_true: NDArray[np.float16],
    p_said: NDArray[np.float16],
) -> NDArray[np.bool_]:
    """Row by row; where two classes are level to the tolerance, either of them may have been said."""
    shares, finite = probabilities(logits)
    rows, named = np.arange(len(logits)), np.maximum(said, 0)
    close = np.abs(shares[rows, named] - p_said) <= TOLERANCE
    close &= np.abs(shares[rows, labels] - p_true) <= TOLERANCE
    close &= shares.max(axis=1) - shares[rows, named] <= TOLERANCE
    same: NDArray[np.bool_] = np.where(finite, close & (said != NOT_A_NUMBER), said == NOT_A_NUMBER)
    return same
