"""What counts of the ledger where champions and rollouts are concerned, and how people's acts are entered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from augment_ops.governance.acts import ROOT, counted
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.rollouts import END, EXPOSING, PAUSE
from augment_ops.governance.root import ENTERED_UNDER
from augment_ops.workspace import Workspace

ROLLBACK, QUARANTINE = "rollback", "quarantine"  # what people do to champions
_SIGNED = (ROLLBACK, QUARANTINE, *EXPOSING, PAUSE, END)  # by a person; a program enters some of them too
COUNTED = (ROLLBACK, *EXPOSING)  # with a signature that holds


class Book(Protocol):
    """The ledger as far as champions and rollouts are concerned: what counts of it, and how acts are entered."""

    def read(self, acts: Collection[str] = ()) -> Iterator[Entry]:
        """The entries that count, oldest first; with `acts` those of these acts alone."""

    def append(self, act: str, actor: str, subjects: Mapping[str, str], reason: str, key: str) -> Entry:
        """Enter an act, once."""


@dataclass(frozen=True)
class Counted:
    """The ledger without people's acts whose signature has to hold and does not, where rules are signed."""

    ledger: Ledger
    policies: Path

    def read(self, acts: Collection[str] = ()) -> Iterator[Entry]:
        """See `Book`."""
        if not self.ledger.entries_under(ENTERED_UNDER):  # nobody has signed rules: nothing is asked of approvers.yaml
            return self.ledger.read(acts)
        return _counted(self.ledger, Approvals.load(self.policies), acts)

    def append(self, act: str, actor: str, subjects: Mapping[str, str], reason: str, key: str) -> Entry:
        """See `Book`; what a program enters is signed by its installation alone."""
        return self.ledger.append(act, actor, subjects, reason, key)


def book_of(workspace: Workspace) -> Counted:
    """What counts of the ledger of a workspace."""
    return Counted(workspace.ledger, workspace.settings.policies)


@dataclass(frozen=True)
class Signing:
    """The same, for somebody who acts: what people do is signed with their key, where rules are signed."""

    workspace: Workspace

    def read(self, acts: Collection[str] = ()) -> Iterator[Entry]:
        """See `Book`."""
        return _counted(self.workspace.ledger, self.workspace.approvals, acts)

    def append(self, act: str, actor: str, subjects: Mapping[str, str], reason: str, key: str) -> Entry:
        """See `Book`.

        Raises:
            GovernanceError: nobody is named, or has no registered key.
        """
        if act in _SIGNED:
            return self.workspace.enter(act, subjects, reason, key)
        return self.workspace.ledger.append(act, actor, subjects, reason, key)


def _counted(ledger: Ledger, approvals: Approvals, acts: Collection[str]) -> Iterator[Entry]:
    """From the entry `root` on signatures are asked for, so that it is read with whatever is asked for."""
    entries = counted(ledger.read((*acts, ROOT) if acts else ()), approvals, COUNTED)
    return (entry for entry in entries if not acts or entry.act in acts)
