"""What a recipe says is done, and each of its settings changes what is learnt."""

from __future__ import annotations

import math

import pytest
import torch

from augment_ops.data.payload import ArrayPayload
from augment_ops.training import loop
from augment_ops.training.base import Labelled
from augment_ops.training.export import model_digest
from augment_ops.training.steps import Stepper, optimizer_of, schedule_of, steps_of
from augment_ops.training.torch_settings import EarlyStopping, Optimizer, Schedule, TorchSettings

SETTINGS = {
    "adamw": TorchSettings(),
    "rate": TorchSettings(optimizer=Optimizer(learning_rate=1e-3)),
    "decay": TorchSettings(optimizer=Optimizer(weight_decay=0.5)),
    "sgd": TorchSettings(optimizer=Optimizer(name="sgd")),
    "momentum": TorchSettings(optimizer=Optimizer(name="sgd", momentum=0.9)),
    "nesterov": TorchSettings(optimizer=Optimizer(name="sgd", momentum=0.9, nesterov=True)),
    "linear": TorchSettings(schedule=Schedule(name="linear")),
    "constant": TorchSettings(schedule=Schedule(name="constant")),
    "warm-up": TorchSettings(schedule=Schedule(warm_up_share=0.3)),
    "smoothing": TorchSettings(label_smoothing=0.1),
    "clipped": TorchSettings(clip_norm=0.01),
    "accumulated": TorchSettings(accumulate=3),
    "averaged": TorchSettings(average=0.5),
    "bfloat16": TorchSettings(precision="bfloat16"),
}


def rates(schedule: Schedule, steps: int) -> list[float]:
    optimizer = optimizer_of(torch.nn.Linear(1, 1), Optimizer(learning_rate=1.0))
    following, found = schedule_of(optimizer, schedule, steps), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        following.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_schedules_are_their_formulas() -> None:
    assert rates(Schedule(), 8) == pytest.approx([(1 + math.cos(math.pi * step / 8)) / 2 for step in range(9)])
    assert rates(Schedule(name="linear"), 8) == pytest.approx([1 - step / 8 for step in range(9)])
    assert rates(Schedule(name="constant"), 8) == [1.0] * 9


@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_a_warm_up_rises_to_the_highest_rate_and_then_the_schedule_begins(name: str) -> None:
    found = rates(Schedule(name=name, warm_up_share=0.25), 8)
    assert found[:3] == pytest.approx([0.001, 0.5005, 1.0])
    assert found[2:] == pytest.approx(rates(Schedule(name=name), 6))


def test_each_setting_changes_what_is_learnt(training) -> None:
    learnt = {
        name: model_digest(training.run(training.online(None), settings=settings)[0])
        for name, settings in SETTINGS.items()
    }
    assert len(set(learnt.values())) == len(SETTINGS), learnt
    # Of the order in which memory is laid out only the rounding depends.
    laid_out = training.run(training.online(None), settings=TorchSettings(memory_format="channels_last"))[1]
    plain = training.run(training.online(None))[1]
    assert laid_out[-1].train_loss == pytest.approx(plain[-1].train_loss, rel=0.05)


@pytest.mark.parametrize(("of_the_recipe", "of_the_run"), [(2, 1), ("auto", 2)])
def test_threads_are_those_of_the_training_alone(training, of_the_recipe, of_the_run) -> None:
    seen: list[int] = []
    training.run(
        training.online(None),
        settings=TorchSettings(threads=of_the_recipe),
        threads=of_the_run,
        progress=lambda metrics: seen.append(torch.get_num_threads()),
    )
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1


def stepper(settings: TorchSettings, batches: int) -> Stepper:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = optimizer_of(model, settings.optimizer)
    following = schedule_of(optimizer, settings.schedule, steps_of(batches, settings))
    return Stepper(
        model=model, forward=model, optimizer=optimizer, schedule=following, average=None, settings=settings,
        weights=None, batches=batches, device="cpu",
    )  # fmt: skip


def test_accumulated_batches_make_the_step_of_one_that_has_them_all() -> None:
    """The last step of an epoch too, which has fewer: 5 batches of 8 are steps of 3 and of 2."""
    plain = Optimizer(name="sgd", learning_rate=0.1, weight_decay=0)
    samples, labels = torch.randn(40, 4), torch.arange(40) % 3
    constant = Schedule(name="constant")
    parts = stepper(TorchSettings(optimizer=plain, schedule=constant, accumulate=3), 5)
    for number in range(5):
        rows = slice(8 * number, 8 * number + 8)
        parts.take(number, samples[rows], labels[rows])
    whole = stepper(TorchSettings(optimizer=plain, schedule=constant), 2)
    for number, rows in enumerate((slice(0, 24), slice(24, 40))):
        whole.take(number, samples[rows], labels[rows])
    torch.testing.assert_close(parts.model.state_dict(), whole.model.state_dict())
    assert parts.schedule.last_epoch == whole.schedule.last_epoch == 2


def test_gradients_are_clipped_to_the_norm() -> None:
    one = stepper(TorchSettings(optimizer=Optimizer(name="sgd", learning_rate=1, weight_decay=0), clip_norm=0.5), 1)
    before = torch.cat([p.detach().clone().flatten() for p in one.model.parameters()])
    one.take(0, 100 * torch.randn(8, 4), torch.arange(8) % 3)
    after = torch.cat([p.detach().flatten() for p in one.model.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.5, rel=1e-3)


def test_it_ends_early_and_leaves_the_weights_of_its_best_epoch(training) -> None:
    """No loss is lower by so much, on whatever processor: the first epoch is the best, and two more are waited for."""
    settings = TorchSettings(early_stopping=EarlyStopping(patience=2, min_delta=1e6))
    model, curve, _ = training.run(training.online(None), epochs=20, settings=settings)
    losses = [one.validation_loss for one in curve]
    assert len(losses) == 3
    assert len(set(losses)) == 3
    validation = Labelled(ArrayPayload(training.images[:30]), training.labels[:30])
    assert loop._evaluate(model, validation, "cpu")[0] == pytest.approx(losses[0])
    whole = training.run(training.online(None), epochs=20)[1]
    assert [one.validation_loss for one in whole[:3]] == losses  # until then nothing else was done


def test_an_average_of_a_short_training_is_near_its_last_weights(training) -> None:
    """A decay of 0.999 alone would leave nine tenths of the first weights after a hundred steps."""
    averaged, plain = (training.run(training.online(None), epochs=25, settings=s)[1] for s in (
        TorchSettings(average=0.999), TorchSettings()))  # fmt: skip
    assert averaged[-1].validation_loss == pytest.approx(plain[-1].validation_loss, abs=0.1)
