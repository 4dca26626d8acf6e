"""What the candidate answered on a few stored samples, to the last bit: by this a registered model is recognised."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import canonical_json
from augment_ops.modalities.source import Samples
from augment_ops.stress.report import CLEAN
from augment_ops.stress.suite import Get, SuiteCell, SuiteManifest

ROWS = 64  # of a cell: no two models that differ agree on so many logits, and asking again takes no time

# Another processor, or another number of threads, adds up in another order: float32 then differs in its last digits.
# Different weights differ by far more: one altered weight in a thousand moved the digits' logits by 0.01 and up.
RELATIVE, ABSOLUTE = 1e-4, 1e-4


@dataclass(frozen=True, eq=False)
class Probe:
    """Logits by cell.

    Attributes:
        addresses: (corruption, severity) of each.
        logits: float32 (rows, K) of each, for the first rows of the suite.
    """

    addresses: tuple[tuple[str, int], ...]
    logits: tuple[NDArray[np.float32], ...]


def wanted(manifest: SuiteManifest, cell: SuiteCell) -> bool:
    """Whether a cell is probed: the clean one, and the last of the suite."""
    return cell.corruption == CLEAN or cell == manifest.cells[-1]


def to_bytes(manifest: SuiteManifest, logits: Mapping[tuple[str, int], NDArray[np.float32]]) -> bytes:
    """The object; equal logits give equal bytes."""
    header = canonical_json({"suite_digest": manifest.digest, "addresses": list(logits)})
    buffer = io.BytesIO()
    arrays = {f"logits{i}": array for i, array in enumerate(logits.values())}
    np.savez(buffer, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_bytes(data: bytes) -> Probe:
    """Read a probe back; the store has verified its sha256."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        addresses = tuple((str(n), int(s)) for n, s in json.loads(file["header"].tobytes())["addresses"])
        return Probe(addresses, tuple(file[f"logits{i}"] for i in range(len(addresses))))


def samples(probe: Probe, manifest: SuiteManifest, get: Get) -> Samples:
    """The probed samples, one after the other: (rows, *shape)."""
    cells = {(cell.corruption, cell.severity): cell for cell in manifest.cells}
    parts = [
        next(manifest.batches(cells[address], get))[: len(logits)]
        for address, logits in zip(probe.addresses, probe.logits, strict=True)
    ]
    return np.concatenate(parts)


def difference(probe: Probe, answered: NDArray[np.float32]) -> float:
    """Largest distance between the logits evaluated and those answered now, in units of what is tolerated.

    At most 1 means the same; infinite where the shapes differ or a number is not finite.
    """
    before = np.concatenate(probe.logits)
    if before.shape != answered.shape or not (np.isfinite(before).all() and np.isfinite(answered).all()):
        return float("inf")
    allowed = ABSOLUTE + RELATIVE * np.abs(before)
    return float((np.abs(answered - before) / allowed).max(initial=0.0))
