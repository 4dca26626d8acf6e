"""Histories on pages and as drift looks at them."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.errors import DataError
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.histories import ITEM

KIND = modality("interactions")
SCHEMA = {"items": ["Heat", "<b>Alien</b>", "Up", "Jaws"]}


def history(*items: tuple[int, int], room: int = 16) -> np.ndarray:
    out = np.zeros((1, room, 2), np.int32)
    if items:
        out[0, -len(items) :] = items
    return out


BEFORE = history((1, 90_000), (2, 7_200), (3, 65))
AFTER = history((1, 90_000), (4, 7_200), (3, 65))


def test_items_are_named_with_their_age_and_escaped_and_what_is_new_is_marked():
    (piece,) = KIND.show(AFTER, ["a <caption>"], against=BEFORE, schema=SCHEMA, css_class="new")
    assert "&lt;b&gt;Alien&lt;/b&gt; (2 h)" in piece and "<mark>Jaws (2 h)</mark>, Up (1 min)" in piece
    assert "Heat (1 d)" in piece and "<b>" not in piece and 'class="new"' in piece and "a &lt;caption&gt;" in piece
    (plain,) = KIND.show(history(), ["nobody"])
    assert "nothing" in plain
    assert "item 2" in KIND.show(BEFORE, ["without a catalogue"])[0]


def test_a_page_shows_the_newest_and_all_where_all_is_asked():
    long = history(*((1, 100 - place) for place in range(16)))
    assert "4 older" in KIND.show(long, ["long"], schema=SCHEMA)[0]
    assert "older" not in KIND.show(long, ["long"], schema=SCHEMA, exact=True)[0]


def test_what_changed_is_the_share_of_items():
    assert KIND.change(BEFORE[0], BEFORE[0]) == 0
    assert KIND.change(BEFORE[0], AFTER[0]) == pytest.approx(1 / 3)
    assert KIND.change(history()[0], history()[0]) == 0 and KIND.change(BEFORE[0], history()[0]) == 1


def test_drift_looks_at_length_age_and_repetition():
    again = history((1, 90_000), (3, 7_200), (3, 65))
    samples = np.concatenate([again, history(), history((2, 3_600))])
    found = KIND.features(samples)
    assert tuple(found) == KIND.properties
    assert found["interactions"].tolist() == [3, 0, 1]
    assert found["newest_h"][[0, 2]] == pytest.approx([65 / 3600, 1]) and np.isnan(found["newest_h"][1])
    assert found["span_h"][0] == pytest.approx((90_000 - 65) / 3600) and found["span_h"][2] == 0
    assert found["repeated"] == pytest.approx([1 / 3, 0, 0])


@pytest.mark.parametrize("strange", [BEFORE[..., ITEM], BEFORE.astype(float), BEFORE[:, :0], [1, 2], None])
def test_what_are_no_histories_is_refused(strange):
    with pytest.raises(DataError, match=r"int32 \(N, H, 2\)"):
        KIND.check(strange, "somewhere")
