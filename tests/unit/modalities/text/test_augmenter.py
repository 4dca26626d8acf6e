from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities import modality
from augment_ops.modalities.text.augmenter import TextAugmenter
from augment_ops.modalities.text.texts import read, written
from augment_ops.modalities.text.words import sentence
from augment_ops.policy.spec import Policy
from support.epochs import check_epochs_of_each
from support.questions import questions

ROOM = 160
EVERY_STEP = """
  - KeyboardAug: {aug_word_p: 0.6, min_char: 1, p: 0.7}
  - OneOf:
      transforms: [RandomCharAug: {action: swap, aug_word_p: 0.6}, RandomCharAug: {action: delete, aug_word_p: 0.6}]
  - RandomCharAug: {action: insert, aug_word_p: 0.6, p: 0.7}
  - Contractions: {p: 0.7}
  - ReservedAug: {reserved_tokens: [[card, bank card], [money, cash]], p: 0.7}
  - RandomWordAug: {action: swap, aug_p: 0.4, p: 0.7}
  - RandomWordAug: {action: delete, aug_p: 0.4, p: 0.7}
  - PunctuationRemoval: {p: 0.5}
  - AEDA: {p: 0.7}
  - Casing: {style: title, p: 0.3}
"""
TEXTS = [
    *questions(150)["question"],
    "",
    "💳 👍🏽",
    "أين بطاقتي؟",
    "I'm at https://a.example/?q=1 $5",
    "a" * ROOM,
]


def policy(steps: str = EVERY_STEP) -> Policy:
    return Policy.from_text(
        "name: questions\nversion: 1.0.0\nmodality: text\ndomain: text\nowner: tests\ndescription: d\n"
        f"budget: {{p95_ms: 1.0, at: [{ROOM}]}}\ntransforms:{steps}"
    )


AUGMENT = TextAugmenter(policy(), 7)


def ids(n: int) -> list[str]:
    return [f"q{place}" for place in range(n)]


def test_the_same_key_gives_the_same_text_whatever_the_batch_and_its_order() -> None:
    samples, names = written(TEXTS, ROOM), ids(len(TEXTS))
    whole = AUGMENT(samples, names, 3)
    assert len({text for text, other in zip(read(whole), TEXTS, strict=True) if text != other}) > 100
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = AUGMENT(samples[order], [names[place] for place in order], 3)
    assert np.array_equal(shuffled, whole[order])
    alone = [pickle.loads(pickle.dumps(AUGMENT))(samples[i : i + 1], names[i : i + 1], 3)[0] for i in (0, 70, 151)]
    assert np.array_equal(alone, whole[[0, 70, 151]])
    assert not np.array_equal(AUGMENT(samples, names, 4), whole)
    assert not np.array_equal(TextAugmenter(policy(), 8)(samples, names, 3), whole)


_PROTECTED = st.sampled_from(
    ["$1,200.50", "42", "7 days", "a.b@c.example", "https://x.example/y?z=1", "Maria", "IBAN", "GB33-X", "not", "can't",
     "{amount}", "💳", "top_up", "#12", "€5"]
)  # fmt: skip
_WORDS = "where is my card please send money back to the shop, now! why? i'm you are"
_PLAIN = st.sampled_from(_WORDS.split())


@settings(max_examples=60)
@given(st.lists(st.one_of(_PROTECTED, _PLAIN), min_size=1, max_size=12), st.integers(0, 1000))
def test_protected_words_stay_in_number_and_order(words: list[str], epoch: int) -> None:
    text = " ".join(words)
    before = sentence(text)
    kept = [core for place, core in enumerate(before.cores) if place not in set(before.free) and core]
    (after,) = read(AUGMENT(written([text], 400), ["one"], epoch))
    cores = sentence(after).cores
    assert not Counter(kept) - Counter(cores)
    left = iter(cores)
    assert all(core in left for core in kept)


def test_a_text_that_would_not_fit_stays_and_nothing_is_cut() -> None:
    augment = TextAugmenter(policy(" [AEDA: {p: 1.0, punc_ratio: 1.0}]"), 1)
    text = "why is my card still on its way"
    assert read(augment(written([text], len(text)), ["one"])) == [text]
    assert read(augment(written([text], 100), ["one"])) != [text]


def test_the_identity_and_what_is_no_text() -> None:
    samples = written(TEXTS, ROOM)
    assert np.array_equal(TextAugmenter(policy(" []"), 1)(samples, ids(len(TEXTS))), samples)
    for wrong, found in ((samples[0], r"uint8 \(160,\)"), (samples.astype(np.int64), "int64"), (TEXTS, "list")):
        with pytest.raises(TransformError, match=found):
            AUGMENT(wrong, ids(len(TEXTS)))  # type: ignore[arg-type]
    with pytest.raises(TransformError, match="3 ids"):
        AUGMENT(samples, ids(3))
    with pytest.raises(TypeError):
        AUGMENT(samples, ids(len(TEXTS)), 3.0)  # type: ignore[arg-type]


def test_a_policy_can_be_timed_on_invented_texts() -> None:
    kind = modality("text")
    texts = kind.invented(32, (ROOM,), (1, 2))
    augment = kind.augmenter(policy(), 7)
    out = augment(texts, SampleIds.of(range(32)))
    assert out.shape == texts.shape and (out != texts).any(axis=1).mean() > 0.9
    assert augment.output_shape((ROOM,)) == (ROOM,) and augment.describe()[0].startswith("texts: KeyboardAug")
    assert kind.invented(2, (3,), (1, 2)).shape == (2, 3)


def test_epochs_of_each_sample_in_one_batch_are_those_of_batches_of_their_own():
    texts = written(TEXTS[:40], ROOM)
    check_epochs_of_each(TextAugmenter(policy(), 7), texts, [str(row) for row in range(40)])
