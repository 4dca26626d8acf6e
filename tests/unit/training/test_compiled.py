"""A network that torch.compile translates: what that needs is known before, and its weights are the same again."""

from __future__ import annotations

import io
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from augment_ops.errors import InputError
from augment_ops.training import trainer
from augment_ops.training.checkpoint import Checkpoints
from augment_ops.training.export import exported, model_digest
from augment_ops.training.torch_settings import TorchSettings

COMPILED = TorchSettings(compile=True)


def check(settings: TorchSettings = COMPILED, device: str = "auto") -> None:
    trainer("torch").check_settings(settings, device)


@pytest.fixture
def headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a compiler, and with this folder for Python's headers, which are there."""
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "c++").touch(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "c++"))
    return tmp_path


def test_what_it_is_built_with_is_there_before_the_run(headers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check()
    (headers / "Python.h").unlink()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"no no-such-compiler; expected a C(.|\n)*no .*Python.h; expected Python's"):
        check()
    check(TorchSettings())
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(headers))
    with pytest.raises(InputError, match=r"no (g\+\+|clang\+\+);"):
        check()


def test_what_torch_compiles_wrongly_is_refused(headers: Path) -> None:
    laid_out = TorchSettings(compile=True, memory_format="channels_last")
    check(laid_out, "cpu")
    machine_of_apples = pytest.MonkeyPatch()
    with machine_of_apples.context() as patch:
        patch.setattr(torch.backends.mps, "is_available", lambda: True)
        check(COMPILED, "mps")
        with pytest.raises(InputError, match="channels_last, to be compiled for --device mps"):
            check(laid_out, "mps")


def test_bfloat16_is_for_devices_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    short = TorchSettings(precision="bfloat16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda there=there: there)
        check(short, "cpu")
        check(TorchSettings(), "cuda")
        with nullcontext() if there else pytest.raises(InputError, match="found bfloat16, for cuda:0"):
            check(short, "cuda")


class Net(nn.Module):
    """Computes twice as much where it was translated, so that it is seen in the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return 2 * logits if torch.compiler.is_dynamo_compiling() else logits


class KilledError(Exception):
    """Stands for what ends a process between two epochs."""


class OneSizeAfterTheOther:
    """Batches of 32, 32 and 33; from the second on a further translation is an error."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def epoch(self, number: int, **share: Any) -> Iterator[Any]:
        for batch in self.source.epoch(number, **share):
            yield batch
            torch.compiler.set_stance("fail_on_recompile")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # of torch itself
@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler to build compiled loops with")
def test_one_translation_does_for_every_batch_and_for_what_goes_on_after_a_kill(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "loops"))

    def learnt(settings: TorchSettings = COMPILED, **how: Any) -> str:
        source = OneSizeAfterTheOther(training.online(None))
        try:
            model = training.run(source, lambda *of: Net(), settings=settings, epochs=3, **how)[0]
        finally:
            torch.compiler.set_stance("default")
        program = torch.export.load(io.BytesIO(exported(model, training.images)))
        images = torch.from_numpy(training.images)
        torch.testing.assert_close(program.module()(images), model(images))  # the network as it is
        return model_digest(model)

    def killed(metrics: Any) -> None:
        if metrics.epoch == 1:
            raise KilledError

    whole = learnt()
    assert whole != learnt(TorchSettings())  # it is the translated one that is trained
    kept = Checkpoints(tmp_path / "kept")
    with pytest.raises(KilledError):
        learnt(checkpoints=kept, progress=killed)
    assert learnt(checkpoints=kept) == learnt() == whole
