"""Small data sets on disk, made anew for each test."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment_ops.data.store import Store


def png(value: int, size: tuple[int, int] = (6, 5), mode: str = "L") -> bytes:
    """A PNG whose pixels follow from `value` alone; two values give different pixels."""
    height, width = size
    channels = {"L": (), "RGB": (3,)}[mode]
    pixels = np.random.default_rng(value).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def make_png() -> Callable[..., bytes]:
    return png


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """`pets/{train,test}/{cat,dog}/N.png`: 40 of train and 10 of test a class, 5×6 grey."""
    root = tmp_path / "pets"
    value = 0
    for split, count in (("train", 40), ("test", 10)):
        for name in ("cat", "dog"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number:02d}.png").write_bytes(png(value))
                value += 1
    return root


@pytest.fixture
def pack() -> Callable[[Path, Path], Path]:
    """Packs a folder into a tar in an order of its own, with what macOS and people leave beside images."""

    def _pack(folder: Path, archive: Path) -> Path:
        files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.read_bytes())
        with tarfile.open(archive, "w:gz") as tar:
            for file in files:
                tar.add(file, f"./{folder.name}/{file.relative_to(folder)}")
                beside = tarfile.TarInfo(f"./{folder.name}/{file.relative_to(folder).parent}/._{file.name}")
                tar.addfile(beside)
            tar.add(__file__, f"{folder.name}/LICENSE")
        return archive

    return _pack
