"""The same question in other words, by rules: another beginning, function words, a greeting, thanks.

What is asked stays: a protected word (`words.py`) may change places with a verb, and is neither replaced nor left out.
A text in which no frame of `frames.py` is found gets no greeting and no thanks, so one in another language stays as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from augment_ops.modalities.text.frames import FRAMES, OPENINGS, WORDS, Frame
from augment_ops.modalities.text.transforms import Draws
from augment_ops.modalities.text.words import Sentence, sentence

GREETINGS = ("hello", "good day", "excuse me")
THANKS = ("thank you in advance", "many thanks", "an answer would be appreciated")
POLITE = 0.5  # of the share: a greeting and thanks in every text would be a mark of the suite

_GREETED = frozenset(("hello", "hi", "hey", "good", "dear", "excuse", "greetings"))
_THANKED = frozenset(("thanks", "thank", "thx", "appreciated"))
_JOINING = frozenset(("and", "but", "so"))  # a clause may begin after them
_ENDS = (".", "!", "?", ":", "…")
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
    words = [core.lower().replace("’", "'") for core in found.cores]
    begins, clauses = _beginnings(found, words)
    possible: list[_Rewriting] = []
    place = 0
    while place < len(words):
        one = None
        if place in clauses:
            openings = OPENINGS if place in begins and not any(other.is_frame for other in possible) else ()
            one = _match(found, words, place, (*FRAMES, *openings), is_frame=True)
        one = one or _match(found, words, place, WORDS, is_frame=False)
        if one is not None:
            possible.append(one)
        place = place + 1 if one is None else one.stop
    return possible


def _beginnings(found: Sentence, words: Sequence[str]) -> tuple[set[int], set[int]]:
    """Places where a sentence begins, a greeting's words aside, and where a clause does."""
    begins: set[int] = set()
    clauses: set[int] = set()
    mark = _ENDS[0]  # before the text
    for place, word in enumerate(words):
        if mark:
            clauses.add(place)
        if mark.startswith(_ENDS):
            begins.add(place)
        trail = found.trails[place]
        if not word:
            mark = mark or ","
        elif place in begins and word in _GREETED:
            mark = _ENDS[0]
        else:
            mark = trail or ("," if word in _JOINING else "")
    return begins, clauses


def _match(
    found: Sentence, words: Sequence[str], first: int, frames: Sequence[Frame], *, is_frame: bool
) -> _Rewriting | None:
    """The first of the frames that begins at a word, where nothing protected would be lost."""
    said = " ".join(words[first : _end(found, words, first)])
    free = set(found.free)
    for frame in frames:
        matched = frame.begins.match(said)
        if matched is None or not matched.group():
            continue
        stop = first + len(matched.group().split())
        if any(found.trails[first : stop - 1]) or any(found.leads[first + 1 : stop]):
            continue
        instead = tuple(matched.expand(one) for one in frame.instead)
        fixed = {found.cores[place] for place in range(first, stop) if place not in free}
        if all(fixed <= set(one.split()) for one in instead):
            return _Rewriting(first, stop, instead, is_frame)
    return None


def _end(found: Sentence, words: Sequence[str], first: int) -> int:
    """Where the sentence ends that a word is of: the place after its last."""
    for place in range(first, len(words)):
        if not words[place]:
            return place
        if found.trails[place].startswith(_ENDS):
            return place + 1
    return len(words)


def _with(found: Sentence, done: dict[int, _Rewriting], draws: Draws, large_i: bool) -> str:
    """The text with those rewritings, in the cases and the punctuation that it has."""
    pieces: list[str] = []
    place = 0
    while place < len(found):
        one = done.get(place)
        stop, core = place + 1, found.cores[place]
        if one is not None:
            begins = not place or found.trails[place - 1].startswith(_ENDS)
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
        is_done = text.endswith(_ENDS)
        text = f"{text} {_large(thanks, is_large)}." if is_done else f"{text}, {thanks}"
    return text


def _large(text: str, is_large: bool) -> str:
    return text[:1].upper() + text[1:] if is_large else text
