"""KilledError between any two epochs, a training goes on there, to the weights of one that was not."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from augment_ops.errors import TrainingError
from augment_ops.training.checkpoint import Checkpoints, Progressed
from augment_ops.training.export import model_digest
from augment_ops.training.torch_settings import EarlyStopping, Optimizer, Schedule, TorchSettings

EPOCHS = 4
RECIPES = {
    "default": TorchSettings(),
    "everything": TorchSettings(
        optimizer=Optimizer(name="sgd", learning_rate=0.05, momentum=0.9, nesterov=True),
        schedule=Schedule(warm_up_share=0.4),
        accumulate=2,
        average=0.9,
        early_stopping=EarlyStopping(patience=9),
    ),
}


class KilledError(Exception):
    """Stands for what ends a process: nothing of it runs any more."""


def killed_after(epoch: int):
    def progress(metrics):
        if metrics.epoch == epoch:
            raise KilledError

    return progress


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
def test_it_goes_on_to_the_same_weights(training, tmp_path: Path, settings: TorchSettings) -> None:
    augmenter = training.augmenter()
    whole, curve, _ = training.run(training.online(augmenter), epochs=EPOCHS, settings=settings)
    kept = Checkpoints(tmp_path / "kept")
    for epoch in (1, 2, 3):  # killed before the epoch that it has just done is kept
        with pytest.raises(KilledError):
            training.run(
                training.online(augmenter),
                epochs=EPOCHS,
                settings=settings,
                checkpoints=kept,
                progress=killed_after(epoch),
            )
    done: list[int] = []
    model, again, _ = training.run(
        training.online(augmenter, 1),
        epochs=EPOCHS,
        settings=settings,
        checkpoints=kept,
        progress=lambda metrics: done.append(metrics.epoch),
    )
    assert done == [3]  # what was done is not done again
    assert model_digest(model) == model_digest(whole)
    assert [one.validation_loss for one in again] == [one.validation_loss for one in curve]


def test_one_that_was_killed_after_it_had_ended_early_comes_to_the_same(training, tmp_path: Path) -> None:
    """What it would go on from is always before an epoch that is still to be done."""
    settings = TorchSettings(early_stopping=EarlyStopping(patience=2, min_delta=1e6))  # ends after three, anywhere
    kept = Checkpoints(tmp_path / "kept")
    first, curve, _ = training.run(training.online(None), epochs=20, settings=settings, checkpoints=kept)
    again, same, _ = training.run(training.online(None), epochs=20, settings=settings, checkpoints=kept)
    assert len(curve) == len(same) == 3
    assert model_digest(again) == model_digest(first)


def test_a_recipe_may_keep_none(training, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "kept")
    training.run(training.online(None), settings=TorchSettings(checkpoint_every=0), checkpoints=kept)
    assert not kept.folder.exists()


@pytest.mark.parametrize("spoiled", ["cut", "other", "pickled"])
def test_what_cannot_be_read_is_begun_anew(training, tmp_path: Path, spoiled: str) -> None:
    kept = Checkpoints(tmp_path / "kept")
    with pytest.raises(KilledError):
        training.run(training.online(None), epochs=EPOCHS, checkpoints=kept, progress=killed_after(2))
    (file,) = kept.folder.iterdir()
    if spoiled == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif spoiled == "other":
        torch.save({"format": 99}, file)
    else:
        file.write_bytes(pickle.dumps(Path("code that would run"), 2))
    assert kept.last() is None
    assert len(training.run(training.online(None), epochs=EPOCHS, checkpoints=kept)[1]) == EPOCHS


def test_one_of_another_training_is_said(training, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "kept")
    kept.keep(Progressed(curve=(), states={"model": {"weight": torch.zeros(2)}}))
    with pytest.raises(TrainingError, match="what this training kept when it was ended"):
        training.run(training.online(None), checkpoints=kept)
