"""A champion laid out for workers: a folder with its artifact, and with the probe.

The probe is a few stored samples with the logits that the model had of them when it was judged. Workers know neither
MLflow nor the ledger; they hold both files against the digests that they are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import digest_of, sha256_hex
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import StoreError
from augment_ops.files import replace_file
from augment_ops.modalities.source import Samples
from augment_ops.pipeline.outputs import Decided, StressTest
from augment_ops.pipeline.overview import output, records
from augment_ops.pipeline.run import find
from augment_ops.serving.served import Served, probe_bytes
from augment_ops.stress import probe
from augment_ops.stress.suite import Get

if TYPE_CHECKING:
    from augment_ops.tracking import RegisteredVersion
    from augment_ops.workspace import Workspace

_ROWS = 16  # of each probed cell: no two models agree on so many logits, and a worker is ready a moment later


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
        snapshot=manifest.digest,
    )


def _first(whole: probe.Probe, stress: StressTest, get: Get) -> tuple[Samples, NDArray[np.float32]]:
    """The first rows of each cell of a probe."""
    some = probe.Probe(whole.addresses, tuple(logits[:_ROWS] for logits in whole.logits))
    return probe.samples(some, stress.suite, get), np.concatenate(some.logits)
