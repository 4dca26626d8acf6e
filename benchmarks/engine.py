"""The compiled engine against what else one could use, side by side in one run and one thread.

    python benchmarks/engine.py [policy …]

Contenders take turns, batch by batch, so that a noisy machine hurts all alike. Writes benchmarks/engine.json, the table
benchmarks/engine.md and the plot benchmarks/engine.png. `make bench` installs kornia (the extra `bench`). Policies that
are named are measured again, and the rows of the others stay.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import albumentations as A  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from by_hand import plain_cv2, rand_augment, trivial_augment  # noqa: E402

from augment_ops import Augmenter, Policy  # noqa: E402
from augment_ops.engine.key import SampleIds  # noqa: E402
from augment_ops.policy.steps import Transform  # noqa: E402

HERE = Path(__file__).parent
SHAPES = {(28, 28, 1): 256, (32, 32, 3): 256, (96, 96, 3): 64, (224, 224, 3): 32, (512, 512, 3): 8}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SECONDS = 2.0  # per contender and shape, at least
ROUNDS = 12  # at least

HEAD = (
    "name: bench\nversion: 1.0.0\nmodality: image\ndomain: general\nowner: bench\ndescription: Bench.\n"
    "budget: {p95_ms: 0.5, at: [224, 224, 3]}\ntransforms:\n"
)
POLICIES = {
    "usual": """
  - HorizontalFlip: {p: 0.5}
  - Rotate: {limit: 15, p: 1.0}
  - Affine: {scale: [0.9, 1.1], translate_percent: [-0.1, 0.1], p: 1.0}
  - RandomBrightnessContrast: {brightness_limit: 0.2, contrast_limit: 0.2, p: 1.0}
  - GaussNoise: {std_range: [0.02, 0.1], p: 1.0}
  - CoarseDropout: {num_holes_range: [1, 1], hole_height_range: [0.2, 0.3], hole_width_range: [0.2, 0.3], p: 1.0}
""",
    "RandAugment": "  - RandAugment: {num_ops: 2, magnitude: 9}\n",
    "TrivialAugment": "  - TrivialAugment: {}\n",
}
HOLE = {"num_holes_range": (1, 1), "hole_height_range": (0.2, 0.3), "hole_width_range": (0.2, 0.3)}

Run = Callable[[np.ndarray, int], object]


def main(wanted: Sequence[str]) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    result: dict = (
        json.loads((HERE / "engine.json").read_text())
        if wanted
        else {
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            "load_before": os.getloadavg()[0],
            "threads": 1,
            "tensors_on": torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU",
            "compile_s": compile_seconds(),
            "us_per_image": {},
            "measured_again": {},
        }
    )
    table = result["us_per_image"]
    for name in wanted:
        result.setdefault("measured_again", {})[name] = os.getloadavg()[0]
    for name in wanted or POLICIES:
        for shape, n in SHAPES.items():
            rng = np.random.default_rng(0)
            images = np.stack([picture(rng, shape) for _ in range(n)])
            figures = measure(contenders(name, shape, n), images)
            table[f"{name} {'×'.join(map(str, shape))}"] = figures
            line = ", ".join(f"{who} {f['p50']:.1f}" for who, f in figures.items())
            print(f"{name:15s} {shape}: {line}", flush=True)
    (HERE / "engine.json").write_text(json.dumps(result, indent=1) + "\n")
    (HERE / "engine.md").write_text(markdown(result))
    plot(table)
    print(markdown(result))


def picture(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """A smooth random picture: flat noise would be no image."""
    height, width, channels = shape
    coarse = rng.random((height // 4 + 2, width // 4 + 2, channels), dtype=np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(shape)
    return np.clip(smooth * 255, 0, 255).astype(np.uint8)


def contenders(name: str, shape: tuple[int, int, int], n: int) -> dict[str, Run]:
    policy = Policy.from_text(HEAD + POLICIES[name])
    augmenter, ids = Augmenter(policy, 7), SampleIds.of(range(n))
    chosen: dict[str, Run] = {"augment-ops": lambda images, epoch: augmenter(images, ids, epoch)}
    chosen["as tensors"] = as_tensors(augmenter, ids)
    if name == "usual":
        chosen["albumentations"] = one_by_one(tuned())
        chosen["albumentations as written"] = one_by_one(A.Compose([built(t) for t in policy.transforms]))
    else:
        chosen["albumentations"] = one_by_one(A.Compose([built(t) for t in policy.transforms]))
    chosen["cv2"] = {"usual": plain_cv2, "RandAugment": rand_augment, "TrivialAugment": trivial_augment}[name]
    if (kornia := with_kornia(name)) is not None:
        chosen["kornia"] = kornia
    chosen["memcpy"] = lambda images, epoch: images.copy()
    return chosen


def as_tensors(augmenter: Augmenter, ids: SampleIds) -> Run:
    """The same plan by torch: on the GPU, images there already, where there is one; else on the CPU."""
    there: list[torch.Tensor] = []

    def run(images: np.ndarray, epoch: int) -> object:
        if not there:
            there.append(torch.from_numpy(images).to(DEVICE))
        result = augmenter.tensors(there[0], ids, epoch)
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return result

    return run


def one_by_one(compose: A.Compose) -> Run:
    def run(images: np.ndarray, epoch: int) -> object:
        return [compose(image=image)["image"] for image in images]

    return run


def tuned() -> A.Compose:
    """The fairest form: the geometry merged by hand into one Affine."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(rotate=(-15, 15), scale=(0.9, 1.1), translate_percent=(-0.1, 0.1), p=1.0),
            A.RandomBrightnessContrast(0.2, 0.2, p=1.0),
            A.GaussNoise(std_range=(0.02, 0.1), p=1.0),
            A.CoarseDropout(**HOLE, p=1.0),
        ]
    )


def built(transform: Transform) -> object:
    """Albumentations' own objects for a policy, families spelled out; its Sharpen stands for Sharpness."""
    if transform.name == "Sharpness":
        return A.Sharpen(p=1.0)
    children = [built(child) for child in transform.children]
    params = {k: tuple(v) if isinstance(v, list) else v for k, v in transform.params.items()}
    if transform.name in ("RandAugment", "TrivialAugment"):
        return A.Sequential(children, p=1.0)
    return getattr(A, transform.name)(**params, **({"transforms": children} if children else {}))


def with_kornia(name: str) -> Run | None:
    """Kornia on whole batches, geometry merged; None where it is not installed."""
    pipeline = kornia_pipeline(name)
    if pipeline is None:
        return None

    def run(images: np.ndarray, epoch: int) -> object:
        if images.shape[3] == 1:
            images = np.repeat(images, 3, axis=3)  # its colours want three channels
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        return (pipeline(tensor) * 255).clamp(0, 255).to(torch.uint8)

    return run


def kornia_pipeline(name: str) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Its modules for a policy, of float (N, C, H, W) from 0 to 1 on any device; None where it is not installed.

    Its families draw the operations once a batch, not once an image: less work than the others do.
    """
    try:
        import kornia.augmentation as K
        from kornia.augmentation.auto import RandAugment, TrivialAugment
    except ImportError:
        print("kornia is not installed: left out")
        return None
    if name == "RandAugment":
        return RandAugment(n=2, m=9)
    if name == "TrivialAugment":
        return TrivialAugment()
    return K.AugmentationSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomAffine(degrees=15.0, translate=(0.1, 0.1), scale=(0.9, 1.1), p=1.0),
        K.ColorJiggle(brightness=0.2, contrast=0.2, p=1.0),
        K.RandomGaussianNoise(std=0.06, p=1.0),
        K.RandomErasing(scale=(0.04, 0.09), ratio=(0.8, 1.25), p=1.0),
    )


def measure(runs: dict[str, Run], images: np.ndarray) -> dict[str, dict[str, float]]:
    """Microseconds an image: median and 95th percentile over batches, the contenders taking turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(images, 0)  # compiled, imported, cached
    epoch = 0
    while min(map(len, times.values())) < ROUNDS or sum(times["augment-ops"]) * len(images) / 1e6 < SECONDS / 4:
        epoch += 1
        for name, run in runs.items():
            # Quick ones more often, so that their percentiles mean something.
            for _ in range(5 if name in ("augment-ops", "memcpy", "cv2") else 1):
                started = time.perf_counter()
                run(images, epoch)
                times[name].append((time.perf_counter() - started) / len(images) * 1e6)
                epoch += 1
        enough = min(map(len, times.values())) >= ROUNDS
        if enough and sum(map(sum, times.values())) * len(images) / 1e6 > 10 * SECONDS:
            break
    return {
        name: {"p50": round(float(np.median(t)), 2), "p95": round(float(np.percentile(t, 95)), 2), "batches": len(t)}
        for name, t in times.items()
    }


def compile_seconds() -> dict[str, float]:
    """Seconds of the first call of each kind of kernel in a fresh process: compiled, then read from the cache."""
    code = (
        "import time, numpy as np\nfrom augment_ops import Augmenter, Policy\n"
        f"head, texts = {HEAD!r}, {[*POLICIES.values(), EVERY_KERNEL]!r}\n"
        "policies = [Policy.from_text(head + t) for t in texts]\nstarted = time.perf_counter()\n"
        "for p in policies: Augmenter(p, 7)(np.zeros((64, 32, 32, 3), np.uint8), range(64))\n"
        "print(time.perf_counter() - started)"
    )
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        first, again = (
            float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout)
            for _ in range(2)
        )
    return {"first": round(first, 1), "from cache": round(again, 2)}


EVERY_KERNEL = "  - GaussianBlur: {p: 1.0}\n  - Perspective: {p: 1.0}\n  - SaltAndPepper: {p: 1.0}\n"


def markdown(result: dict) -> str:
    lines = [
        "# The engine, side by side",
        "",
        f"`make bench`: {result['machine']}, one thread, load {result['load_before']:.2f} before.",
        "Microseconds an image:",
        "median (95th percentile) over batches. *usual* is flip, rotation, shift and scale, brightness and contrast,",
        "Gaussian noise and one hole; albumentations 2.0.8 has its geometry merged by hand, *as written* has not.",
        f"First calls of all kernels: {result['compile_s']['first']} s, and {result['compile_s']['from cache']} s from",
        f"the cache on disk. *as tensors* is the same plan by torch on {result['tensors_on']}.",
        *(f"{name} was measured again, load {load:.2f} before." for name, load in result["measured_again"].items()),
        "",
        "| policy, shape | augment-ops | albumentations | ratio | as written | cv2 by hand | kornia | as tensors | "
        "memcpy |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in result["us_per_image"].items():
        cell = {who: f"{f['p50']:,.1f} ({f['p95']:,.1f})" for who, f in figures.items()}
        ratio = figures["albumentations"]["p50"] / figures["augment-ops"]["p50"]
        others = (cell.get(who, "") for who in ("albumentations as written", "cv2", "kornia", "as tensors", "memcpy"))
        lines.append(
            f"| {name} | {cell['augment-ops']} | {cell['albumentations']} | **{ratio:.1f}×** | {' | '.join(others)} |"
        )
    return "\n".join(lines) + "\n"


def plot(table: dict) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows: Sequence[str] = [name for name in table if name.startswith("usual")]
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for who in ("albumentations as written", "albumentations", "kornia", "cv2", "augment-ops", "memcpy"):
        values = [table[row].get(who, {}).get("p50", np.nan) for row in rows]
        axes.plot(range(len(rows)), values, marker="o", label=who, linewidth=3 if who == "augment-ops" else 1.2)
    axes.set_yscale("log")
    axes.set_xticks(range(len(rows)), [row.removeprefix("usual ") for row in rows])
    axes.set_ylabel("µs an image, one thread")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(HERE / "engine.png", dpi=140)


if __name__ == "__main__":
    main(sys.argv[1:])
