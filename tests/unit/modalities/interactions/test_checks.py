"""Each failure that augmentation of interactions is known for, planted, and caught with its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.checks import CHECKS
from augment_ops.modalities.interactions.histories import AGE, ITEM
from augment_ops.policy.spec import Policy
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.data_checks import check_samples
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT
from support.interactions import interactions
from support.places import POLICIES
from support.planted_histories import HISTORIES, made_by

RULES = QualityRules.load(POLICIES / "quality" / "ratings.yaml")
KIND = modality("interactions")
TABLE = interactions(120)
NAMES = tuple(sorted(set(TABLE["item"])))
SCHEMA = {"items": list(NAMES)}
ROOM, N = 8, len(TABLE)
PARTS = np.array(["train"] * 700 + ["validation"] * 100 + ["test"] * 400)


def read(tmp_path) -> tuple[np.ndarray, pd.DataFrame]:
    path = tmp_path / "clicks.csv"
    TABLE.to_csv(path, index=False)
    asked = {"interaction_columns": "", "interaction_history": ROOM, "interaction_split": "time"}
    samples = sorted(KIND.codec.open(str(path), asked).samples(), key=lambda one: (one.time, one.id))
    return np.stack([one.data for one in samples]), pd.DataFrame(
        {
            "sample_id": [one.id for one in samples],
            "label": [NAMES.index(one.label) for one in samples],
            "split": PARTS,
            "subject": [one.subject for one in samples],
            "time": [one.time for one in samples],
            "defect": None,
            "row": np.arange(N),
            CONTENT: [one.data.tobytes().hex() for one in samples],
        }
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> tuple[np.ndarray, pd.DataFrame]:
    return read(tmp_path_factory.mktemp("checks"))


def measured(histories: np.ndarray, index: pd.DataFrame, classes=NAMES) -> dict:
    found = check_samples(index, ArrayPayload(histories), classes, RULES, schema=SCHEMA)
    return {check.name: check for check in found}


def test_sound_interactions_pass_and_every_check_is_asked(data):
    found = measured(*data)
    assert list(found) == [name.replace("_", "-") for name in CHECKS.data]
    assert {check.status for name, check in found.items()} <= {"ok", "warn"}, found


def _later(histories: np.ndarray, index: pd.DataFrame) -> None:
    histories[:3, :, AGE] = -5


def _strangers(histories: np.ndarray, index: pd.DataFrame) -> None:
    index["subject"] = [f"stranger {row}" for row in range(N)]


def _sent_twice(histories: np.ndarray, index: pd.DataFrame) -> None:
    for name in ("subject", "label", "time"):
        index.loc[300:349, name] = index.loc[200:249, name].to_numpy()


def _turned_over(histories: np.ndarray, index: pd.DataFrame) -> None:
    index["label"] = np.where(PARTS == "test", 35, index["label"] % 30)


def _leaked(histories: np.ndarray, index: pd.DataFrame) -> None:
    places = np.flatnonzero((histories[..., ITEM] > 0).all(axis=1))
    from_test, to_train = places[-40:], places[:40]
    histories[to_train] = histories[from_test]
    index.loc[to_train, CONTENT] = index.loc[from_test, CONTENT].to_numpy()


def _emptied(histories: np.ndarray, index: pd.DataFrame) -> None:
    histories[PARTS == "train"] = 0


@pytest.mark.parametrize(
    ("planted", "name", "status", "told"),
    [
        (_later, "time-order", "fail", "3 of 1200 histories are not in the order of time"),
        (_strangers, "single-interaction-users", "fail", "1200 of 1200 users have one interaction"),
        (_sent_twice, "repeated-interactions", "fail", "50 of 1200 interactions repeat the user, item and time"),
        (_leaked, "exact-duplicates-between-splits", "fail", "40 of 400 test samples repeat the items and ages"),
        (_turned_over, "unseen-items", "fail", "400 of 400 interactions of test"),
        (_turned_over, "popularity-shift", "ok", "and 0% of test"),
        (_emptied, "length-shift", "fail", "a history of train has 0.0 items"),
    ],
)
def test_what_is_wrong_with_interactions_is_said(data, planted, name, status, told):
    histories, index = data[0].copy(), data[1].copy()
    planted(histories, index)
    check = measured(histories, index)[name]
    assert check.status == status and told in check.message, check


def test_a_catalogue_of_other_items_than_classes_is_refused(data):
    check = measured(*data, classes=(*NAMES[:-1], "other"))["catalogue"]
    assert check.status == "fail" and "2 items" in check.message and "max_samples" in check.message
    turned = measured(*data, classes=(NAMES[1], NAMES[0], *NAMES[2:]))["catalogue"]
    assert turned.status == "fail", "the same items in another order"


def data_of_others(originals: np.ndarray) -> np.ndarray:
    """Held-out histories of which no sequence of items is that of an original: backwards."""
    out = originals[:50].copy()
    out[..., ITEM] = np.flip(out[..., ITEM], axis=1)
    return out


def compared(originals: np.ndarray, augmented: np.ndarray, labels, held_out=None) -> dict:
    report = check_augmented(
        originals, augmented, [f"s{row}" for row in range(len(originals))], np.asarray(labels),
        data_of_others(originals) if held_out is None else held_out, RULES, "5" * 64, classes=NAMES, schema=SCHEMA,
    )  # fmt: skip
    return {check.name: check for check in report.checks}


@pytest.mark.parametrize("step", ["Crop: {eta: 0.8, p: 0.5}", "Mask: {gamma: 0.3, p: 0.3}"])
def test_what_a_user_had_done_before_is_no_label_noise_and_what_somebody_else_had_done_is(step):
    policy = Policy.from_text(
        "name: one\nversion: 1.0.0\nmodality: interactions\ndomain: interactions\nowner: tests\ndescription: d\n"
        f"budget: {{p95_ms: 1.0, at: [{ROOM}, 2]}}\ntransforms: [{{{step}}}]"
    )
    made = made_by(policy)
    known, unknown = (
        replace(HISTORIES, subjects=users).checked(made, "label-noise")["label-noise"]
        for users in (HISTORIES.subjects, None)
    )
    assert known.status == "ok" and unknown.status != "ok" and "weaken the steps that leave out" in unknown.message


def test_the_policy_that_ships_passes_and_plants_nothing(data):
    histories, index = data
    train = PARTS == "train"
    shipped = Policy.load(POLICIES / "augment" / "ratings-robust.yaml")
    labels = index["label"].to_numpy(np.int64)

    class Population:
        payload, schema = ArrayPayload(histories[train]), SCHEMA
        ids, classes = tuple(index["sample_id"][train]), tuple(SCHEMA["items"])

    Population.labels = labels[train]
    augment = KIND.augmenter(shipped, 7, Population())
    found = compared(histories[train], augment(histories[train], Population.ids, 1), labels[train], histories[~train])
    by_name = {name: check.status for name, check in found.items() if check.status == "fail"}
    assert not by_name, found


def test_what_a_faulty_transform_would_do_is_caught(data):
    originals, labels = data[0][400:700], data[1]["label"].to_numpy(np.int64)[400:700]
    answer, later, strange, popular = (originals.copy() for _ in range(4))
    answer[:, -1, ITEM] = labels + 1
    later[:, -1, AGE] += 10_000
    strange[:, -1, ITEM] = len(NAMES) + 1
    counts = np.bincount(originals[..., ITEM].ravel())
    popular[originals[..., ITEM] > 0, ITEM] = 1 + counts[1:].argmax()
    for augmented, name in ((answer, "answer-leakage"), (later, "time-order"), (strange, "unknown-items")):
        assert compared(originals, augmented, labels)[name].status == "fail", name
        assert compared(originals, originals.copy(), labels)[name].status == "ok", name
    amplified = compared(originals, popular, labels)["popularity-shift"]
    assert amplified.status == "fail" and "`tail`" in amplified.message


def test_an_item_that_is_had_again_is_no_leak_of_the_answer(data):
    originals, labels = data[0][400:700].copy(), data[1]["label"].to_numpy(np.int64)[400:700]
    originals[:, -1, ITEM] = labels + 1
    assert compared(originals, originals.copy(), labels)["answer-leakage"].status == "ok"


def test_histories_of_held_out_users_in_training_are_caught(data):
    originals, held_out, labels = data[0][400:700], data[0][800:], data[1]["label"].to_numpy(np.int64)[400:700]
    leaked = originals.copy()
    leaked[:30] = held_out[-30:]
    assert compared(originals, leaked, labels, held_out)["held-out-leakage"].status == "fail"
