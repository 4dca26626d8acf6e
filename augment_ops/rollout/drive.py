"""What takes a rollout on: reads what its comparisons say, judges, and enters what follows.

Any number of drivers may work at once, and each may be killed at any moment: what is known is counted again from the
log, what was done stands in the ledger, and each of its entries has a key under which it is made once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from augment_ops.errors import ActRefused, AugmentOpsError, GovernanceError, TrackingError
from augment_ops.governance.chain import Entry
from augment_ops.governance.rollouts import APPROVE, STEP
from augment_ops.identity import ROLLOUT
from augment_ops.lifecycle.book import book_of
from augment_ops.monitoring.telemetry.publish import publish
from augment_ops.pipeline.recorders.telemetry import champion_moved
from augment_ops.rollout.acts import Approvers, approve_early, counts, present_rollout, refusals_of
from augment_ops.rollout.ending import about, again, ask, complete, end, pause, tell
from augment_ops.rollout.evidence import Looked
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.showing import show_until_shown
from augment_ops.rollout.starting import check_may_go_on
from augment_ops.rollout.state import (
    ABORTED,
    COMPARED,
    EARLY,
    PROMOTED,
    ROLLED_BACK,
    Rollout,
    entries_of,
    unfinished,
)
from augment_ops.rollout.watch import Watch
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace

INTERVAL_S = 1.0  # between two looks: with what a service needs to follow the ledger, a rollback takes two seconds
_AGAIN_S = 10.0  # after MLflow did not answer
_SHOWN_S = 5.0  # between two documents for people who look
_TOLD = 3  # reasons in an entry; its evidence has all


class Driver:
    """Takes the rollout of one environment on.

    Args:
        say: gets a line for people.
        whole: read all that there is before it judges; else what a second takes it to, and more the next time.
    """

    def __init__(
        self,
        workspace: Workspace,
        dataset: str,
        environment: str,
        say: Callable[[str], None],
        *,
        whole: bool = False,
    ) -> None:
        self._whole = whole
        self._workspace, self._dataset, self._environment, self._say = workspace, dataset, environment, say
        self._book = book_of(workspace)
        self._watch: Watch | None = None
        self._not_before = 0.0  # MLflow is not asked again earlier
        self._shown = 0.0

    def tick(self) -> Rollout | None:
        """Look once, and do what follows; the rollout as it stands then, None where nothing is left to be done.

        Raises:
            GovernanceError: the ledger cannot be read or written, or a challenger that is to be champion may not be.
            StoreError: the log or the store cannot be read or written.
            TrackingError: MLflow does not answer, and what is to be done needs it. A rollback does not.
        """
        rollout = self._left()
        if rollout is None:
            return None
        before = rollout
        if not rollout.outcome and not rollout.decided:
            rollout = self._taken_on(rollout)
        if rollout.outcome or rollout.decided:
            rollout = self._completed(rollout)
        if rollout.acts != before.acts:
            self._say(_line(rollout))
        return self._left()

    def _left(self) -> Rollout | None:
        return unfinished(entries_of(self._book, self._dataset), self._dataset, self._environment)

    def _taken_on(self, rollout: Rollout) -> Rollout:
        if rollout.paused:
            return rollout
        if self._watch is None or self._watch.id != rollout.id:
            self._watch = Watch(self._workspace, rollout)
        if rollout.step >= len(self._watch.rules.steps):
            reason = f"entry of step {rollout.step}, which its rules do not have"
            return end(self._book, rollout, ABORTED, actor=ROLLOUT, reason=reason)
        looked = self._watch.look(rollout, whole=self._whole)
        self._show(self._watch, looked)
        return self._followed(looked)

    def _show(self, watch: Watch, looked: Looked) -> None:
        if monotonic() - self._shown >= _SHOWN_S:
            self._shown = monotonic()
            watch.keep(looked)

    def _followed(self, looked: Looked) -> Rollout:
        """What follows from a judgement."""
        rollout, judgement = looked.rollout, looked.judgement
        early = [one for one in rollout.approvals if one.subjects.get(EARLY) == "yes" and self._counts(rollout, one)]
        if judgement.action == "roll back":
            return self._ended(looked, ROLLED_BACK)
        if early:
            return self._promoted(looked, f"{early[-1].reason} (before its last step)")
        if judgement.action == "pause":
            return self._paused(looked.rollout, _reason(looked))
        return self._advanced(looked) if judgement.action == "advance" else rollout

    def _advanced(self, looked: Looked) -> Rollout:
        rollout, rules = looked.rollout, looked.rules
        last = rollout.step == len(rules.steps) - 1
        if last and rules.ends == "compare":
            return self._ended(looked, COMPARED)
        if _asks(rules, rollout.step) and not self._is_approved(rollout):
            if rollout.asked:
                return rollout
            asked = ask(self._book, rollout, _reason(looked), looked.evidence.kept(self._workspace.store))
            tell(self._workspace, asked, "wait", f"version {asked.challenger} waits for a person: {_reason(looked)}")
            return asked
        if last:
            return self._promoted(looked, _reason(looked))
        step = str(rollout.step + 1)
        subjects = {**about(rollout), "step": step, "evidence": looked.evidence.kept(self._workspace.store)}
        try:
            self._book.append(STEP, ROLLOUT, subjects, _reason(looked), f"{rollout.key}:step:{step}")
        except GovernanceError:  # another driver has entered it, with the evidence of another moment
            if again(self._book, rollout).step == rollout.step:
                raise
        return again(self._book, rollout)

    def _promoted(self, looked: Looked, reason: str) -> Rollout:
        """Decide that the challenger becomes champion, where it still may; else a person has to look."""
        rollout = looked.rollout
        if monotonic() < self._not_before:
            return rollout
        entries = entries_of(self._book, self._dataset)
        try:
            check_may_go_on(
                self._workspace, self._dataset, self._environment, rollout.challenger, rollout.subjects, entries
            )
        except TrackingError:
            self._not_before = monotonic() + _AGAIN_S
            raise
        except GovernanceError as refusal:
            return self._paused(
                rollout, f"it may not be champion now. {refusal.faults[0].where}: {refusal.faults[0].found}"
            )
        return end(
            self._book,
            rollout,
            PROMOTED,
            actor=ROLLOUT,
            reason=reason,
            evidence=looked.evidence.kept(self._workspace.store),
        )

    def _paused(self, rollout: Rollout, reason: str) -> Rollout:
        paused = pause(self._book, rollout, ROLLOUT, reason)
        times = sum(one.act == paused.acts[-1].act for one in paused.acts)
        tell(self._workspace, paused, f"pause:{times}", f"version {paused.challenger} gets no requests: {reason}")
        return paused

    def _ended(self, looked: Looked, outcome: str) -> Rollout:
        kept = looked.evidence.kept(self._workspace.store)
        return end(self._book, looked.rollout, outcome, actor=ROLLOUT, reason=_reason(looked), evidence=kept)

    def _completed(self, rollout: Rollout) -> Rollout:
        if rollout.decided and not rollout.outcome and monotonic() < self._not_before:
            return rollout
        try:
            done = complete(self._workspace, self._book, rollout)
        except (TrackingError, GovernanceError):
            self._not_before = monotonic() + _AGAIN_S
            raise
        if done.outcome == PROMOTED:
            moved = champion_moved(self._workspace, self._dataset, done.challenger, self._environment)
            for problem in publish(self._workspace.settings.home, moved):
                self._say(problem)
        return done

    def _is_approved(self, rollout: Rollout) -> bool:
        demanded = Approvers.of(self._workspace, self._environment).demanded
        return not demanded or any(self._counts(rollout, one) for one in rollout.approvals)

    def _counts(self, rollout: Rollout, entry: Entry) -> bool:
        return counts(replace(self._workspace), rollout, entry)  # with the approvers of now


def promote(workspace: Workspace, dataset: str, *, reason: str, environment: str = "") -> Rollout:
    """Make a challenger champion before its last step, in the name of somebody who may approve it.

    Raises:
        InputError: no rollout runs, or no reason.
        ActRefused: a condition is shown to be broken, the rollout is paused or decided, or the actor may not; the
            refusal is entered.
        GovernanceError: the challenger may not be champion. TrackingError: MLflow does not answer; the next driver
            goes on.
    """
    rollout = present_rollout(workspace, dataset, environment)
    looked = Watch(workspace, rollout).look(rollout, whole=True)
    with refusals_of(workspace, APPROVE, dataset, rollout.environment, rollout.challenger):
        where = f"rollout {rollout.id} of {dataset} in {rollout.environment}"
        if looked.judgement.action == "roll back":
            fix = "let a driver roll it back, or abort it: augment-ops rollout abort"
            raise ActRefused(where, looked.judgement.reasons[0], "no condition that is shown to be broken", fix)
        if rollout.paused:
            fix = f"resume it first: augment-ops rollout resume {dataset} --reason …"
            raise ActRefused(where, f"paused: {rollout.paused}", "a rollout that runs", fix)
    approve_early(workspace, rollout, reason=reason, evidence=looked.evidence.kept(workspace.store))
    driver = Driver(workspace, dataset, rollout.environment, _say)
    driver.tick()
    return again(book_of(workspace), rollout)


def drive(
    workspace: Workspace,
    dataset: str,
    environment: str,
    *,
    say: Callable[[str], None],
    stop: threading.Event,
    interval_s: float = INTERVAL_S,
) -> None:
    """Take the rollout of an environment on until it has ended, and MLflow shows it, or until `stop` is set.

    What fails is said once, and tried again.
    """
    driver, told = Driver(workspace, dataset, environment, say), ""
    while not stop.is_set():
        try:
            if driver.tick() is None:
                break
            told = ""
        except AugmentOpsError as error:
            if str(error) != told:
                say(f"rollout of {dataset} in {environment}: {error}")
            told = str(error)
        stop.wait(interval_s)
    else:
        return  # whoever stopped it does not wait for MLflow
    show_until_shown(workspace, dataset, environment, say=say, stop=stop)


def main(arguments: list[str]) -> None:
    """`python -P -m augment_ops.rollout.drive DATASET ENVIRONMENT`: ends with the rollout, or with standard input."""
    from augment_ops.services.stack import tracking_uri

    dataset, environment = arguments
    settings = Settings.from_environment()
    settings = replace(settings, mlflow_uri=tracking_uri(settings))
    stop = threading.Event()
    threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
    drive(Workspace(settings, ROLLOUT), dataset, environment, say=_say, stop=stop)


def _until_closed(stop: threading.Event) -> None:
    # Not by `sys.stdin`: the interpreter aborts where a thread holds its lock when the rollout, and so this, has ended.
    while os.read(0, 4096):
        pass
    stop.set()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _asks(rules: RolloutRules, step: int) -> bool:
    """Whether a person is asked after a step, where the environment demands one.

    Before the first step in which the challenger answers everything; where there is none, before it is champion.
    """
    whole = (index for index, one in enumerate(rules.steps) if one.share == 1 and not one.shadow)
    return step == next(whole, len(rules.steps)) - 1


def _reason(looked: Looked) -> str:
    return " ".join(looked.judgement.reasons[:_TOLD])


def _line(rollout: Rollout) -> str:
    """What a rollout came to, for people."""
    where = f"rollout {rollout.id} of {rollout.dataset} in {rollout.environment}, version {rollout.challenger}"
    if rollout.outcome:
        return f"{where}: {rollout.outcome.replace('_', ' ')}. {rollout.why}"
    return f"{where}: {rollout.state}, step {rollout.step}. {rollout.acts[-1].reason}"


if __name__ == "__main__":
    main(sys.argv[1:])
