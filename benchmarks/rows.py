"""Rows: time and memory of writing an augmented epoch of a million payments, and the rate beside imbalanced-learn's.

    python benchmarks/rows.py offline
    PYTHONPATH=tests python benchmarks/rows.py payments
    python benchmarks/rows.py rate

All write into benchmarks/rows.json. The payments of `offline` and `rate` are invented: a million with 18 columns, two
of them categories, one in a hundred a fraud, columns that go together, and values missing in three of them. `offline`
writes one epoch for the shipped policies and for each transform alone, from a population in memory, through offline
delivery; memory is what the process itself holds (RssAnon), sampled twenty times a second. `payments` does so for the
shipped policies on the fraud detection handbook's payments (tests/support/fraud.py). They are 872,795 in all, April to
June 2018: the million is made up by some of them, drawn at random, with the noise that `Jitter` has by default. `rate`
makes 100,000 new frauds by `Smote` and by imbalanced-learn's SMOTENC in turn, from the same rows without missing
values, which SMOTENC does not take; looking for neighbours is part of both.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.data.payload import ArrayPayload
from augment_ops.data.store import Store
from augment_ops.delivery.offline import materialise
from augment_ops.modalities import modality
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.policy.spec import Policy

HERE = Path(__file__).parent
SHIPPED = ("transactions-robust", "transactions-borderline")
TABULAR = modality("tabular")
ROWS, FRAUDS, NEW, TIMES = 1_000_000, 10_000, 100_000, 3
COLUMNS = ("amount", *(f"average {i}" for i in range(6)), *(f"risk {i}" for i in range(3)))
COUNTS = tuple(f"count {i}" for i in range(6))
CATEGORIES = {"channel": ("chip", "online", "stripe", "transfer"), "trade": tuple("abcdefghijklmnopqrst")}
SCHEMA = TableSchema(
    (
        *(TableColumn(name=name, kind="number") for name in COLUMNS),
        *(TableColumn(name=name, kind="number", whole=True) for name in COUNTS),
        *(TableColumn(name=name, kind="category", categories=texts) for name, texts in CATEGORIES.items()),
    )
)
HEAD = """
name: rows
version: 1.0.0
modality: tabular
domain: tabular
owner: benchmarks
description: One transform alone.
budget: {p95_ms: 1.0, at: [18]}
transforms: """
STEPS = {
    "Jitter": "[Jitter: {p: 1.0}]",
    "Smote": "[Smote: {p: 1.0}]",
    "BorderlineSmote": "[BorderlineSmote: {p: 1.0}]",
    "RowMix": "[RowMix: {p: 1.0, sampling_strategy: all}]",
    "ConditionalBootstrap": "[ConditionalBootstrap: {columns: [average 1, count 1, count 2], given: amount, p: 1.0, sampling_strategy: all}]",  # noqa: E501
    "GaussianCopula": "[GaussianCopula: {p: 1.0, sampling_strategy: all}]",
}


@dataclass(frozen=True)
class Payments:
    """See `augment_ops.modalities.base.Population`."""

    payload: ArrayPayload
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    schema: Any
    classes: tuple[str, ...] = ("genuine", "fraud")


def payments(*, gaps: bool) -> Payments:
    draw = np.random.default_rng(7)
    labels = np.zeros(ROWS, np.int64)
    labels[draw.choice(ROWS, FRAUDS, replace=False)] = 1
    habits = draw.normal(size=(ROWS, 5)) + labels[:, None] * draw.normal(size=5)
    scores = habits @ draw.normal(size=(5, len(SCHEMA))) / 2
    for column in range(len(SCHEMA)):
        scores[:, column] += draw.normal(size=ROWS)
    rows = np.exp(scores)
    counted = len(COLUMNS) + len(COUNTS)
    rows[:, len(COLUMNS) : counted] = np.rint(3 * rows[:, len(COLUMNS) : counted])
    for place, texts in enumerate(CATEGORIES.values(), counted):
        rows[:, place] = np.floor(len(texts) / (1 + np.exp(-scores[:, place])))
    if gaps:
        rows[:, len(COLUMNS) - 3 : len(COLUMNS)][draw.random((ROWS, 3)) < 0.2] = np.nan
    ids = tuple(f"payment-{i:07d}" for i in range(ROWS))
    return Payments(ArrayPayload(rows), labels, ids, SCHEMA.content())


def main(what: str) -> None:
    found = {"offline": offline, "payments": handbook, "rate": rate}[what]()
    path = HERE / "rows.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    path.write_text(json.dumps({**kept, what: {"machine": machine, **found}}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def offline() -> dict[str, Any]:
    there = payments(gaps=True)
    policies = shipped() | {name: Policy.from_text(HEAD + steps) for name, steps in STEPS.items()}
    return measured(there, policies)


def handbook() -> dict[str, Any]:
    from support import fraud

    table = fraud.transactions(every=1)
    labels, ids = table["TX_FRAUD"].to_numpy(np.int64), tuple(table["TRANSACTION_ID"])
    left_out = [part for role in fraud.ROLES.split(",") for part in role.split("=")[1].split(";")]
    table = table.drop(columns=left_out)
    columns = []
    for name, values in table.items():
        if values.dtype.kind in "if":
            columns.append(TableColumn(name=str(name), kind="number", whole=values.dtype.kind == "i"))
        else:
            texts = tuple(sorted(values.unique()))
            columns.append(TableColumn(name=str(name), kind="category", categories=texts))
            table[name] = values.map(texts.index)
    there = Payments(ArrayPayload(table.to_numpy(np.float64)), labels, ids, TableSchema(tuple(columns)).content())
    again = np.random.default_rng(7).choice(len(ids), ROWS - len(ids), replace=False)
    jitter = TABULAR.augmenter(Policy.from_text(HEAD + STEPS["Jitter"]), 7, there)
    made = jitter(there.payload.take(again), [ids[row] for row in again])
    whole = Payments(
        ArrayPayload(np.concatenate([there.payload.take(np.arange(len(ids))), made])),
        np.concatenate([labels, labels[again]]),
        (*ids, *(f"{ids[row]} again" for row in again)),
        there.schema,
    )
    return {"jittered": len(again)} | measured(whole, shipped())


def shipped() -> dict[str, Policy]:
    return {name: Policy.load(HERE.parent / "policies" / "augment" / f"{name}.yaml") for name in SHIPPED}


def measured(there: Payments, policies: Mapping[str, Policy]) -> dict[str, Any]:
    rows, columns = len(there.labels), there.payload.shape[0]
    return {"rows": rows, "columns": columns, "frauds": int(there.labels.sum())} | {
        name: written(there, policy) for name, policy in policies.items()
    }


def written(there: Payments, policy: Policy) -> dict[str, float]:
    """What it takes from a population to a shard: hashing ids, looking for neighbours, augmenting, writing."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            status = Path("/proc/self/status").read_text()
            peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))

    with tempfile.TemporaryDirectory() as folder:
        watcher = threading.Thread(target=watch)
        watcher.start()
        wall, cpu = time.perf_counter(), time.process_time()
        augmenter = TABULAR.augmenter(policy, 7, there)
        manifest = materialise(
            Store(folder), there.payload, there.ids, augmenter, snapshot_digest="0" * 64, split="train", epochs=1
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        done.set()
        watcher.join()
    found = {
        "wall_s": round(wall, 1),
        "processor_s": round(cpu, 1),
        "augment_s": round(sum(manifest.augment_s), 1),
        "peak_anonymous_mb": round(peak[0] / 1024),
    }
    print(policy.name, found, flush=True)
    return found


def rate() -> dict[str, Any]:
    """Turn and turn about; the best of each, so that what else the machine does counts least."""
    there = payments(gaps=False)
    rows, labels = there.payload.take(np.arange(ROWS)), there.labels
    wall: dict[str, list[float]] = {"Smote": [], "SMOTENC": []}
    processor: dict[str, list[float]] = {"Smote": [], "SMOTENC": []}
    for _ in range(TIMES):
        made = {}
        for name, make in {"Smote": lambda: smote(there), "SMOTENC": lambda: smotenc(rows, labels)}.items():
            started, cpu = time.perf_counter(), time.process_time()
            made[name] = make()
            wall[name].append(round(time.perf_counter() - started, 2))
            processor[name].append(round(time.process_time() - cpu, 2))
        print(wall, processor, flush=True)
    frauds = rows[labels == 1]
    return {
        "rows": ROWS,
        "columns": len(SCHEMA),
        "frauds": FRAUDS,
        "new": {name: len(new) for name, new in made.items()},
        "wall_s": wall,
        "processor_s": processor,
        "times_as_fast": round(min(wall["SMOTENC"]) / min(wall["Smote"]), 1),
        "times_less_work": round(min(processor["SMOTENC"]) / min(processor["Smote"]), 1),
        "categories_apart": {name: apart(new, frauds) for name, new in made.items()},
    }


def apart(some: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, float]:
    """Total variation distance of the shares of the categories, by column: 0 where they are the same, 1 at most."""
    found = {}
    for place, (name, texts) in enumerate(CATEGORIES.items(), len(COLUMNS) + len(COUNTS)):
        shares = [np.bincount(rows[:, place].astype(int), minlength=len(texts)) / len(rows) for rows in (some, others)]
        found[name] = round(float(np.abs(shares[0] - shares[1]).sum() / 2), 3)
    return found


def smote(there: Payments) -> NDArray[np.float64]:
    augmenter = TABULAR.augmenter(Policy.from_text(HEAD + STEPS["Smote"]), 7, there)
    frauds = np.flatnonzero(there.labels == 1)
    rows, ids = there.payload.take(frauds), [there.ids[row] for row in frauds]
    return np.concatenate([augmenter(rows, ids, epoch) for epoch in range(NEW // FRAUDS)])


def smotenc(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    from imblearn.over_sampling import SMOTENC

    makes = SMOTENC(
        categorical_features=np.flatnonzero(~SCHEMA.is_number).tolist(),
        sampling_strategy={1: FRAUDS + NEW},
        k_neighbors=5,
        random_state=7,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new: NDArray[np.float64] = makes.fit_resample(rows, labels)[0][ROWS:]
    return new


if __name__ == "__main__":
    main(sys.argv[1])
