from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.on_device import OnDevice
from augment_ops.delivery.online import OnlineBatches
from augment_ops.delivery.tensors import EpochDataset
from augment_ops.engine.key import SampleIds
from augment_ops.errors import InputError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Mixing, Policy
from support.policies import HEAD


def test_an_epoch_for_torch(images, labels, ids, augmenter):
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=16, workers=1)
    expected = list(source.epoch(2))
    for batches in (EpochDataset(source, 2), DataLoader(EpochDataset(source, 2, device="cpu"), batch_size=None)):
        found = list(batches)
        assert [(x.dtype, y.dtype) for x, y in found] == [(torch.uint8, torch.int64)] * len(expected)
        for (x, y), batch in zip(found, expected, strict=True):
            assert (x.numpy() == batch.samples).all()
            assert (y.numpy() == batch.labels).all()
    source.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_batches_on_a_gpu_while_it_is_busy(images, labels, ids, augmenter):
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=16, workers=2)
    busy = torch.rand(4096, 4096, device="cuda")
    kept = []
    for pixels, targets in EpochDataset(source, 2, device="cuda"):
        busy = busy @ busy / busy.norm()  # copies wait behind it, while the next batch comes into pinned memory
        kept.append((pixels, targets))
    for (x, y), batch in zip(kept, source.epoch(2), strict=True):
        assert (x.cpu().numpy() == batch.samples).all()
        assert (y.cpu().numpy() == batch.labels).all()
    source.close()


@pytest.mark.parametrize("start", [0, 1])
def test_workers_of_a_plain_dataloader_share_the_batches(images, labels, ids, augmenter, start):
    """Each would bring the whole epoch, if it did not know of the others."""
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=8, workers=0)
    loader = DataLoader(EpochDataset(source, 2, start), batch_size=None, num_workers=2, multiprocessing_context="fork")
    found = [(x.numpy(), y.numpy()) for x, y in loader]
    expected = list(source.epoch(2, start))
    assert len(found) == len(expected) == 8 - start
    for (x, y), batch in zip(found, expected, strict=True):
        assert (x == batch.samples).all()
        assert (y == batch.labels).all()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_around_workers_are_refused(images, labels, ids, augmenter, kind):
    """A forked child has none of its parent's threads, and would wait for them forever."""
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=8, workers=1, kind=kind)
    told = "give the source workers=0, or the DataLoader num_workers=0"
    forked = DataLoader(EpochDataset(source, 0), batch_size=None, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(RuntimeError, match=told):  # torch makes one of any error with more than a text
        next(iter(forked))
    spawned = DataLoader(EpochDataset(source, 0), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(InputError, match=told):
        next(iter(spawned))
    source.close()


def test_mixtures_come_with_their_soft_labels(images, labels, ids, augmenter):
    mixer = Mixer(Mixing(kind="mixup"), augmenter, SampleIds.of(ids), labels, 3)
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=16, workers=0, mixer=mixer)
    for (_, wanted), batch in zip(EpochDataset(source, 0), source.epoch(0), strict=True):
        assert (wanted.dtype, wanted.shape) == (torch.float32, (len(batch.rows), 3))
        assert (wanted.numpy() == batch.mixed.labels).all()


def test_what_normalises_comes_as_float(images, labels, ids, normalising):
    source = OnlineBatches(
        images.repeat(3, axis=3), labels, ids, normalising, seed=7, batch_size=16, workers=1, kind="threads"
    )
    assert {pixels.dtype for pixels, _ in EpochDataset(source, 0)} == {torch.float32}
    source.close()


def test_it_goes_on_in_the_middle_of_an_epoch(images, labels, ids, augmenter):
    rows = batch_rows(7, 2, len(ids), 16)
    for workers, kind in ((0, "auto"), (1, "threads"), (3, "threads"), (1, "processes")):
        source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=16, workers=workers, kind=kind)
        whole = [x.numpy() for x, _ in EpochDataset(source, 2)]
        rest = [x.numpy() for x, _ in EpochDataset(source, 2, start=2)]
        assert len(whole) == len(rows)
        assert all((a == b).all() for a, b in zip(whole[2:], rest, strict=True))
        source.close()


def test_threads_run_ahead_and_end(images, labels, ids, augmenter):
    def at_work() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("augment")]

    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=4, workers=2)
    batches = source.epoch(0)
    next(batches)
    assert at_work()
    assert source.ready() is not None
    source.close()
    assert at_work() == []


def test_a_device_makes_of_originals_what_a_source_would_deliver(images, labels, ids, augmenter):
    delivering = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=15, workers=0)
    originals = OnlineBatches(images, labels, ids, None, seed=7, batch_size=15, workers=1)
    then = pickle.loads(pickle.dumps(OnDevice(augmenter=augmenter, ids=SampleIds.of(ids))))  # as a rank has it
    for rank in (0, 1):
        share = {"rank": rank, "world_size": 2}
        found = list(EpochDataset(originals, 3, start=1, then=then, **share))
        wanted = list(EpochDataset(delivering, 3, start=1, **share))
        assert len(found) == len(wanted) > 1
        for (x, y), (pixels, targets) in zip(found, wanted, strict=True):
            assert torch.equal(x, pixels)
            assert torch.equal(y, targets)
    originals.close()


def test_a_share_of_none_has_the_shape_of_the_others(images, ids):
    augmenter = Augmenter(Policy.from_text(HEAD + "  - RandomCrop: {height: 3, width: 5, p: 1.0}\n"), 7)
    then = OnDevice(augmenter=augmenter, ids=SampleIds.of(ids))
    found = then(torch.from_numpy(images[:0]), np.empty(0, np.int64), 0)
    assert (found.dtype, found.shape) == (torch.uint8, (0, 3, 5, images.shape[3]))


@pytest.mark.parametrize(
    "text",
    ["transforms:\n  - GridDistortion: {p: 1.0}\n", "transforms: []\nmixing: {kind: mixup, alpha: 0.2, p: 0.5}\n"],
    ids=["not compiled", "mixing"],
)
def test_what_a_device_cannot_do_is_refused(ids, text):
    policy = Policy.from_text(HEAD.removesuffix("transforms:\n") + text)
    with pytest.raises(InputError, match="let the source augment"):
        OnDevice(augmenter=Augmenter(policy, 7), ids=SampleIds.of(ids))
