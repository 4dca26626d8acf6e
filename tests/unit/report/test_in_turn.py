"""Whose turn it is to be shown."""

from __future__ import annotations

import numpy as np

from augment_ops.report.in_turn import in_turn


def test_each_class_has_its_turn_in_the_order_of_the_samples() -> None:
    labels = np.array([0, 0, 3, 0, 1, 0, 1])
    assert in_turn(labels).tolist() == [0, 2, 4, 1, 6, 3, 5]
    assert in_turn(labels[:0]).tolist() == []


def test_a_rare_class_is_among_the_first_however_many_the_others_are() -> None:
    labels = np.zeros(1_000, np.int64)
    labels[[998, 999]] = 1
    assert labels[in_turn(labels)[:6]].tolist() == [0, 1, 0, 1, 0, 0]
