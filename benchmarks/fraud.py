"""Card transactions: what a policy does to a model that looks for frauds, beside the same training without it.

    PYTHONPATH=tests python benchmarks/fraud.py screen [NAME ...]
    PYTHONPATH=tests python benchmarks/fraud.py effect NAME|policies/augment/NAME.yaml [SEED ...]

The data are the fraud detection handbook's (chapter 3; tests/support/fraud.py makes features of them): every payment of
April and May 2018 but for the newest tenth is learnt from, June is tested on. Candidate and control are trained with
each seed as a run does, both with balanced class weights; the candidate sees, beside the rows, what the policy makes
anew of them, once or COPIES times. Measured are average precision, recall at 1% alerts, and, at the threshold under
which 1% of the validation split lies above, recall, precision and the share of alerts that June then has. `screen`
measures each of `CANDIDATES`, or those that are named, with one seed: which of them is worth more seeds is to be told
by `validation`, the average precision on the newest tenth of May, and not by June. Writes into benchmarks/fraud.json.
With EVERY=3 in the environment every third payment alone is read; below 200,000 rows to learn from, scikit-learn's
trees draw nothing, so that the control is the same with every seed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.online import OnlineBatches
from augment_ops.modalities import modality
from augment_ops.policy.spec import Policy
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.stress.ordering import average_precision
from augment_ops.stress.outcomes import scores_of
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.declared import fitted
from support import fraud

HERE = Path(__file__).parent
TABLE = modality("tabular")
BATCH, RATE, SEEDS = 4096, 0.01, (7, 8, 9, 10, 11)
EVERY = int(os.environ.get("EVERY", "1"))  # every so-many-th payment
COPIES = int(os.environ.get("COPIES", "1"))
_OF_CUSTOMER = "[CUSTOMER_COUNT_1D, CUSTOMER_AMOUNT_1D, CUSTOMER_COUNT_7D, CUSTOMER_AMOUNT_7D, CUSTOMER_COUNT_30D, CUSTOMER_AMOUNT_30D]"  # noqa: E501
CANDIDATES = {
    "Smote": "Smote: {p: 1.0}",
    "Smote of some": "Smote: {p: 0.3}",
    "BorderlineSmote": "BorderlineSmote: {p: 1.0}",
    "RowMix": "RowMix: {p: 1.0}",
    "ConditionalBootstrap": f"ConditionalBootstrap: {{columns: {_OF_CUSTOMER}, given: TX_AMOUNT, p: 1.0}}",
    "GaussianCopula": "GaussianCopula: {p: 1.0}",
    "Jitter of all": "Jitter: {std_range: [0.02, 0.1], p: 1.0}",
    "Jitter of frauds": "Jitter: {std_range: [0.02, 0.1], sampling_strategy: not majority, p: 1.0}",
}
HEAD = """
version: 1.0.0
modality: tabular
domain: tabular
owner: benchmarks
description: One transform.
budget: {p95_ms: 1.0, at: [12]}
"""


def main(policies: Mapping[str, Policy], seeds: Sequence[int]) -> None:
    """Train and measure with each seed; what was measured before is not trained again."""
    path = HERE / "fraud.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    kept = document.setdefault(f"every {EVERY}", {})
    with tempfile.TemporaryDirectory() as home:
        snapshot = transactions(Path(home))
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        kept["about"] = {"machine": machine, "rows": snapshot.manifest.counts, "alert_rate": RATE}
        for seed in seeds:
            for name, policy in {"control": None, **policies}.items():
                found = kept.setdefault(name, {})
                if str(seed) not in found:
                    found[str(seed)] = measured(snapshot, seed, policy)
                    path.write_text(json.dumps(document, indent=1) + "\n")
                    print(name, seed, found[str(seed)], flush=True)
    for name in policies:
        for measure, found in compared(kept["control"], kept[name]).items():
            print(name, measure, found)


def named(name: str) -> tuple[str, Policy]:
    """A candidate or the policy of a file, and what it is called among the results."""
    if name in CANDIDATES:
        steps = f"name: {name.lower().replace(' ', '-')}{HEAD}transforms: [{CANDIDATES[name]}]"
        called, policy = name, Policy.from_text(steps)
    else:
        policy = Policy.load(name)
        called = f"{policy.name} {policy.version}"
    return (called if COPIES == 1 else f"{called}, {COPIES} copies"), policy


def transactions(home: Path) -> Snapshot:
    """The snapshot of the payments."""
    path, store = home / "transactions.parquet", Store(str(home / "store"))
    fraud.transactions(every=EVERY).to_parquet(path, index=False)
    return Snapshot.open(store, ingest(str(path), store, modality="tabular", columns=fraud.ROLES).digest)


def measured(snapshot: Snapshot, seed: int, policy: Policy | None) -> dict[str, float]:
    """What a model trained so finds of June's frauds."""
    train, validation, test = (snapshot.split(name) for name in ("train", "validation", "test"))
    augmenter = None if policy is None else TABLE.augmenter(policy, seed, train)
    source = OnlineBatches(train.payload, train.labels, train.ids, augmenter, seed=seed, batch_size=BATCH, workers=0)
    task = Task(
        modality="tabular",
        classes=snapshot.manifest.classes,
        train=Labelled(train.payload, train.labels),
        validation=Labelled(validation.payload, validation.labels),
        augmented=policy is not None,
        categorical=TABLE.categorical(snapshot.manifest.schema, snapshot.manifest.sample_shape),
        class_weight="balanced",
    )
    try:
        trained = fitted(trainer(TABLE.trainer), task, source, Budget(COPIES, BATCH, seed), "cpu")
    finally:
        source.close()
    wanted = snapshot.manifest.classes.index("1")
    with load(Artifact(trained.artifact, trained.digest, "benchmark", trained.format)) as model:
        before, scores = (
            scores_of(model(part.payload.take(np.arange(len(part.labels)))), wanted) for part in (validation, test)
        )
    of_validation = round(average_precision(validation.labels == wanted, before), 5)
    return {"validation": of_validation} | judged(scores, test.labels == wanted, float(np.quantile(before, 1 - RATE)))


def judged(scores: NDArray[np.float32], frauds: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    """Order of June's scores, and what is above a threshold that was chosen before."""
    first = np.argsort(-scores, kind="stable")[: int(RATE * len(scores))]
    above = scores > threshold
    return {
        "average_precision": round(average_precision(frauds, scores), 5),
        "recall_at_alerts": round(float(frauds[first].sum() / frauds.sum()), 5),
        "alerts_above_threshold": round(float(above.mean()), 5),
        "recall_above_threshold": round(float(frauds[above].sum() / frauds.sum()), 5),
        "precision_above_threshold": round(float(frauds[above].mean()), 5),
    }


def compared(control: dict[str, dict[str, float]], candidate: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Means of both, and their difference with its 95% interval over seeds (Student's t)."""
    from scipy.stats import t

    seeds = sorted(candidate)
    found: dict[str, Any] = {}
    for name in candidate[seeds[0]]:
        ours, theirs = (np.array([of[seed][name] for seed in seeds]) for of in (candidate, control))
        gains = ours - theirs
        half = float(t.ppf(0.975, len(seeds) - 1) * gains.std(ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else None
        found[name] = {
            "control": round(float(theirs.mean()), 4),
            "candidate": round(float(ours.mean()), 4),
            "gain": round(float(gains.mean()), 4),
            "half_width": None if half is None else round(half, 4),
            "seeds_better": f"{int((gains > 0).sum())} of {len(seeds)}",
        }
    return found


if __name__ == "__main__":
    what, *asked = sys.argv[1:]
    if what == "screen":
        main(dict(map(named, asked or CANDIDATES)), SEEDS[:1])
    else:
        main(dict([named(asked[0])]), tuple(map(int, asked[1:])) or SEEDS)
