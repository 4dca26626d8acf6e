"""Constraints of a table's columns: each kind of violation is counted, named by column and rule, and all at once."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import NotInstalled, PolicyError
from augment_ops.modalities.tabular import constraint_checks
from augment_ops.modalities.tabular.constraints import Constraints
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.data_checks import check_samples
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT
from support.places import POLICIES, ROOT
from support.tables import SCHEMA

N = 200
ROWS = np.stack([np.arange(N) + 0.5, np.arange(N) % 24, np.arange(N) % 3], axis=1).astype(float)
AMOUNT, HOUR, KIND = range(3)
IDS = [f"r{i}" for i in range(N)]
COLUMNS = {
    "amount": {"dtype": "float", "unique": True, "checks": {"greater_than": 0, "less_than_or_equal_to": 1000}},
    "hour": {"dtype": "int", "checks": {"greater_than_or_equal_to": 0, "less_than": 24}},
    "kind": {"dtype": "str", "nullable": True, "checks": {"isin": ["card", "cash", "transfer"]}},
}
NONE = {"warn_above": 0, "fail_above": 0}


def rules(**changes: object) -> QualityRules:
    asked = Constraints.model_validate({**NONE, "columns": COLUMNS, **changes})
    loaded = QualityRules.load(POLICIES / "quality" / "transactions.yaml")
    stages = (loaded.check_data, loaded.check_augmented)
    data, augmented = (
        stage.model_copy(update=dict.fromkeys(stage.asked) | {"constraint_violations": asked}) for stage in stages
    )
    return loaded.model_copy(update={"check_data": data, "check_augmented": augmented})


def of_data(rows: np.ndarray, **changes: object) -> CheckResult:
    index = pd.DataFrame(
        {"sample_id": IDS, "label": 0, "split": "train", "subject": None, "time": None, "defect": None}
    )
    index = index.assign(row=np.arange(N), **{CONTENT: IDS})
    (check,) = check_samples(index, ArrayPayload(rows), ("a",), rules(**changes), schema=SCHEMA.content())
    return check


def of_augmented(rows: np.ndarray, **changes: object) -> CheckResult:
    labels = np.zeros(N, np.int64)
    (check,) = check_augmented(
        ROWS, rows, IDS, labels, ROWS[:5], rules(**changes), "plan", schema=SCHEMA.content()
    ).checks
    return check


def changed(*cells: tuple[int, int, float]) -> np.ndarray:
    rows = ROWS.copy()
    for row, column, value in cells:
        rows[row, column] = value
    return rows


def test_rows_as_they_should_be_have_no_violation() -> None:
    assert (of_data(ROWS).status, of_data(ROWS).measured) == ("ok", 0)
    assert (of_augmented(ROWS).status, of_augmented(ROWS).measured) == ("ok", 0)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([(3, AMOUNT, -1)], "amount greater_than(0.0): 1 (r3 has -1.0)"),
        ([(3, AMOUNT, 0), (9, AMOUNT, -2)], "amount greater_than(0.0): 2 (r3 has 0.0, r9 has -2.0)"),
        ([(4, AMOUNT, 1000.01)], "amount less_than_or_equal_to(1000.0): 1 (r4 has 1000.01)"),
        ([(5, HOUR, 1.5)], "hour int: 1 (r5 has 1.5)"),
        ([(6, HOUR, 24)], "hour less_than(24.0): 1 (r6 has 24.0)"),
        ([(7, HOUR, np.nan)], "hour not_nullable: 1 (r7 has nothing)"),
        ([(8, KIND, -1)], "kind isin(['card', 'cash', 'transfer']): 1 (r8 has '?')"),
        ([(8, KIND, np.nan)], ""),
    ],
)
def test_each_violation_is_named_by_column_rule_count_and_row(cells: list, found: str) -> None:
    for check in (of_data(changed(*cells)), of_augmented(changed(*cells))):
        assert found in check.message
        assert check.status == ("fail" if found else "ok") and check.samples == (
            tuple(IDS[c[0]] for c in cells) if found else ()
        )


def test_every_violation_is_told_at_once() -> None:
    check = of_data(changed((1, AMOUNT, -1), (2, HOUR, 99), (3, KIND, -1), (3, HOUR, np.nan)))
    assert check.measured == 4 and "4 violations of 3 columns' constraints in 200 rows" in check.message
    for found in ("amount greater_than", "hour less_than", "kind isin", "hour not_nullable"):
        assert found in check.message


def test_a_value_that_stands_twice_is_found_across_parts_and_is_no_fault_of_augmented_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constraint_checks, "_ROWS_AT_ONCE", 64)
    rows = changed((150, AMOUNT, 3.5))
    check = of_data(rows)
    assert check.measured == 1 and "amount unique: 1 (r150 has 3.5)" in check.message
    assert of_augmented(rows).measured == 0
    missing = {**COLUMNS, "amount": {"dtype": "float", "unique": True, "nullable": True}}
    assert of_data(changed((7, AMOUNT, np.nan), (150, AMOUNT, np.nan)), columns=missing).measured == 0
    assert "r190 has -7.0" in of_data(changed((190, AMOUNT, -7))).message  # a row of a later part has its own name


def test_columns_are_compared_in_each_row_that_has_both() -> None:
    relation = {"column": "hour", "check": "less_than_or_equal_to", "of": "amount"}
    rows = ROWS[:, [AMOUNT, HOUR, KIND]].copy()
    rows[:, AMOUNT] += 24
    rows[5, AMOUNT], rows[6, AMOUNT] = 1.0, 2.0
    check = of_data(rows, relations=[relation])
    assert check.measured == 2 and "hour less_than_or_equal_to amount: 2 (r5, r6)" in check.message
    rows[5, HOUR] = np.nan
    missing = {**COLUMNS, "hour": {"dtype": "int", "nullable": True}}
    assert of_data(rows, relations=[relation], columns=missing).measured == 1


def test_a_column_that_is_missing_of_another_kind_or_too_many_is_a_violation_of_every_row() -> None:
    lacking = of_data(ROWS, columns={**COLUMNS, "balance": {"dtype": "float"}})
    assert lacking.measured == N and "balance is not there: 200" in lacking.message
    other = of_data(ROWS, columns={**COLUMNS, "kind": {"dtype": "float", "nullable": True}})
    assert other.measured == N and "kind dtype('float64'): 200" in other.message
    assert of_data(ROWS, columns={"amount": COLUMNS["amount"]}).measured == 0
    strict = of_data(ROWS, columns={"amount": COLUMNS["amount"]}, strict=True)
    assert strict.measured == 2 * N and "hour is not among the columns named" in strict.message
    both = [{"column": "amount", "check": "less_than", "of": "balance"}]
    assert of_data(ROWS, columns={**COLUMNS, "balance": {"dtype": "float"}}, relations=both).measured == N


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"columns": {}}, "columns"),
        ({"columns": {"a": {"dtype": "date"}}}, "columns.a.dtype"),
        ({"columns": {"a": {"dtype": "str", "checks": {"less_than": 3}}}}, "isin or notin"),
        ({"columns": {"a": {"dtype": "float", "checks": {"isin": ["x"]}}}}, "texts for a str"),
        ({"columns": {"a": {"dtype": "float", "checks": {"lower_than": 3}}}}, "lower_than"),
        ({"relations": [{"column": "amount", "check": "less_than", "of": "kind"}]}, "unlike kind"),
        ({"relations": [{"column": "amount", "check": "less_than", "of": "limit"}]}, "unlike limit"),
    ],
)
def test_a_file_that_asks_for_what_there_is_not_is_refused(tmp_path: Path, change: dict, found: str) -> None:
    content = yaml.safe_load((POLICIES / "quality" / "transactions.yaml").read_text())
    asked = {**NONE, "columns": COLUMNS}
    (tmp_path / "transactions.yaml").write_text(yaml.safe_dump(content))
    before = QualityRules.load(tmp_path / "transactions.yaml")
    assert "constraint_violations" not in before.check_data.asked and before.digest
    content["check_data"]["constraint-violations"] = {**asked, **change}
    (tmp_path / "transactions.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(PolicyError, match=r"transactions\.yaml") as caught:
        QualityRules.load(tmp_path / "transactions.yaml")
    assert found in str(caught.value)


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-own-data.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(check_data:.*?)```", page, re.DOTALL)
    shipped = yaml.safe_load((POLICIES / "quality" / "transactions.yaml").read_text())
    for stage, asked in yaml.safe_load(example).items():
        shipped[stage] |= asked
    (tmp_path / "transactions.yaml").write_text(yaml.safe_dump(shipped))  # the same columns twice, as an alias of YAML
    loaded = QualityRules.load(tmp_path / "transactions.yaml")
    for rule in (loaded.check_data, loaded.check_augmented):
        assert rule.asked["constraint_violations"].columns["NIGHT"].dtype == "int"


def test_whoever_lacks_pandera_is_told_which_extra_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.extras.find_spec", lambda module: None)
    with pytest.raises(NotInstalled, match="no pandera in this environment"):
        of_data(ROWS)
