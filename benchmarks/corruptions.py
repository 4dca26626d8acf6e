r"""Our corruptions beside imagecorruptions 1.1.2: what they cost, and whether a model fails on both alike.

    python -m venv /elsewhere && /elsewhere/bin/pip install "setuptools<81" "numpy<2" "scipy<1.14" \
        "scikit-image<0.23" imagecorruptions==1.1.2
    python benchmarks/corruptions.py speed --reference /elsewhere/bin/python
    python benchmarks/corruptions.py agreement --reference /elsewhere/bin/python \
        --data path/to/fashion_mnist_images.tar.gz --photos path/to/bccd.tar.gz
    python benchmarks/corruptions.py suite --data path/to/fashion_mnist_images.tar.gz --images 10000

Each writes its part of benchmarks/corruptions.json. imagecorruptions needs an environment of its own: it brings another
OpenCV, and it does not run on numpy 2. Both sides run in one thread and take turns.

speed: milliseconds of a processor for one image of 224×224×3 on both sides, the best of nine (of three where one takes
half a second), the median over severities. By the clock, a busy machine would count against whoever takes longer.
agreement: a convolutional net that was trained on clean Fashion-MNIST in RGB at 48×48 loses accuracy on both; as much,
if the corruptions are the same. imagecorruptions knows ImageNet-C's strengths alone, so ours are given those; and where
it departs from the authors' code (no affine map before an elastic deformation; the upper left corner of an enlarged
field of snow instead of its middle), ours departs too, for the comparison. On crops of photographs at 224×224 the
pictures are compared by how far they are from the clean ones, and by their fine detail.
suite: seconds to make the 25 corruptions of policies/stress/general.yaml × 5 severities of images of 28×28.
tables: prints the tables of docs/stress.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from augment_ops.modalities.image.corruptions import COMMON, CORRUPTIONS, SEVERITIES, VALIDATION, apply, weather
from augment_ops.stress.suite import build, load

HERE = Path(__file__).parent
NAMES = (*COMMON, *VALIDATION)
SIDE, TRAIN, EPOCHS = 48, 6000, 4
_FEW, _MANY, _LONG_S = 3, 9, 0.5  # rounds of a corruption: of three, one may be disturbed on either side alone
# Its elastic deformation is another one than the paper's: no affine map, and these strengths.
ITS_ELASTIC = {
    "reach_share": [0.0625, 0.08125, 0.10625, 0.125, 0.15],
    "sigma_share": [0.01] * 5,
    "moved_share": [0.0] * 5,
}


class OtherLibrary:
    """The other library in its own interpreter."""

    def __init__(self, python: str, folder: str) -> None:
        worker = [python, HERE / "corruptions_reference.py"]
        self._folder = Path(folder)
        self._process = subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def corrupt(self, images: np.ndarray, name: str, severity: int, *, keep: bool) -> tuple[float, np.ndarray | None]:
        """Processor seconds that it takes, and what comes out where that is to be kept."""
        source, goal = self._folder / "images.npy", self._folder / "out.npy"
        np.save(source, images)
        request = {"images": str(source), "name": name, "severity": severity, "out": str(goal) if keep else None}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        seconds = float(json.loads(self._process.stdout.readline()))
        return seconds, np.load(goal) if keep else None

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def strengths(name: str) -> dict[str, list[float]]:
    """ImageNet-C's strengths, which imagecorruptions applies at every size."""
    if name == "elastic_transform":
        return ITS_ELASTIC
    columns = zip(*CORRUPTIONS[name].large, strict=True)
    return dict(zip(CORRUPTIONS[name].parameters, map(list, columns), strict=True))


@contextmanager
def from_the_corner() -> Iterator[None]:
    """Fields of noise are enlarged and cropped as imagecorruptions does."""
    ours = weather.zoomed_normals

    def its(keys: np.ndarray, size: tuple[int, ...], zoom: float) -> np.ndarray:
        # Of a field as large as the enlarged one, nothing is cut off at the upper and left edges.
        whole = tuple(math.floor(math.ceil(side / zoom) * zoom) for side in size)
        return ours(keys, whole, zoom)[:, : size[0], : size[1]]

    weather.zoomed_normals = its
    try:
        yield
    finally:
        weather.zoomed_normals = ours


def speed(reference: OtherLibrary, names: list[str]) -> None:
    """Milliseconds of a processor an image, in turn; the best of nine a severity, of three where one takes long."""
    noise = np.random.default_rng(0).integers(0, 256, (14, 14, 3), np.uint8)
    image = cv2.resize(noise, (224, 224), interpolation=cv2.INTER_CUBIC)[None]
    for name in names:
        ours, theirs = [], []
        for severity in SEVERITIES:
            apply(name, severity, image, ["warm"])  # tables and compiled loops
            mine, its = [], []
            while len(mine) < _FEW or (len(mine) < _MANY and its[-1] < _LONG_S):
                started = time.process_time()
                apply(name, severity, image, ["a"])
                mine.append(time.process_time() - started)
                its.append(reference.corrupt(image, name, severity, keep=False)[0])
            ours.append(1000 * min(mine))
            theirs.append(1000 * min(its))
        row = {"ours_ms": median(ours), "theirs_ms": median(theirs), "ratio": median(theirs) / median(ours)}
        keep("speed", {"rows": {name: row}})


def agreement(reference: OtherLibrary, names: list[str], count: int, data: Path, photos: Path, folder: Path) -> None:
    """Accuracy lost by severity, ours and theirs, and distances from the clean pictures at 224."""
    images, labels = fashion(data, "test", count)
    images = enlarged(images)
    ids = [str(i) for i in range(len(images))]
    model = trained(data, folder)
    clean = accuracy(model, images, labels)
    crops = photographs(photos, max(1, count // 100))
    for name in names:
        ours, theirs = [], []
        for severity in SEVERITIES:
            with from_the_corner():
                pictures = apply(name, severity, images, ids, params=strengths(name))
            ours.append(clean - accuracy(model, pictures, labels))
            its = reference.corrupt(images, name, severity, keep=True)[1]
            assert its is not None
            theirs.append(clean - accuracy(model, its, labels))
        row: dict[str, Any] = {
            "ours": ours,
            "theirs": theirs,
            "gap": [a - b for a, b in zip(ours, theirs, strict=True)],
        }
        row |= {"n": len(labels), "crops": len(crops), "clean": clean} | distances(reference, name, crops)
        keep("agreement", {"rows": {name: row}})


def distances(reference: OtherLibrary, name: str, crops: np.ndarray) -> dict[str, list[float]]:
    """Mean absolute difference from the clean picture in grey levels, and energy of what is finer than 2 pixels."""
    result: dict[str, list[float]] = {
        "distance_ours": [],
        "distance_theirs": [],
        "detail_ours": [],
        "detail_theirs": [],
    }
    for severity in SEVERITIES:
        with from_the_corner():
            mine = apply(name, severity, crops, [str(i) for i in range(len(crops))], params=strengths(name))
        its = reference.corrupt(crops, name, severity, keep=True)[1]
        assert its is not None
        for whose, pictures in (("ours", mine), ("theirs", its)):
            result[f"distance_{whose}"].append(float(np.abs(pictures.astype(float) - crops).mean()))
            detail = [float(cv2.Laplacian(p, cv2.CV_32F).std()) for p in pictures]
            result[f"detail_{whose}"].append(float(np.mean(detail)))
    return result


def suite(data: Path, count: int) -> None:
    """Make every cell of the general suite from so many images: seconds in all and by corruption."""
    images, _ = fashion(data, "test", count)
    ids = [str(i) for i in range(len(images))]
    spec = load(HERE.parent / "policies" / "stress" / "general.yaml")
    for _ in build(spec, images[:1], ids[:1]):
        pass  # compiled
    by_name: dict[str, float] = {}
    started, busy = time.perf_counter(), time.process_time()
    for name, _, _ in build(spec, images, ids):
        now = time.perf_counter()
        by_name[name] = by_name.get(name, 0.0) + now - started
        started = now
    result = {"images": len(images), "cells": 1 + 5 * len(spec.corruptions), "load": os.getloadavg()[0]}
    result |= {"seconds": sum(by_name.values()), "cpu_seconds": time.process_time() - busy, "by_corruption": by_name}
    keep("suite", result)


def fashion(archive: Path, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` images of a split, classes in turn: uint8 (N, 28, 28, 1), int64 (N,)."""
    found: dict[int, list[np.ndarray]] = {label: [] for label in range(10)}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and member.name.endswith(".png") and parts[-3] == split:
                label = int(parts[-2])
                if len(found[label]) < count // 10:
                    data = tar.extractfile(member)
                    assert data is not None
                    found[label].append(cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_GRAYSCALE))
    images = np.stack([one for group in zip(*found.values(), strict=True) for one in group])
    return images[..., None], np.tile(np.arange(10), len(images) // 10)


def photographs(archive: Path, count: int) -> np.ndarray:
    """Crops of 224×224×3 out of the middle of photographs."""
    crops = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                data = tar.extractfile(member)
                assert data is not None
                image = cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
                crops.append(image[128:352, 208:432])
                if len(crops) == count:
                    break
    return np.ascontiguousarray(np.stack(crops))


def enlarged(images: np.ndarray) -> np.ndarray:
    bigger = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in images]
    return np.repeat(np.stack(bigger)[..., None], 3, axis=3)


def network():
    from torch import nn

    def step(before: int, after: int):
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2))

    return nn.Sequential(step(3, 16), step(16, 32), step(32, 64), nn.Flatten(), nn.Linear(64 * (SIDE // 8) ** 2, 10))


def trained(data: Path, folder: Path):
    """The net, trained on clean images once; kept in `folder`."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, path = network(), folder / "model.pt"
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    images, labels = fashion(data, "train", TRAIN)
    x, y = torch.from_numpy(enlarged(images)).permute(0, 3, 1, 2), torch.from_numpy(labels)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(64):
            loss = torch.nn.functional.cross_entropy(model(x[rows].float() / 255), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.save(model.state_dict(), path)
    return model.eval()


def accuracy(model, images: np.ndarray, labels: np.ndarray) -> float:
    """In percent."""
    import torch

    with torch.no_grad():
        x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
        guesses = torch.cat([model(part.float() / 255).argmax(1) for part in x.split(250)]).numpy()
    return 100 * float((guesses == labels).mean())


def keep(part: str, result: dict[str, Any]) -> None:
    """Write a part of the file and print it; rows of it that were not measured now stay."""
    path = HERE / "corruptions.json"
    content = json.loads(path.read_text()) if path.exists() else {}
    content["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    rows = content.get(part, {}).get("rows", {}) | result.get("rows", {})
    content[part] = result | ({"rows": {name: rows[name] for name in NAMES if name in rows}} if rows else {})
    if part == "speed":
        content[part]["load"] = os.getloadavg()[0]
        content[part]["median_ratio"] = median(row["ratio"] for row in rows.values())
    content = json.loads(json.dumps(content), parse_float=lambda text: round(float(text), 3))
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(json.dumps(result), flush=True)


def tables() -> str:
    """The tables of docs/stress.md, in Markdown, from what was measured."""
    content = json.loads((HERE / "corruptions.json").read_text())
    lines = [
        "| corruption | n | points lost, ours | theirs | largest gap | distance at 224 px | theirs |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in content["agreement"]["rows"].items():
        gap = max(row["gap"], key=abs)
        ours, theirs = (" ".join(str(round(value)) for value in row[side]) for side in ("ours", "theirs"))
        mine, its = (" ".join(str(round(value)) for value in row[f"distance_{side}"]) for side in ("ours", "theirs"))
        lines.append(f"| `{name}` | {row['n']} | {ours} | {theirs} | {gap:+.1f} | {mine} | {its} |")
    lines += ["", "| corruption | ours, ms | imagecorruptions, ms | ratio |", "|---|---|---|---|"]
    for name, row in content["speed"]["rows"].items():
        lines.append(f"| `{name}` | {row['ours_ms']:.2f} | {row['theirs_ms']:.1f} | {row['ratio']:.1f} |")
    lines.append(f"| median | | | **{content['speed']['median_ratio']:.1f}** |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["speed", "agreement", "suite", "tables"])
    parser.add_argument("--reference", help="a Python in which imagecorruptions can be imported")
    parser.add_argument("--data", type=Path, help="fashion_mnist_images.tar.gz")
    parser.add_argument("--photos", type=Path, help="bccd.tar.gz")
    parser.add_argument("--images", type=int, default=1000, help="of the test split")
    parser.add_argument("--only", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--work", type=Path, help="folder for the trained model, to be used again")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.part == "tables":
        print(tables())
        return
    if arguments.part == "suite":
        suite(arguments.data, arguments.images)
        return
    with tempfile.TemporaryDirectory() as folder:
        reference = OtherLibrary(arguments.reference, folder)
        names = list(arguments.only)
        if arguments.part == "speed":
            speed(reference, names)
        else:
            place = arguments.work or Path(folder)
            agreement(reference, names, arguments.images, arguments.data, arguments.photos, place)
        reference.close()


if __name__ == "__main__":
    main()
