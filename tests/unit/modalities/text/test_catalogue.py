from __future__ import annotations

import pytest

from augment_ops.errors import PolicyError
from augment_ops.modalities.text.catalogue import CATALOGUE
from augment_ops.modalities.text.corruptions import CORRUPTIONS
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.limits import limit_faults
from augment_ops.policy.spec import Policy
from support.places import POLICIES

HEAD = """
name: questions
version: 1.0.0
modality: text
domain: text
owner: tests
description: Questions for tests.
budget: {p95_ms: 1.0, at: [64]}
"""


def policy(steps: str) -> Policy:
    return Policy.from_text(HEAD + f"transforms: {steps}")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("[KeybordAug: {}]", "Did you mean KeyboardAug"),
        ("[Affine: {}]", "one of AEDA"),
        ("[KeyboardAug: {aug_p: 0.1}]", "unknown parameter 'aug_p'"),
        ("[KeyboardAug: {aug_word_p: 1.1}]", "less than or equal to 1"),
        ("[KeyboardAug: {min_char: 2.5}]", "integer"),
        ("[RandomWordAug: {action: move}]", "'swap' or 'delete'"),
        ("[ReservedAug: {}]", "found nothing"),
        ("[ReservedAug: {reserved_tokens: [[a]]}]", "at least 2 items"),
        ("[ReservedAug: {reserved_tokens: [[a, b], [B, c]]}]", "each word in one group"),
    ],
)
def test_a_step_that_is_wrong_is_told_with_its_place(steps: str, expected: str) -> None:
    with pytest.raises(PolicyError, match=expected) as caught:
        policy(steps)
    assert "transforms[0]" in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "key"),
    [
        ("[KeyboardAug: {aug_word_p: 0.25}, RandomWordAug: {aug_p: 0.2}, AEDA: {punc_ratio: 0.35}, Casing: {}]", ""),
        ("[KeyboardAug: {aug_word_p: 0.15}, RandomCharAug: {aug_word_p: 0.15}]", "max_misspelt_share"),
        ("[OneOf: {transforms: [KeyboardAug: {aug_word_p: 0.2}, RandomCharAug: {aug_word_p: 0.2}]}]", ""),
        ("[RandomWordAug: {action: delete, aug_p: 0.3}]", "max_deleted_share"),
        ("[RandomWordAug: {action: swap, aug_p: 0.3}]", "max_moved_share"),
        ("[AEDA: {punc_ratio: 0.5}]", "max_marks_ratio"),
    ],
)
def test_the_domain_bounds_what_is_done_to_words(steps: str, key: str) -> None:
    found = limit_faults(policy(steps), load_limits(POLICIES, "text"))
    assert [key in str(one) for one in found] == ([True] if key else [])


def test_what_a_transform_trains_on_is_a_corruption_there_is() -> None:
    of_file = {"lexicon": "few", "sha256": "0" * 64}
    given = {
        "ReservedAug": {"reserved_tokens": (("a", "b"),)},
        "TemplateAug": {"slots": {"a": ("b",)}},
        **dict.fromkeys(("Paraphrase", "SynonymAug"), of_file),
    }
    taught = set()
    for name in CATALOGUE.names():
        values = {**CATALOGUE.defaults(name), **given.get(name, {})}
        taught |= set(CATALOGUE.teaches(name, values))
        assert CATALOGUE.teaches(name, {**values, "p": 0.0}) == ()
    assert taught < set(CORRUPTIONS)
    delete = {**CATALOGUE.defaults("RandomWordAug"), "action": "delete"}
    assert CATALOGUE.teaches("RandomWordAug", delete) == ("dropped_words",)
    assert CATALOGUE.teaches("KeyboardAug", {**CATALOGUE.defaults("KeyboardAug"), "aug_word_p": 0.0}) == ()
