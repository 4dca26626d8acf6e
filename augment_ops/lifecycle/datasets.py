"""Which data sets this installation knows: a slip of the pen is told from one that nothing has come of yet."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from augment_ops.content import from_json
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, InputError, nearest
from augment_ops.governance.chain import Entry

_SNAPSHOTS = "snapshots/"
_TOLD = 30  # names of a line that people read


def check_known(store: Store, entries: Iterable[Entry], dataset: str) -> None:
    """Refuse a data set of which neither a snapshot nor an entry of the ledger knows.

    Raises:
        InputError: with the nearest that there is.
    """
    entered = {entry.subjects.get("version", "").rpartition("/")[0] for entry in entries}
    known = sorted({one.dataset for one in _manifests(store)} | entered - {""})
    if dataset not in known:
        told = ", ".join(known[:_TOLD]) + (f" and {len(known) - _TOLD} more" if len(known) > _TOLD else "")
        found = f"{dataset!r:.120}, of which no run and no champion is known"
        fix = f"choose one of them; augment-ops runs list shows runs by data set.{nearest(dataset, known)}"
        raise InputError("data set", found, f"one that is known here: {told or 'there is none yet'}", fix)


def classes_of(store: Store, dataset: str) -> tuple[str, ...]:
    """The classes of all snapshots of a data set, sorted; empty where there is none of that name."""
    return tuple(sorted({name for one in _manifests(store) if one.dataset == dataset for name in one.classes}))


def _manifests(store: Store) -> list[SnapshotManifest]:
    found = []
    for name in store.documents(_SNAPSHOTS):
        document = store.get_document(name)
        with suppress(AugmentOpsError):  # a damaged one is told where it is used
            if document is not None:
                found.append(from_json(SnapshotManifest, document))
    return found
