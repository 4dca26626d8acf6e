"""The one list of stages, and what each needs. Every driver runs these and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment_ops.errors import AugmentOpsError
from augment_ops.pipeline import (
    data_stages,
    decide_stages,
    evaluate_stages,
    policy_stages,
    report_stage,
    train_stages,
)
from augment_ops.pipeline.admission import grounds
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.office import Office
from augment_ops.pipeline.params import RunParams
from augment_ops.policy.library import policy_path


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
    champion = evaluate_stages.rival(ctx)
    return champion.version if champion else None


STAGES: tuple[Stage, ...] = (
    Stage(
        "ingest", (), data_stages.ingest,
        params=("dataset", "dataset_name", "image_size", "max_samples"),
    ),
    Stage(
        "check_data", ("ingest",), data_stages.check_data,
        params=("quality",), files=lambda p: (f"quality/{p.quality}.yaml",), refuses=data_stages.refuse_bad_data,
    ),
    Stage(
        "resolve_policy", ("check_data",), policy_stages.resolve_policy,
        params=("policy", "environment", "approval", "seed"),
        files=lambda p: (str(policy_path(Path(), p.policy)), "environments.yaml", "approvers.yaml"),
        state=lambda ctx: grounds(
            Office(ctx.settings, ctx.run.actor), ctx.params.policy, ctx.params.environment
        ),
    ),
    Stage(
        "augment", ("ingest", "resolve_policy"), policy_stages.augment,
        params=("delivery", "seed", "epochs"),
    ),
    Stage(
        "check_augmented", ("ingest", "resolve_policy", "augment"), policy_stages.check_augmented,
        params=("quality", "seed"), files=lambda p: (f"quality/{p.quality}.yaml",),
    ),
    Stage(
        "train_candidate", ("ingest", "resolve_policy", "augment", "check_augmented"), train_stages.train_candidate,
        params=("model", "seed", "batch_size", "workers", "cache_gib"),
    ),
    Stage(
        "train_control", ("ingest", "resolve_policy", "augment", "check_augmented"), train_stages.train_control,
        params=("model", "seed", "batch_size", "workers"),
    ),
    Stage(
        "stress_test", ("ingest", "resolve_policy", "train_candidate", "train_control"), evaluate_stages.stress_test,
        params=("suite",), files=lambda p: (f"stress/{p.suite}.yaml",), state=_champion_version,
    ),
    Stage(
        "check_drift", ("ingest", "check_data"), evaluate_stages.check_drift,
        params=("drift", "production_window"), files=lambda p: (f"drift/{p.drift}.yaml",),
    ),
    Stage(
        "decide", ("ingest", *decide_stages.EVIDENCE), decide_stages.decide,
        params=("gate",), files=lambda p: (f"gates/{p.gate}.yaml",), state=_champion_version,
    ),
    Stage(
        "approve", ("decide",), decide_stages.approve,
        params=("environment", "approval"), files=lambda p: ("approvers.yaml", "environments.yaml"),
        state=lambda ctx: dict(ctx.given),
    ),
    Stage(
        "promote", ("ingest", "resolve_policy", "train_candidate", "decide", "approve"), decide_stages.promote,
        params=("environment",),
    ),
    Stage("report", ("ingest", *decide_stages.EVIDENCE, "decide", "approve", "promote"), report_stage.report),
)  # fmt: skip

BY_NAME = {stage.name: stage for stage in STAGES}
