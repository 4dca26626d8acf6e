"""The parameters of a run: each is declared here, and nowhere else.

What only one modality has, that modality declares (`run_parameters` in its package). The command line derives its
options from all of them, Airflow its form, `augment_ops.pipeline.params` the check of what somebody gave. This module
imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from augment_ops.modalities import NAMES, UNNAMED, run_parameters
from augment_ops.parameter import CHECKS, DATA, MAIN, TRAINING, About, Parameter, declared_in
from augment_ops.training import NAMES as TRAINERS

T = TypeVar("T")

# Samples seen in one training when `epochs` is 0 (automatic): 8 epochs of 54,000 samples, 40 of 1,100.
_AUTO_SAMPLES = 432_000
_AUTO_EPOCHS = (8, 40)


def _with_those_of_modalities(declared: type[T]) -> type[T]:
    """Add what only one modality has, each parameter where it wants to be listed."""
    told = dict(declared.__annotations__)
    for name in NAMES:
        for one in run_parameters(name):
            if one.name in told:
                raise TypeError(f"two declarations of the run parameter {one.name}, one of them in {name}")
            entries, place = list(told.items()), list(told).index(one.after) + 1
            told = dict([*entries[:place], (one.name, one.declaration), *entries[place:]])
            setattr(declared, one.name, one.default)
    declared.__annotations__ = told
    return declared


@dataclass(frozen=True, kw_only=True)
@_with_those_of_modalities
class RunParams:
    """Parameters of one pipeline run; `augment_ops.pipeline.params.parse_params` checks and makes them."""

    dataset: Annotated[
        str,
        About(
            title="Data set",
            section=MAIN,
            proposes="datasets",
            min_length=1,
            max_length=200,
            help="digits, or the path or URI of an image folder, tar, zip, IDX folder, .npz, CSV/Parquet index, or "
            "of a table.",
        ),
    ] = "digits"
    modality: Annotated[str, About(title="Modality", section=MAIN, one_of=NAMES, help="What a sample is.")] = UNNAMED
    policy: Annotated[
        str,
        About(
            title="Policy",
            section=MAIN,
            folder="augment",
            min_length=1,
            max_length=200,
            help="Name in policies/augment/; on the command line also the path of a policy file. dev takes it as it "
            "stands; staging and production ask for more (see Environment).",
        ),
    ] = "digits-robust"
    delivery: Annotated[
        Literal["online", "nearline", "offline", "device", "auto"],
        About(
            title="Delivery mode",
            section=DATA,
            help="Augment while training; the same, kept in a cache for the next training; or write the augmented "
            "shards first: the samples are the same, byte for byte. auto measures policy and network on this machine, "
            "and takes what keeps the training from waiting. device augments where the network is trained, on a GPU "
            "say, which may round a level otherwise; a compiled policy can, with the trainer torch.",
        ),
    ] = "online"
    cache_gib: Annotated[
        float,
        About(
            title="Cache of nearline delivery in GiB",
            section=DATA,
            minimum=0,
            maximum=1e6,
            help="What nearline delivery may keep, in GiB; what was used longest ago is removed when it is full. "
            "Delivery auto writes no larger shards.",
        ),
    ] = 4.0
    dataset_name: Annotated[
        str,
        About(
            title="Name of the data set",
            section=DATA,
            pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$",
            max_length=100,
            help="In kebab-case, for the MLflow experiment and the registered model; empty takes it from the data set.",
        ),
    ] = ""
    allow_outside: Annotated[
        bool,
        About(
            title="Files outside the data set",
            section=DATA,
            help="Links and index entries may lead outside the data set's folder. Only for data that you trust.",
        ),
    ] = False
    max_samples: Annotated[
        int, About(title="Samples at most", section=DATA, minimum=0, help="At most so many, taken evenly; 0 takes all.")
    ] = 0
    trainer: Annotated[
        str,
        About(
            title="Trainer",
            section=TRAINING,
            pattern=rf"^({'|'.join(('auto', *TRAINERS))}|[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*)$",
            form=f"{', '.join(('auto', *TRAINERS))}, or package.module:object",
            max_length=200,
            help="torch trains a network, sklearn gradient-boosted trees of rows of numbers; auto takes the one that "
            "fits the samples; package.module:object is a trainer of your own (docs/training.md).",
        ),
    ] = "auto"
    model: Annotated[
        str,
        About(
            title="Network",
            section=TRAINING,
            max_length=200,
            help="package.module:factory of a function (input_shape, classes) -> torch.nn.Module; torchvision:name or "
            "timm:name of a network of theirs, untrained (the recipe names a file of weights); empty takes the "
            "trainer's own.",
        ),
    ] = ""
    device: Annotated[
        str,
        About(
            title="Device",
            section=TRAINING,
            min_length=1,
            pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$",
            help="What the training computes on: cpu, cuda or cuda:<number>, or mps, Apple's GPU; auto takes a GPU "
            "where there is one.",
        ),
    ] = "auto"
    recipe: Annotated[
        str,
        About(
            title="Recipe",
            section=TRAINING,
            folder="recipes",
            min_length=1,
            max_length=200,
            help="Name in policies/recipes/: how candidate and control are trained, the same for both: optimiser, "
            "learning rate and its schedule, averaging, early stopping, precision.",
        ),
    ] = "default"
    threads: Annotated[
        int,
        About(
            title="Threads",
            section=TRAINING,
            minimum=0,
            maximum=256,
            help="Threads of the processor for each of the two trainings, where the recipe leaves them open (threads: "
            "auto); 0 takes half of the cores where the run begins. Another number gives other weights.",
        ),
    ] = 0
    class_weight: Annotated[
        Literal["none", "balanced"],
        About(
            title="Weight of classes",
            section=TRAINING,
            help="balanced lets every class count the same in all, however few samples it has.",
        ),
    ] = "none"
    seed: Annotated[
        int, About(title="Seed", section=TRAINING, minimum=0, maximum=2**63 - 1, help="Decides every random choice.")
    ] = 7
    epochs: Annotated[
        int,
        About(
            title="Epochs",
            section=TRAINING,
            minimum=0,
            maximum=10_000,
            help="Passes over the training split; 0 chooses by the size of the data set.",
        ),
    ] = 0
    batch_size: Annotated[
        int,
        About(title="Batch size", section=TRAINING, minimum=2, maximum=65_536, help="Samples in one step of training."),
    ] = 64
    workers: Annotated[
        int,
        About(
            title="Loader workers",
            section=TRAINING,
            minimum=0,
            maximum=64,
            help="Threads (processes, for policies that are not compiled) that augment while training; 0 lets the "
            "trainer augment for itself. Delivery auto takes more where these are too few.",
        ),
    ] = 1
    environment: Annotated[
        Literal["dev", "staging", "production"],
        About(
            title="Environment",
            section=MAIN,
            help="Where the model is meant for; policies/environments.yaml says what that asks for before anything is "
            "trained. As shipped, dev takes any policy file; staging a policy version that was proposed (augment-ops "
            "policy propose); production one that was approved (DAG approve_policy), rules that their owner has "
            "signed, and a person who approves the model.",
        ),
    ] = "dev"
    approval: Annotated[
        Literal["auto", "ml-lead"],
        About(
            title="Approval",
            section=MAIN,
            displays={"auto": "auto: the gate alone decides", "ml-lead": "ml-lead: a named person decides"},
            help="Who lets a model through that passed the gate: the gate alone, or a named person, who is asked. "
            "Whoever triggers the run cannot approve it. policies/environments.yaml says what each environment takes; "
            "as shipped, production no other than ml-lead.",
        ),
    ] = "auto"
    gate: Annotated[
        str,
        About(
            title="Gate",
            section=MAIN,
            folder="gates",
            min_length=1,
            max_length=200,
            help="Name in policies/gates/: the rules by which the candidate is judged. It belongs to one suite, and "
            "needs so many held-out samples, in all and of each class; too few are told before anything is trained.",
        ),
    ] = "default"
    suite: Annotated[
        str,
        About(
            title="Stress suite",
            section=MAIN,
            folder="stress",
            min_length=1,
            max_length=200,
            help="Name in policies/stress/: what the models have to withstand.",
        ),
    ] = "invariances"
    quality: Annotated[
        str,
        About(
            title="Data quality",
            section=CHECKS,
            folder="quality",
            min_length=1,
            max_length=200,
            help="Name in policies/quality/: the thresholds of the data.",
        ),
    ] = "default"
    drift: Annotated[
        str,
        About(
            title="Drift",
            section=CHECKS,
            folder="drift",
            min_length=1,
            max_length=200,
            help="Name in policies/drift/: the rules of the drift check.",
        ),
    ] = "default"
    production_window: Annotated[
        str,
        About(
            title="Production window",
            section=CHECKS,
            help="URI of recent production samples for the drift check; empty looks in the state folder.",
        ),
    ] = ""

    def epochs_for(self, n: int) -> int:
        """Epochs to train on `n` samples."""
        low, high = _AUTO_EPOCHS
        return self.epochs or min(high, max(low, round(_AUTO_SAMPLES / max(n, 1))))

    def asked(self, *, storage: bool = True) -> dict[str, Any]:
        """The parameters that only the run's modality has, by name.

        Args:
            storage: with those that decide only as what samples are kept.
        """
        own = run_parameters(self.modality)
        return {one.name: getattr(self, one.name) for one in own if storage or not one.storage}

    @property
    def foreign(self) -> frozenset[str]:
        """Names of the parameters that only other modalities have: they say nothing of this run."""
        others = (one.name for name in NAMES if name != self.modality for one in run_parameters(name))
        return frozenset(others).difference(self.asked())

    def rule_files(self) -> tuple[str, ...]:
        """The rules below policies/ that a run names, beside those that bind all."""
        return (
            f"quality/{self.quality}.yaml",
            f"stress/{self.suite}.yaml",
            f"gates/{self.gate}.yaml",
            f"drift/{self.drift}.yaml",
        )


def parameters(declared: type[RunParams] = RunParams) -> tuple[Parameter, ...]:
    """The parameters in the order in which they are declared."""
    return declared_in(declared)
