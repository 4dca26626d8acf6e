"""What a pretrained backbone is worth on blood cells (BCCD): the small network, and ResNet-18 with weights and without.

There are no weights of ImageNet offline, so the backbone learns clothes first (Fashion-MNIST, in random colours), and
is handed on as any other would be: a safetensors file, named in a recipe with its sha256. Each network has the learning
rate with the highest mean recall on BCCD's pictures of validation. Prints a table of the pictures of test: rate,
epochs, accuracy, mean recall of the classes with the 95% interval of its mean over seeds (Student's t; each seed draws
what is learnt from), the lowest and highest, and seconds that training took of the processor: with one thread those of
the clock on a machine that does nothing else.

    python -m benchmarks.pretrained --data DATA --seeds 5 --epochs 15
    python -m benchmarks.pretrained --data DATA --seeds 5 --seconds 20    # each network as many epochs as fit
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
from scipy import stats

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


def judged(train, seen, model: str, settings: TorchSettings, epochs: int, seed: int) -> tuple[list[float], float]:
    """Accuracy, then its mean over classes, of each set of cells in `seen`; and seconds of the processor."""
    images, labels = train
    ids = tuple(map(str, range(len(labels))))
    source = OnlineBatches(images, labels, ids, None, seed=seed, batch_size=32, workers=0)
    learnt = Labelled(ArrayPayload(images), labels)
    nothing = Labelled(ArrayPayload(images[:0]), labels[:0])
    task = Task(
        modality="image", classes=CLASSES, train=learnt, validation=nothing, augmented=False, class_weight="balanced",
        model=model,
    )  # fmt: skip
    started = time.process_time()
    trained = trainer("torch").fit(task, source, Budget(epochs, 32, seed, settings), "cpu")
    seconds = time.process_time() - started
    source.close()
    scores = []
    with load(Artifact(trained.artifact, trained.digest, "model.pt2")) as answers:
        for cells_, truth in seen:
            found = [answers(cells_[at : at + 256]) for at in range(0, len(cells_), 256)]
            right = np.concatenate(found).argmax(1) == truth
            scores += [float(right.mean()), float(np.mean([right[truth == k].mean() for k in range(len(CLASSES))]))]
    return scores, seconds


def epochs_in(seconds: float, train, model: str, settings: TorchSettings) -> int:
    """That a training may have to take about so many seconds, by one of a single epoch and one of 21."""
    judged(train, [], model, settings, 1, 0)  # what is made once a process counts for nobody
    first, last = (judged(train, [], model, settings, epochs, 0)[1] for epochs in (1, 21))
    return max(1, 1 + int(20 * (seconds - first) / (last - first)))


def interval(values: np.ndarray) -> tuple[float, float]:
    """In which the mean lies, 95%."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seconds", type=float, help="of training for each network, in place of epochs")
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-3, 1e-3, 3e-4], help="of learning, to choose of")
    parser.add_argument("--pretraining-epochs", type=int, default=2)
    parser.add_argument("--few", type=int, default=60, help="cells to learn from; 0 for all")
    parser.add_argument("--backbone", type=Path, help="file that keeps it; taken as it is where it is there")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    train, val, test = (cells(asked.data / "bccd" / "bccd.tar.gz", split) for split in ("train", "val", "test"))
    with tempfile.TemporaryDirectory() as folder:
        clothing = asked.data / "fashion-mnist-png" / "fashion_mnist_images.tar.gz"
        kept = asked.backbone or Path(folder) / "backbone.safetensors"
        started = time.process_time()
        weights = backbone(clothing, kept, asked.pretraining_epochs, asked.threads)
        print(f"backbone: {time.process_time() - started:.0f} s")
        normal = Standardise(mean=MEAN, std=STD)
        ways = {
            "the small network": ("", Network()),
            "ResNet-18, untrained": (BACKBONE, Network(normalise=normal)),
            "ResNet-18, pretrained": (BACKBONE, Network(weights=weights, normalise=normal)),
        }
        draws = []
        for seed in range(asked.seeds):
            rows = np.random.default_rng(seed).permutation(len(train[1]))[: asked.few or None]
            draws.append((train[0][rows], train[1][rows]))
        for name, (model, network) in ways.items():
            best, epochs = None, asked.epochs
            if asked.seconds:
                epochs = epochs_in(
                    asked.seconds, draws[0], model, TorchSettings(network=network, threads=asked.threads)
                )
            for rate in asked.rates:
                settings = TorchSettings(
                    network=network,
                    optimizer=Optimizer(learning_rate=rate),
                    schedule=Schedule(warm_up_share=0.1),
                    threads=asked.threads,
                )
                every = [judged(some, [val, test], model, settings, epochs, seed) for seed, some in enumerate(draws)]
                found = np.array([[*scores, taken] for scores, taken in every])
                chosen_by = found[:, 1].mean()  # mean recall on the pictures of validation
                print(f"{name}, {rate:g}, {epochs} epochs: {chosen_by:.3f} in validation", flush=True)
                if best is None or chosen_by > best[0]:
                    best = chosen_by, rate, epochs, found
            assert best is not None
            _, rate, epochs, found = best
            _, _, accuracy, balanced, seconds = found.T
            low, high = interval(balanced)
            recall = f"{balanced.mean():.3f} ({low:.3f} to {high:.3f}) | {balanced.min():.3f}–{balanced.max():.3f}"
            print(
                f"| {name} | {rate:g} | {epochs} | {accuracy.mean():.3f} | {recall} | {seconds.mean():.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
