"""Histories of users, what the shipped policy makes of them, and the failures that augmentation is known for there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from augment_ops.data.payload import ArrayPayload
from augment_ops.modalities import modality
from augment_ops.modalities.interactions.histories import ITEM, TELLING, lengths
from augment_ops.modalities.source import RawSample
from augment_ops.policy.spec import Policy
from augment_ops.quality.rules import QualityRules
from support.interactions import EACH, Training, interactions
from support.places import POLICIES
from support.planted import Augmented


def _table() -> pd.DataFrame:
    """Users of three tastes, who have items of theirs in any order, the first ones of a taste more often."""
    draw, table = np.random.default_rng(2), interactions(120)
    tastes = np.array([int(item[1:]) // EACH for item in table["item"]])
    which = np.minimum(*draw.integers(0, EACH, (2, len(table))))
    return table.assign(item=[f"i{taste * EACH + one:02d}" for taste, one in zip(tastes, which, strict=True)])


_TABLE = _table()
_ITEMS = tuple(sorted(set(_TABLE["item"])))
_SCHEMA = {"items": list(_ITEMS)}
_LEARNT = 800  # of 1,200 interactions, the oldest
_KIND = modality("interactions")


def _samples() -> Sequence[RawSample]:
    """As the table gives them, the oldest first."""
    with tempfile.TemporaryDirectory() as folder:
        _TABLE.to_csv(Path(folder) / "clicks.csv", index=False)
        asked = {"interaction_columns": "", "interaction_history": 8, "interaction_split": "time"}
        opened = _KIND.codec.open(f"{folder}/clicks.csv", asked)
        return sorted(opened.samples(), key=lambda one: (one.time, one.id))


_SAMPLES = _samples()
_HISTORIES = np.stack([np.asarray(one.data) for one in _SAMPLES])
_LABELS = np.array([_ITEMS.index(str(one.label)) for one in _SAMPLES])
_ORIGINALS, _HELD_OUT = _HISTORIES[:_LEARNT], _HISTORIES[_LEARNT:]
_IDS = [one.id for one in _SAMPLES[:_LEARNT]]
_USERS = [str(one.subject) for one in _SAMPLES[:_LEARNT]]
_KNOWN = [str(one.extra["known_interactions"]) for one in _SAMPLES[:_LEARNT]]
_COUNTS = np.bincount(_LABELS[:_LEARNT])
_SHIPPED = Policy.load(POLICIES / "augment" / "ratings-robust.yaml")
_TRAIN = Training(ArrayPayload(_ORIGINALS), _LABELS[:_LEARNT], tuple(_IDS), _SCHEMA)


def made_by(policy: Policy) -> np.ndarray:
    """What a policy makes of the histories of training."""
    return _KIND.augmenter(policy, 7, _TRAIN)(_ORIGINALS, _IDS, 1)


HISTORIES = Augmented(
    originals=_ORIGINALS,
    augmented=made_by(_SHIPPED),
    ids=_IDS,
    labels=_LABELS[:_LEARNT],
    held_out=_HELD_OUT,
    classes=_ITEMS,
    rules=QualityRules.load(POLICIES / "quality" / "ratings.yaml"),
    schema=_SCHEMA,
    subjects=_USERS,
    groups={"known_interactions": _KNOWN},
)


def label_noise(histories: np.ndarray) -> None:
    """One history in twenty is that of somebody who went on with another item."""
    long = np.flatnonzero(lengths(_ORIGINALS) >= TELLING)
    histories[long[::20]] = _ORIGINALS[long[10::20][: len(long[::20])]]


def leaked(histories: np.ndarray) -> None:
    """One history in twenty is what a user had done at a moment that is held out."""
    histories[::20] = _HELD_OUT[-len(histories[::20]) :]


def washed_out(histories: np.ndarray) -> None:
    """What was done before the rarer half of the items is made of the same few items, at moments of its own."""
    rare = np.flatnonzero(_COUNTS[_LABELS[:_LEARNT]] <= np.sort(_COUNTS)[len(_COUNTS) // 2])
    histories[rare, :, ITEM] = histories[np.resize(rare[-10:], len(rare)), :, ITEM]


def popular(histories: np.ndarray) -> None:
    """Every item becomes the one that is had most."""
    histories[histories[..., ITEM] > 0, ITEM] = 1 + np.bincount(_ORIGINALS[..., ITEM].ravel())[1:].argmax()


def bias(histories: np.ndarray) -> None:
    """What is known of those who did little is forgotten."""
    histories[[known == "1 to 4" for known in _KNOWN]] = 0


def overdone(histories: np.ndarray) -> None:
    """Every item becomes another, drawn evenly."""
    had = histories[..., ITEM] > 0
    histories[had, ITEM] = np.random.default_rng(3).integers(1, len(_ITEMS) + 1, int(had.sum()))
