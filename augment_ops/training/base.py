"""The seam of what trains: a task and a source of batches go in, one artifact that needs no training code comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from augment_ops.delivery.batches import Batch, BatchSource
from augment_ops.delivery.meters import DeliveryMeters
from augment_ops.delivery.on_device import OnDevice
from augment_ops.modalities.base import Payload
from augment_ops.training.result import EpochMetrics

Progress = Callable[[EpochMetrics], None]
ClassWeight = Literal["none", "balanced"]


@dataclass(frozen=True)
class Labelled:
    """N samples and their classes: int64 (N,), positions in the task's classes."""

    samples: Payload
    labels: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learnt.

    Attributes:
        modality: name of what the samples are.
        classes: K names, in the order of the scores.
        train: the split as it is, without augmentation; what the source delivers is made of it, row by row.
        validation: what every entry of the curve is measured on; may hold no sample.
        augmented: whether what is trained on is anything else than `train` as it is.
        categorical: which of the F features hold codes of categories, for samples (F,); empty for none.
        class_weight: `balanced` weighs every class by N / (K · its samples); `none` every sample the same.
        model: `package.module:factory`, `torchvision:name` or `timm:name` of a network; empty for the trainer's own.
        progress: called with an entry of the curve once in a while, with the last in any case.
        on_device: makes of a batch what is trained on, where the network computes; None where the source delivers it.
            Only trainers that have `augments_on_device` are given one.
        unfinished: folder that belongs to this training alone, where a trainer may keep how far it has come, to go on
            from there when it was killed; None where nothing may be kept. Whoever asks removes it in the end.
    """

    modality: str
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    augmented: bool
    categorical: tuple[bool, ...] = ()
    class_weight: ClassWeight = "none"
    model: str = ""
    progress: Progress = lambda metrics: None
    on_device: OnDevice | None = None
    unfinished: Path | None = None


@dataclass(frozen=True)
class Budget:
    """What candidate and control may spend and how, the same for both.

    Attributes:
        epochs: passes of the source: epochs to a trainer that sees one after the other, augmented copies to one that
            sees them all at once.
        batch_size: samples of a batch.
        seed: decides every random choice.
        settings: the trainer's section of the recipe, of its type `Trainer.settings`; None for what it does by itself.
        threads: of the processor, where the section leaves them open.
    """

    epochs: int
    batch_size: int
    seed: int
    settings: BaseModel | None = None
    threads: int = 1


@dataclass(frozen=True)
class Meters:
    """What the whole training cost."""

    samples_per_s: float
    wall_s: float
    delivery: DeliveryMeters


@dataclass(frozen=True)
class Pace:
    """How fast a trainer takes samples whose batch is at hand.

    Attributes:
        sample_us: wall time a sample; threads: of the processor, that it computes with.
    """

    sample_us: float
    threads: int


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a trainer returns.

    Attributes:
        artifact: the file, of which a runtime makes a model again: samples in, float32 (N, K) scores out.
        format: of the artifact, as runtimes name it.
        digest: sha256 of the artifact.
        model_digest: sha256 over what was learnt, whatever the file around it.
        classes: of the scores, in their order.
        factory: what built the model: `package.module:name`, or a library's name of it.
        parameters: number of values that were learnt.
        curve: at least one entry.
        meters: what it cost.
        notes: what else a person should know of it, in sentences.
    """

    artifact: bytes
    format: str
    digest: str
    model_digest: str
    classes: tuple[str, ...]
    factory: str
    parameters: int
    curve: tuple[EpochMetrics, ...]
    meters: Meters
    notes: tuple[str, ...] = ()


class Trainer(Protocol):
    """Trains on one kind of device or several, and writes artifacts of one format."""

    @property
    def name(self) -> str:
        """As `--trainer` names it."""
        ...

    @property
    def format(self) -> str:
        """Of its artifacts."""
        ...

    @property
    def settings(self) -> type[BaseModel]:
        """What a recipe may say to it: the type of its section, which has a default for everything.

        Where it has a field `sampling` of `uniform` and `balanced`, whoever makes the source goes by it.
        Where it has a field `threads` that may be `auto`, the number comes with the budget
        (`augment_ops.training.threads`).
        Where it has a field `processes`, which share each batch, a run is refused in which there are fewer samples or
        GPUs than that.
        """
        ...

    def entries(self, budget: Budget) -> int:
        """How many entries its curves have."""
        ...

    def check(self, model: str, device: str) -> None:
        """See, before a run begins, that it can be asked this.

        Args:
            model: as in `Task`; device: `auto`, `cpu`, `mps`, `cuda` or `cuda:<number>`.

        Raises:
            InputError: no such network, none may be named, or no such device is here.
        """
        ...

    def check_settings(self, settings: BaseModel, device: str) -> None:
        """See, before a run begins, that the files which a recipe names to it are there and are those that are meant,
        and that what it asks for can be had here.

        Args:
            settings: its section, of the type `settings`; device: as `check` takes it.

        Raises:
            InputError: they are not.
        """
        ...

    def device(self, asked: str) -> str:
        """The device that it works on, such as `cpu` or `cuda:0`, where `asked` is what a run says.

        Raises:
            InputError: it is not here.
        """
        ...

    def fit(self, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
        """Train; deterministic given task, budget and what the source delivers.

        Args:
            source: time spent waiting for its batches is metered. The caller closes it.
            device: as `device` gives it.

        Raises:
            InputError: the trainer does not take such samples, or the network does not.
            TrainingError: what came out is of no use, a loss that is not a number, say.
        """
        ...


@runtime_checkable
class Paced(Protocol):
    """What a trainer has beside that takes one batch after the other, and can say how fast (`delivery: auto`)."""

    def pace(self, task: Task, batch: Batch, budget: Budget, device: str, limit_s: float) -> Pace:
        """Measure its steps on a batch, and keep nothing of what is learnt.

        Args:
            task: as for `fit`; neither validated nor kept anywhere.
            batch: as the source would deliver them.
            device: as `device` gives it.
            limit_s: how long, roughly.

        Raises:
            InputError, TrainingError: see `fit`.
        """
        ...
