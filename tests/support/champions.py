"""A linear model as champion of a data set in dev, as the pipeline makes one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from augment_ops.content import digest_of
from augment_ops.data.snapshot import Snapshot
from augment_ops.lifecycle.champion import Move, crown, subjects_of
from augment_ops.modalities.image.networks import with_pixel_input
from augment_ops.settings import Settings
from augment_ops.tracking import connect
from augment_ops.training.export import model_digest
from augment_ops.workspace import open_ledger
from support.networks import write_program


def crown_linear(
    settings: Settings,
    snapshot: Snapshot,
    *,
    run_id: str,
    policy: str,
    weight: NDArray[Any],
    bias: NDArray[Any],
) -> None:
    """Export, register and crown the model `weight @ pixels / 255 + bias`.

    Args:
        weight: (classes, pixels); bias: (classes,).
    """
    manifest, train = snapshot.manifest, snapshot.split("train")
    last = torch.nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
        last.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    model = with_pixel_input(torch.nn.Sequential(torch.nn.Flatten(), last))
    path = settings.home / f"{manifest.dataset}.pt2"
    write_program(model, manifest.image_shape, path)
    tracker = connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")
    run = tracker.open_run(manifest.dataset, run_id, "candidate")
    uri = tracker.log_model(run, path, model_digest(model), train.take(range(4)), manifest.classes)
    tags = {
        "augment_ops.policy": policy,
        "augment_ops.policy_version": "1.0.0",
        "augment_ops.snapshot_digest": manifest.digest,
        "augment_ops.pipeline_run": run_id,
        "augment_ops.interface_digest": digest_of([manifest.classes, manifest.image_shape]),
    }
    version = tracker.register_challenger(manifest.dataset, run_id, run, uri, tags, "a linear model")
    move = Move(
        act="promote",
        dataset=manifest.dataset,
        environment="dev",
        version=version,
        after=None,
        key=f"{run_id}:promote",
        subjects=subjects_of(tracker.version(manifest.dataset, version)),
        actor="tester",
        reason="for a test",
    )
    crown(open_ledger(settings), tracker, move)
