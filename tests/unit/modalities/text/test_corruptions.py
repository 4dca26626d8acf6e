from __future__ import annotations

import numpy as np
import pytest

from augment_ops.errors import TransformError
from augment_ops.modalities.text.augmented_checks import changed_share
from augment_ops.modalities.text.corruptions import CAUSES, CORRUPTIONS, apply, destroyed
from augment_ops.modalities.text.texts import read, written
from support.questions import questions

TEXTS = [*questions(200)["question"], "", "💳"]
SAMPLES = written(TEXTS, 128)
IDS = [f"q{i}" for i in range(len(TEXTS))]


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_a_corruption_is_keyed_by_sample_and_grows_with_severity(name):
    severe = apply(name, 4, SAMPLES, IDS)
    order = np.arange(len(TEXTS))[::-1]
    assert np.array_equal(apply(name, 4, SAMPLES[order], [IDS[i] for i in order]), severe[order])
    assert read(severe)[-2:] == ["", "💳"]
    changed = [float((apply(name, level, SAMPLES, IDS) != SAMPLES).mean()) for level in (1, 3, 5)]
    assert 0 < changed[0] < changed[1] < changed[2]
    assert not np.array_equal(apply(name, 4, SAMPLES, [f"other-{one}" for one in IDS]), severe)


def test_explicit_strengths_count_and_wrong_ones_are_refused():
    strengths = {"share": (0.001, 0.002, 0.003, 0.004, 1.0)}
    assert np.array_equal(apply("casing", 1, SAMPLES[:5], IDS[:5], params=strengths), SAMPLES[:5])
    spoilt = read(apply("dropped_words", 5, SAMPLES, IDS, params=strengths))
    assert all(spoilt[:-2]) and np.mean([changed_share(a, b) for a, b in zip(TEXTS, spoilt, strict=True)]) > 0.7
    for wrong in ({"share": (0.1, 0.1, 0.2, 0.3, 0.4)}, {"share": (0.1, 0.2, 0.3, 0.4, 1.5)}, {"shares": (1,) * 5}):
        with pytest.raises(TransformError, match="share"):
            apply("typos", 1, SAMPLES, IDS, params=wrong)
    for name, level, samples in (("tipos", 1, SAMPLES), ("typos", 6, SAMPLES), ("typos", 1, SAMPLES[0])):
        with pytest.raises(TransformError):
            apply(name, level, samples, IDS)


def test_nothing_is_left_of_an_empty_text_that_was_none():
    found = destroyed(written(["a", "", "b"], 4), written(["", "", "c"], 4))
    assert found.tolist() == [CAUSES.index("empty") + 1, 0, 0]
