"""The same question in other words, by rules: another beginning, function words, a greeting, thanks.

What is asked stays: a protected word (`words.py`) may change places with a verb, and is neither replaced nor left out.
A sentence stays as it is unless one of its words shows that it is English (`ENGLISH` of `frames.py`): `was`, `will`,
`is`, `do` and `via` are words of other languages as well. A text in which no frame is found gets no greeting and no
thanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from augment_ops.modalities.text.frames import ENGLISH, FRAMES, OPENINGS, WORDS, Frame
from augment_ops.modalities.text.transforms import Draws
from augment_ops.modalities.text.words import ENDS, Sentence, sentence

GREETINGS = ("hello", "good day", "excuse me")
THANKS = ("thank you in advance", "many thanks", "an answer would be appreciated")
POLITE = 0.5  # of the share: a greeting and thanks in every text would be a mark of the suite

_GREETED = frozenset(("hello", "hi", "hey", "good", "dear", "excuse", "greetings"))
_THANKED = frozenset(("thanks", "thank", "thx", "appreciated"))
_JOINING = frozenset(("and", "but", "so"))  # a clause may begin after them
_AHEAD = 40  # words that a frame looks at: few sentences have more, and without a bound a text costs its length squared
_I = re.compile(r"\bi\b")


@dataclass(frozen=True, slots=True)
class _Rewriting:
    """Words of a text, and others that may stand for them.

    Attributes:
        first, stop: their places, half-open.
        instead: one of these, in small letters.
        is_frame: whether a clause begins with them.
    """

    first: int
    stop: int
    instead: tuple[str, ...]
    is_frame: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text as frames are matched at it: what its places share is found once.

    Attributes:
        words: in small letters; empty where there is punctuation alone.
        said: these, a blank between them.
        starts: where each word begins in `said`, and where one after the last would.
        ends: for each word, the place after the last that a frame may look at from it; the word's own where it is of no
            sentence that is shown to be English.
        free: places of the words that may be changed.
    """

    words: Sequence[str]
    said: str
    starts: Sequence[int]
    ends: Sequence[int]
    free: frozenset[int]


def rephrased(found: Sentence, draws: Draws, *, share: float) -> None:
    """Each rewriting that a text allows is done where its first word is drawn; in place.

    Args:
        found: of a text that nothing has changed yet.
        draws: in [0, 1): two of the text, then two a word.
        share: of the rewritings.
    """
    possible = _rewritings(found)
    done = {one.first: one for one in possible if draws[2 * one.first + 2] < share}
    large_i = found.text[:1].isupper() or "I" in found.cores
    text = _with(found, done, draws, large_i)
    if any(one.is_frame for one in possible):
        text = _polite(text, found, draws, share * POLITE)
    if text != found.text:
        found.become(sentence(text))


def _rewritings(found: Sentence) -> list[_Rewriting]:
    """Those that a text allows, in the order of their places; none overlap."""
    reading = _read(found)
    begins, clauses = _beginnings(found, reading.words)
    possible: list[_Rewriting] = []
    place, has_frame = 0, False
    while place < len(found):
        one = None
        if place in clauses:
            openings = OPENINGS if place in begins and not has_frame else ()
            one = _match(found, reading, place, (*FRAMES, *openings), is_frame=True)
            has_frame = has_frame or one is not None
        one = one or _match(found, reading, place, WORDS, is_frame=False)
        if one is not None:
            possible.append(one)
        place = place + 1 if one is None else one.stop
    return possible


def _read(found: Sentence) -> _Reading:
    words = [core.lower().replace("’", "'") for core in found.cores]
    free, ends = frozenset(found.free), list(range(len(words)))
    for first, stop in _sentences(found, words):
        # A word with a capital that is not free may be a name: `IT` is no pronoun.
        known = [
            word if place in free or found.cores[place].islower() else ""
            for place, word in enumerate(words[first:stop], first)
        ]
        if ENGLISH.search(" ".join(known)):
            ends[first:stop] = [min(stop, place + _AHEAD) for place in range(first, stop)]
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    return _Reading(words, " ".join(words), starts, ends, free)


def _sentences(found: Sentence, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where sentences and what a dash parts begin and stop, half-open."""
    first = 0
    for place, word in enumerate(words):
        if not word or found.trails[place].startswith(ENDS):
            yield first, place + bool(word)
            first = place + 1
    yield first, len(words)


def _beginnings(found: Sentence, words: Sequence[str]) -> tuple[set[int], set[int]]:
    """Places where a sentence begins, a greeting's words aside, and where a clause does."""
    begins: set[int] = set()
    clauses: set[int] = set()
    mark = ENDS[0]  # before the text
    for place, word in enumerate(words):
        if mark:
            clauses.add(place)
        if mark.startswith(ENDS):
            begins.add(place)
        trail = found.trails[place]
        if not word:
            mark = mark or ","
        elif place in begins and word in _GREETED:
            mark = ENDS[0]
        else:
            mark = trail or ("," if word in _JOINING else "")
    return begins, clauses


def _match(
    found: Sentence, reading: _Reading, first: int, frames: Sequence[Frame], *, is_frame: bool
) -> _Rewriting | None:
    """The first of the frames that begins at a word, where nothing protected would be lost."""
    start, end = reading.starts[first], reading.starts[reading.ends[first]] - 1
    for frame in frames:
        matched = frame.begins.match(reading.said, start, end)  # nothing does where the end is before the start
        if matched is None:
            continue
        stop = first + matched.group().count(" ") + 1
        if any(found.trails[first : stop - 1]) or any(found.leads[first + 1 : stop]):
            continue
        instead = tuple(matched.expand(one) for one in frame.instead)
        fixed = {found.cores[place] for place in range(first, stop) if place not in reading.free}
        if all(fixed <= set(one.split()) for one in instead):
            return _Rewriting(first, stop, instead, is_frame)
    return None


def _with(found: Sentence, done: dict[int, _Rewriting], draws: Draws, large_i: bool) -> str:
    """The text with those rewritings, in the cases and the punctuation that it has."""
    pieces: list[str] = []
    place = 0
    while place < len(found):
        one = done.get(place)
        stop, core = place + 1, found.cores[place]
        if one is not None:
            begins = not place or found.trails[place - 1].startswith(ENDS)
            stop, is_large = one.stop, core[:1].isupper() and (begins or core[:2] not in ("I", "I'", "I’"))
            core = one.instead[int(draws[2 * place + 3] * len(one.instead))]
            core = _I.sub("I", core) if large_i else core
            core = core[:1].upper() + core[1:] if is_large else core
        pieces.append(found.spaces[place] + found.leads[place] + core + found.trails[stop - 1])
        place = stop
    return "".join(pieces)


def _polite(text: str, found: Sentence, draws: Draws, share: float) -> str:
    """A text with a greeting before it, thanks after it, both, or neither."""
    words = {core.lower() for core in found.cores}
    is_large = text[:1].isupper()
    if draws[0] < share and found.cores[0].lower() not in _GREETED:
        greeting = GREETINGS[int(draws[0] / share * len(GREETINGS))]
        goes_on = 0 in found.free and not re.match(r"I\b", text)
        text = f"{_large(greeting, is_large)}, {text[:1].lower() + text[1:] if goes_on else text}"
    if draws[1] < share and not words & _THANKED:
        thanks = THANKS[int(draws[1] / share * len(THANKS))]
        is_done = text.endswith(ENDS)
        text = f"{text} {_large(thanks, is_large)}." if is_done else f"{text}, {thanks}"
    return text


def _large(text: str, is_large: bool) -> str:
    return text[:1].upper() + text[1:] if is_large else text
