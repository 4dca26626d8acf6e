from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.on_device import OnDevice
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.errors import InputError, TransformError
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.cooccurrence import cooccurrence
from augment_ops.modalities.interactions.histories import AGE, ITEM, in_order, lengths
from augment_ops.policy.spec import Policy
from support.epochs import check_epochs_of_each
from support.interactions import Training

KIND = modality("interactions")
ROOM, ITEMS, N = 12, 40, 300
EVERY_STEP = """
  - Insert: {rate: 0.9, max_length: 12, p: 0.7}
  - OneOf:
      transforms: [Crop: {eta: 0.5, p: 1.0}, Mask: {gamma: 0.5, p: 1.0}]
      p: 0.7
  - Reorder: {beta: 0.8, p: 0.7}
  - Substitute: {rate: 0.8, tail: 1.0, p: 0.7}
"""


def policy(steps: str = EVERY_STEP) -> Policy:
    return Policy.from_text(
        "name: clicks\nversion: 1.0.0\nmodality: interactions\ndomain: interactions\nowner: tests\ndescription: d\n"
        f"budget: {{p95_ms: 1.0, at: [{ROOM}, 2]}}\ntransforms:{steps}"
    )


def histories(n: int = N) -> np.ndarray:
    """Items that follow each other by number, of every length."""
    rng, out = np.random.default_rng(1), np.zeros((n, ROOM, 2), np.int32)
    for row in range(n):
        size = row % (ROOM + 1)
        first = rng.integers(ITEMS)
        out[row, ROOM - size :, ITEM] = 1 + (first + np.arange(size)) % ITEMS
        out[row, ROOM - size :, AGE] = np.sort(rng.integers(1, 10_000, size))[::-1]
    return out


SAMPLES = histories()
IDS = tuple(f"s{row}" for row in range(N))
NEXTS = SAMPLES[:, -1, ITEM].astype(np.int64) % ITEMS  # labels, of which the code is one more
TRAINING = Training(ArrayPayload(SAMPLES), NEXTS, IDS, {"items": [f"i{place:02d}" for place in range(ITEMS)]})
AUGMENT = KIND.augmenter(policy(), 7, TRAINING)


def test_the_same_key_gives_the_same_history_whatever_the_batch_and_its_order():
    whole = AUGMENT(SAMPLES, IDS, 3)
    order = np.random.default_rng(0).permutation(N)
    mixed = AUGMENT(SAMPLES[order], [IDS[row] for row in order], 3)
    assert (mixed == whole[order]).all() and (AUGMENT(SAMPLES[5:6], IDS[5:6], 3) == whole[5:6]).all()
    assert (pickle.loads(pickle.dumps(AUGMENT))(SAMPLES, IDS, 3) == whole).all()
    assert (AUGMENT(SAMPLES, IDS, 4) != whole).any() and (whole != SAMPLES).any()


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, 50))
def test_time_runs_one_way_and_what_came_next_is_never_put_in(seed, epoch):
    out = KIND.augmenter(policy(), seed, TRAINING)(SAMPLES, IDS, epoch)
    assert out.dtype == np.int32 and out.shape == SAMPLES.shape and in_order(out).all()
    assert 0 <= out[..., ITEM].min() <= out[..., ITEM].max() <= ITEMS
    had = (SAMPLES[..., ITEM] == NEXTS[:, None] + 1).any(axis=1)
    assert not ((out[..., ITEM] == NEXTS[:, None] + 1).any(axis=1) & ~had).any()
    assert (lengths(out)[lengths(SAMPLES) > 0] > 0).all() and (lengths(out)[lengths(SAMPLES) == 0] == 0).all()


def test_neighbours_come_from_the_training_split_alone():
    """Items that only held-out users had together: no step puts one where the other is."""
    held_out = np.zeros((8, ROOM, 2), np.int32)
    held_out[:, -1] = (1, 60)
    out = np.concatenate(
        [
            KIND.augmenter(policy("\n  - Substitute: {rate: 1.0, tail: 0, p: 1.0}"), seed, TRAINING)(
                held_out, [f"h{row}" for row in range(8)]
            )
            for seed in range(20)
        ]
    )
    trained = {int(a) + 1 for a, row in zip(NEXTS, SAMPLES, strict=True) if 1 in row[-10:, ITEM]}
    trained |= {int(code) for label, row in zip(NEXTS, SAMPLES, strict=True) if label == 0 for code in row[-10:, ITEM]}
    assert set(out[:, -1, ITEM].tolist()) <= trained | {1} and len(set(out[:, -1, ITEM].tolist())) > 1
    assert ITEMS // 2 not in trained  # nobody had it near the first item, so that it would stand out


def test_other_training_splits_are_other_engines_and_steps_that_look_at_nobody_are_one():
    other = Training(TRAINING.payload, np.roll(NEXTS, 1), IDS, TRAINING.schema)
    assert KIND.augmenter(policy(), 7, other).engine != AUGMENT.engine
    alone = policy("\n  - Mask: {gamma: 0.2}")
    assert KIND.augmenter(alone, 7, other).engine == KIND.augmenter(alone, 7, TRAINING).engine == "interactions-1"


def test_cooccurrence_is_by_cosine_and_takes_two():
    rows = np.zeros((5, 3, 2), np.int32)
    rows[:, -1, ITEM] = [1, 1, 1, 2, 5]
    known = cooccurrence(rows, np.array([2, 2, 3, 3, 1]), [f"c{row}" for row in range(5)])
    assert known.near[1, :2].tolist() == [2, 0], "3 came with it once"
    assert known.near[2, :2].tolist() == [1, 0] and not known.near[5].any()
    assert known.counts.tolist() == [0, 1, 2, 2, 0, 0]


def test_rare_neighbours_are_preferred_as_far_as_a_policy_says():
    """Item 1 came with 2 and 3 alike; 2 is had by everybody else as well."""
    rows = np.zeros((120, ROOM, 2), np.int32)
    rows[:, -1] = (1, 5)
    rows[40:, -1, ITEM] = 4
    nexts = np.array([1, 2] * 20 + [1] * 80)  # labels of items 2 and 3
    training = Training(ArrayPayload(rows), nexts, tuple(f"r{row}" for row in range(120)), {"items": list("abcdefg")})
    probe = rows[:1].repeat(400, axis=0)

    def share_of_rare(tail: float) -> float:
        augment = KIND.augmenter(policy(f"\n  - Substitute: {{rate: 1.0, tail: {tail}, p: 1.0}}"), 7, training)
        return float((augment(probe, [f"p{row}" for row in range(400)])[:, -1, ITEM] == 3).mean())

    assert abs(share_of_rare(0) - 0.5) < 0.1 and share_of_rare(1.0) > 0.75


def test_simulated_items_come_between_what_they_follow_and_what_comes_then():
    step = policy("\n  - Insert: {rate: 1.0, max_length: 3, p: 1.0}")
    out = KIND.augmenter(step, 7, TRAINING)(SAMPLES, IDS)
    short = lengths(SAMPLES) <= 3
    assert (out[~short] == SAMPLES[~short]).all() and in_order(out).all()
    grown = lengths(out) - lengths(SAMPLES)
    assert (grown[short & (lengths(SAMPLES) > 0)] > 0).mean() > 0.9
    for row in np.flatnonzero(short & (lengths(SAMPLES) == 2))[:20]:
        kept = [code for code in out[row, :, ITEM].tolist() if code in SAMPLES[row, :, ITEM].tolist() and code]
        assert [code for code in SAMPLES[row, :, ITEM].tolist() if code] == list(dict.fromkeys(kept))


@pytest.mark.parametrize(
    ("samples", "ids", "told"),
    [
        (SAMPLES.astype(np.int64), IDS, "int64"),
        (SAMPLES[..., :1], IDS, "int32 array"),
        (SAMPLES, IDS[1:], "299 ids for 300 histories"),
    ],
)
def test_what_are_no_histories_is_refused(samples, ids, told):
    with pytest.raises(TransformError, match=told):
        AUGMENT(samples, ids)


def test_a_population_of_fewer_items_than_classes_is_refused():
    with pytest.raises(TransformError, match="40 classes; expected 3 items"):
        KIND.augmenter(policy(), 7, Training(TRAINING.payload, NEXTS, IDS, {"items": list("abc")}))


def test_a_batch_is_taken_for_the_whole_where_nothing_else_is_known():
    invented = KIND.invented(200, (ROOM, 2), sample_key("tests"))
    assert in_order(invented).all() and in_order(KIND.augmenter(policy(), 7)(invented, range(200))).all()


def test_epochs_of_each_sample_in_one_batch_are_those_of_batches_of_their_own():
    check_epochs_of_each(AUGMENT, SAMPLES[:50], IDS[:50])


class Unread(ArrayPayload):
    """Of a log that is so long that reading it for nothing takes minutes."""

    def take(self, rows: np.ndarray) -> np.ndarray:
        raise AssertionError("histories were read")


def test_what_is_had_together_is_counted_when_a_step_that_looks_at_others_is_applied_and_not_before():
    unread = Training(Unread(SAMPLES), NEXTS, IDS, TRAINING.schema)
    own = "\n  - Crop: {eta: 0.5, p: 1.0}\n  - Mask: {p: 1.0}\n  - Reorder: {p: 1.0}"
    by_itself = KIND.augmenter(policy(own), 7, unread)
    out = by_itself(SAMPLES, IDS)
    assert (out != SAMPLES).any() and (out == KIND.augmenter(policy(own), 7, TRAINING)(SAMPLES, IDS)).all()
    assert (pickle.loads(pickle.dumps(by_itself))(SAMPLES, IDS) == out).all()
    assert by_itself.engine == KIND.augmenter(policy(own), 7).engine != AUGMENT.engine
    bound = KIND.augmenter(policy(), 7, unread)
    with pytest.raises(InputError, match="computed by HistoryAugmenter; expected one that is compiled"):
        OnDevice(augmenter=bound, ids=SampleIds.of(IDS))
    with pytest.raises(AssertionError, match="histories were read"):
        bound(SAMPLES, IDS)
