"""Questions to the ledger: what happened to a policy or a model, and who was champion when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from augment_ops.governance.chain import Entry

_LINKS = ("policy", "policy_version", "model", "version", "decision")  # subjects by which acts belong together
MOVES = ("promote", "rollback")  # the acts that move the alias `champion`


@dataclass(frozen=True)
class Wanted:
    """What to look for; an empty field asks for nothing.

    Attributes:
        about: a policy (`digits-robust`, `digits-robust/1.0.0`), a model version (`digits/3`), or a digest or its
            beginning (8 characters at least).
        since, until: ISO 8601, inclusive; a date alone is its beginning, for `until` its end.
    """

    about: str = ""
    act: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Reign:
    """One champion of a data set.

    Attributes:
        version: number of the model version; previous: of the champion before it, or `none`.
        at, by, reason: of the act that made it champion; act: `promote` or `rollback`.
        seq: the ledger's entry.
    """

    version: str
    previous: str
    at: str
    act: str
    by: str
    reason: str
    seq: int


def choose(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """The entries that answer; those about a policy or model include what belongs to it (training, decisions)."""
    found = _about(list(entries), wanted.about) if wanted.about else entries
    return [
        entry
        for entry in found
        if wanted.act in ("", entry.act)
        and wanted.actor in ("", entry.actor)
        and entry.at >= wanted.since
        # `~` sorts after whatever may follow a date or a time that is cut short.
        and (not wanted.until or entry.at <= f"{wanted.until}~")
    ]


def champions(entries: Iterable[Entry], dataset: str) -> list[Reign]:
    """The champions of a data set, oldest first."""
    found = []
    for entry in entries:
        of, _, version = entry.subjects.get("version", "").rpartition("/")
        if entry.act in MOVES and of == dataset:
            previous = entry.subjects.get("previous", "none")
            found.append(Reign(version, previous, entry.at, entry.act, entry.actor, entry.reason, entry.seq))
    return found


def _about(entries: list[Entry], about: str) -> list[Entry]:
    named = {value for entry in entries for value in _links(entry) if _answers(value, about)}
    # Of the acts that name it, whatever else they name by a digest of its own: a model's decision, a policy's digest.
    digests = {
        entry.subjects[name]
        for entry in entries
        if named & _links(entry)
        for name in ("policy", "model", "decision")
        if name in entry.subjects and _belongs(name, entry, about)
    }
    return [entry for entry in entries if (named | digests) & _links(entry)]


def _belongs(name: str, entry: Entry, about: str) -> bool:
    """Whether a digest of an entry is of the thing asked for: a policy's for a policy, a model's for a model."""
    asked_for_policy = _answers(entry.subjects.get("policy_version", ""), about)
    return name == "policy" if asked_for_policy else name != "policy"


def _links(entry: Entry) -> set[str]:
    return {value for name, value in entry.subjects.items() if name in _LINKS}


def _answers(value: str, about: str) -> bool:
    shortest = 8
    return value == about or value.startswith(f"{about}/") or (len(about) >= shortest and value.startswith(about))
