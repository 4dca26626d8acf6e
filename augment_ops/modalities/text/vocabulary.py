"""The usual words of a data set: what its schema holds, and what drift compares other texts with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# Words of a schema, which every manifest of the data set repeats: some 20 kB. The 2,000 most frequent words of spoken
# English make nine tenths of what is said (Nation 2006, doi 10.3138/cmlr.63.1.59).
MOST_WORDS = 2_000
_LONGEST = 60  # letters; what is longer is no word


@dataclass(frozen=True)
class Vocabulary:
    """The most frequent words, sorted."""

    words: frozenset[str]

    @staticmethod
    def words_of(text: str) -> list[str]:
        """The words of a text in small letters: letters, with an apostrophe between them perhaps; no numbers."""
        return [word for word in _WORD.findall(text.lower()) if len(word) <= _LONGEST]

    @classmethod
    def of(cls, counts: Counter[str]) -> Vocabulary:
        """The most frequent of the words counted; of those that are equally frequent, the first in the alphabet."""
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        return cls(frozenset(word for word, _ in ordered[:MOST_WORDS]))

    def content(self) -> dict[str, Any]:
        """As a document holds it."""
        return {"words": sorted(self.words)}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `content` wrote.

        Raises:
            KeyError: another document.
        """
        return cls(frozenset(map(str, content["words"])))

    def unknown_share(self, text: str) -> float:
        """Share of the words of a text that are not among the usual ones; 0 where it has no words."""
        words = self.words_of(text)
        return sum(word not in self.words for word in words) / len(words) if words else 0.0
