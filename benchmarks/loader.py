"""The loader against DataLoader with albumentations, side by side in one run, the same number of workers.

    python benchmarks/loader.py

Samples a second of whole epochs at 32×32×3, batches of 256, nobody training. Writes benchmarks/loader.json.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import numpy as np
import torch
from engine import HEAD, POLICIES, picture, tuned
from torch.utils.data import DataLoader, Dataset

from augment_ops import Augmenter, Policy
from augment_ops.delivery.online import OnlineBatches

HERE = Path(__file__).parent
SHAPE, N, BATCH = (32, 32, 3), 20_480, 256
EPOCHS = 5


class Images(Dataset):
    """What one writes with albumentations."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.transform = images, tuned()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(self.transform(image=self.images[row])["image"])


def main() -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(rng, SHAPE) for _ in range(256)])
    images = np.concatenate([np.roll(pictures, i, axis=2) for i in range(N // 256)])
    labels, ids = np.zeros(N, np.int64), tuple(str(i) for i in range(N))
    augmenter = Augmenter(Policy.from_text(HEAD + POLICIES["usual"]), 7)
    ours = {w: OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=BATCH, workers=w) for w in (0, 1, 2)}
    rates: dict[str, list[float]] = {f"augment-ops, {w} threads": [] for w in ours}
    theirs = DataLoader(Images(images[: N // 8]), batch_size=BATCH, num_workers=2, persistent_workers=True)
    rates["DataLoader + albumentations, 2 workers"] = []
    for epoch in range(EPOCHS + 1):  # the first warms up
        for workers, source in ours.items():
            rates[f"augment-ops, {workers} threads"].append(rate(source.epoch(epoch), N))
        rates["DataLoader + albumentations, 2 workers"].append(rate(theirs, N // 8))
    for source in ours.values():
        source.close()
    best = {name: round(float(np.median(values[1:]))) for name, values in rates.items()}
    two, one = best["augment-ops, 2 threads"], best["augment-ops, 1 threads"]
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": os.getloadavg()[0],
        "samples_per_s": best,
        "ratio": round(two / best["DataLoader + albumentations, 2 workers"], 1),
        "scaling_1_to_2_threads": round(two / one, 2),
    }
    (HERE / "loader.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def rate(batches: object, n: int) -> float:
    started = time.perf_counter()
    for _ in batches:
        pass
    return n / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
