"""What a person reads before they answer: verdict, policy, change and risk, the same in every driver and the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from augment_ops.gate.compared import Beside, Fall, MeasuredShare, SideBySide
from augment_ops.report.formats import percent, points
from augment_ops.shown import PARAGRAPH, markdown

# How much of a list a small table holds; the report has all of it.
_CHANGES = 6
_FALLS = 4
_WARNINGS = 5


@dataclass(frozen=True, kw_only=True)
class Brief:
    """One candidate, as it is put before whoever decides about it.

    Attributes:
        version: registered number of the candidate; empty where the gate refused it.
        champion: number of the champion of the environment; empty where there is none.
        policy: name, version and state of the policy.
        policy_before: name and version of the policy that the champion was trained with; empty without a champion.
        policy_changes: from that policy to this one, a line each; None where its text is not kept here.
        started_by: who started the run; because: what made them, or nobody, do so; empty where it is not known.
        compared: None where there is nothing that may be believed to compare.
        warnings: what did not pass, and did not stop the candidate either.
    """

    dataset: str
    version: str
    champion: str
    verdict: str
    summary: str
    policy: str
    policy_before: str
    policy_changes: tuple[str, ...] | None
    environment: str
    started_by: str
    because: str
    compared: SideBySide | None
    warnings: tuple[str, ...]


def rows(brief: Brief, *, whole: bool = False) -> list[tuple[str, str]]:
    """What there is to know, as name and text.

    Args:
        whole: with all of every list, as the report has it.
    """
    because = f", because {brief.because}" if brief.because else ""
    return [
        ("Verdict", f"{brief.verdict}: {brief.summary}"),
        ("Policy", brief.policy),
        ("Change of policy", _change(brief, None if whole else _CHANGES)),
        ("Environment", _environment(brief)),
        ("Started by", f"{brief.started_by}{because}"),
        ("What got worse", _worse(brief, None if whole else _FALLS)),
        ("Warnings", _first(brief.warnings, None if whole else _WARNINGS) or "none"),
    ]


def numbers(brief: Brief) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of measures; no row where nothing was compared."""
    found = brief.compared
    if found is None:
        return [], []
    roles = [beside.role for beside in found.measured[0].beside]
    head = ["Measure", "Candidate", *(named(brief, role).capitalize() for role in roles)]
    return head, [[one.name.capitalize(), _own(one), *map(_beside, one.beside)] for one in found.measured]


def intervals(brief: Brief) -> str:
    """What the intervals in the table of measures are."""
    if brief.compared is None:
        return ""
    return (
        f"In brackets {brief.compared.confidence:.0%} intervals. Of the others: what they have right, and what the "
        "candidate has more, on the same samples."
    )


def in_markdown(brief: Brief) -> str:
    """Both tables in Markdown, as Airflow shows them; what others wrote is text in it."""
    head, measured = numbers(brief)
    told = [["", ""], ["---", "---"], *([f"**{name}**", markdown(text, PARAGRAPH)] for name, text in rows(brief))]
    tables = [_table(told)]
    if measured:
        cells = [[markdown(cell) for cell in row] for row in (head, *measured)]
        tables += [_table([cells[0], ["---"] * len(head), *cells[1:]]), markdown(intervals(brief))]
    return "\n\n".join(tables)


def _table(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _change(brief: Brief, most: int | None) -> str:
    if not brief.champion:
        return f"nothing to compare with: no model was champion of {brief.environment} when the gate decided"
    champion = f"champion {brief.champion}"
    if brief.policy_changes is None:
        return f"{champion} was trained with {brief.policy_before}, whose text is not kept here"
    if not brief.policy_changes:
        return f"none: {champion} was trained with the same policy"
    changes = _first(brief.policy_changes, most)
    return f"against {brief.policy_before}, with which {champion} was trained: {changes}"


def _environment(brief: Brief) -> str:
    if not brief.version:
        return brief.environment
    place = f"in the place of champion {brief.champion}" if brief.champion else "as its first champion"
    if brief.version == brief.champion:
        place = "which is its champion already, the same model"
    return f"{brief.environment}: version {brief.version} of {brief.dataset}, {place}"


def _worse(brief: Brief, most: int | None) -> str:
    found = brief.compared
    if found is None:
        return "not compared: the evidence cannot be believed, or there is nothing to compare with"
    other = named(brief, found.against)
    shown = [fall for fall in found.falls if fall.shown]
    if shown:
        return f"against {other}: {_first([fall_in_words(fall) for fall in shown], most)}"
    looked = f"nothing is shown to be worse than {other}, of {found.looked_at} corruptions and classes"
    if not found.falls:
        return looked
    lowest = found.falls[0]
    # Its interval is of itself alone; whether it is shown is said of all that were looked at together.
    aside = ", which among so many may be chance" if lowest.low > 0 else ""
    return f"{looked}; measured lowest is {fall_in_words(lowest)}{aside}"


def fall_in_words(fall: Fall) -> str:
    """What is worse, by how much, with its interval."""
    return f"{fall.what}, {points(-fall.loss)} points ({points(-fall.high)} to {points(-fall.low)})"


def _own(one: MeasuredShare) -> str:
    return f"{percent(one.share)} ({percent(one.low)} to {percent(one.high)}), n = {one.n}"


def _beside(other: Beside) -> str:
    return f"{percent(other.share)}; {points(other.gain)} points ({points(other.low)} to {points(other.high)})"


def named(brief: Brief, role: str) -> str:
    """The model that the candidate is compared with, in words."""
    return f"champion {brief.champion}" if role == "champion" else f"the {role}"


def _first(lines: Sequence[str], most: int | None) -> str:
    """Sentences of the gate become parts of one, which ends as the last of them does."""
    shown = [*lines[:most], *([f"and {len(lines) - most} more, in the report"] if most and len(lines) > most else [])]
    return "; ".join([*(line.rstrip(".") for line in shown[:-1]), *shown[-1:]])
