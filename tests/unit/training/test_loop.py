from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.on_device import OnDevice
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError, TrainingError, TransformError
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.policy.spec import Mixing
from augment_ops.training import loop
from augment_ops.training.base import Budget, Labelled
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.export import model_digest
from support.networks import untrained

SHAPE = (8, 8, 1)


class Net(nn.Module):
    """One linear layer; `wrong` gets its logits and may spoil them."""

    def __init__(self, wrong=lambda net, images, logits: logits, outputs=3):
        super().__init__()
        self.line = nn.Linear(64, outputs)
        self.wrong = wrong
        self.calls = 0

    def forward(self, images):
        return self.wrong(self, images, self.line(images.flatten(1)))


def test_training_is_a_function_of_the_seed(training):
    """Workers, delivery, and whatever the process drew before change nothing; the seed and the policy do."""
    augmenter = training.augmenter()
    digests = {}
    torch.manual_seed(1)
    digests["alone"] = model_digest(training.run(training.online(augmenter))[0])
    torch.manual_seed(2)
    np.random.seed(3)
    drawing = training.run(training.online(augmenter), progress=lambda metrics: torch.rand(3))
    digests["drawing between epochs"] = model_digest(drawing[0])
    digests["one worker"] = model_digest(training.run(training.online(augmenter, 1))[0])
    digests["two workers"] = model_digest(training.run(training.online(augmenter, 2))[0])
    digests["offline"] = model_digest(training.run(training.offline(augmenter))[0])
    assert len(set(digests.values())) == 1, digests
    assert model_digest(training.run(training.online(augmenter), seed=8)[0]) not in digests.values()
    assert model_digest(training.run(training.online(None))[0]) not in digests.values()


def test_the_control_is_the_candidate_of_the_identity(training):
    control = training.run(training.online(None))
    candidate = training.run(training.online(training.augmenter("[]")))
    assert model_digest(control[0]) == model_digest(candidate[0])
    assert [(m.train_loss, m.validation_loss) for m in control[1]] == [
        (m.train_loss, m.validation_loss) for m in candidate[1]
    ]


def test_what_is_augmented_where_the_network_is_teaches_what_a_source_would_have(training):
    augmenter = training.augmenter("[HorizontalFlip: {p: 0.5}, RandomBrightnessContrast: {p: 1.0}]")
    on_device = OnDevice(augmenter=augmenter, ids=SampleIds.of(training.ids))
    delivered, originals = (training.run(training.online(one))[0] for one in (augmenter, None))
    made_there = training.run(training.online(None), on_device=on_device)[0]
    assert model_digest(made_there) == model_digest(delivered) != model_digest(originals)


def test_it_learns_and_measures(training):
    _, curve, meters = training.run(training.online(None), epochs=6)
    assert [m.epoch for m in curve] == list(range(6))
    assert curve[-1].train_loss < curve[0].train_loss
    assert curve[-1].validation_accuracy > 0.9
    assert all(0 <= m.data_wait_share <= 1 for m in curve)
    assert 0 <= meters.delivery.data_wait_share <= 1
    assert meters.samples_per_s > 0
    assert meters.wall_s >= sum(m.wall_s for m in curve)
    assert (meters.delivery.augment_p50_ms, meters.delivery.augment_p95_ms) == (0, 0)
    assert training.run(training.online(training.augmenter()))[2].delivery.augment_p95_ms > 0


def test_the_shape_of_the_initial_net_follows_the_seed_only():
    torch.manual_seed(123)
    one = untrained(SHAPE)
    assert model_digest(one) == model_digest(untrained(SHAPE))
    assert model_digest(one) != model_digest(untrained(SHAPE, seed=8))


def test_images_and_labels_that_cannot_be_written_are_fine(training):
    for array in (training.images, training.labels):
        array.flags.writeable = False  # as a memory-mapped snapshot is; torch warns of such memory
    training.run(training.online(None), epochs=1)
    training.run(training.online(training.augmenter()), epochs=1)


def test_without_validation_there_is_no_score(training):
    none = Labelled(ArrayPayload(training.images[:0]), training.labels[:0])
    curve, _ = loop.train(untrained(SHAPE, 3), training.online(None), none, Budget(1, 32, 7), 4, lambda m: None)
    assert math.isnan(curve[0].validation_loss)
    assert math.isnan(curve[0].validation_accuracy)


def spoils_training_from(call, value=math.nan):
    def wrong(net, images, logits):
        if not net.training:
            return logits
        net.calls += 1
        return logits * value if net.calls >= call else logits

    return lambda shape, classes: Net(wrong)


@pytest.mark.parametrize(("call", "epoch", "batch"), [(1, 0, 0), (3, 0, 2), (5, 1, 1)])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_epoch_and_batch(training, call, epoch, batch, value):
    with pytest.raises(TrainingError, match=f"training, epoch {epoch}, batch {batch}: found a loss of (nan|inf)"):
        training.run(training.online(None), spoils_training_from(call, value))


def test_a_loss_that_is_no_number_after_many_steps_leaves_what_was_kept(training, tmp_path):
    kept = Checkpoints(tmp_path / "kept")
    spoiled = spoils_training_from(3 * 3 + 2)  # three batches an epoch
    with pytest.raises(TrainingError, match="training, epoch 3, batch 1: found a loss of nan"):
        training.run(training.online(None), spoiled, epochs=5, checkpoints=kept)
    assert [one.epoch for one in kept.last().curve] == [0, 1, 2]


def test_a_loss_in_validation_that_is_no_number_is_an_error_too(training):
    def wrong(net, images, logits):
        net.calls += net.training
        return logits if net.training or not net.calls else logits * math.nan

    with pytest.raises(TrainingError, match="training, epoch 0, validation: found a loss of nan"):
        training.run(training.online(None), lambda shape, classes: Net(wrong))


def test_a_net_that_fails_in_training_names_epoch_and_batch(training):
    def wrong(net, images, logits):
        if net.training and len(images) != 32:
            raise ValueError("only 32 at a time")
        return logits

    with pytest.raises(TrainingError, match=r"epoch 0, batch 2: found ValueError: only 32.*on 33 samples"):
        training.run(training.online(None), lambda shape, classes: Net(wrong))


def test_batch_normalisation_trains_whatever_the_number_of_images(training):
    """97 images in batches of 32 leave one over."""
    net = lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))  # noqa: E731
    training.run(training.online(None), net, epochs=1)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_augmentation_stays_what_it_is(training, workers):
    with pytest.raises(TransformError):
        training.run(training.online(training.augmenter("[ISONoise: {p: 1.0}]"), workers))


def raises(shape, classes):
    raise KeyError("weights")


def frozen(shape, classes):
    net = small_cnn(shape, classes)
    for parameter in net.parameters():
        parameter.requires_grad = False
    return net


def branches_on_values(net, images, logits):
    return logits if images.sum() > 0 else -logits


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (raises, "KeyError: 'weights'"),
        (lambda shape: None, "takes 1 positional argument"),
        (lambda shape, classes: None, "returned a NoneType"),
        (lambda shape, classes: nn.Linear, "returned a type"),
        (lambda shape, classes: lambda images: images, "returned a function"),
        (lambda shape, classes: nn.Flatten(), "no parameter that could be trained"),
        (frozen, "no parameter that could be trained"),
        (lambda shape, classes: small_cnn(shape, classes + 1), r"output float32 \(2, 4\) for 2 samples"),
        (lambda shape, classes: nn.Conv2d(1, 3, 1), r"output float32 \(2, 3, 8, 8\)"),
        (lambda shape, classes: Net(lambda net, images, logits: logits.double()), r"output float64 \(2, 3\)"),
        (lambda shape, classes: Net(lambda net, images, logits: logits.argmax(1)), r"output int64 \(2,\)"),
        (lambda shape, classes: Net(lambda net, images, logits: (logits, logits)), "AttributeError"),
        (lambda shape, classes: small_cnn((8, 8, 3), classes), "RuntimeError"),
        (lambda shape, classes: Net(branches_on_values), "torch.export can follow"),
        (lambda shape, classes: Net(lambda net, images, logits: logits.reshape(2, 3)), "any number of samples"),
    ],
)
def test_a_factory_that_is_wrong_is_found_before_training(factory, said):
    with pytest.raises(InputError, match=f"--model: (.|\n)*{said}"):
        untrained(SHAPE, 3, factory=factory)


def test_mixtures_train_on_their_soft_labels(training, monkeypatch):
    wanted, real = [], torch.nn.functional.cross_entropy

    def watched(logits, labels, **options):
        wanted.append(labels.clone())
        return real(logits, labels, **options)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", watched)
    augmenter = training.augmenter()
    mixer = Mixer(Mixing(kind="mixup"), augmenter, SampleIds.of(training.ids), training.labels, classes=3)
    source = OnlineBatches(
        training.images, training.labels, training.ids, augmenter, seed=7, batch_size=32, workers=0, mixer=mixer
    )
    training.run(source, epochs=1)
    soft = [labels for labels in wanted if labels.ndim == 2]
    assert len(soft) == len(batch_rows(7, 0, len(training.ids), 32))
    assert all(((labels > 0).sum(1) <= 2).all() for labels in soft)
    assert any(((labels > 0).sum(1) == 2).any() for labels in soft)
