"""Where stages keep how far they have come, on this machine, until they are done: a folder for each key."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from augment_ops.content import digest_of

# Nobody goes on with a run after so long; what belongs to one that was given up is removed then.
_GIVEN_UP_S = 14 * 24 * 3600.0


def unfinished(home: Path, key: str, *, only: str = "") -> Path:
    """The folder of a stage's key, which need not be there.

    Args:
        only: id of the run that alone may go on from it; empty lets every run with that key.
    """
    return home / "unfinished" / (digest_of([key, only]) if only else key)


def forget(folder: Path) -> None:
    """Remove the folder of a key that is done, and those of keys that were given up."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # another process may be removing the same
        for other in folder.parent.iterdir():
            if other.stat().st_mtime < time.time() - _GIVEN_UP_S:
                shutil.rmtree(other, ignore_errors=True)
