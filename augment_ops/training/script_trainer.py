"""`--trainer augment_ops.training.script_trainer:ScriptTrainer`: a plain script trains, in a process of its own.

The recipe names it, with its sha256:

    script_file: {script: /home/me/train.py, sha256: …, time_limit_s: 3600}

It is started as `python train.py FOLDER`, in that folder, which holds

- `params.json`: classes, epochs, batch_size, seed, device, model, class_weight, shape and dtype of a sample;
- `train-000.npz`, `train-001.npz`, …: `samples` and int64 `labels`, as the policy has them in that epoch, in the order
  of training; `validation.npz`: the same, as they are.

It leaves there `model.pt2`, an exported program (`augment_ops.training.export.exported` writes one), and
`metrics.json`: `{"curve": [{"train_loss": …, "train_accuracy": …, "validation_loss": …, "validation_accuracy": …}]}`.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from augment_ops import scratch
from augment_ops.delivery.batches import BatchSource
from augment_ops.delivery.meters import WaitMeter
from augment_ops.errors import InputError, TrainingError
from augment_ops.training.base import Budget, Labelled, Meters, Task, Trained
from augment_ops.training.children import end, tail
from augment_ops.training.devices import processor_or_gpu
from augment_ops.training.result import EpochMetrics

_MOST = 4 << 30  # bytes of its artifact


class ScriptSettings(BaseModel):
    """The section `script_file` of a recipe.

    Attributes:
        script: absolute path of a Python file; empty names none, which is refused when it is to train.
        sha256: of the file, so that another one is another recipe.
        time_limit_s: after which it is ended, with all that it started.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    script: Annotated[str, Field(pattern=r"^(/.+)?$", max_length=2000)] = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    time_limit_s: Annotated[FiniteFloat, Field(gt=0, le=30 * 86400)] = 3600


class _CurveEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    train_loss: FiniteFloat
    train_accuracy: Annotated[FiniteFloat, Field(ge=0, le=1)]
    validation_loss: FiniteFloat | None = None
    validation_accuracy: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None


class _Metrics(BaseModel):
    model_config = ConfigDict(extra="forbid")

    curve: Annotated[list[_CurveEntry], Field(min_length=1, max_length=100_000)]


class ScriptTrainer:
    """See `augment_ops.training.base.Trainer`."""

    name = "script_file"
    format = "pt2"
    settings = ScriptSettings

    def entries(self, budget: Budget) -> int:
        """See `Trainer`."""
        return budget.epochs

    def check(self, model: str, device: str) -> None:
        """See `Trainer`."""
        if device != "auto":
            self.device(device)

    def check_settings(self, settings: BaseModel, device: str) -> None:
        """See `Trainer`."""
        _script(_own(settings))

    def device(self, asked: str) -> str:
        """See `Trainer`."""
        return processor_or_gpu(asked)

    def fit(self, task: Task, source: BatchSource, budget: Budget, device: str) -> Trained:
        """See `Trainer`."""
        settings = _own(budget.settings)
        script = _script(settings)
        started, meter = time.perf_counter(), WaitMeter()
        with scratch.folder("script") as folder:
            (folder / "script.py").write_bytes(script)  # what was verified, whatever becomes of the file meanwhile
            _hand_over(folder, task, source, budget, device, meter)
            began = time.perf_counter()
            _ran(folder, settings, Path(settings.script).name)
            seconds = time.perf_counter() - began
            artifact, metrics = _left(folder)
        samples = len(task.train.labels) * budget.epochs
        wall_s = time.perf_counter() - started
        curve = tuple(
            _entry(number, one, samples / seconds, meter.wait_s / wall_s, seconds / len(metrics.curve))
            for number, one in enumerate(metrics.curve)
        )
        task.progress(curve[-1])
        digest = hashlib.sha256(artifact).hexdigest()
        return Trained(
            artifact=artifact,
            format=self.format,
            digest=digest,
            model_digest=digest,
            classes=task.classes,
            factory=f"script:{Path(settings.script).name}@{settings.sha256[:12]}",
            parameters=0,  # which the program does not say
            curve=curve,
            meters=Meters(samples / seconds, wall_s, meter.result(wall_s)),
        )


def _own(settings: BaseModel | None) -> ScriptSettings:
    return settings if isinstance(settings, ScriptSettings) else ScriptSettings()


def _script(settings: ScriptSettings) -> bytes:
    where, fix = "recipe: script_file", "correct script and sha256 in the recipe"
    try:
        content = Path(settings.script).read_bytes() if settings.script else b""
    except OSError as error:
        raise InputError(where, f"{settings.script}: {error.strerror}", "a Python file", fix) from error
    found = hashlib.sha256(content).hexdigest()
    if not settings.script or found != settings.sha256:
        said = f"{settings.script} with the sha256 {found}" if settings.script else "no script"
        raise InputError(where, said, settings.sha256 or "script and sha256 of a Python file", fix)
    return content


def _hand_over(folder: Path, task: Task, source: BatchSource, budget: Budget, device: str, meter: WaitMeter) -> None:
    for epoch in range(budget.epochs):
        batches = list(meter.watch(source, source.epoch(epoch)))
        if any(batch.mixed is not None for batch in batches):
            raise InputError(
                "--trainer",
                "a policy that mixes samples of several classes",
                "samples of one class each: a script is given one label a sample",
                "remove the mixing from the policy, or use --trainer torch",
            )
        samples, labels = (np.concatenate([getattr(one, part) for one in batches]) for part in ("samples", "labels"))
        np.savez(folder / f"train-{epoch:03d}.npz", samples=samples, labels=labels)
    _save(folder / "validation.npz", task.validation)
    like = task.train.samples.take(np.empty(0, np.int64))
    params = {
        "classes": task.classes, "epochs": budget.epochs, "batch_size": budget.batch_size, "seed": budget.seed,
        "device": device, "model": task.model, "class_weight": task.class_weight, "shape": like.shape[1:],
        "dtype": str(like.dtype),
    }  # fmt: skip
    (folder / "params.json").write_text(json.dumps(params))


def _save(path: Path, split: Labelled) -> None:
    np.savez(path, samples=split.samples.take(np.arange(len(split.labels))), labels=split.labels)


def _ran(folder: Path, settings: ScriptSettings, name: str) -> None:
    """Wait for it; what it started is ended with it, whatever comes of it."""
    expected, fix = "a script that ends with 0", "run it by hand in a folder like the one it was given, and correct it"
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, "script.py", str(folder)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = process.wait(settings.time_limit_s)
        except subprocess.TimeoutExpired as error:
            found, expected = f"nothing after {settings.time_limit_s:g} s", f"an end within time_limit_s; {tail(said)}"
            raise TrainingError(
                f"script {name}", found, expected, "raise time_limit_s in the recipe, or cut it short"
            ) from error
        finally:
            end(process)
        if code:
            raise TrainingError(f"script {name}", f"exit code {code}; {tail(said)}", expected, fix)


def _left(folder: Path) -> tuple[bytes, _Metrics]:
    fix = "see augment_ops/training/script_trainer.py for what it leaves behind"
    try:
        model = folder / "model.pt2"
        if model.stat().st_size > _MOST:
            raise TrainingError("script: model.pt2", f"{model.stat().st_size:,} bytes", f"{_MOST:,} at most", fix)
        return model.read_bytes(), _Metrics.model_validate_json((folder / "metrics.json").read_bytes())
    except OSError as error:
        left = ", ".join(sorted(one.name for one in folder.iterdir()))[:200]
        raise TrainingError("script", f"{error.strerror}: {left}", "model.pt2 and metrics.json", fix) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise TrainingError("script: metrics.json", found, "a curve of finite numbers", fix) from error


def _entry(number: int, one: _CurveEntry, samples_per_s: float, wait: float, wall_s: float) -> EpochMetrics:
    return EpochMetrics(
        epoch=number,
        train_loss=one.train_loss,
        train_accuracy=one.train_accuracy,
        validation_loss=math.nan if one.validation_loss is None else one.validation_loss,
        validation_accuracy=math.nan if one.validation_accuracy is None else one.validation_accuracy,
        samples_per_s=samples_per_s,
        data_wait_share=wait,
        wall_s=wall_s,
    )
