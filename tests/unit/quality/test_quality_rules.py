"""The thresholds' file: faults all at once, nothing assumed where a bound is missing, NaN never passes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from augment_ops.errors import PolicyError
from augment_ops.quality.rules import Ceiling, Floor, QualityRules, judged

_DEFAULT = Path(__file__).parents[3] / "policies" / "quality" / "default.yaml"


def _write(tmp_path: Path, **changes: object) -> Path:
    content = yaml.safe_load(_DEFAULT.read_text(encoding="utf-8"))
    for place, value in changes.items():
        section, _, check = place.partition("__")
        if value is None:
            del content[section][check]
        else:
            content[section][check] |= value  # type: ignore[operator]
    path = tmp_path / "default.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_digest_ignores_layout_and_notices_a_threshold(tmp_path: Path) -> None:
    shipped = QualityRules.load(_DEFAULT)
    assert QualityRules.load(_write(tmp_path)).digest == shipped.digest
    changed = QualityRules.load(_write(tmp_path, check_data__unreadable={"fail_above": 0.1}))
    assert changed.digest != shipped.digest


def test_all_faults_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path, check_data__unreadable={"fail_abov": 1}, check_augmented__saturated={"clipped_growth": 7})
    with pytest.raises(PolicyError) as error:
        QualityRules.load(path)
    assert {fault.where for fault in error.value.faults} == {
        "check_data.unreadable.fail_abov",
        "check_augmented.saturated.clipped_growth",
    }


def test_a_check_left_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="subject-leakage"):
        QualityRules.load(_write(tmp_path, **{"check_data__subject-leakage": None}))


@pytest.mark.parametrize("bounds", [{"warn_above": 0.5, "fail_above": 0.1}, {"warn_above": math.nan, "fail_above": 1}])
def test_bounds_that_make_no_sense_are_refused(tmp_path: Path, bounds: dict[str, float]) -> None:
    with pytest.raises(PolicyError, match=r"unreadable|finite"):
        QualityRules.load(_write(tmp_path, check_data__unreadable=bounds))


def test_file_and_name_agree(tmp_path: Path) -> None:
    path = tmp_path / "strict.yaml"
    path.write_bytes(_DEFAULT.read_bytes())
    with pytest.raises(PolicyError, match="strict"):
        QualityRules.load(path)


@pytest.mark.parametrize(
    ("rule", "measured", "status"),
    [
        (Ceiling(warn_above=1, fail_above=2), 1, "ok"),
        (Ceiling(warn_above=1, fail_above=2), 1.5, "warn"),
        (Ceiling(warn_above=1, fail_above=2), 2, "warn"),
        (Ceiling(warn_above=1, fail_above=2), 2.1, "fail"),
        (Ceiling(warn_above=1, fail_above=None), math.inf, "warn"),
        (Ceiling(warn_above=None, fail_above=None), math.nan, "fail"),
        (Floor(warn_below=2, fail_below=1), 2, "ok"),
        (Floor(warn_below=2, fail_below=1), 1, "warn"),
        (Floor(warn_below=2, fail_below=1), 0.9, "fail"),
        (Floor(warn_below=None, fail_below=None), math.nan, "fail"),
    ],
)
def test_judging(rule: Ceiling | Floor, measured: float, status: str) -> None:
    assert rule.judge(measured) == status


def test_result_shows_ten_samples_and_a_remedy_only_when_it_is_needed() -> None:
    rule = Ceiling(warn_above=0, fail_above=1)
    ids = tuple(str(i) for i in range(30))
    fine = judged("x", rule, 0, "share", "nothing found", "look", ids)
    assert (fine.message, len(fine.samples), fine.warn_at, fine.fail_at) == ("nothing found.", 10, 0, 1)
    assert judged("x", rule, 0.5, "share", "one found", "look").message == "one found; look."
