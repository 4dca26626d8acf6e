"""How far the rollout of a service's environment has come, as the ledger has it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic

from augment_ops.errors import AugmentOpsError
from augment_ops.identity import ROLLOUT
from augment_ops.lifecycle.book import book_of
from augment_ops.lifecycle.champion import check_version
from augment_ops.rollout.ending import complete, end, move_of
from augment_ops.rollout.evidence import rules_of
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.showing import show_in_background
from augment_ops.rollout.state import PROMOTED, ROLLED_BACK, Rollout, entries_of, rollouts, unfinished
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.laying_out import laid_out
from augment_ops.serving.meters import folder_of
from augment_ops.serving.rollout_meters import RolloutMeters
from augment_ops.serving.served import Served
from augment_ops.workspace import Workspace

_BLIND_S = 2.0  # without the ledger, after which nobody is exposed any more: a rollback could not be seen
_AGAIN_S = 10.0  # after a challenger that could not be had: MLflow was away, or somebody is mending it


class FollowedRollout:
    """The rollouts of a data set in one environment.

    Args:
        environment: in which the service answers.
        say: gets a line where a challenger cannot be had, or the ledger not be read.
    """

    def __init__(self, workspace: Workspace, dataset: str, environment: str, say: Callable[[str], None]) -> None:
        self._workspace, self._dataset, self._environment, self._say = workspace, dataset, environment, say
        self._book = book_of(workspace)
        self._found: Rollout | None = None
        self._of: tuple[str, Served, RolloutRules] | None = None  # what was laid out, by the rollout's id
        self._exposure: Exposure | None = None
        self._shown = ""  # the rollout whose rollback is shown in MLflow, or is to be when that answers
        self._failed: dict[str, str] = {}  # rollout → why a worker does not ask its challenger; entered, or to be
        self._has_work = False  # for a driver
        self._seen = monotonic()
        self._not_before = 0.0
        folder = folder_of(workspace.settings.home, dataset)
        self._meters = RolloutMeters(folder, dataset, environment, say)
        self._told: str | None = None  # the rollout of which it was said where it stands; None before the first look

    def now(self) -> Exposure | None:
        """See `Rolling`; asks the ledger, which takes milliseconds."""
        try:
            entries = entries_of(self._book, self._dataset)
            found = [one for one in rollouts(entries, self._dataset) if one.environment == self._environment]
            self._has_work = unfinished(entries, self._dataset, self._environment) is not None
        except AugmentOpsError as error:
            if monotonic() - self._seen > _BLIND_S and self._exposure is not None:
                self._say(f"rollout {self._exposure.rollout}: the champion answers alone, without a ledger: {error}")
                self._exposure = None
            return self._exposure
        self._seen, self._found = monotonic(), found[-1] if found else None
        self._exposure = self._exposed(self._found)
        if self._told is None:
            self._meters.begins()
            self._told = ""
        if self._found is not None:
            self._count(self._found)
            self._show(self._found)
        return self._exposure

    def fails(self, exposure: Exposure, why: str) -> None:
        """See `Rolling`; what cannot be entered now is entered later."""
        self._failed[exposure.rollout] = why
        self._exposure = None
        self._say(f"rollout {exposure.rollout}: the champion answers alone: {why}")
        self._enter_failure()

    def has_won(self, exposure: Exposure) -> bool:
        """See `Rolling`."""
        found = self._found
        return found is not None and found.id == exposure.rollout and found.outcome == PROMOTED

    @property
    def driver(self) -> Sequence[str] | None:
        """See `Rolling`."""
        if not self._has_work:
            return None
        return (sys.executable, "-P", "-m", "augment_ops.rollout.drive", self._dataset, self._environment)

    def _exposed(self, rollout: Rollout | None) -> Exposure | None:
        if rollout is None or rollout.outcome or rollout.paused:
            return None
        if rollout.id in self._failed:
            self._enter_failure()
            return None
        if self._of is None or self._of[0] != rollout.id:
            self._of = self._had(rollout)
        if self._of is None:
            return None
        _, challenger, rules = self._of
        if rollout.step >= len(rules.steps):  # no driver enters that: nobody is exposed by what is not understood
            return None
        return Exposure(rollout=rollout.id, challenger=challenger, rules=rules, step=rollout.step)

    def _count(self, rollout: Rollout) -> None:
        """Say where it stands, and once how it has ended."""
        if rollout.outcome:
            if self._told == rollout.id:
                self._meters.ended(rollout.outcome)
                self._told = ""
        elif self._exposure is not None:
            self._told, now = rollout.id, self._exposure.now
            since = datetime.fromisoformat(rollout.step_began).timestamp()
            share, waits = 0.0 if now.shadow else now.share, rollout.state == "waits"
            self._meters.at(rollout.challenger, now.name, share, since=since, waiting=waits)

    def _show(self, rollout: Rollout) -> None:
        """Have MLflow show a rollback, which waits for no MLflow; nor does this."""
        if rollout.outcome == ROLLED_BACK and self._shown != rollout.id:
            self._shown = rollout.id
            show_in_background(self._workspace, self._dataset, self._environment, self._say)

    def _had(self, rollout: Rollout) -> tuple[str, Served, RolloutRules] | None:
        """The challenger, laid out, and the rules; None where they cannot be had now."""
        if monotonic() < self._not_before:
            return None
        try:
            tracker = self._workspace.tracker
            check_version(tracker, move_of(rollout))
            version = tracker.version(self._dataset, rollout.challenger)
            served = laid_out(self._workspace, version, self._dataset, self._environment)
            return rollout.id, served, rules_of(self._workspace.store, rollout)
        except (AugmentOpsError, OSError) as error:  # a full disk, too, ends no service
            self._not_before = monotonic() + _AGAIN_S
            self._say(f"rollout {rollout.id}: version {rollout.challenger} is not asked yet: {error}")
            return None

    def _enter_failure(self) -> None:
        rollout = self._found
        if rollout is None or rollout.outcome or rollout.id not in self._failed:
            return
        try:
            why = self._failed[rollout.id]
            complete(self._workspace, self._book, end(self._book, rollout, ROLLED_BACK, actor=ROLLOUT, reason=why))
        except AugmentOpsError as error:
            self._say(f"rollout {rollout.id}: its end is not entered yet: {error}")
