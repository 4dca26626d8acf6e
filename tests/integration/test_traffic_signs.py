"""A data set of the shape of the public traffic signs (GTSRB), from the published files to a decision.

PPM pictures of many sizes, tables with semicolons beside them, tracks of frames of the same sign, train and test given.
The tracks are the subjects: frames of one track on both sides of a split would be a leak.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tarfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from augment_ops.cli.runs import run_pipeline
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.quality.data_checks import check_snapshot
from augment_ops.quality.rules import QualityRules
from augment_ops.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(os.environ.get("AUGMENT_OPS_TEST_DATA") or ROOT.parent / "shared" / "datasets")
_FASHION = _DATA / "fashion-mnist-png" / "fashion_mnist_images.tar.gz"

Pictures = Mapping[int, Sequence[np.ndarray]]
_COLUMNS = ("Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")
_FRAMES_PUBLISHED = 30


def publish(root: Path, train: Pictures, test: Pictures, *, frames: int) -> Path:
    """The files as they are published: a folder a class with tracks of frames for training, one picture a test sign."""
    rng = np.random.default_rng(0)
    for label, tracks in train.items():
        folder = root / "Final_Training" / "Images" / f"{label:05d}"
        drawn = {
            f"{track:05d}_{number:05d}.ppm": (label, frame(picture, number / max(frames - 1, 1), rng))
            for track, picture in enumerate(tracks)
            for number in range(frames)
        }
        write(folder, drawn, f"GT-{label:05d}.csv")
    signs = [(label, frame(picture, rng.random(), rng)) for label, found in test.items() for picture in found]
    drawn = {f"{number:05d}.ppm": sign for number, sign in enumerate(signs)}
    write(root / "Final_Test" / "Images", drawn, "GT-final_test.csv")
    return root


def write(folder: Path, drawn: Mapping[str, tuple[int, np.ndarray]], table: str) -> None:
    folder.mkdir(parents=True)
    with (folder / table).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(_COLUMNS)
        for name, (label, pixels) in drawn.items():
            height, width = pixels.shape[:2]
            Image.fromarray(pixels).save(folder / name)
            rows.writerow([name, width, height, 1, 1, width - 2, height - 2, label])


def frame(picture: np.ndarray, near: float, rng: np.random.Generator) -> np.ndarray:
    """A frame of a track in colour: the nearer, the larger; hand and light change from frame to frame."""
    side = round(20 + 24 * near)
    height, width = picture.shape
    matrix = np.float32([[side / width, 0, rng.uniform(-1, 1)], [0, side / height, rng.uniform(-1, 1)]])
    grey = cv2.warpAffine(picture, matrix, (side + int(rng.integers(0, 3)), side), borderMode=cv2.BORDER_REPLICATE)
    light = rng.uniform(0.6, 1.0) * np.array([1.0, 0.95, 0.9])
    return np.clip(grey[:, :, None] * light + rng.normal(0, 2, (*grey.shape, 1)), 0, 255).astype(np.uint8)


def index_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`index.csv`, by the lines that docs/your-own-data.md tells a person to run."""
    page = (ROOT / "docs" / "your-own-data.md").read_text(encoding="utf-8")
    (lines,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Final_Training" in code]
    monkeypatch.chdir(root.parent)
    exec(lines, {})
    return root / "index.csv"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten classes of eight tracks, bundled digits for signs; the index is made as the docs say."""
    digits = load_digits()
    drawn = (digits.images * 15.9).astype(np.uint8)
    of_class = {label: list(drawn[digits.target == label]) for label in range(10)}
    train = {label: found[:8] for label, found in of_class.items()}
    test = {label: found[8:38] for label, found in of_class.items()}
    return index_of(publish(tmp_path / "GTSRB", train, test, frames=5), monkeypatch)


def test_tracks_stay_whole_and_each_class_is_validated(signs: Path, store: Store) -> None:
    manifest = ingest(str(signs), store, image_size="32x32")
    assert (manifest.dataset, manifest.image_shape, manifest.defective) == ("gtsrb", (32, 32, 3), 0)
    assert manifest.classes == tuple(map(str, range(10)))
    snapshot = Snapshot.open(store, manifest.digest)
    tracks: dict[str, set[str]] = defaultdict(set)
    for subject, split in zip(snapshot.index["subject"], snapshot.index["split"], strict=True):
        tracks[subject].add(split)
    assert {len(splits) for splits in tracks.values()} == {1}
    assert len(tracks) == 80 + 300
    assert set(manifest.counts["test"].values()) == {30}
    assert all(count >= 5 and count % 5 == 0 for count in manifest.counts["validation"].values())
    report = check_snapshot(snapshot, QualityRules.load(ROOT / "policies" / "quality" / "default.yaml"))
    assert [check.message for check in report.checks if check.status == "fail"] == []


def test_without_a_size_the_other_sizes_are_named(signs: Path, store: Store) -> None:
    manifest = ingest(str(signs), store)
    rules = QualityRules.load(ROOT / "policies" / "quality" / "default.yaml")
    report = check_snapshot(Snapshot.open(store, manifest.digest), rules)
    failed = {check.name: check.message for check in report.checks if check.status == "fail"}
    assert "--image-size" in failed["shape-mismatch"]


def fashion(split: str, per_class: int) -> Pictures:
    found: dict[int, list[np.ndarray]] = defaultdict(list)
    with tarfile.open(_FASHION) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and parts[1] == split and len(found[int(parts[2])]) < per_class:
                file = tar.extractfile(member)
                assert file is not None
                found[int(parts[2])].append(np.asarray(Image.open(io.BytesIO(file.read())).convert("L")))
    return found


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(ROOT / "policies"))
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Settings.from_environment()


@pytest.mark.slow
@pytest.mark.skipif(not _FASHION.is_file(), reason=f"no {_FASHION}: set AUGMENT_OPS_TEST_DATA")
def test_a_whole_run_decides(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fashion-MNIST for signs: 80 tracks of 30 frames, 300 test pictures; an epoch for a decision, not a good one."""
    published = publish(tmp_path / "GTSRB", fashion("train", 8), fashion("test", 30), frames=_FRAMES_PUBLISHED)
    index = index_of(published, monkeypatch)
    parameters = {"dataset": str(index), "policy": "fashion-robust", "image_size": "32x32", "epochs": 1}
    outcome = run_pipeline(parameters, "cli-signs", quiet=True)
    assert outcome["verdict"] in ("PASS", "FAIL", "INVESTIGATE"), outcome["summary"]
    report = (settings.home / "reports" / "cli-signs" / "report.html").read_text(encoding="utf-8")
    assert "by subject" in report and "gtsrb" in report
