"""A table of texts as a source of samples: one row, one text."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from augment_ops.data.sample_index import beside, index_columns
from augment_ops.data.sources.locate import Place
from augment_ops.data.sources.parts import TABLES, is_empty, parts, texts_of
from augment_ops.data.sources.roles import one_role_each, read_roles
from augment_ops.errors import DataError, nearest
from augment_ops.modalities.source import (
    COLUMN_SPLITS,
    OUT_OF_SCOPE,
    SPLIT_NAMES,
    Defect,
    Leftovers,
    RawSample,
    Scalar,
    Schema,
)
from augment_ops.modalities.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

CONTENT = "text_sha256"  # the index's column of what equal texts have in common
_KEPT = frozenset(index_columns(CONTENT, ()))  # names that the snapshot's index has itself
_ID_BYTES = 8  # of a hash of the row: of a million rows, one pair in 37 million is mistaken for a repetition
_SHOWN = 40  # characters of a cell
_EXAMPLE = "text=question,label=intent,subject=customer"


@dataclass(frozen=True, kw_only=True)
class TextRoles:
    """The columns of a table of texts, by what they are; every other column is kept beside the text.

    Attributes:
        text: what the model reads.
        label: the class.
        subject: the person that the text is of.
        split: `train`, `validation` or `test`, or `unused` or `out-of-scope` for a text that is in none of them; by
            default the file's name, where files are called so.
        id: unique; by default an id is made of the row's content.
    """

    text: str = "text"
    label: str = "label"
    subject: str = ""
    split: str = ""
    id: str = ""

    @classmethod
    def parse(cls, text: str) -> TextRoles:
        """Read `role=column,role=column`.

        Raises:
            DataError: an unknown role, one given twice, no column for one, or a column with two roles.
        """
        given = read_roles(text, single=[one.name for one in fields(cls)], several=(), example=_EXAMPLE)
        roles = cls(**given)  # type: ignore[arg-type]
        one_role_each(roles.columns.values())
        return roles

    @property
    def columns(self) -> dict[str, str]:
        """Role → column, of the roles that are given."""
        return {one.name: column for one in fields(self) if (column := getattr(self, one.name))}


class TextSource:
    """Texts of one table, or of a folder of tables called `train`, `validation` and `test`.

    Args:
        place: the file or the folder.
        roles: which column is what.
        vocabulary: of the data set that the texts are to be compared with; by default they have their own.

    Attributes:
        name: kebab-case, of the data set.
        leftovers: files of the folder that are none of these.
    """

    def __init__(self, place: Place, roles: TextRoles, vocabulary: Vocabulary | None = None) -> None:
        self.name = place.name
        self.leftovers = Leftovers()
        self._place, self._roles, self._given = place, roles, vocabulary
        self._words: Counter[str] = Counter()

    def samples(self) -> Iterator[RawSample]:
        """One sample a row; `data` is the text. See `augment_ops.modalities.source.Source`.

        Raises:
            DataError: no table; a column that a role names is missing, or does not hold what it says.
        """
        seen: Counter[bytes] = Counter()
        texts = 0
        for path, split in self._files():
            first = 0
            for part in parts(self._place, path, alone=self._given is not None):
                self._look(list(part.columns))
                for sample in self._samples(part, first, posixpath.basename(path or ""), split, seen):
                    texts += not isinstance(sample.data, Defect)
                    yield sample
                first += len(part)
        if not texts:
            column = self._roles.text
            raise self._fault(
                f"column {column!r}", "no text in any row", "a text a row", "name the column of the texts"
            )

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The files, and what their columns are taken for; see `Source`."""
        if self._place.is_folder:
            paths = [path for path, _ in self._files() if path is not None]
            for path in paths:
                yield "file", posixpath.basename(path), self._place.sha256(path)
            yield from (("left out", one.folder, one.example, str(one.files)) for one in self.leftovers.found())
        else:
            yield "file", self._place.sha256()
        yield "columns", repr(self._roles)
        if self._given is not None:
            yield "vocabulary", repr(self._given)

    @property
    def schema(self) -> Schema:
        """The usual words; complete after the last sample."""
        return (self._given or Vocabulary.of(self._words)).content()

    def _files(self) -> list[tuple[str | None, str | None]]:
        """Path of each table, and the split that its name says; the place itself has no path."""
        if not self._place.is_folder:
            return [(None, None)]
        self.leftovers = Leftovers()
        found: list[tuple[str | None, str | None]] = []
        for name in self._place.files():
            stem, ending = posixpath.splitext(name)
            split = SPLIT_NAMES.get(stem.lower())
            if split is None or ending.lower() not in TABLES:
                self.leftovers.add(posixpath.basename(self._place.path), name, "no table called train or test")
                continue
            found.append((posixpath.join(self._place.path, name), split))
        if not found:
            fix = "give one table, or a folder with train.csv and test.csv"
            raise self._fault("folder", "no table of texts", "train and test as .csv, .parquet or .jsonl", fix)
        return found

    def _look(self, names: list[str]) -> None:
        """See that the columns that roles name are there."""
        for role, column in self._roles.columns.items():
            # What production sends may have no label yet.
            if column not in names and not (role == "label" and self._given is not None):
                raise self._fault(
                    f"columns: {role}",
                    f"no column {column!r}.{nearest(column, names)}",
                    f"one of {', '.join(names)}"[:300],
                    f"correct --text-columns, such as {role}={names[0]}",
                )

    def _samples(
        self, part: pd.DataFrame, first: int, file: str, split: str | None, seen: Counter[bytes]
    ) -> Iterator[RawSample]:
        roles = self._roles
        data = [self._text(cell) for cell in part[roles.text].to_numpy(dtype=object)]
        labels, subjects, ids = (self._cells(part, name) for name in (roles.label, roles.subject, roles.id))
        splits = self._splits(part, first, split)
        others = [name for name in part.columns if name not in roles.columns.values() and name]
        extra = {called: texts_of(part[name]) for name, called in beside(others, _KEPT, self._place.uri).items()}
        for row, text in enumerate(data):
            where = f"{file}, row {first + row + 1}" if file else f"row {first + row + 1}"
            if roles.id and ids[row] is None:
                raise self._fault("id", f"nothing in {where}", "an id in every row", "fill or drop it")
            said = repr((str(text), labels[row], subjects[row], splits[row])).encode("utf-8", "surrogatepass")
            if isinstance(text, str) and splits[row] != OUT_OF_SCOPE:
                self._words.update(Vocabulary.words_of(text))
            values: Mapping[str, Scalar] = {name: column[row] for name, column in extra.items()}
            yield RawSample(
                id=ids[row] or _named(hashlib.sha256(said).digest()[:_ID_BYTES], seen),
                label=labels[row],
                split=splits[row],
                subject=subjects[row],
                time=None,
                source=where,
                data=text,
                extra=values,
            )

    def _text(self, cell: Any) -> str | Defect:
        """A cell as a text; how long it may be, the decoder knows."""
        if is_empty(cell):
            return Defect("unreadable: no text")
        if not isinstance(cell, str):
            found = f"{type(cell).__name__} such as {cell!r}"[:_SHOWN]
            fix = "name the column of the texts, such as --text-columns text=question"
            raise self._fault(f"column {self._roles.text!r}", found, "texts", fix)
        return cell

    def _cells(self, part: pd.DataFrame, name: str) -> list[str | None]:
        return texts_of(part[name]) if name in part.columns else [None] * len(part)

    def _splits(self, part: pd.DataFrame, first: int, of_file: str | None) -> list[str | None]:
        if not self._roles.split:
            return [of_file] * len(part)
        given = self._cells(part, self._roles.split)
        for row, text in enumerate(given):
            if text is not None and text.lower() not in COLUMN_SPLITS:
                found = f"{text[:_SHOWN]!r} in row {first + row + 1}.{nearest(text, COLUMN_SPLITS)}"
                raise self._fault("split", found, " | ".join(COLUMN_SPLITS), "use one of these names")
        return [None if text is None else COLUMN_SPLITS[text.lower()] for text in given]

    def _fault(self, part: str, found: str, expected: str, fix: str) -> DataError:
        return DataError(f"{self._place.uri}: {part}", found, expected, fix)


def _named(row: bytes, seen: Counter[bytes]) -> str:
    """An id by content; of rows that are the same, the second is `…-2`."""
    seen[row] += 1
    return row.hex() + (f"-{seen[row]}" if seen[row] > 1 else "")
