"""What a service is asked is the sample that a snapshot would hold, or a defect that says why it is none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augment_ops.modalities import modality
from augment_ops.modalities.codec import Requests
from augment_ops.modalities.source import Defect
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema

SCHEMA = TableSchema(
    (
        TableColumn(name="amount", kind="number"),
        TableColumn(name="shop", kind="category", categories=("3", "corner")),
    )
)


def images(shape: tuple[int, ...], size: str = "") -> Requests:
    return modality("image").codec.requests({"image_size": size, "channels": "auto"}, shape, None)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_is_brought_to_the_channels_of_the_data_set() -> None:
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    found = images((4, 4, 3)).of_file(png(grey))
    assert not isinstance(found, Defect)
    assert np.array_equal(found, np.repeat(grey[..., None], 3, axis=2))


def test_a_file_is_resized_where_the_data_set_was_and_only_there() -> None:
    large = png(np.zeros((8, 6), np.uint8))
    found = images((4, 4, 1), "4x4").of_file(large)
    assert not isinstance(found, Defect)
    assert found.shape == (4, 4, 1)
    refused = images((4, 4, 1)).of_file(large)
    assert isinstance(refused, Defect)
    assert "(8, 6, 1)" in refused.text


@pytest.mark.parametrize("value", [[[1, 2], [3]], [[1, 2], [3, 256]], [[1, 2], [3, 0.5]], "x", None, [], [[1, 2]]])
def test_pixels_that_are_none_are_a_defect(value: object) -> None:
    assert isinstance(images((2, 2, 1)).of_json(value), Defect)


def test_pixels_may_leave_out_the_one_channel() -> None:
    found = images((2, 2, 1)).of_json([[1, 2], [3, 4]])
    assert not isinstance(found, Defect)
    assert found.tolist() == [[[1], [2]], [[3], [4]]]
    assert found.dtype == np.uint8


def test_a_row_is_by_name_and_what_is_left_out_is_missing() -> None:
    rows = modality("tabular").codec.requests({}, (2,), SCHEMA.content())
    assert rows.media == ()
    found = [rows.of_json(one) for one in ({"shop": 3.0, "amount": 2}, {"shop": "none such"}, {"amount": True})]
    assert np.array_equal(np.array(found), [[2, 0], [np.nan, -1], [1, np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"amont": 1}, "amount"),
        ({"amount": "much"}, "no number"),
        ({"amount": float("nan")}, "no number"),
        ({"amount": 1e300}, "no number"),
        ({"shop": ["x"]}, "no text"),
        ({"amount": None}, "no value"),
        ([1, 2], "no object"),
    ],
)
def test_a_row_that_is_none_is_a_defect_that_names_the_column(value: object, told: str) -> None:
    found = modality("tabular").codec.requests({}, (2,), SCHEMA.content()).of_json(value)
    assert isinstance(found, Defect)
    assert told in found.text


def test_a_text_is_its_bytes() -> None:
    texts = modality("text").codec.requests({"text_columns": "", "text_bytes": 8}, (8,), None)
    for found in (texts.of_json("grüß"), texts.of_file("grüß".encode())):
        assert not isinstance(found, Defect)
        assert found.tobytes() == "grüß".encode().ljust(8, b"\0")
    for odd in ("", "  ", "123456789", "\0", 5, None):
        assert isinstance(texts.of_json(odd), Defect)
    assert isinstance(texts.of_file(b"\xff"), Defect)


def test_a_history_is_its_known_items_at_the_end_with_their_ages() -> None:
    histories = modality("interactions").codec.requests({}, (3, 2), {"items": ["10", "20"]})
    found = [
        histories.of_json(one)
        for one in ([], [[10, 60], ["20", 5]], [["99", 9], [20, 7.5]], [[10, 9], [10, 8], [20, 7], [20, 6]])
    ]
    assert np.array_equal(
        np.array(found),
        [
            [[0, 0], [0, 0], [0, 0]],
            [[0, 0], [1, 60], [2, 5]],
            [[0, 0], [0, 0], [2, 7]],
            [[1, 8], [2, 7], [2, 6]],
        ],
    )
    assert np.array(found).dtype == np.int32


@pytest.mark.parametrize("value", [{}, [10], [[10]], [[10, -1]], [[10, float("nan")]], [[10, 5], [20, 6]], [[None, 1]]])
def test_a_history_that_is_none_is_a_defect(value: object) -> None:
    assert isinstance(modality("interactions").codec.requests({}, (3, 2), {"items": ["10"]}).of_json(value), Defect)


@pytest.mark.parametrize(
    ("requests", "value"),
    [
        (images((2, 2, 1)), [[[1], [2]], [[3], [255]]]),
        (modality("tabular").codec.requests({}, (2,), SCHEMA.content()), {"amount": None, "shop": "corner"}),
        (modality("tabular").codec.requests({}, (2,), SCHEMA.content()), {"amount": 2.5, "shop": "?"}),
        (modality("text").codec.requests({"text_columns": "", "text_bytes": 8}, (8,), None), "grüß"),
        (modality("interactions").codec.requests({}, (3, 2), {"items": ["10", "20"]}), [["20", 60], ["10", 5]]),
        (modality("interactions").codec.requests({}, (3, 2), {"items": ["10", "20"]}), []),
    ],
)
def test_a_sample_is_shown_as_it_may_be_sent(requests: Requests, value: object) -> None:
    sample = requests.of_json(value)
    assert not isinstance(sample, Defect)
    assert requests.in_json(sample) == value
