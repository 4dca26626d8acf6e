from __future__ import annotations

import numpy as np
import pytest

from augment_ops.errors import DataError, InputError
from augment_ops.modalities import modality
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from support.tables import SCHEMA

KIND = modality("tabular")
HOSTILE = TableSchema(
    (
        TableColumn(name="<script>alert(1)</script>", kind="number"),
        TableColumn(name="k&r", kind="category", categories=('"><img src=x onerror=alert(1)>',)),
    )
)
ROW = np.array([[12345.678, 7.0, 2.0]])


def test_names_values_captions_and_classes_are_escaped():
    [found] = KIND.show(
        np.array([[1.5, 0.0]]), ["<b>one</b>"], against=np.array([[2.5, 0.0]]), schema=HOSTILE.content(), css_class='"x'
    )
    assert "<script" not in found and "<img" not in found and "<b>" not in found and 'class=""x' not in found
    assert "&lt;script&gt;" in found and "k&amp;r" in found


def test_only_changed_cells_are_marked():
    before, after = np.array([[1.0, np.nan, 2.0]]), np.array([[1.5, np.nan, np.nan]])
    [found] = KIND.show(after, ["a row"], against=before, schema=SCHEMA.content())
    assert found.count("<mark>") == 2 and "<mark>1.5</mark>" in found and "<mark>–</mark>" in found
    assert "<td>transfer</td>" in found
    assert KIND.change(before[0], after[0]) == pytest.approx(2 / 3)


def test_a_row_alone_has_its_values_and_no_marks():
    [found] = KIND.show(ROW, ["a row"], schema=SCHEMA.content(), css_class="thumb")
    assert "12346" in found and "<td>7</td>" in found and "<td>transfer</td>" in found
    assert "<mark>" not in found and '<table class="thumb">' in found


def test_rows_without_a_schema_are_numbers():
    assert "column 3" in KIND.show(ROW, ["a row"])[0]


def test_a_row_is_drawn_with_what_changed_in_bold():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    KIND.draw(axes, ROW[0], against=np.array([1.0, 7.0, 2.0]), schema=SCHEMA.content())
    assert [text.get_weight() for text in axes.texts] == ["bold", "normal", "normal"]
    many = TableSchema(tuple(TableColumn(name=f"$n{i}", kind="number") for i in range(40)))
    row = np.zeros(40)
    changed = row.copy()
    changed[37] = 1
    wide = Figure().add_subplot()
    KIND.draw(wide, changed, against=row, schema=many.content())
    assert len(wide.texts) == 12 and [t.get_text() for t in wide.texts if t.get_weight() == "bold"] == [r"\$n37 1"]


def test_features_are_the_columns():
    rows = np.array([[1.0, np.nan, 0.0], [2.0, 3.0, np.nan], [4.0, 5.0, -1.0]])
    found = KIND.features(rows, SCHEMA.content())
    assert list(found) == ["amount", "hour", "kind"]
    assert np.array_equal(found["hour"], [np.nan, 3, 5], equal_nan=True)
    assert found["kind"].tolist() == ["card", None, "?"] and found["kind"].dtype == object


@pytest.mark.parametrize("samples", [np.zeros((2, 3), np.uint8), np.zeros(3), np.zeros((2, 0)), [[1.0]]])
def test_what_are_no_rows_is_refused(samples):
    with pytest.raises(DataError, match="window"):
        KIND.check(samples, "window")
    KIND.check(ROW, "window")


def test_networks_do_not_take_rows():
    with pytest.raises(InputError, match="sklearn"):
        KIND.as_network(None)  # type: ignore[arg-type]


def test_a_schema_is_read_back_as_it_was_written():
    assert TableSchema.of(SCHEMA.content()) == SCHEMA


def test_characters_of_names_that_nobody_sees_are_shown_by_their_numbers():
    names = ("a\x00\u202eb", "<b>")
    schema = TableSchema(tuple(TableColumn(name=name, kind="number") for name in names))
    (page,) = KIND.show(np.array([[1.0, 2.0]]), ["row\u202e"], schema=schema.content())
    assert not {"\x00", "\u202e"} & set(page) and "a⟨U+0000⟩⟨U+202E⟩b" in page and "&lt;b&gt;" in page
