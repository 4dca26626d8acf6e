"""Peak memory of the stages that read images, at several sizes of one data set: the highest must not grow with it.

    python benchmarks/memory.py [--samples N …] [--size PIXELS] [--keep pixels|encoded] [--home FOLDER]

Makes a tar of N JPEG files, all different, then ingests, checks, trains 200 steps, freezes a stress suite and looks for
drift, each stage in a process of its own, which says the most memory that it, or a child of it, had resident
(VmHWM: mapped files count). Needs, for 100,000 samples of 224, 1 GB of disk for the tar, and twice 15 GB to keep pixels
or twice 1 GB to keep encoded files. Writes benchmarks/memory.json; ends with an error where a stage is above the limit,
or the highest of all stages grows by more than a tenth from one size to the next.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
POLICIES = HERE.parent / "policies"

LIMIT_MB = 1500
GROWTH = 1.1
STEPS, BATCH = 200, 8  # the net holds some 35 MB of activations and gradients for each image of a batch
CLASSES = 10
STRESSED = 500  # samples of the suite
TEXTURES = 48


def main(samples: list[int], size: int, keep: str, home: Path) -> None:
    result: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "size": size,
        "keep": keep,
        "samples": {},
    }
    rows = result["samples"]
    for count in sorted(samples, reverse=True):  # what does not fit shows first
        with tempfile.TemporaryDirectory(dir=home) as folder:
            _, made_s = _timed(lambda count=count, folder=folder: make(Path(folder) / "images.tar", count, size))
            print(f"{count:,} images of {size}x{size}x3: made in {made_s:.0f} s", flush=True)
            rows[str(count)] = {stage: _apart(stage, Path(folder), keep) for stage in STAGES}
        grown = {
            stage: rows[str(more)][stage]["peak_mb"] / rows[str(few)][stage]["peak_mb"]
            for few, more in itertools.pairwise(sorted(map(int, rows)))
            for stage in STAGES
        }
        result["grown"] = {stage: round(times, 3) for stage, times in grown.items()}
        (HERE / "memory.json").write_text(json.dumps(result, indent=1) + "\n")  # a long run that is ended leaves that
    print(json.dumps(result["grown"], indent=1))
    highest = [max(one["peak_mb"] for one in rows[count].values()) for count in sorted(rows, key=int)]
    grown_most = max((more / few for few, more in itertools.pairwise(highest)), default=1.0)
    if max(highest) > LIMIT_MB or grown_most > GROWTH:
        sys.exit(f"{max(highest):.0f} MB at most (limit {LIMIT_MB}); grown {grown_most:.2f} times")


def make(path: Path, count: int, size: int) -> None:
    """A tar of JPEG files, a folder a class: mixtures of two textures, each rolled, under the tint of the class."""
    import cv2

    cv2.setNumThreads(1)
    rng = np.random.default_rng(7)
    textures = [_texture(rng, size) for _ in range(TEXTURES)]
    tints = [(*map(float, tint), 0.0) for tint in rng.integers(60, 196, (CLASSES, 3))]
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            one, other = rng.integers(0, TEXTURES, 2)
            places = rng.integers(0, size, (2, 2))
            mixed = _rolled(textures[one], *places[0]) + _rolled(textures[other], *places[1])
            pixels = cv2.add(mixed, tints[number % CLASSES], dtype=cv2.CV_8U)
            data = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 80))[1].tobytes()
            header = tarfile.TarInfo(f"class-{number % CLASSES}/{number:07d}.jpg")
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


def _texture(rng: np.random.Generator, size: int) -> np.ndarray:
    import cv2

    smooth = cv2.GaussianBlur(rng.normal(0, 1, (size, size, 3)).astype(np.float32), (0, 0), rng.uniform(2, size / 12))
    return np.tile((smooth * (35 / smooth.std())).astype(np.int16), (2, 2, 1))


def _rolled(texture: np.ndarray, down: int, across: int) -> np.ndarray:
    size = len(texture) // 2
    return texture[down : down + size, across : across + size]


def _apart(stage: str, folder: Path, keep: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", __file__, "--stage", stage, "--home", str(folder), "--keep", keep]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(f"  {stage:<16} {found['peak_mb']:>6.0f} MB  {found['wall_s']:>7.1f} s", flush=True)
    return found


def _timed(work: Callable[[], object]) -> tuple[object, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _peak_mb() -> float:
    """The most that this process, or any child that it has waited for, had resident."""
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def ingest(folder: Path, keep: str) -> None:
    from augment_ops.data.ingest import ingest as read
    from augment_ops.data.store import Store

    manifest = read(str(folder / "images.tar"), Store(str(folder / "store")), keep=keep)  # type: ignore[arg-type]
    (folder / "snapshot").write_text(manifest.digest)


def check_data(folder: Path, keep: str) -> None:
    from augment_ops.quality.data_checks import check_snapshot
    from augment_ops.quality.rules import QualityRules

    report = check_snapshot(_snapshot(folder), QualityRules.load(POLICIES / "quality" / "default.yaml"))
    print([check.message for check in report.checks if check.status == "fail"], file=sys.stderr)


def check_augmented(folder: Path, keep: str) -> None:
    from augment_ops.quality.augmented_checks import check_augmented as compare
    from augment_ops.quality.rules import QualityRules

    train, test = (_snapshot(folder).split(name) for name in ("train", "test"))
    rows = range(min(1000, len(train)))
    originals, ids = train.take(rows), train.ids[: len(rows)]
    rules = QualityRules.load(POLICIES / "quality" / "default.yaml")
    compare(originals, _augmenter()(originals, ids, 0), ids, train.labels[: len(rows)], test.payload, rules, "0" * 64)


def train(folder: Path, keep: str) -> None:

    from augment_ops.delivery.batches import WHOLE, Batch, Share
    from augment_ops.delivery.online import OnlineBatches
    from augment_ops.modalities import modality
    from augment_ops.modalities.image.networks import small_cnn
    from augment_ops.training import loop
    from augment_ops.training.base import Budget, Labelled

    class Few(OnlineBatches):
        def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
            return itertools.islice(super().epoch(epoch, start, step, share), STEPS)

    snapshot = _snapshot(folder)
    learnt, validation = snapshot.split("train"), snapshot.split("validation")
    source = Few(learnt.payload, learnt.labels, learnt.ids, _augmenter(), seed=7, batch_size=BATCH, workers=2)
    model = loop.build(small_cnn, modality("image"), learnt.payload.take(np.arange(0)), CLASSES, 7)
    held_out = Labelled(validation.payload, validation.labels)
    loop.train(model, source, held_out, Budget(1, BATCH, 7), STEPS, lambda metrics: None)
    source.close()


def freeze(folder: Path, keep: str) -> None:
    from augment_ops.data.store import Store
    from augment_ops.stress import suite

    snapshot = _snapshot(folder)
    test, spec = snapshot.split("test"), suite.load(POLICIES / "stress" / "invariances.yaml")
    spec = spec.model_copy(update={"max_samples": STRESSED})
    put = Store(str(folder / "store")).put
    suite.freeze(
        spec,
        test.payload,
        test.ids,
        test.labels,
        put,
        snapshot_digest=snapshot.manifest.digest,
        classes=snapshot.manifest.classes,
    )


def check_drift(folder: Path, keep: str) -> None:
    from augment_ops.monitoring.drift.check import check_drift as compare
    from augment_ops.monitoring.drift.rules import DriftRules
    from augment_ops.monitoring.drift.sample import Sample

    snapshot = _snapshot(folder)
    classes = np.array(snapshot.manifest.classes, dtype=object)
    sides = [
        Sample.of_payload(name, split.payload, classes[split.labels])
        for name, split in ((name, snapshot.split(name)) for name in ("train", "test"))
    ]
    compare(*sides, DriftRules.load(POLICIES / "drift" / "default.yaml"))


STAGES = {f.__name__: f for f in (ingest, check_data, check_augmented, train, freeze, check_drift)}


def _snapshot(folder: Path):  # type: ignore[no-untyped-def]
    from augment_ops.data.snapshot import Snapshot
    from augment_ops.data.store import Store

    return Snapshot.open(Store(str(folder / "store")), (folder / "snapshot").read_text())


def _augmenter():  # type: ignore[no-untyped-def]
    from augment_ops import Augmenter, Policy

    return Augmenter(Policy.load(POLICIES / "augment" / "fashion-robust.yaml"), 7)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[100_000, 200_000])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--keep", choices=("pixels", "encoded"), default="pixels")
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        _, wall_s = _timed(lambda: STAGES[given.stage](given.home, given.keep))
        print(json.dumps({"peak_mb": round(_peak_mb(), 1), "wall_s": round(wall_s, 1)}))
    else:
        main(given.samples, given.size, given.keep, given.home)
