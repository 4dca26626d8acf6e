"""A rollout as people are told of it: its steps, what is known of its conditions, and who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from augment_ops.data.store import Store
from augment_ops.errors import StoreError
from augment_ops.governance.chain import Entry
from augment_ops.governance.rollouts import APPROVE, END, PAUSE, RESUME, START, STEP, WAIT
from augment_ops.rollout.evidence import RolloutEvidence, evidence_in, progress, rules_of
from augment_ops.rollout.rules import RolloutRules, StepRules
from augment_ops.rollout.state import EARLY, Rollout

Stands = Literal["passed", "runs", "ended here", "to come"]


@dataclass(frozen=True, kw_only=True)
class ToldStep:
    """One step.

    Attributes:
        began: UTC, ISO 8601; empty where it has not.
    """

    rules: StepRules
    began: str
    stands: Stands


@dataclass(frozen=True, kw_only=True)
class Told:
    """One thing that was done: when, by whom, what, and why."""

    at: str
    by: str
    what: str
    why: str
    seq: int


@dataclass(frozen=True, kw_only=True)
class Story:
    """One rollout.

    Attributes:
        rules: None where they cannot be read any more.
        seen: what its end rests on, or what a driver knew last; None where nothing was looked at yet.
    """

    rollout: Rollout
    rules: RolloutRules | None
    steps: tuple[ToldStep, ...]
    seen: RolloutEvidence | None
    told: tuple[Told, ...]


def story(store: Store, rollout: Rollout) -> Story:
    """All that there is to be told of a rollout; what cannot be read is left out."""
    try:
        rules: RolloutRules | None = rules_of(store, rollout)
    except StoreError:
        rules = None
    return Story(
        rollout=rollout,
        rules=rules,
        steps=() if rules is None else _steps(rules, rollout),
        seen=_seen(store, rollout),
        told=tuple(Told(at=one.at, by=one.actor, what=_said(one), why=one.reason, seq=one.seq) for one in rollout.acts),
    )


def kind_of(step: StepRules) -> str:
    """What a step is, in a few words: `shadow of 10%`, `canary of 1%`."""
    return f"{'shadow' if step.shadow else 'canary'} of {100 * step.share:.4g}%"


def _steps(rules: RolloutRules, rollout: Rollout) -> tuple[ToldStep, ...]:
    began = [rollout.began, *(one.at for one in rollout.acts if one.act == STEP)]
    now: Stands = "runs" if not rollout.outcome else "passed" if rollout.outcome == "promoted" else "ended here"
    return tuple(
        ToldStep(
            rules=step,
            began=began[index] if index < len(began) else "",
            stands="passed" if index < rollout.step else now if index == rollout.step else "to come",
        )
        for index, step in enumerate(rules.steps)
    )


def _seen(store: Store, rollout: Rollout) -> RolloutEvidence | None:
    """The evidence of its end where that names any; else what a driver kept for people."""
    digest = next((one.subjects.get("evidence", "") for one in rollout.acts if one.act == END), "")
    try:
        return evidence_in(store, digest) if digest else progress(store, rollout)
    except StoreError:
        return None


def _said(entry: Entry) -> str:
    said = {
        START: "began it",
        STEP: f"began step {entry.subjects.get('step', '')}",
        WAIT: "asked for a person",
        PAUSE: "paused it",
        RESUME: "resumed it",
        APPROVE: "let it be champion at once" if entry.subjects.get(EARLY) == "yes" else "let it go on",
        END: f"ended it: {entry.subjects.get('outcome', '').replace('_', ' ')}",
    }
    return said.get(entry.act, entry.act)
