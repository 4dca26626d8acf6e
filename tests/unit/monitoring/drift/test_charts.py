"""The charts of a window's page: where bars, dots and limits are, and what is left out."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from augment_ops.monitoring.drift.charts import BOTTOM, LEFT, RIGHT, TOP, PastWindow, shares, trend
from augment_ops.monitoring.drift.detectors.base import Bin
from augment_ops.monitoring.drift.rules import EffectLimits

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = EffectLimits(warn=0.1, drift=0.25)


def windows(*effects: float) -> list[PastWindow]:
    return [PastWindow(DAY + timedelta(days=k), "ok", {"drift.mean.psi": effect}) for k, effect in enumerate(effects)]


def test_bars_stand_on_the_axis_and_the_highest_reaches_the_number_beside_it() -> None:
    long = "a name that is longer than it fits"
    chart = shares([Bin("below 3", 0.25, 0.0), Bin("3 to 4", 0.25, 0.1), Bin(long, 0.5, 0.9)])
    assert all(math.isclose(bar.y + bar.height, BOTTOM, abs_tol=0.01) for bar in chart.bars)
    assert min(bar.y for bar in chart.bars) == TOP
    assert all(bar.x >= LEFT and bar.x + bar.width <= RIGHT for bar in chart.bars)
    assert [(tick.at, tick.text) for tick in chart.y] == [(TOP, "90%"), (BOTTOM, "0%")]
    assert [(tick.at, tick.text) for tick in chart.x] == [(LEFT, "below 3"), (RIGHT, "a name that is lo…")]
    assert chart.bars[-1].title == f"{long}: window 90.0%"


def test_an_effect_lies_above_its_limit_in_the_chart_where_it_does_in_numbers() -> None:
    found = trend("drift.mean.psi", windows(0.02, 0.3, 0.2), LIMITS)
    assert found is not None
    drift, warn = (tick.at for tick in found.limits)
    low, high, between = (dot.y for dot in found.dots)
    assert TOP < high < drift < between < warn < low < BOTTOM  # upwards is less
    assert [dot.x for dot in found.dots] == [LEFT, (LEFT + RIGHT) / 2, RIGHT]
    assert [tick.text for tick in found.x] == ["03-01 00:00", "03-03 00:00"]
    assert found.dots[1].title == "2026-03-02 00:00: 0.3, window ok"
    assert len(found.lines) == 1


def test_no_line_crosses_what_was_not_measured() -> None:
    found = trend("drift.mean.psi", windows(0.02, 0.03, math.nan, 0.02, 0.04), LIMITS)
    assert found is not None
    assert [len(line.split()) for line in found.lines] == [2, 2]
    assert len(found.dots) == 4


def test_one_window_is_no_trend_and_limits_show_where_effects_are_small() -> None:
    assert trend("drift.mean.psi", windows(0.3), LIMITS) is None
    assert trend("drift.size.psi", windows(0.3, 0.4), LIMITS) is None  # measured in none of them
    small = trend("drift.mean.psi", windows(0.001, 0.002), LIMITS)
    assert small is not None
    assert TOP < small.limits[0].at < small.limits[1].at < BOTTOM


def test_labels_that_would_lie_on_each_other_are_left_out() -> None:
    found = trend("drift.mean.psi", windows(0.02, 8.0), LIMITS)
    assert found is not None
    assert [tick.text for tick in found.y] == ["0", "8"]
    assert [tick.text for tick in found.named] == ["drift"]
    assert len(found.limits) == 2


def test_the_axis_names_the_last_value_and_not_what_is_missing() -> None:
    chart = shares([Bin("below 3", 0.5, 0.5), Bin("3 to 4", 0.4, 0.4), Bin("missing", 0.1, 0.1)])
    assert [tick.text for tick in chart.x] == ["below 3", "3 to 4"]
    assert chart.x[1].at == LEFT + (RIGHT - LEFT) * 2 / 3
