"""What the ledger says of a challenger that was rolled back, shown in MLflow: as soon as that answers.

A rollback waits for no MLflow, so whoever has seen it shows it later: the service, or `augment-ops rollout drive`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from augment_ops.errors import AugmentOpsError
from augment_ops.lifecycle.book import book_of
from augment_ops.rollout.ending import show_quarantine
from augment_ops.rollout.state import ROLLED_BACK, entries_of, rollouts
from augment_ops.workspace import Workspace

AGAIN_S = 10.0  # after MLflow did not answer


def show_last_quarantine(workspace: Workspace, dataset: str, environment: str) -> None:
    """Show in MLflow that the challenger of the last rollout is in quarantine, where it was rolled back.

    Raises:
        TrackingError: MLflow does not answer.
    """
    entries = entries_of(book_of(workspace), dataset)
    found = [one for one in rollouts(entries, dataset) if one.environment == environment]
    if found and found[-1].outcome == ROLLED_BACK:
        show_quarantine(workspace, found[-1])


def show_until_shown(
    workspace: Workspace, dataset: str, environment: str, *, say: Callable[[str], None], stop: threading.Event
) -> None:
    """The same, tried again until MLflow answers or `stop` is set; what keeps it is said once."""
    told = False
    while not stop.is_set():
        try:
            show_last_quarantine(workspace, dataset, environment)
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
