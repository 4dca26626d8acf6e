"""The parameters of a run that only texts have.

It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from augment_ops.parameter import DATA, About


@dataclass(frozen=True, kw_only=True)
class TextParameters:
    """How texts are read."""

    text_columns: Annotated[
        str,
        About(
            title="Columns of the texts",
            section=DATA,
            max_length=4_000,
            help="Which column is what, such as text=question,label=intent,subject=customer. Roles: text, label, "
            "subject, split, id; every other column is kept beside the text. Empty: text and label.",
            after="columns",
        ),
    ] = ""
    text_bytes: Annotated[
        int,
        About(
            title="Bytes of a text",
            section=DATA,
            minimum=16,
            maximum=4096,
            help="Room for each text, in bytes of UTF-8; a longer one is not read, and said to be unreadable.",
            after="text_columns",
        ),
    ] = 512


DECLARED = TextParameters
