"""A trainer that returns something else than it declares: one error, whatever it is."""

from __future__ import annotations

import dataclasses
import hashlib
import math

import pytest

from augment_ops.errors import InputError, TrainingError
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Pace, Trained
from augment_ops.training.declared import fitted, paced
from support.networks import untrained, write_program
from support.trees import task, trees


class Returns:
    """The trees' trainer, with another result."""

    name, format = "own", "skops"

    def __init__(self, trained: Trained) -> None:
        self._trained = trained

    def device(self, asked):
        return "cpu"

    def fit(self, task, source, budget, device):
        return self._trained


def with_artifact(trained: Trained, artifact: bytes) -> Trained:
    return dataclasses.replace(trained, artifact=artifact, digest=hashlib.sha256(artifact).hexdigest())


@pytest.fixture(scope="module")
def trained() -> Trained:
    return trees()


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("program") / "model.pt2"
    write_program(untrained((8, 8, 1), 3), (8, 8, 1), path)
    return path.read_bytes()


def returned(trained: Trained) -> Trained:
    return fitted(Returns(trained), task(), None, Budget(1, 32, 7), "auto")


def test_what_it_declares_passes(trained):
    assert returned(trained) == trained


def test_another_format_than_its_own(trained, program):
    """Also one that there is, with an artifact of that format."""
    for other in ("pt2", "pickle", ""):
        with pytest.raises(TrainingError, match=f"trainer own: found an artifact of the format '{other}'; .*'skops'"):
            returned(dataclasses.replace(with_artifact(trained, program), format=other))


def test_a_digest_that_is_not_the_artifacts(trained):
    with pytest.raises(TrainingError, match=r"found the digest '0{12}'; expected [0-9a-f]{12}…, the sha256"):
        returned(dataclasses.replace(trained, digest="0" * 64))
    with pytest.raises(TrainingError, match="found the digest"):
        returned(dataclasses.replace(trained, artifact=trained.artifact + b"x"))


def test_bytes_that_are_not_of_the_format(trained, program):
    for content in (program, b"", trained.artifact[:-30]):
        with pytest.raises(TrainingError, match=r"trainer own: (.|\n)*expected a \.skops archive"):
            returned(with_artifact(trained, content))


def test_scores_of_other_classes(trained):
    with pytest.raises(TrainingError, match="found scores of the classes b, a; expected a, b"):
        returned(dataclasses.replace(trained, classes=("b", "a")))
    with pytest.raises(TrainingError, match="found an artifact of 3 scores a sample; expected 2, one a class"):
        returned(with_artifact(trained, trees(task(3)).artifact))


def test_no_curve(trained):
    with pytest.raises(TrainingError, match="found no curve"):
        returned(dataclasses.replace(trained, curve=()))


def test_programs_say_how_many_scores_they_give(trained, program):
    class OfPrograms(Returns):
        format = "pt2"

    found = dataclasses.replace(with_artifact(trained, program), format="pt2")
    with pytest.raises(TrainingError, match="found an artifact of 3 scores a sample; expected 2, one a class"):
        fitted(OfPrograms(found), task(), None, Budget(1, 32, 7), "auto")


class Says:
    """A trainer of the user's own, with an answer of its own to how fast it is."""

    name, format = "own", "skops"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def pace(self, task, batch, budget, device, limit_s):
        return 1e6 / self._answer if self._answer == 0 else self._answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (12.5, "trainer own: found a float; expected a Pace"),
        (Pace(0.0, 1), "expected a time above 0, and a thread at least"),
        (Pace(math.nan, 1), "expected a time above 0"),
        (Pace(1.0, 0), "expected a time above 0"),
        (0, "trainer own: found ZeroDivisionError: (.|\n)*expected what Paced.pace returns"),
    ],
)
def test_a_pace_that_is_none(answer, said):
    with pytest.raises(TrainingError, match=said):
        paced(Says(answer), task(), None, Budget(1, 32, 7), "cpu", 0.1)


def test_a_pace():
    assert paced(Says(Pace(12.5, 2)), task(), None, Budget(1, 32, 7), "cpu", 0.1) == Pace(12.5, 2)


def test_a_trainer_that_there_is_not():
    with pytest.raises(InputError, match=r"--trainer: found 'torhc'; (.|\n)*Did you mean torch\?"):
        trainer("torhc")
