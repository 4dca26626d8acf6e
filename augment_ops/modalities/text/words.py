"""A text as words: which of them a transform may touch, and which are protected.

A word is free where nothing tells that it may not be changed. Protected are numbers, amounts and the word after one
(its unit), e-mail addresses, links, identifiers, handles, slots such as `{name}` (anything that is not of letters
alone), negations, words for numbers, and every word with a capital letter that might be a name: at the beginning of a
sentence, all but the words that sentences usually begin with. A name written in small letters is not told from a word.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from augment_ops.modalities.text.lexicon import NEGATIONS, NUMBERS, OPENERS

ENDS = (".", "!", "?", ":", "…", "؟", "。")  # what a sentence ends with
_SPACES = re.compile(r"(\s+)")
_PARTS = re.compile(r"([^\w@#$€£¥%{}<>\[\]/+&=~^|\\]*)(.*?)([^\w@#$€£¥%{}<>\[\]/+&=~^|\\]*)", re.DOTALL)
SLOT = re.compile(r"\{(\w+)\}")
_DIGIT = re.compile(r"\d")
_FREE, _FREE_FIRST, _PROTECTED = range(3)
_REMEMBERED = 1 << 16  # words: a language's usual ones


@dataclass(frozen=True, slots=True)
class Word:
    """What stands between two blanks.

    Attributes:
        lead, core, trail: punctuation before, the word itself, punctuation after; a core may be empty.
        freedom: whether it may be changed anywhere, only at the beginning of a sentence, or never.
        counts: whether it is a number, so that the word after it is its unit.
        ends: whether a sentence ends with it.
    """

    lead: str
    core: str
    trail: str
    freedom: int
    counts: bool
    ends: bool


@dataclass(slots=True)
class Sentence:
    """A text in its words, which transforms change one after the other; which of them are free, the original says.

    Attributes:
        leads, cores, trails: the parts of each word; all three are empty of one that was left out.
        spaces: what stands before each.
        free: places of the words that may be changed, in order.
    """

    leads: list[str]
    cores: list[str]
    trails: list[str]
    spaces: list[str]
    free: list[int]

    def __len__(self) -> int:
        """How many places there are for words."""
        return len(self.cores)

    @property
    def text(self) -> str:
        """The words with what stands between them; one that was left out took the blanks before it along."""
        parts = zip(self.spaces, self.leads, self.cores, self.trails, strict=True)
        return "".join(
            [space + lead + core + trail for space, lead, core, trail in parts if lead or core or trail]
        ).lstrip()

    def become(self, other: Sentence) -> None:
        """Be another text from here on."""
        self.leads, self.cores, self.trails = other.leads, other.cores, other.trails
        self.spaces, self.free = other.spaces, other.free

    def leave_out(self, place: int) -> None:
        """Take a free word away, with its punctuation."""
        self.leads[place] = self.cores[place] = self.trails[place] = ""
        self.free.remove(place)


def sentence(text: str) -> Sentence:
    """Take a text apart; `sentence(text).text` is the text without the blanks around it."""
    pieces = _SPACES.split(text.strip())
    words = [word(token) for token in pieces[::2]]
    free: list[int] = []
    first, unit = True, False
    for place, one in enumerate(words):
        freedom = one.freedom
        if freedom != _PROTECTED and not unit and (first or freedom == _FREE):
            free.append(place)
        first, unit = one.ends or (first and not one.core), one.counts
    leads, cores, trails = ([getattr(one, part) for one in words] for part in ("lead", "core", "trail"))
    return Sentence(leads, cores, trails, ["", *pieces[1::2]], free)


@lru_cache(maxsize=_REMEMBERED)
def word(token: str) -> Word:
    """The parts of what stands between two blanks, and whether it may be changed."""
    found = _PARTS.fullmatch(token)
    assert found is not None  # the pattern takes any text
    lead, core, trail = found.groups()
    is_number = core.lower() in NUMBERS or (_DIGIT.search(core) is not None and not any(map(str.isalpha, core)))
    counts = is_number and not trail
    return Word(lead, core, trail, _freedom(core), counts, trail.startswith(ENDS))


def _freedom(core: str) -> int:
    small = core.lower().replace("’", "'")
    letters = small.replace("'", "")
    if not letters or not all(letter.isalpha() or _is_mark(letter) for letter in letters):
        return _PROTECTED
    if letters in NEGATIONS or small.endswith("n't") or small in NUMBERS:
        return _PROTECTED
    if core == core.lower() or small in ("i", "i'm", "i've", "i'll", "i'd"):
        return _FREE
    return _FREE_FIRST if small in OPENERS else _PROTECTED


def _is_mark(letter: str) -> bool:
    """Whether it belongs to the letter before it: an accent, a vowel of Hebrew, Arabic or Hindi."""
    return unicodedata.category(letter) in ("Mn", "Mc")
