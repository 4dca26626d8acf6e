"""The windows that were judged, of every data set, for a list."""

from __future__ import annotations

from collections import defaultdict

from augment_ops.content import from_json
from augment_ops.data.store import Store
from augment_ops.production.timeline import JudgedWindow

_ALL = "drift/"
_WINDOWS = "/windows/"


def judged_windows(store: Store, most: int) -> dict[tuple[str, str], list[JudgedWindow]]:
    """(Data set, rules) → its newest windows, the newest first.

    Args:
        most: windows of each; older ones are not read.
    """
    # The same rules judge against another champion's snapshot in another folder; names begin with the window's start.
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for dataset in store.folders(_ALL):
        for name in store.documents(f"{dataset}{_WINDOWS}"):
            folders[name.rpartition("/")[0]].append(name)
    found: defaultdict[tuple[str, str], list[JudgedWindow]] = defaultdict(list)
    for names in folders.values():
        for name in sorted(names, reverse=True)[:most]:
            document = store.get_document(name)
            if document is not None:
                judged = from_json(JudgedWindow, document)
                found[judged.dataset, judged.rules].append(judged)
    newest = {key: sorted(windows, key=lambda one: one.start, reverse=True) for key, windows in sorted(found.items())}
    return {key: windows[:most] for key, windows in newest.items()}
