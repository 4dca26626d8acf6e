"""What each severity of each corruption leaves of four data sets, and how much of it can be read at all.

    python benchmarks/what_is_left.py table fashion_mnist_images.tar.gz bccd.tar.gz
    python benchmarks/what_is_left.py readable fashion_mnist_images.tar.gz

table: the share of samples destroyed (`stress.corruptions.remains`) by every cell of every suite in policies/stress
that works on the data set; prints the rows of docs/stress.md. Where suites have the same strengths they share a row.
readable: networks that are trained on one corruption alone and see every image with its contrast restored: how often
they are right, by what is left. By this the thresholds of the measure were chosen.

Darkened Fashion-MNIST: the inverse picture (light paper, as in a catalogue) at exposures of up to a stop to either
side, scaled to a mean level of 96, which is that of a public set of traffic signs, or of a third of that.
Writes benchmarks/what_is_left.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot, Split
from augment_ops.data.store import Store
from augment_ops.engine.key import generator, sample_key
from augment_ops.modalities.image.corruptions import CORRUPTIONS, SEVERITIES, Image, apply, remains, shape_fault
from augment_ops.stress import suite

HERE = Path(__file__).parent
POLICIES = HERE.parent / "policies" / "stress"
MEANS = (96.0, 32.0)
TABLE_SAMPLES = 1_000
READ_SAMPLES = 12_000  # of which 70% train
EPOCHS = 6
# (mean level or None for the set as it is, corruption, severity)
READ = (
    (96.0, "brightness_down", 4), (96.0, "brightness_down", 5), (32.0, "brightness_down", 1), (96.0, "noise", 5),
    (32.0, "noise", 3), (32.0, "noise", 5), (32.0, "contrast", 5), (None, "brightness_down", 5), (None, "fog", 5),
    (None, "contrast_up", 5),
)  # fmt: skip


def darkened(images: Image, ids: tuple[str, ...], mean: float) -> Image:
    """Light paper at exposures that differ by up to a stop to either side, at a mean level."""
    stops = np.array([generator(sample_key("exposure", name)).uniform(-1, 1) for name in ids])
    light = (255.0 - images) * 2.0 ** stops[:, None, None, None]
    return np.clip(np.rint(light * (mean / light.mean())), 0, 255).astype(np.uint8)


def table(fashion: str, bccd: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        sets = {
            "digits": _held_out(store, "digits", ""),
            "Fashion-MNIST": _held_out(store, fashion, ""),
            "bccd": _held_out(store, bccd, "48x48"),
        }
        clothes = sets["Fashion-MNIST"]
        for mean in MEANS:
            sets[f"mean level {mean:.0f}"] = (darkened(*clothes, mean), clothes[1])
        found = {name: _of_set(images, ids) for name, (images, ids) in sets.items()}
    for name, rows in found.items():
        print(f"{name}: {len(sets[name][0])} samples, {len(rows)} corruptions with strengths of their own")
        for row in rows:
            if max(row["destroyed"]) > 0:
                shares = " ".join(f"{100 * value:.1f}" for value in row["destroyed"])
                print(f"| {name} | `{row['corruption']}` ({', '.join(row['suites'])}) | {shares} | {row['causes']} |")
    return found


def _held_out(store: Store, uri: str, size: str) -> tuple[Image, tuple[str, ...]]:
    snapshot = Snapshot.open(store, ingest(uri, store, image_size=size, max_samples=7 * TABLE_SAMPLES).digest)
    held_out = snapshot.split("test")
    return held_out.take(range(min(TABLE_SAMPLES, len(held_out)))), held_out.ids[:TABLE_SAMPLES]


def _of_set(images: Image, ids: tuple[str, ...]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(POLICIES.glob("*.yaml")):
        spec = suite.load(path)
        for name, params in spec.corruptions.items():
            if shape_fault(name, images.shape[1:]) or (min(images.shape[1:3]) < 16 and spec.name != "invariances"):
                continue
            corruption = CORRUPTIONS[name]
            published = dict(zip(corruption.parameters, zip(*corruption.small, strict=True), strict=True))
            strengths = params or (published if corruption.small == corruption.large else "by size")
            key = json.dumps([name, strengths])
            if key not in rows:
                rows[key] = {"corruption": name, "suites": [], **_of_corruption(name, params, images, ids)}
            rows[key]["suites"].append(spec.name)
    return list(rows.values())


def _of_corruption(name: str, params: Any, images: Image, ids: tuple[str, ...]) -> dict[str, Any]:
    codes = np.array(
        [
            remains.destroyed(CORRUPTIONS[name], images, apply(name, severity, images, ids, params=params))
            for severity in SEVERITIES
        ]
    )
    counts = np.bincount(codes.ravel(), minlength=len(remains.CAUSES) + 1)[1:]
    causes = ", ".join(cause for cause, n in zip(remains.CAUSES, counts, strict=True) if n)
    return {"destroyed": (codes > 0).mean(axis=1).round(4).tolist(), "causes": causes}


def readable(fashion: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        snapshot = Snapshot.open(store, ingest(fashion, store, max_samples=READ_SAMPLES).digest)
        train, test = snapshot.split("train"), snapshot.split("test")
        return [_read(train, test, *case) for case in READ]


def _read(train: Split, test: Split, mean: float | None, name: str, severity: int) -> dict[str, Any]:
    def images(split: Split) -> Image:
        pixels = split.take(range(len(split)))
        return pixels if mean is None else darkened(pixels, split.ids, mean)

    taught, clean = apply(name, severity, images(train), train.ids), images(test)
    shown = apply(name, severity, clean, test.ids)
    right = _trained(taught, train.labels)(shown) == test.labels
    kept = {
        "contrast": remains.contrast(shown),
        "newly clipped": remains.newly_clipped(clean, shown),
        "correlation": remains.correlation(clean, shown),
        "the larger correlation": np.maximum(
            remains.correlation(clean, shown), remains.correlation_of_differences(clean, shown)
        ),
    }
    edges = {"contrast": (0, 0.5, 1, 2, 4, 8, 256), "newly clipped": (0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.01)}
    row: dict[str, Any] = {
        "mean": mean,
        "corruption": name,
        "severity": severity,
        "right": round(float(right.mean()), 3),
    }
    for what, values in kept.items():
        row[what] = _by_bin(right, values, edges.get(what, (-1, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.01)))
    gone = remains.destroyed(CORRUPTIONS[name], clean, shown)
    row["by cause"] = {
        cause: [round(float(right[gone == code].mean()), 2), int((gone == code).sum())]
        for code, cause in enumerate(("left", *remains.CAUSES))
        if (gone == code).any()
    }
    print(json.dumps(row))
    return row


def _by_bin(right: NDArray[np.bool_], values: NDArray[np.float64], edges: tuple[float, ...]) -> dict[str, list[float]]:
    found = {}
    for low, high in pairwise(edges):
        there = (values >= low) & (values < high)
        if there.sum() >= 10:
            found[f"{low:g} to {high:g}"] = [round(float(right[there].mean()), 2), int(there.sum())]
    return found


def _trained(images: Image, labels: NDArray[np.int64]) -> Any:
    """A network that has every advantage: it sees nothing but this corruption, and images of equal contrast."""
    nn = torch.nn
    torch.manual_seed(7)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 49, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    optimiser, shown, wanted = torch.optim.Adam(model.parameters(), 2e-3), _restored(images), torch.from_numpy(labels)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(shown)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(shown[part]), wanted[part]).backward()
            optimiser.step()
    model.eval()

    def answer(corrupted: Image) -> NDArray[np.int64]:
        with torch.inference_mode():
            found: NDArray[np.int64] = model(_restored(corrupted)).argmax(dim=1).numpy()
        return found

    return answer


def _restored(images: Image) -> torch.Tensor:
    levels = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
    spread = levels.std((1, 2, 3), keepdim=True)
    return (levels - levels.mean((1, 2, 3), keepdim=True)) / (spread + 0.1)  # a constant image stays one


def main(what: str, *archives: str) -> None:
    path = HERE / "what_is_left.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    found = table(*archives) if what == "table" else readable(*archives)
    path.write_text(json.dumps(known | {what: found}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
