"""Gradient-boosted trees by scikit-learn, for samples that are rows of numbers and codes of categories.

They see all samples at once: the split as it is, and of each epoch of the source the rows that augmentation changed.
One that it left as it was teaches nothing new, and would weigh twice: a leaf of 20 rows would be one of 10. Boosting
has the same number of rounds with and without copies.

Source: Ke et al. 2017, LightGBM (histograms, leaf-wise growth); Friedman 2001, Greedy Function Approximation.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from augment_ops.delivery.batches import BatchSource
from augment_ops.delivery.meters import WaitMeter
from augment_ops.engine.key import sample_key
from augment_ops.errors import InputError, TrainingError
from augment_ops.training.base import Budget, Meters, Task, Trained, Trainer
from augment_ops.training.devices import processor
from augment_ops.training.result import EpochMetrics

FACTORY = "sklearn.ensemble:HistGradientBoostingClassifier"
_TOLD = 10  # every so-manieth round is told to people
_MOST_CATEGORIES = 255  # a bin is a byte, and one of 256 is for missing values
_MEASURED = 50_000  # rows of training that the curve is measured on: a standard error of accuracy below 0.3%


class TreeSettings(BaseModel):
    """The section `sklearn` of a recipe; by default scikit-learn's own, which its users compare with.

    There is no early stopping: how long a candidate trains would hang on a random part of its samples, and its control
    on another.

    Attributes:
        rounds: of boosting, each with one tree a class.
        learning_rate: what each tree counts (shrinkage).
        max_leaf_nodes: of a tree. min_samples_leaf: in each of them.
        l2_regularization: of the leaves' values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: Annotated[int, Field(ge=1, le=10_000)] = 100
    learning_rate: Annotated[FiniteFloat, Field(gt=0, le=1)] = 0.1
    max_leaf_nodes: Annotated[int, Field(ge=2, le=65_536)] = 31
    min_samples_leaf: Annotated[int, Field(ge=1)] = 20
    l2_regularization: Annotated[FiniteFloat, Field(ge=0)] = 0.0


class _Trees:
    """See `augment_ops.training.base.Trainer`."""

    name = "sklearn"
    format = "skops"
    settings = TreeSettings

    def entries(self, budget: Budget) -> int:
        """See `Trainer`."""
        return _settings(budget).rounds

    def check(self, model: str, device: str) -> None:
        """See `Trainer`."""
        if model:
            raise InputError(
                "--model",
                model,
                "nothing: the trainer sklearn has a model of its own",
                "leave --model out, or train a network (--trainer torch)",
            )
        self.device(device)

    def check_settings(self, settings: BaseModel, device: str) -> None:
        """See `Trainer`. They name no file."""

    def device(self, asked: str) -> str:
        """See `Trainer`."""
        return processor(asked, self.name)

    def fit(self, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
        """See `Trainer`."""
        from threadpoolctl import threadpool_limits

        from augment_ops.training.skops_file import skops_file

        self.check(task.model, device)
        categorical = _checked(task)
        started, meter = time.perf_counter(), WaitMeter()
        table = _gathered(task, source, budget.epochs, meter)
        _check_codes(table, categorical)
        settings = _settings(budget)
        model = _classifier(settings, budget.seed, categorical, task.class_weight)
        # One thread: the order of floating-point sums must not depend on the machine's cores.
        with threadpool_limits(limits=1, user_api="openmp"):
            fitting = time.perf_counter()
            model.fit(table.rows, table.labels)
            fit_s = time.perf_counter() - fitting
            per_round = _Cost(settings.rounds, len(table.labels) * settings.rounds / fit_s, fit_s / settings.rounds)
            curve = tuple(_curve(model, table, task, per_round, meter.wait_s))
        for metrics in curve[_TOLD - 1 :: _TOLD]:
            task.progress(metrics)
        artifact = skops_file(model)
        wall_s = time.perf_counter() - started
        return Trained(
            artifact=artifact,
            format=self.format,
            digest=hashlib.sha256(artifact).hexdigest(),
            model_digest=model_digest(model),
            classes=task.classes,
            factory=FACTORY,
            parameters=sum(len(tree.nodes) for trees in model._predictors for tree in trees),
            curve=curve,
            meters=Meters(per_round.samples_per_s, wall_s, meter.result(wall_s)),
        )


@dataclass(frozen=True)
class _Gathered:
    """float64 (M, F) and int64 (M,): the split, and what is new in each copy of it, in the order of the split."""

    rows: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class _Cost:
    """What each of the rounds took: rows that passed in a second, and seconds."""

    rounds: int
    samples_per_s: float
    wall_s: float


def model_digest(model: Any) -> str:
    """sha256 over the categories, the bins and the trees, in order."""
    arrays = [model.classes_, model._baseline_prediction, *model._bin_mapper.bin_thresholds_]
    for trees in model._predictors:
        for tree in trees:
            arrays += [tree.nodes, tree.raw_left_cat_bitsets, tree.binned_left_cat_bitsets]
    if model._preprocessor is not None:
        arrays += model._preprocessor.named_transformers_["encoder"].categories_
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}\n".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _checked(task: Task) -> tuple[bool, ...]:
    """Which features are categories.

    Raises:
        InputError: the samples are no rows of numbers, or a class has none to learn from.
    """
    like = task.train.samples.take(np.empty(0, np.int64))
    if like.ndim != 2 or like.dtype != np.float64:
        raise InputError(
            "--trainer sklearn",
            f"samples of {like.dtype} {like.shape[1:]}",
            "rows of numbers: float64 (F,)",
            f"use the trainer of {task.modality} (--trainer auto)",
        )
    missing = [
        task.classes[k] for k in np.flatnonzero(np.bincount(task.train.labels, minlength=len(task.classes)) == 0)
    ]
    if missing:
        raise InputError(
            "training split",
            f"no sample of {', '.join(missing[:5])}",
            "a sample of every class at least",
            "split the data so that each class is in all parts, or leave the class out",
        )
    if len(task.categorical) not in (0, like.shape[1]):
        raise InputError(
            "categorical features",
            f"{len(task.categorical)} said of {like.shape[1]} features",
            "one word for each",
            "correct the schema of the data set",
        )
    return task.categorical if any(task.categorical) else ()


def _gathered(task: Task, source: BatchSource, copies: int, meter: WaitMeter) -> _Gathered:
    train = task.train
    count = len(train.labels)
    copies = copies if task.augmented else 0
    rows = np.empty(((1 + copies) * count, *train.samples.shape), np.float64)
    labels = np.tile(train.labels, 1 + copies)
    new = np.ones(len(labels), np.bool_)
    rows[:count] = train.samples.take(np.arange(count))
    for copy in range(copies):
        for batch in meter.watch(source, source.epoch(copy)):
            if batch.mixed is not None:
                raise InputError(
                    "--trainer sklearn",
                    "a policy that mixes samples of several classes",
                    "samples of one class each",
                    "remove the mixing from the policy, or train a network (--trainer torch)",
                )
            # By its row: the order of an epoch and the size of a batch change nothing.
            place = (1 + copy) * count + batch.rows
            rows[place], labels[place] = batch.samples, batch.labels
            new[place] = _differ(batch.samples, rows[batch.rows])
    if np.isinf(rows).any():
        first = int(np.flatnonzero(np.isinf(rows).any(axis=1))[0])
        raise TrainingError(
            f"training, row {first % count} of copy {first // count}",
            "an infinite value",
            "finite numbers, NaN where one is missing",
            "correct the data, or the transform that made it",
        )
    return _Gathered(rows, labels) if new.all() else _Gathered(rows[new], labels[new])


def _differ(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows are not what the others are, gaps included: bool (N,)."""
    found: NDArray[np.bool_] = ((rows != others) & ~(np.isnan(rows) & np.isnan(others))).any(axis=1)
    return found


def _check_codes(table: _Gathered, categorical: tuple[bool, ...]) -> None:
    for feature in np.flatnonzero(categorical):
        found = np.unique(table.rows[:, feature])
        known = int((found >= 0).sum())  # NaN and what is negative count as missing
        if known > _MOST_CATEGORIES:
            raise InputError(
                f"categorical feature {feature}",
                f"{known} categories",
                f"{_MOST_CATEGORIES} at most",
                "put rare categories together, or leave the feature out",
            )


def _settings(budget: Budget) -> TreeSettings:
    if budget.settings is None:
        return TreeSettings()
    assert isinstance(budget.settings, TreeSettings)  # the section of this trainer, see `Recipe.settings`
    return budget.settings


def _classifier(settings: TreeSettings, seed: int, categorical: tuple[bool, ...], class_weight: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=settings.rounds,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.max_leaf_nodes,
        min_samples_leaf=settings.min_samples_leaf,
        l2_regularization=settings.l2_regularization,
        early_stopping=False,
        categorical_features=list(categorical) or None,
        class_weight="balanced" if class_weight == "balanced" else None,
        random_state=sample_key("trees", seed, 0)[0] & 0xFFFFFFFF,  # scikit-learn takes 32 bits
    )


def _curve(model: Any, table: _Gathered, task: Task, cost: _Cost, wait_s: float) -> Iterator[EpochMetrics]:
    """What each round brought, on validation and on rows of training taken evenly."""
    some = np.linspace(0, len(table.labels) - 1, min(_MEASURED, len(table.labels))).astype(np.int64)
    validation = task.validation.samples.take(np.arange(len(task.validation.labels)))
    learnt = _rounds(model, cost.rounds, table.rows[some], table.labels[some])
    held_out = _rounds(model, cost.rounds, validation, task.validation.labels)
    for number, (train, validated) in enumerate(zip(learnt, held_out, strict=True)):
        if not math.isfinite(train[0]):
            raise TrainingError(
                f"training, round {number}",
                f"a loss of {train[0]}",
                "a finite number",
                "look at the samples and labels",
            )
        yield EpochMetrics(
            epoch=number,
            train_loss=train[0],
            train_accuracy=train[1],
            validation_loss=validated[0],
            validation_accuracy=validated[1],
            samples_per_s=cost.samples_per_s,
            data_wait_share=wait_s / (wait_s + cost.wall_s * cost.rounds),
            wall_s=cost.wall_s,
        )


def _rounds(
    model: Any, number: int, rows: NDArray[np.float64], labels: NDArray[np.int64]
) -> Iterator[tuple[float, float]]:
    """Loss and accuracy after each round; NaN without a row."""
    if not len(labels):
        for _ in range(number):
            yield math.nan, math.nan
        return
    for probabilities in model.staged_predict_proba(rows):
        own = probabilities[np.arange(len(labels)), labels]
        loss = -np.log(np.maximum(own, np.finfo(np.float64).tiny)).mean()
        yield float(loss), float((probabilities.argmax(axis=1) == labels).mean())


TRAINER: Trainer = _Trees()
