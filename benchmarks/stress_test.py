"""Speed and memory of a stress test: 10,000 Fashion-MNIST images, the 25 corruptions of `general`, three models.

    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz store freeze
    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz store evaluate [cells]
    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz store decide

Each step adds its row to benchmarks/stress_test.json. With a number of cells only the first ones are evaluated, and the
whole is extrapolated. The networks are the pipeline's own with random weights of three
seeds: what they answer takes as long as what trained ones do. Besides wall time, processor time over the number of
cores is given, which is what an idle machine takes at least.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from augment_ops.training.models import small_cnn

from augment_ops.content import canonical_json, from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.gate import rules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import Bootstrap
from augment_ops.runtime.isolated import load_program
from augment_ops.stress import suite
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import SuiteManifest
from augment_ops.training import loop
from augment_ops.training.export import export

HERE = Path(__file__).parent
POLICIES = HERE.parent / "policies"
SEEDS = {"candidate": 7, "control": 8, "champion": 9}


def main(archive: str, place: str, step: str, cells: str = "") -> None:
    store = Store(place)
    known = store.get_document("benchmark/snapshot.txt")
    digest = known.decode() if known else ingest(archive, store, name="fashion-mnist").digest
    store.put_document("benchmark/snapshot.txt", digest.encode())
    snapshot = Snapshot.open(store, digest)
    work = {"freeze": _freeze, "evaluate": _evaluate, "decide": _decide}[step]
    before, started = _anonymous_mb(), (time.perf_counter(), time.process_time())
    found = _evaluate(store, snapshot, int(cells)) if cells else work(store, snapshot)
    wall_s, cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
    row = found | {
        "wall_s": round(wall_s, 1),
        "processor_s_over_cores": round(cpu_s / (os.cpu_count() or 1), 1),
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "anonymous_mb_before": before,
    }
    path = HERE / "stress_test.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(table | {step: row}, indent=1) + "\n")
    print(step, json.dumps(row))


def _freeze(store: Store, snapshot: Snapshot) -> dict[str, object]:
    held_out = snapshot.split("test")
    spec = suite.load(POLICIES / "stress" / "general.yaml")
    frozen = suite.freeze(
        spec,
        held_out.payload,
        held_out.ids,
        held_out.labels,
        store.put,
        snapshot_digest=snapshot.manifest.digest,
        classes=snapshot.manifest.classes,
    )
    store.put_document("benchmark/suite.json", canonical_json(frozen))
    return {"images": len(frozen.sample_ids), "cells": len(frozen.cells), "corruptions": len(spec.corruptions)}


def _suite(store: Store) -> SuiteManifest:
    found = store.get_document("benchmark/suite.json")
    assert found is not None, "run the step freeze first"
    return from_json(SuiteManifest, found)


def _evaluate(store: Store, snapshot: Snapshot, cells: int | None = None) -> dict[str, object]:
    frozen = whole = _suite(store)
    if cells is not None:
        part = replace(whole, cells=whole.cells[:cells])
        frozen = replace(part, digest=part.content_digest)
    models = {}
    for role, seed in SEEDS.items():
        shape, classes = snapshot.manifest.image_shape, len(snapshot.manifest.classes)
        with tempfile.TemporaryDirectory() as folder:  # as the pipeline does: what is judged is the exported program
            path = Path(folder) / "model.pt2"
            export(loop.build(small_cnn, shape, classes, seed), shape, path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            models[role] = (f"{seed:064x}", load_program(path, sha256))
    report = evaluate(frozen, store.get, store.put, models, "1", seen={}, columns={}, workers=os.cpu_count() or 1)
    if cells is None:
        store.put_document("benchmark/outcomes.txt", report.outcomes.encode())
    asked = len(frozen.sample_ids) * len(frozen.cells) * len(models)
    return {
        "cells": len(frozen.cells),
        "of_cells": len(whole.cells),
        "predictions": asked,
        "outcomes_mb": round(len(store.get(report.outcomes)) / 2**20, 1),
    }


def _decide(store: Store, snapshot: Snapshot) -> dict[str, object]:
    """The bootstrap of the gate: every gap, and every class against champion and control."""
    name = (store.get_document("benchmark/outcomes.txt") or b"").decode()
    outcomes = from_bytes(store.get(name), name)
    gate = rules.load(POLICIES / "gates" / "default.yaml")
    corruptions = tuple(dict.fromkeys(c for c, s in outcomes.addresses if s))
    judged = dict.fromkeys(corruptions, (1, 2, 3, 4, 5))
    samples = VerifiedOutcomes(outcomes, Bootstrap(name, 0.95, gate.statistics.resamples), judged)
    for corruption, severity in outcomes.addresses[1:]:
        samples.gap(corruption, severity, 0.15)
    for against in ("control", "champion"):
        for label in range(len(outcomes.classes)):
            samples.loss(against, (), 0.1, label)
            samples.loss(against, corruptions, 0.1, label)
    samples.calibration(0.1)
    return {"comparisons": len(outcomes.addresses) - 1 + 4 * len(outcomes.classes) + 1}


def _anonymous_mb() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
