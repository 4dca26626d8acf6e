"""Does the gate fall for a placebo? Digits, brightness and contrast within 1%, against no augmentation.

    python benchmarks/placebo.py 7 8 9 10

For each seed trains both models as the pipeline does, and asks the gate's own comparison whether the policy
has an effect on mean stressed accuracy: at a minimal gain of 0 (what the bootstrap alone says) and at the gate's.
Adds to benchmarks/placebo.json, and prints the table of the seeds that are named, measured now or before. The nominal
rate is 2.5%, one-sided.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.online import OnlineBatches
from augment_ops.gate import rules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import Bootstrap
from augment_ops.modalities import modality
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.policy.spec import Policy
from augment_ops.stress import suite
from augment_ops.stress.outcomes import Outcomes
from augment_ops.training import loop
from augment_ops.training.base import Budget, Labelled

HERE = Path(__file__).parent
POLICIES = HERE.parent / "policies"
EPOCHS, BATCH = 40, 64  # what the pipeline chooses for the digits
PLACEBO = """name: placebo
version: 1.0.0
modality: image
domain: general
owner: vision-platform
description: Within 2.5 grey levels of the original.
limitations: []
discovered_by: null
budget: {p95_ms: 1.0, at: [8, 8, 1]}
transforms:
  - RandomBrightnessContrast: {brightness_limit: 0.01, contrast_limit: 0.01, p: 1.0}
"""


def main(seeds: list[int]) -> None:
    path = HERE / "placebo.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        snapshot = Snapshot.open(store, ingest("digits", store).digest)
        for seed in (seed for seed in seeds if str(seed) not in rows):
            rows[str(seed)] = _measure(snapshot, seed)
            path.write_text(json.dumps(rows) + "\n")
    _show({str(seed): rows[str(seed)] for seed in seeds})


def _measure(snapshot: Snapshot, seed: int) -> dict[str, float]:
    gate = rules.load(POLICIES / "gates" / "default.yaml")
    assert gate.control is not None
    held_out = snapshot.split("test")
    images = held_out.take(range(len(held_out)))
    cells = list(suite.build(suite.load(POLICIES / "stress" / "invariances.yaml"), images, held_out.ids))
    predicted = np.stack([_answers(_train(snapshot, seed, text), cells) for text in (PLACEBO, None)])
    certain = np.ones(predicted.shape, np.float16)
    outcomes = Outcomes(
        suite_digest="0" * 64,
        models={"candidate": "a" * 64, "control": "b" * 64},
        addresses=tuple((c, s) for c, s, _ in cells),
        classes=snapshot.manifest.classes,
        sample_ids=held_out.ids,
        labels=held_out.labels.astype(np.int16),
        predicted=predicted,
        p_true=certain,
        p_predicted=certain,
    )
    key = Bootstrap(f"placebo {seed}", gate.statistics.confidence, gate.statistics.resamples)
    corruptions = gate.invariance.corruptions
    samples = VerifiedOutcomes(outcomes, key, dict.fromkeys(corruptions, gate.invariance.severities))
    luck = samples.loss("control", corruptions, 0.0)
    asked = samples.loss("control", corruptions, -gate.control.min_gain)
    hits, cells_of = samples.hits("control", corruptions)
    return {
        "gain": -luck.value,
        "low": -luck.high,
        "high": -luck.low,
        "p_any_gain": luck.p_safe,
        "p_min_gain": asked.p_safe,
        "control_cells_right": hits.tolist(),
        "cells": int(cells_of[0]),
    }


def _train(snapshot: Snapshot, seed: int, text: str | None) -> torch.nn.Module:
    train, validation = snapshot.split("train"), snapshot.split("validation")
    augmenter = None if text is None else Augmenter(Policy.from_text(text, "placebo"), seed)
    model = loop.build(
        small_cnn, modality("image"), train.payload.take(np.arange(0)), len(snapshot.manifest.classes), seed
    )
    source = OnlineBatches(train.payload, train.labels, train.ids, augmenter, seed=seed, batch_size=BATCH, workers=0)
    steps = len(batch_rows(seed, 0, len(train.labels), BATCH))
    budget = Budget(EPOCHS, BATCH, seed)
    loop.train(model, source, Labelled(validation.payload, validation.labels), budget, steps, lambda _: None)
    source.close()
    return model.eval()


def _answers(model: torch.nn.Module, cells: list) -> np.ndarray:
    with torch.inference_mode():
        found = [model(torch.from_numpy(np.array(images))).argmax(dim=1).numpy() for *_, images in cells]
    return np.array(found, np.int16)


def _show(rows: dict) -> None:
    n, gate = len(rows), rules.load(POLICIES / "gates" / "default.yaml")
    level, least = gate.statistics.alpha, gate.control.min_gain
    wins = [sum(row[name] <= level for row in rows.values()) for name in ("p_any_gain", "p_min_gain")]
    gains = 100 * np.array([row["gain"] for row in rows.values()])
    print(f"placebo, {n} seeds: gain {gains.mean():+.2f} points on average, {gains.min():+.2f} to {gains.max():+.2f}")
    print(f"  wins at any gain {wins[0]} of {n}, at {100 * least:.0f} points {wins[1]} of {n}; nominal {level:.1%}")
    # The harder null: no policy at all, and another seed. Every ordered pair of controls is a candidate and a control.
    hits = [np.array(row["control_cells_right"]) / row["cells"] for row in rows.values()]
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    apart = [float((hits[i] - hits[j]).mean()) for i, j in pairs]
    print(f"training again, {len(pairs)} pairs: {100 * np.sqrt(np.mean(np.square(apart))):.2f} points apart (rms)")
    for gain in (0.0, 0.03, least):
        shown = [Bootstrap(f"{i} {j}", 0.95, 10_000).mean("again", hits[j] - hits[i], -gain).p_safe for i, j in pairs]
        won = sum(p <= level for p in shown)
        print(f"  wins at {100 * gain:.0f} points: {won} of {len(pairs)} ({won / len(pairs):.1%})")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]])
