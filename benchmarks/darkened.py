"""Does the gate blame a model for what a corruption destroyed? Candidate and control on darkened Fashion-MNIST.

    python benchmarks/darkened.py path/to/fashion_mnist_images.tar.gz

For a mean level of 96 and for a third of that (`what_is_left.darkened`) trains both as the pipeline does, with
fashion-robust and without augmentation, on the whole range of exposures, asks them about the suite `invariances`, and
lets the default gate judge. Beside its reasons stand those of the rules before this was known, on the same outcomes:
every sample counted. What is no matter of the stress test (quality, cost, drift) is set to be in order. Writes
benchmarks/darkened.json; what stands there is of the first 200 training pictures of each class, given as an .npz.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from what_is_left import MEANS, darkened

from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.payload import ArrayPayload
from augment_ops.data.snapshot import Snapshot, Split
from augment_ops.data.store import Store
from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.online import OnlineBatches
from augment_ops.gate import rules as gates
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision, Evidence
from augment_ops.modalities import modality
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.policy.spec import Policy
from augment_ops.stress import measures, suite
from augment_ops.stress.evaluate import Predict, evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.report import StressReport
from augment_ops.stress.seen import seen_by
from augment_ops.training import loop
from augment_ops.training.base import Budget, Labelled

HERE = Path(__file__).parent
POLICIES = HERE.parent / "policies"
SAMPLES, EPOCHS, BATCH, SEED = 2_000, 10, 64, 7


def main(archive: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        snapshot = Snapshot.open(store, ingest(archive, store, max_samples=SAMPLES).digest)
        splits = [snapshot.split(name) for name in ("train", "validation", "test")]
        found = {f"mean level {mean:.0f}": _judged(store, snapshot, splits, mean) for mean in MEANS}
    (HERE / "darkened.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print(json.dumps(found, indent=1))


def _judged(store: Store, snapshot: Snapshot, splits: list[Split], mean: float) -> dict[str, Any]:
    whole = darkened(
        np.concatenate([split.take(range(len(split))) for split in splits]),
        tuple(i for split in splits for i in split.ids),
        mean,
    )
    ends = np.cumsum([len(split.labels) for split in splits])
    train, validation, test = (
        replace(s, payload=ArrayPayload(part)) for s, part in zip(splits, np.split(whole, ends[:-1]), strict=True)
    )
    policy = Policy.load(POLICIES / "augment" / "fashion-robust.yaml")
    models = {
        "candidate": ("c" * 64, _trained(train, validation, Augmenter(policy, SEED))),
        "control": ("d" * 64, _trained(train, validation, None)),
    }
    spec = suite.load(POLICIES / "stress" / "invariances.yaml")
    frozen = suite.freeze(
        spec,
        test.payload,
        test.ids,
        test.labels,
        store.put,
        snapshot_digest=snapshot.manifest.digest,
        classes=snapshot.manifest.classes,
    )
    report = evaluate(frozen, store.get, store.put, models, None, seen=seen_by(policy), columns={})
    rules = gates.load(POLICIES / "gates" / "default.yaml")
    return {
        "samples": len(test.labels),
        "mean_level": round(float(test.take(range(len(test))).mean()), 1),
        "clean": {c.role: round(c.accuracy, 4) for c in report.cells if not c.severity},
        "destroyed": {
            name: [cell.destroyed_share for s in range(1, 6) if (cell := report.cell("candidate", name, s))]
            for name in report.corruptions
        },
        "gate": _said(decide(rules, _evidence(report), store.get(report.outcomes))),
        "every sample counted": _said(_as_before(rules, report, store)),
    }


def _trained(train: Split, validation: Split, augmenter: Augmenter | None) -> Predict:
    model = loop.build(
        small_cnn, modality("image"), train.payload.take(np.arange(0)), int(train.labels.max()) + 1, SEED
    )
    source = OnlineBatches(train.payload, train.labels, train.ids, augmenter, seed=SEED, batch_size=BATCH, workers=0)
    steps = len(batch_rows(SEED, 0, len(train.labels), BATCH))
    budget = Budget(EPOCHS, BATCH, SEED)
    loop.train(model, source, Labelled(validation.payload, validation.labels), budget, steps, lambda _: None)
    source.close()
    model.eval()

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(np.array(images))).numpy()

    return predict


def _as_before(rules: gates.GateRules, report: StressReport, store: Store) -> Decision:
    outcomes = replace(from_bytes(store.get(report.outcomes), report.outcomes), destroyed=None, causes=())
    data = outcomes.to_bytes()
    told = replace(
        report, cells=measures.cells(outcomes), measures=measures.measures(outcomes), outcomes=sha256_hex(data)
    )
    return decide(rules.model_copy(update={"fitness": None}), _evidence(told), data)


def _evidence(report: StressReport) -> Evidence:
    return Evidence(
        snapshot_digest=report.snapshot_digest,
        policy_digest="f" * 64,
        suite_digest=report.suite_digest,
        candidate_digest="c" * 64,
        control_digest="d" * 64,
        candidate_policy_digest="f" * 64,
        trained_on=dict.fromkeys(("candidate", "control"), report.snapshot_digest),
        data_quality="ok",
        augmented_quality="ok",
        leakage={"held-out-leakage": 0.0},
        stress=report,
        suite_fault="",
        seen=dict(report.seen),
        champion_version=None,
        data_wait_share=0.0,
        augment_p95_ms=0.1,
        budget_p95_ms=1.0,
        drift_status="no-window",
        environment="dev",
        approval="auto",
        documents={"stress_test": "1" * 64},
        software="",
    )


def _said(decision: Decision) -> dict[str, Any]:
    refusing = [r for r in decision.reasons if r.outcome in ("error", "fail", "investigate")]
    said = [f"{r.outcome} {r.rule}: {r.message}" for r in decision.reasons if r in refusing or r.rule == "fitness"]
    return {"verdict": decision.verdict, "reasons": said}


if __name__ == "__main__":
    main(sys.argv[1])
