"""What a quality stage leaves behind: measurements with a status, never an exception (law 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]
_ORDER: tuple[Status, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One measurement and what the thresholds say of it.

    Attributes:
        name: kebab-case, as in policies/quality/*.yaml.
        status: `fail` also where nothing could be measured (fails closed).
        measured: the number compared with the thresholds; NaN where it could not be measured.
        unit: `share`, `samples`, `classes`, `ratio`, ….
        warn_at, fail_at: thresholds; None where the file sets none.
        message: one sentence for a person: what was found, where, and what to do when it is not ok.
        samples: up to ten sample ids that show it.
    """

    name: str
    status: Status
    measured: float
    unit: str
    warn_at: float | None
    fail_at: float | None
    message: str
    samples: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualityReport:
    """Every check of one subject under one set of thresholds.

    Attributes:
        stage: `check_data` or `check_augmented`.
        subject_digest: digest of the snapshot, or of the augmented plan or shards.
        rules_digest: digest of the thresholds used.
        checks: in the order of the thresholds' file.
    """

    stage: str
    subject_digest: str
    rules_digest: str
    checks: tuple[CheckResult, ...]

    @property
    def status(self) -> Status:
        """The worst status of all checks; a report without checks has failed."""
        return max((c.status for c in self.checks), key=_ORDER.index, default="fail")

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(c for c in self.checks if c.status == "fail")
