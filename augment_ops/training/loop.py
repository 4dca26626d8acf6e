"""The training loop of networks: deterministic given the seed, whatever delivers its batches."""

from __future__ import annotations

import io
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.delivery.batches import Batch, BatchSource
from augment_ops.delivery.meters import WaitMeter
from augment_ops.delivery.on_device import OnDevice
from augment_ops.engine.key import sample_key
from augment_ops.errors import InputError, TrainingError
from augment_ops.modalities.base import Modality, Payload
from augment_ops.modalities.source import Samples
from augment_ops.training.base import Budget, Labelled, Meters, Progress
from augment_ops.training.checkpoint import Checkpoints, Progressed, read, written
from augment_ops.training.memory import batch_too_large, is_out_of_memory, said_of_memory
from augment_ops.training.pretrained import to_training
from augment_ops.training.ranks import ALONE, Ranks
from augment_ops.training.result import EpochMetrics
from augment_ops.training.state import State, begun
from augment_ops.training.steps import Stepper
from augment_ops.training.threads import threads_of
from augment_ops.training.torch_settings import TorchSettings

if TYPE_CHECKING:
    from torch import nn

_DEFAULT = TorchSettings()
_EVALUATION_BATCH = 256  # activations that stay in the cache: twice as fast as 1000 at 28×28
_SMALLER = "choose a smaller network or input_size, or a device with more memory"
_COMPILED = "; or leave compile out of the recipe"
_EVALUATION_BYTES = 4 << 20  # large samples go in smaller batches: activations are many times the input


def build(
    factory: Callable[..., nn.Module], modality: Modality, like: Samples, classes: int, seed: int, *, check: bool = True
) -> nn.Module:
    """The initial network, its weights a function of the seed.

    Args:
        modality: of the samples; puts before the network what makes of them what networks take.
        like: samples (n, *shape) of the data set's dtype, n may be 0.
        check: whether it can be exported, which takes seconds; not where another process has seen to it.

    Raises:
        InputError: the factory raised or made something else than a net, or its net cannot be trained or exported, or
            does not map such samples to one logit a class.
    """
    import torch
    from torch import nn

    from augment_ops.training.export import check_exportable

    _make_deterministic()
    torch.manual_seed(seed)
    shape = like.shape[1:]
    example = np.zeros((2, *shape), like.dtype)
    try:
        net = factory(shape, classes)
        if not isinstance(net, nn.Module):
            raise TypeError(f"the factory returned a {type(net).__name__}")
        if not any(parameter.requires_grad for parameter in net.parameters()):
            raise ValueError("no parameter that could be trained")
        model = modality.as_network(net)
        model.eval()
        with torch.no_grad():
            logits = model(torch.from_numpy(example))
            found = f"{str(logits.dtype).removeprefix('torch.')} {tuple(logits.shape)}"
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            "--model",
            f"{type(error).__name__}: {str(error)[:200]}",
            f"a net for samples of {like.dtype} {shape} and {classes} classes",
            "make the factory honour (input_shape, classes)",
        ) from error
    expected = f"float32 (2, {classes})"
    if found != expected:
        raise InputError(
            "--model", f"output {found} for 2 samples", f"{expected}: one logit a class", "correct the last layer"
        )
    if check:
        check_exportable(model, example)  # now, rather than when hours of training are to be exported
    return model


def train(
    model: nn.Module,
    source: BatchSource,
    validation: Labelled,
    budget: Budget,
    batches: int,
    progress: Progress,
    *,
    settings: TorchSettings = _DEFAULT,
    device: str = "cpu",
    weights: NDArray[np.float32] | None = None,
    checkpoints: Checkpoints | None = None,
    ranks: Ranks = ALONE,
    on_device: OnDevice | None = None,
) -> tuple[tuple[EpochMetrics, ...], Meters]:
    """Train `model` in place, and leave it on the device.

    Args:
        source: delivers the batches; time spent waiting for it is metered.
        validation: evaluated after every epoch, a batch at a time.
        batches: of an epoch.
        progress: called after every epoch.
        settings: how, by the recipe.
        device: as torch names it.
        weights: float32 (K,), of the classes in the loss that is trained; None weighs them alike.
        checkpoints: where it goes on from, and keeps how far it has come; None where it begins anew each time.
        ranks: whom it trains with: all come to the same weights. What the first has is what all begin with.
        on_device: makes of a batch on the device what is trained on; None where the source delivers that.

    Returns:
        The curve of all epochs, and what those cost that were done here.

    Raises:
        InputError: it is to end by its validation, and there is none.
        TrainingError: the loss is not a finite number, or the net fails on a batch.
    """
    _check_validation(settings, validation)
    _make_deterministic()
    with _threads(threads_of(settings, budget.threads)):
        started = time.perf_counter()
        with said_of_memory(f"training on {device}", "the network", _SMALLER):
            state = begun(model, settings, budget.epochs, batches, device, weights, ranks)
            curve = _of_the_first(state, _gone_on(state, checkpoints), ranks)
        total, samples, training_s = WaitMeter(), 0, 0.0
        while len(curve) < budget.epochs and not state.ended:
            meter = WaitMeter()
            metrics, n = _epoch(state, source, validation, meter, len(curve), budget.seed, device, on_device)
            curve.append(metrics)
            state.validated(metrics.validation_loss)
            progress(metrics)
            total.add(meter)
            samples += n
            training_s += metrics.wall_s
            # Not the last: what comes of it is kept instead, and whoever goes on does an epoch at least.
            if checkpoints is not None and not state.ended and _is_kept(settings, len(curve), budget.epochs):
                checkpoints.keep(Progressed(curve=tuple(curve), states=state.states()))
        state.leave(model)
        wall = time.perf_counter() - started
    return tuple(curve), Meters(samples / training_s, wall, total.result(training_s))


def _of_the_first(state: State, curve: list[EpochMetrics], ranks: Ranks) -> list[EpochMetrics]:
    """The curve of the first process, whose weights and all else `state` then has as well.

    The weights too that nothing was learnt into yet: a factory may draw some that no seed decides.
    """
    if ranks.size == 1:
        return curve
    own = b"" if ranks.rank else written(Progressed(curve=tuple(curve), states=state.states()))
    found = read(io.BytesIO(ranks.first(own)))
    assert found is not None  # this version has written it
    state.load(found.states)
    return list(found.curve)


def _epoch(
    state: State,
    source: BatchSource,
    validation: Labelled,
    meter: WaitMeter,
    epoch: int,
    seed: int,
    device: str,
    on_device: OnDevice | None,
) -> tuple[EpochMetrics, int]:
    """One pass with its validation, and how many samples it had."""
    import torch

    started, ranks = time.perf_counter(), state.stepper.ranks
    torch.manual_seed(sample_key("dropout", seed, epoch, *ranks.own)[0] >> 1)  # torch takes 63 bits
    batches = meter.watch(source, source.epoch(epoch, share=ranks.share))
    loss, accuracy, n = _one_epoch(state.stepper, batches, epoch, device, on_device)
    elapsed = time.perf_counter() - started
    with said_of_memory(f"training, epoch {epoch}, validation", f"{_EVALUATION_BATCH} samples at most", _SMALLER):
        validation_loss, validation_accuracy = _evaluate(state.model, validation, device, ranks)
    if len(validation.labels) and not math.isfinite(validation_loss):
        raise TrainingError(
            f"training, epoch {epoch}, validation",
            f"a loss of {validation_loss}",
            "a finite number",
            "look at the validation samples; with a model of your own, check its outputs in evaluation",
        )
    metrics = EpochMetrics(
        epoch=epoch,
        train_loss=loss,
        train_accuracy=accuracy,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        samples_per_s=n / elapsed,
        data_wait_share=meter.wait_s / elapsed,
        wall_s=elapsed,
    )
    return metrics, n


def _check_validation(settings: TorchSettings, validation: Labelled) -> None:
    if settings.early_stopping is not None and not len(validation.labels):
        raise InputError(
            "recipe: torch.early_stopping",
            "no sample to validate with",
            "one at least: the loss on them ends the training",
            "leave it out of the recipe, or give the data set a validation split",
        )


def _gone_on(state: State, checkpoints: Checkpoints | None) -> list[EpochMetrics]:
    """The curve of what was done before, which `state` then goes on from."""
    kept = None if checkpoints is None else checkpoints.last()
    if checkpoints is None or kept is None:
        return []
    try:
        state.load(kept.states)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrainingError(
            str(checkpoints.folder),
            f"{type(error).__name__}: {str(error)[:200]}",
            "what this training kept when it was ended",
            "remove that folder; the training then begins anew",
        ) from error
    return list(kept.curve)


def _is_kept(settings: TorchSettings, done: int, epochs: int) -> bool:
    """Whether it is kept after so many epochs."""
    return bool(settings.checkpoint_every) and done % settings.checkpoint_every == 0 and done < epochs


def _one_epoch(
    stepper: Stepper, batches: Iterator[Batch], epoch: int, device: str, on_device: OnDevice | None
) -> tuple[float, float, int]:
    import torch

    to_training(stepper.model)
    loss_sum, correct, n = 0.0, 0, 0
    for number, batch in enumerate(batches):
        samples, soft = torch.from_numpy(batch.samples), None if batch.mixed is None else batch.mixed.labels
        try:
            labels = torch.from_numpy(batch.labels).to(device)
            wanted = labels if soft is None else torch.from_numpy(soft).to(device)
            there = samples.to(device)
            there = there if on_device is None else on_device(there, batch.rows, epoch)
            logits, value = stepper.take(number, there, wanted)
        except (RuntimeError, ValueError, TypeError, IndexError, MemoryError) as error:
            where = f"training, epoch {epoch}, batch {number}"
            if is_out_of_memory(error):
                wanted = torch.from_numpy(batch.labels if soft is None else soft)
                raise batch_too_large(error, where, stepper, samples, wanted) from error
            raise TrainingError(
                where,
                f"{type(error).__name__}: {str(error)[:200]}",
                f"a net that can train on {len(batch.labels)} samples",
                f"with a model of your own, check forward() in training{_COMPILED if stepper.settings.compile else ''}",
            ) from error
        if not math.isfinite(value):
            raise TrainingError(
                f"training, epoch {epoch}, batch {number}",
                f"a loss of {value}",
                "a finite number",
                "look at the samples and labels of this batch; lower the recipe's learning rate, or clip its gradients "
                "(clip_norm); with a model of your own, check its outputs",
            )
        loss_sum += value * len(labels)
        correct += int((logits.argmax(1) == labels).sum())
        n += len(labels)
    loss_sum, hits, of_all = stepper.ranks.sums(loss_sum, correct, n)
    return loss_sum / of_all, hits / of_all, int(of_all)


def _evaluate(model: nn.Module, validation: Labelled, device: str, ranks: Ranks = ALONE) -> tuple[float, float]:
    """Loss and accuracy over all samples, of which each process looks at some."""
    import torch
    from torch.nn import functional

    model.eval()
    labels = validation.labels
    loss_sum, correct = 0.0, 0
    with torch.no_grad():
        for rows, batch in _read_ahead(validation.samples, ranks):
            target = torch.from_numpy(labels[rows]).to(device)
            logits = model(torch.from_numpy(batch).to(device))
            loss_sum += float(functional.cross_entropy(logits, target, reduction="sum"))
            correct += int((logits.argmax(1) == target).sum())
    loss_sum, hits = ranks.sums(loss_sum, correct)
    return (loss_sum / len(labels), hits / len(labels)) if len(labels) else (math.nan, math.nan)


def _read_ahead(samples: Payload, ranks: Ranks) -> Iterator[tuple[NDArray[np.int64], Samples]]:
    """Rows and samples of this process's batches in order, each read while the one before is looked at: it may need
    decoding.
    """
    size = max(1, min(_EVALUATION_BATCH, _EVALUATION_BYTES // max(1, int(np.prod(samples.shape)))))
    starts = range(0, len(samples), size)
    batches = [np.arange(start, min(start + size, len(samples))) for start in starts[ranks.rank :: ranks.size]]
    with ThreadPoolExecutor(1, thread_name_prefix="validation") as pool:
        ahead = deque(pool.submit(samples.take, rows) for rows in batches[:1])
        for number, rows in enumerate(batches):
            found = ahead.popleft().result()
            ahead.extend(pool.submit(samples.take, after) for after in batches[number + 1 : number + 2])
            yield rows, found


def _make_deterministic() -> None:
    import torch

    # One thread where none are asked for: the order of floating-point sums, and so the weights, must not depend on the
    # machine's cores.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """As many as recipe and run ask for; what follows in this process computes with one again."""
    import torch

    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(1)
