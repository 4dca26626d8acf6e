"""Alerts: entered once in the ledger, and which of them start a training.

An alert is an act of the ledger under a key of what it is about, so that it exists once, whoever finds it how often.
Which alerts start a training follows from the ledger alone (`starting`): the order of its entries is the same for
everybody, so two monitors that run at once cannot start two trainings, and none is lost where one is killed between the
alert and the start. The run that an alert starts has an id made from the alert's key, and a driver makes a run of one
id once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from augment_ops.content import digest_of
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.cause import ALERT, RUN_PREFIX

Kind = Literal["drift", "age", "policy", "blind", "rollout"]
STARTS: tuple[Kind, ...] = ("drift", "age", "policy")  # blind monitoring and rollouts are for people


@dataclass(frozen=True)
class Alert:
    """Something that people should know.

    Attributes:
        key: of what it is about; one alert a key.
        subjects: what it is about, by name; the same whenever it is found again.
        message: what was found, what it is based on, and where to look.
        cool_down_h: how long after the last training that an alert started this one may start the next.
    """

    kind: Kind
    dataset: str
    key: str
    subjects: dict[str, str]
    message: str
    cool_down_h: float

    @property
    def run_id(self) -> str:
        """Id of the training that it starts."""
        return run_id_of(self.dataset, self.kind, self.key)


def enter(ledger: Ledger, alert: Alert, actor: str, origin: str = "") -> tuple[Entry, bool]:
    """Enter the alert; the entry that is there already where it was found before, and whether it is new.

    One that is there stays as it is, with the cool-down of its time.

    Args:
        origin: the run of the driver's monitor that found it, where there is one.
    """
    known = ledger.find(alert.key)
    if known is not None:
        return known, False
    subjects = {
        "dataset": alert.dataset,
        "kind": alert.kind,
        **alert.subjects,
        "cool_down_h": str(alert.cool_down_h),
        **({"origin": origin} if origin else {}),
    }
    return ledger.append(ALERT, actor, subjects, alert.message, alert.key), True


def starting(entries: Iterable[Entry], dataset: str) -> list[Entry]:
    """The alerts of a data set that start a training, oldest first.

    The first one does; each later one where its cool-down has passed since the last that did. The cool-down is the one
    that the rules had when the alert was entered, so that a change of the rules rewrites nothing.
    """
    found: list[Entry] = []
    for entry in entries:
        if entry.act != ALERT or entry.subjects.get("dataset") != dataset or entry.subjects.get("kind") not in STARTS:
            continue
        wait = timedelta(hours=float(entry.subjects["cool_down_h"]))
        if not found or datetime.fromisoformat(entry.at) >= datetime.fromisoformat(found[-1].at) + wait:
            found.append(entry)
    return found


def run_id_of(dataset: str, kind: str, key: str) -> str:
    """Id of the training that the alert of that key starts."""
    return f"{RUN_PREFIX}{dataset}__{kind}__{digest_of(key)[:16]}"
