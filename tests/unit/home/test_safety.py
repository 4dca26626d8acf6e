"""What the pages do with words that mean harm, with other sites, and with whoever tries to write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from fastapi import Depends, HTTPException

from augment_ops.content import sha256_hex
from augment_ops.home.web import application
from augment_ops.settings import Settings
from support.home_state import AIRFLOW, EVIL, FIRST, HARM, LOST, MLFLOW, SECOND, WAITING, copied
from support.report_page import Page
from support.visitor import ask

PAGES = (
    "/", "/runs", f"/runs?actor={quote(HARM)}", f"/run?id={EVIL}", f"/run?id={quote(WAITING)}", f"/run?id={LOST}",
    "/questions", "/policies", "/drift", "/costs", "/compare", f"/compare?before={EVIL}&after={FIRST}",
    "/compare/policies", "/compare/policies?before=evil&after=digits-robust",
)  # fmt: skip
FILES = (f"/run/report?id={FIRST}", f"/run/pictures.png?id={FIRST}", "/style.css")


@pytest.mark.parametrize("path", PAGES)
def test_what_others_wrote_is_text_and_leads_nowhere(app: Any, path: str) -> None:
    """Data sets, policies, versions, owners, people, reasons, alerts, windows, and the address of a driver."""
    answer = ask(app, path)
    assert answer.status_code == 200
    for tag, attributes in Page(answer.text).tags:
        assert tag not in ("script", "iframe", "object", "style", "base")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        addresses = [str(attributes[name]) for name in ("href", "src", "action") if name in attributes]
        assert [one for one in addresses if not one.startswith(("/", "#", f"{MLFLOW}/", f"{AIRFLOW}/"))] == []


def test_the_words_that_mean_harm_are_really_there(app: Any) -> None:
    """Or the test above would hold of pages that leave them out."""
    escaped = "&lt;script&gt;window.ran=1&lt;/script&gt;"
    assert ask(app, "/").text.count(escaped) >= 8
    for path in ("/runs", f"/run?id={EVIL}", "/questions", "/policies", "/drift", "/costs", "/compare"):
        assert escaped in ask(app, path).text, path


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_nothing_is_loaded_from_elsewhere_framed_elsewhere_or_kept(app: Any, path: str) -> None:
    headers = ask(app, path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert ("no-store" in headers["cache-control"]) == (path != "/style.css")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_is_answered_but_reading(app: Any, method: str) -> None:
    for path in ("/", "/runs", f"/run?id={FIRST}", f"/run/report?id={FIRST}", "/style.css"):
        answer = ask(app, path, method)
        assert answer.status_code == 405
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_head_has_no_body(app: Any) -> None:
    answer = ask(app, "/", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "a.localhost", ""])
def test_a_name_that_another_site_has_resolved_to_this_machine_is_not_answered(app: Any, host: str) -> None:
    assert ask(app, "/", host=host).status_code == 400
    assert ask(app, f"/run/report?id={FIRST}", host=host).status_code == 400


def test_both_names_of_this_machine_are_answered(app: Any) -> None:
    assert {ask(app, "/", host=host).status_code for host in ("127.0.0.1:8090", "localhost:1", "localhost")} == {200}


@pytest.mark.parametrize(
    "named",
    [
        "../../etc/passwd", "..", ".", "/etc/passwd", "cli-0000", "latest", "%00", FIRST + "/../" + SECOND, "",
        "manual__2026-11-03T08_00_00_00_00", HARM, "x" * 5000,
    ],
)  # fmt: skip
def test_only_the_id_of_a_run_that_is_known_finds_anything(app: Any, tmp_path: Path, named: str) -> None:
    for place in ("/run", "/run/report", "/run/pictures.png"):
        answer = ask(app, f"{place}?id={quote(named, safe='')}")
        assert answer.status_code == 404
        assert "There is no such page" in answer.text
        assert "<script" not in answer.text


def test_the_page_about_an_error_says_nothing_of_what_was_asked(app: Any) -> None:
    answer = ask(app, "/<script>window.ran=1</script>")
    assert answer.status_code == 404
    assert "window.ran" not in answer.text


def test_whoever_looks_changes_nothing(settings: Settings, app: Any) -> None:
    before = dict(_files(settings.home))
    for path in (*PAGES, *FILES, "/nowhere"):
        ask(app, path)
    assert dict(_files(settings.home)) == before


def test_a_guard_is_asked_before_each_page_and_a_login_is_offered(settings: Settings) -> None:
    def nobody() -> None:
        raise HTTPException(401)

    app = application(settings, guards=(Depends(nobody),), login="/login")
    for path in (*PAGES, *FILES[:2]):
        answer = ask(app, path, root="/below")
        assert answer.status_code == 401
        assert FIRST not in answer.text.partition("<main")[2].replace(quote(path), "").replace(quote(path, safe=""), "")
    (way,) = [of["href"] for tag, of in Page(ask(app, f'/run?id={FIRST}&x="<b>').text).tags if "/login" in str(of)]
    asked = parse_qs(urlsplit(str(way)).query)["next"]
    assert asked == [f"/run?id={FIRST}&x=%22%3Cb%3E"]
    assert ask(app, "/style.css").status_code == 200


def test_a_ledger_that_cannot_be_read_is_said_on_each_page(settings: Settings, tmp_path: Path) -> None:
    there = copied(settings, tmp_path)
    app = application(there)
    (there.home / "ledger.db").write_bytes(b"no database" * 1000)
    answer = ask(app, "/")
    assert answer.status_code == 503
    assert "This cannot be read now" in answer.text
    assert "ledger" in answer.text.partition("<main")[2]


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        yield str(path), sha256_hex(path.read_bytes()) if path.is_file() else ""
