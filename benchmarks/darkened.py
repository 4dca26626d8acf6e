"""Does the gate blame a model for what a corruption destroyed? Whole pipeline runs on darkened Fashion-MNIST.

    python benchmarks/darkened.py path/to/fashion_mnist_images.tar.gz

For a mean level of 96 and for a third of that (`what_is_left.darkened`) trains candidate and control with
fashion-robust, and asks the default gate. Beside its reasons stand those of the rules before this was known, on the
same outcomes: every sample counted. Writes benchmarks/darkened.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from what_is_left import MEANS, darkened

from augment_ops.content import from_json, sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision, Evidence
from augment_ops.gate.rules import GateRules
from augment_ops.pipeline.replay import find_decision
from augment_ops.settings import Settings
from augment_ops.stress import measures
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.slices import slices

HERE = Path(__file__).parent
SAMPLES, EPOCHS = 6_000, 10


def main(archive: str) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(str(Path(folder) / "clothes"))
        snapshot = Snapshot.open(store, ingest(archive, store, max_samples=SAMPLES).digest)
        for mean in MEANS:
            found[f"mean level {mean:.0f}"] = _run(snapshot, Path(folder), mean)
    (HERE / "darkened.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _run(snapshot: Snapshot, folder: Path, mean: float) -> dict[str, Any]:
    splits = {name: snapshot.split(name) for name in ("train", "validation", "test")}
    images = np.concatenate([split.images for split in splits.values()])
    ids = tuple(name for split in splits.values() for name in split.ids)
    path, run = folder / f"clothes-{mean:.0f}.npz", f"dark-{mean:.0f}"
    np.savez(path, images=darkened(images, ids, mean), labels=np.concatenate([s.labels for s in splits.values()]))
    home = folder / f"home-{mean:.0f}"
    command = [Path(sys.executable).with_name("augment-ops"), "run", "--dataset", path, "--policy", "fashion-robust",
               "--dataset-name", f"clothes-{mean:.0f}", "--epochs", str(EPOCHS), "--run-id", run]  # fmt: skip
    environment = {**os.environ, "AUGMENT_OPS_HOME": str(home)}
    subprocess.run(command, env=environment, check=False)
    store = Store(Settings.from_environment({"AUGMENT_OPS_HOME": str(home)}).store)
    decision = find_decision(store, run)
    rules = GateRules.model_validate_json(store.get(decision.rules_digest))
    evidence = from_json(Evidence, store.get(decision.evidence_digest))
    report = evidence.stress
    assert report is not None
    return {
        "clean": {c.role: round(c.accuracy, 4) for c in report.cells if not c.severity},
        "destroyed": {
            name: [round(cell.destroyed_share, 4) for s in range(1, 6) if (cell := report.cell("candidate", name, s))]
            for name in report.corruptions
        },
        "gate": _said(decision),
        "every sample counted": _said(_as_before(rules, evidence, store)),
    }


def _as_before(rules: GateRules, evidence: Evidence, store: Store) -> Decision:
    report = evidence.stress
    assert report is not None
    outcomes = replace(from_bytes(store.get(report.outcomes), report.outcomes), destroyed=None, causes=())
    data = outcomes.to_bytes()
    report = replace(
        report, cells=measures.cells(outcomes), measures=measures.measures(outcomes), slices=slices(outcomes),
        outcomes=sha256_hex(data),
    )  # fmt: skip
    return decide(rules.model_copy(update={"fitness": None}), replace(evidence, stress=report), data)


def _said(decision: Decision) -> dict[str, Any]:
    refusing = [r for r in decision.reasons if r.outcome in ("error", "fail", "investigate")]
    said = [f"{r.outcome} {r.rule}: {r.message}" for r in decision.reasons if r in refusing or r.rule == "fitness"]
    return {"verdict": decision.verdict, "reasons": said}


if __name__ == "__main__":
    main(sys.argv[1])
