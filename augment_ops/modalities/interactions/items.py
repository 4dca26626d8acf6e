"""The catalogue of a data set: its items, in the order of the classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from augment_ops.errors import DataError

# Of a catalogue: a model scores every item at once. Of 50,000, one answer is 200 kB and the table of a net 13 MB.
MOST_ITEMS = 50_000


@dataclass(frozen=True)
class Items:
    """Names, as a data set has its classes: by number where all are whole numbers, else by the alphabet."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> Items:
        """Each once.

        Raises:
            DataError: more than a model can score.
        """
        found = set(names)
        if len(found) > MOST_ITEMS:
            fix = "keep one shelf of the catalogue, or its categories in the place of items"
            raise DataError("items", f"{len(found):,} different items", f"at most {MOST_ITEMS:,}", fix)
        whole = all(re.fullmatch(r"-?\d+", name) for name in found)
        return cls(tuple(sorted(found, key=lambda name: (int(name), name)) if whole else sorted(found)))

    def code(self, name: str) -> int:
        """Its place, from 1; 0 for an item that is not in the catalogue."""
        return self._codes.get(name, 0)

    def name(self, code: int) -> str:
        """Of an item with that code; the code itself where the catalogue has none."""
        return self.names[code - 1] if 0 < code <= len(self.names) else f"item {code}"

    def content(self) -> dict[str, Any]:
        """As a document holds it."""
        return {"items": list(self.names)}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Items:
        """The catalogue that `content` wrote.

        Raises:
            KeyError: another document.
        """
        return cls(tuple(map(str, content["items"])))

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names, 1)}
