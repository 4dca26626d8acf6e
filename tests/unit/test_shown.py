"""What others wrote stays text in Markdown, HTML and Slack, and links lead to our own addresses."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from augment_ops import shown
from augment_ops.settings import Settings

OURS = ("http://127.0.0.1:5000", "https://airflow.example/base")

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "![picture](https://evil.example/p.png)",
    "[Evidence, metrics and pictures in MLflow](https://evil.example/)",
    "<https://evil.example/> and https://evil.example/ and www.evil.example",
    "[a]: https://evil.example\n\n[a]",
    "# Heading\n\nText\n====\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    "`code` **bold** __bold__ *it* _it_ ~~gone~~ > quote - item + item 1. item",
    "[x](javascript:alert(1)) javascript:alert(1) data:text/html,x",
    "mail me@evil.example or <mailto:me@evil.example>",
    "back\\slash \\[escaped](https://evil.example) &lt;b&gt; &#60;b&#62;",
    "    indented\n```\nfence\n```",
    "\u202egnp.elif\u202c zero\u200bwidth \ufeff tag\U000e0041 \x1b[31m \x00 lone \ud800 blank\u3164",
]


def tokens(text: str) -> list[Any]:
    """All tokens of a text in CommonMark with tables and strikethrough, inline ones included."""
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [inner for token in found for inner in (token, *(token.children or ()))]


class Tags(HTMLParser):
    """Counts tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


def tags(text: str) -> list[str]:
    parser = Tags()
    parser.feed(text)
    parser.close()
    return parser.tags


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_paragraph_of_text_in_markdown(text: str) -> None:
    found = tokens(f"Before {shown.markdown(text)}\n\nafter")
    assert {token.type for token in found} <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    assert tags(shown.markdown(text)) == []


@given(st.text(max_size=80))
def test_whatever_it_is_markdown_shows_it_as_it_is(text: str) -> None:
    found = tokens(f"x{shown.markdown(text)}")
    assert {token.type for token in found} <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    inline = "".join(token.content for token in found if token.type in ("text", "text_special"))
    assert inline == f"x{shown._disarmed(shown.plain(text))}"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", [shown.markdown, shown.html, shown.slack])
def test_no_program_finds_an_address_in_it(form: Any, text: str) -> None:
    line = form(text)
    assert "//evil" not in line.replace("\\", "") or "[:]//evil" in line.replace("\\", "")
    assert "www.evil" not in line.replace("\\", "")
    assert "me@evil" not in line.replace("\\", "")
    assert "javascript:" not in line.replace("\\", "")
    assert "\n" not in line


def test_ordinary_text_reads_as_it_was_written() -> None:
    assert shown.html("Camera-captured digits; small tilt, 5 %.") == "Camera-captured digits; small tilt, 5 %."
    assert shown.plain("Ziffern, größer · 数字 · é") == "Ziffern, größer · 数字 · é"


def test_what_nobody_sees_is_made_visible_and_length_is_bounded() -> None:
    assert shown.plain("a\u202eb\u200bc\x1bd\ud800") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+001B⟩d⟨U+D800⟩"
    assert shown.plain("a\n\tb\u2028c") == "a b c"
    assert shown.plain("a" * 10_000_000) == "a" * (shown.LINE - 1) + "…"
    assert shown.visible("policy:\n\tx\u202e") == "policy:\n\tx⟨U+202E⟩"


def test_slack_sees_no_mention_and_no_link() -> None:
    assert shown.slack("<!channel> <https://evil.example|Report>") == (
        "&lt;!channel&gt; &lt;https[:]//evil.example|Report&gt;"
    )


@pytest.mark.parametrize("text", ["```\n# Heading\n", "~~~\n````\n<b>", *HOSTILE])
def test_nothing_reaches_behind_a_block(text: str) -> None:
    found = tokens(f"Before\n\n{shown.markdown_block(text)}\n\nafter")
    kinds = [token.type for token in found if token.type not in ("inline", "text")]
    paragraph = ["paragraph_open", "paragraph_close"]
    assert kinds == [*paragraph, "fence", *paragraph]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/", "http://127.0.0.1:5001/", "https://127.0.0.1:5000/", "http://127.0.0.1:5000@evil/",
        "https://airflow.example/base-of-another", "https://airflow.example/base/../x", "javascript:alert(1)",
        "https://airflow.example/base/%2E%2e/x", "//127.0.0.1:5000/", "http://127.0.0.1:5000\\@evil.example",
        "http://127.0.0.1:port/", "http://[", "http://user@127.0.0.1:5000/", "http://127.0.0.1:5000/\u202e",
    ],
)  # fmt: skip
def test_links_lead_to_our_own_addresses_alone(url: str) -> None:
    assert not shown.is_below(url, OURS)
    assert not [token for token in tokens(shown.link("Report", url, OURS)) if token.type == "link_open"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000/#/runs/1?a=b", "https://AIRFLOW.example/base/dags/(x)[y]"])
def test_our_own_links_stay_links(url: str) -> None:
    (opened,) = [token for token in tokens(shown.link("[Report] ](x)", url, OURS)) if token.type == "link_open"]
    assert shown.is_below(str(opened.attrGet("href")), OURS)
    assert str(opened.attrGet("href")).startswith(url[:24])


def test_what_is_ours_is_what_is_configured(tmp_path: Any) -> None:
    settings = Settings.from_environment({"AUGMENT_OPS_POLICIES": str(tmp_path), "MLFLOW_TRACKING_URI": "http://m:5"})
    known = {"AIRFLOW__API__BASE_URL": "https://a/x", "AUGMENT_OPS_DOCS": "https://d"}
    assert shown.own_addresses(settings, known) == ("http://m:5", "https://a/x", "https://d")
    assert shown.own_addresses(settings, {})[1:] == ("http://127.0.0.1:8080",)


def test_a_password_in_an_address_is_not_shown() -> None:
    assert shown.address("postgresql+psycopg://me:secret@db:5432/x?a=b") == "postgresql+psycopg://me:***@db:5432/x?a=b"
    assert "secret" not in shown.address("postgresql://me:secret@[::1/x")
    assert shown.address("sqlite:////a/b.db") == "sqlite:////a/b.db"
