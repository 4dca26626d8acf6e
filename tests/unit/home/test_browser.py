"""The pages in a real browser, served by `augment-ops ui`: axe, narrow and wide windows, keys."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from augment_ops.settings import Settings
from support.home_state import AIRFLOW, EVIL, FIRST, MLFLOW, SECOND, WAITING

PAGES = (
    "", "runs", f"run?id={FIRST}", f"run?id={EVIL}", f"run?id={quote(WAITING)}", "questions", "policies",
    "rollouts", "drift", "costs", "compare", f"compare?before={FIRST}&after={SECOND}", "compare/policies",
    "compare/policies?before=digits-none&after=digits-robust", "nowhere",
)  # fmt: skip
WIDTHS = (320, 390, 1440, 3840)
SEVERE = ("serious", "critical")
# Elements that reach beyond the window, unless they lie in one that scrolls by itself.
_BEYOND = """() => {
  const scrolls = e => e && (e.classList.contains("scroll") || e.tagName === "PRE" || scrolls(e.parentElement));
  return [...document.querySelectorAll("body *")].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1) && !scrolls(e.parentElement) && !scrolls(e);
  }).map(e => e.outerHTML.slice(0, 200));
}"""
_FOCUSED = """() => {
  const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {text: e.textContent.trim(), tag: e.tagName, id: e.id, left: box.left, top: box.top,
          outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0};
}"""


def _environment(settings: Settings) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT_OPS_", "MLFLOW_"))}
    homes = {"AUGMENT_OPS_HOME": str(settings.home), "AUGMENT_OPS_POLICIES": str(settings.policies)}
    return kept | homes | {"MLFLOW_TRACKING_URI": MLFLOW, "AIRFLOW__API__BASE_URL": AIRFLOW}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from augment_ops.cli import main; main()", "ui", "--no-open", *words]


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    """Where `augment-ops ui` serves; ended as by Ctrl-C, which is no failure."""
    command = _command("--port", "0")
    with subprocess.Popen(command, env=_environment(settings), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: install the package chromium")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def tab(browser: Any) -> Any:
    """A tab that may be scripted, which the pages themselves are not: axe is a script."""
    return browser.new_context(bypass_csp=True).new_page()


@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_a_page_at_any_width_in_light_and_dark(address: str, tab: Any, path: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab.goto(address + path)
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        for width in WIDTHS if scheme == "light" else WIDTHS[1:3]:
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate(_BEYOND) == [], (width, scheme)
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, scheme)
            if width in WIDTHS[1:3]:
                found = axe.run(tab, options={"resultTypes": ["violations"]}).response["violations"]
                severe = [one for one in found if one["impact"] in SEVERE]
                assert [(one["id"], one["nodes"][0]["html"]) for one in severe] == [], (width, scheme)


def test_nothing_runs_and_nothing_is_loaded_from_elsewhere(address: str, browser: Any) -> None:
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    for path in PAGES[:-1]:
        page.goto(address + path)
        assert page.evaluate("window.ran") is None
    page.close()
    assert [url for url in asked if not url.startswith(address)] == []
    assert said == []


def test_a_keyboard_skips_to_the_content_and_sees_where_it_is(address: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.keyboard.press("Tab")
    first = page.evaluate(_FOCUSED)
    assert first["text"] == "To the content"
    assert first["top"] >= 0 and first["left"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.goto(address)
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(_FOCUSED))
    assert [one for one in seen if not one["outline"]] == []
    assert [one["text"] for one in seen][:3] == ["To the content", "Home", "Runs"]
    page.close()


def test_two_runs_are_chosen_and_compared_without_a_mouse(address: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{address}run?id={FIRST}")
    page.get_by_role("link", name="Compare with another run").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Second run").focus()
    page.keyboard.type("2026-11-03 13:00")  # a list is searched by typing
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?before=*&after=*")
    assert SECOND in page.url
    assert page.locator("#pictures img").count() == 2
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
    page.close()


def test_a_port_that_is_taken_is_said_with_what_to_do(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            _command("--port", port), env=_environment(settings), capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert port in done.stderr
    assert "give a free one by --port; 0 takes any" in done.stderr
