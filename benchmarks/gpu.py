"""The engine where there is a GPU: the plan on its tensors, and a training on it fed by the CPU's loops.

    python benchmarks/gpu.py [training]

Needs CUDA, and torchvision for its ResNet; kornia is left out where it is not installed. With `training` that part is
measured again and the rest stays. Writes benchmarks/gpu.json and benchmarks/gpu.md:

- how far pixels on the GPU are from the bytes of the compiled loops;
- microseconds an image, images on the GPU before and after, beside one thread of the compiled loops and kornia on the
  same GPU, the contenders taking turns;
- images a second of two trainings, by where their batches come from, and the share of the time in which the GPU waits
  for them: what is missing to the same training on batches that lie on the GPU already.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np
import torch
from engine import HEAD, POLICIES, Run, as_tensors, kornia_pipeline, measure, picture

from augment_ops import Augmenter, Policy
from augment_ops.delivery.online import OnlineBatches
from augment_ops.delivery.tensors import EpochDataset
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.image.networks import small_cnn

HERE = Path(__file__).parent
SHAPES = {(32, 32, 3): 1024, (96, 96, 3): 512, (224, 224, 3): 256, (512, 512, 3): 64}  # and images a batch
BATCH, KINDS, WORKERS = 256, ("threads", "processes"), (2, 4, 8)

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def resnet18() -> torch.nn.Module:
    from torchvision.models import resnet18

    return resnet18(num_classes=10)


# Images, how many, epochs and the net. The small one is quicker than the interpreter launches it, so that whatever runs
# in the same process holds it up; the other is what one trains at this size.
TRAININGS: dict[str, tuple[tuple[int, int, int], int, int, Callable[[], torch.nn.Module]]] = {
    "the small net": ((32, 32, 3), 51_200, 5, lambda: small_cnn((32, 32, 3), 10)),
    "ResNet-18": ((224, 224, 3), 5_120, 3, resnet18),
}


def main(wanted: Sequence[str]) -> None:
    path = HERE / "gpu.json"
    result: dict = json.loads(path.read_text()) if wanted else pixels()
    result.pop("training_note", None)
    result["training"] = {network: training(network) for network in TRAININGS}
    path.write_text(json.dumps(result, indent=1) + "\n")
    (HERE / "gpu.md").write_text(markdown(result))
    print(markdown(result))


def pixels() -> dict:
    result: dict = {
        "machine": f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"torch {torch.__version__}",
        "away_from_the_loops": {},
        "us_per_image": {},
    }
    for name in POLICIES:
        for shape, n in SHAPES.items():
            row = f"{name} {'×'.join(map(str, shape))}"
            rng = np.random.default_rng(0)
            images = np.stack([picture(rng, shape) for _ in range(n)])
            augmenter, ids = Augmenter(Policy.from_text(HEAD + POLICIES[name]), 7), SampleIds.of(range(n))
            result["away_from_the_loops"][row] = away(augmenter, images, ids)
            result["us_per_image"][row] = measure(contenders(name, augmenter, ids), images)
            print(row, flush=True)
    return result


def away(augmenter: Augmenter, images: np.ndarray, ids: SampleIds) -> dict[str, float]:
    """Share of the values that are not those of the loops, and by how many levels at most."""
    found = augmenter.tensors(torch.from_numpy(images).cuda(), ids, 0).cpu().numpy()
    difference = np.abs(found.astype(int) - augmenter(images, ids, 0))
    return {"share": float((difference > 0).mean()), "levels": int(difference.max())}


def contenders(name: str, augmenter: Augmenter, ids: SampleIds) -> dict[str, Run]:
    chosen: dict[str, Run] = {
        "augment-ops": lambda images, epoch: augmenter(images, ids, epoch),
        "as tensors": as_tensors(augmenter, ids),
    }
    pipeline = kornia_pipeline(name)
    if pipeline is not None:
        there: list[torch.Tensor] = []

        def kornia(images: np.ndarray, epoch: int) -> object:
            if not there:
                there.append(torch.from_numpy(images).cuda())
            found = pipeline(there[0].permute(0, 3, 1, 2).float() / 255)
            found = (found * 255).clamp(0, 255).to(torch.uint8)
            torch.cuda.synchronize()
            return found

        chosen["kornia"] = kornia
    return chosen


def training(network: str) -> dict[str, dict[str, float]]:
    """Images a second by where the batches come from, and how long the GPU waits for them."""
    shape, n, epochs, net = TRAININGS[network]
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(rng, shape) for _ in range(256)])
    images = np.concatenate([np.roll(pictures, i, axis=2) for i in range(n // 256)])
    labels, names = rng.integers(0, 10, n), tuple(str(i) for i in range(n))
    augmenter, ids = Augmenter(Policy.from_text(HEAD + POLICIES["usual"]), 7), SampleIds.of(range(n))
    there, classes = torch.from_numpy(images).cuda(), torch.from_numpy(labels).cuda()

    def as_they_are(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for i in range(0, n, BATCH):
            yield there[i : i + BATCH], classes[i : i + BATCH]

    def on_the_gpu(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for i in range(0, n, BATCH):
            rows = slice(i, i + BATCH)
            yield augmenter.tensors(there[rows], ids[np.arange(i, i + BATCH)], epoch), classes[rows]

    sources = {
        f"{workers} {kind}": OnlineBatches(
            images, labels, names, augmenter, seed=7, batch_size=BATCH, workers=workers, kind=kind
        )
        for kind in KINDS
        for workers in WORKERS
    }

    def from_workers(source: OnlineBatches) -> Callable[[int], Batches]:
        return lambda epoch: EpochDataset(source, epoch, device="cuda")

    ways: dict[str, Callable[[int], Batches]] = {
        "nothing to wait for": as_they_are,
        **{f"loops, {name}": from_workers(source) for name, source in sources.items()},
        "as tensors": on_the_gpu,
    }
    model = net().cuda().to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for epoch in range(epochs + 1):  # the first warms up
        for way, batches in ways.items():
            torch.cuda.synchronize()
            started = time.perf_counter()
            for x, y in batches(epoch):
                with torch.autocast("cuda", torch.bfloat16):
                    loss = torch.nn.functional.cross_entropy(model(x.permute(0, 3, 1, 2).float() / 255), y)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            torch.cuda.synchronize()
            seconds[way].append(time.perf_counter() - started)
    for source in sources.values():
        source.close()
    median = {way: float(np.median(s[1:])) for way, s in seconds.items()}
    floor = median["nothing to wait for"]
    return {
        way: {"images_per_s": round(n / s), "waiting_share": round(max(0.0, 1 - floor / s), 3)}
        for way, s in median.items()
    }


def markdown(result: dict) -> str:
    lines = [
        "# The engine on a GPU",
        "",
        f"`python benchmarks/gpu.py`: {result['machine']}.",
        "Microseconds an image, median (95th percentile) over",
        "batches; *as tensors* and kornia work on images that lie on the GPU and stay there, the loops run in one",
        "thread of the CPU. *Away*: values that differ from the bytes of the loops, and the most levels that one does.",
        "",
        "| policy, shape | loops, one thread | as tensors | kornia | away |",
        "|---|---|---|---|---|",
    ]
    for row, figures in result["us_per_image"].items():
        cell = {who: f"{f['p50']:,.2f} ({f['p95']:,.2f})" for who, f in figures.items()}
        far = result["away_from_the_loops"][row]
        cells = (cell["augment-ops"], cell["as tensors"], cell.get("kornia", ""))
        lines.append(f"| {row} | {' | '.join(cells)} | {far['share']:.2e}, {far['levels']} |")
    if "training_note" in result:
        lines += ["", result["training_note"]]
    for network, ways in result["training"].items():
        lines += [
            "",
            f"{network} at {'×'.join(map(str, TRAININGS[network][0]))}, bfloat16, batches of {BATCH}, policy *usual*:",
            "",
            "| batches from | images a second | the GPU waits |",
            "|---|---|---|",
            *(f"| {way} | {f['images_per_s']:,} | {f['waiting_share']:.1%} |" for way, f in ways.items()),
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
