"""The one list of stages, and what each reads. Every driver derives its steps and edges from it.

It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
What a stage computes is found by its name in `augment_ops.pipeline.stages.catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline.

    Attributes:
        name: of the stage and of its task in every driver.
        group: heading of `GROUPS` under which people see it; empty for none.
        needs: stages whose outputs it reads.
        params: run parameters that its output depends on.
        files: files below policies/ that it reads, with names of `params.named` in braces.
    """

    name: str
    group: str = ""
    needs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def files_of(self, named: Mapping[str, object]) -> tuple[str, ...]:
        """The files that a run reads, below policies/; `named` is what `params.named` makes of its parameters."""
        return tuple(name.format_map(named) for name in self.files)

    @property
    def comes_after(self) -> tuple[str, ...]:
        """The stages that have to be done before it."""
        return self.needs


# Headings under which people see the stages, and what is asked there.
GROUPS: Mapping[str, str] = {
    "data": "Is the data fit to learn from?",
    "augmentation": "Which policy, and what does it do?",
    "training": "With the policy and without",
    "evaluation": "What do the models withstand?",
    "decision": "May the candidate become champion?",
}


EVIDENCE = (
    "check_data", "resolve_policy", "augment", "check_augmented", "train_candidate", "train_control", "stress_test",
    "check_drift",
)  # fmt: skip

STAGES: tuple[Stage, ...] = (
    Stage(
        name="ingest",
        group="data",
        params=("dataset", "dataset_name", "image_size", "max_samples"),
    ),
    Stage(
        name="check_data",
        group="data",
        needs=("ingest",),
        params=("quality",),
        files=("quality/{quality}.yaml",),
    ),
    Stage(
        name="resolve_policy",
        group="augmentation",
        needs=("check_data",),
        params=("policy", "environment", "approval", "seed"),
        files=("{policy_file}", "environments.yaml", "approvers.yaml"),
    ),
    Stage(
        name="augment",
        group="augmentation",
        needs=("ingest", "resolve_policy"),
        params=("delivery", "seed", "epochs"),
    ),
    Stage(
        name="check_augmented",
        group="augmentation",
        needs=("ingest", "resolve_policy", "augment"),
        params=("quality", "seed"),
        files=("quality/{quality}.yaml",),
    ),
    Stage(
        name="train_candidate",
        group="training",
        needs=("ingest", "resolve_policy", "augment", "check_augmented"),
        params=("model", "seed", "batch_size", "workers", "cache_gib"),
    ),
    Stage(
        name="train_control",
        group="training",
        needs=("ingest", "resolve_policy", "augment", "check_augmented"),
        params=("model", "seed", "batch_size", "workers"),
    ),
    Stage(
        name="stress_test",
        group="evaluation",
        needs=("ingest", "resolve_policy", "train_candidate", "train_control"),
        params=("suite",),
        files=("stress/{suite}.yaml",),
    ),
    Stage(
        name="check_drift",
        group="evaluation",
        needs=("ingest", "check_data"),
        params=("drift", "production_window"),
        files=("drift/{drift}.yaml",),
    ),
    Stage(
        name="decide",
        group="decision",
        needs=("ingest", *EVIDENCE),
        params=("gate",),
        files=("gates/{gate}.yaml",),
    ),
    Stage(
        name="approve",
        group="decision",
        needs=("decide",),
        params=("environment", "approval"),
        files=("approvers.yaml", "environments.yaml"),
    ),
    Stage(
        name="promote",
        group="decision",
        needs=("ingest", "resolve_policy", "train_candidate", "decide", "approve"),
        params=("environment",),
    ),
    Stage(
        name="report",
        needs=("ingest", *EVIDENCE, "decide", "approve", "promote"),
    ),
)

BY_NAME = {stage.name: stage for stage in STAGES}


def edges(stages: Sequence[Stage] = STAGES) -> tuple[tuple[str, str], ...]:
    """Which stage comes directly before which: what another edge implies is left out (transitive reduction).

    Args:
        stages: each after those that it comes after.
    """
    before: dict[str, set[str]] = {}
    found: list[tuple[str, str]] = []
    for stage in stages:
        implied = {earlier for name in stage.comes_after for earlier in before[name]}
        found += [(name, stage.name) for name in stage.comes_after if name not in implied]
        before[stage.name] = {*stage.comes_after, *implied}
    return tuple(found)
