"""Each failure that augmentation of texts is known for, planted, and caught with its reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from augment_ops.data.payload import ArrayPayload
from augment_ops.modalities.text.augmenter import TextAugmenter
from augment_ops.modalities.text.check_rules import TextDataRules
from augment_ops.modalities.text.checks import CHECKS
from augment_ops.modalities.text.texts import read, written
from augment_ops.policy.spec import Policy
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.data_checks import check_samples
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT
from support.places import POLICIES
from support.questions import INTENTS, questions

RULES = QualityRules.load(POLICIES / "quality" / "intents.yaml")
TABLE = questions(600)
N, ROOM = len(TABLE), 96
LABELS = np.array([INTENTS.index(intent) for intent in TABLE["intent"]])
PARTS = ["train"] * 400 + ["validation"] * 40 + ["test"] * 160
TEXTS = TABLE["question"].tolist()


def measured(texts=TEXTS, labels=LABELS, **changes) -> dict:
    index = pd.DataFrame(
        {
            "sample_id": [f"q{i}" for i in range(N)],
            "label": labels,
            "split": PARTS,
            "subject": None,
            "time": None,
            "defect": None,
            "row": np.arange(N),
            CONTENT: pd.util.hash_array(np.array(texts, object)).astype(str),
            **changes,
        }
    )
    found = check_samples(index, ArrayPayload(written(texts, ROOM)), INTENTS, RULES)
    return {check.name: check for check in found}


def replaced(places: dict[int, str]) -> list[str]:
    return [places.get(i, text) for i, text in enumerate(TEXTS)]


def test_questions_in_order_pass_every_check_but_for_their_new_words():
    found = measured()
    assert list(found) == [name.replace("_", "-") for name in CHECKS.data]
    assert {name for name, check in found.items() if check.status != "ok"} <= {"vocabulary-shift"}


def test_what_test_repeats_of_train_is_leakage_also_in_other_letters():
    places = {440 + i: TEXTS[i].upper() + " !!" for i in range(20)}
    found = measured(replaced(places), labels=np.where(np.arange(N) < 0, 0, LABELS))
    near = found["near-duplicates-between-splits"]
    assert near.status == "fail" and near.measured == pytest.approx(20 / 160)
    assert "20 of 160 test samples say what is said in train or validation" in near.message
    assert found["exact-duplicates-between-splits"].status == "ok"


def test_texts_that_say_the_same_under_two_labels():
    places = {i + 1: TEXTS[i] + "." for i in range(0, 60, 2)}
    found = measured(replaced(places))
    bad = sum(LABELS[i] != LABELS[i + 1] for i in range(0, 60, 2))
    check = found["near-label-conflict"]
    assert check.measured == pytest.approx(2 * bad / N) and check.status == "fail" and "another label" in check.message
    assert found["label-conflict"].measured == 0


def test_what_is_said_to_be_of_no_intent_and_an_intent_has_is_caught_whatever_its_letters():
    apart = np.arange(N) % 3 == 2
    changes = {"split": np.where(apart, "out-of-scope", PARTS), "labels": np.where(apart, -1, LABELS)}
    told = measured(**changes)["out-of-scope-conflict"]
    assert (told.status, told.measured) == ("ok", 0) and "0 of 200 samples out of scope" in told.message
    learnt, tested = {2: f"  {TEXTS[0].upper()} ", 5: f"{TEXTS[1]} …"}, {8: TEXTS[510], 11: TEXTS[510]}
    found = measured(replaced(learnt | tested), **changes)
    check = found["out-of-scope-conflict"]
    assert check.status == "fail" and check.measured == pytest.approx(4 / 200)
    assert check.samples == ("q2", "q5", "q8", "q11")
    named = ", ".join(dict.fromkeys(INTENTS[LABELS[place]] for place in (0, 1, 510)))
    assert f"4 of 200 samples out of scope say what is said in a class: {named}; decide whether" in check.message
    # Of the splits nothing is said twice.
    assert {name for name, one in found.items() if one.status == "fail"} == {"out-of-scope-conflict"}


def test_without_texts_of_no_intent_there_is_no_conflict_and_a_file_from_before_the_check_asks_for_it():
    assert measured()["out-of-scope-conflict"].status == "ok"
    written_before = yaml.safe_load((POLICIES / "quality" / "intents.yaml").read_text())["check_data"]
    asked = written_before.pop("out-of-scope-conflict")
    assert TextDataRules.model_validate(written_before).out_of_scope_conflict.model_dump() == asked


def test_a_test_part_of_another_language_and_length():
    found = measured([text if i < 440 else "wo ist meine karte " * 5 for i, text in enumerate(TEXTS)])
    assert found["vocabulary-shift"].status == "fail" and "karte" in found["vocabulary-shift"].message
    assert found["length-shift"].status == "fail"


def test_a_test_part_without_words_is_said_to_have_none():
    check = measured([text if i < 440 else f"💳 {i}?" for i, text in enumerate(TEXTS)])["vocabulary-shift"]
    assert check.status == "fail" and check.message.startswith("no text of test has a word")


def compared(augmented: list[str], held_out=("what nobody asked",), originals=TEXTS) -> dict:
    found = check_augmented(
        written(originals, 128),
        written(augmented, 128),
        [f"q{i}" for i in range(N)],
        LABELS,
        written(list(held_out), 128),
        RULES,
        "0" * 64,
        classes=INTENTS,
    )
    return {check.name: check for check in found.checks}


def shipped() -> list[str]:
    policy = Policy.load(POLICIES / "augment" / "intents-robust.yaml")
    return read(TextAugmenter(policy, 7)(written(TEXTS, 128), [f"q{i}" for i in range(N)]))


def test_what_the_shipped_policy_makes_passes():
    assert {name: check.status for name, check in compared(shipped()).items() if check.status != "ok"} == {}


def test_label_noise_is_caught():
    other = {i: TEXTS[int(np.flatnonzero(LABELS[i] != LABELS)[i])] + "!" for i in range(30)}
    check = compared(replaced(other))["label-noise"]
    assert check.status == "fail" and check.measured == pytest.approx(30 / N)
    assert "say what a text of another class says" in check.message
    same = {i: TEXTS[int(np.flatnonzero(LABELS[i] == LABELS)[0])] for i in range(30)}
    assert compared(replaced(same))["label-noise"].status == "ok"
    # What was said under two labels before is the data's fault (near-label-conflict), and not the policy's.
    assert compared(replaced(other), originals=replaced(other))["label-noise"].measured == 0


def test_leakage_of_held_out_texts_is_caught():
    check = compared(shipped()[:-40] + TEXTS[-40:], held_out=[text.upper() for text in TEXTS[-40:]])["held-out-leakage"]
    assert check.status == "fail" and check.measured == pytest.approx(40 / N)


def test_over_augmentation_is_caught_by_words_vocabulary_and_length():
    found = compared([" ".join(word[::-1] for word in text.split()) for text in TEXTS])
    assert {"words-changed", "vocabulary-shift"} <= {name for name, one in found.items() if one.status == "fail"}
    assert "of the words of a text on average" in found["words-changed"].message
    assert compared([text.split()[0] for text in TEXTS])["length-change"].status == "fail"


def test_a_number_that_is_gone_is_caught_wherever_it_stood():
    with_number = [i for i, text in enumerate(TEXTS) if "20 euros" in text]
    check = compared([text.replace("20 euros", "30 euros") for text in TEXTS])["protected-words"]
    assert check.status == "fail" and check.measured == pytest.approx(len(with_number) / N) and with_number
