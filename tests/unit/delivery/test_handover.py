from __future__ import annotations

import errno
import mmap
import multiprocessing
import os
import time
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from augment_ops.delivery.batches import Batch
from augment_ops.delivery.handover import handed_over
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Mixing

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory on this system")


@pytest.fixture
def images(images: np.ndarray) -> np.ndarray:
    """61 different images 160×160×1: a batch of all is 1.5 MB."""
    return np.repeat(np.repeat(images, 20, axis=1), 20, axis=2)


@pytest.fixture
def source(images, labels, ids, augmenter):
    made = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=64, workers=1, kind="processes")
    yield made
    made.close()


def files(pid: int | str = "self") -> int:
    """How many batches in memory a process has open."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since the folder was read
            found += "augment-ops-batch" in str(link.readlink())
    return found


def lies_in_memory_of_both(array: np.ndarray) -> bool:
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_large_batch_comes_through_memory_as_it_was_and_can_be_written_to(
    source, augmenter: Augmenter, images, labels, ids, by_row, method
):
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        (batch,) = source.epoch(3)
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert all(lies_in_memory_of_both(array) for array in (batch.samples, batch.labels, batch.rows))
    assert by_row([batch]) == {row: image.tobytes() for row, image in enumerate(augmenter(images, ids, 3))}
    assert (batch.labels == labels[batch.rows]).all()
    batch.samples[:] = 0


def test_both_parents_come_too(images, labels, ids, augmenter, by_row):
    mixer = Mixer(Mixing(kind="mixup", alpha=0.4), augmenter, SampleIds.of(ids), labels, 3)
    given = {"seed": 7, "batch_size": 64, "mixer": mixer, "kind": "processes"}
    here, there = (OnlineBatches(images, labels, ids, augmenter, workers=w, **given) for w in (0, 1))
    with closing(there):
        (wanted,), (found,) = here.epoch(1), there.epoch(1)
    assert lies_in_memory_of_both(found.mixed.own)
    for name in ("samples", "own", "labels", "partners", "weights"):
        assert getattr(found.mixed, name).tobytes() == getattr(wanted.mixed, name).tobytes(), name


def test_memory_is_let_go_of(source):
    for epoch in range(8):
        batches = list(source.epoch(epoch))
        (worker,) = multiprocessing.active_children()
        assert files() == 1
        deadline = time.monotonic() + 30  # its thread that gives descriptors away closes its own a moment later
        while files(worker.pid) != min(epoch + 1, 3):
            assert time.monotonic() < deadline, files(worker.pid)
    del batches
    assert files() == 0


@pytest.mark.parametrize("fault", ["small", "no memory", "memory ends midway"])
def test_otherwise_it_goes_through_the_pipe(monkeypatch: pytest.MonkeyPatch, fault: str):
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOMEM, "none left")

    if fault != "small":
        monkeypatch.setattr(os, "memfd_create" if fault == "no memory" else "pwrite", refuse)
    batch = Batch(np.zeros((4 if fault == "small" else 300, 64, 64, 1), np.uint8), np.zeros(1), np.zeros(1), 0.1)
    assert handed_over(batch) is batch
    assert files() == 0


def test_parts_of_no_bytes_and_of_odd_sizes():
    parts = [np.arange(n).astype(np.uint8) for n in (0, 3, 1 << 20, 65, 0)]
    here, there = multiprocessing.Pipe()
    child = multiprocessing.Process(target=send, args=(there, parts))
    child.start()
    received = here.recv()
    here.send("thanks")
    child.join()
    assert [part.tobytes() for part in received] == [part.tobytes() for part in parts]
    assert all(lies_in_memory_of_both(part) for part in received if part.size)
    assert [part.ctypes.data % 64 for part in received if part.size] == [0, 0, 0]  # as NumPy aligns what it allocates


def send(pipe: Connection, parts: list[np.ndarray]) -> None:
    pipe.send(handed_over(parts))
    pipe.recv()
