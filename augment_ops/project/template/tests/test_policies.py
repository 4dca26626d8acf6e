"""What the policies of this project promise: their limits, the same samples for the same key, versions that stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from augment_ops import Augmenter
from augment_ops.engine.key import sample_key
from augment_ops.modalities import modality
from augment_ops.policy.library import admit, load, policy_names

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "policies"
PUBLISHED = json.loads((ROOT / "tests" / "published.json").read_text(encoding="utf-8"))  # name@version → digest


@pytest.mark.parametrize("name", policy_names(POLICIES))
def test_a_policy_keeps_the_limits_of_its_domain_and_its_published_versions(name: str) -> None:
    assert admit(POLICIES, name).name == name  # raises, with every fault that there is


@pytest.mark.parametrize("name", policy_names(POLICIES))
def test_a_sample_depends_on_its_key_alone(name: str) -> None:
    """Neither the size of the batch nor its order nor an earlier call may show."""
    policy = admit(POLICIES, name)
    samples = modality(policy.modality).invented(16, policy.budget.at, sample_key("a test", name))
    ids = [f"sample-{number}" for number in range(16)]
    augment = Augmenter(policy, seed=7)

    whole = augment(samples, ids, epoch=3)
    backwards = Augmenter(policy, seed=7)(samples[::-1].copy(), ids[::-1], epoch=3)
    alone = augment(samples[5:6].copy(), ids[5:6], epoch=3)

    np.testing.assert_array_equal(backwards[::-1], whole)
    np.testing.assert_array_equal(alone, whole[5:6])


@pytest.mark.parametrize("version", sorted(PUBLISHED))
def test_a_published_version_is_there_and_what_it_was(version: str) -> None:
    assert load(POLICIES, version).digest == PUBLISHED[version]
