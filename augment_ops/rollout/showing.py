"""What the ledger says of challengers that were rolled back, shown in MLflow: as soon as that answers.

A rollback waits for no MLflow, so whoever has seen it shows it later: the service, or `augment-ops rollout drive`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from augment_ops.errors import AugmentOpsError
from augment_ops.lifecycle.book import book_of
from augment_ops.rollout.state import ROLLED_BACK, entries_of, rollouts
from augment_ops.workspace import Workspace

AGAIN_S = 10.0  # after MLflow did not answer


def show_quarantines(workspace: Workspace, dataset: str, environment: str) -> None:
    """Show in MLflow that challengers that were rolled back may not be champion, each that it does not show so yet.

    Raises:
        TrackingError: MLflow does not answer.
    """
    found = rollouts(entries_of(book_of(workspace), dataset), dataset)
    back = {one.challenger: one for one in found if (one.environment, one.outcome) == (environment, ROLLED_BACK)}
    if not back:
        return
    tracker = workspace.tracker
    shown = {one.version for one in tracker.in_quarantine(dataset)}
    for version, one in back.items():
        there = None if version in shown else tracker.find_version(dataset, version)
        # Where a registered model was deleted and made anew, its versions have the numbers of others.
        if there is not None and there.model_digest == one.model:
            tracker.quarantine(dataset, version, one.why)


def show_until_shown(
    workspace: Workspace, dataset: str, environment: str, *, say: Callable[[str], None], stop: threading.Event
) -> None:
    """The same, tried again until MLflow answers or `stop` is set; what keeps it is said once."""
    told = False
    while not stop.is_set():
        try:
            show_quarantines(workspace, dataset, environment)
            return
        except AugmentOpsError as error:
            if not told:
                say(f"the ledger keeps the challenger from being champion; MLflow does not show it yet: {error}")
            told = True
        stop.wait(AGAIN_S)


def show_in_background(workspace: Workspace, dataset: str, environment: str, say: Callable[[str], None]) -> None:
    """The same in a thread, which ends with the process: for who answers meanwhile."""
    threading.Thread(
        target=show_until_shown,
        args=(replace(workspace), dataset, environment),  # with a connection of its own
        kwargs={"say": say, "stop": threading.Event()},
        name="quarantine in MLflow",
        daemon=True,
    ).start()
