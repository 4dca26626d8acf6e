"""The corruptions of texts: how people write who are in a hurry, on a small keyboard, not in their own language, or in
other words than those before them.

- `typos`: words with a slip of the finger: a neighbouring key, two letters swapped, one left out or doubled, evenly.
- `casing`: words in capitals.
- `abbreviations`: words as text messages have them (`you` → `u`), of those in the lexicon.
- `dropped_words`: words that are left out.
- `stray_punctuation`: marks where none belong.
- `rephrasing`: the same in other words: how a question, request or report begins, function words, a greeting, thanks
  (`rephrasing.py`, with its sources). Of no transform: it is held out.

The others are the nuisances of TextFlint and nlpaug that need no model (Wang et al. 2021, arXiv:2103.11441). Protected
words (`words.py`) stay: a corruption changes how a question is asked, not what is asked. Every draw comes from a stream
keyed by (corruption, severity, sample id), so a text is corrupted alike whatever batch it stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError
from augment_ops.modalities.corruptions import Corrupter, Corruptions, Strengths
from augment_ops.modalities.graded import GradedCorruption, GradedCorruptions, keys_of, strength_of
from augment_ops.modalities.source import Samples, Schema
from augment_ops.modalities.text import transforms
from augment_ops.modalities.text.lexicon import ABBREVIATIONS
from augment_ops.modalities.text.rephrasing import rephrased
from augment_ops.modalities.text.texts import Texts, read, written
from augment_ops.modalities.text.transforms import Draws, change_all, texts_of
from augment_ops.modalities.text.words import Sentence, sentence

CAUSES = ("empty",)  # why nothing is left of a text
_EMPTY = CAUSES.index("empty") + 1
_AT_ONCE = 2_000  # texts

CorruptText = Callable[[Sentence, Draws, float], None]  # in place, by one strength


@dataclass(frozen=True, kw_only=True)
class TextCorruption(GradedCorruption):
    """One nuisance of a text, as a share of its words."""

    corrupt: CorruptText = field(repr=False)


_ABBREVIATED = {word: (short,) for word, short in ABBREVIATIONS.items()}
_SLIPS = (transforms.neighbouring_key, *transforms.SLIPS.values())


def _slip(core: str, draw: float) -> str:
    kind = int(draw * len(_SLIPS))
    return _SLIPS[kind](core, draw * len(_SLIPS) - kind)


def _typos(found: Sentence, draws: Draws, share: float) -> None:
    transforms.misspelt(found, draws, share=share, min_char=3, how=_slip)


def _casing(found: Sentence, draws: Draws, share: float) -> None:
    transforms.recased(found, draws, share=share, style=str.upper)


def _abbreviated(found: Sentence, draws: Draws, share: float) -> None:
    transforms.replaced(found, draws, share=share, instead=_ABBREVIATED)


def _dropped(found: Sentence, draws: Draws, share: float) -> None:
    transforms.deleted(found, draws, share=share)


def _stray(found: Sentence, draws: Draws, ratio: float) -> None:
    transforms.marked(found, draws, ratio=ratio)


def _rephrased(found: Sentence, draws: Draws, share: float) -> None:
    rephrased(found, draws, share=share)


def _of_words(corrupt: CorruptText, strengths: tuple[float, float, float, float, float], unit: str) -> TextCorruption:
    return TextCorruption(parameter="share", unit=unit, least=0.001, most=1, corrupt=corrupt, strengths=strengths)


CORRUPTIONS: Mapping[str, TextCorruption] = MappingProxyType(
    {
        # From a slip in every second question of ten words to one in every second word.
        "typos": _of_words(_typos, (0.05, 0.10, 0.20, 0.35, 0.50), "share of the words"),
        "casing": _of_words(_casing, (0.20, 0.40, 0.60, 0.80, 1.00), "share of the words"),
        "abbreviations": _of_words(_abbreviated, (0.20, 0.40, 0.60, 0.80, 1.00), "share of the words that have one"),
        # EDA's authors see a loss from a tenth on, and do not go beyond one half.
        "dropped_words": _of_words(_dropped, (0.05, 0.10, 0.20, 0.30, 0.40), "share of the words"),
        "stray_punctuation": _of_words(_stray, (0.10, 0.20, 0.30, 0.40, 0.50), "marks at most, over the words"),
        # How somebody else says it is no matter of degree: at the severities that gates judge, most of what there is.
        "rephrasing": _of_words(
            _rephrased, (0.25, 0.50, 0.75, 0.90, 1.00), "share of the rewritings that a text allows"
        ),
    }
)


def apply(name: str, severity: int, texts: Texts, ids: Sequence[str], *, params: Strengths | None = None) -> Texts:
    """Corrupt a batch.

    Args:
        name: a key of `CORRUPTIONS`.
        severity: 1 to 5.
        texts: uint8 (N, L); not modified.
        ids: N sample ids; they key the randomness, so equal ids draw alike.
        params: the corruption's parameter → five strengths, as in a suite's file; None for the published ones.

    Returns:
        uint8 (N, L), a new array.

    Raises:
        TransformError: unknown corruption or severity, strengths that do not fit it, or no texts.
    """
    strength = strength_of(CORRUPTIONS, name, severity, params)
    if texts.dtype != np.uint8 or texts.ndim != 2 or len(ids) != len(texts):
        found = f"{texts.dtype} {texts.shape} and {len(ids)} ids"
        raise TransformError("texts", found, "uint8 (N, L) and N ids", "pass the texts of the suite's data set")
    corrupt, keys = CORRUPTIONS[name].corrupt, keys_of(name, severity, ids)
    room, out = texts.shape[1], np.empty_like(texts)
    for start in range(0, len(texts), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        before = read(texts[part])
        sentences = [sentence(text) for text in before]
        change_all(lambda found, draws: corrupt(found, draws, strength), sentences, keys[part], 0)
        out[part] = written(texts_of(sentences, before, room), room)
    return out


def destroyed(clean: Texts, corrupted: Texts) -> NDArray[np.uint8]:
    """Why nothing is left of each text: 0 where something is, else the place in `CAUSES`, from 1: uint8 (N,).

    `empty`: no letter, digit or symbol is there any more. A text that was empty before is not the corruption's doing.
    """
    empty = ~corrupted.any(axis=1) & clean.any(axis=1)
    return np.where(empty, _EMPTY, 0).astype(np.uint8)


class _TextCorruptions(GradedCorruptions):
    """See `augment_ops.modalities.corruptions.Corruptions`."""

    corruptions = CORRUPTIONS
    causes = CAUSES

    def bound(self, batches: Iterable[Samples], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        def corrupt(
            name: str, severity: int, samples: Samples, ids: Sequence[str], params: Strengths | None = None
        ) -> Samples:
            return apply(name, severity, samples, ids, params=params)

        return corrupt

    def remains(self, name: str, clean: Samples, corrupted: Samples) -> NDArray[np.uint8]:
        return destroyed(clean, corrupted)


TEXT_CORRUPTIONS: Corruptions = _TextCorruptions()
