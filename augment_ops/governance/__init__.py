"""Who may do what, and a record of who did: approvals, and an append-only hash-chained ledger."""

from __future__ import annotations

from augment_ops.governance.approvals import Approvals, Person
from augment_ops.governance.ledger import Entry, Ledger

__all__ = ["Approvals", "Entry", "Ledger", "Person"]
