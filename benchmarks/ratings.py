"""Interactions: what policies do to a model of what comes next, beside popularity and item-kNN.

    python benchmarks/ratings.py RATINGS [number of seeds] [policy file]…

RATINGS is ratings.csv of MovieLens (Harper & Konstan 2015, doi 10.1145/2827872): userId,movieId,rating,timestamp. It
trains a model without augmentation and one with each policy (by default the one that ships), with each seed as a run
does, and measures them on 4,000 interactions after the moment up to which they learn, into benchmarks/ratings.json.
What is measured there already is not trained again.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.ingest import ingest
from augment_ops.data.payload import ArrayPayload
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.online import OnlineBatches
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.histories import ITEM
from augment_ops.policy.spec import Policy
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.stress.ranking import Ranking, first_of, gains, gini, ranks
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.declared import fitted

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "policies" / "augment" / "ratings-robust.yaml"
KIND = modality("interactions")
COLUMNS = "user=userId,item=movieId,time=timestamp"
EPOCHS, BATCH, TESTED, AT_ONCE = 3, 64, 4_000, 500
RANKING = Ranking(at=10, bands=(("tail", 0), ("middle", 10), ("head", 50)))
NEW = 5  # a user of whom fewer interactions are known

Scores = Callable[[NDArray[np.int32]], NDArray[np.float32]]


def main(path: str, seeds: int, policies: list[str]) -> None:
    chosen = {Path(one).stem: Policy.load(one) for one in policies or [str(SHIPPED)]}
    with tempfile.TemporaryDirectory() as home:
        store = Store(home)
        asked = {"interaction_columns": COLUMNS, "interaction_history": 32, "interaction_split": "time"}
        snapshot = Snapshot.open(store, ingest(path, store, modality="interactions", name="ratings", **asked).digest)
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        head = {"machine": machine, "epochs": EPOCHS, "batch": BATCH, "tested": TESTED}
        kept = HERE / "ratings.json"
        found: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {"models": {}}
        found |= {**head, "baselines": baselines(snapshot)}
        print(json.dumps(found["baselines"], indent=1), flush=True)
        for number in range(seeds):
            for name, policy in {"control": None, **chosen}.items():
                measures = found["models"].setdefault(name, {})
                if any(len(values) > number for values in measures.values()):
                    continue
                told = trained(snapshot, 7 + number, policy)
                print(7 + number, name, told, flush=True)
                for measure, value in told.items():
                    measures.setdefault(measure, []).append(value)
                kept.write_text(json.dumps(found, indent=1) + "\n")


def frequency(snapshot: Snapshot) -> NDArray[np.int64]:
    return np.bincount(snapshot.split("train").labels, minlength=len(snapshot.manifest.classes))


def measured(snapshot: Snapshot, scores: Scores) -> dict[str, float]:
    """Recall and NDCG at 10 of all, of bands of items and of new users; and how popular what is recommended is."""
    test, often = snapshot.split("test"), frequency(snapshot)
    rows = np.sort(np.random.default_rng(0).permutation(len(test.labels))[:TESTED])
    histories, labels = test.payload.take(rows), test.labels[rows]
    places, named = [], np.zeros(len(often), np.int64)
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        logits = scores(histories[part])
        places.append(ranks(logits, labels[part]))
        named += np.bincount(first_of(logits, RANKING.at), minlength=len(often))
    place = np.concatenate(places)
    hit, band, known = place <= RANKING.at, RANKING.band_of(often)[labels], (histories[..., ITEM] > 0).sum(axis=1)
    told = {"recall": hit.mean(), "ndcg": gains(place, RANKING.at).mean(), "new_users": hit[known < NEW].mean()}
    told |= {name: hit[band == number].mean() for number, (name, _) in enumerate(RANKING.bands)}
    told |= {"popularity": named @ often / named.sum(), "coverage": (named > 0).mean(), "gini": gini(named)}
    return {name: round(float(value), 4) for name, value in told.items()}


def baselines(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """Popularity, and what the modality has."""
    often = frequency(snapshot).astype(np.float32)
    found = {"popularity": measured(snapshot, lambda some: np.tile(often, (len(some), 1)))}
    return found | {name: measured(snapshot, of) for name, of in KIND.baselines(snapshot.split("train")).items()}


def trained(snapshot: Snapshot, seed: int, policy: Policy | None) -> dict[str, float]:
    train, held = snapshot.split("train"), snapshot.split("validation")
    augmenter = None if policy is None else KIND.augmenter(policy, seed, train)
    samples = train.payload.take(np.arange(len(train.labels)))
    labelled = Labelled(ArrayPayload(samples), train.labels)
    validation = Labelled(ArrayPayload(held.payload.take(np.arange(1_000))), held.labels[:1_000])
    source = OnlineBatches(samples, train.labels, train.ids, augmenter, seed=seed, batch_size=BATCH, workers=0)
    task = Task(
        modality="interactions",
        classes=snapshot.manifest.classes,
        train=labelled,
        validation=validation,
        augmented=policy is not None,
    )
    try:
        found = fitted(trainer(KIND.trainer), task, source, Budget(EPOCHS, BATCH, seed), "cpu")
    finally:
        source.close()
    with load(Artifact(found.artifact, found.digest, "benchmark", found.format)) as model:
        return measured(snapshot, model)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5, sys.argv[3:])
