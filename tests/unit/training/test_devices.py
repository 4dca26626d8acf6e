from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from augment_ops.errors import InputError
from augment_ops.training.devices import check_bfloat16, check_tensors, one_for_each, processor_or_gpu


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many GPUs of NVIDIA, or with Apple's; neither can be had here."""

    def has(cuda, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return has


@pytest.mark.parametrize(
    ("cuda", "mps", "asked", "found"),
    [(0, False, "auto", "cpu"), (0, False, "cpu", "cpu"), (2, False, "cpu", "cpu"), (2, False, "auto", "cuda:0"),
     (2, False, "cuda", "cuda:0"), (2, False, "cuda:1", "cuda:1"), (0, True, "mps", "mps"), (0, True, "auto", "mps"),
     (1, True, "auto", "cuda:0"), (1, True, "mps", "mps")],
)  # fmt: skip
def test_the_device_that_is_meant(cuda, mps, asked, found, machine):
    machine(cuda, mps)
    assert processor_or_gpu(asked) == found


@pytest.mark.parametrize(
    ("cuda", "mps", "asked", "there"),
    [(0, False, "cuda", "cpu; no GPU"), (0, False, "mps", "cpu; no GPU"), (2, False, "cuda:2", "cpu, cuda:0, cuda:1"),
     (1, False, "mps", "cpu, cuda:0"), (0, True, "cuda", "cpu, mps")],
)  # fmt: skip
def test_a_gpu_that_is_not_here_is_refused(cuda, mps, asked, there, machine):
    machine(cuda, mps)
    with pytest.raises(InputError, match=f"--device: found {asked}; expected a device of this machine .{there}"):
        processor_or_gpu(asked)


def test_a_network_of_numbers_that_the_device_does_not_know_is_refused():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    check_tensors(net, "mps")
    net[1].double()
    check_tensors(net, "cpu")
    with pytest.raises(InputError, match=r"--model: found float64 in 1\.weight, 1\.bias, 1\.running_mean, .*float32"):
        check_tensors(net, "mps")


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device, processes in [("cuda:0", 2), ("cuda:1", 1), ("cpu", 64)]:
        one_for_each(device, processes)
    for device, processes in [("cuda:0", 3), ("cuda:1", 2)]:
        with pytest.raises(InputError, match=f"found {processes} processes on {device}, of 2 GPUs here"):
            one_for_each(device, processes)


def test_bfloat16_is_refused_of_a_gpu_that_has_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda there=there: there)
        for device in ("cpu", "mps", *(["cuda:0"] if there else [])):
            check_bfloat16(device)
    with pytest.raises(InputError, match=r"recipe: torch.precision: found bfloat16, for cuda:0; expected float32"):
        check_bfloat16("cuda:0")
