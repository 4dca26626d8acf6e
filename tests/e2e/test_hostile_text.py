"""A policy that would imitate our links and load pictures from elsewhere, as a real browser shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from augment_ops import shown
from augment_ops.errors import ServiceError
from augment_ops.tracking import connect

pytestmark = pytest.mark.timeout(900)

DAG, POLICY = "approve_policy", "hostile-text"
LEAD, DEPUTY = "ml-lead", "ml-deputy"
EVIL = "evil.example"
TEXT = (
    f"![p](https://{EVIL}/p.png) [Gallery and costs in MLflow](https://{EVIL}/) <img src=https://{EVIL}/i.png "
    f"onerror=window.ran=1> <script>window.ran=1</script> https://{EVIL}/auto www.{EVIL} me@{EVIL} "
    "<a href=javascript:window.ran=1>x</a> \u202egnp.elif\u202c **bold**"
)
LINES = f"# Approve this\n\n| a |\n|---|\n| ![p](https://{EVIL}/t.png) |\n\n[a]: https://{EVIL}/ref\n\n[a]"
RUN_S = 600.0
PAGE_MS = 30_000


@pytest.fixture(scope="module")
def hostile(running: Any) -> Iterator[Any]:
    """The stack with that policy among its own."""
    folder = running.settings.policies / "augment"
    policy = yaml.safe_load((folder / "digits-robust.yaml").read_text())
    policy |= {"name": POLICY, "description": f"{TEXT}\n{LINES}", "limitations": [TEXT, LINES], "owner": "nobody"}
    path = folder / f"{POLICY}.yaml"
    path.write_text(yaml.safe_dump(policy))
    running.eventually(lambda: running.of(DAG).admin.has_dag(DAG) or None, f"the DAG {DAG}", RUN_S)
    yield running.of(DAG)
    path.unlink()


@pytest.fixture(scope="module")
def asked(hostile: Any) -> str:
    """The run that asks the lead, as soon as the DAG knows the policy."""

    def ask() -> str | None:
        with hostile.login(DEPUTY) as deputy:
            try:
                return deputy.trigger(DAG, {"policy": POLICY}).run_id
            except ServiceError:  # the form's choices are read anew every ten seconds
                return None

    run = hostile.eventually(ask, f"{POLICY} among the choices", 120)
    hostile.wait_for_task(run, "ask", {"awaiting_input"}, RUN_S)
    return run


@pytest.fixture
def page(running: Any, browser: Any) -> Iterator[Any]:
    """A window that keeps what it asks for; nothing but the stack may be asked."""
    mlflow = {"username": LEAD, "password": running.password(LEAD), "origin": running.mlflow}
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, http_credentials=mlflow)
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    page.asked_for = []
    page.on("request", lambda request: page.asked_for.append(request.url))
    yield page
    context.close()


def login(page: Any, running: Any, user: str) -> None:
    page.goto(running.airflow)
    page.get_by_role("textbox", name="Username").fill(user)
    page.get_by_label("Password").or_(page.locator("input[type=password]")).first.fill(running.password(user))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="AugmentOps").wait_for()


def assert_harmless(page: Any) -> None:
    """No request has left, no script has run, no link leads elsewhere by what somebody wrote."""
    page.wait_for_load_state("load")  # not "networkidle": both ask for news for ever
    hosts = {urlsplit(url).hostname for url in page.asked_for if url.startswith("http")}
    assert hosts == {"127.0.0.1"}
    assert page.evaluate("window.ran") is None
    leads = page.evaluate("[...document.querySelectorAll('[href],[src]')].map(e => String(e.href || e.src))")
    assert [url for url in leads if EVIL in url or "javascript:" in url] == []
    assert page.locator(f"img[src*='{EVIL}']").count() == 0


def test_airflows_question_is_text_with_one_link_of_ours(hostile: Any, asked: str, page: Any) -> None:
    login(page, hostile, LEAD)
    page.goto(f"{hostile.admin.run_url(DAG, asked)}/tasks/ask/required_actions")
    link = page.get_by_role("link", name="Gallery and costs in MLflow")
    link.wait_for()
    assert link.count() == 1
    assert link.get_attribute("href").startswith(hostile.mlflow)
    body = page.inner_text("body")
    assert f"![p](https[:]//{EVIL}/p.png)" in body
    assert "**bold**" in body
    assert "⟨U+202E⟩gnp.elif" in body
    assert_harmless(page)


def test_mlflows_pages_are_text(hostile: Any, asked: str, page: Any) -> None:
    page.goto(f"{hostile.mlflow}/#/models/policy.{POLICY}/versions/1")
    page.get_by_role("link", name="Gallery and costs").wait_for()
    body = page.inner_text("body")
    assert f"https[:]//{EVIL}/p.png" in body
    assert_harmless(page)


def test_mlflows_note_of_a_failed_run_is_text(hostile: Any, page: Any) -> None:
    """As `Context.failures` and the report write it."""
    block = shown.markdown_block(f"{TEXT}\n```\n{LINES}")
    note = f"**ingest failed**\n\n{block}\n\n{shown.markdown(TEXT)}"
    run = connect(hostile.mlflow).open_run("hostile", "run-1", tags={"mlflow.note.content": note})
    page.goto(run.url)
    page.get_by_text("ingest failed").first.wait_for()
    assert f"https[:]//{EVIL}/p.png" in page.inner_text("body")
    assert_harmless(page)


def test_the_login_is_a_cookie_that_no_script_reads(running: Any, page: Any) -> None:
    login(page, running, LEAD)
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "_token"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert "_token" not in page.evaluate("document.cookie")


@pytest.mark.parametrize("service", ["airflow", "mlflow"])
def test_a_name_that_was_bent_to_this_machine_is_not_answered(running: Any, service: str) -> None:
    address = getattr(running, service)
    path = "/api/v2/version" if service == "airflow" else "/api/2.0/mlflow/experiments/get?experiment_id=0"
    headers = {"Host": f"{EVIL}:{urlsplit(address).port}"}
    assert httpx.get(f"{address}{path}", headers=headers, trust_env=False).status_code == 403


def test_passwords_are_not_guessed_at_full_speed(running: Any) -> None:
    address = f"{running.airflow}/auth/token"
    wrong = [
        httpx.post(address, json={"username": "guessed", "password": str(n)}, trust_env=False).status_code
        for n in range(8)
    ]
    assert wrong.count(401) < 8
    assert wrong[-1] == 429
    with running.login(LEAD) as lead:  # somebody else is not held up
        assert lead.token()
