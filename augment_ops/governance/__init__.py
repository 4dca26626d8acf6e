"""Who may do what, and a record of who did: approvals, and an append-only hash-chained ledger."""

from __future__ import annotations

from augment_ops.governance.approvals import Approvals, Person
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger

__all__ = ["Approvals", "Entry", "Ledger", "Person"]
