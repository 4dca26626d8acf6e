"""The loader against DataLoader with albumentations, side by side in one run, the same number of workers.

    python benchmarks/loader.py

Samples a second of whole epochs at 32×32×3, batches of 256, nobody training. What two threads gain over one is bounded
by what the machine's cores gain on the compiled loops alone, without the interpreter; that is measured in the same
rounds. Ratios are medians of those within a round. Then 224×224×3, where a batch is 38 MB and processes have to hand it
over. Writes benchmarks/loader.json.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import numpy as np
import torch
from engine import HEAD, POLICIES, picture, tuned
from torch.utils.data import DataLoader, Dataset

from augment_ops import Augmenter, Policy
from augment_ops.delivery import handover
from augment_ops.delivery.online import OnlineBatches
from augment_ops.modalities.image.kernels import fused

HERE = Path(__file__).parent
SHAPE, N, BATCH = (32, 32, 3), 51_200, 256  # an epoch of CIFAR-10, about
EPOCHS = 15
LARGE, LARGE_N, LARGE_EPOCHS = (224, 224, 3), 4096, 5


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
    images = pictures(SHAPE, N)
    labels, ids = np.zeros(N, np.int64), tuple(str(i) for i in range(N))
    augmenter = Augmenter(Policy.from_text(HEAD + POLICIES["usual"]), 7)
    ours = {w: OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=BATCH, workers=w) for w in (0, 1, 2)}
    rates: dict[str, list[float]] = {f"augment-ops, {w} threads": [] for w in ours}
    theirs = DataLoader(Images(images[: N // 8]), batch_size=BATCH, num_workers=2, persistent_workers=True)
    rates["DataLoader + albumentations, 2 workers"] = []
    loops = loops_alone(augmenter, images)
    scaling: list[float] = []
    for epoch in range(EPOCHS + 1):  # the first warms up
        for workers, source in ours.items():
            rates[f"augment-ops, {workers} threads"].append(rate(source.epoch(epoch), N))
        rates["DataLoader + albumentations, 2 workers"].append(rate(theirs, N // 8))
        scaling.append(in_threads(loops, 1) / in_threads(loops, 2))
    for source in ours.values():
        source.close()
    best = {name: round(float(np.median(values[1:]))) for name, values in rates.items()}
    two, one, theirs_too = (
        np.array(rates[name][1:])
        for name in ("augment-ops, 2 threads", "augment-ops, 1 threads", "DataLoader + albumentations, 2 workers")
    )
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": os.getloadavg()[0],
        "samples_per_s": best,
        "ratio": round(float(np.median(two / theirs_too)), 1),
        "scaling_1_to_2_threads": round(float(np.median(two / one)), 2),
        "scaling_of_the_loops_alone": round(float(np.median(scaling[1:])), 2),
        "samples_per_s_at_224": large(augmenter),
    }
    (HERE / "loader.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def pictures(shape: tuple[int, int, int], n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    few = np.stack([picture(rng, shape) for _ in range(256)])
    return np.concatenate([np.roll(few, i, axis=2) for i in range(n // 256)])


def large(augmenter: Augmenter) -> dict[str, int]:
    """Medians by kind of worker, two of each."""
    images = pictures(LARGE, LARGE_N)
    labels, ids = np.zeros(LARGE_N, np.int64), tuple(str(i) for i in range(LARGE_N))
    rates: dict[str, list[float]] = {}
    worth = handover._WORTH_IT
    sources = {}
    for name, kind, least in (
        ("threads", "threads", worth),
        ("processes", "processes", worth),
        ("processes that send pixels through a pipe", "processes", 1 << 40),
    ):
        handover._WORTH_IT = least  # workers are forked in their first epoch, and keep it
        sources[name] = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=BATCH, workers=2, kind=kind)
        rate(sources[name].epoch(0), LARGE_N)
    handover._WORTH_IT = worth
    theirs = DataLoader(Images(images[: LARGE_N // 4]), batch_size=BATCH, num_workers=2, persistent_workers=True)
    rate(theirs, LARGE_N // 4)
    for epoch in range(1, LARGE_EPOCHS + 1):
        for name, source in sources.items():
            rates.setdefault(name, []).append(rate(source.epoch(epoch), LARGE_N))
        rates.setdefault("DataLoader + albumentations", []).append(rate(theirs, LARGE_N // 4))
    for source in sources.values():
        source.close()
    return {f"{name}, 2": round(float(np.median(values))) for name, values in rates.items()}


def loops_alone(augmenter: Augmenter, images: np.ndarray) -> list[Callable[[], None]]:
    """The compiled loops on one batch a thread, with the arguments that the engine gives them."""
    given: list[dict] = []
    run_segment = fused.run_segment
    fused.run_segment = lambda **arguments: given.append(arguments) or run_segment(**arguments)
    for thread in range(2):
        rows = range(thread * 2048, (thread + 1) * 2048)
        augmenter(images[rows.start : rows.stop], rows, 0)
    fused.run_segment = run_segment
    return [lambda arguments=arguments: run_segment(**arguments) for arguments in given]


def in_threads(loops: list[Callable[[], None]], threads: int) -> float:
    """Seconds that ten runs take, shared by so many threads."""

    def work(run: Callable[[], None]) -> None:
        for _ in range(10 // threads):
            run()

    started = time.perf_counter()
    pool = [threading.Thread(target=work, args=(run,)) for run in loops[:threads]]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return time.perf_counter() - started


def rate(batches: object, n: int) -> float:
    started = time.perf_counter()
    for _ in batches:
        pass
    return n / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
