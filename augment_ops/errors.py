"""One base exception. Every message says where, what was found, what was expected, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

# Exit codes of the command line (DESIGN: 0 done, 1 a check said no, 2 bad input, 3 a computation failed).
EXIT_CHECK_SAID_NO = 1
EXIT_BAD_INPUT = 2
EXIT_COMPUTATION_FAILED = 3

_MAX_FAULTS_SHOWN = 20  # a message is read by a person; the whole list stays on `.faults`


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, in the order in which a reader needs it."""

    where: str
    found: str
    expected: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected {self.expected}.\n    Fix: {self.fix}"


class AugmentOpsError(Exception):
    """Base of every error that this project raises on purpose.

    Args:
        where: file, field, stage or service that the reader has to go to.
        found: what was there (bounded text, never a whole file).
        expected: what would have been accepted.
        fix: the next thing to do, as an instruction.

    Attributes:
        file: what all the faults lie in, for an error made by `of`; else empty.
        faults: everything that is wrong.
    """

    exit_code: ClassVar[int] = EXIT_COMPUTATION_FAILED

    def __init__(self, where: str, found: str, expected: str, fix: str) -> None:
        self.file = ""
        self.faults: tuple[Fault, ...] = (Fault(where, found, expected, fix),)
        super().__init__(str(self.faults[0]))

    @classmethod
    def of(cls, where: str, faults: Sequence[Fault]) -> Self:
        """All the faults of one file or configuration at once; `where` names it."""
        error = cls.__new__(cls)
        error.file = where
        error.faults = tuple(faults)
        lines = [f"{where}: {len(faults)} fault{'s' if len(faults) != 1 else ''}"]
        for fault in faults[:_MAX_FAULTS_SHOWN]:
            lines += [f"  {line}" for line in str(fault).splitlines()]
        if len(faults) > _MAX_FAULTS_SHOWN:
            lines.append(f"  … and {len(faults) - _MAX_FAULTS_SHOWN} more")
        Exception.__init__(error, "\n".join(lines))
        return error

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process boundaries (loader workers); the default would call __init__ with one argument.
        return (_rebuild, (type(self), self.file, self.faults, str(self)))


def _rebuild(cls: type[AugmentOpsError], file: str, faults: tuple[Fault, ...], text: str) -> AugmentOpsError:
    error = cls.__new__(cls)
    error.file = file
    error.faults = faults
    Exception.__init__(error, text)
    return error


class InputError(AugmentOpsError):
    """What the user gave cannot be used; nothing was changed."""

    exit_code = EXIT_BAD_INPUT


class PolicyError(InputError):
    """A file below policies/ is wrong, or a policy may not be used here."""


class DataError(InputError):
    """A data source is missing, empty, or not of a shape that can be read."""


class TransformError(InputError):
    """Samples, ids or parameters that a transform cannot work on."""


class NotInstalled(InputError):  # noqa: N818 - it is an answer, not a failure
    """What is asked for needs a library that comes with an extra of the package (`augment-ops[torch]`, say)."""


class StoreError(AugmentOpsError):
    """The store could not write, or what it holds is not what was put there."""


class AlteredError(StoreError):
    """An object was read whole, and its content is not what was put there."""


class TrackingError(AugmentOpsError):
    """The MLflow server does not answer, or refuses."""


class TrainingError(AugmentOpsError):
    """Training did not produce a usable model (a loss that is not a number, say)."""


class ServiceError(AugmentOpsError):
    """A service on this machine (Airflow, MLflow) could not be started, reached or stopped."""


class GovernanceError(AugmentOpsError):
    """The ledger, the rules or the registry cannot be trusted, or a governed act was refused (`ActRefused`)."""


class ActRefused(GovernanceError):  # noqa: N818 - it is an answer, not a failure
    """Who acts may not do it, or what they name is not admitted: rules said no, and the ledger stays as it was."""

    exit_code = EXIT_CHECK_SAID_NO


class CheckRefused(AugmentOpsError):  # noqa: N818 - it is an answer, not a failure
    """A check said no, and nothing later may run. The report is kept; this carries the reason to the driver."""

    exit_code = EXIT_CHECK_SAID_NO


# What would be refused again: other errors pass, and what raised them is worth another try.
REFUSALS = (CheckRefused, GovernanceError, InputError, TrainingError)


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for the known name closest to `name`, or nothing where none is close."""
    names = list(known)
    # A name that was cut short (std for std_range) is closer than any misspelling.
    matches = [n for n in names if name and n.startswith(name)] or difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {matches[0]}?" if matches else ""
