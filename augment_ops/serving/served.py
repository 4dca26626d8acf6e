"""What is served: a champion as the ledger names it, laid out in a folder that its workers read.

A folder a version: the artifact, and the probe, which are a few stored samples with the logits that the model had of
them when it was judged. Workers know neither MLflow nor the ledger; they hold both files against the digests here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import LATER, digest_of, sha256_hex
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import StoreError
from augment_ops.files import replace_file
from augment_ops.modalities.source import Samples
from augment_ops.pipeline.outputs import Decided, StressTest
from augment_ops.pipeline.overview import output, records
from augment_ops.pipeline.run import find
from augment_ops.stress import probe
from augment_ops.stress.report import CLEAN
from augment_ops.stress.suite import Get

if TYPE_CHECKING:
    from augment_ops.tracking import RegisteredVersion
    from augment_ops.workspace import Workspace

_ROWS = 16  # of each probed cell: no two models agree on so many logits, and a worker is ready a moment later


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


def laid_out(workspace: Workspace, champion: RegisteredVersion, dataset: str, environment: str) -> Served:
    """Lay a champion out for workers.

    Args:
        champion: as it was held against the ledger.

    Raises:
        StoreError: the run that trained it, or the probe of its stress test, is not in the store.
        TrackingError, StoreError: its file cannot be had, or is another.
    """
    store, run_id = workspace.store, champion.tags["augment_ops.pipeline_run"]
    run = find(store, run_id)
    done = records(store, run)
    stress, decided = output(store, done, "stress_test", StressTest), output(store, done, "decide", Decided)
    if stress is None or decided is None:
        found = f"no {'stress test' if stress is None else 'decision'}"
        fix = "serve from the store that the run was made with (AUGMENT_OPS_STORE), or train again"
        raise StoreError(f"run {run_id}, which trained version {champion.version}", found, "its record", fix)
    manifest = Snapshot.open(store, champion.tags["augment_ops.snapshot_digest"]).manifest
    folder = workspace.settings.home / "serving" / dataset / champion.artifact[:16]
    folder.mkdir(parents=True, exist_ok=True)
    model, probed = folder / "model", folder / "probe.npz"
    replace_file(model, workspace.tracker.download_model(dataset, champion.version, champion.artifact).content)
    samples, logits = _first(probe.from_bytes(store.get(stress.report.probe)), stress, store.get)
    content = probe_bytes(samples, logits)
    replace_file(probed, content)
    return Served(
        dataset=dataset,
        environment=environment,
        version=champion.version,
        decision=digest_of(decided.decision),
        artifact=champion.artifact,
        file=str(model),
        model_format=champion.format,
        probe=sha256_hex(content),
        probe_file=str(probed),
        modality=manifest.modality,
        classes=manifest.classes,
        shape=manifest.sample_shape,
        schema=manifest.schema,
        asked=run.typed.asked(storage=False),
    )


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


def _first(whole: probe.Probe, stress: StressTest, get: Get) -> tuple[Samples, NDArray[np.float32]]:
    """The first rows of each cell of a probe."""
    some = probe.Probe(whole.addresses, tuple(logits[:_ROWS] for logits in whole.logits))
    return probe.samples(some, stress.suite, get), np.concatenate(some.logits)
