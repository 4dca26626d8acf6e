"""The seam of lexicons: what a dictionary or a model said once, kept as a file that policies name by its sha256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from augment_ops.modalities.codec import Asked
from augment_ops.progress import Advance


@dataclass(frozen=True, kw_only=True)
class MadeLexicon:
    """A lexicon that was written.

    Attributes:
        path, sha256: of the file.
        entries: how many words, or texts, something may stand for.
        step: of a policy that draws from it.
        dropped: reason → how many suggestions were not kept for it.
    """

    path: str
    sha256: str
    entries: int
    step: str
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ParaphraseRequest:
    """What is asked of a model.

    Attributes:
        input: a table of texts with their classes.
        asked: the modality's own parameters, all of them.
        endpoint: base address of an OpenAI-compatible service, such as http://127.0.0.1:8000/v1.
        model: as the service calls it.
        copies: paraphrases of a text at most.
        via: language that texts are translated to and back from; empty asks for paraphrases.
        language: of the texts.
        key: for the service; nothing that is written holds it.
        answers: folder in which answers are kept, so that who is stopped goes on from there.
    """

    input: str
    asked: Asked
    endpoint: str
    model: str
    copies: int
    via: str
    language: str
    key: str = field(repr=False)
    answers: Path


class Lexicons(Protocol):
    """Makes them."""

    def synonyms(self, wordnet: Path, target: Path) -> MadeLexicon:
        """From a WordNet on this machine.

        Raises:
            InputError: it is none.
        """
        ...

    def paraphrases(self, request: ParaphraseRequest, target: Path, advance: Advance) -> MadeLexicon:
        """From a model; only what says the same is kept.

        Raises:
            DataError: the texts cannot be read.
            ServiceError: the service does not answer, or with something else.
        """
        ...

    def path(self, policies: Path, name: str) -> Path:
        """Where a lexicon lies.

        Raises:
            InputError: no name for one.
        """
        ...
