"""The one list of stages, and what each reads. Every driver derives its steps and edges from it.

It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
What a stage computes is found by its name in `augment_ops.pipeline.stages.catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augment_ops.modalities import NAMES, run_parameters

# How often a driver tries a stage again that failed, and how long it waits in between.
RETRIES = 3
RETRY_DELAY_S = 10


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline, and all that it may read: what is not declared here is refused while it works.

    Of an act, which reaches the workspace, that holds for inputs and params; its files are part of the key.

    Attributes:
        name: of the stage and of its task in every driver.
        group: heading of `GROUPS` under which people see it; empty for none.
        inputs: stages whose outputs it reads; part of its key.
        after: stages that only have to have run before.
        params: run parameters that it reads; part of its key.
        files: files below policies/ that it reads, with names of `params.named` in braces; part of its key.
        cpus, memory_gib: what a driver that places tasks asks for it; nothing of them is part of the key.
        own_process: whether it takes long enough to be worth a process of its own, beside another.
    """

    name: str
    group: str = ""
    inputs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    cpus: int = 1
    memory_gib: int = 2  # twice the highest peak that was measured outside training (docs/pipeline.md)
    own_process: bool = False

    def files_of(self, named: Mapping[str, object]) -> tuple[str, ...]:
        """The files that a run reads, below policies/; `named` is what `params.named` makes of its parameters."""
        return tuple(name.format_map(named) for name in self.files)

    @property
    def comes_after(self) -> tuple[str, ...]:
        """The stages that have to be done before it, for whatever reason."""
        return (*self.inputs, *self.after)


# Headings under which people see the stages, and what is asked there.
GROUPS: Mapping[str, str] = {
    "data": "Is the data fit to learn from?",
    "augmentation": "Which policy, and what does it do?",
    "training": "With the policy and without",
    "evaluation": "What do the models withstand?",
    "decision": "May the candidate become champion?",
}


EVIDENCE = (
    "check_data",
    "resolve_policy",
    "augment",
    "check_augmented",
    "train_candidate",
    "train_control",
    "stress_test",
    "check_drift",
)

# What only one modality has: parameters that say how samples are read, and those that say only as what they are kept.
_OWN = tuple(one for name in NAMES for one in run_parameters(name))
_OF_SAMPLES = tuple(one.name for one in _OWN if not one.storage)
_OF_STORAGE = tuple(one.name for one in _OWN if one.storage)

# What decides how a network learns, and how long it takes for a sample.
_TRAINED_BY = ("trainer", "model", "device", "recipe", "threads", "class_weight", "batch_size")

STAGES: tuple[Stage, ...] = (
    Stage(
        name="ingest",
        group="data",
        params=("dataset", "dataset_name", "modality", "max_samples", "allow_outside", *_OF_SAMPLES, *_OF_STORAGE),
    ),
    Stage(
        name="check_data",
        group="data",
        inputs=("ingest",),
        params=("quality",),
        files=("quality/{quality}.yaml",),
    ),
    Stage(
        name="resolve_policy",
        group="augmentation",
        after=("check_data",),
        params=("policy", "environment", "approval", "seed"),
        files=("{policy_file}", "environments.yaml", "approvers.yaml"),
    ),
    Stage(
        name="augment",
        group="augmentation",
        inputs=("ingest", "resolve_policy"),
        # With `delivery: auto` it measures the training, and so reads what that reads.
        params=("delivery", "seed", "epochs", *_TRAINED_BY, "workers", "cache_gib"),
        files=("recipes/{recipe}.yaml",),
        cpus=2,
        memory_gib=4,
    ),
    Stage(
        name="check_augmented",
        group="augmentation",
        inputs=("ingest", "resolve_policy", "augment"),
        params=("quality", "seed"),
        files=("quality/{quality}.yaml",),
    ),
    Stage(
        name="train_candidate",
        group="training",
        inputs=("ingest", "resolve_policy", "augment"),
        after=("check_augmented",),
        params=(*_TRAINED_BY, "seed", "workers", "cache_gib"),
        files=("recipes/{recipe}.yaml",),
        cpus=2,
        memory_gib=4,
        own_process=True,
    ),
    Stage(
        # It reads nothing of the policy: every run on the same data with the same budget has the same control.
        name="train_control",
        group="training",
        inputs=("ingest",),
        after=("check_augmented",),
        params=(*_TRAINED_BY, "seed", "epochs"),
        files=("recipes/{recipe}.yaml",),
        cpus=2,
        memory_gib=4,
        own_process=True,
    ),
    Stage(
        name="stress_test",
        group="evaluation",
        inputs=("ingest", "resolve_policy", "train_candidate", "train_control"),
        params=("suite", "environment"),
        files=("stress/{suite}.yaml",),
        cpus=2,
        memory_gib=4,
    ),
    Stage(
        name="check_drift",
        group="evaluation",
        inputs=("ingest",),
        after=("check_data",),
        params=("drift", "production_window", "modality", "allow_outside", *_OF_SAMPLES),
        files=("drift/{drift}.yaml",),
    ),
    Stage(
        name="decide",
        group="decision",
        inputs=("ingest", *EVIDENCE),
        params=("gate", "suite", "environment", "approval"),
        files=("gates/{gate}.yaml", "stress/{suite}.yaml"),
    ),
    Stage(
        # Before anybody is asked: who answers decides from the report.
        name="prepare_report",
        group="decision",
        inputs=("ingest", *EVIDENCE, "decide"),
        params=("environment", "approval", "seed", "drift"),
        files=("drift/{drift}.yaml",),
    ),
    Stage(
        name="approve",
        group="decision",
        inputs=("ingest", "decide"),
        after=("prepare_report",),
        params=("environment", "approval"),
        files=("approvers.yaml", "environments.yaml"),
    ),
    Stage(
        name="promote",
        group="decision",
        inputs=("ingest", "resolve_policy", "train_candidate", "train_control", "stress_test", "decide", "approve"),
        params=("environment", "approval", "gate"),
        files=("environments.yaml",),
    ),
    Stage(
        name="report",
        inputs=("ingest", *EVIDENCE, "decide", "prepare_report", "approve", "promote"),
        params=("environment", "approval", "seed", "drift"),
        files=("drift/{drift}.yaml",),
    ),
)

BY_NAME = {stage.name: stage for stage in STAGES}


def steps(stages: Sequence[Stage] = STAGES) -> tuple[tuple[Stage, ...], ...]:
    """The stages in their order, in one tuple those that could run at once: worth a process each, none needs another.

    Args:
        stages: each after those that it comes after.
    """
    found: list[tuple[Stage, ...]] = []
    for stage in stages:
        last = found[-1] if found else ()
        if stage.own_process and last and all(one.own_process and one.name not in stage.comes_after for one in last):
            found[-1] = (*last, stage)
        else:
            found.append((stage,))
    return tuple(found)


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
