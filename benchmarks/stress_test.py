"""Speed and memory of a stress test: 10,000 Fashion-MNIST images, the 25 corruptions of `general`, three models.

    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz store freeze
    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz store evaluate [cells]
    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz store decide
    python benchmarks/stress_test.py path/to/fashion_mnist_images.tar.gz empty/folder against other/checkout [cells]

Each step adds its row to benchmarks/stress_test.json. With a number of cells only the first ones are evaluated, and the
whole is extrapolated. The networks are the pipeline's own with random weights of three
seeds: what they answer takes as long as what trained ones do. Besides wall time, processor time over the number of
cores is given, which is what an idle machine takes at least.

against: the same steps by another checkout's own copy of this file and by this one, in turns, on a few hundred test
images at 28×28×1 and enlarged to 64×64×3: the least seconds of some rounds, by the clock and of the processor, and
whether cells and outcomes are the same. What it takes to export, load and start is taken off: an evaluation of one cell
is measured too. With a number of cells, 41 say, these are evaluated on more images, and time alone is compared. A
checkout that has an environment, `.venv`, is run in it. Scripts between 28 and 30 November 2026 leave out what isolated
processes take of the processor.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil

from augment_ops.content import canonical_json, from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.gate import rules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import Bootstrap
from augment_ops.modalities import modality
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.stress import suite
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import SuiteManifest
from augment_ops.training import loop
from augment_ops.training.export import exported

HERE = Path(__file__).parent
POLICIES = HERE.parent / "policies"
SEEDS = {"candidate": 7, "control": 8, "champion": 9}
_SIZES = {"28x28x1": (28, 1, 600), "64x64x3": (64, 3, 120)}  # side, channels, test images
_MORE = {"28x28x1": (28, 1, 10_000), "64x64x3": (64, 3, 600)}  # for the first cells
_ROUNDS = 2


def main(archive: str, place: str, step: str, cells: str = "", part: str = "") -> None:
    if step == "against":
        _against(Path(archive), Path(place), Path(cells).resolve(), part)
        return
    store = Store(place)
    known = store.get_document("benchmark/snapshot.txt")
    digest = known.decode() if known else ingest(archive, store, name="fashion-mnist").digest
    store.put_document("benchmark/snapshot.txt", digest.encode())
    snapshot = Snapshot.open(store, digest)
    work = {"freeze": _freeze, "evaluate": _evaluate, "decide": _decide}[step]
    before, started = _anonymous_mb(), (time.perf_counter(), time.process_time())
    found = _evaluate(store, snapshot, int(cells)) if cells else work(store, snapshot)
    wall_s = time.perf_counter() - started[0]
    cpu_s = time.process_time() - started[1] + float(found.pop("isolated_s", 0.0))  # type: ignore[arg-type]
    row = found | {
        "wall_s": round(wall_s, 1),
        "processor_s_over_cores": round(cpu_s / (os.cpu_count() or 1), 1),
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "anonymous_mb_before": before,
    }
    _keep(step, row)
    print(step, json.dumps(row))


def _keep(step: str, row: dict[str, object]) -> None:
    path = HERE / "stress_test.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(table | {step: row}, indent=1) + "\n")


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
        workers=os.cpu_count() or 1,
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
        like = np.empty((0, *shape), np.uint8)
        # As the pipeline does: what is judged is the exported program.
        content = exported(loop.build(small_cnn, modality("image"), like, classes, seed), like)
        sha256 = hashlib.sha256(content).hexdigest()
        models[role] = (f"{seed:064x}", load(Artifact(content, sha256, "model.pt2")))
    report = evaluate(frozen, store.get, store.put, models, "1", seen={}, columns={}, workers=os.cpu_count() or 1)
    if cells is None:
        store.put_document("benchmark/outcomes.txt", report.outcomes.encode())
    asked = len(frozen.sample_ids) * len(frozen.cells) * len(models)
    # Nobody waits for the processes that answer for models, so they are looked at while they wait.
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return {
        "isolated_s": sum(each.user + each.system for each in times),
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


def _against(archive: Path, place: Path, other: Path, part: str) -> None:
    """Both checkouts on both sizes of images; see above.

    Args:
        part: how many cells are evaluated; empty for all.
    """
    checkouts = {"other": other, "this": HERE.parent}
    files = [checkout / "benchmarks" / "stress_test.json" for checkout in checkouts.values()]
    before = [file.read_bytes() for file in files]  # of whole runs: these are parts
    table: dict[str, object] = {who: _commit(checkout) for who, checkout in checkouts.items()}
    try:
        for size, (side, channels, count) in (_MORE if part else _SIZES).items():
            pictures = place / size / "pictures"
            _write_pictures(archive, pictures, side, channels, count)
            took: dict[str, list[dict[str, float]]] = {who: [] for who in checkouts}
            for turn in range(_ROUNDS):
                for who, checkout in checkouts.items():
                    store = place / size / f"{who}-{turn}"  # empty, so that cells are written
                    took[who].append(_seconds(checkout, pictures, store, part))
            least = {who: {name: min(one[name] for one in of) for name in of[0]} for who, of in took.items()}
            ratios = {f"{name}_ratio": round(least["other"][name] / least["this"][name], 2) for name in least["this"]}
            last = [Store(str(place / size / f"{who}-{_ROUNDS - 1}")) for who in checkouts]
            compared = {"evaluated": int(part)} if part else _alike(*last)
            table[size] = {"images": count, "load": round(os.getloadavg()[0], 1), **least, **ratios, **compared}
            print(size, json.dumps(table[size]), flush=True)
    finally:
        for file, content in zip(files, before, strict=True):
            file.write_bytes(content)
    _keep("against_on_more" if part else "against", table)


def _commit(checkout: Path) -> str:
    return subprocess.check_output(["git", "-C", checkout, "rev-parse", "--short", "HEAD"], text=True).strip()


def _write_pictures(archive: Path, folder: Path, side: int, channels: int, count: int) -> None:
    """`count` images of test and as many of train, classes in turn, as PNG files: folder/split/class/name."""
    left = dict.fromkeys([(split, str(label)) for split in ("train", "test") for label in range(10)], count // 10)
    with tarfile.open(archive) as tar:
        for member in tar:
            split, label, name = ("", *Path(member.name).parts)[-3:]
            if not member.isfile() or not left.get((split, label)):
                continue
            left[split, label] -= 1
            data = tar.extractfile(member)
            assert data is not None
            image = cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
            if image.shape[0] != side:
                image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
            goal = folder / split / label / name
            goal.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(goal), image if channels == 1 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))


def _seconds(checkout: Path, pictures: Path, store: Path, part: str) -> dict[str, float]:
    """Of the steps, by the checkout's own script, in its own environment where it has one; a line of JSON says them."""
    python = checkout / ".venv" / "bin" / "python"

    def row(*step: str) -> dict[str, float]:
        said = subprocess.run(
            [
                python if python.exists() else sys.executable,
                checkout / "benchmarks" / "stress_test.py",
                pictures,
                store,
                *step,
            ],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        found = json.loads(said.split(maxsplit=1)[1])
        return {"wall_s": found["wall_s"], "processor_s": found["processor_s_over_cores"] * found["cores"]}

    freeze, started, evaluate = row("freeze"), row("evaluate", "1"), row("evaluate", *([part] if part else []))
    return {
        **{f"freeze_{name}": freeze[name] for name in freeze},
        **{f"evaluate_{name}": round(evaluate[name] - started[name], 1) for name in evaluate},
    }


def _alike(other: Store, this: Store) -> dict[str, object]:
    """How many cells, and how many predictions and probabilities, are the same on both sides."""
    cells, outcomes = [], []
    for store in (other, this):
        cells.append([cell.objects for cell in _suite(store).cells])
        name = (store.get_document("benchmark/outcomes.txt") or b"").decode()
        outcomes.append(from_bytes(store.get(name), name))
    theirs, ours = outcomes
    return {
        "cells": len(cells[1]),
        "cells_alike": sum(a == b for a, b in zip(*cells, strict=True)),
        "predictions": ours.predicted.size,
        "predictions_alike": int((ours.predicted == theirs.predicted).sum()),
        "most_apart": float(np.abs(ours.p_true.astype(float) - theirs.p_true.astype(float)).max()),
    }


def _anonymous_mb() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
