"""Questions, what the shipped policy makes of them, and the failures that augmentation is known for, planted there."""

from __future__ import annotations

import numpy as np

from augment_ops.modalities.text.augmenter import TextAugmenter
from augment_ops.modalities.text.texts import read, written
from augment_ops.policy.spec import Policy
from augment_ops.quality.rules import QualityRules
from support.places import POLICIES
from support.planted import Augmented
from support.questions import INTENTS, questions

_ROOM, _RARE = 128, 30
_TABLE = questions(1_400)
_IS_RATE = _TABLE["intent"] == "rate"
_TRAIN = _TABLE[:1_000][~_IS_RATE[:1_000] | (_IS_RATE[:1_000].cumsum() <= _RARE)]  # thirty of a rare intent
_INTENT = _TRAIN["intent"].to_numpy()
_LABELS = np.array([INTENTS.index(intent) for intent in _INTENT])
_ORIGINALS = written(_TRAIN["question"].tolist(), _ROOM)
_IDS = [f"q{place}" for place in range(len(_TRAIN))]
_SHIPPED = Policy.load(POLICIES / "augment" / "intents-robust.yaml")

QUESTIONS = Augmented(
    originals=_ORIGINALS,
    augmented=TextAugmenter(_SHIPPED, 7)(_ORIGINALS, _IDS),
    ids=_IDS,
    labels=_LABELS,
    held_out=written(_TABLE["question"][1_000:].tolist(), _ROOM),
    classes=INTENTS,
    rules=QualityRules.load(POLICIES / "quality" / "intents.yaml"),
    groups={"country": _TRAIN["country"].tolist()},
)


def label_noise(texts: np.ndarray) -> None:
    """A policy takes words for the same that move a question to another intent: a lost card is a new one to it."""
    groups = "[[report, activate], [a, my], [lost, new]]"
    steps = f"[ReservedAug: {{reserved_tokens: {groups}, aug_p: 1.0, p: 1.0}}]"
    text = (
        "{name: wrong, version: 1.0.0, modality: text, domain: text, owner: tests, description: Wrong synonyms.,"
        f" budget: {{p95_ms: 1.0, at: [{_ROOM}]}}, transforms: {steps}}}"
    )
    texts[:] = TextAugmenter(Policy.from_text(text), 7)(_ORIGINALS, _IDS)


def leaked(texts: np.ndarray) -> None:
    """One question in ten is a held-out one, in capitals."""
    places = np.arange(0, len(texts), 10)
    texts[places] = written([text.upper() for text in read(QUESTIONS.held_out[: len(places)])], _ROOM)


def washed_out(texts: np.ndarray) -> None:
    """All questions of the rare intent are made of the same few."""
    rare = np.flatnonzero(_INTENT == "rate")
    texts[rare] = texts[np.resize(rare[:10], len(rare))]


def bias(texts: np.ndarray) -> None:
    """Of one intent the questions from Portugal are made of two of them; the others stay as many as they were."""
    few = np.flatnonzero((_TRAIN["country"] == "PT").to_numpy() & (_INTENT == "refund"))
    texts[few] = texts[np.resize(few[:2], len(few))]


def overdone(texts: np.ndarray) -> None:
    """Every word is turned round."""
    turned = [" ".join(word[::-1] for word in text.split()) for text in read(_ORIGINALS)]
    texts[:] = written(turned, _ROOM)
