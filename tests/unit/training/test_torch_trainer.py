from __future__ import annotations

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import InputError
from augment_ops.modalities import modality
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.class_weights import balanced
from augment_ops.training.declared import fitted
from augment_ops.training.export import model_digest


def fit(training, source=None, **changes):
    given = {
        "modality": "image",
        "classes": ("left", "middle", "right"),
        "train": Labelled(ArrayPayload(training.images), training.labels),
        "validation": Labelled(ArrayPayload(training.images[:30]), training.labels[:30]),
        "augmented": False,
    }
    source = source or training.online(None)
    return fitted(trainer("torch"), Task(**{**given, **changes}), source, Budget(2, 32, 7), "cpu")


def test_what_it_trains_is_what_the_loop_trains_and_what_the_artifact_answers(training):
    said = []
    trained = fit(training, progress=said.append)
    model, curve, _ = training.run(training.online(None))
    assert trained.model_digest == model_digest(model)
    assert [m.train_loss for m in trained.curve] == [m.train_loss for m in curve] == [m.train_loss for m in said]
    assert trainer("torch").entries(Budget(2, 32, 7)) == len(said)
    assert trained.parameters == sum(p.numel() for p in small_cnn((8, 8, 1), 3).parameters())
    with load(Artifact(trained.artifact, trained.digest, "model.pt2", trained.format)) as answers:
        found = answers(training.images[:30]).argmax(axis=1)
    assert (found == training.labels[:30]).mean() == pytest.approx(trained.curve[-1].validation_accuracy)


def test_no_network_is_the_modalitys_own_under_its_name_of_today(training):
    named = fit(training, model="augment_ops.training.models:small_cnn")
    own = fit(training)
    assert own.factory == named.factory == modality("image").network
    assert own.artifact == named.artifact


def test_classes_weigh_the_same_in_all_where_that_is_asked(training):
    assert fit(training, class_weight="none").model_digest == fit(training).model_digest
    few = Labelled(ArrayPayload(training.images), np.r_[training.labels[:60], np.zeros(37, np.int64)])
    training.labels = few.labels
    assert fit(training, train=few, class_weight="balanced").model_digest != fit(training, train=few).model_digest


def test_weights_of_classes_make_each_count_the_same():
    labels = np.array([0] * 6 + [1] * 3 + [3])
    weights = balanced(labels, 5)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights * np.bincount(labels, minlength=5), [10 / 3, 10 / 3, 0, 10 / 3, 0])


def test_a_network_that_cannot_be_found_is_known_before():
    with pytest.raises(InputError, match="--model"):
        trainer("torch").check("no.such:net", "auto")
    trainer("torch").check("augment_ops.training.models:small_cnn", "cpu")
