"""Samples a day of each token: one count for all who count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from augment_ops.errors import StoreError
from augment_ops.serving.quotas import Quotas

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_so_many_a_day_of_each_token_and_none_of_what_is_refused(tmp_path: Path) -> None:
    now = [NOON]
    quotas = Quotas(tmp_path / "serving" / "quotas.sqlite", 10, lambda: now[0])
    assert quotas.take("team", 11).wait_s == 12 * 3600
    assert quotas.take("team", 7).wait_s == 0
    assert quotas.take("team", 4).wait_s == 12 * 3600
    assert quotas.take("team", 3).wait_s == 0
    assert quotas.take("other", 10).wait_s == 0
    quotas.give_back("team", 2, NOON.date().isoformat())
    assert quotas.take("team", 3).wait_s > 0
    assert quotas.take("team", 2).wait_s == 0
    now[0] += timedelta(hours=12)
    assert quotas.take("team", 10).wait_s == 0
    assert quotas.take("team", 1).wait_s == 24 * 3600


def test_what_was_taken_yesterday_is_not_given_back_today(tmp_path: Path) -> None:
    now = [NOON]
    quotas = Quotas(tmp_path / "quotas.sqlite", 10, lambda: now[0])
    yesterday = quotas.take("team", 10)
    now[0] += timedelta(days=1)
    quotas.take("team", 4)
    quotas.give_back("team", 10, yesterday.day)
    assert quotas.take("team", 7).wait_s > 0
    assert quotas.take("team", 6).wait_s == 0


def test_a_replica_for_which_tomorrow_has_begun_gives_nobody_the_day_anew(tmp_path: Path) -> None:
    path = tmp_path / "quotas.sqlite"
    ahead, behind = Quotas(path, 10, lambda: NOON + timedelta(hours=13)), Quotas(path, 10, lambda: NOON)
    assert behind.take("team", 10).wait_s == 0
    assert ahead.take("team", 1).wait_s == 0
    assert behind.take("team", 1).wait_s == 12 * 3600


def test_all_who_count_count_together(tmp_path: Path) -> None:
    """As several workers do: each with a file handle of its own."""
    path = tmp_path / "quotas.sqlite"
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: Quotas(path, 50, lambda: NOON).take("team", 1).wait_s == 0, range(80)))
    assert sum(taken) == 50


def test_no_quota_counts_nothing(tmp_path: Path) -> None:
    quotas = Quotas(tmp_path / "quotas.sqlite", None)
    assert quotas.take("team", 1 << 40).wait_s == 0
    quotas.give_back("team", 1, quotas.take("team", 1).day)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_counted_is_an_error_and_no_gift(tmp_path: Path) -> None:
    path = tmp_path / "quotas.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"quotas\.sqlite"):
        Quotas(path, 10).take("team", 1)
