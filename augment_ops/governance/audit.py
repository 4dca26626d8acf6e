"""Questions to the ledger: what happened to a policy or a model, and who was champion when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from augment_ops.errors import Fault, InputError, nearest
from augment_ops.governance.rollouts import ROLLOUT_ACTS

if TYPE_CHECKING:
    from augment_ops.governance.chain import Entry

_LINKS = ("policy", "policy_version", "model", "version", "decision")  # subjects by which acts belong together
MOVES = ("promote", "rollback")  # the acts that make a champion
# Every act there is: of policies, runs, champions, rollouts, production, and of what all these stand on. A ledger may
# hold others, of a later version.
ACTS = (
    "publish", "propose", "approve", "reject", "deprecate", "revoke",
    "begin", "stage", "freeze", "train", "decide", *MOVES, "quarantine", "alias", "restore", "take-over", "refuse",
    *ROLLOUT_ACTS,
    "alert", "plan", "retrain", "root", "rules", "hand-over", "enroll", "retire", "waive",
)  # fmt: skip
NONE = "none"  # in the place of a version where there is none
# A date, or a time whose hour, minute, second and fraction are groups; `datetime.fromisoformat` knows the rest.
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:([T ]\d\d)(?:(:\d\d)(?:(:\d\d)(\.\d{1,6})?)?)?(?:Z|[+-].+)?)?", re.ASCII)
_ANY = "production"  # of a move that names no environment: there was one champion for all


@dataclass(frozen=True)
class Wanted:
    """What to look for; an empty field asks for nothing.

    Attributes:
        about: a policy (`digits-robust`, `digits-robust/1.0.0`), a model version (`digits/3`), or a digest or its
            beginning (8 characters at least).
        since, until: ISO 8601, inclusive, in UTC where no zone is named; a date alone, or a time that is cut short, is
            its beginning, for `until` its end.
    """

    about: str = ""
    act: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True, kw_only=True)
class Reign:
    """One champion of a data set.

    Attributes:
        version: number of the model version; previous: of the champion before it, or `none`.
        at, by, reason: of the act that made it champion; act: `promote` or `rollback`.
        seq: the ledger's entry.
        environment: whose champion it is.
        model, artifact, registered: digests of the weights, of the registered file and of what the version says of
            itself; empty where the entry does not name them.
        former: whether the entry is of a time when there was one champion for all environments.
        left: number of the version that was champion until then, of whatever environment.
    """

    version: str
    previous: str
    at: str
    act: str
    by: str
    reason: str
    seq: int
    environment: str = _ANY
    model: str = ""
    artifact: str = ""
    registered: str = ""
    former: bool = False
    left: str = NONE

    @property
    def succeeded(self) -> str | None:
        """Number of the champion before, None where there was none."""
        return None if self.previous == NONE else self.previous


def check_wanted(entries: Iterable[Entry], wanted: Wanted, policies: Iterable[str] = ()) -> None:
    """Refuse what cannot be found because there is nothing of that name: an empty answer would hide a slip of the pen.

    Args:
        policies: names of policies, of which the ledger need not know yet.

    Raises:
        InputError: no such act, or nobody and nothing of that name in the ledger.
    """
    entries = list(entries)
    faults = []
    if wanted.act:
        faults += _unknown("--act", wanted.act, dict.fromkeys((*ACTS, *(entry.act for entry in entries))))
    if wanted.actor:
        faults += _unknown("--actor", wanted.actor, dict.fromkeys(entry.actor for entry in entries))
    links = {link for entry in entries for link in _links(entry)}
    if wanted.about and not any(_answers(link, wanted.about) for link in links):
        named = {name for name in links if "/" in name} | {name.partition("/")[0] for name in links if "/" in name}
        known = {*policies, *named}
        faults += _unknown("--about", wanted.about, dict.fromkeys(sorted(known, key=lambda name: ("/" in name, name))))
    if faults:
        raise InputError.of("audit log", faults)


def _unknown(where: str, value: str, known: Iterable[str]) -> list[Fault]:
    """A fault, where `value` is not one of the known."""
    names, most = list(known), 30  # of a line that people read
    if value in names:
        return []
    told = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    fix = f"choose one of them, or leave {where} out.{nearest(value, names)}"
    return [Fault(where, repr(value)[:80], f"one that the ledger knows: {told or 'there is none yet'}", fix)]


def choose(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """The entries that answer; those about a policy or model include what belongs to it (training, decisions).

    Raises:
        InputError: `since` or `until` is no time, or `since` lies after `until`.
    """
    since = _bound("--since", wanted.since) if wanted.since else ""
    # `~` sorts after whatever may follow a time.
    until = f"{_bound('--until', wanted.until, end=True)}~" if wanted.until else ""
    if until and since > until:
        expected, fix = f"a time up to --until {wanted.until}", "exchange them, or leave one of them out"
        raise InputError("--since", wanted.since, expected, fix)
    found = _about(list(entries), wanted.about) if wanted.about else entries
    return [
        entry
        for entry in found
        if wanted.act in ("", entry.act)
        and wanted.actor in ("", entry.actor)
        and entry.at >= since
        and (not until or entry.at <= until)
    ]


def _bound(where: str, text: str, *, end: bool = False) -> str:
    """A time as the entries have it, which are compared as text: one of them may hold a time that is none."""
    parts = _TIME.fullmatch(text)
    try:
        if parts is None:
            raise ValueError(text)
        found = datetime.fromisoformat(text)
        if end:  # the last microsecond of the day, hour, minute or second that it names
            hour, minute, second, fraction = parts.groups()
            found = found.replace(
                hour=found.hour if hour else 23,
                minute=found.minute if minute else 59,
                second=found.second if second else 59,
                microsecond=found.microsecond if fraction else 999_999,
            )
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        expected = "a date or a time in UTC, such as 2026-11-01 or 2026-11-01T12:30"
        raise InputError(where, repr(text)[:80], expected, "write it in ISO 8601, of a day that there is") from error
    told = found.isoformat(timespec="microseconds").removesuffix("+00:00")
    return told if end else told.removesuffix(".000000")  # `+`, of an entry of a whole second, sorts before `.`


def champions(entries: Iterable[Entry], dataset: str, environment: str = "") -> list[Reign]:
    """The champions of a data set, oldest first; of one environment, or of all.

    A move that started from another champion than the one of its time makes none: of two decisions against the same
    champion, entered at the same moment, the first one counts.
    """
    found: list[Reign] = []
    for entry in entries:
        of, _, version = entry.subjects.get("version", "").rpartition("/")
        if entry.act in MOVES and of == dataset:
            reign = _reign(entry, version, found)
            present = _in_place(found, reign.environment)
            if reign.former or reign.left == (NONE if present is None else present.version):
                found.append(reign)
    return [reign for reign in found if environment in ("", reign.environment)]


def _reign(entry: Entry, version: str, before: list[Reign]) -> Reign:
    said, former, left = entry.subjects, "registered" not in entry.subjects, entry.subjects.get("previous", NONE)
    # A rollback of former times names no environment: it is that in which the version was promoted.
    promoted = next((reign.environment for reign in reversed(before) if reign.version == version), _ANY)
    environment = said.get("environment") or (promoted if entry.act == "rollback" else _ANY)
    here = [reign.version for reign in before if reign.environment == environment]
    # What was before a champion of former times may have been another environment's.
    previous = left
    if former and left not in (NONE, *here):
        previous = here[-1] if here else NONE
    return Reign(
        version=version,
        previous=previous,
        at=entry.at,
        act=entry.act,
        by=entry.actor,
        reason=entry.reason,
        seq=entry.seq,
        environment=environment,
        model=said.get("model", ""),
        artifact=said.get("artifact", ""),
        registered=said.get("registered", ""),
        former=former,
        left=left,
    )


def ruling(entries: Iterable[Entry], dataset: str) -> dict[str, Reign]:
    """Environment → the move that made its present champion."""
    found = champions(entries, dataset)
    present = {reign.environment: _in_place(found, reign.environment) for reign in found}
    return {environment: reign for environment, reign in present.items() if reign is not None}


def _in_place(reigns: list[Reign], environment: str) -> Reign | None:
    """The last of them in an environment.

    A rollback of former times left the champion of all environments, for one that another may have promoted.
    """
    left = [(reign.left, reign.seq) for reign in reigns if reign.former and reign.act == "rollback"]
    for reign in reversed(reigns):
        gone = reign.former and any(version == reign.version and seq > reign.seq for version, seq in left)
        if reign.environment == environment and not gone:
            return reign
    return None


def settled(entries: Iterable[Entry], reign: Reign) -> bool:
    """Whether the alias is known to have stood where a move says."""
    return reign.former or any(e.act == "alias" and e.subjects.get("move") == str(reign.seq) for e in entries)


def quarantined(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Digest of a model that must never be champion again → the entry that says so."""
    return {entry.subjects["model"]: entry for entry in entries if entry.act == "quarantine"}


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
