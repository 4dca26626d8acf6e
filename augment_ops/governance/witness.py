"""Where the newest entry of a ledger is noted at once, out of reach of whoever can write the ledger.

A head names an entry, and by its hash everything before it. A ledger that lacks one was cut off or rolled back.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from augment_ops.errors import GovernanceError, InputError

FILE = "heads.jsonl"
_LINE = 1 << 14  # bytes; a line has 250, and up to 16,000 more where it holds a timestamp
_CUT_OFF = b" cut off\n"  # put behind what a machine that died has left of a line
_VERSIONED = ("s3://", "s3a://")
_PER_FOLDER = 1000  # objects; as many as S3 lists at once
_AT_ONCE = 16  # objects that are read


@dataclass(frozen=True, kw_only=True)
class Head:
    """An entry as a witness knows it.

    Attributes:
        signer: public key of its signature; empty where it has none.
        at: when it was noted, UTC, ISO 8601.
        token: an authority's timestamp of it, base64; empty where none was asked for one.
    """

    seq: int
    hash: str
    signer: str
    at: str
    token: str = ""


class Witness(Protocol):
    """A place that keeps heads. Both methods raise GovernanceError where it does not answer or is damaged.

    Attributes:
        name: for people.
        outside: whether it lies elsewhere than the installation's own state.
    """

    name: str
    outside: bool

    def note(self, head: Head) -> None:
        """Keep a head beside those that are there."""

    def heads(self) -> Iterator[Head]:
        """All of them, oldest first."""

    def newest(self) -> Head | None:
        """The one that was noted last, as far as that is known in a millisecond; None where there is none."""

    def time(self) -> datetime | None:
        """What the clock of its storage says; None where that cannot be asked."""


class FileWitness:
    """A file that is only ever appended to, one head a line: on other storage, in other hands."""

    def __init__(self, folder: Path, *, outside: bool = True) -> None:
        self._path = folder / FILE
        self.name, self.outside = f"witness {self._path}", outside

    def note(self, head: Head) -> None:
        """Append a line; one call of write, so that lines of several processes do not mix."""
        line = _written(head) + b"\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (_CUT_OFF if torn else b"") + line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise silent(self.name, error) from error

    def heads(self) -> Iterator[Head]:
        """All lines but those that were cut off."""
        try:
            with self._path.open("rb") as file:
                yield from (_head(self.name, line) for line in file if _whole(line))
        except FileNotFoundError:
            return
        except OSError as error:
            raise silent(self.name, error) from error

    def newest(self) -> Head | None:
        """The last whole line of the file's end."""
        found = self.last(1)
        return found[-1] if found else None

    def last(self, count: int) -> list[Head]:
        """At most so many of the newest, oldest first."""
        try:
            with self._path.open("rb") as file:
                start = max(0, os.fstat(file.fileno()).st_size - (count + 1) * _LINE)
                file.seek(start)
                if start:
                    file.readline()  # what is left of a line that began before
                lines = deque((line for line in file if _whole(line)), maxlen=count)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise silent(self.name, error) from error
        return [_head(self.name, line) for line in lines]

    def time(self) -> datetime | None:
        """By the time that its storage gives the file when it is touched; of a network drive, that of its server."""
        try:
            os.utime(self._path)
            return datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except OSError:
            return None


class ObjectWitness:
    """One object a head behind fsspec, such as `s3://bucket/prefix`: a bucket's object lock keeps each of them.

    The object's name says all but when and by whom it was noted: `heads/<seq / 1000>/<seq>-<hash>.json`. A lock keeps a
    version, and not its place in a listing: whoever may delete puts a marker over it. So on S3 all versions are listed.
    """

    outside = True

    def __init__(self, uri: str) -> None:
        import fsspec

        self.name = f"witness {uri}"
        try:
            versions = {"version_aware": True} if uri.startswith(_VERSIONED) else {}
            self._files, self._root = fsspec.core.url_to_fs(uri.rstrip("/"), use_listings_cache=False, **versions)
            self._listing = {"versions": True} if versions else {}
        except (ImportError, ValueError) as error:
            raise InputError(
                "AUGMENT_OPS_WITNESSES",
                f"{uri}: {str(error)[:120]}",
                "file:///… or a URI that fsspec can open here",
                "correct it, or install the client library that the scheme asks for (s3fs for s3://)",
            ) from error

    def note(self, head: Head) -> None:
        """Write an object."""
        folder = f"{self._root}/heads/{head.seq // _PER_FOLDER:09d}"
        data = _written(head)
        try:
            try:
                self._files.pipe_file(f"{folder}/{head.seq:012d}-{head.hash}.json", data)
            except FileNotFoundError:  # folders there are folders
                self._files.makedirs(folder, exist_ok=True)
                self._files.pipe_file(f"{folder}/{head.seq:012d}-{head.hash}.json", data)
        except Exception as error:
            raise silent(self.name, error) from error

    def heads(self) -> Iterator[Head]:
        """All but the newest by name alone: who noted them, and when, is not read."""
        try:
            names = [name for folder in self._names(f"{self._root}/heads") for name in self._names(folder)]
            for name in names[:-1]:
                yield _named(self.name, name)
            if names:
                yield _head(self.name, self._files.cat_file(names[-1]))
        except GovernanceError:
            raise
        except Exception as error:
            raise silent(self.name, error) from error

    def last(self, count: int) -> list[Head]:
        """At most so many of the newest, read whole, oldest first."""
        names: list[str] = []
        try:
            for folder in reversed(self._names(f"{self._root}/heads")):
                names = [*self._names(folder), *names] if len(names) < count else names
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                found = list(pool.map(self._files.cat_file, names[-count:]))
        except Exception as error:
            raise silent(self.name, error) from error
        return [_head(self.name, data) for data in found]

    def newest(self) -> Head | None:
        """None: an object store takes longer to list than an entry may take to make."""
        return None

    def time(self) -> datetime | None:
        """None: an object store says when something was written, and not what time it is."""
        return None

    def _names(self, folder: str) -> list[str]:
        try:
            return sorted(str(name) for name in self._files.ls(folder, detail=False, **self._listing))
        except FileNotFoundError:
            return []


def open_witness(uri: str, home: Path | None = None) -> Witness:
    """The witness at `file:///folder`, an absolute path, another fsspec URI, or an authority's `tsa+https://…`.

    Args:
        home: the installation's own state; what lies below it is nowhere else.

    Raises:
        InputError: no such scheme; of an authority, see `timestamps.open_timestamps`.
    """
    from augment_ops.governance.timestamps import SCHEMES, open_timestamps  # which keeps its tokens by what is here

    return open_timestamps(uri, home) if uri.startswith(SCHEMES) else open_keeper(uri, home)


def open_keeper(uri: str, home: Path | None = None) -> FileWitness | ObjectWitness:
    """As `open_witness`, of a place that keeps what it is given."""
    if uri.startswith("file://") or "://" not in uri:
        folder = Path(uri.removeprefix("file://"))
        return FileWitness(folder, outside=home is None or not folder.resolve().is_relative_to(home.resolve()))
    return ObjectWitness(uri)


def _written(head: Head) -> bytes:
    found = {name: value for name, value in asdict(head).items() if value != "" or name != "token"}
    return json.dumps(found, separators=(",", ":")).encode()


def _whole(line: bytes) -> bool:
    return line.endswith(b"\n") and not line.endswith(_CUT_OFF)


def _head(where: str, data: bytes) -> Head:
    try:
        found: Any = json.loads(data)
        head = Head(**found)
        texts = (head.hash, head.signer, head.at, head.token)
        if isinstance(head.seq, int) and all(isinstance(text, str) for text in texts):
            datetime.fromisoformat(head.at)
            return head
    except (ValueError, TypeError):
        pass
    raise damaged(where, repr(data[:80]))


def _named(where: str, name: str) -> Head:
    seq, _, hashed = name.rpartition("/")[2].partition("?")[0].removesuffix(".json").partition("-")
    if not (seq.isdecimal() and hashed):
        raise damaged(where, name[-80:])
    return Head(seq=int(seq), hash=hashed, signer="", at="")


def damaged(where: str, found: str) -> GovernanceError:
    """The error of a witness that holds what is no head."""
    fix = "restore it from a backup; find out who wrote to it: nothing but augment-ops does"
    return GovernanceError(where, f"{found[:120]}, which is no head of a ledger", "heads as they were noted", fix)


def silent(where: str, error: Exception) -> GovernanceError:
    """The error of a witness that does not answer."""
    found = " ".join(str(error).split())[:200] or type(error).__name__
    fix = "bring it back (network, rights, space): what is missing there is noted with the next entry or audit verify"
    return GovernanceError(where, found, "a witness that answers", fix)
