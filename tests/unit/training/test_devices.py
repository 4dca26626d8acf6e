from __future__ import annotations

import pytest
import torch

from augment_ops.errors import InputError
from augment_ops.training.devices import processor_or_gpu


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
