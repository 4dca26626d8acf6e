"""What is served, as a worker is told: which files it reads, by their digests, and how it reads what it is asked."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import LATER, sha256_hex
from augment_ops.errors import StoreError
from augment_ops.modalities.source import Samples
from augment_ops.stress import probe
from augment_ops.stress.report import CLEAN


@dataclass(frozen=True, kw_only=True)
class Served:
    """One version that is served; what a worker is told.

    Attributes:
        environment: whose champion it is.
        version: registered number; decision: digest of the gate's decision that let it through.
        artifact: sha256 of the registered file, which lies at `file`; model_format: as runtimes name it.
        probe: sha256 of what lies at `probe_file`.
        classes: in the order of the scores; shape: of a sample; schema: of the data set, where its modality has one.
        asked: the modality's own parameters by which the data set was read.
        snapshot: digest of the data set that it learnt from; empty where nobody said.
    """

    dataset: str
    environment: str
    version: str
    decision: str
    artifact: str
    file: str
    model_format: str
    probe: str
    probe_file: str
    modality: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    schema: dict[str, Any] | None = field(default=None, metadata=LATER)
    asked: dict[str, Any] = field(default_factory=dict, metadata=LATER)
    snapshot: str = field(default="", metadata=LATER)


def probe_bytes(samples: Samples, logits: NDArray[np.float32]) -> bytes:
    """Samples (n, *shape) and the logits (n, K) that the model had of them, as a file."""
    buffer = io.BytesIO()
    np.savez(buffer, samples=samples, logits=logits)
    return buffer.getvalue()


def read_probe(served: Served) -> tuple[Samples, probe.Probe]:
    """The samples that a worker asks about before it is ready, and what has to come of them.

    Raises:
        StoreError: the file is not the one that was laid out.
    """
    path = Path(served.probe_file)
    content = path.read_bytes() if path.is_file() else b""
    if sha256_hex(content) != served.probe:
        raise StoreError(str(path), "other content", f"the probe {served.probe[:12]}…", "start the service again")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return file["samples"], probe.Probe(((CLEAN, 0),), (file["logits"],))
