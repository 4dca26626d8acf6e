"""A run as people have it: asked for in Airflow's form, approved in its UI, looked at in MLflow, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from augment_ops.errors import ServiceError
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle.standing import standing
from augment_ops.pipeline.refused import page_of as refused_page
from augment_ops.policy.library import admit
from augment_ops.services.demo import DAG_ID
from augment_ops.workspace import Workspace

pytestmark = pytest.mark.timeout(1200)

LEAD, DEPUTY = "ml-lead", "ml-deputy"
REASON = "The warnings are about cost, not about quality."
QUESTION = "ask_approval"
POLICY, STAGING = "digits-robust", "staging"
PATIENT = "patient"  # the gate that conftest.py writes: no quick training comes near its limits
SHORT = 24  # epochs: enough to pass a patient gate against the first champion, with 8 points to spare
RUN_S = 900.0  # for a whole run on a machine that is busy with other things; an idle one takes a tenth
PAGE_MS = 30_000  # for a page to show something


def page_of(running: Any, browser: Any, user: str) -> Any:
    """A window of somebody's own, logged in as a person does."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PAGE_MS)
    # MLflow asks a browser once, with the password that the person has in Airflow.
    login = {"username": user, "password": running.password(user)}
    page = browser.new_context(viewport={"width": 1280, "height": 1100}, http_credentials=login).new_page()
    page.set_default_timeout(PAGE_MS)
    page.goto(running.airflow)
    page.get_by_role("textbox", name="Username").fill(user)
    page.get_by_label("Password").or_(page.locator("input[type=password]")).first.fill(running.password(user))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="AugmentOps")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def form(running: Any, browser: Any) -> Iterator[Any]:
    """The administrator's window with the form open."""
    from playwright.sync_api import expect

    page = page_of(running, browser, "admin")
    page.get_by_role("link", name="Dags", exact=True).click()
    page.get_by_role("link", name=DAG_ID, exact=True).first.click()
    expect(page).to_have_url(re.compile(f"/dags/{DAG_ID}$"))  # the list has a button of that name in every row
    expect(page.get_by_role("link", name="Audit Log")).to_be_visible()
    page.get_by_role("button", name="Trigger Dag").click()
    yield page
    page.context.close()


def heading(form: Any, name: str) -> Any:
    return form.get_by_role("dialog").get_by_role("button", name=name, exact=True)


def choose(form: Any, field: str, option: str) -> None:
    """Open a dropdown and take what begins so."""
    form.get_by_role("dialog").get_by_role("combobox", name=field, exact=True).click()
    form.get_by_role("option", name=re.compile(f"^{option}( |:|$)")).click()


def section(form: Any, name: str) -> Any:
    """The region below a heading of the form, opened."""
    from playwright.sync_api import expect

    button = heading(form, name)
    expect(button).to_be_visible()
    if button.get_attribute("aria-expanded") != "true":
        button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    return form.get_by_role("dialog")


def choices(form: Any, dialog: Any, field: str) -> list[str]:
    """What a dropdown offers."""
    from playwright.sync_api import expect

    dialog.get_by_role("combobox", name=field, exact=True).click()
    expect(form.get_by_role("option").first).to_be_visible()
    offered = form.get_by_role("option").all_inner_texts()
    dialog.get_by_role("heading").first.click()  # Escape would close the whole form
    expect(form.get_by_role("option")).to_have_count(0)
    return offered


def test_the_form_has_sections_descriptions_and_dropdowns(running: Any, form: Any, pictures: Any) -> None:
    from playwright.sync_api import expect

    # What everybody decides is there without a click, the data set first, with its list.
    expect(heading(form, "Run Parameters")).to_have_attribute("aria-expanded", "true")
    dialog = form.get_by_role("dialog")
    expect(dialog.get_by_text("or the path or URI of an image folder, tar")).to_be_visible()
    first = dialog.locator("[name^=element_]").first
    expect(first).to_have_attribute("name", "element_dataset")
    expect(first).to_have_value("")  # a list is shown whole where nothing stands in the field
    offered = form.locator("datalist option").evaluate_all("options => options.map(o => o.value)")
    assert offered == ["digits", str(running.settings.home / "datasets" / "photos")]
    policies = sorted(path.stem for path in (running.settings.policies / "augment").glob("*.yaml"))
    assert [shown.partition(":")[0] for shown in choices(form, dialog, "Policy")] == policies
    expect(dialog.get_by_text("Whoever triggers the run cannot approve it.")).to_be_visible()
    assert choices(form, dialog, "Environment") == ["dev", "staging", "production"]
    assert choices(form, dialog, "Approval") == ["auto: the gate alone decides", "ml-lead: a named person decides"]
    driving = "driving (suite driving): Weather, night and a dirty lens up to severity 3 do not change what is seen."
    assert driving in choices(form, dialog, "Gate")
    assert "medical: Stain, exposure" in " ".join(choices(form, dialog, "Stress suite"))
    form.screenshot(path=pictures / "form.png")
    form.set_viewport_size({"width": 390, "height": 844})
    form.screenshot(path=pictures / "form_390.png")
    form.set_viewport_size({"width": 1280, "height": 1100})

    dialog = section(form, "Data in detail")
    assert choices(form, dialog, "Delivery mode") == ["online", "nearline", "offline", "device", "auto"]
    dialog = section(form, "Training")
    expect(dialog.get_by_role("spinbutton", name="Seed")).to_have_value("7")


def test_what_cannot_end_well_is_refused_in_the_form_and_makes_no_run(running: Any, form: Any, pictures: Any) -> None:
    from playwright.sync_api import expect

    before, state = running.admin.dag_runs(DAG_ID), running.state("digits")
    dialog = section(form, "Run Parameters")
    choose(form, "Gate", "driving")
    dialog.get_by_role("button", name="Trigger", exact=True).click()
    told = dialog.get_by_test_id("error-alert")
    expect(told).to_contain_text("found driving, whose limits are for the suite driving")
    expect(told).to_contain_text("choose --suite driving, or the gate that belongs to invariances")
    told.scroll_into_view_if_needed()
    form.screenshot(path=pictures / "refused.png")
    choose(form, "Gate", "default")

    with pytest.raises(ServiceError, match=r"(?s)400 .*polcy: found unknown key.*Did you mean policy\?"):
        running.trigger(polcy="digits-none", image_size="")
    assert running.admin.dag_runs(DAG_ID) == before
    assert running.state("digits") == state


@pytest.fixture(scope="module")
def proposed(running: Any) -> None:
    """The form's default policy, put before its approvers: staging trains on no draft."""
    settings = running.settings
    if standing(Workspace(settings, "admin"), admit(settings.policies, POLICY), STAGING).proposal is None:
        acts = running.of("approve_policy")
        running.eventually(lambda: acts.admin.has_dag(acts.dag) or None, "the DAG approve_policy", RUN_S)
        with running.login(DEPUTY) as deputy:
            run = deputy.trigger(acts.dag, {"policy": POLICY}).run_id
        acts.wait_for_question(run, "ask", RUN_S)
        with running.login(LEAD) as lead:  # a proposal is enough there, and no other question is to wait
            lead.answer(acts.dag, run, "ask", "Reject", {"reason": "staging asks for no approval"})
        assert acts.wait_for_end(run, RUN_S) == "success"


@pytest.fixture(scope="module")
def asked(running: Any, form: Any, proposed: None) -> str:
    """A staging run with the form's other defaults and a person's approval, when it asks for that."""
    from playwright.sync_api import expect

    dialog = section(form, "Run Parameters")
    choose(form, "Environment", STAGING)
    choose(form, "Approval", "ml-lead")
    dialog.get_by_role("button", name="Trigger", exact=True).click()
    # Airflow may render the toast twice while it moves in.
    expect(form.get_by_text("Dag run has been successfully triggered.").first).to_be_visible()
    run = running.admin.dag_runs(DAG_ID, limit=1)[0]
    assert (run.triggered_by, run.conf["approval"], run.conf["environment"]) == ("admin", "ml-lead", STAGING)
    form.goto("about:blank")  # a page that follows a run takes a third of a core from it
    running.wait_for_question(run.run_id, QUESTION, RUN_S)
    return run.run_id


@pytest.mark.parametrize("user", ["admin", "viewer"])
def test_neither_who_triggered_the_run_nor_a_viewer_may_answer(running: Any, asked: str, user: str) -> None:
    (question,) = running.admin.questions(DAG_ID, asked)
    assert (question.assigned, question.answered_by) == ((LEAD, DEPUTY), None)

    with running.login(user) as person, pytest.raises(ServiceError, match="403"):
        person.answer(DAG_ID, asked, QUESTION, "Approve")

    assert running.admin.questions(DAG_ID, asked) == [question]
    assert running.champion("digits", STAGING) is None


def test_an_answer_without_a_reason_is_asked_for_again(running: Any, asked: str) -> None:
    """Past the form, which does not let it go."""
    with running.login(DEPUTY) as deputy:
        deputy.answer(DAG_ID, asked, QUESTION, "Reject", {"reason": " "})
    running.eventually(
        lambda: running.admin.questions(DAG_ID, asked)[0].answered_by is None or None, "no answer", RUN_S
    )
    running.wait_for_question(asked, QUESTION, RUN_S)
    assert running.tasks(asked)["approve"].tries == 0


def test_an_answer_that_was_made_up_promotes_nothing_and_the_person_is_asked_again(running: Any, asked: str) -> None:
    running.make_up(asked, QUESTION, "Approve", LEAD)

    assert running.wait_for_end(asked, RUN_S) == "failed"
    assert running.tasks(asked)["approve"].state == "failed"
    assert running.champion("digits", STAGING) is None
    (by, reason), *others = running.refusals(asked)[2:]  # after the two who were not asked
    assert (by, others) == ("admin", [])
    assert "nobody has answered it, Airflow's record says" in reason
    acts = {entry.act for entry in Ledger(running.settings.ledger).entries() if asked in entry.key}
    assert not acts & {"approve", "promote"}

    running.admin.clear(DAG_ID, asked, [QUESTION])
    running.wait_for_question(asked, QUESTION, RUN_S)


def test_a_run_whose_network_there_is_not_ends_at_once_with_a_page(running: Any, asked: str) -> None:
    """What the form does not know: it imports no networks."""
    before = running.state("digits")
    run = running.trigger(model="nowhere:network")

    assert running.wait_for_end(run, RUN_S) == "failed"

    tasks = running.tasks(run)
    assert (tasks["ingest"].state, tasks["ingest"].tries) == ("failed", 1)  # refused, so not tried again
    assert {task.state for name, task in tasks.items() if name != "ingest"} == {"upstream_failed"}
    assert "nowhere:network" in running.complaints(run)["ingest"][0]
    assert running.links(run, "ingest")["Why it stopped"].startswith(running.mlflow)
    assert "nowhere:network" in refused_page(running.settings, run).read_text()
    client = running.client()
    found = client.search_runs([client.get_experiment_by_name("augment-ops/refused").experiment_id])
    (one,) = [one for one in found if one.info.run_name == run]
    assert one.info.status == "FAILED"
    assert [entry.path for entry in client.list_artifacts(one.info.run_id, "report")] == ["report/refused.html"]
    assert running.state("digits") == before
    (question,) = running.admin.questions(DAG_ID, asked)
    assert question.answered_by is None  # a run that waits for a person holds up no other


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a person came from the first page to an approval.

    Attributes:
        clicks: of the mouse; the reason is typed.
        rows: the table that they saw beside the button, by its first column.
        question: all that stood there.
        report: address of the page that it links to.
    """

    clicks: int
    rows: dict[str, list[str]]
    question: str
    report: str


def reach(page: Any, field: Any) -> None:
    """Come to a field with the Tab key, as a person does who has their hands on the keyboard."""
    for _ in range(60):
        if field.evaluate("field => field === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail("the Tab key does not lead to the field")


@pytest.fixture(scope="module")
def answer(running: Any, browser: Any, asked: str, pictures: Any) -> Answer:
    """The lead says yes, beginning at the first page."""
    from playwright.sync_api import expect

    page = page_of(running, browser, LEAD)
    clicks = 0

    def click(found: Any) -> None:
        nonlocal clicks
        found.click()
        clicks += 1

    click(page.get_by_role("button", name=re.compile("[1-9] Required Actions")))
    question = page.get_by_role("dialog")
    click(question.get_by_role("row").filter(has_text=DAG_ID).first)
    expect(question).to_contain_text(asked)
    cells = [row.split("\t") for row in question.get_by_role("row").all_inner_texts()]
    report = question.get_by_role("link", name="Report", exact=True).get_attribute("href") or ""
    approve = question.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_disabled()  # nobody has said why
    reach(
        page, question.get_by_role("group").filter(has_text="ledger, report and MLflow keep it").get_by_role("textbox")
    )
    page.keyboard.type(REASON)
    page.screenshot(path=pictures / "approval.png")
    seen = question.inner_text()

    before = page.context.new_page()  # the page that the link leads to says that nothing is decided yet
    before.goto(report)
    frame = before.frame_locator("iframe")
    expect(frame.get_by_text("the run waits for the answer of ml-lead").first).to_be_visible()
    before.close()

    click(approve)
    running.eventually(lambda: running.admin.questions(DAG_ID, asked)[0].answered_by == LEAD or None, "an answer", 60)
    page.context.close()
    return Answer(clicks=clicks, rows={first: rest for first, *rest in cells}, question=seen, report=report)


@pytest.fixture(scope="module")
def approved(running: Any, asked: str, answer: Answer) -> str:
    """The run, at its end after the lead said yes."""
    assert running.wait_for_end(asked, RUN_S) == "success"
    return asked


def test_whoever_approves_knows_policy_change_and_risk_and_needs_three_clicks(running: Any, answer: Answer) -> None:
    assert answer.clicks <= 3
    names = ("Verdict", "Policy", "Change of policy", "Environment", "Started by", "What got worse", "Warnings")
    verdict, policy, change, environment, who, worse, warnings = (" ".join(answer.rows[name]) for name in names)
    assert verdict.startswith("PASS")
    assert policy.startswith(f"{POLICY} 1.0.0, proposed")
    assert change == "nothing to compare with: no model was champion of staging when the gate decided"
    assert environment == "staging: version 1 of digits, as its first champion"
    assert (who, bool(warnings)) == ("admin", True)
    assert re.search(r"worse than |^against ", worse)
    measured, beside = answer.rows["Clean accuracy"]  # of the candidate and of the control, with intervals
    assert re.fullmatch(r"[\d.]+% \([\d.]+% to [\d.]+%\), n = \d+", measured)
    assert "(" in beside
    assert answer.report.startswith(running.mlflow)


def test_the_approved_model_is_champion_and_the_ledger_knows_who_and_why(running: Any, approved: str) -> None:
    assert {task.state for task in running.tasks(approved).values()} == {"success"}
    state = running.state("digits")
    assert state["aliases"]["champion-staging"] == "1"
    entries = {entry.act: entry for entry in Ledger(running.settings.ledger).entries() if approved in entry.key}
    assert (entries["approve"].actor, entries["approve"].reason) == (LEAD, REASON)
    assert (entries["promote"].actor, entries["promote"].reason) == (LEAD, REASON)
    assert entries["decide"].actor == "admin"


def test_the_report_stands_on_the_run_and_with_the_mlflow_run_on_its_task(
    running: Any, browser: Any, approved: str, pictures: Any
) -> None:
    from playwright.sync_api import expect

    page = page_of(running, browser, "viewer")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(running.admin.run_url(DAG_ID, approved))
    page.get_by_role("button", name="Show Graph").click()
    page.get_by_role("button", name="Expand all task groups").click()
    # The list of tasks beside the graph may have the same link, as soon as it is loaded.
    expect(page.get_by_test_id("rf__node-train_candidate").get_by_role("link")).to_be_visible()
    page.screenshot(path=pictures / "dag.png")

    page.get_by_role("link", name="Report", exact=True).first.click()  # the tab of the run
    tab = page.frame_locator("iframe[title=Report]")
    expect(tab.get_by_text("Its links open where it stands by itself")).to_be_visible()
    told = tab.frame_locator("iframe")
    expect(told.get_by_text("Version 1 is champion of digits in staging.").first).to_be_visible()
    page.screenshot(path=pictures / "report_tab.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=pictures / "report_tab_390.png")
    page.set_viewport_size({"width": 1280, "height": 900})

    page.goto(f"{running.admin.run_url(DAG_ID, approved)}/tasks/report/details")
    expect(page.get_by_role("link", name="MLflow run", exact=True)).to_be_visible()
    link = page.get_by_role("link", name="Report", exact=True)
    expect(link).to_be_visible()

    link.click()  # Airflow opens what lies on its own site in the same tab
    expect(page).to_have_url(re.compile("/augment-ops-report/"))
    expect(page.get_by_text("lets the candidate pass").first).to_be_visible()
    expect(page.get_by_text(REASON).first).to_be_visible()
    expect(page.get_by_text("Version 1 is champion of digits in staging.").first).to_be_visible()
    expect(page.get_by_text("waits for the answer")).to_have_count(0)
    page.screenshot(path=pictures / "report.png")
    with page.expect_popup() as further:  # and its links lead on
        page.get_by_role("link", name=re.compile("^MLflow")).first.click()
    expect(further.value).to_have_url(re.compile(re.escape(running.mlflow)))
    page.context.close()


def test_mlflow_shows_metrics_and_pictures(running: Any, browser: Any, approved: str, pictures: Any) -> None:
    from playwright.sync_api import expect

    address = running.links(approved, "report")["MLflow run"]
    login = {"username": "viewer", "password": running.password("viewer")}
    page = browser.new_context(viewport={"width": 1280, "height": 900}, http_credentials=login).new_page()
    page.goto(address)
    expect(page.get_by_role("link", name="stress.candidate.rotation.accuracy")).to_be_attached()
    expect(page.get_by_role("link", name="candidate", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="PASS · digits-robust")).to_be_visible()
    lists_of(page)
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("pictures", exact=True).click()
    for name in ("contact_sheet", "confusion_candidate", "accuracy_by_severity"):
        page.get_by_text(f"{name}.png", exact=True).click()
        picture = page.get_by_role("img", name=f"pictures/{name}.png")
        expect(picture).to_be_visible()
        page.wait_for_function("picture => picture.naturalWidth > 200", arg=picture.element_handle())
    page.screenshot(path=pictures / "mlflow.png")
    page.context.close()


def lists_of(page: Any) -> None:
    """From a run to the list of all, with the columns that a person looks for; and the mark before the run."""
    from playwright.sync_api import expect

    with page.context.expect_page() as opened:  # in a tab of its own
        page.get_by_role("link", name="All runs side by side").click()
    runs = opened.value
    for column in ("verdict", "accuracy", "worst_gap", "tail_recall"):
        expect(runs.get_by_role("columnheader", name=column).first).to_be_visible()
    expect(runs.get_by_role("gridcell", name="PASS", exact=True).first).to_be_visible()
    runs.close()


@pytest.fixture(scope="module")
def next_run(running: Any, approved: str) -> str:
    """Another candidate, after the first is champion."""
    return running.trigger(seed=8, epochs=SHORT, environment=STAGING, approval="ml-lead", gate=PATIENT)


@pytest.mark.slow
def test_a_rejected_model_leaves_the_champion(running: Any, next_run: str) -> None:
    running.wait_for_question(next_run, QUESTION, RUN_S)
    before = running.champion("digits", STAGING)
    with running.login(DEPUTY) as deputy:
        deputy.answer(DAG_ID, next_run, QUESTION, "Reject", {"reason": "not before the audit"})

    assert running.wait_for_end(next_run, RUN_S) == "success"
    assert {name: running.tasks(next_run)[name].state for name in ("approve", "promote", "report")} == {
        "approve": "skipped",
        "promote": "skipped",
        "report": "success",
    }
    assert running.champion("digits", STAGING) == before == "1"
    assert running.state("digits")["aliases"] == {"champion-staging": "1", "challenger": "2"}
    rejected = f"not promoted: {DEPUTY} rejected it: not before the audit"
    assert running.admin.xcom(DAG_ID, next_run, "report")["promotion"] == rejected
    answers = [e for e in Ledger(running.settings.ledger).entries() if e.act in ("approve", "reject")]
    assert [(e.act, e.actor, e.reason) for e in answers[-1:]] == [("reject", DEPUTY, "not before the audit")]


@pytest.mark.slow
def test_clearing_every_task_of_a_finished_run_changes_nothing(running: Any, approved: str, next_run: str) -> None:
    before, tries = running.state("digits"), running.tasks(approved)

    running.clear(approved, [task for task in tries if task != QUESTION])  # a person is not asked twice

    assert running.wait_for_end(approved, RUN_S) == "success"
    assert {name for name, task in running.tasks(approved).items() if task.tries == tries[name].tries + 1} == {
        name for name in tries if name != QUESTION
    }
    assert running.state("digits") == before
    assert Ledger(running.settings.ledger).verify() == []


def test_a_conf_of_the_wrong_type_is_refused_before_a_run_exists(running: Any) -> None:
    before = running.admin.dag_runs(DAG_ID)
    for conf, name in (({"epochs": "many"}, "epochs"), ({"policy": 5}, "policy"), ({"approval": "nobody"}, "approval")):
        with pytest.raises(ServiceError, match=f"(?s)400 .*{name}"):
            running.admin.trigger(DAG_ID, conf)
    assert [run.run_id for run in running.admin.dag_runs(DAG_ID)] == [run.run_id for run in before]
