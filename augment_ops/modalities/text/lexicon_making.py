"""How lexicons are made: see `augment_ops.modalities.lexicons`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augment_ops.content import sha256_hex
from augment_ops.errors import DataError, InputError
from augment_ops.files import replace_file
from augment_ops.modalities.lexicons import Lexicons, MadeLexicon, ParaphraseRequest
from augment_ops.modalities.source import Defect
from augment_ops.modalities.text.codec import CODEC
from augment_ops.modalities.text.lexicon_file import Entries, Kind, lexicon_path, written
from augment_ops.progress import Advance

_STEPS: Mapping[Kind, str] = {"synonyms": "SynonymAug", "paraphrases": "Paraphrase"}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MIN_CLASSES = 2  # with one, nothing could be taken for another


@dataclass
class _Texts:
    """The texts of a table.

    Attributes:
        labels: text without blanks around it → class, of train; one that has two classes is none of both.
        held_out: of validation and test, of no class, or unused.
    """

    labels: dict[str, str] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)


class _TextLexicons:
    """See `Lexicons`."""

    def synonyms(self, wordnet: Path, target: Path) -> MadeLexicon:
        """See `Lexicons`."""
        from augment_ops.modalities.text.wordnet import synonyms

        return _write(target, "synonyms", synonyms(wordnet), {"wordnet": wordnet.name}, Counter())

    def paraphrases(self, request: ParaphraseRequest, target: Path, advance: Advance) -> MadeLexicon:
        """See `Lexicons`."""
        from augment_ops.modalities.text.consistency import ParaphraseFilter
        from augment_ops.modalities.text.endpoint import Endpoint

        texts, dropped = _texts(request), Counter[str]()
        judge = ParaphraseFilter(texts.labels, texts.held_out, request.asked["text_bytes"])
        entries: dict[str, list[str]] = {}
        with Endpoint(request) as endpoint:
            for number, (text, label) in enumerate(texts.labels.items()):
                advance(number, len(texts.labels), "")
                kept = judge.kept(text, label, endpoint.paraphrases(text), dropped)
                if kept:
                    entries[text] = kept
        about = {"model": request.model, "via": request.via, "copies": request.copies, "language": request.language}
        return _write(target, "paraphrases", entries, about, dropped)

    def path(self, policies: Path, name: str) -> Path:
        """See `Lexicons`."""
        if not _NAME.fullmatch(name) or len(name) > 100:
            raise InputError("--output", repr(name)[:120], "a name in kebab-case", "call it banking-paraphrases, say")
        return lexicon_path(policies, name)


def _texts(request: ParaphraseRequest) -> _Texts:
    """Raises DataError where the table cannot be read, or has one class."""
    source, decoder = CODEC.open(request.input, request.asked), CODEC.decoder(request.asked)
    found, torn = _Texts(), set[str]()
    for raw in source.samples():
        if isinstance(raw.data, Defect) or isinstance(decoder.decode(raw.data), Defect):
            continue  # `augment` and `check_data` tell of them, as of those without a label
        text = raw.data.strip()
        if raw.split not in (None, "train"):
            found.held_out.append(text)  # also what is of no class, and has no label
        elif raw.label is not None and found.labels.setdefault(text, raw.label) != raw.label:
            torn.add(text)
    for text in torn:
        del found.labels[text]
    if len(set(found.labels.values())) < _MIN_CLASSES:
        raise DataError(request.input, "one class, or none", "at least two classes", CODEC.how_labelled)
    return found


def _write(
    target: Path, kind: Kind, entries: Entries, about: Mapping[str, Any], dropped: Mapping[str, int]
) -> MadeLexicon:
    if not entries:
        found = f"nothing that could be kept ({dict(dropped)})" if dropped else "nothing"
        raise DataError(str(target), found, f"{kind}", "look at what it is made of; nothing was written")
    data = written(kind, entries, about)
    replace_file(target, data)
    digest = sha256_hex(data)
    step = f'- {_STEPS[kind]}: {{lexicon: {target.stem}, sha256: "{digest}", p: 0.5}}'
    return MadeLexicon(path=str(target), sha256=digest, entries=len(entries), step=step, dropped=dict(dropped))


LEXICONS: Lexicons = _TextLexicons()
