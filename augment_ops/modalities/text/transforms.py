"""The transforms of texts: pure functions of a sentence and its draws. None touches a protected word (`words.py`).

Draws come two a word: the first says whether a word is changed, the second how. So a word's draws are the same whatever
stands in other texts of the batch.

Sources: Wei & Zou 2019, "EDA", arXiv:1901.11196 (swap, delete); Karimi et al. 2021, "AEDA", arXiv:2108.13230 (marks);
Ribeiro et al. 2020, "CheckList", arXiv:2005.04118 (slots); names and parameters after nlpaug (Ma 2019), `KeyboardAug`,
`RandomCharAug`, `RandomWordAug`, `ReservedAug`, `SynonymAug`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.text.lexicon import CONTRACTED, EXPANDED, MARKS, NEIGHBOURS
from augment_ops.modalities.text.texts import fits
from augment_ops.modalities.text.words import SLOT, Sentence, sentence

Keys = NDArray[np.uint64]  # (N, 2)
Draws = Sequence[float]  # in [0, 1): two of the text, then two a word
Misspelling = Callable[[str, float], str]
Changes = Callable[[Sentence, Draws], None]  # in place


def change_all(change: Changes, sentences: Sequence[Sentence], keys: Keys, index: int) -> None:
    """One change of N sentences, in place, each by the draws of its own key.

    Args:
        change: of one sentence.
        sentences: N of them.
        keys: uint64 (N, 2).
        index: of the transform in its policy.
    """
    most = max(map(len, sentences), default=0)
    # However many are asked for, the first of a stream are the same: a text's draws know nothing of longer ones.
    draws = philox.uniforms(keys, index, philox.VALUES, 2 + 2 * most).tolist()
    for one, own in zip(sentences, draws, strict=True):
        change(one, own)


def texts_of(sentences: Sequence[Sentence], before: Sequence[str], room: int) -> list[str]:
    """The texts of N sentences; of one that takes more than `room` bytes, the text that it was before."""
    found = [one.text for one in sentences]
    return [text if fits(text, room) else other for text, other in zip(found, before, strict=True)]


def misspelt(found: Sentence, draws: Draws, *, share: float, min_char: int, how: Misspelling) -> None:
    """One slip in each word that is drawn, where it has `min_char` letters at least."""
    for place, draw in _drawn(found, draws, share):
        core = found.cores[place]
        if len(core) >= min_char:
            found.cores[place] = how(core, draw)


def neighbouring_key(core: str, draw: float) -> str:
    """One letter becomes one whose key touches its key; letters of other keyboards stay."""
    place, rest = _split(draw, len(core))
    near = NEIGHBOURS.get(core[place].lower())
    if near is None:
        return core
    letter = near[_split(rest, len(near))[0]]
    return core[:place] + (letter.upper() if core[place].isupper() else letter) + core[place + 1 :]


def swapped_letters(core: str, draw: float) -> str:
    """Two letters that follow each other change places."""
    if len(core) < 2:
        return core
    place = _split(draw, len(core) - 1)[0]
    return core[:place] + core[place + 1] + core[place] + core[place + 2 :]


def deleted_letter(core: str, draw: float) -> str:
    """One letter is left out; a word of one letter stays."""
    place = _split(draw, len(core))[0]
    return core[:place] + core[place + 1 :] if len(core) > 1 else core


def doubled_letter(core: str, draw: float) -> str:
    """One letter stands twice."""
    place = _split(draw, len(core))[0]
    return core[: place + 1] + core[place:]


SLIPS: Mapping[str, Misspelling] = {"swap": swapped_letters, "delete": deleted_letter, "insert": doubled_letter}


def swapped(found: Sentence, draws: Draws, *, share: float) -> None:
    """Each word that is drawn changes places with another free one; punctuation stays where it is (EDA)."""
    cores = found.cores
    for place, draw in _drawn(found, draws, share):
        other = found.free[_split(draw, len(found.free))[0]]
        cores[place], cores[other] = cores[other], cores[place]


def deleted(found: Sentence, draws: Draws, *, share: float) -> None:
    """Each word that is drawn is left out with its punctuation (EDA); where none would be left, one stays."""
    chosen = [place for place, _ in _drawn(found, draws, share)]
    left = sum(map(bool, found.cores)) - len(chosen)
    for place in chosen[0 if left else 1 :]:
        found.leave_out(place)


def marked(found: Sentence, draws: Draws, *, ratio: float) -> None:
    """Punctuation marks between words: from 1 to `ratio` of the words, at places drawn evenly (AEDA).

    Only before free words: an amount in two parts, or a first name and a name, are not torn apart.
    """
    number = 1 + _split(draws[0], max(1, int(ratio * len(found))))[0]
    for place in sorted(found.free, key=lambda place: draws[2 * place + 2])[:number]:
        mark = MARKS[_split(draws[2 * place + 3], len(MARKS))[0]]
        found.leads[place] = f"{mark} {found.leads[place]}"


def recased(found: Sentence, draws: Draws, *, share: float, style: Callable[[str], str]) -> None:
    """Each word that is drawn is written in another case."""
    for place, _ in _drawn(found, draws, share):
        found.cores[place] = style(found.cores[place])


def contracted(found: Sentence, draws: Draws, *, share: float) -> None:
    """`I am` becomes `I'm`, and `I'm` becomes `I am`; negations are none of them."""
    for place, _ in _drawn(found, draws, share):
        core, after = found.cores[place], place + 1
        longer = EXPANDED.get(core.lower())
        if longer is not None:
            found.cores[place] = _cased_like(core, longer)
        elif after in found.free and not found.trails[place] and not found.leads[after]:
            shorter = CONTRACTED.get((core.lower(), found.cores[after].lower()))
            if shorter is not None:
                found.cores[place], found.trails[place] = _cased_like(core, shorter), found.trails[after]
                found.leave_out(after)


def replaced(found: Sentence, draws: Draws, *, share: float, instead: Mapping[str, Sequence[str]]) -> None:
    """Each word that is drawn, and has others that mean the same, gives way to one of them.

    Args:
        instead: word in small letters → words or phrases.
    """
    for place, draw in _drawn(found, draws, share):
        core = found.cores[place]
        others = instead.get(core.lower())
        if others:
            found.cores[place] = _cased_like(core, others[_split(draw, len(others))[0]])


def filled(found: Sentence, draws: Draws, *, slots: Mapping[str, Sequence[str]]) -> None:
    """Each `{slot}` that has values gives way to one of them; the others stay (CheckList's templates).

    Args:
        slots: name → values.
    """
    for place, core in enumerate(found.cores):
        parts = SLOT.split(core) if "{" in core else []
        rest = draws[2 * place + 3]
        for number in range(1, len(parts), 2):
            values = slots.get(parts[number])
            if values:
                chosen, rest = _split(rest, len(values))
                parts[number] = values[chosen]
            else:
                parts[number] = f"{{{parts[number]}}}"
        found.cores[place] = "".join(parts) if parts else core


def paraphrased(found: Sentence, draws: Draws, *, instead: Mapping[str, Sequence[str]]) -> None:
    """A text that has paraphrases gives way to one of them.

    Args:
        instead: text without blanks around it → paraphrases.
    """
    others = instead.get(found.text)
    if others:
        found.become(sentence(others[_split(draws[0], len(others))[0]]))


def bare(found: Sentence, draws: Draws, *, share: float) -> None:
    """The punctuation around each word that is drawn is left out."""
    for place, _ in _drawn(found, draws, share):
        found.leads[place] = found.trails[place] = ""


def _drawn(found: Sentence, draws: Draws, share: float) -> list[tuple[int, float]]:
    """Places of the free words that are changed, with the draw of how."""
    return [(place, draws[2 * place + 3]) for place in found.free if draws[2 * place + 2] < share]


def _split(draw: float, choices: int) -> tuple[int, float]:
    """One of `choices`, and what is left of the draw: again even in [0, 1)."""
    scaled = draw * choices
    chosen = min(int(scaled), choices - 1)
    return chosen, scaled - chosen


def _cased_like(core: str, other: str) -> str:
    return other[:1].upper() + other[1:] if core[:1].isupper() else other
