"""What a source holds now, as one digest: far cheaper than reading it into a snapshot, for nothing is decoded."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import Any

from augment_ops.data.sources.snapshot import is_snapshot, open_source
from augment_ops.data.store import Store
from augment_ops.modalities import UNNAMED, asked_of
from augment_ops.modalities import modality as modality_of
from augment_ops.modalities.source import Source

_FORMAT = "augment-ops fingerprint 1"  # of what is hashed; another one finds nothing of before again


def fingerprint(
    uri: str, store: Store, *, modality: str = UNNAMED, allow_outside: bool = False, **asked: Any
) -> str | None:
    """Digest of all that `ingest` would make a snapshot from, but for its other arguments.

    The same digest means the same samples, the same name of the data set, and the same account of what is left out.
    Content is hashed and not asked for its time or size, because a file can be changed and keep both (an editor that
    restores times, a copy with `cp -p`, two writes within one tick of the clock).

    To be taken before the source is read: what changes between the two is in the snapshot and not in the digest. Who
    keeps a snapshot under this digest takes it once more afterwards, and keeps nothing where it is another.

    Args:
        uri: as `augment_ops.data.ingest.ingest` takes it.
        store: where `snapshot:…` lies.
        modality, allow_outside, asked: as `ingest` takes them.

    Returns:
        64 hex digits; None where the source lies on another machine: to hash it would take as long as to read it, and
        what its service says of a file (a time, an ETag that depends on the parts of the upload) is no content.

    Raises:
        DataError: the source is missing or unreadable as a whole, as `ingest` would say.
    """
    if not is_snapshot(uri) and not modality_of(modality).codec.is_local(uri):
        return None
    return contents_digest(open_source(uri, store, modality, asked_of(modality, asked), allow_outside=allow_outside))


def contents_digest(source: Source) -> str:
    """Hex sha256 over a source's name and `contents`."""
    sha = hashlib.sha256()
    for words in chain([(_FORMAT, source.name)], source.contents()):
        for word in (str(len(words)), *words):  # each behind its length: no two lists of words give the same bytes
            data = word.encode("utf-8", "surrogateescape")  # names of files are bytes
            sha.update(len(data).to_bytes(8, "little") + data)
    return sha.hexdigest()
