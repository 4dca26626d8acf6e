from __future__ import annotations

import pytest
import torch

from augment_ops.errors import InputError
from augment_ops.training.devices import one_for_each, processor_or_gpu


@pytest.mark.parametrize(
    ("gpus", "asked", "found"),
    [(0, "auto", "cpu"), (0, "cpu", "cpu"), (2, "cpu", "cpu"), (2, "auto", "cuda:0"), (2, "cuda", "cuda:0"),
     (2, "cuda:1", "cuda:1")],
)  # fmt: skip
def test_the_device_that_is_meant(gpus, asked, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert processor_or_gpu(asked) == found


@pytest.mark.parametrize(("gpus", "asked", "there"), [(0, "cuda", "no GPU"), (2, "cuda:2", "cuda:0 to cuda:1")])
def test_a_gpu_that_is_not_here_is_refused(gpus, asked, there, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(InputError, match=f"--device: found {asked}; expected a device of this machine .{there}"):
        processor_or_gpu(asked)


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device, processes in [("cuda:0", 2), ("cuda:1", 1), ("cpu", 64)]:
        one_for_each(device, processes)
    for device, processes in [("cuda:0", 3), ("cuda:1", 2)]:
        with pytest.raises(InputError, match=f"found {processes} processes on {device}, of 2 GPUs here"):
            one_for_each(device, processes)
