"""A SomeOf that may choose a step again applies it as often as it was chosen, in every modality."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.interactions.augmenter import HistoryAugmenter
from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.text.augmenter import TextAugmenter
from augment_ops.policy.spec import Policy

STEPS = {
    "image": (Augmenter, "[8, 8, 1]", "HorizontalFlip", "InvertImg"),
    "tabular": (TableAugmenter, "[4]", "Jitter", "GaussianCopula"),
    "text": (TextAugmenter, "[64]", "AEDA", "Casing"),
    "interactions": (HistoryAugmenter, "[8, 2]", "Crop", "Mask"),
}
KEYS = philox.derive(sample_key("again"), SampleIds.of(range(2000)).words)


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_applies_as_often_as_it_was_chosen(kind: str) -> None:
    augmenter, at, first, second = STEPS[kind]
    policy = Policy.from_text(
        f"name: again\nversion: 1.0.0\nmodality: {kind}\ndomain: general\nowner: tests\ndescription: d\n"
        f"budget: {{p95_ms: 1.0, at: {at}}}\n"
        f"transforms: [SomeOf: {{n: 3, replace: true, p: 1, transforms: [{first}: {{p: 1}}, {second}: {{p: 1}}]}}]\n"
    )
    augment = augmenter(policy, 7)
    decide = augment._programs().compiled._decide if isinstance(augment, Augmenter) else augment._decide
    applied = np.array(list(decide(KEYS).values()))
    assert len(applied) == 6
    assert (applied.sum(axis=0) == 3).all()
    assert abs((applied[:3].sum(axis=0) == 3).mean() - 1 / 8) < 0.04  # all three times the first
