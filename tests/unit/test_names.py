"""Names that somebody gave, as names of metrics, labels, folders and data sets: two that differ stay two."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_ops.data.sources.locate import kebab
from augment_ops.data.store import Store
from augment_ops.errors import InputError
from augment_ops.monitoring.drift.evidently_page import _name as page_name
from augment_ops.monitoring.telemetry.metrics import label_value
from augment_ops.names import LONGEST_DATASET, REFUSED, check_dataset, metric_name, told_apart
from augment_ops.pipeline import run as runs
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params

ORDINARY = ("7", "T-shirt", "stop sign", "a_b", "v1.2", "Ankle boot", "x" * 100)
# Each differs from its neighbours by something that one system or another does not keep.
AWKWARD = (
    "a b",
    "a_b",
    "a-b",
    "a.b",
    "a/b",
    "a:b",
    "a%b",
    "a\nb",
    "a\tb",
    "a\x00b",
    "ß",
    "ss",
    "é",
    "e\u0301",
    "è",
    "Cat",
    "cat",
    "🚀",
    "🛸",
    "猫",
    "犬",
    "x" * 250,
    "x" * 251,
    "x" * 100,
    "x" * 101,
    "..",
    ".",
    "",
    " ",
    "a ",
    "lone \udce9",
    "lone \udce8",
    "predictions",
    "<b>",
    "‹b›",
    "&",
    "＆",
    metric_name("a/b"),
    metric_name("a\nb"),
    label_value("a\nb"),
    label_value("x" * 400),
)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert metric_name(name) == label_value(name) == page_name(name) == name


@pytest.mark.parametrize("named", [metric_name, label_value, page_name, runs.folder_name])
def test_names_that_differ_stay_apart(named) -> None:
    found = {name: named(name) for name in AWKWARD}
    assert len(set(found.values())) == len(set(AWKWARD))
    assert all(len(text.encode()) <= 300 for text in found.values())


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=()), max_size=150), min_size=2, unique=True))
def test_no_two_names_meet(names: list[str]) -> None:
    for named in (metric_name, label_value, page_name):
        assert len({named(name) for name in names}) == len(names)
    for one, other in pairwise(names):  # also where one is what became of the other
        for named in (metric_name, label_value):
            assert named(named(one)) != named(other) or named(one) == other


@pytest.mark.parametrize("name", AWKWARD)
def test_mlflow_takes_every_name(name: str) -> None:
    from mlflow.utils.validation import _validate_metric

    for whole in (f"recall.candidate.{metric_name(name)}", f"drift.{metric_name(name)}.estimated-accuracy"):
        _validate_metric(whole, 0.5, 0, 0)


def test_data_sets_of_symbols_and_of_bytes_have_names_of_their_own() -> None:
    names = ["cats", "cats🚀", "cats🛸", "caf\udce9", "caf\udce8", "x" * 300, "x" * 301]
    found = {name: kebab(name) for name in names}
    assert len(set(found.values())) == len(names)
    assert all(len(name) <= LONGEST_DATASET for name in found.values())
    assert kebab("street – signs…") == kebab("Street signs") == "street-signs"  # punctuation and blanks, as ever


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "a b", "A", "ä", "-a", "a--b", "a-", ".", "a\n", "x" * (LONGEST_DATASET + 1)]
)
def test_what_is_no_name_of_a_data_set_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="kebab-case") as refused:
        check_dataset("data set", name)
    assert len(str(refused.value)) < 300
    if name:
        with pytest.raises(InputError, match="dataset_name"):
            parse_params({"dataset_name": name})


def test_the_name_of_refused_runs_is_no_data_sets() -> None:
    with pytest.raises(InputError, match="another name"):
        check_dataset("data set", REFUSED)
    with pytest.raises(InputError, match="dataset_name"):
        parse_params({"dataset_name": REFUSED})
    for folder in ("refused", "Refused!"):
        assert kebab(folder) == told_apart(REFUSED, folder, LONGEST_DATASET)
    assert kebab("refused goods") == "refused-goods"


def test_a_run_never_finds_another_runs_folder(tmp_path: Path) -> None:
    """Which a file system leads to that takes `A` for `a`, and an id that was made to look like a folder's."""
    store = Store(str(tmp_path))
    runs.begin(store, "a:b", RunParams(), "somebody")
    twin = runs.folder_name("a:b")
    assert runs.folder_name(twin) == twin
    for asked in (lambda: runs.begin(store, twin, RunParams(), "x"), lambda: runs.find(store, twin)):
        with pytest.raises(InputError, match="run a:b, which goes by the same name"):
            asked()


def test_a_hash_is_part_of_what_was_cut() -> None:
    name = told_apart("k" * 500, "whole", 50)
    assert len(name) == 50 and re.fullmatch(r"k+-[0-9a-f]{8}", name)
