"""The engine where there is a GPU: its fused kernel, the plan as tensors, and a training on it.

    python benchmarks/gpu.py [training]

Needs CUDA, triton, and torchvision for its ResNet; kornia and DALI are left out where they are not installed. With
`training` that part is measured again and the rest stays. Writes benchmarks/gpu.json and benchmarks/gpu.md:

- how far pixels on the GPU are from the bytes of the compiled loops, fused and as tensors;
- microseconds an image, images on the GPU before and after, beside one thread of the compiled loops, kornia and DALI on
  the same GPU, the contenders taking turns; and how much of it goes by before there are parameters;
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
from engine import HEAD, HOLE, POLICIES, Run, kornia_pipeline, measure, picture

from augment_ops import Augmenter, Policy
from augment_ops.delivery.online import OnlineBatches
from augment_ops.delivery.tensors import EpochDataset
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.image.fused.program import FusedProgram
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.modalities.image.tensors.form import Form
from augment_ops.modalities.image.tensors.program import TensorProgram

HERE = Path(__file__).parent
SHAPES = {(32, 32, 3): 1024, (96, 96, 3): 512, (224, 224, 3): 256, (512, 512, 3): 64}  # and images a batch
BATCH, KINDS, WORKERS = 256, ("threads", "processes"), (2, 4, 8)

PROGRAMS = {"fused": FusedProgram, "as tensors": TensorProgram}
FORM = Form(dtype=torch.bfloat16, layout="channels_last")  # as the training takes it

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
Work = Callable[[int], object]


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
            result["us_per_image"][row] = measure(contenders(name, augmenter, ids, images), images)
            print(row, flush=True)
    return result


def away(augmenter: Augmenter, images: np.ndarray, ids: SampleIds) -> dict[str, dict[str, float]]:
    """Share of the values that are not those of the loops, and by how many levels at most, by who computes."""
    there, wanted, found = torch.from_numpy(images).cuda(), augmenter(images, ids, 0), {}
    for who, program in PROGRAMS.items():
        pixels = program(augmenter.plan)(there, augmenter._keys(ids, 0), ids.names)
        difference = np.abs(pixels.cpu().numpy().astype(int) - wanted)
        found[who] = {"share": float((difference > 0).mean()), "levels": int(difference.max())}
    return found


def contenders(name: str, augmenter: Augmenter, ids: SampleIds, images: np.ndarray) -> dict[str, Run]:
    there = torch.from_numpy(images).cuda()
    fused = FusedProgram(augmenter.plan)
    chosen: dict[str, Run] = {
        "augment-ops": lambda images, epoch: augmenter(images, ids, epoch),
        "drawing": there_and_done(
            lambda epoch: fused.instructions(there, augmenter._keys(ids, epoch), whole=True),
        ),
    }
    for who, program in PROGRAMS.items():
        chosen[who] = there_and_done(by_program(program(augmenter.plan), augmenter, ids, there))
    if (pipeline := kornia_pipeline(name)) is not None:
        chosen["kornia"] = there_and_done(lambda epoch: with_kornia(pipeline, there))
    if (run := dali_pipeline(name, there)) is not None:
        chosen["DALI"] = there_and_done(run)
    return chosen


def by_program(
    program: FusedProgram | TensorProgram, augmenter: Augmenter, ids: SampleIds, there: torch.Tensor
) -> Work:
    return lambda epoch: program(there, augmenter._keys(ids, epoch), ids.names)


def with_kornia(pipeline: Callable[[torch.Tensor], torch.Tensor], there: torch.Tensor) -> torch.Tensor:
    found = pipeline(there.permute(0, 3, 1, 2).float() / 255)
    return (found * 255).clamp(0, 255).to(torch.uint8)


def there_and_done(work: Work) -> Run:
    """Work on images that lie on the GPU already, until it is done."""

    def run(images: np.ndarray, epoch: int) -> object:
        found = work(epoch)
        torch.cuda.synchronize()
        return found

    return run


def dali_pipeline(name: str, there: torch.Tensor) -> Work | None:
    """NVIDIA's DALI on images that lie on the GPU; None where it is not installed."""
    try:
        from nvidia.dali import fn, pipeline_def
        from nvidia.dali.auto_aug import rand_augment, trivial_augment
        from nvidia.dali.plugin.pytorch import feed_ndarray
    except ImportError:
        print("DALI is not installed: left out")
        return None
    n, height, width, channels = there.shape

    @pipeline_def(batch_size=n, num_threads=4, device_id=0, enable_conditionals=True, seed=7)
    def pipeline():
        x = fn.external_source(source=lambda: there, device="gpu", layout="HWC", batch=True, no_copy=True)
        if name == "RandAugment":
            return rand_augment.rand_augment(x, n=2, m=9, shape=[height, width])
        if name == "TrivialAugment":
            return trivial_augment.trivial_augment_wide(x, shape=[height, width])
        x = fn.flip(x, horizontal=fn.random.coin_flip())
        x = fn.rotate(x, angle=fn.random.uniform(range=(-15.0, 15.0)), keep_size=True, fill_value=0)
        x = fn.brightness_contrast(
            x, brightness=fn.random.uniform(range=(0.8, 1.2)), contrast=fn.random.uniform(range=(0.8, 1.2))
        )
        x = fn.noise.gaussian(x, stddev=15.0)
        share = HOLE["hole_height_range"]
        return fn.erase(
            x,
            anchor=fn.random.uniform(range=(0.0, 0.7), shape=[2]),
            shape=fn.random.uniform(range=share, shape=[2]),
            axes=(0, 1),
            normalized=True,
        )

    built = pipeline()
    built.build()
    out = torch.empty((n, height, width, channels), dtype=torch.uint8, device="cuda")

    def run(epoch: int) -> torch.Tensor:
        (found,) = built.run()
        feed_ndarray(found.as_tensor() if hasattr(found, "as_tensor") else found, out)
        return out

    return run


def training(network: str) -> dict[str, dict[str, float]]:
    """Images a second by where the batches come from, and how long the GPU waits for them."""
    shape, n, epochs, net = TRAININGS[network]
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(rng, shape) for _ in range(256)])
    images = np.concatenate([np.roll(pictures, i, axis=2) for i in range(n // 256)])
    labels, names = rng.integers(0, 10, n), tuple(str(i) for i in range(n))
    augmenter, ids = Augmenter(Policy.from_text(HEAD + POLICIES["usual"]), 7), SampleIds.of(range(n))
    tensors = TensorProgram(augmenter.plan)
    there, classes = torch.from_numpy(images).cuda(), torch.from_numpy(labels).cuda()

    def as_they_are(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for i in range(0, n, BATCH):
            yield there[i : i + BATCH], classes[i : i + BATCH]

    def fused(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for i in range(0, n, BATCH):
            rows = slice(i, i + BATCH)
            yield augmenter.tensors(there[rows], ids[np.arange(i, i + BATCH)], epoch, form=FORM), classes[rows]

    def on_the_gpu(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for i in range(0, n, BATCH):
            rows = slice(i, i + BATCH)
            here = ids[np.arange(i, i + BATCH)]
            yield tensors(there[rows], augmenter._keys(here, epoch), here.names), classes[rows]

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
        "fused": fused,
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
                    loss = torch.nn.functional.cross_entropy(model(_ready(x)), y)
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


def _ready(x: torch.Tensor) -> torch.Tensor:
    """What is not in the form of a net yet."""
    return x if x.is_floating_point() else x.permute(0, 3, 1, 2).float() / 255


def markdown(result: dict) -> str:
    lines = [
        "# The engine on a GPU",
        "",
        f"`python benchmarks/gpu.py`: {result['machine']}.",
        "Microseconds an image, median (95th percentile) over batches. *Fused*, *as tensors*, kornia and DALI work",
        "on images that lie on the GPU and stay there; the loops run in one thread of the CPU, and *drawing* is what",
        "*fused* takes before it sees a pixel: keys on the CPU, parameters on the GPU where they can be drawn there.",
        "*Away*: values that differ from the bytes of the loops, and the most levels of one.",
        "",
        "| policy, shape | loops | fused | drawing | as tensors | kornia | DALI | fused away | tensors away |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, figures in result["us_per_image"].items():
        cell = {who: f"{f['p50']:,.2f} ({f['p95']:,.2f})" for who, f in figures.items()}
        names = ("augment-ops", "fused", "drawing", "as tensors", "kornia", "DALI")
        far = result["away_from_the_loops"][row]
        cells = [cell.get(name, "") for name in names]
        cells += [f"{far[who]['share']:.2e}, {far[who]['levels']}" if who in far else "" for who in PROGRAMS]
        lines.append(f"| {row} | {' | '.join(cells)} |")
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
