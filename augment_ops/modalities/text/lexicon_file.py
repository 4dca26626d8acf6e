"""Lexicons as files: what may stand for a word, or for a whole text. A policy names one with its sha256.

A model or a dictionary that is asked while texts are augmented would make the result depend on more than its key. So
it is asked once, what it said is looked through and kept as `policies/lexicons/<name>.jsonl`, and a policy draws from
that by key (docs/adr/0041-what-a-model-said-is-a-file.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.errors import PolicyError, nearest
from augment_ops.files import NotReadableError, read_regular
from augment_ops.project import policies_of

Kind = Literal["synonyms", "paraphrases"]
Entries = Mapping[
    str, Sequence[str]
]  # a word in small letters, or a text without blanks around it → what may stand for it

FOLDER = "lexicons"
_FORMAT = 1
_MOST_BYTES = 64 << 20  # WordNet's synonyms take 3 MB, five paraphrases of each question of banking77 5 MB
_KEPT = 8  # lexicons in memory


def lexicon_path(policies: Path, name: str) -> Path:
    """Where a lexicon lies.

    Args:
        policies: the folder of policies.
        name: in kebab-case.
    """
    return policies / FOLDER / f"{name}.jsonl"


def load(name: str, sha256: str, kind: Kind) -> Entries:
    """The entries of a lexicon of the policies in force here.

    Raises:
        PolicyError: there is none of that name, it is another one than was meant, or none of that kind.
    """
    return _load(lexicon_path(policies_of(), name), sha256, kind)


def written(kind: Kind, entries: Entries, about: Mapping[str, Any]) -> bytes:
    """A lexicon as a file: equal entries give equal bytes.

    Args:
        about: what it was made of and by, for people.
    """
    head = canonical_json({"format": _FORMAT, "kind": kind, "about": dict(about)})
    lines = [canonical_json({"of": of, "instead": list(entries[of])}) for of in sorted(entries)]
    return b"".join(line + b"\n" for line in (head, *lines))


@lru_cache(maxsize=_KEPT)
def _load(path: Path, sha256: str, kind: Kind) -> Entries:
    try:
        data = read_regular(str(path), limit=_MOST_BYTES)
    except FileNotFoundError as error:
        known = [one.stem for one in path.parent.glob("*.jsonl")] if path.parent.is_dir() else []
        fix = f"put the file there, or make it: augment-ops lexicon.{nearest(path.stem, known)}"
        raise PolicyError(str(path), "no such lexicon", f"the one with the sha256 {sha256}", fix) from error
    except NotReadableError as error:
        raise PolicyError(
            str(path), str(error), "a lexicon", "make it smaller: fewer texts, or fewer of each"
        ) from error
    found = sha256_hex(data)
    if found != sha256:
        fix = "restore the file; where the new one is meant, give the policy a new version with its sha256"
        raise PolicyError(str(path), f"a lexicon with the sha256 {found}", sha256, fix)
    try:
        return _parsed(data, kind)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "make it by augment-ops lexicon"
        raise PolicyError(str(path), str(error)[:200], f"a lexicon of {kind}, format {_FORMAT}", fix) from error


def _parsed(data: bytes, kind: Kind) -> Entries:
    head, *lines = [json.loads(line) for line in data.decode().splitlines()]
    if head["format"] != _FORMAT or head["kind"] != kind:
        raise ValueError(f"format {head['format']}, {head['kind']}")
    entries = {line["of"]: tuple(line["instead"]) for line in lines}
    if not all(others and all(isinstance(one, str) and one for one in (of, *others)) for of, others in entries.items()):
        raise ValueError("an entry that is no texts")
    return entries
