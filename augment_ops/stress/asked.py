"""What a suite asks of models beside every class alike: alerts for one class, or a ranking of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from augment_ops.content import LATER
from augment_ops.stress.ranking import Ranking


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Who looks at a fixed share of all samples, those that look most like one class: a model is right about a sample
    of that class where it is among them.

    Attributes:
        class_name: the class that is looked for.
        rate: share of the samples of a cell, above 0 and below 1, that an alert is raised for, whatever the scores are:
            who looks at alerts has so many hours a day, under stress as well.
        precision: share of the alerts that has to be right where recall at a fixed precision is measured beside it;
            None where it is not.
        threshold: by which of the two a threshold is chosen on the validation split, for every model alike; None where
            none is.
    """

    class_name: str
    rate: float
    precision: float | None = field(default=None, metadata=LATER)
    threshold: Literal["rate", "precision"] | None = field(default=None, metadata=LATER)

    @property
    def measure(self) -> str:
        """What the share of right samples is called."""
        return f"recall of class {self.class_name} at {100 * self.rate:g}% alerts"

    def __str__(self) -> str:
        """What is looked for, in words."""
        said = f"alerts for class {self.class_name} at a rate of {self.rate:g}"
        if self.precision is not None:
            said += f", and a precision of {self.precision:g}"
        return said if self.threshold is None else f"{said}, with a threshold chosen by {self.threshold}"


Asked = Alerts | Ranking | None  # what a suite asks beside every class alike


def said_of(asked: Asked) -> str:
    """What is asked, in words."""
    return "every class alike" if asked is None else str(asked)


def alerts_fault(alerts: Alerts, classes: Sequence[str]) -> str:
    """What alerts have to be for samples of these classes; empty where they are."""
    if alerts.class_name not in classes:
        return f"one of the classes {', '.join(classes)}"[:200]
    if not (isinstance(alerts.rate, float) and 0 < alerts.rate < 1):
        return "a rate above 0 and below 1"
    precise = alerts.precision is None or (isinstance(alerts.precision, float) and 0 < alerts.precision <= 1)
    if not precise:
        return "a precision above 0 and at most 1"
    known = alerts.threshold in (None, "rate") or (alerts.threshold == "precision" and alerts.precision is not None)
    return "" if known else "a threshold by rate, or by precision where one is named"
