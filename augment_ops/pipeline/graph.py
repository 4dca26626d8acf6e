"""The one list of stages, and what each needs. Every driver runs these and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment_ops.errors import AugmentOpsError
from augment_ops.lifecycle.admission import grounds
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.params import RunParams
from augment_ops.pipeline.stages import data, decision, evaluation, policy, report, training
from augment_ops.policy.library import policy_path
from augment_ops.workspace import Workspace


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    Attributes:
        name: of the stage and of its task in every driver.
        needs: stages whose outputs it reads.
        work: computes the output, a frozen dataclass; safe to run again.
        params: run parameters that its output depends on.
        files: files below policies/ that it reads, given the parameters.
        state: anything else outside the run that it depends on (the present champion).
        refuses: the error with which the run stops after an output that says no.
    """

    name: str
    needs: tuple[str, ...]
    work: Callable[[Context], Any]
    params: tuple[str, ...] = ()
    files: Callable[[RunParams], tuple[str, ...]] = lambda params: ()
    state: Callable[[Context], object] = lambda ctx: None
    refuses: Callable[[Any], AugmentOpsError | None] = lambda output: None


def _champion_version(ctx: Context) -> str | None:
    champion = evaluation.rival(ctx)
    return champion.version if champion else None


STAGES: tuple[Stage, ...] = (
    Stage(
        "ingest", (), data.ingest,
        params=("dataset", "dataset_name", "image_size", "max_samples"),
    ),
    Stage(
        "check_data", ("ingest",), data.check_data,
        params=("quality",), files=lambda p: (f"quality/{p.quality}.yaml",), refuses=data.refuse_bad_data,
    ),
    Stage(
        "resolve_policy", ("check_data",), policy.resolve_policy,
        params=("policy", "environment", "approval", "seed"),
        files=lambda p: (str(policy_path(Path(), p.policy)), "environments.yaml", "approvers.yaml"),
        state=lambda ctx: grounds(
            Workspace(ctx.settings, ctx.run.actor), ctx.params.policy, ctx.params.environment
        ),
    ),
    Stage(
        "augment", ("ingest", "resolve_policy"), policy.augment,
        params=("delivery", "seed", "epochs"),
    ),
    Stage(
        "check_augmented", ("ingest", "resolve_policy", "augment"), policy.check_augmented,
        params=("quality", "seed"), files=lambda p: (f"quality/{p.quality}.yaml",),
    ),
    Stage(
        "train_candidate", ("ingest", "resolve_policy", "augment", "check_augmented"), training.train_candidate,
        params=("model", "seed", "batch_size", "workers", "cache_gib"),
    ),
    Stage(
        "train_control", ("ingest", "resolve_policy", "augment", "check_augmented"), training.train_control,
        params=("model", "seed", "batch_size", "workers"),
    ),
    Stage(
        "stress_test", ("ingest", "resolve_policy", "train_candidate", "train_control"), evaluation.stress_test,
        params=("suite",), files=lambda p: (f"stress/{p.suite}.yaml",), state=_champion_version,
    ),
    Stage(
        "check_drift", ("ingest", "check_data"), evaluation.check_drift,
        params=("drift", "production_window"), files=lambda p: (f"drift/{p.drift}.yaml",),
    ),
    Stage(
        "decide", ("ingest", *decision.EVIDENCE), decision.decide,
        params=("gate",), files=lambda p: (f"gates/{p.gate}.yaml",), state=_champion_version,
    ),
    Stage(
        "approve", ("decide",), decision.approve,
        params=("environment", "approval"), files=lambda p: ("approvers.yaml", "environments.yaml"),
        state=lambda ctx: dict(ctx.given),
    ),
    Stage(
        "promote", ("ingest", "resolve_policy", "train_candidate", "decide", "approve"), decision.promote,
        params=("environment",),
    ),
    Stage("report", ("ingest", *decision.EVIDENCE, "decide", "approve", "promote"), report.report),
)  # fmt: skip

BY_NAME = {stage.name: stage for stage in STAGES}
