from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.modalities.tabular.checks import CHECKS
from augment_ops.modalities.tabular.columns import summary
from augment_ops.modalities.tabular.constraints import Constraints
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.data_checks import check_samples
from augment_ops.quality.rules import Ceiling, QualityRules
from augment_ops.quality.samples import CONTENT
from support.places import POLICIES
from support.tables import SCHEMA, rows_of

RULES = QualityRules.load(POLICIES / "quality" / "transactions.yaml")
LATER = {"target_leakage"}  # checks that the shipped rules do not ask for
ASKING = RULES.model_copy(
    update={"check_data": RULES.check_data.model_copy(update={"target_leakage": Ceiling(warn_above=0, fail_above=0)})}
)
LATER |= {"constraint_violations"}  # of a table's own columns
CONSTRAINTS = Constraints.model_validate(
    {"warn_above": 0, "fail_above": 0, "columns": {"amount": {"dtype": "float", "nullable": True}}}
)
ASKING = ASKING.model_copy(
    update={"check_data": ASKING.check_data.model_copy(update={"constraint_violations": CONSTRAINTS})}
)
# The checks of augmented rows that came later have their tests in test_planted_failures.
FIRST = ("feature_skew", "missing_values", "constant_columns", "out_of_training_range", "identical", "held_out_leakage")
BEFORE = RULES.model_copy(
    update={
        "check_augmented": RULES.check_augmented.model_copy(
            update={field: None for field in CHECKS.augmented if field not in FIRST}
        )
    }
)
N = 900
ROWS = rows_of(N, missing=0.02)
AMOUNT, HOUR, KIND = range(3)


def index_of(**changes) -> pd.DataFrame:
    parts = ["train"] * 600 + ["validation"] * 100 + ["test"] * 200
    table = {
        "sample_id": [f"r{i}" for i in range(N)],
        "label": (np.arange(N) % 2 == 0).astype(np.int64),
        "split": parts,
        "subject": [f"c{i % 250}" for i in range(N)],
        "time": np.arange(N, dtype=float),
        "defect": None,
        "row": np.arange(N),
        CONTENT: [f"{i:064x}" for i in range(N)],
    }
    return pd.DataFrame({**table, **changes})


def measured(rows: np.ndarray = ROWS, rules: QualityRules = RULES, **changes) -> dict:
    found = check_samples(index_of(**changes), ArrayPayload(rows), ("genuine", "fraud"), rules, schema=SCHEMA.content())
    return {check.name: check for check in found}


def test_a_table_in_order_passes_every_check():
    found = measured()
    assert {name: check.status for name, check in found.items() if check.status != "ok"} == {}
    assert list(found) == [name.replace("_", "-") for name in CHECKS.data if name not in LATER]


def test_checks_that_came_later_are_done_where_a_file_asks_for_them():
    found = measured(rules=ASKING)
    assert list(found) == [name.replace("_", "-") for name in CHECKS.data]
    assert {name: check.status for name, check in found.items() if check.status != "ok"} == {}


def test_columns_that_tell_the_class_by_themselves_are_named():
    fraud = np.arange(N) % 2 == 0

    def leaking(rows: np.ndarray, **changes):
        found = measured(rows, ASKING, **changes)["target-leakage"]
        return found.measured, found.status, found.message

    rows = ROWS.copy()
    rows[:, AMOUNT], rows[:, KIND] = np.where(fraud, 20.0, -3.0), np.where(fraud, 1, np.arange(N) % 4 - 1)  # 1; 0 and 2
    rows[600:] = ROWS[600:]  # what is not in train does not count
    assert leaking(rows)[:2] == (2, "fail") and "amount, kind" in leaking(rows)[2]
    rows[:600, HOUR] = np.where(fraud[:600], np.nan, 7)  # a cell that only one class has
    assert leaking(rows)[0] == 3
    rows[1, HOUR] = np.nan
    assert leaking(rows)[0] == 2
    rows[:2, AMOUNT], rows[3, KIND] = 20.0, 1  # one row is enough
    assert leaking(rows)[0] == 0
    assert np.isnan(leaking(rows, label=0)[0]) and leaking(rows, label=0)[1] == "fail"


def test_rows_of_no_class_that_equal_a_row_of_one_are_caught():
    index = index_of()
    index.loc[::3, ["split", "label"]] = "out-of-scope", -1
    content = index[CONTENT].copy()
    content[3 * np.arange(20)] = content[3 * np.arange(20) + 1].to_numpy()
    same = dict(index[["split", "label"]])
    assert measured(**same)["out-of-scope-conflict"].measured == 0
    check = measured(**same, **{CONTENT: content})["out-of-scope-conflict"]
    assert check.status == "fail" and check.measured == pytest.approx(20 / 300)
    assert "20 of 300 samples out of scope have the values of a sample of a class" in check.message


def test_missing_values_are_measured_in_the_worst_column_of_train():
    rows = ROWS.copy()
    rows[:597, HOUR] = np.nan
    rows[600:, AMOUNT] = np.nan  # not train
    found = measured(rows)["missing-values"]
    assert found.status == "fail" and found.measured == pytest.approx(np.isnan(rows[:600, HOUR]).mean())
    assert "'hour'" in found.message


def test_a_column_of_one_value_in_train_is_named():
    rows = ROWS.copy()
    rows[:600, KIND] = 1
    found = measured(rows)["constant-columns"]
    assert (found.status, found.measured) == ("warn", 1) and "kind" in found.message


def test_what_train_has_nothing_like_is_measured_in_test():
    rows = ROWS.copy()
    rows[700:750, AMOUNT] = 1e6
    found = measured(rows)["out-of-training-range"]
    assert found.status == "fail" and found.measured == pytest.approx(0.25, abs=0.01) and "'amount'" in found.message
    unknown = ROWS.copy()
    unknown[:600, KIND][unknown[:600, KIND] == 2] = 0
    assert "'kind'" in measured(unknown)["out-of-training-range"].message


def test_rows_that_come_too_late_are_counted():
    times = np.arange(N, dtype=float)
    times[:7], times[610] = 10_000, 20_000
    found = measured(time=times)["time-order"]
    assert found.status == "fail" and found.measured == pytest.approx(8 / 700)
    assert set(found.samples) == {*(f"r{i}" for i in range(7)), "r610"}


def test_rows_of_one_moment_on_both_sides_are_out_of_order():
    times = np.arange(N, dtype=float)
    times[599] = times[600]
    assert measured(time=times)["time-order"].measured == pytest.approx(1 / 700)


def test_a_table_without_times_has_no_order():
    found = measured(time=np.nan)["time-order"]
    assert (found.status, found.measured) == ("ok", 0) and "no time" in found.message


def test_known_subjects_are_measured_and_no_fault():
    found = measured()["subjects-seen-before"]
    assert found.status == "ok" and found.measured == 1 and "200 of 200" in found.message
    new = [f"c{i % 250}" if i < 700 else f"new{i}" for i in range(N)]
    assert measured(subject=new)["subjects-seen-before"].measured == 0


def test_without_rows_nothing_has_passed():
    found = measured(row=-1)
    for name in ("missing-values", "constant-columns", "out-of-training-range"):
        assert found[name].status != "ok" and np.isnan(found[name].measured), name


def augmented(change, held_out: np.ndarray | None = None, originals: np.ndarray = ROWS, rules=BEFORE) -> dict:
    out = originals.copy()
    change(out)
    report = check_augmented(
        originals, out, [f"r{i}" for i in range(len(originals))], np.zeros(len(originals), np.int64),
        ArrayPayload(rows_of(50, seed=7) if held_out is None else held_out), rules, "plan", schema=SCHEMA.content(),
    )  # fmt: skip
    return {check.name: check for check in report.checks}


def test_small_changes_pass():
    def jitter(rows):
        rows[:, AMOUNT] *= np.where(np.arange(N) % 2, 1.01, 0.99)

    found = augmented(jitter)
    assert list(found) == [name.replace("_", "-") for name in FIRST], "a file of before is read, and asks for no more"
    assert {name: check.status for name, check in found.items() if check.status != "ok"} == {}


def test_a_column_that_moves_is_skewed():
    def shift(rows):
        rows[:, HOUR] += 5

    found = augmented(shift)["feature-skew"]
    spread = np.nanstd(ROWS[:, HOUR])
    assert found.status == "fail" and found.measured == pytest.approx(5 / spread, rel=0.05)
    assert "'hour'" in found.message


def test_an_average_that_cannot_be_computed_is_no_average_that_stayed():
    def explode(rows):
        rows[:, AMOUNT] = np.where(np.arange(N) % 2, 1.7e308, -1.7e308) * np.inf

    with np.errstate(invalid="ignore"):
        assert augmented(explode, rules=RULES)["feature-skew"].status == "fail"  # and no other check falls over it


def test_values_that_were_lost_are_counted():
    def lose(rows):
        rows[:9, AMOUNT] = np.nan

    assert augmented(lose)["missing-values"].measured == pytest.approx((~np.isnan(ROWS[:9, AMOUNT])).sum() / N)


def test_a_column_that_became_constant_is_named():
    def flatten(rows):
        rows[:, KIND] = 1

    assert "kind" in augmented(flatten)["constant-columns"].message
    assert augmented(flatten)["constant-columns"].status == "fail"


def test_values_beyond_the_originals_are_counted():
    def beyond(rows):
        rows[:90, AMOUNT] = 1e6
        rows[90:180, KIND] = -1

    assert augmented(beyond)["out-of-training-range"].measured == pytest.approx(0.2)


def test_held_out_rows_are_found_by_content_with_missing_values_and_minus_zero():
    rows = ROWS.copy()
    rows[3] = [0.0, np.nan, 1.0]
    held_out = rows[:5].copy()
    held_out[3, 0] = -0.0
    found = augmented(lambda out: None, held_out, rows)["held-out-leakage"]
    assert found.measured == pytest.approx(5 / N) and set(found.samples) == {"r0", "r1", "r2", "r3", "r4"}


def test_a_summary_of_parts_is_that_of_the_whole():
    whole = summary(SCHEMA, [ROWS])
    parts = summary(SCHEMA, np.array_split(ROWS, 7))
    assert np.array_equal(whole.missing, parts.missing) and whole.rows == parts.rows
    assert np.array_equal(whole.least, parts.least) and np.array_equal(whole.most, parts.most)
    assert np.array_equal(whole.known[KIND], parts.known[KIND])


def test_every_check_has_its_thresholds():
    assert RULES.modality == "tabular"
    assert list(CHECKS.data_rules.model_fields) == list(CHECKS.data)
    assert list(CHECKS.augmented_rules.model_fields) == list(CHECKS.augmented)
