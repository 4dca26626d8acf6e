"""What an auditor checks: that the chain of entries is whole, and holds what was noted elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import RowMapping

from augment_ops.errors import Fault
from augment_ops.governance.chain import GENESIS, hash_of

RESTORE = "restore the ledger from a backup, and find out who changed it"
_MOST = 50  # faults; who needs more has lost the ledger


def check_chain(where: str, rows: Iterable[RowMapping], anchors: Mapping[str, str]) -> list[Fault]:
    """Recompute the chain over rows in order.

    Args:
        where: names the ledger.
        anchors: hashes of entries → where they were noted.

    Returns:
        What is wrong, at most 50 faults: altered, removed, moved or inserted entries by number, and anchors that no
        entry answers to.
    """
    faults: list[Fault] = []
    before, at, expected = GENESIS, "", 1
    missing = {anchor: noted for anchor, noted in anchors.items() if anchor != GENESIS}
    for row in rows:
        if len(faults) < _MOST:
            faults += _entry_faults(where, row, before, at, expected)
        before, at = str(row["hash"]), str(row["at"])
        expected = (row["seq"] if isinstance(row["seq"], int) else expected) + 1
        missing.pop(before, None)
    faults += [
        Fault(where, "no such entry", f"the entry {anchor[:12]}… that {noted} has noted", RESTORE)
        for anchor, noted in missing.items()
    ]
    return faults[:_MOST]


def _entry_faults(where: str, row: RowMapping, before: str, at: str, expected: int) -> list[Fault]:
    place = f"{where}, entry {row['seq']}"
    faults = []
    if row["seq"] != expected:
        faults.append(
            Fault(place, f"number {row['seq']}", f"number {expected}: entries were removed or moved", RESTORE)
        )
    if row["prev_hash"] != before:
        found, wanted = str(row["prev_hash"])[:12], before[:12]
        faults.append(Fault(place, f"link {found}…", f"{wanted}…, the hash of the entry before", RESTORE))
    try:
        hashed = hash_of(row["prev_hash"], row)
    except (TypeError, AttributeError):
        hashed = None  # a column that holds no text was not written by us
    if hashed != row["hash"]:
        faults.append(Fault(place, f"hash {str(row['hash'])[:12]}…", "that of its content: it was altered", RESTORE))
    elif str(row["at"]) < at:
        faults.append(Fault(place, f"time {row['at']}", f"{at} or later, as the entry before says", RESTORE))
    return faults
