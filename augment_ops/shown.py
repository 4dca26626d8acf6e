"""What others wrote, as it may be shown: one escaping for each target.

Names of policies, data sets, classes, samples and files, descriptions, limitations and reasons are text that somebody
gave. In Markdown (Airflow's question, MLflow's descriptions), HTML (mails) and Slack's messages such text could imitate
our own links, load a picture from elsewhere or turn the reading direction round. Whatever builds a text for one of
these targets puts each foreign part through the function of that target, and makes links with `link` alone. The pages
that Jinja renders escape by themselves and take `plain` for what escaping leaves: characters that nobody sees.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import quote, urlsplit, urlunsplit

from augment_ops.settings import Settings

LINE = 300  # characters of a name or reason: more than any honest one, and a question stays on one screen
_PAGE = 100_000  # of one value on a page: a whole policy file is shorter
PARAGRAPH = 2000  # of a description or an error
_HIDDEN = "***"

# Categories that show nothing, or change how others show: controls, formats (bidirectional overrides, zero-width,
# tags), lone surrogates, private use, unassigned, line and paragraph separators.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Letters by category that are blank all the same: Hangul and Khmer fillers, the blank Braille cell.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f")
# What has a meaning in a line of Markdown, and may be escaped by a backslash both in CommonMark (Airflow) and in
# showdown (MLflow), which shows the backslash before `:` and `=`.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+.!~|-])")
_ADDRESS = re.compile(r"(?<=[A-Za-z0-9])(:)(?=//)|(?<![A-Za-z0-9])(www)(\.)", re.IGNORECASE)
_SCHEME = re.compile(r"\b(javascript|data|vbscript|mailto|xmpp)(:)", re.IGNORECASE)
_MAIL = re.compile(r"(?<=[^\s@])@(?=[^\s@])")


def plain(text: object, length: int = LINE) -> str:
    """One line without anything unseen: controls, bidirectional and zero-width characters by their numbers.

    White space, line breaks included, is one blank. What is longer is cut, and says so.
    """
    whole = str(text)
    line = visible(" ".join(whole[: 4 * length].split()))  # bounded first: somebody's text may have megabytes
    return line if len(line) <= length and len(whole) <= 4 * length else f"{line[: length - 1]}…"


def visible(text: str) -> str:
    """The same text with the number in the place of each character that nobody sees; line breaks and tabs stay."""
    if text.isprintable() and text.isascii():  # a picture as a `data:` address has a megabyte
        return text
    return "".join(f"⟨U+{ord(one):04X}⟩" if _is_unseen(one) and one not in "\n\t" else one for one in text)


def seen(value: object) -> object:
    """`visible`, for every value that a Jinja template shows before it is escaped; bounded, but for pictures."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return visible(value if len(value) <= _PAGE or value.startswith("data:image/") else f"{value[: _PAGE - 1]}…")


def markdown(text: object, length: int = LINE) -> str:
    """`plain`, so that Markdown shows it as it is: no mark-up, HTML, picture, link or address that becomes one."""
    line = escape(_disarmed(plain(text, length)), quote=False)
    return _MARKDOWN.sub(r"\\\1", line)


def markdown_block(text: object, length: int = PARAGRAPH) -> str:
    """Text of several lines as a block of code, behind which nothing of it can reach."""
    lines = [plain(line, length) for line in str(text)[:length].splitlines()]
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    return "\n".join([fence, *lines, fence])


def html(text: object, length: int = PARAGRAPH) -> str:
    """`plain`, for the text or an attribute of HTML; mail programs make no link of an address in it."""
    return escape(_disarmed(plain(text, length)))


def slack(text: object, length: int = PARAGRAPH) -> str:
    """`plain`, for Slack: no link, mention or picture."""
    return escape(_disarmed(plain(text, length)), quote=False)


def is_below(url: str, addresses: Iterable[str]) -> bool:
    """Whether `url` is http(s), without credentials, and at or below one of our own addresses."""
    try:
        wanted = _parts(url)
        return wanted is not None and any(
            wanted[0] == base[0] and (wanted[1] == base[1] or wanted[1].startswith(f"{base[1]}/"))
            for base in map(_parts, addresses)
            if base is not None
        )
    except ValueError:  # `http://[`, or a port that is no number
        return False


def link(text: str, url: str, addresses: Iterable[str]) -> str:
    """A Markdown link, where `url` is below one of `addresses`; else its text and the address, as text.

    Args:
        addresses: of Airflow, MLflow and the documentation, as they are configured.
    """
    if not url:
        return markdown(text)
    if not is_below(url, addresses):
        return f"{markdown(text)}: {markdown(url)}"
    return f"[{markdown(text)}]({quote(url, safe=_IN_LINKS)})"


def own_addresses(settings: Settings, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Where links may lead: MLflow, Airflow and the documentation, as they are configured."""
    env = os.environ if environ is None else environ
    airflow = env.get("AIRFLOW__API__BASE_URL") or f"http://127.0.0.1:{settings.airflow_port}"
    return tuple(url for url in (settings.mlflow_uri, airflow, env.get("AUGMENT_OPS_DOCS", "")) if _is_web(url))


def address(url: str) -> str:
    """A URL of a service or database for an error or a status, without the password in it."""
    try:
        parts = urlsplit(url)
        if parts.password is None:
            return url
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{_HIDDEN}@{place}"))
    except ValueError:
        return re.sub(r"//[^@/]*@", f"//{_HIDDEN}@", url)


_IN_LINKS = "/:?#@!$&'*+,;=%~-._"  # what an address may hold; parentheses and brackets would end a link


def _parts(url: str) -> tuple[tuple[str, str, int | None], str] | None:
    """((scheme, host, port), path) of an address that may be a link, else None."""
    parts = urlsplit(url)
    odd = any(_is_unseen(one) or one in " \\<>\"'" for one in url)
    if odd or parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    if ".." in parts.path.lower().replace("%2e", ".").split("/"):
        return None
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return (parts.scheme, parts.hostname.lower(), port), parts.path.rstrip("/")


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _is_unseen(one: str) -> bool:
    return one in _BLANK or unicodedata.category(one) in _UNSEEN


def _disarmed(text: str) -> str:
    """Addresses in a form that no program makes a link of, and that people still read: `https[:]//host`, `a[@]b`."""
    text = _ADDRESS.sub(lambda found: "[:]" if found[1] else f"{found[2]}[.]", text)
    return _MAIL.sub("[@]", _SCHEME.sub(r"\1[:]", text))
