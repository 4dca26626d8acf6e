"""What models recommend, beside what everybody has: how good it is, how popular, and how much of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.ranking import Ranked, first_of, gains, gini, popular, ranks

POPULARITY = "popularity alone"  # what names everybody the most frequent items of training


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """What recommends without having been trained, on the clean samples.

    Attributes:
        places: int32 (N,), the rank of each sample's item.
        recommended: int64 (K,), how often each item is among the first.
    """

    name: str
    places: NDArray[np.int32]
    recommended: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Recommends:
    """A model on the clean samples.

    Attributes:
        name: its role, or what a baseline is called.
        at: the first items that count.
        recall: share of the samples whose item is among them; ndcg: the same, where earlier places count more.
        bands: recall by band of items, rare ones first; None where a band has no sample.
        popularity: how often what is recommended is in the training split, on average.
        coverage: share of the items that are recommended at all; gini: how unevenly, 0 to 1.
    """

    name: str
    at: int
    recall: float
    ndcg: float
    bands: dict[str, float | None]
    popularity: float
    coverage: float
    gini: float


def recommends(outcomes: Outcomes, baselines: Sequence[Baseline] = ()) -> tuple[Recommends, ...]:
    """Every model, popularity alone, and other baselines; empty where nothing is ranked."""
    ranked = outcomes.ranked
    if ranked is None:
        return ()
    most = np.zeros(len(ranked.frequency), np.int64)
    most[np.argsort(-ranked.frequency, kind="stable")[: ranked.ranking.at]] = 1
    found = [
        _one(role, ranked, outcomes.labels, ranked.ranks[m, 0], ranked.recommended[m])
        for m, role in enumerate(outcomes.models)
    ]
    found.append(_one(POPULARITY, ranked, outcomes.labels, popular(ranked), most))
    found += [_one(of.name, ranked, outcomes.labels, of.places, of.recommended) for of in baselines]
    return tuple(found)


def baseline(
    name: str, ranked: Ranked, batches: Iterable[NDArray[Any]], scores: Callable[[NDArray[Any]], NDArray[np.float32]]
) -> Baseline:
    """What a baseline names for the clean samples.

    Args:
        batches: of all samples, in the order of `ranked.items`.
        scores: samples (n, *shape) to a score of every item (n, K).
    """
    places, recommended = [], np.zeros(len(ranked.frequency), np.int64)
    start = 0
    for samples in batches:
        found, items = scores(samples), ranked.items[start : start + len(samples)].astype(np.int64)
        places.append(ranks(found, items))
        recommended += np.bincount(first_of(found, ranked.ranking.at), minlength=len(recommended))
        start += len(samples)
    return Baseline(name=name, places=np.concatenate(places), recommended=recommended)


def _one(
    name: str, ranked: Ranked, bands: NDArray[np.int16], places: NDArray[np.int32], named: NDArray[np.integer]
) -> Recommends:
    at, hit, all_named = ranked.ranking.at, places <= ranked.ranking.at, int(named.sum())
    of_band = ((band, hit[bands == number]) for number, (band, _) in enumerate(ranked.ranking.bands))
    return Recommends(
        name=name,
        at=at,
        recall=float(hit.mean()),
        ndcg=float(gains(places, at).mean()),
        bands={band: float(some.mean()) if len(some) else None for band, some in of_band},
        popularity=float(named @ ranked.frequency.astype(np.float64) / all_named) if all_named else float("nan"),
        coverage=float((named > 0).mean()),
        gini=gini(named.astype(np.int64)),
    )
