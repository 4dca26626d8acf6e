from __future__ import annotations

import io
import itertools
import math

import numpy as np
import pytest
from PIL import Image

from augment_ops.modalities import modality
from augment_ops.report import plots, stress_summary
from augment_ops.report.charts import axis_ticks, severity_panels
from augment_ops.report.formats import duration, moment, number, percent, points
from augment_ops.stress.report import CLEAN, Cell, StressReport
from augment_ops.training.result import EpochMetrics


def report(accuracies: dict[str, list[float]], clean: float = 0.9) -> StressReport:
    cells = [
        Cell(
            role="candidate",
            corruption=CLEAN,
            severity=0,
            n=100,
            accuracy=clean,
            class_n=(50, 50),
            class_recall=(clean, clean),
        )
    ]
    for name, values in accuracies.items():
        cells += [
            Cell(
                role="candidate",
                corruption=name,
                severity=s,
                n=100,
                accuracy=a,
                class_n=(50, 50),
                class_recall=(a, a - 0.2),
            )
            for s, a in enumerate(values, start=1)
        ]
    return StressReport(
        suite="suite",
        suite_digest="5" * 64,
        snapshot_digest="1" * 64,
        classes=("a", "$\\frac"),
        models={"candidate": "c" * 64},
        champion_version=None,
        cells=tuple(cells),
        confusion={},
        flipped=(),
        outcomes="6" * 64,
        probe="7" * 64,
        seen={},
        measures=(),
        slices=(),
    )


EXAMPLE = report({"rotation": [0.9, 0.85, 0.7, 0.5, 0.3], "blur": [0.9, 0.9, 0.91, 0.9, math.nan]})
PEN = plots.Pen(modality("image"))
CURVE = tuple(
    EpochMetrics(
        epoch=e,
        train_loss=1 / e,
        train_accuracy=0.6,
        validation_loss=1 / e,
        validation_accuracy=0.7,
        samples_per_s=100.0,
        data_wait_share=0.1,
        wall_s=1.0,
    )
    for e in range(1, 4)
)


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_every_picture_is_a_png_and_the_same_values_give_the_same_bytes():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    for draw in (
        lambda: plots.contact_sheet(PEN, images, np.stack([images] * 3, axis=1), ["a", "b"]),
        lambda: plots.severity_curves(EXAMPLE),
        lambda: plots.heat_map(EXAMPLE),
        lambda: plots.confusion_matrix([[3, 1], [0, 4]], ["a", "b"]),
        lambda: plots.learning_curve({"candidate": CURVE, "control": CURVE}),
    ):
        first = draw()
        assert opened(first).ndim == 3
        assert draw() == first


def test_names_that_look_like_formulas_or_lack_a_glyph_do_not_end_a_run():
    names = ["$\\frac", "猫"]
    assert plots.confusion_matrix([[1, 0], [0, 1]], names)
    assert plots.contact_sheet(PEN, np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 1, 4, 4, 3), np.uint8), names)
    assert plots.severity_curves(report({"$\\frac": [0.5] * 5}))
    assert plots.heat_map(report({"$\\frac": [0.5] * 5}))


def test_the_contact_sheet_shows_grey_as_grey_on_a_fixed_scale():
    # Without vmin and vmax a flat picture of level 128 would be drawn black.
    flat = np.full((1, 8, 8, 1), 128, np.uint8)
    pixels = opened(plots.contact_sheet(PEN, flat, np.stack([flat], axis=1), ["a"])).reshape(-1, 3)
    assert (pixels == 128).all(axis=1).mean() > 0.2


def test_nothing_to_draw_is_still_a_picture():
    empty = StressReport(
        suite="s",
        suite_digest="5" * 64,
        snapshot_digest="1" * 64,
        classes=(),
        models={},
        champion_version=None,
        cells=(),
        confusion={},
        flipped=(),
        outcomes="6" * 64,
        probe="7" * 64,
        seen={},
        measures=(),
        slices=(),
    )
    for png in (
        plots.severity_curves(empty),
        plots.heat_map(empty),
        plots.learning_curve({}),
        plots.contact_sheet(PEN, np.zeros((0, 8, 8, 1), np.uint8), np.zeros((0, 2, 8, 8, 1), np.uint8), []),
    ):
        assert opened(png).size


def test_gaps_and_gains_are_differences_in_the_right_direction():
    table = stress_summary.gap_table(EXAMPLE, "candidate")
    assert table.severities == (1, 2, 3, 4, 5)
    assert table.rows[0].values == pytest.approx((0.0, 0.05, 0.2, 0.4, 0.6))
    assert table.rows[1].values[4] is None
    assert stress_summary.worst_gap(EXAMPLE) == ("rotation", 5, pytest.approx(0.6))


def test_a_mean_over_cells_with_a_hole_is_no_number():
    assert stress_summary.stressed_accuracy(EXAMPLE, "candidate") is None
    whole = report({"rotation": [0.8, 0.6]})
    assert stress_summary.stressed_accuracy(whole, "candidate") == pytest.approx(0.7)
    assert stress_summary.stressed_accuracy(whole, "champion") is None


def test_worst_classes_name_the_place_that_hurts_most():
    row = stress_summary.worst_classes(EXAMPLE, 1)[0]
    assert (row.name, row.corruption, row.severity, row.n) == ("$\\frac", "rotation", 5, 50)
    assert (row.clean, row.worst) == (0.9, pytest.approx(0.1))


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.9, 100, 0.8256, 0.9448), (0.0, 10, 0.0, 0.2775)])
def test_interval_of_a_share(share, n, low, high):
    # Reference values: R's binom::binom.confint(x, n, methods = "wilson").
    assert stress_summary.share_range(share, n) == pytest.approx((low, high), abs=1e-4)


def test_each_panel_shows_what_is_there_and_says_where_its_axis_begins():
    high, low = severity_panels(report({"blur": [0.9] * 5, "rotation": [0.5] * 5}, clean=1.0), limit=0.75)
    assert [t.label for t in high.y_ticks] == ["75%", "80%", "85%", "90%", "95%", "100%"]
    assert [t.label for t in low.y_ticks] == ["40%", "60%", "80%", "100%"]
    assert (high.axis, low.axis) == ("axis from 75%", "axis from 40%")
    ticks = {t.label: t.at for t in low.y_ticks}
    assert high.limit == high.y_ticks[0].at
    assert low.limit == pytest.approx((ticks["60%"] + 3 * ticks["80%"]) / 4, abs=0.1)
    assert low.lines[0].dots[0].y == ticks["100%"]
    assert "50.0%" in low.text


def test_a_limit_far_below_does_not_flatten_the_curve():
    (panel,) = severity_panels(report({"blur": [0.95] * 5}, clean=0.98), limit=0.3)
    assert panel.limit is None
    assert panel.y_ticks[0].label in ("85%", "90%")


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ([0.81, 0.94], 0.8, 0.95),  # the curve of which it was said that its axis began at 10%
        ([0.5], 0.45, 0.55),  # a flat line is no cliff
        ([0.999, 1.0], 0.9, 1.0),
        ([0.0, 0.01], 0.0, 0.1),
        ([0.1, 0.95], 0.0, 1.0),
        ([math.nan], 0.0, 1.0),
        ([], 0.0, 1.0),
    ],
)
def test_ticks_are_steps_around_what_is_there(values, first, last):
    ticks = axis_ticks(values)
    assert (ticks[0], ticks[-1]) == (first, last)
    assert 2 <= len(ticks) <= 6
    (step,) = {round(b - a, 3) for a, b in itertools.pairwise(ticks)}
    assert step in (0.02, 0.05, 0.1, 0.2)


def test_numbers_read_as_a_person_writes_them():
    assert [number(v) for v in (None, math.nan, -math.inf, 0.123456, -2.0)] == [
        "—",
        "not a number",
        "−∞",
        "0.1235",
        "−2",
    ]
    assert [points(v) for v in (0.1234, -0.1234, -0.0001, math.nan)] == ["+12.3", "−12.3", "0.0", "—"]
    assert [percent(v) for v in (0.9731, None, math.nan)] == ["97.3%", "—", "—"]
    written = ("2026-11-29T00:22:28+00:00", "2026-11-29T01:22:28+01:00", "yesterday")
    assert [moment(v) for v in written] == ["2026-11-29 00:22 UTC", "2026-11-29 00:22 UTC", "yesterday"]
    assert [duration(v) for v in (12.34, 75.0, 3661.0)] == ["12.3 s", "1 min 15 s", "1 h 01 min"]
