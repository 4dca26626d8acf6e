"""Whether a paraphrase still says what its text says, as far as a machine can tell. What is in doubt is dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.text.lexicon import OPENERS
from augment_ops.modalities.text.texts import said
from augment_ops.modalities.text.words import sentence

REASONS = ("empty", "the same", "protected words", "another class's text", "a held-out text", "another class")
_NGRAMS = (2, 4)  # characters, within words: what tells short questions apart without a network


class ParaphraseFilter:
    """Judges paraphrases of texts whose class is known.

    A paraphrase is dropped where it says what its text says already; lacks a number, name, address, slot or negation of
    it, or has another; says what a text of another class, or a held-out text, says; or lies nearest to the middle of
    another class (TF-IDF of character n-grams, cosine), unless its text lies nearest to that as well.

    Args:
        labels: text → class, of what may be learnt from.
        held_out: texts that a model is measured on.
        room: bytes that a text may take.
    """

    def __init__(self, labels: Mapping[str, str], held_out: Sequence[str], room: int) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._room = room
        self._held_out = frozenset(map(said, held_out))
        self._classes: dict[str, set[str]] = {}
        for text, label in labels.items():
            self._classes.setdefault(said(text), set()).add(label)
        self._ordinary = OPENERS | {core for text in labels for core in sentence(text).cores if core == core.lower()}
        self._names = sorted(set(labels.values()))
        self._vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, sublinear_tf=True, dtype=np.float32)
        rows = self._vectors.fit_transform(list(labels))
        place = {name: number for number, name in enumerate(self._names)}
        own = np.array([place[label] for label in labels.values()])
        sums = np.stack([np.asarray(rows[own == number].sum(axis=0))[0] for number in range(len(self._names))])
        self._middles = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)

    def kept(self, text: str, label: str, suggested: Sequence[str], dropped: Counter[str]) -> list[str]:
        """Those of the paraphrases that hold.

        Args:
            text, label: the original and its class.
            suggested: its paraphrases.
            dropped: reason → how many; counted on.
        """
        found: dict[str, str] = {}  # by what they say: of two that say the same, the first
        nearest = self._nearest([text, *suggested])
        for paraphrase, near in zip(suggested, nearest[1:], strict=True):
            why = self._why_not(text, label, paraphrase, {label, nearest[0]}, near)
            if why or said(paraphrase) in found:
                dropped[why or "the same"] += 1
            else:
                found[said(paraphrase)] = paraphrase
        return list(found.values())

    def _why_not(self, text: str, label: str, paraphrase: str, allowed: set[str], near: str) -> str:
        says = said(paraphrase)
        if not says or "\0" in paraphrase or len(paraphrase.encode()) > self._room:
            return "empty"
        if says == said(text):
            return "the same"
        if self._classes.get(says, set()) - {label}:
            return "another class's text"
        if says in self._held_out:
            return "a held-out text"
        if self._protected(text, own=True) != self._protected(paraphrase, own=False):
            return "protected words"
        return "" if near in allowed else "another class"

    def _nearest(self, texts: Sequence[str]) -> list[str]:
        scores: NDArray[np.float32] = self._vectors.transform(texts) @ self._middles.T
        return [self._names[number] for number in np.asarray(scores).argmax(axis=1).tolist()]

    def _protected(self, text: str, *, own: bool) -> Counter[str]:
        """What has to be in a text and its paraphrase alike, in small letters.

        A capital may only begin a sentence. So a word that is somewhere written small is no name; and of a paraphrase,
        one that begins a sentence is none, for nobody has written it before.
        """
        found, kept = sentence(text), Counter[str]()
        free = set(found.free)
        for place, core in enumerate(found.cores):
            if not core or place in free:
                continue
            if core.isalpha() and core[0].isupper() and not core.isupper():
                begins = not place or found.trails[place - 1].startswith((".", "!", "?", ":"))
                if core.lower() in self._ordinary or (begins and not own):
                    continue
            kept[core.casefold()] += 1
        return kept
