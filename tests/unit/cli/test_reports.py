"""`augment-ops runs …` and `report open`, over runs that have begun; test_pipeline.py has those that came to an end."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from augment_ops.content import canonical_json
from augment_ops.pipeline.outputs import Prepared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.run import Run, StageRecord, keep_record, now
from augment_ops.report.brief import Brief
from augment_ops.settings import Settings
from augment_ops.workspace import open_store
from support.command_line import Call


@pytest.fixture
def begun(settings: Settings) -> list[str]:
    """Ids of three runs, the newest first; the times are apart, unlike those of runs that begin in one second."""
    store, ids = open_store(settings), []
    asked = (RunParams(), RunParams(policy="digits-none", environment="staging"), RunParams(dataset="x", seed=9))
    for number, params in enumerate(asked):
        run = Run(
            id=f"cli-{number}00", params=asdict(params), actor=("ann", "bob", "ann")[number],
            started_at=f"2026-11-0{number + 1}T08:00:00+00:00", software="0", git_commit="unknown",
            link=f"http://127.0.0.1:8080/{number}",
        )  # fmt: skip
        store.put_document(f"runs/{run.id}/run.json", canonical_json(run))
        ids.insert(0, run.id)
    return ids


def test_without_runs_it_says_how_to_begin(call: Call) -> None:
    code, out, err = call("runs", "list")
    assert (code, out) == (0, "")
    assert "augment-ops run --dataset digits" in err
    assert call("runs", "list", "--json")[1] == "[]\n"
    code, _, err = call("runs", "show")
    assert (code, "there is none yet" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), ["cli-200", "cli-100", "cli-000"]), (("--limit", "1"), ["cli-200"]),
        (("--actor", "ann"), ["cli-200", "cli-000"]), (("--environment", "staging", "--actor", "bob"), ["cli-100"]),
        (("--dataset", "digits"), ["cli-100", "cli-000"]), (("--policy", "digits-none"), ["cli-100"]),
        (("--verdict", "at ingest", "--limit", "2"), ["cli-200", "cli-100"]),
        (("--verdict", "FAIL"), []), (("--policy", "fashion-robust"), []), (("--environment", "production"), []),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.usefixtures("begun")
def test_runs_are_chosen_newest_first(call: Call, words: tuple[str, ...], found: list[str]) -> None:
    assert [one["id"] for one in json.loads(call("runs", "list", "--json", *words)[1])] == found


@pytest.mark.usefixtures("begun")
def test_older_runs_are_counted(call: Call) -> None:
    code, out, err = call("runs", "list", "--limit", "2")
    assert (code, len(out.splitlines())) == (0, 4)
    assert err == "1 older ones: --limit 3 shows them as well\n"
    assert call("runs", "list", "--limit", "2", "--quiet")[2] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--verdict", "PAS", "--policy", "digits-robst"), "Did you mean PASS?"),
        (("list", "--verdict", "PAS", "--policy", "digits-robst"), "Did you mean digits-robust?"),
        (("list", "--dataset", "digit"), "Did you mean digits?"), (("show", "cli-001"), "Did you mean cli-"),
        (("show", "cli-"), "with which 3 begin"), (("compare", "cli-000", "nowhere"), "no run 'nowhere'"),
        (("open", "cli-200"), "augment-ops runs show cli-200"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
@pytest.mark.usefixtures("begun")
def test_what_is_not_there_has_a_neighbour_or_a_way_on(call: Call, words: tuple[str, ...], said: str) -> None:
    code, out, err = call("runs", *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.usefixtures("begun")
def test_a_run_that_stands_is_shown_with_the_way_on(call: Call) -> None:
    code, shown, _ = call("runs", "show", "cli-1")
    assert code == 0
    assert "augment-ops run --run-id cli-100" in shown
    assert json.loads(call("runs", "show", "latest", "--json")[1])["id"] == "cli-200"
    assert call("runs", "open", "cli-1", "--at", "driver") == (0, "http://127.0.0.1:8080/1\n", "")
    code, out, err = call("report", "open", "cli-1")
    assert (code, out) == (2, "")
    assert "augment-ops stage report --run-id cli-100" in err


@pytest.mark.usefixtures("begun")
def test_a_run_that_is_refused_leads_to_the_page_that_says_why(call: Call, settings: Settings) -> None:
    page = page_of(settings, "cli-100")
    page.parent.mkdir(parents=True)
    page.write_text("why")
    assert call("report", "open", "cli-1") == (0, f"{page.as_uri()}\n", "")
    assert [one["id"] for one in json.loads(call("runs", "list", "--verdict", "refused", "--json")[1])] == ["cli-100"]
    assert page.as_uri() in call("runs", "show", "cli-1")[1]
    assert str(page) not in call("runs", "show", "cli-2")[1]


@pytest.mark.usefixtures("begun")
def test_a_run_that_waits_for_an_answer_opens_the_report_that_it_is_decided_from(
    call: Call, settings: Settings, tmp_path: Path
) -> None:
    store, page = open_store(settings), tmp_path / "report.html"
    page.write_text("what is asked")
    brief = Brief(
        dataset="digits", version="2", champion="1", verdict="PASS", summary="It passes.", policy="p 1.0.0, approved",
        policy_before="p 1.0.0", policy_changes=(), environment="staging", started_by="ann", because="", compared=None,
        warnings=(),
    )  # fmt: skip
    kept = store.put(canonical_json(Prepared(brief=brief, asks="ml-lead", path=str(page))))
    keep_record(store, "cli-100", StageRecord("prepare_report", "k" * 64, kept, 0.1, now()))
    assert call("report", "open", "cli-1") == (0, f"{page.as_uri()}\n", "")
    listed = {one["id"]: one["outcome"] for one in json.loads(call("runs", "list", "--json")[1])}
    assert (listed["cli-100"], listed["cli-200"]) == ("waits for the answer of ml-lead", "")


@pytest.mark.usefixtures("begun")
def test_two_runs_differ_in_their_parameters(call: Call) -> None:
    found = {
        one["name"]: (one["before"], one["after"])
        for one in json.loads(call("runs", "compare", "cli-0", "cli-1", "--json")[1])
    }
    assert found["parameter policy"] == ("digits-robust", "digits-none")
    assert "parameter seed" not in found
    assert "parameter seed" in call("runs", "compare", "cli-0")[1]
