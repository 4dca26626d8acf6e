"""The parameters of a run that only interactions have.

It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from augment_ops.parameter import DATA, About


@dataclass(frozen=True, kw_only=True)
class InteractionParameters:
    """How interactions are read."""

    interaction_columns: Annotated[
        str,
        About(
            title="Columns of the interactions",
            section=DATA,
            max_length=4_000,
            help="Which column is what, such as user=userId,item=movieId,time=timestamp. Roles: user, item, time; "
            "every other column is kept beside the interaction. Empty: user, item and time.",
            after="text_bytes",
        ),
    ] = ""
    interaction_history: Annotated[
        int,
        About(
            title="Items of a history",
            section=DATA,
            minimum=1,
            maximum=512,
            help="Room for the newest items that a user had before; older ones are left out.",
            after="interaction_columns",
        ),
    ] = 32
    interaction_split: Annotated[
        Literal["time", "last"],
        About(
            title="Held out",
            section=DATA,
            help="time tests on what came after one moment, so that nothing is learnt from the future; last on the "
            "last moment of each user, and validates on the one before.",
            after="interaction_history",
        ),
    ] = "time"


DECLARED = InteractionParameters
