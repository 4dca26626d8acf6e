"""Each kind of fault by its exit code, for people on stderr and for machines on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NoReturn

import pytest

from augment_ops.errors import ActRefused, CheckRefused, GovernanceError, InputError, StoreError, TrackingError
from augment_ops.lifecycle import listing
from support.command_line import Call


@pytest.mark.parametrize(
    "words",
    [
        ("polices", "list"), ("policy", "lst"), ("policy", "list", "--jsn"), ("policy", "show"),
        ("stage", "ingest"), ("rollback", "digits"), ("run", "--seed", "seven"), ("gate",),
        ("metrics", "serve", "--port", "65536"), ("traffic", "digits", "--windows", "0"),
        ("policy", "approve", "digits-robust", "--reason", "seen", "--days", "0"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_words_that_are_no_command_are_bad_input(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "augment-ops" in err


def _raising(error: BaseException) -> Callable[..., NoReturn]:
    """What a command calls, of that fate."""

    def raises(*given: object) -> NoReturn:
        raise error

    return raises


FAULT = ("where", "found this", "expected that", "mend it")


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (InputError(*FAULT), 2, "InputError"),
        (StoreError(*FAULT), 3, "StoreError"),
        (TrackingError(*FAULT), 3, "TrackingError"),
        (GovernanceError(*FAULT), 3, "GovernanceError"),
        (CheckRefused(*FAULT), 1, "CheckRefused"),
        (ActRefused(*FAULT), 1, "ActRefused"),
        (OSError(28, "No space left on device", "/home/x"), 3, "StoreError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_a_command_raises(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, kind: str
) -> None:
    monkeypatch.setattr(listing, "listed", _raising(error))
    told, out, err = call("policy", "list")
    assert (told, out) == (code, "")
    assert "Traceback" not in err
    found = "found this" if not isinstance(error, OSError) else "No space left"
    assert found in err
    told, out, err = call("policy", "list", "--json")
    assert told == code
    answer = json.loads(out)
    assert (answer["error"], answer["message"]) == (kind, err.rstrip("\n"))
    assert set(answer["faults"][0]) == {"where", "found", "expected", "fix"}


def test_a_fault_of_the_program_shows_where_it_is(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "listed", _raising(ZeroDivisionError("a bug")))
    code, out, err = call("policy", "list")
    assert (code, out) == (3, "")
    assert "Traceback" in err
    assert "a bug" in err
