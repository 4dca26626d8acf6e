"""What a pretrained backbone is worth on blood cells (BCCD): the small network, and ResNet-18 with weights and without.

There are no weights of ImageNet offline, so the backbone learns clothes first (Fashion-MNIST, in random colours), and
is handed on as any other would be: a safetensors file, named in a recipe with its sha256. Prints a table.

    python -m benchmarks.pretrained --data DATA --seeds 3
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tarfile
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.online import OnlineBatches
from augment_ops.modalities import modality
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import loop, trainer
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.factory import load_factory
from augment_ops.training.torch_settings import Network, Optimizer, Schedule, Standardise, TorchSettings, Weights

CLASSES = ("Platelets", "RBC", "WBC")
BACKBONE = "torchvision:resnet18"
SIZE = 48  # rows and columns of a cell
SAMPLES = 20_000  # of clothes
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def clothes(archive: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, 28, 28, 3) between two random colours each, and int64 (N,)."""
    grey, labels = [], []
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            is_one = member.isfile() and "train" in parts and member.name.endswith(".png")
            if is_one and int(Path(member.name).stem) % 3 == 0:
                grey.append(np.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())).convert("L")))
                labels.append(int(parts[-2]))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(grey))[:SAMPLES]
    share = np.stack(grey)[rows][..., None] / 255.0
    low, high = rng.integers(0, 256, (2, len(rows), 1, 1, 3))
    return (low + share * (high - low)).astype(np.uint8), np.array(labels, np.int64)[rows]


def cells(archive: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, SIZE, SIZE, 3) and int64 (N,), each a box of a picture of the split."""
    images, labels = [], []
    with tarfile.open(archive) as tar:
        names = {member.name[member.name.index("BCCD/") :]: member for member in tar if "BCCD/" in member.name}

        def read(name: str) -> bytes:
            return tar.extractfile(names[name]).read()

        for stem in read(f"BCCD/ImageSets/Main/{split}.txt").decode().split():
            picture = Image.open(io.BytesIO(read(f"BCCD/JPEGImages/{stem}.jpg"))).convert("RGB")
            for thing in ElementTree.fromstring(read(f"BCCD/Annotations/{stem}.xml")).iter("object"):
                box = [int(thing.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax")]
                if box[2] - box[0] > 4 and box[3] - box[1] > 4:
                    images.append(np.asarray(picture.crop(box).resize((SIZE, SIZE), Image.Resampling.BILINEAR)))
                    labels.append(CLASSES.index(thing.find("name").text))
    return np.stack(images), np.array(labels, np.int64)


def backbone(archive: Path, path: Path, epochs: int, threads: int) -> Weights:
    """ResNet-18 that can tell clothes, as a file."""
    if path.exists():
        return _as_named(path)
    from safetensors.torch import save_file

    images, labels = clothes(archive, 0)
    like, of = images[:0], modality("image")
    factory = of.with_input(load_factory(BACKBONE), None, MEAN, STD)
    model = loop.build(factory, of, like, 10, 0)
    source = OnlineBatches(images, labels, tuple(map(str, range(len(labels)))), None, seed=0, batch_size=64, workers=0)
    settings = TorchSettings(optimizer=Optimizer(learning_rate=1e-3), threads=threads)
    held_out = Labelled(ArrayPayload(images[:500]), labels[:500])
    batches = len(batch_rows(0, 0, len(labels), 64))
    loop.train(model, source, held_out, Budget(epochs, 64, 0), batches, print, settings=settings)
    source.close()
    save_file({name: value.contiguous() for name, value in model.net.net.state_dict().items()}, path)
    return _as_named(path)


def _as_named(path: Path) -> Weights:
    return Weights(uri=str(path.resolve()), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def judged(train, test, model: str, settings: TorchSettings, epochs: int, seed: int) -> tuple[float, float, float]:
    """Accuracy, its mean over classes, and seconds of training."""
    (images, labels), (held_out, truth) = train, test
    ids = tuple(map(str, range(len(labels))))
    source = OnlineBatches(images, labels, ids, None, seed=seed, batch_size=32, workers=0)
    learnt = Labelled(ArrayPayload(images), labels)
    nothing = Labelled(ArrayPayload(images[:0]), labels[:0])
    task = Task(
        modality="image", classes=CLASSES, train=learnt, validation=nothing, augmented=False, class_weight="balanced",
        model=model,
    )  # fmt: skip
    started = time.perf_counter()
    trained = trainer("torch").fit(task, source, Budget(epochs, 32, seed, settings), "cpu")
    seconds = time.perf_counter() - started
    source.close()
    with load(Artifact(trained.artifact, trained.digest, "model.pt2")) as answers:
        found = np.concatenate([answers(held_out[at : at + 256]) for at in range(0, len(held_out), 256)]).argmax(1)
    right = found == truth
    return float(right.mean()), float(np.mean([right[truth == k].mean() for k in range(len(CLASSES))])), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pretraining-epochs", type=int, default=3)
    parser.add_argument("--few", type=int, default=300, help="cells to learn from; 0 for all")
    parser.add_argument("--backbone", type=Path, help="file that keeps it; taken as it is where it is there")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    archive = asked.data / "bccd" / "bccd.tar.gz"
    train, test = cells(archive, "train"), cells(archive, "test")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        clothing = asked.data / "fashion-mnist-png" / "fashion_mnist_images.tar.gz"
        kept = asked.backbone or Path(folder) / "backbone.safetensors"
        weights = backbone(clothing, kept, asked.pretraining_epochs, asked.threads)
        print(f"backbone: {time.perf_counter() - started:.0f} s")
        normal = Standardise(mean=MEAN, std=STD)
        slow = {"optimizer": Optimizer(learning_rate=1e-3), "schedule": Schedule(warm_up_share=0.1)}
        ways = {
            "small network": ("", TorchSettings(threads=asked.threads)),
            "ResNet-18, untrained": (
                BACKBONE, TorchSettings(network=Network(normalise=normal), threads=asked.threads, **slow),
            ),
            "ResNet-18, pretrained": (
                BACKBONE,
                TorchSettings(network=Network(weights=weights, normalise=normal), threads=asked.threads, **slow),
            ),
        }  # fmt: skip
        for name, (model, settings) in ways.items():
            found = []
            for seed in range(asked.seeds):
                rows = np.random.default_rng(seed).permutation(len(train[1]))[: asked.few or None]
                some = train[0][rows], train[1][rows]
                found.append(judged(some, test, model, settings, asked.epochs, seed))
            accuracy, balanced, seconds = np.array(found).T
            of = f"{balanced.min():.3f}–{balanced.max():.3f}"
            print(
                f"| {name} | {accuracy.mean():.3f} | {balanced.mean():.3f} ({of}) | {seconds.mean():.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
