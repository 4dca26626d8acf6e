"""What the codecs have in common whose samples stand in tables, and are kept as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augment_ops.data.sources.locate import Place, locate
from augment_ops.data.sources.parts import TABLES
from augment_ops.data.sources.table import PICKLE
from augment_ops.errors import DataError
from augment_ops.modalities.codec import Asked, Decoder, Reading, Shape

_PICKLES = (".pkl", ".pickle", ".joblib")


class RawCodec:
    """Base of a `Codec` (which see) that reads tables. A subclass says `forms`, and the rest of a codec.

    Attributes:
        forms: what it reads, for people.
        folders: whether a folder of tables is one of these.
    """

    forms: str
    folders = False
    measures: tuple[str, ...] = ()
    reading_type = Reading

    def reading(self, asked: Asked, read: Reading) -> Reading:
        """As it was: nothing is brought to another form."""
        return read

    def licence(self, uri: str) -> str:
        """None comes with this program."""
        return ""

    def is_local(self, uri: str) -> bool:
        """Whether it lies on this machine."""
        return locate(uri, self.forms).is_local

    def place(self, uri: str, *, allow_outside: bool) -> Place:
        """Where the tables are.

        Raises:
            DataError: nothing is there, or no table.
        """
        place = locate(uri, self.forms, allow_outside=allow_outside)
        if place.is_folder and self.folders:
            return place
        if place.is_folder or not place.path.lower().endswith(TABLES):
            found = "a folder" if place.is_folder else "a file of an unknown format"
            if place.path.lower().endswith(_PICKLES):
                found = PICKLE
            fix = "save it as a table; --modality image is for images and lists of them"
            raise DataError(uri, found, self.forms, fix)
        return place

    def stored_decoder(self, stored: Mapping[str, Any], shape: Shape) -> Decoder:
        """Never asked for."""
        raise ValueError("samples of tables are kept raw, and not as files")
