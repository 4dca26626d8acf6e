"""How texts come from what a service is asked."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.modalities.codec import One
from augment_ops.modalities.source import Defect
from augment_ops.modalities.text.codec import TextDecoder
from augment_ops.modalities.text.texts import read


@dataclass(frozen=True)
class TextRequests:
    """See `augment_ops.modalities.codec.Requests`.

    Attributes:
        decoder: of the data set's texts.
    """

    decoder: TextDecoder
    media: tuple[str, ...] = ("text/plain",)

    @property
    def form(self) -> str:
        """A text."""
        return f"a text of at most {self.decoder.room:,} bytes of UTF-8"

    def of_file(self, data: bytes) -> One | Defect:
        """uint8 (L,)."""
        try:
            return self.of_json(data.decode())
        except UnicodeDecodeError:
            return Defect("unreadable: no UTF-8")

    def of_json(self, value: object) -> One | Defect:
        """uint8 (L,); an empty text says nothing, and is refused as a data set refuses it."""
        if not isinstance(value, str) or not value.strip():
            return Defect("unreadable: no text, or an empty one")
        return self.decoder.decode(value)

    def in_json(self, sample: One) -> str:
        """A text."""
        return read(sample[None])[0]
