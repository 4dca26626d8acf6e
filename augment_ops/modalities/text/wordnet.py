"""Synonyms from a WordNet that lies on this machine: nothing is fetched, and no library is needed to read it.

Two forms are read: the XML of the Global WordNet Association (WN-LMF, which Open English WordNet is published in and
`wn` keeps where it puts downloads), plain or gzipped; and the folder of Princeton's files (`index.noun`, `data.noun`,
…, which NLTK keeps as `corpora/wordnet`).

Of the meanings of a word the first counts, which WordNet orders by how frequent they are: of the others most are not
what is meant (`card` is a circuit board as well). Words of grammar have entries that nobody means (`in` is indium):
words of fewer than four letters, those that sentences begin with, and a few more are left out.

Sources: Miller 1995, doi 10.1145/219717.219748; https://globalwordnet.github.io/schemas/.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from augment_ops.errors import InputError
from augment_ops.modalities.text.lexicon import NEGATIONS, NUMBERS, OPENERS

_FORMS = "a WN-LMF file (.xml or .xml.gz), or a folder with data.noun, index.noun and those of verb, adj and adv"
_PARTS = ("noun", "verb", "adj", "adv")
_GZIP = b"\x1f\x8b"
_MOST = 8  # synonyms of a word
_LEAST_LETTERS = 4
_GRAMMAR = """
been being done does doing goes going gone made make makes more most much many only other over same such than
them then very were into onto under upon also both each even ever here away back down well
"""

Synset = str
Meaning = tuple[str, Synset]  # a word as WordNet writes it, and its most frequent meaning in one part of speech


def synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """Word in small letters → words and phrases of the same first meaning, in the order of WordNet.

    Raises:
        InputError: nothing is there, or it is no WordNet.
    """
    try:
        members, meanings = _of_lmf(path) if path.is_file() else _of_princeton(path)
    except FileNotFoundError as error:
        fix = "fetch one beforehand, with wn or NLTK say, and name its file or folder: nothing is fetched here"
        raise InputError("--wordnet", f"no {error.filename or path}", _FORMS, fix) from error
    except (OSError, ValueError, IndexError, EOFError, expat.ExpatError) as error:
        found = f"{path}: {(str(error).splitlines() or [type(error).__name__])[0][:120]}"
        raise InputError("--wordnet", found, _FORMS, "give the file or folder itself, unpacked or gzipped") from error
    found_: dict[str, dict[str, None]] = defaultdict(dict)
    for word, synset in meanings:
        if _is_usable(word):
            others = (one for one in members[synset] if one.lower() != word.lower() and _is_plain(one))
            found_[word.lower()].update(dict.fromkeys(others))
    return {word: tuple(others)[:_MOST] for word, others in found_.items() if others}


def _is_usable(word: str) -> bool:
    small = word.lower()
    left_out = small in OPENERS or small in NEGATIONS or small in NUMBERS or small in _GRAMMAR.split()
    return word == small and word.isalpha() and len(word) >= _LEAST_LETTERS and not left_out


def _is_plain(word: str) -> bool:
    return word == word.lower() and all(one.isalpha() or one in " -'" for one in word)


def _of_lmf(path: Path) -> tuple[dict[Synset, list[str]], list[Meaning]]:
    """Words of each synset, and meanings, in the order of the file; it is read as a stream."""
    members: dict[Synset, list[str]] = defaultdict(list)
    meanings: list[Meaning] = []
    entry = {"word": "", "first": ""}

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name == "LexicalEntry":
            entry.update(word="", first="")
        elif name == "Lemma":
            entry["word"] = attributes.get("writtenForm", "")
        elif name == "Sense" and entry["word"]:
            members[attributes["synset"]].append(entry["word"])
            if not entry["first"]:
                entry["first"] = attributes["synset"]
                meanings.append((entry["word"], entry["first"]))

    def refuse(*_: object) -> None:
        raise ValueError("an entity of its own, which no WordNet has")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = begin, refuse
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        parser.ParseFile(gzip.GzipFile(fileobj=file) if packed else file)
    if not meanings:
        raise ValueError("no LexicalEntry with a Lemma and a Sense")
    return members, meanings


def _of_princeton(folder: Path) -> tuple[dict[Synset, list[str]], list[Meaning]]:
    members: dict[Synset, list[str]] = {}
    meanings: list[Meaning] = []
    for part in _PARTS:
        for fields in _lines(folder / f"data.{part}"):
            # synset_offset lex_filenum ss_type w_cnt word lex_id [word lex_id …]; w_cnt is hexadecimal (wndb(5WN))
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            members[part + fields[0]] = [_spoken(word) for word in words]
        for fields in _lines(folder / f"index.{part}"):
            # lemma pos synset_cnt p_cnt [ptr_symbol …] sense_cnt tagsense_cnt synset_offset […]
            first = part + fields[4 + int(fields[3]) + 2]
            meanings.append((_spoken(fields[0]), first))
            if first not in members:
                raise ValueError(f"index.{part} names a synset {first[len(part) :]} that data.{part} does not have")
    return members, meanings


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith(" "):  # the licence stands indented at the beginning
                yield line.split()


def _spoken(word: str) -> str:
    """Without the underscores between the parts of a phrase, and without an adjective's place, as in `galore(ip)`."""
    return word.partition("(")[0].replace("_", " ")
