"""A breaker: switches off what harms the rest, and tries it again after a while.

Closed, it lets everything through, and opens where a window of what came of it breaks a rule. Open, it lets nothing
through. After a while it is half open: a few trials go through, and by what comes of them it closes, or opens for
longer. It counts and compares, and waits for nothing. One per process and event loop; not thread-safe.

Source: Nygard 2007, "Release It!", on the pattern Circuit Breaker.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from augment_ops.quantities import milliseconds
from augment_ops.serving.augmenting_rules import BreakerRules

State = Literal["closed", "half-open", "open"]

_SLOTS = 10  # of a window, which so ends up to a tenth early, and takes the same memory whatever comes


@dataclass(frozen=True)
class BreakerChange:
    """The breaker is in another state; why, for a person."""

    to: State
    why: str


@dataclass(frozen=True)
class Pass:
    """What was let through, between two changes of the breaker.

    Attributes:
        era: changes before it: what comes of it later says nothing of the state that is then.
        waiting: samples that waited when it came.
    """

    era: int
    waiting: int


@dataclass(frozen=True)
class Latency:
    """How long somebody waited, in seconds, and how much of it was augmentation."""

    whole: float
    augmenting: float


@dataclass
class _Sums:
    """What came of what was let through; `timed` are those with a latency."""

    requests: int = 0
    failed: int = 0
    waiting: int = 0
    timed: int = 0
    whole_s: float = 0.0
    augmenting_s: float = 0.0

    def add(self, passed: Pass, *, failed: bool) -> None:
        self.requests += 1
        self.failed += failed
        self.waiting += passed.waiting

    def time(self, latency: Latency) -> None:
        self.timed += 1
        self.whole_s += latency.whole
        self.augmenting_s += latency.augmenting


class Breaker:
    """See the module.

    Args:
        told: called after each change; what it raises is printed.
        clock: seconds that never go back.
        timed: called with each latency that it is told.
    """

    def __init__(
        self,
        rules: BreakerRules,
        told: Callable[[BreakerChange], None],
        clock: Callable[[], float] = monotonic,
        timed: Callable[[Latency], None] = lambda latency: None,
    ) -> None:
        self._rules, self._told, self._clock, self._timed = rules, told, clock, timed
        self.state: State = "closed"
        self.why = ""  # it is not closed
        self._era = 0
        self._window: deque[tuple[int, _Sums]] = deque(maxlen=_SLOTS)  # number of the slot, and what it holds
        self._trials = _Sums()
        self._let_through = 0  # of the trials
        self._open_s = 0.0  # how long it is open this time, and until when
        self._until = 0.0

    @property
    def left_s(self) -> float:
        """Seconds until it tries again; 0 where it is not open."""
        return max(0.0, self._until - self._clock()) if self.state == "open" else 0.0

    def enter(self, waiting: int) -> Pass | None:
        """Ask to be let through; what is let through leaves by `left` or `dropped`.

        Args:
            waiting: samples that wait now.
        """
        if self.state == "open" and self._clock() >= self._until:
            self._trials, self._let_through = _Sums(), 0
            self._change("half-open", self.why)
        if self.state == "open" or (self.state == "half-open" and self._let_through >= self._rules.trials):
            return None
        self._let_through += 1
        return Pass(self._era, waiting)

    def left(self, passed: Pass, *, failed: bool, latency: Latency | None = None) -> None:
        """Tell what came of something that was let through.

        Args:
            latency: of whoever waited for it; None where nobody's is to be judged.
        """
        if latency is not None:
            self._timed(latency)
        if passed.era != self._era:
            return
        sums = self._trials if self.state == "half-open" else self._slot()
        sums.add(passed, failed=failed)
        if latency is not None:
            sums.time(latency)
        self._judge()

    def dropped(self, passed: Pass) -> None:
        """Nothing came of something that was let through, and nothing follows from that."""
        if passed.era == self._era:
            self._let_through -= 1

    def beside(self, latency: Latency) -> None:
        """Tell how long somebody waited whom the breaker protects, and how much of that time others augmented."""
        self._timed(latency)
        (self._trials if self.state == "half-open" else self._slot()).time(latency)
        if self.state == "closed":
            self._judge()

    def _judge(self) -> None:
        if self.state == "closed":
            why = _broken(self._total(), self._rules, self._rules.min_requests)
            if why:
                self._open(self._rules.open_s, why)
        elif self._trials.requests >= self._rules.trials:
            why = _broken(self._trials, self._rules, 1)
            if why:
                self._open(min(2 * self._open_s, self._rules.longest_open_s), why)
            else:
                self._window.clear()
                self._change("closed", "")

    def _open(self, seconds: float, why: str) -> None:
        self._open_s, self._until = seconds, self._clock() + seconds
        self._change("open", why)

    def _change(self, to: State, why: str) -> None:
        self.state, self.why = to, why
        self._era += 1
        try:
            self._told(BreakerChange(to, why))
        except Exception:  # whoever is told must not make a request fail
            traceback.print_exc()

    def _slot(self) -> _Sums:
        """Where what happens now is counted."""
        number = self._number()
        if not self._window or self._window[-1][0] != number:
            self._window.append((number, _Sums()))
        return self._window[-1][1]

    def _total(self) -> _Sums:
        oldest = self._number() - _SLOTS
        found = [sums for number, sums in self._window if number > oldest]
        return _Sums(
            requests=sum(one.requests for one in found),
            failed=sum(one.failed for one in found),
            waiting=sum(one.waiting for one in found),
            timed=sum(one.timed for one in found),
            whole_s=sum(one.whole_s for one in found),
            augmenting_s=sum(one.augmenting_s for one in found),
        )

    def _number(self) -> int:
        return int(self._clock() * _SLOTS / self._rules.window_s)


def _broken(found: _Sums, rules: BreakerRules, least: int) -> str:
    """Which rule is broken, for a person; empty for none.

    Args:
        least: requests that say something.
    """
    if found.requests >= least:
        if found.failed > rules.error_rate * found.requests:
            return f"{found.failed} of {found.requests} failed"
        if found.waiting > rules.waiting * found.requests:
            return f"{found.waiting / found.requests:.0f} samples wait"
    if found.timed >= least and found.augmenting_s > rules.latency_share * found.whole_s:
        mean_ms = 1000 * found.whole_s / found.timed
        if mean_ms > rules.latency_ms:
            return f"{found.augmenting_s / found.whole_s:.0%} of {milliseconds(mean_ms)}"
    return ""
