"""What lies in a data set and is not read: counted and named, so that nothing vanishes without a word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_CLUTTER = frozenset({"thumbs.db", "desktop.ini"})  # what systems leave in every folder of pictures


@dataclass(frozen=True)
class LeftOut:
    """Files of one class folder that are not read.

    Attributes:
        folder: relative to the data set.
        files: how many; 0 for a folder that is empty, or is not entered.
        example: the name of one of them; empty without any.
        why: in words.
    """

    folder: str
    files: int
    example: str
    why: str

    @property
    def text(self) -> str:
        """One phrase for a person."""
        if not self.files:
            return f"{self.folder} was not read: {self.why}"
        files = f"{self.files} file{'s' if self.files > 1 else ''}"
        return f"{files} in {self.folder}/ not read, such as {self.example}: {self.why}"


class Leftovers:
    """Collects while a source is read; complete once its last sample was yielded."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], LeftOut] = {}
        self.empty: tuple[str, ...] = ()  # class folders without a sample

    def add(self, folder: str, example: str, why: str) -> None:
        """One more file, or a folder that is not entered (no example)."""
        key = (readable(folder), why)
        before = self._found.get(key)
        name = before.example if before else readable(example)
        self._found[key] = LeftOut(key[0], (before.files if before else 0) + bool(example), name, why)

    def keep_only(self, folders: Iterable[str]) -> None:
        """Forget what lies elsewhere than in these folders; a folder that was not entered stays."""
        wanted = set(map(readable, folders))
        self._found = {key: one for key, one in self._found.items() if not one.files or one.folder in wanted}

    def found(self) -> tuple[LeftOut, ...]:
        """What was left out, sorted."""
        return tuple(sorted(self._found.values(), key=lambda one: (one.folder, one.why)))


def readable(name: str) -> str:
    r"""A file's name as text: bytes that are not UTF-8 as `\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_clutter(name: str) -> bool:
    """Whether a file is one of those that nobody put there."""
    return name.startswith(".") or name.lower() in _CLUTTER
