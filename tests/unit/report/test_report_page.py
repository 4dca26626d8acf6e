"""The page as a whole: safe to open, the verdict first, the same for the same inputs, of a size."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from augment_ops.gate.decision import Decision, Reason
from augment_ops.report.formats import points
from augment_ops.report.inputs import AlertCompared, Augmented, FlippedPair, Moved, to_json
from augment_ops.report.page import render
from augment_ops.stress.report import CLEAN, Cell
from support.report_page import (
    AIRFLOW,
    BRIEF,
    HOSTILE,
    MLFLOW,
    Page,
    inputs,
    reasons,
    stress,
)


def test_the_only_addresses_are_the_two_links():
    page = Page(render(inputs()))
    outside = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
        and not (value or "").startswith(("data:", "#"))
    ]
    assert outside == [AIRFLOW, MLFLOW]
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}


def test_a_retraining_shows_the_window_that_caused_it_and_not_that_there_is_none():
    mean = Moved(
        name=HOSTILE, detector="psi", status="drift", effect=0.41, status_now="ok", effect_now=0.08, limit=0.25
    )
    unknown = replace(mean, name="embeddings", detector="mmd", status="insufficient", status_now=None, effect_now=None)
    by = AlertCompared(
        entry=12,
        kind="drift",
        found=f"Drift in {HOSTILE}.",
        window="2026-03-05 00:00 to 2026-03-06 00:00 UTC",
        page=f"{MLFLOW}/artifacts/drift.html",
        moved=(mean, unknown),
        compared="Compared with what this run was trained on, 1 of 1 are within their limits.",
    )
    nothing = {"status": "no-window", "message": "No production window yet: drift was not measured.", "features": []}
    page = Page(render(inputs(alert=by, drift=nothing)))
    html = render(inputs(alert=by, drift=nothing))
    assert "started by an alert of drift (ledger entry 12)" in html
    assert "No production window yet" not in html
    assert [a["href"] for t, a in page.tags if t == "a" and "drift.html" in a["href"]] == [by.page]
    (row,) = (cells for cells in page.rows if "0.41" in [cell.strip() for cell in cells] and HOSTILE in cells)
    assert [cell.strip() for cell in row][:2] == ["✕drift", "✓ok"]
    assert page.row_with("embeddings")[0] == "?too few to tell"
    assert page.row_with("embeddings")[-2:] == ["—", "0.25"]
    assert "<script" not in html.lower()
    assert "No production window yet" in render(inputs(drift=nothing))


def test_no_address_hides_in_a_style_and_the_browser_is_told_to_load_nothing():
    html = render(inputs())
    assert "url(" not in html
    assert "@import" not in html
    policy = next(a["content"] for t, a in Page(html).tags if t == "meta" and a.get("http-equiv"))
    assert "default-src 'none'" in (policy or "")


def test_hostile_names_are_text_everywhere():
    html = render(inputs())
    assert "<script" not in html.lower()
    assert "Rotate narrowed from ±135° to ±45°" in html
    assert html.count("&lt;script&gt;") >= 8  # reason, check, sample, classes, matrix, picture, policy text, limitation
    # A quote in a name must not end an attribute: every alt text reads back whole.
    alts = [a["alt"] for t, a in Page(html).tags if t == "img"]
    assert f"Original, class {HOSTILE}" in alts


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "mlflow:abc", "data:text/html,x", "//evil.example/x", "http:", "http://["]
)
def test_what_is_not_an_http_address_is_shown_as_text(url):
    html = render(inputs(mlflow_url=url))
    assert [a["href"] for t, a in Page(html).tags if t == "a" and not a["href"].startswith("#")] == [AIRFLOW]
    assert url in html


def test_every_number_of_every_reason_stands_in_its_row():
    page = Page(render(inputs()))
    for reason in reasons():
        row = page.row_with(reason.message)
        assert reason.outcome in row[0]
        assert row[1] == reason.rule
        assert row[5] == ("—" if reason.n is None else f"{reason.n:,}".replace(",", "\u202f"))
    assert page.row_with("rotation at severity 5")[3:5] == ["20.0 points", "15.0 points"]
    assert page.row_with("noise 2 is not a number")[3:5] == ["not a number", "—"]
    assert page.row_with("is low.")[3:5] == ["71.2%", "80.0%"]


def test_reasons_beyond_the_fold_are_still_in_the_page():
    many = tuple(
        Reason(rule="invariance", outcome="fail", message=f"reason number {i}.", measured=i / 97, n=i)
        for i in range(60)
    )
    page = Page(render(inputs(decision=Decision("FAIL", "g", "a" * 64, "b" * 64, many, "No."))))
    assert [page.row_with(r.message)[3] for r in many] == [f"{points(i / 97, sign=False)} points" for i in range(60)]


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INVESTIGATE", "ERROR"])
def test_the_verdict_is_the_first_thing_said(verdict):
    decision = Decision(verdict, "default 1.0.0", "a" * 64, "b" * 64, reasons(), "Two sentences. Here.")
    html = render(inputs(decision=decision))
    assert f"<title>{verdict} · digits · digits-robust</title>" in html
    assert html.index(f"<span>{verdict}</span>") < html.index("Two sentences. Here.") < html.index('id="reasons"')


def test_what_it_comes_to_is_the_same_before_an_answer_and_after() -> None:
    candidate = dataclasses.replace(BRIEF, version="1", champion="", policy_changes=())
    first = dataclasses.replace(stress(), champion_version=None)
    pages = [
        render(inputs(brief=candidate, stress=first, **changes))
        for changes in (
            {"waits_for": "ml-lead"},
            {"promoted": True, "outcome": "version 1 is champion of digits in dev"},
            {"promoted": False, "outcome": "rejected by eve as ml-lead: not now"},
        )
    ]
    found = [page[page.index('<section id="conclusions"') : page.index('<section id="brief"')] for page in pages]
    assert len(set(found)) == 1
    for page in pages:
        assert "no champion yet" not in page
        assert "<dt>Champion</dt><dd>none when the gate decided</dd>" in page


ASKED = "Nothing is promoted yet: the run waits for the answer of ml-lead."


@pytest.mark.parametrize(
    ("champion", "changes", "said"),
    [
        ("3", {"waits_for": "ml-lead"}, f"{ASKED} Champion version 3 stays until then."),
        (None, {"waits_for": "ml-lead"}, f"{ASKED} Until then there is no champion."),
        (
            "3",
            {"promoted": True, "outcome": "version 4 is champion of digits in dev"},
            "Version 4 is champion of digits in dev. Champion version 3 is kept for rollback.",
        ),
        (
            None,
            {"promoted": True, "outcome": "version 1 is champion of digits in dev"},
            "Version 1 is champion of digits in dev.",
        ),
        (
            "3",
            {"promoted": True, "outcome": "version 3, the same model, is champion already", "brief": BRIEF},
            "Version 3, the same model, is champion already.",
        ),
        (
            "3",
            {"promoted": False, "outcome": "not promoted: bob rejected it: sevens and ones confused."},
            "Not promoted: bob rejected it: sevens and ones confused. Champion version 3 stays.",
        ),
    ],
    ids=["asked", "asked of a first", "promoted", "a first promoted", "the same", "rejected"],
)
def test_what_comes_of_it_is_said_as_far_as_it_is_known(champion, changes, said):
    html = render(inputs(stress=dataclasses.replace(stress(), champion_version=champion), **changes))
    assert f'<p class="next">{said}</p>' in html


def test_what_whoever_decides_is_told_stands_before_the_tiles():
    html = render(inputs(brief=replace(BRIEF, warnings=tuple("stuvwxyz"))))
    assert html.index('id="brief"') < html.index('class="facts"') < html.index('id="reasons"')
    assert "<dt>Policy</dt><dd>digits-robust 1.2.0, draft</dd>" in html
    assert "<dt>Warnings</dt><dd>s; t; u; v; w; x; y; z</dd>" in html  # all: it is the report that has the rest
    assert "<script" not in html.lower()
    assert 'id="brief"' not in render(inputs())


def test_a_run_that_stopped_early_says_what_is_missing_and_why():
    html = render(
        inputs(
            decision=None,
            candidate=None,
            control=None,
            stress=None,
            drift=None,
            augmented=None,
            failing=(),
            policy={},
            snapshot={},
            lineage={},
            stopped_because="check_data failed: balance could not be measured.",
        )
    )
    assert "STOPPED" in html
    assert "check_data failed: balance could not be measured." in html
    for said in (
        "Nothing was trained",
        "The stress test did not run",
        "The drift check did not run",
        "No decision was",
    ):
        assert said in html


def test_many_large_colour_pictures_stay_below_five_megabytes():
    generator = np.random.Generator(np.random.Philox(1))
    noise = generator.integers(0, 256, size=(12, 224, 224, 3), dtype=np.uint8)  # noise compresses worst
    failing = tuple(
        FlippedPair(
            corruption=f"corruption{i % 8}",
            severity=5,
            sample_id=str(i),
            label="a",
            predicted="b",
            clean=noise[i % 12],
            stressed=noise[(i + 1) % 12],
        )
        for i in range(64)
    )
    augmented = Augmented(noise, np.stack([noise] * 6, axis=1), ("a",) * 12)
    assert len(render(inputs(augmented=augmented, failing=failing)).encode()) < 5_000_000


def test_a_thousand_classes_do_not_fill_the_page():
    k = 1000
    names = tuple(f"class-{i}" for i in range(k))
    wide = Cell(
        role="candidate", corruption=CLEAN, severity=0, n=k, accuracy=0.9, class_n=(1,) * k, class_recall=(0.9,) * k
    )
    blurred = Cell(
        role="candidate",
        corruption="blur",
        severity=1,
        n=k,
        accuracy=0.8,
        class_n=(1,) * k,
        class_recall=tuple(i / k for i in range(k)),
    )
    report = dataclasses.replace(
        stress(),
        classes=names,
        cells=(wide, blurred),
        measures=(),
        confusion={"candidate": tuple(tuple(int(i == j) for j in range(k)) for i in range(k))},
    )
    html = render(inputs(stress=report))
    assert len(html) < 400_000
    assert "Confusion on clean images" not in html
    assert Page(html).row_with("class-0")[2] == "0.0%"


def test_the_json_holds_every_number_and_names_pictures_by_digest():
    document = json.loads(to_json(inputs()))
    assert document["decision"]["reasons"][2]["measured"] == 0.71234567
    assert document["failing"][0]["clean"]["shape"] == [8, 8, 1]
    assert len(document["failing"][0]["clean"]["sha256"]) == 64
    assert document["augmented"]["copies"]["shape"] == [3, 2, 8, 8, 1]
    assert to_json(inputs()) == to_json(inputs())


def test_the_same_inputs_give_the_same_page():
    assert render(inputs()) == render(inputs())


def test_a_browser_runs_nothing_loads_nothing_and_turns_nothing_round(tmp_path):
    """A real one: what a page does is not always what its text says."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: install the package chromium")
    names = (
        "<img src=https://evil.example/p.png onerror='window.ran=1'>",
        "</pre><script>window.ran=1</script>",
        "[Evidence](https://evil.example/) https://evil.example/",
        "\u202egnp.elif\u202c zero\u200bwidth",
        "'\"><svg onload=window.ran=1>",
        "<a href=javascript:window.ran=1>x</a>",
    )
    text = " ".join(names)
    page_file = tmp_path / "report.html"
    page_file.write_text(
        render(
            inputs(
                dataset=names[0],
                policy={"name": text, "version": text, "description": text, "limitations": names, "text": text},
                run=dict(zip(names, names, strict=True)),
                lineage={text: text},
            )
        )
    )
    requests: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_file.as_uri())
        assert page.evaluate("window.ran") is None
        hrefs = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
        shown = page.inner_text("body")
        browser.close()
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert [href for href in hrefs if not href.startswith("#")] == [AIRFLOW, MLFLOW]
    assert "⟨U+202E⟩gnp.elif⟨U+202C⟩ zero⟨U+200B⟩width" in shown
    assert "\u202e" not in page_file.read_text()
