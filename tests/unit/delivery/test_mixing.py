"""MixUp and CutMix: keyed partners and weights, soft labels, both parents."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.nearline import NearlineBatches
from augment_ops.delivery.offline import ShardBatches, materialise, shard_identity
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Mixing
from support.policies import policy_of

KINDS = ["mixup", "cutmix"]


def mixed(mixing, augmenter, images, labels, ids, rows=None, epoch=2):
    rows, ids = np.arange(len(ids)) if rows is None else np.asarray(rows), SampleIds.of(ids)
    mixer = Mixer(mixing, augmenter, ids, labels, 10)
    return mixer(rows, epoch, lambda needed: augmenter(images[needed], ids[needed], epoch))


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_is_a_function_of_its_key(kind, augmenter, images, labels, ids):
    whole = mixed(Mixing(kind=kind), augmenter, images, labels, ids)
    order = np.random.default_rng(0).permutation(len(ids))
    other = mixed(Mixing(kind=kind), augmenter, images, labels, ids, order)
    for name in ("samples", "labels", "partners", "weights"):
        assert (getattr(other, name) == getattr(whole, name)[order]).all()
    alone = mixed(Mixing(kind=kind), augmenter, images, labels, ids, [5])
    assert (alone.samples[0] == whole.samples[5]).all()
    later = mixed(Mixing(kind=kind), augmenter, images, labels, ids, epoch=3)
    assert (later.partners != whole.partners).mean() > 0.9


def test_mixup_is_the_weighted_sum_of_both_augmented_parents(augmenter, images, labels, ids):
    found = mixed(Mixing(kind="mixup", alpha=0.4), augmenter, images, labels, ids)
    own = augmenter(images, ids, 2).astype(float)
    w = found.weights[:, None, None, None]
    expected = w * own + (1 - w) * own[found.partners]
    assert np.abs(found.samples - expected).max() <= 0.501


def test_cutmix_is_a_box_of_the_partner_and_the_weight_its_area(augmenter, images, labels, ids):
    found = mixed(Mixing(kind="cutmix"), augmenter, images, labels, ids)
    own = augmenter(images, ids, 2)
    area = images.shape[1] * images.shape[2]
    for i, picture in enumerate(found.samples):
        pixels = round((1 - found.weights[i]) * area)
        assert (1 - found.weights[i]) * area == pytest.approx(pixels)
        from_partner = (picture == own[found.partners[i]]).all(-1)
        from_own = (picture == own[i]).all(-1)
        assert (from_partner | from_own).all()
        assert from_partner.sum() >= pixels
        assert from_own.sum() >= area - pixels


@pytest.mark.parametrize("kind", KINDS)
def test_soft_labels_name_both_parents(kind, augmenter, images, labels, ids):
    found = mixed(Mixing(kind=kind), augmenter, images, labels, ids)
    assert found.labels.sum(1) == pytest.approx(1)
    assert (found.partners != np.arange(len(ids))).all()
    for i, soft in enumerate(found.labels):
        own, other = labels[i], labels[found.partners[i]]
        expected = 1.0 if own == other else found.weights[i]
        assert soft[own] == pytest.approx(expected, abs=1e-6)
        assert set(np.flatnonzero(soft)) <= {own, other}


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_weights_and_partners_are_distributed_as_they_should(alpha, augmenter):
    n = 3000
    images, labels = np.zeros((n, 2, 2, 1), np.uint8), np.zeros(n, np.int64)
    found = mixed(Mixing(kind="mixup", alpha=alpha), augmenter, images, labels, range(n))
    assert stats.kstest(found.weights, stats.beta(alpha, alpha).cdf).pvalue > 1e-4
    assert stats.kstest(found.partners / n, "uniform").pvalue > 1e-4


def test_p_leaves_samples_as_they_are(augmenter, images, labels, ids):
    own = augmenter(images, ids, 2)
    half = mixed(Mixing(kind="mixup", p=0.5), augmenter, images, labels, ids)
    kept = half.weights == 1
    assert 0.2 < kept.mean() < 0.8
    assert (half.samples[kept] == own[kept]).all()
    assert (half.partners[kept] == np.arange(len(ids))[kept]).all()
    single = mixed(Mixing(kind="cutmix"), augmenter, images[:1], labels[:1], ids[:1])
    assert single.weights.tolist() == [1.0]


@pytest.mark.parametrize(("workers", "kind"), [(0, "auto"), (2, "threads"), (1, "processes")])
def test_a_loader_delivers_mixtures(workers, kind, augmenter, images, labels, ids):
    mixer = Mixer(Mixing(kind="cutmix"), augmenter, SampleIds.of(ids), labels, 10)
    source = OnlineBatches(
        images, labels, ids, augmenter, seed=7, batch_size=16, workers=workers, kind=kind, mixer=mixer
    )
    whole = mixed(Mixing(kind="cutmix"), augmenter, images, labels, ids, epoch=1)
    for batch in source.epoch(1):
        assert batch.mixed is not None
        assert (batch.samples == whole.samples[batch.rows]).all()
        assert (batch.mixed.labels == whole.labels[batch.rows]).all()
        assert (batch.mixed.partners == whole.partners[batch.rows]).all()
    source.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_mode_delivers_the_same_mixtures(kind, store, augmenter, images, labels, ids):
    mixer = Mixer(Mixing(kind=kind, p=0.7), augmenter, SampleIds.of(ids), labels, 10)
    order = {"seed": 7, "batch_size": 16, "mixer": mixer}
    online = OnlineBatches(images, labels, ids, augmenter, workers=0, **order)
    identity = shard_identity("5" * 64, "train", augmenter, images.dtype)
    nearline = NearlineBatches(store, online, identity, images, labels, limit_bytes=1 << 30, **order)
    expected = [batch.mixed for batch in online.epoch(0)]
    recorded = [batch.mixed for batch in nearline.epoch(0)]
    cached = [batch.mixed for batch in nearline.epoch(0)]
    assert nearline.ready() is None  # the second time, from the cache
    shards = materialise(store, images, ids, augmenter, snapshot_digest="5" * 64, split="train", epochs=1)
    offline = [batch.mixed for batch in ShardBatches(store, shards, labels, **order).epoch(0)]
    for mode in (recorded, cached, offline):
        for name in ("samples", "own", "labels", "partners", "weights"):
            for ours, theirs in zip(mode, expected, strict=True):
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_originals_can_be_mixed(augmenter, images, labels, ids):
    mixer = Mixer(Mixing(kind="mixup"), augmenter, SampleIds.of(ids), labels, 10)
    batch = next(OnlineBatches(images, labels, ids, None, seed=7, batch_size=16, workers=0, mixer=mixer).epoch(0))
    assert (batch.mixed.own == images[batch.rows]).all()
    assert (batch.samples != batch.mixed.own).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", ["HorizontalFlip: {p: 0.5}", "Normalize: {}"])
def test_mixtures_have_the_type_and_range_of_what_is_mixed(kind, step, images, labels, ids):
    policy = policy_of(step)
    floats = np.repeat(images[..., :1], 3, axis=3).astype(np.float32) / 255
    augment = Augmenter(policy, 7)
    found = mixed(Mixing(kind=kind), augment, floats, labels, ids)
    own = augment(floats, ids, 2)
    assert found.samples.dtype == np.float32
    w = found.weights[:, None, None, None]
    expected = w * own + (1 - w) * own[found.partners]
    if kind == "mixup":
        np.testing.assert_allclose(found.samples, expected, atol=1e-5)
    else:
        assert ((found.samples == own) | (found.samples == own[found.partners])).all()


@pytest.mark.parametrize("wrong", [-1, 10])
def test_labels_that_are_no_classes_are_refused(wrong, augmenter, images, labels, ids):
    broken = labels.copy()
    broken[3] = wrong
    with pytest.raises(InputError, match=f"Mixer: labels: found the label {wrong}; expected whole numbers from 0 to 9"):
        mixed(Mixing(kind="mixup"), augmenter, images, broken, ids)
    with pytest.raises(InputError, match="Mixer: labels: found float64"):
        mixed(Mixing(kind="mixup"), augmenter, images, labels / 2, ids)


def test_counts_that_differ_are_refused(augmenter, labels, ids):
    with pytest.raises(InputError, match="Mixer: found 60 ids, 61 labels; expected as many of each"):
        Mixer(Mixing(kind="mixup"), augmenter, SampleIds.of(ids[1:]), labels, 10)
