"""What each page shows of a workspace, and what it says where there is nothing yet."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from augment_ops.home.champions import present_champions
from augment_ops.home.pages import environment
from augment_ops.home.sources import Sources
from augment_ops.home.web import application
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger
from support.home_state import (
    AIRFLOW,
    EVIL,
    FIRST,
    HARM,
    LOST,
    MLFLOW,
    PAGE,
    REFUSED,
    SECOND,
    STARTED,
    WAITING,
    copied,
)
from support.report_page import HOSTILE, Page
from support.visitor import ask


def shown(app: Any, path: str) -> Page:
    answer = ask(app, path)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


def links(app: Any, path: str, text: str = "") -> list[str]:
    """Addresses on a page that hold a text."""
    tags = shown(app, path).tags
    return [str(attributes["href"]) for tag, attributes in tags if tag == "a" and text in str(attributes["href"])]


def run_page(run: str) -> str:
    return f"/run?id={quote(run, safe='')}"


def test_champions_come_with_their_numbers_and_who_made_them(app: Any) -> None:
    page = shown(app, "/")
    dev, staging = page.row_with("dev"), page.row_with("staging")
    assert dev[0] == "digits version 3 dev"
    assert dev[1:3] == ["96.0% 93.0% to 98.0%, n = 451", "81.0% 78.0% to 84.0%, n = 4\u202f510"]
    assert dev[5].startswith("gate: the gate alone")
    assert staging[5].startswith("pat: ")
    assert FIRST in dev[6]
    assert FIRST in staging[6]  # the run that trained it, whoever promoted it elsewhere


def test_what_the_numbers_are_is_said_of_each_data_set_where_they_differ(settings: Settings) -> None:
    digits = present_champions(Sources(settings))
    around = {"base": "", "own": str, "kept": lambda line: False}
    page = environment().get_template("parts.html.j2").make_module(around).champions_table  # type: ignore[attr-defined]
    said = "with 95% intervals: clean is accuracy, clean, stressed is accuracy, stressed."
    assert f"As they were judged, {said}" in page(digits)
    champion = digits[0]
    assert champion.run is not None and champion.run.brief is not None and champion.run.brief.compared is not None
    compared = champion.run.brief.compared
    recall = tuple(replace(one, name=f"recall of frauds, {number}") for number, one in enumerate(compared.measured))
    brief = replace(champion.run.brief, compared=replace(compared, measured=recall))
    both = page([*digits, replace(champion, dataset="payments", run=replace(champion.run, brief=brief))])
    assert f"Of digits, as judged, {said}" in both
    assert "Of payments, as judged, with 95% intervals: clean is recall of frauds, 0, stressed is recall" in both


def test_the_best_protected_environment_is_first(app: Any) -> None:
    text = ask(app, "/").text
    assert text.index(">staging<") < text.index(">dev<")


def test_runs_have_verdict_policy_data_who_worst_gap_and_tail(app: Any) -> None:
    page = shown(app, "/runs")
    assert page.row_with(SECOND)[2:9] == [
        "✕FAIL", "digits", "digits-none 1.0.0", "staging", "grace", "20.0 points, rotation 5",
        f"66.0%, class {HOSTILE}",
    ]  # fmt: skip
    assert page.row_with(STARTED)[6].startswith("schedule because of drift: ")
    assert page.row_with(REFUSED)[2] == "✕refused"
    assert page.row_with(LOST)[2] == "✕unreadable"
    assert page.row_with(WAITING)[9] == "waits for the answer of ml-lead"


def test_each_run_leads_to_its_report_airflow_and_mlflow(app: Any) -> None:
    for path in ("/", "/runs", "/costs", run_page(FIRST)):
        assert f"/run/report?id={FIRST}" in links(app, path)
        assert f"{MLFLOW}/#/runs/{FIRST}" in links(app, path)
    for path in ("/", "/runs", "/questions", "/costs", run_page(WAITING)):
        assert f"{AIRFLOW}/dags/train_and_promote/runs/{WAITING}" in links(app, path)


def test_mlflow_has_the_report_where_it_is_not_kept_here(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    shutil.rmtree(settings.home / "reports")
    app = application(settings)
    assert links(app, run_page(FIRST), "report") == []
    assert f"{MLFLOW}/#/experiments/1/runs/{FIRST}/artifacts" in links(app, run_page(FIRST))
    assert ask(app, f"/run/report?id={FIRST}").status_code == 404


def test_a_report_is_shown_to_the_byte_and_another_one_is_not(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    app = application(settings)
    assert ask(app, f"/run/report?id={FIRST}").content == PAGE
    assert b"Refused" in ask(app, f"/run/report?id={REFUSED}").content
    assert "sandbox" in ask(app, f"/run/report?id={FIRST}").headers["content-security-policy"]
    (settings.home / "reports" / FIRST / "report.html").write_bytes(b"another")
    altered = ask(app, f"/run/report?id={FIRST}")
    assert altered.status_code == 503
    assert "another page" in altered.text


def test_lists_are_searched_by_what_runs_have(app: Any) -> None:
    found = shown(app, "/runs?state=FAIL&actor=grace&policy=digits-none")
    assert [row[0] for row in found.rows[1:]] == [SECOND]
    assert "No run answers to all of that." in ask(app, "/runs?state=FAIL&actor=ada").text
    for asked in ("state=frobnicate", "page=0", "page=2", "page=x", "page=" + "9" * 99, "actor=%00"):
        assert ask(app, f"/runs?{asked}").status_code == 404


def test_a_question_has_what_the_approver_decides_by_and_where_it_is_answered(app: Any) -> None:
    page, text = shown(app, "/questions"), ask(app, "/questions").text
    assert page.row_with("Accuracy, clean")[1:] == [
        "96.0% (93.0% to 98.0%), n = 451", "94.0%; +2.0 points (−1.0 to +5.0)",
    ]  # fmt: skip
    assert f"{AIRFLOW}/dags/train_and_promote/runs/{WAITING}/required_actions" in links(app, "/questions")
    assert "the answer of ml-lead is asked for" in text
    assert "Policy digits-none 1.0.0 is proposed" in text
    assert "Policy digits-robust 1.0.0 is proposed" not in text  # it is approved


def test_policies_have_their_state_and_approvals(app: Any) -> None:
    page = shown(app, "/policies")
    robust = page.row_with("digits-robust")
    assert "approved for production" in robust[1]
    assert robust[3].startswith("production: lea as ml-lead, until 20")
    assert page.row_with("digits-none")[1:4:2] == ["!proposed", "none"]
    assert FIRST not in page.row_with("digits-robust")[4]  # a newer one has been begun
    assert "none" in page.row_with("cells-robust")[4]


def test_drift_shows_windows_in_time_and_alerts_with_what_they_started(app: Any) -> None:
    page, text = shown(app, "/drift"), ask(app, "/drift").text
    rows = [row[1] for row in page.rows if "Brightness rose by 12%." in " ".join(row)]
    assert rows == ["✓ok", "✕drift", "!warn", "?insufficient", "✓ok"]
    assert "oldest first: ok, insufficient, warn, drift, ok" in text
    alert = next(row for row in page.rows if STARTED in " ".join(row))
    assert alert[2] == "drift"
    assert "none: it starts none" in page.row_with("No record came.")[5]


def test_costs_count_work_where_it_was_done(app: Any) -> None:
    page = shown(app, "/costs")
    assert page.row_with("ingest")[5:] == ["3", "1"]  # the second took its snapshot from the first
    assert page.row_with(FIRST)[4] == "1 min 48 s"
    assert page.row_with(SECOND)[4] == "1 min 36 s"


def test_two_runs_stand_side_by_side_with_intervals_and_pictures(app: Any) -> None:
    path = f"/compare?before={FIRST}&after={SECOND}"
    page, text = shown(app, path), ask(app, path).text
    assert page.row_with("verdict")[1:3] == ["✓PASS", "✕FAIL"]
    assert page.row_with("rotation, severity 5")[1].startswith("76.0% 66.2% to 83.6%, n = 90")
    pictures = [str(of["src"]) for tag, of in page.tags if tag == "img"]
    assert pictures == [f"/run/pictures.png?id={FIRST}", f"/run/pictures.png?id={SECOND}"]
    assert ask(app, pictures[0]).content != ask(app, pictures[1]).content
    assert "They answered different frozen samples" in text
    assert "They answered different" not in ask(app, f"/compare?before={FIRST}&after={quote(WAITING)}").text
    bars = [of for tag, of in page.tags if tag == "line" and "whole" in str(of["class"])]
    assert all(0 <= float(str(of["x1"])) <= float(str(of["x2"])) <= 100 for of in bars)
    assert len(bars) == 6


def test_runs_that_were_not_measured_are_compared_as_far_as_they_came(app: Any) -> None:
    text = ask(app, f"/compare?before={FIRST}&after={LOST}").text
    assert "Both under stress" not in text
    assert "No samples were augmented yet." in text


def test_two_policies_stand_side_by_side_with_their_newest_runs(app: Any) -> None:
    text = ask(app, "/compare/policies?before=digits-none&after=digits-robust").text
    assert "+ transforms" in text
    assert f"/run?id={SECOND}" in text
    assert "Both under stress" in text
    same = ask(app, "/compare/policies?before=digits-robust&after=digits-robust/1.0.0").text
    assert "Nothing that counts differs" in same
    assert ask(app, "/compare/policies?before=digits-none&after=../../etc/passwd").status_code == 404


def test_a_policy_that_was_changed_since_has_no_run_with_its_content(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    file = settings.policies / "augment" / "digits-none.yaml"
    file.write_text(file.read_text().replace("p95_ms: ", "p95_ms: 1"))
    text = ask(application(settings), "/compare/policies?before=digits-none&after=digits-robust").text
    assert "No run has trained with exactly this content" in text


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    home = tmp_path_factory.mktemp("empty") / "var"
    policies = tmp_path_factory.mktemp("policies")
    for name in ("approvers.yaml", "environments.yaml"):
        shutil.copy(Settings.from_environment({}).policies / name, policies)
    there = {"AUGMENT_OPS_HOME": str(home), "AUGMENT_OPS_POLICIES": str(policies)}
    return application(Settings.from_environment(there)), home


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "augment-ops run --dataset digits"),
        ("/runs", "augment-ops run --dataset digits"),
        ("/questions", "No run waits for anybody."),
        ("/policies", "augment-ops policy import"),
        ("/drift", "augment-ops drift digits"),
        ("/costs", "augment-ops run --dataset digits"),
        ("/compare", "augment-ops run --dataset digits"),
        ("/compare/policies", "augment-ops policy import"),
    ],
)
def test_where_there_is_nothing_yet_a_page_says_what_to_do_first(empty: tuple[Any, Path], path: str, said: str) -> None:
    app, home = empty
    answer = ask(app, path)
    assert answer.status_code == 200
    assert said in answer.text
    assert not home.exists()  # whoever only looks makes nothing


def test_what_comes_later_is_seen_without_a_restart(settings: Settings, tmp_path: Path) -> None:
    settings = copied(settings, tmp_path)
    app = application(settings)
    assert STARTED in ask(app, "/").text
    shutil.rmtree(Path(settings.store) / "documents" / "runs" / EVIL)
    assert EVIL not in ask(app, "/").text
    new = json.loads((Path(settings.store) / "documents" / "runs" / FIRST / "run.json").read_bytes())
    folder = Path(settings.store) / "documents" / "runs" / "new"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(new | {"id": "new", "started_at": "2026-12-01T00:00:00+00:00"}))
    open_ledger(replace(settings, mlflow_uri="")).append(
        "promote", "gate", {"version": "digits/4", "environment": "dev", "previous": "3"}, "better", "new:promote"
    )
    page = shown(app, "/")
    assert page.row_with("digits version 4")[0] == "digits version 4 dev"
    assert next(row for row in page.rows if row[0] == "new")[2] == "–at ingest"


def test_a_rollout_shows_its_steps_and_how_its_intervals_have_narrowed(app: Any) -> None:
    page = shown(app, "/rollouts")
    assert page.row_with("shadow")[:3] == ["shadow", "shadow of 100%", "200"]
    assert [page.row_with(name)[4] for name in ("shadow", "half")] == ["✓passed", "!runs"]
    text = ask(app, "/rollouts").text
    assert "version 4 beside champion version 3" in text
    assert HARM not in text
    assert text.count("<polygon") == 2  # agreement and errors; no label has come
    assert "Agreement in the shadows is" in text
    (agreement, _) = re.findall(r'<polyline class="estimate" points="([^"]+)"', text)
    assert len(agreement.split(" ")) == 3  # at 100 and 200 answers, and as the next step began
    assert "rollout began step 1" in text
