"""Macro F1 as scikit-learn counts it, and the tail of many classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from augment_ops.stress import measures
from augment_ops.stress.classes import macro_f1, tail_recall
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER


def outcomes_of(labels: np.ndarray, guesses: np.ndarray, classes: int) -> Outcomes:
    shape = (1, 1, len(labels))
    return Outcomes(
        suite_digest="a" * 64,
        models={"candidate": "c" * 64},
        addresses=(("clean", 0),),
        classes=tuple(f"intent-{k}" for k in range(classes)),
        sample_ids=tuple(map(str, range(len(labels)))),
        labels=labels.astype(np.int16),
        predicted=guesses.astype(np.int16).reshape(shape),
        p_true=np.full(shape, 0.5, np.float16),
        p_predicted=np.full(shape, 0.5, np.float16),
    )


def drawn(classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 300)])
    return labels, np.where(rng.random(len(labels)) < 0.6, labels, rng.integers(0, classes - 1, len(labels)))


@pytest.mark.parametrize("classes", [3, 10, 22])
def test_as_scikit_learn_has_it_a_class_that_is_never_predicted_included(classes: int) -> None:
    labels, guesses = drawn(classes)
    guesses[labels == classes - 1] = 0
    found = outcomes_of(labels, guesses, classes)
    cell, beside = measures.cells(found)[0], measures.measures(found)[0]
    assert macro_f1(cell, beside) == pytest.approx(f1_score(labels, guesses, average="macro", zero_division=0))


def test_the_tail_is_the_fifth_that_is_found_worst_where_there_are_classes_enough() -> None:
    labels, guesses = drawn(22)
    cell = measures.cells(outcomes_of(labels, guesses, 22))[0]
    recalls = np.sort(recall_score(labels, guesses, average=None, zero_division=0))
    assert tail_recall(cell) == pytest.approx(recalls[:4].mean())
    assert tail_recall(measures.cells(outcomes_of(*drawn(9), 9))[0]) is None


def test_an_answer_that_is_no_number_leaves_none() -> None:
    labels, guesses = drawn(10)
    guesses[0] = NOT_A_NUMBER
    found = outcomes_of(labels, guesses, 10)
    cell = measures.cells(found)[0]
    assert math.isnan(macro_f1(cell, measures.measures(found)[0]))
    value = tail_recall(cell)
    assert value is not None and math.isnan(value)
