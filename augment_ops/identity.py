"""Who somebody is: what may be a name, and the one way in which two names are compared.

Names are ASCII, so that no letter of another script can stand in for one of them, and are compared folded: whoever
proposes as `ML-Deputy` is the `ml-deputy` who approves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from augment_ops.errors import ActRefused, Fault, InputError

NOBODY = "unknown"  # the actor where nobody is named
SCHEDULE = "schedule"  # the actor of a run that a clock or an event started
GATE = "gate"  # who promotes where nobody is asked
ROLLOUT = "rollout"  # who takes a rollout a step on, pauses or ends it, where its rules say so
SERVICE = "augment-ops"  # the login with which tasks read Airflow's record, and write in MLflow
RESERVED = (NOBODY, SCHEDULE, GATE, ROLLOUT, SERVICE)  # no person may be called so
LONGEST = 255  # characters; the ledger's column
_NAME = re.compile(r"[A-Za-z0-9._@-]+")


def fold(name: str) -> str:
    """What is compared of a name: compatibility forms, outer blanks and case make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def same(one: str | None, other: str | None) -> bool:
    """Whether two names are of one person; nobody is the same as nobody else."""
    return bool(one) and bool(other) and fold(str(one)) == fold(str(other))


def among(name: str | None, names: Iterable[str]) -> bool:
    """Whether a person is one of those."""
    return any(same(name, other) for other in names)


def lookalike(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` could be taken for without being it."""
    return next((other for other in known if other != name and same(other, name)), None)


def is_name(text: str) -> bool:
    """Whether somebody may be called so."""
    return len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def name_fault(where: str, name: str) -> Fault | None:
    """What is wrong with the name of somebody who acts; None where nothing is."""
    if is_name(name):
        return None
    found = f"{len(name)} characters" if len(name) > LONGEST else repr(name)
    expected = f"at most {LONGEST} of A-Z, a-z, 0-9, dot, underscore, hyphen and @"
    return Fault(
        where, found, expected, "give the id that stands in policies/approvers.yaml, without blanks or accents"
    )


def check_name(where: str, name: str) -> None:
    """Refuse a name that could not stand in the ledger, or could be taken for another.

    Raises:
        InputError: not of the letters that names have, or too long.
    """
    fault = name_fault(where, name)
    if fault is not None:
        raise InputError.of("who acts", [fault])


def check_somebody(doing: str, name: str) -> None:
    """Refuse an act that counts above dev where nobody is named, or what is no person.

    Raises:
        ActRefused: nobody is.
    """
    if among(name, (SCHEDULE, GATE, ROLLOUT, SERVICE)):
        raise ActRefused(doing, f"{name}, which is no person", "a person", "do it in your own name")
    if same(name, NOBODY):
        fix = "export AUGMENT_OPS_ACTOR=<your id in policies/approvers.yaml>"
        raise ActRefused(doing, "nobody: neither AUGMENT_OPS_ACTOR nor USER says who acts", "a person", fix)
