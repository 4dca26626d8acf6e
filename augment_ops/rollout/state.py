"""Where the rollouts of a data set stand, computed from the ledger's entries.

Nothing is stored, so whoever looks sees the same. What is not as it was meant exposes nobody to a challenger: a rollout
whose entries do not follow from each other is over, and so is one whose champion was replaced or whose challenger is in
quarantine, whatever else is entered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from augment_ops.governance.audit import MOVES, NONE, Reign, champions, quarantined
from augment_ops.governance.chain import Entry
from augment_ops.governance.rollouts import ADMIT, APPROVE, END, PAUSE, RESUME, ROLLOUT_ACTS, START, STEP, WAIT
from augment_ops.lifecycle.book import Book
from augment_ops.lifecycle.champion import acts_of

PROMOTED, ROLLED_BACK, ABORTED, COMPARED, OVERTAKEN = "promoted", "rolled_back", "aborted", "compared", "overtaken"
INVALID = "invalid"  # of entries that do not follow from each other; no entry says it
EARLY = "early"  # subject of an approval that lets a challenger be champion before its last step
State = Literal["running", "paused", "waits", "promoting", "ended"]
_MOVED = ("model", "artifact", "registered")  # what the entry of a move says of a version itself
_STARTED = ("environment", "previous", "rules", *_MOVED)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """A version that a run let into the rollouts of an environment.

    Attributes:
        version: its number; previous: that of the champion which the gate compared it with.
        subjects: `model`, `artifact` and `registered`, as the entry of a move has them; `decision`.
        seq: the ledger's entry.
    """

    environment: str
    version: str
    previous: str
    subjects: Mapping[str, str]
    by: str
    at: str
    reason: str
    seq: int


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One rollout, as far as it has come.

    Attributes:
        id: the number of the entry that began it.
        champion, challenger: numbers of the versions.
        champion_seq: entry that made the champion one.
        subjects: `model`, `artifact`, `registered` and `decision` of the challenger, as the entry of a move has them.
        rules: digest of the rules' document in the store; rules_name: of their file.
        by, reason, began: who began it, why and when.
        step: index of the step that it is in, 0 for the first; step_began: when it began; since: from when on it runs
            without a pause.
        paused: why all requests go to the champion for now; empty where they do not.
        asked: digest of the evidence with which a person is asked to let it go on; empty where nobody is.
        approvals: entries of people who let it go on.
        decided: whether it ends in a promotion, which is not done yet.
        outcome: how it ended; empty where it has not. why: its reason.
        closed: whether an entry ends it.
        acts: its entries, oldest first.
    """

    id: str
    dataset: str
    environment: str
    champion: str
    champion_seq: int
    challenger: str
    subjects: Mapping[str, str]
    rules: str
    rules_name: str
    by: str
    reason: str
    began: str
    step_began: str
    since: str
    step: int = 0
    paused: str = ""
    asked: str = ""
    approvals: tuple[Entry, ...] = ()
    decided: bool = False
    outcome: str = ""
    why: str = ""
    ended: str = ""
    closed: bool = False
    acts: tuple[Entry, ...] = ()

    @property
    def state(self) -> State:
        """`paused`: all requests go to the champion, and none is shadowed. `waits` and `promoting`: as in its step."""
        if self.outcome:
            return "ended"
        if self.decided:
            return "promoting"
        if self.paused:
            return "paused"
        return "waits" if self.asked else "running"

    @property
    def model(self) -> str:
        """Digest of the challenger's weights."""
        return self.subjects["model"]

    @property
    def key(self) -> str:
        """What the keys of its entries begin with."""
        return f"rollout:{self.id}"


def entries_of(book: Book, dataset: str) -> list[Entry]:
    """The entries about the champions and rollouts of a data set, and all quarantines."""
    return acts_of(book, dataset, ROLLOUT_ACTS)


def running(entries: Iterable[Entry], dataset: str, environment: str) -> Rollout | None:
    """The rollout of an environment that is not over; None where there is none."""
    found = [one for one in rollouts(entries, dataset) if one.environment == environment]
    return found[-1] if found and not found[-1].outcome else None


def unfinished(entries: Iterable[Entry], dataset: str, environment: str) -> Rollout | None:
    """The rollout that a driver has something to do with: it runs, or what follows from its end is not done yet."""
    entries = list(entries)
    found = [one for one in rollouts(entries, dataset) if one.environment == environment]
    bad = quarantined(entries)
    return next(
        (
            one
            for one in reversed(found)
            if not one.closed or not one.outcome or (one.outcome == ROLLED_BACK and one.model not in bad)
        ),
        None,
    )


def admissions(entries: Iterable[Entry], dataset: str, environment: str) -> list[Admission]:
    """The versions that runs let into the rollouts of an environment, oldest first."""
    return [
        Admission(
            environment=environment,
            version=_version(entry, dataset),
            previous=_said(entry, "previous"),
            subjects={name: _said(entry, name) for name in (*_MOVED, "decision") if _said(entry, name)},
            by=entry.actor,
            at=entry.at,
            reason=entry.reason,
            seq=entry.seq,
        )
        for entry in entries
        if entry.act == ADMIT and _said(entry, "environment") == environment and _version(entry, dataset)
    ]


def rollouts(entries: Iterable[Entry], dataset: str) -> list[Rollout]:
    """The rollouts of a data set, oldest first, in all environments."""
    entries = list(entries)
    crowned = {reign.seq: reign for reign in champions(entries, dataset)}
    reigns: dict[str, Reign] = {}
    bad: set[str] = set()
    found: dict[str, Rollout] = {}
    for entry in entries:
        if entry.act == START:
            begun = _begun(entry, dataset)
            if begun is not None:
                found[begun.id] = _checked(begun, reigns.get(begun.environment), bad, tuple(found.values()))
        elif entry.act in MOVES and entry.seq in crowned:
            reign = crowned[entry.seq]
            reigns[reign.environment] = reign
            found |= {one.id: _after_move(one, entry, reign) for one in _open(found.values(), reign.environment)}
        elif entry.act == "quarantine":
            bad.add(_said(entry, "model"))
            why = f"its model is in quarantine: {entry.reason}"
            hit = [one for one in found.values() if not one.outcome and one.model in bad]
            found |= {one.id: _over(one, ROLLED_BACK, why, entry) for one in hit}
        elif entry.act in _FOLLOWING and _said(entry, "rollout") in found:
            one = found[_said(entry, "rollout")]
            found[one.id] = replace(_after(one, entry), acts=(*one.acts, entry))
    return list(found.values())


def _begun(entry: Entry, dataset: str) -> Rollout | None:
    """What an entry begins; None where it does not say what."""
    version, seq = _version(entry, dataset), _number(_said(entry, "champion_seq"))
    if not version or seq is None or not all(_said(entry, name) for name in _STARTED):
        return None
    return Rollout(
        id=str(entry.seq),
        dataset=dataset,
        environment=_said(entry, "environment"),
        champion=_said(entry, "previous"),
        champion_seq=seq,
        challenger=version,
        subjects={name: _said(entry, name) for name in (*_MOVED, "decision") if _said(entry, name)},
        rules=_said(entry, "rules"),
        rules_name=_said(entry, "rules_name"),
        by=entry.actor,
        reason=entry.reason,
        began=entry.at,
        step_began=entry.at,
        since=entry.at,
        acts=(entry,),
    )


def _checked(begun: Rollout, reign: Reign | None, bad: set[str], others: Sequence[Rollout]) -> Rollout:
    """The same, over at once where it could not begin."""
    start = begun.acts[0]
    at = None if reign is None else (reign.seq, reign.version)
    if any(True for _ in _open(others, begun.environment)):
        return _over(begun, INVALID, "another one ran when it was entered", start)
    if at != (begun.champion_seq, begun.champion):
        return _over(begun, INVALID, "it names another champion than the one of its time", start)
    if begun.model in bad:
        return _over(begun, INVALID, "its model was in quarantine when it was entered", start)
    return begun


def _open(rollouts: Iterable[Rollout], environment: str) -> Iterator[Rollout]:
    return (one for one in rollouts if one.environment == environment and not one.outcome)


def _after_move(one: Rollout, entry: Entry, reign: Reign) -> Rollout:
    if (reign.version, reign.model) == (one.challenger, one.model):
        return _over(one, PROMOTED, entry.reason, entry)
    return _over(one, OVERTAKEN, f"version {reign.version} was made champion by {entry.actor}: {entry.reason}", entry)


def _over(one: Rollout, outcome: str, why: str, entry: Entry) -> Rollout:
    return replace(one, outcome=outcome, why=why, ended=entry.at)


def _after(one: Rollout, entry: Entry) -> Rollout:
    """What an entry about a rollout makes of it. After its end, only that it is closed."""
    if entry.act == END:
        return _after_end(one, entry)
    if one.outcome or one.decided:
        return one
    if entry.act == PAUSE:
        return replace(one, paused=entry.reason or "no reason was given")
    if not _is_about(one, entry):
        return _over(one, INVALID, f"entry {entry.seq} names another version or environment", entry)
    return _FOLLOWING[entry.act](one, entry)


def _after_end(one: Rollout, entry: Entry) -> Rollout:
    """A promotion is decided by its entry and done by the move that follows: until then the last step goes on."""
    ended = replace(one, closed=True)
    if one.outcome or one.closed:
        return ended
    outcome = _said(entry, "outcome")
    if outcome == PROMOTED and _is_about(one, entry):
        return replace(ended, decided=True, why=entry.reason)
    return _over(ended, outcome if outcome and outcome != PROMOTED else INVALID, entry.reason, entry)


def _stepped(one: Rollout, entry: Entry) -> Rollout:
    step = _number(_said(entry, "step"))
    if step != one.step + 1:
        return _over(one, INVALID, f"entry {entry.seq} begins a step that does not follow step {one.step}", entry)
    return replace(one, step=step, step_began=entry.at, since=entry.at, asked="")


def _resumed(one: Rollout, entry: Entry) -> Rollout:
    return replace(one, paused="", since=entry.at) if one.paused else one


def _waiting(one: Rollout, entry: Entry) -> Rollout:
    return replace(one, asked=one.asked or _said(entry, "evidence"))


def _approved(one: Rollout, entry: Entry) -> Rollout:
    """Who lets it go on saw the evidence that is asked about, unless it is to be champion without."""
    counts = _said(entry, EARLY) == "yes" or (one.asked and _said(entry, "evidence") == one.asked)
    return replace(one, approvals=(*one.approvals, entry)) if counts else one


_FOLLOWING = {STEP: _stepped, WAIT: _waiting, RESUME: _resumed, APPROVE: _approved, PAUSE: _after, END: _after}


def _is_about(one: Rollout, entry: Entry) -> bool:
    return (_version(entry, one.dataset), _said(entry, "environment")) == (one.challenger, one.environment)


def _version(entry: Entry, dataset: str) -> str:
    """The number of the version that an entry is about; empty where it is of another data set."""
    of, _, number = _said(entry, "version").rpartition("/")
    return number if of == dataset and number != NONE else ""


def _said(entry: Entry, name: str) -> str:
    """A subject of an entry; empty where it is none, or no text."""
    value: object = entry.subjects.get(name, "")
    return value if isinstance(value, str) else ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
