"""Who may do what, and a record of who did: approvals, and an append-only hash-chained ledger."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from augment_ops.governance.approvals import Approvals, Person
    from augment_ops.governance.chain import Entry
    from augment_ops.governance.ledger import Ledger

__all__ = ["Approvals", "Entry", "Ledger", "Person"]
_MODULES = {"Approvals": "approvals", "Entry": "chain", "Ledger": "ledger", "Person": "approvals"}


def __getattr__(name: str) -> object:
    # Lazy, because the command line reads the names of acts where neither cryptography nor SQLAlchemy is installed.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
