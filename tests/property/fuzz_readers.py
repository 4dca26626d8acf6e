"""Gives every reader damaged and hostile inputs, and prints as JSON what was not answered as it has to be.

A process of its own, because its memory is limited: `python fuzz_readers.py FIRST COUNT`. Input number n is the same
in every run: valid files of each format, with bytes flipped, cut, repeated, exchanged, and replaced by what parsers
stumble over. An answer is a result or an `AugmentOpsError`, within `_SECONDS` and `_MEMORY`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from augment_ops.content import from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError
from augment_ops.gate.rules import load as load_gate
from augment_ops.modalities.image.importer import import_pipeline
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.policy.spec import Policy
from augment_ops.quality.rules import QualityRules

_SECONDS = 5
_MEMORY = 3 << 30  # bytes of address space beyond what the libraries take
_SNAPSHOTS = 32  # after so many the store is a new one: each reading lists them three times
_POLICIES = Path(__file__).resolve().parents[2] / "policies"
_NOW = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
_STUMBLES = (
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\0" * 16,
    b"../../etc/passwd",
    b"/dev/zero",
    b"9" * 5000,
    b"0x" + b"f" * 5000,
    b"1e400",
    b"nan",
    b"[" * 3000,
    b"{a: " * 500,
    b"&a [*a, *a]",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b'"',
    b"'",
    b",",
    b"\n",
    b"\r",
    b"\xe9",
    b"\xed\xa0\x80",
    b"-1",
    b": ",
    b"- ",
    b"!!python/object:os.system {}",
    b"!!binary aaaa",
    b"\x00\x00\x00\x01",
    struct.pack("<Q", 2**63 - 1),
    struct.pack(">I", 2**31),
    b"\xff\xda",
    b"\xff\xd9",
    b"PK\x05\x06",
    b"00000000000",
)


def picture(number: int, kind: str) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to four changes."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place, other = rng.randrange(len(out) + 1), rng.randrange(len(out) + 1)
        match rng.randrange(6):
            case 0 if out:
                out[place % len(out)] ^= 1 << rng.randrange(8)
            case 1:
                del out[place:]
            case 2:
                del out[min(place, other) : min(place, other) + rng.randrange(1, 64)]
            case 3:
                out[place:place] = rng.choice(_STUMBLES)
            case 4:
                stumble = rng.choice(_STUMBLES)
                out[place : place + len(stumble)] = stumble
            case _:
                out[place:place] = out[other : other + rng.randrange(1, 256)]
    return bytes(out)


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def pets(kind: str = "PNG", suffix: str = "png") -> dict[str, bytes]:
    return {f"{'cat' if n % 2 else 'dog'}/{n}.{suffix}": picture(n, kind) for n in range(12)}


def voc() -> dict[str, bytes]:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>6</xmax><ymax>7</ymax></bndbox>"
    files = {f"JPEGImages/{n}.png": picture(n, "PNG") for n in range(12)}
    for n in range(12):
        name = f"<object><name>{'ab'[n % 2]}</name>{box}</object>"
        files[f"Annotations/{n}.xml"] = f"<annotation><size><width>8</width></size>{name}</annotation>".encode()
    return files


def idx() -> dict[str, bytes]:
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), np.uint8)
    header = struct.pack(">HBB3I", 0, 8, 3, 12, 4, 4)
    labels = struct.pack(">HBBI", 0, 8, 1, 12) + bytes(n % 2 for n in range(12))
    return {
        "train-images-idx3-ubyte": header + images.tobytes(),
        "train-labels-idx1-ubyte.gz": gzip.compress(labels),
    }


def npz() -> bytes:
    buffer = io.BytesIO()
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), np.uint8)
    np.savez_compressed(buffer, images=images, labels=np.arange(12) % 2)
    return buffer.getvalue()


def table(kind: str) -> bytes:
    frame = pd.DataFrame(
        {"path": list(pets()), "label": ["a", "b"] * 6, "time": range(12), "site": ["x", "y", "z"] * 4}
    )
    buffer = io.BytesIO()
    frame.to_csv(buffer, index=False) if kind == "csv" else frame.to_parquet(buffer)
    return buffer.getvalue()


def saved_pipeline() -> bytes:
    step = {"__class_fullname__": "HorizontalFlip", "p": 0.5}
    whole = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [step]}
    return json.dumps({"__version__": "2.0.8", "transform": whole}).encode()


class Fuzz:
    """One folder with everything in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store, self.accepted = Store(str(root / "store")), 0
        self.kinds: list[tuple[str, Callable[[random.Random], Any]]] = []
        for kind in ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM"):
            self._folder(kind.lower(), pets(kind, kind.lower() if kind != "JPEG" else "jpg"))
        self._folder("voc", voc())
        self._folder("idx", idx())
        plain = tar_of(pets())
        self._file("pets.tar", lambda rng: damaged(plain, rng))
        self._file("pets.tar.gz", lambda rng: gzip.compress(damaged(plain, rng), 1))
        self._file("cut.tar.gz", lambda rng: damaged(gzip.compress(plain, 1), rng))
        for name, data in {"pets.zip": zip_of(pets()), "arrays.npz": npz()}.items():
            self._file(name, lambda rng, data=data: damaged(data, rng))  # type: ignore[misc]
        for suffix in ("csv", "parquet"):
            place = self._write(f"{suffix}s", pets())
            data = table(suffix)
            self._file(f"{place.name}/index.{suffix}", lambda rng, data=data: damaged(data, rng))  # type: ignore[misc]
        models: dict[str, Callable[[Path], Any]] = {
            "augment/digits-robust": Policy.load,
            "quality/default": QualityRules.load,
            "drift/default": DriftRules.load,
            "gates/default": load_gate,
        }
        for name, load in models.items():
            text = (_POLICIES / f"{name}.yaml").read_bytes()
            self._text(f"{name}.yaml", text, load)
        self._text(
            "saved.json",
            saved_pipeline(),
            lambda path: import_pipeline(path, name="saved", owner="vision", domain="general"),
        )
        manifest = ingest(str(self._write("whole", pets())), self.store)
        document = self.store.get_document(f"snapshots/{manifest.digest}.json") or b""
        self.kinds.append(("document", lambda rng: from_json(SnapshotManifest, damaged(document, rng))))
        self._log()

    def _write(self, name: str, files: dict[str, bytes]) -> Path:
        for path, data in files.items():
            (self.root / name / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name / path).write_bytes(data)
        return self.root / name

    def _folder(self, name: str, files: dict[str, bytes]) -> None:
        place = self._write(name, files)

        def one(rng: random.Random) -> None:
            path = rng.choice(sorted(files))
            (place / path).write_bytes(damaged(files[path], rng))
            try:
                self._read(place)
            finally:
                (place / path).write_bytes(files[path])

        self.kinds.append((name, one))

    def _file(self, name: str, make: Callable[[random.Random], bytes]) -> None:
        def one(rng: random.Random) -> None:
            (self.root / name).write_bytes(make(rng))
            self._read(self.root / name)

        self.kinds.append((name, one))

    def _text(self, name: str, text: bytes, load: Callable[[Path], Any]) -> None:
        path = self.root / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        load(path)  # also imports what reading takes: seconds that are not the reader's

        def one(rng: random.Random) -> None:
            path.write_bytes(damaged(text, rng))
            load(path)

        self.kinds.append((name, one))

    def _log(self) -> None:
        log = PredictionLog(str(self.root / "log"), "pets", self.store)
        ids = [str(n) for n in range(8)]
        (name,) = log.write(
            ids,
            [_NOW] * 8,
            model_version="1",
            predictions=["a"] * 8,
            classes=["a", "b"],
            scores=np.tile([0.9, 0.1], (8, 1)),
            features={"size": np.arange(8.0)},
            logged_at=_NOW,
        )
        path = self.root / "log" / name
        whole = path.read_bytes()

        def one(rng: random.Random) -> None:
            path.write_bytes(damaged(whole, rng))
            read_window(log, _NOW - timedelta(hours=1), _NOW + timedelta(hours=1))

        self.kinds.append(("prediction log", one))

    def _read(self, place: Path) -> None:
        """A whole snapshot, or none."""
        before = set(self.store.documents("snapshots/"))
        try:
            manifest = ingest(str(place), self.store)
        except AugmentOpsError:
            assert set(self.store.documents("snapshots/")) == before, "a refused data set left a snapshot"
            raise
        finally:
            left = [path for path in self.store.scratch.glob("*") if path.is_file()]
            assert not left, f"half-written: {left}"
        snapshot = Snapshot.open(self.store, manifest.digest)
        assert len(snapshot.index) == manifest.samples
        self.accepted += 1
        if self.accepted % _SNAPSHOTS == 0:
            self.store = Store(str(self.root / f"store-{self.accepted}"))


def main(first: int, count: int) -> None:
    """Try `count` inputs from number `first` on."""
    warnings.simplefilter("ignore")
    failures: list[dict[str, Any]] = []
    slowest, refused = 0.0, 0
    root = Path(tempfile.mkdtemp(prefix="augment-ops-fuzz-"))
    try:
        fuzz = Fuzz(root)
        for _, one in fuzz.kinds:  # what is imported late is imported before time and memory are limited
            answered(one, random.Random(0))
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, taken + _MEMORY))
        signal.signal(signal.SIGALRM, hung)
        for number in range(first, first + count):
            name, one = fuzz.kinds[number % len(fuzz.kinds)]
            signal.alarm(_SECONDS)
            start = time.monotonic()
            failure, no = answered(one, random.Random(number))
            signal.alarm(0)
            slowest, refused = max(slowest, time.monotonic() - start), refused + no
            if failure:
                failures.append({"number": number, "reader": name, "failure": failure})
    finally:
        shutil.rmtree(root)
    print(json.dumps({"inputs": count, "refused": refused, "slowest_s": round(slowest, 2), "failures": failures}))


def answered(one: Callable[[random.Random], Any], rng: random.Random) -> tuple[str, bool]:
    """What is wrong with the answer, empty where nothing is; and whether it was a refusal."""
    try:
        one(rng)
    except AugmentOpsError:
        return "", True
    except BaseException:  # whatever else it is, the test reports it
        return traceback.format_exc()[-1500:], False
    return "", False


def hung(*_: object) -> None:
    raise TimeoutError(f"no answer within {_SECONDS} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
