"""The home as people find it in Airflow: from its menu, behind its login, and on to report, Airflow and MLflow."""

from __future__ import annotations

import re
from typing import Any


def test_it_is_found_in_the_menu_and_asks_for_airflows_login(running: Any, browser: Any) -> None:
    from playwright.sync_api import expect

    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{running.airflow}/augment-ops/runs?state=")
    expect(page.get_by_role("heading", name="Log in first")).to_be_visible()
    page.get_by_role("link", name="Log in").click()
    page.get_by_role("textbox", name="Username").fill("viewer")
    page.get_by_label("Password").or_(page.locator("input[type=password]")).first.fill(running.password("viewer"))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/augment-ops/runs\?state=$"))  # where they wanted to go
    page.goto(running.airflow)
    page.get_by_role("button", name="Browse").click()
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="AugmentOps").click()
    expect(opened.value.get_by_role("heading", name="Champions")).to_be_visible()
    assert opened.value.url == f"{running.airflow}/augment-ops/"
    page.context.close()
