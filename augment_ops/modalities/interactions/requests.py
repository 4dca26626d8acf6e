"""How histories come from what a service is asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from augment_ops.data.sources.parts import text_of
from augment_ops.modalities.codec import One
from augment_ops.modalities.interactions.histories import AGE, ITEM, OLDEST_S
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.source import Defect

_PAIR = 2  # an item, and when


@dataclass(frozen=True)
class HistoryRequests:
    """See `augment_ops.modalities.codec.Requests`.

    Attributes:
        items: of the data set: which code an item has.
        room: items that a history may have.
    """

    items: Items
    room: int
    media: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """What a user did."""
        return (
            "a list of [item, seconds ago], the oldest first; of more than "
            f"{self.room} the newest are taken, and items that the model does not know are left out"
        )

    def of_file(self, data: bytes) -> One | Defect:
        """No file is one history."""
        del data
        return Defect("unreadable: no file is a history")

    def of_json(self, value: object) -> One | Defect:
        """int32 (H, 2); an empty list is the history of who has done nothing yet."""
        if not isinstance(value, list):
            return Defect("unreadable: no list")
        codes, ages = [], []
        for one in value:
            if not isinstance(one, list) or len(one) != _PAIR or not isinstance(one[0], str | int):
                return Defect(f"unreadable: {one!r:.40} is no item with its time")
            if not isinstance(one[1], int | float) or not one[1] >= 0:
                return Defect(f"unreadable: {one[1]!r:.40} is no number of seconds, 0 or more")
            codes.append(self.items.code(text_of(one[0]) or ""))
            ages.append(min(one[1], OLDEST_S))
        if any(after > before for before, after in pairwise(ages)):
            return Defect("unreadable: an older item comes after a newer one")
        known = [place for place, code in enumerate(codes) if code][-self.room :]
        out = np.zeros((self.room, 2), np.int32)
        if known:
            out[-len(known) :, ITEM] = [codes[place] for place in known]
            out[-len(known) :, AGE] = [ages[place] for place in known]
        return out

    def in_json(self, sample: One) -> list[list[Any]]:
        """A list of [item, seconds ago], the oldest first."""
        return [[self.items.name(code), age] for code, age in sample[:, (ITEM, AGE)].tolist() if code]
