"""What drift looks at in texts: length, words that are not usual, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError
from augment_ops.modalities.source import Schema
from augment_ops.modalities.text.texts import Texts, read
from augment_ops.modalities.text.vocabulary import Vocabulary


def _share(is_one: Callable[[str], bool]) -> Callable[[str], float]:
    return lambda text: sum(map(is_one, text)) / len(text) if text else 0.0


_OF_TEXT: Mapping[str, Callable[[str], float]] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "capitals": _share(str.isupper),
    "digits": _share(str.isdigit),
    "marks": _share(lambda one: not (one.isalnum() or one.isspace())),
}
UNKNOWN = "unknown_words"  # share of a text's words that are not among the data set's usual ones
PROPERTIES = (*_OF_TEXT, UNKNOWN)


def features(texts: Texts, schema: Schema | None) -> Mapping[str, NDArray[Any]]:
    """By name: float64 (N,); of unknown words NaN where no data set says which are known."""
    found = read(texts)
    values = {name: np.array([of(text) for text in found], np.float64) for name, of in _OF_TEXT.items()}
    vocabulary = None if schema is None else Vocabulary.read(schema)
    unknown = [np.nan if vocabulary is None else vocabulary.unknown_share(text) for text in found]
    return {**values, UNKNOWN: np.array(unknown, np.float64)}


def check(samples: object, where: str) -> None:
    """Refuse what are no texts.

    Raises:
        DataError: see `augment_ops.modalities.base.Modality.check`.
    """
    if isinstance(samples, np.ndarray) and samples.dtype == np.uint8 and samples.ndim == 2 and samples.shape[1]:
        return
    found = type(samples).__name__
    if isinstance(samples, np.ndarray):
        found = f"{samples.dtype} of shape {samples.shape}"
    raise DataError(where, found, "uint8 (N, L)", "pass the texts that the model was given, UTF-8 with zeros after it")
