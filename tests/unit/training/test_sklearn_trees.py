from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.batches import WHOLE, Batch
from augment_ops.delivery.mixing import Mixed
from augment_ops.errors import InputError, TrainingError
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled
from augment_ops.training.sklearn_trees import FACTORY
from support.trees import Shifted, labels_of, rows, task, trees


@pytest.fixture(scope="module")
def augmented():
    """A task whose source augments, and what came of it."""
    asked = task(augmented=True)
    return asked, trees(asked)


def test_the_bytes_are_a_function_of_task_and_seed(augmented):
    """Not of the size and order of batches, nor of where objects lie in memory."""
    asked, trained = augmented
    again = trees(asked, source=Shifted(asked, batch_size=17, seed=3))
    assert (again.artifact, again.model_digest) == (trained.artifact, trained.model_digest)
    assert [(m.train_loss, m.validation_loss) for m in again.curve] == [
        (m.train_loss, m.validation_loss) for m in trained.curve
    ]


def test_originals_are_learnt_with_a_copy_of_each_epoch(augmented):
    asked, trained = augmented
    source = Shifted(asked)
    assert trees(asked, source=source, copies=1).model_digest != trained.model_digest
    assert source.asked == [0]
    nothing = Shifted(asked)
    control = trees(dataclasses.replace(asked, augmented=False), source=nothing)
    assert nothing.asked == []  # copies of originals would only weigh them
    assert control.model_digest == trees(asked, source=nothing, copies=0).model_digest != trained.model_digest


class Sometimes(Shifted):
    """As `Shifted`, for some rows; the others come as they are."""

    def __init__(self, of, changed):
        super().__init__(of)
        self._changed = changed

    def epoch(self, epoch, start=0, step=1, share=WHOLE):
        for batch in super().epoch(epoch, start, step, share):
            same = ~np.isin(batch.rows, self._changed)
            batch.samples[same] = rows()[batch.rows[same]]
            yield batch


def test_a_row_that_augmentation_left_as_it_was_is_no_second_row():
    """Gaps included. Else a leaf of 20 rows is one of 10, and a candidate overfits whatever its policy does."""
    asked = task(augmented=True, class_weight="balanced")
    control = trees(dataclasses.replace(asked, augmented=False))
    assert trees(asked, source=Sometimes(asked, ())).model_digest == control.model_digest
    changed = np.flatnonzero(~np.isnan(rows()[:, 0]))[::3]
    more, labels = rows()[changed], labels_of(rows(), 2)
    more[:, 0] += 0.01
    both = Labelled(ArrayPayload(np.concatenate([rows(), more])), np.concatenate([labels, labels[changed]]))
    wanted = trees(dataclasses.replace(asked, augmented=False, train=both))
    found = trees(asked, source=Sometimes(asked, np.append(changed, np.flatnonzero(np.isnan(rows()[:, 0])))), copies=1)
    assert found.model_digest == wanted.model_digest != control.model_digest


def test_it_learns_from_numbers_and_codes_and_measures_every_round(augmented):
    _, trained = augmented
    assert [m.epoch for m in trained.curve] == list(range(100))
    assert trained.curve[0].train_loss > trained.curve[-1].train_loss
    assert trained.curve[-1].validation_accuracy > 0.9
    assert (trained.format, trained.factory, trained.classes) == ("skops", FACTORY, ("a", "b"))
    assert trained.meters.samples_per_s > 0 and trained.meters.wall_s > 0
    assert 0 <= trained.curve[0].data_wait_share < 1
    assert 100 < trained.parameters < 20_000


def test_a_code_is_a_category_only_where_the_task_says_so():
    """As a number, an odd code lies between even ones, and takes more splits."""
    assert trees(task(categorical=())).model_digest != trees(task()).model_digest
    assert trees(task(categorical=(False,) * 4)).artifact == trees(task(categorical=())).artifact


def test_classes_weigh_the_same_in_all_where_that_is_asked():
    few = np.r_[np.flatnonzero(labels_of(rows(), 2) == 0), np.flatnonzero(labels_of(rows(), 2) == 1)[:12]]
    table, labels = rows()[few], labels_of(rows(), 2)[few]
    rare = task(train=Labelled(ArrayPayload(table), labels))
    held_out = rare.validation
    recall = {}
    for weight in ("none", "balanced"):
        trained = trees(dataclasses.replace(rare, class_weight=weight))
        recall[weight] = trained.curve[5].validation_accuracy, trained.model_digest
    assert recall["balanced"][0] > recall["none"][0] + 0.1  # half of validation is of the rare class
    assert recall["balanced"][1] != recall["none"][1]
    assert len(held_out.labels) == 60


def test_without_validation_there_is_no_score():
    none = Labelled(ArrayPayload(np.empty((0, 4))), np.empty(0, np.int64))
    curve = trees(task(validation=none)).curve
    assert len(curve) == 100 and math.isnan(curve[0].validation_loss)


def with_value(value: float):
    table = rows()
    table[5, 0] = value
    return table


WRONG = {
    "pixels": ({"train": Labelled(ArrayPayload(np.zeros((6, 8, 8, 1))), np.arange(6) % 2)}, "rows of numbers"),
    "bytes": ({"train": Labelled(ArrayPayload(np.zeros((6, 4), np.uint8)), np.arange(6) % 2)}, "rows of numbers"),
    "a class without a sample": ({"classes": 3, "train": task().train}, "no sample of c"),
    "too few words on features": ({"categorical": (True,)}, "1 said of 4 features"),
    "a network": ({"model": "package.module:net"}, "--model: found package.module:net; expected nothing"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_trees_cannot_learn_is_refused(what):
    changes, said = WRONG[what]
    with pytest.raises(InputError, match=said):
        trees(task(**changes))


def test_more_categories_than_a_byte_has_are_refused():
    table = np.zeros((600, 4))
    table[:, 3] = np.arange(600) % 300
    wide = task(train=Labelled(ArrayPayload(table), np.arange(600) % 2))
    with pytest.raises(InputError, match="categorical feature 3: found 300 categories; expected 255 at most"):
        trees(wide)


def test_an_infinite_number_names_its_row():
    infinite = task(train=Labelled(ArrayPayload(with_value(math.inf)), labels_of(rows(), 2)))
    with pytest.raises(TrainingError, match="row 5 of copy 0: found an infinite value"):
        trees(infinite)


def test_mixtures_of_classes_are_refused():
    class Mixing(Shifted):
        def epoch(self, epoch, start=0, step=1):
            for batch in super().epoch(epoch, start, step):
                soft = np.full((len(batch.rows), 2), 0.5, np.float32)
                mixed = Mixed(batch.samples, batch.samples, soft, batch.rows, np.ones(len(batch.rows)))
                yield Batch(batch.samples, batch.labels, batch.rows, 0.0, mixed)

    asked = task(augmented=True)
    with pytest.raises(InputError, match="a policy that mixes samples of several classes"):
        trees(asked, source=Mixing(asked))


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_it_computes_on_the_processor_alone(device):
    with pytest.raises(InputError, match=f"--device: found {device}; expected auto | cpu"):
        trainer("sklearn").check("", device)
    assert trainer("sklearn").device("auto") == "cpu"
    assert trainer("sklearn").entries(Budget(3, 32, 7)) == 100
