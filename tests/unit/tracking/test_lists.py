"""What our lists in MLflow rest on: the form of a saved view, which only the installed MLflow's page knows."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from augment_ops.tracking.lists import METRICS, TAGS, VIEW_TAG, view
from augment_ops.tracking.values import TrackedRun

RUN = TrackedRun("abc", "7", "http://127.0.0.1:5000/#/experiments/7/runs/abc?workflowType=machine_learning", "/tmp/abc")


@pytest.fixture(scope="module")
def scripts() -> list[str]:
    """The scripts of the page, without what they fetch as languages or licences."""
    spec = importlib.util.find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "server" / "js" / "build" / "static" / "js"
    return [path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.js")]


@pytest.mark.parametrize(
    "form",
    [
        r'"mlflow\.sharedViewState\."',  # the tag of a view
        r'"viewStateShareKey"',  # names it in an address
        r'"string"!==typeof i\.name\|\|"number"!==typeof i\.createdAt\|\|"string"!==typeof i\.state',  # what is in it
        r'\["selectedColumns","columnOrder"',  # what its state may say
        r'e\+"\.`"\+t\+"`"',  # how it names a column
        r'MACHINE_LEARNING="machine_learning"',  # without which every experiment is one of language models
        r'\.get\("workflowType"\)',
        r'case"FAILED":case"KILLED":return.{0,40}case"FINISHED":return',  # the mark before a run is its status alone
    ],
)
def test_the_installed_page_reads_what_we_write(scripts: list[str], form: str) -> None:
    assert any(re.search(form, script) for script in scripts), "MLflow's page changed: see docs/adr/0025"


def test_the_view_shows_what_a_person_looks_for_first() -> None:
    kept = json.loads(view())
    columns = json.loads(kept["state"])["selectedColumns"]
    assert columns[0] == "tags.`verdict`"
    assert set(columns) == {*(f"tags.`{name}`" for name in TAGS), *(f"metrics.`{name}`" for name in METRICS)}
    assert view() == view()  # a tag that changes with the clock would be written at every run


def test_a_run_leads_to_the_list_that_it_is_in() -> None:
    key = VIEW_TAG.rpartition(".")[2]
    page = "http://127.0.0.1:5000/#/experiments/7/runs"
    assert RUN.list_url == f"{page}?viewStateShareKey={key}&workflowType=machine_learning"
    assert TrackedRun("abc", "7", "mlflow:abc", "/tmp/abc").list_url == ""
