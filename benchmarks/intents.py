"""Texts: how fast questions are augmented, and what the shipped policy does to a model of intents.

    python benchmarks/intents.py speed FOLDER
    python benchmarks/intents.py effect FOLDER [number of seeds]
    python benchmarks/intents.py out_of_scope FOLDER [number of seeds]

FOLDER is banking77's: train.csv and test.csv of `text,category` (Casanueva et al. 2020, arXiv:2003.04807, CC BY 4.0).
All write into benchmarks/intents.json, after each seed, and what such a machine measured there already, with as many
epochs, is not trained again. `speed` augments 100,000 questions in one thread. `effect` trains candidate and control
with each seed as a run does, and measures both on every cell of the suite `intents`. `out_of_scope` trains both without
every seventh intent in the order of their names, and asks how sure they are of its questions: they are of the same
bank, and so as hard to tell as such questions come.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augment_ops.data.ingest import ingest
from augment_ops.data.payload import ArrayPayload
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.files import replace_file
from augment_ops.modalities import modality
from augment_ops.modalities.corruptions import SEVERITIES
from augment_ops.policy.spec import Policy
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.stress.out_of_scope import accepting, area, levels
from augment_ops.stress.outcomes import confidences
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.declared import fitted

HERE = Path(__file__).parent
RESULTS = HERE / "intents.json"
MACHINE = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
POLICY = Policy.load(HERE.parent / "policies" / "augment" / "intents-robust.yaml")
TEXT = modality("text")
QUESTIONS, EPOCHS, BATCH = 100_000, 8, 64


def main(what: str, folder: str, seeds: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        store, columns = Store(home), "label=category"
        if what == "out_of_scope":
            folder, columns = apart(Path(folder), Path(home)), "label=category,split=part"
        snapshot = Snapshot.open(store, ingest(folder, store, modality="text", text_columns=columns).digest)
        for found in [speed(snapshot)] if what == "speed" else effect(snapshot, seeds, what):
            kept = {**results(), what: {"machine": MACHINE, **found}}
            replace_file(RESULTS, json.dumps(kept, indent=1) + "\n")
    print(json.dumps(results()[what], indent=1))


def results() -> dict[str, Any]:
    """What was measured so far."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def part(snapshot: Snapshot, split: str) -> tuple[Labelled, tuple[str, ...]]:
    index = snapshot.index
    chosen = index[(index["split"] == split) & (index["row"] >= 0)]
    texts = snapshot.payload.take(chosen["row"].to_numpy(np.int64))
    return Labelled(ArrayPayload(texts), chosen["label"].to_numpy(np.int64)), tuple(chosen["sample_id"])


def speed(snapshot: Snapshot) -> dict[str, Any]:
    train, _ = part(snapshot, "train")
    texts = train.samples.take(np.arange(QUESTIONS) % len(train.labels))
    ids = SampleIds.of(np.arange(QUESTIONS))
    augment = TEXT.augmenter(POLICY, 7)
    augment(texts[:100], ids[np.arange(100)])  # loads what is loaded once
    wall, cpu = time.perf_counter(), time.process_time()
    augment(texts, ids)
    return {
        "questions": QUESTIONS,
        "wall_s": round(time.perf_counter() - wall, 2),
        "processor_s": round(time.process_time() - cpu, 2),
    }


def apart(folder: Path, home: Path) -> str:
    """One table in which every seventh intent is no class, and nothing is learnt of its questions."""
    parts = [pd.read_csv(folder / f"{name}.csv").assign(part=name) for name in ("train", "test")]
    table = pd.concat(parts, ignore_index=True)
    table.loc[table["category"].isin(sorted(table["category"].unique())[::7]), "part"] = "out-of-scope"
    table.to_csv(home / "banking.csv", index=False)
    return str(home / "banking.csv")


def effect(snapshot: Snapshot, seeds: int, what: str) -> Iterator[dict[str, Any]]:
    """What was found so far, after each seed."""
    kept = results().get(what, {})
    if (kept.get("epochs"), kept.get("machine")) != (EPOCHS, MACHINE):
        kept = {}  # the seeds of one measurement are of one kind
    found: dict[str, dict[str, list[float]]] = {role: kept.get(role, {}) for role in ("candidate", "control")}
    measure = measured if what == "effect" else separated
    levels_of = {"severities": list(SEVERITIES[:3])} if what == "effect" else {}
    for number in range(seeds):
        for role, measures in found.items():
            if any(len(values) > number for values in measures.values()):
                continue
            artifact = trained(snapshot, 7 + number, augmented=role == "candidate")
            for name, value in measure(snapshot, artifact).items():
                measures.setdefault(name, []).append(round(float(value), 4))
            print(7 + number, role, {name: values[-1] for name, values in measures.items()}, flush=True)
        done = min(len(values) for measures in found.values() for values in measures.values())
        yield {"epochs": EPOCHS, **levels_of, "seeds": done, **found}


def trained(snapshot: Snapshot, seed: int, *, augmented: bool) -> Artifact:
    train, ids = part(snapshot, "train")
    validation, _ = part(snapshot, "validation")
    augmenter = TEXT.augmenter(POLICY, seed) if augmented else None
    source = OnlineBatches(train.samples, train.labels, ids, augmenter, seed=seed, batch_size=BATCH, workers=0)
    task = Task(
        modality="text", classes=snapshot.manifest.classes, train=train, validation=validation, augmented=augmented
    )
    try:
        found = fitted(trainer(TEXT.trainer), task, source, Budget(EPOCHS, BATCH, seed), "cpu")
    finally:
        source.close()
    return Artifact(found.artifact, found.digest, "benchmark", found.format)


def separated(snapshot: Snapshot, artifact: Artifact) -> dict[str, float]:
    """How well the largest probability tells questions of no intent, and how many are accepted where 95% are."""
    test, _ = part(snapshot, "test")
    _, outside = snapshot.out_of_scope()
    with load(artifact) as model:
        logits = model(test.samples.take(np.arange(len(test.labels))))
        sure, of_none = confidences(logits), confidences(model(outside.take(np.arange(len(outside)))))
    return {
        "clean": float((logits.argmax(1) == test.labels).mean()),
        "area": area(*levels(sure, of_none)),
        "accepted": float((of_none >= accepting(sure)).mean()),
        "asked": len(of_none),
    }


def measured(snapshot: Snapshot, artifact: Artifact) -> dict[str, float]:
    """Accuracy on clean questions, on those of each corruption at severities 1 to 3, and the mean recall of the fifth
    of intents that is found worst.
    """
    test, test_ids = part(snapshot, "test")
    clean = test.samples.take(np.arange(len(test.labels)))
    corrupt = TEXT.corruptions.bound([], None, ())
    with load(artifact) as model:
        found = model(clean).argmax(1) == test.labels
        recalls = np.sort(np.bincount(test.labels, found) / np.bincount(test.labels))
        stressed = {
            name: np.mean(
                [model(corrupt(name, level, clean, test_ids)).argmax(1) == test.labels for level in (1, 2, 3)]
            )
            for name in TEXT.corruptions.names
        }
    return {"clean": float(found.mean()), **stressed, "tail": float(recalls[: len(recalls) // 5].mean())}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 3)
