"""Values to the words and numbers of the page, and to its few words of style."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from urllib.parse import urlsplit

# One word of style for each outcome and status that a report can hold.
TONES = {
    "pass": "good", "ok": "good", "warn": "warn", "fail": "bad", "drift": "bad", "error": "bad",
    "investigate": "unsure", "insufficient": "unsure", "not-set": "quiet", "no-window": "quiet",
}  # fmt: skip
MARKS = {"good": "✓", "warn": "!", "bad": "✕", "unsure": "?", "quiet": "–"}


def tone(status: object) -> str:
    """The style of a status or outcome: good, warn, bad, unsure or quiet."""
    return TONES.get(str(status), "quiet")


def mark(status: object) -> str:
    """A sign for it, because colour alone is not for everybody."""
    return MARKS[tone(status)]


def number(value: float | None) -> str:
    """Four significant digits; `—` for None, in words where it is not a number."""
    if value is None:
        return "—"
    if math.isnan(value):
        return "not a number"
    return f"{value:.4g}".replace("inf", "∞").replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage; `—` where it is None or not a number."""
    return "—" if value is None or not math.isfinite(value) else f"{value * 100:.{digits}f}%"


def points(value: float | None, sign: bool = True) -> str:
    """A difference of shares in percentage points, with a true minus sign."""
    if value is None or not math.isfinite(value):
        return "—"
    text = f"{value * 100:+.1f}" if sign else f"{value * 100:.1f}"
    return ("0.0" if float(text) == 0 else text).replace("-", "−")


def whole(value: float) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if not math.isfinite(seconds):
        return "—"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def moment(at: str) -> str:
    """An ISO 8601 time as people write it, in UTC; what is none, as it is."""
    try:
        return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return at


def is_link(url: str) -> bool:
    """Whether an address may become a link: http(s) with a host, nothing else (no `javascript:`)."""
    try:
        parts = urlsplit(url)
    except ValueError:  # `http://[`, say
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def strength(value: float | None, full_at: float) -> int:
    """0 to 100: how much colour a table cell gets."""
    return 0 if value is None else round(min(abs(value) / full_at, 1.0) * 100)
