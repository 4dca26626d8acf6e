"""Run models over a frozen suite: accuracy and recall by role, corruption, severity and class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TrainingError
from augment_ops.stress.corruptions import Image
from augment_ops.stress.report import CLEAN, Cell, FlippedSample, Role, StressReport
from augment_ops.stress.suite import Get, SuiteCell, SuiteManifest

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # uint8 (N, H, W, C) → logits float32 (N, K)

_BATCH = 256  # activations that stay in the cache: twice as fast as 1000 at 28×28
_BATCH_BYTES = 32 * 2**20  # large images go in smaller batches: activations are many times the input
_FLIPPED = 8  # pictures a corruption: one row of a page

_NOT_A_NUMBER = -1  # the "predicted class" of a sample whose logits are not finite; equals no label


def evaluate(
    manifest: SuiteManifest,
    get: Get,
    models: Mapping[Role, tuple[str, Predict]],
    champion_version: str | None,
) -> StressReport:
    """Measure every model on every cell; the cells are read and verified one at a time.

    A model whose logits are not finite is measured as such: the accuracy of that cell is NaN (law 2), and the gate
    refuses it.

    Args:
        get: reads an object of the store by its sha256.
        models: role → (model digest, function that gives logits).
        champion_version: registered version of the model in the role `champion`.

    Raises:
        StoreError: the manifest or a cell is not what was frozen.
        TrainingError: a model does not give one row of logits a sample, one column a class.
    """
    manifest.check()
    labels = manifest.read_labels(get)
    predicted: dict[tuple[str, int], NDArray[np.int64]] = {}  # the candidate's, for the samples that flip
    cells: list[Cell] = []
    confusion: dict[Role, tuple[tuple[int, ...], ...]] = {}
    for cell in manifest.cells:
        images = manifest.images(cell, get)
        for role, (_, predict) in models.items():
            guesses = _predict(role, predict, images, len(manifest.classes))
            cells.append(_measure(role, cell, labels, guesses, len(manifest.classes)))
            if role == "candidate":
                predicted[cell.corruption, cell.severity] = guesses
            if cell.corruption == CLEAN:
                confusion[role] = _confusion(labels, guesses, len(manifest.classes))
    return StressReport(
        suite=manifest.name,
        suite_digest=manifest.digest,
        snapshot_digest=manifest.snapshot_digest,
        classes=manifest.classes,
        models={role: digest for role, (digest, _) in models.items()},
        champion_version=champion_version,
        cells=tuple(cells),
        confusion=confusion,
        flipped=_flipped(manifest, labels, predicted),
    )


def _predict(role: Role, predict: Predict, images: Image, classes: int) -> NDArray[np.int64]:
    """Predicted class a sample, `_NOT_A_NUMBER` where its logits are not all finite."""
    parts = []
    for batch in _batches(images):
        logits = np.asarray(predict(batch))
        if logits.shape != (len(batch), classes):
            raise TrainingError(
                f"{role} model",
                f"logits of shape {logits.shape} for {len(batch)} images",
                f"({len(batch)}, {classes}): one column for each class of the snapshot",
                "evaluate models that were trained on the classes of this snapshot",
            )
        guesses = np.nan_to_num(logits).argmax(axis=1).astype(np.int64)
        guesses[~np.isfinite(logits).all(axis=1)] = _NOT_A_NUMBER
        parts.append(guesses)
    return np.concatenate(parts)


def _batches(images: Image) -> Iterator[Image]:
    size = max(1, min(_BATCH, _BATCH_BYTES // int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _measure(role: Role, cell: SuiteCell, labels: NDArray[np.int64], guesses: NDArray[np.int64], classes: int) -> Cell:
    finite = bool((guesses != _NOT_A_NUMBER).all())
    right = guesses == labels
    class_n = np.bincount(labels, minlength=classes)
    class_right = np.bincount(labels[right], minlength=classes)
    recall = tuple(
        (float(k / n) if finite else float("nan")) if n else None for k, n in zip(class_right, class_n, strict=True)
    )
    return Cell(
        role=role,
        corruption=cell.corruption,
        severity=cell.severity,
        n=len(labels),
        accuracy=float(right.mean()) if finite else float("nan"),
        class_n=tuple(int(n) for n in class_n),
        class_recall=recall,
    )


def _confusion(labels: NDArray[np.int64], guesses: NDArray[np.int64], classes: int) -> tuple[tuple[int, ...], ...]:
    table = np.zeros((classes, classes), np.int64)
    finite = guesses != _NOT_A_NUMBER
    np.add.at(table, (labels[finite], guesses[finite]), 1)
    return tuple(tuple(int(n) for n in row) for row in table)


def _flipped(
    manifest: SuiteManifest, labels: NDArray[np.int64], predicted: Mapping[tuple[str, int], NDArray[np.int64]]
) -> tuple[FlippedSample, ...]:
    """At each corruption's highest severity, up to `_FLIPPED` samples, taken in turn from the worst classes."""
    if not predicted:
        return ()
    clean_right = predicted[CLEAN, 0] == labels
    highest: dict[str, int] = {}
    for name, severity in predicted:
        highest[name] = max(severity, highest.get(name, 0))
    highest.pop(CLEAN)
    accuracy = {name: float((predicted[name, s] == labels).mean()) for name, s in highest.items()}
    chosen: list[FlippedSample] = []
    for name in sorted(highest, key=lambda key: accuracy[key]):
        severity = highest[name]
        guesses = predicted[name, severity]
        rows = np.flatnonzero(clean_right & (guesses != labels) & (guesses != _NOT_A_NUMBER))
        chosen += [
            FlippedSample(name, severity, manifest.sample_ids[row], int(labels[row]), int(guesses[row]))
            for row in _worst_classes_in_turn(rows, labels, guesses)[:_FLIPPED]
        ]
    return tuple(chosen)


def _worst_classes_in_turn(rows: NDArray[np.intp], labels: NDArray[np.int64], guesses: NDArray[np.int64]) -> list[int]:
    """Rows by round: the first of each class, worst recall first, then the second of each, and so on."""
    seen: dict[int, int] = {}
    order = []
    for row in rows.tolist():
        label = int(labels[row])
        recall = float((guesses[labels == label] == label).mean())
        order.append((seen.get(label, 0), recall, label, row))
        seen[label] = seen.get(label, 0) + 1
    return [row for *_, row in sorted(order)]
