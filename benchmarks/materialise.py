"""Memory and time of writing one augmented epoch of 100,000 images at 224×224×3.

    python benchmarks/materialise.py [number of images]

Needs 30 GB of disk for images and shard. Writes benchmarks/materialise.json. Memory is what the process itself
holds (RssAnon), sampled ten times a second; pages of mapped files belong to the operating system and go when it wants.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from engine import HEAD, POLICIES

from augment_ops import Augmenter, Policy
from augment_ops.data.store import Store
from augment_ops.delivery.offline import materialise

HERE = Path(__file__).parent
SHAPE = (224, 224, 3)


def main(n: int) -> None:
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            status = Path("/proc/self/status").read_text()
            peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))

    with tempfile.TemporaryDirectory() as folder:
        images = np.memmap(Path(folder) / "images", np.uint8, mode="w+", shape=(n, *SHAPE))
        images[: min(n, 1000)] = np.random.default_rng(0).integers(0, 256, (min(n, 1000), *SHAPE), dtype=np.uint8)
        ids = tuple(f"{i:06d}" for i in range(n))
        augmenter = Augmenter(Policy.from_text(HEAD + POLICIES["usual"]), 7)
        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.perf_counter()
        manifest = materialise(
            Store(f"{folder}/store"), images, ids, augmenter, snapshot_digest="0" * 64, split="train", epochs=1
        )
        wall_s = time.perf_counter() - started
        done.set()
        watcher.join()
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "images": n,
        "shape": SHAPE,
        "peak_anonymous_mb": round(peak[0] / 1024),
        "wall_s": round(wall_s, 1),
        "augment_s": round(sum(manifest.augment_s), 1),
    }
    (HERE / "materialise.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
