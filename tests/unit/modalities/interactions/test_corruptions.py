from __future__ import annotations

import numpy as np
import pytest

from augment_ops.engine.key import sample_key
from augment_ops.errors import TransformError
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.corruptions import CORRUPTIONS, apply, destroyed
from augment_ops.modalities.interactions.histories import AGE, ITEM, in_order, lengths

ROOM, ITEMS = 20, 1_000
KIND = modality("interactions")
FULL = KIND.invented(400, (ROOM, 2), sample_key("corruptions"))
IDS = [f"s{row}" for row in range(400)]


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [1, 5])
def test_time_runs_one_way_something_is_left_and_no_batch_matters(name, severity):
    short = FULL.copy()
    short[:100, : ROOM - 1] = 0  # one item
    short[100:110] = 0
    out = apply(name, severity, short, IDS, ITEMS)
    assert in_order(out).all() and not destroyed(short, out).any()
    assert (apply(name, severity, short[50:60], IDS[50:60], ITEMS) == out[50:60]).all()
    assert out.dtype == np.int32 and 0 <= out[..., ITEM].min() <= out[..., ITEM].max() <= ITEMS
    assert (out[100:110] == 0).all()


def test_late_events_take_the_newest_and_a_new_user_has_them_alone():
    late, new = (apply(name, 4, FULL, IDS, ITEMS) for name in ("dropped_recent", "missing_history"))
    assert (lengths(late) == ROOM // 2).all() and (late[:, ROOM // 2 :] == FULL[:, : ROOM // 2]).all()
    assert set(lengths(new).tolist()) <= {1, 2} and (new[:, -1] == FULL[:, -1]).all()
    assert (lengths(apply("missing_history", 5, FULL, IDS, ITEMS)) == 1).all()


def test_foreign_clicks_are_drawn_from_the_catalogue_in_place_of_a_share():
    out = apply("noise_clicks", 5, FULL, IDS, ITEMS)
    assert abs((out[..., ITEM] != FULL[..., ITEM]).mean() - 0.5) < 0.03 and (out[..., AGE] == FULL[..., AGE]).all()
    assert out[..., ITEM][out[..., ITEM] != FULL[..., ITEM]].mean() > 400, "the catalogue is not drawn from evenly"


def test_a_shuffle_keeps_items_and_ages_and_leaves_the_older_ones():
    out = apply("shuffled_recent", 3, FULL, IDS, ITEMS)
    assert (np.sort(out[..., ITEM]) == np.sort(FULL[..., ITEM])).all() and (out[..., AGE] == FULL[..., AGE]).all()
    assert (out[:, : ROOM // 2] == FULL[:, : ROOM // 2]).all() and (out != FULL).any(axis=(1, 2)).mean() > 0.95


def test_a_suite_draws_clicks_from_the_catalogue_of_the_data_set():
    corrupt = KIND.corruptions.bound([], {"items": ["a", "b"]}, ())
    assert corrupt("noise_clicks", 5, np.minimum(FULL, 2), IDS)[..., ITEM].max() == 2
    assert KIND.corruptions.bound([FULL], None, ())("noise_clicks", 5, FULL, IDS)[..., ITEM].max() <= ITEMS


def test_an_empty_history_is_destroyed_and_what_is_none_is_refused():
    assert destroyed(FULL[:2], np.zeros_like(FULL[:2])).tolist() == [1, 1]
    assert destroyed(np.zeros_like(FULL[:1]), np.zeros_like(FULL[:1])).tolist() == [0]
    with pytest.raises(TransformError, match="float64"):
        apply("noise_clicks", 1, FULL.astype(float), IDS, ITEMS)
