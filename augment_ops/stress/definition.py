"""The definition of a stress suite, as policies/stress/ holds it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError, nearest
from augment_ops.modalities import NAMES, UNNAMED, modality
from augment_ops.modalities.corruptions import Corruptions
from augment_ops.stress.asked import Alerts, Asked
from augment_ops.stress.ranking import MOST, Ranking

_MOST_SLICES = 20  # of a year, each is under three weeks; more are noise to whoever reads them
_Strength = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Strengths = tuple[_Strength, _Strength, _Strength, _Strength, _Strength]  # one for each severity
Params = dict[str, Strengths]


class AlertsSpec(BaseModel):
    """What is looked for, where it is one class, and at how many samples: see `augment_ops.stress.outcomes.Alerts`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)

    class_name: Annotated[str, Field(alias="class", min_length=1)]
    rate: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False, strict=True)]
    precision: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    threshold: Literal["rate", "precision"] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Files of before a precision and a threshold could be asked for, and those that do not, keep their digest."""
        document: dict[str, Any] = written(self)
        return {name: value for name, value in document.items() if value is not None}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.threshold == "precision" and self.precision is None:
            raise ValueError("threshold by precision: name the precision beside it")
        return self

    def as_asked(self) -> Alerts:
        """As outcomes have them."""
        return Alerts(class_name=self.class_name, rate=self.rate, precision=self.precision, threshold=self.threshold)


class RankingSpec(BaseModel):
    """Items that are ranked, where every class is one: see `augment_ops.stress.ranking.Ranking`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Annotated[int, Field(ge=1, le=MOST, strict=True)]
    bands: Annotated[dict[str, Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.as_asked().fault:
            raise ValueError(self.as_asked().fault)
        return self

    def as_asked(self) -> Ranking:
        """As outcomes have it."""
        return Ranking(at=self.at, bands=tuple(sorted(self.bands.items(), key=lambda band: band[1])))


def asked_by(alerts: AlertsSpec | None, ranking: RankingSpec | None) -> Asked:
    """What a suite or a gate asks; None where every class counts alike.

    Raises:
        ValueError: both.
    """
    if alerts is not None and ranking is not None:
        raise ValueError("alerts or ranking: with alerts one class is judged, and with a ranking no class is")
    one = alerts or ranking
    return None if one is None else one.as_asked()


class SuiteSpec(BaseModel):
    """policies/stress/<name>.yaml.

    Attributes:
        modality: of the samples that it is for.
        split: the held-out split that the suite is made from.
        max_samples: at most so many samples, the first in keyed order of their ids.
        max_suite_gib: bound on all cells together; large samples get fewer.
        corruptions: name → each of its parameters → five strengths; or only the name, for the published ones.
        of_levels: those of them whose strengths are shares of the range of values that the data set has, and not of all
            that there can be: where the data set has half the range, a shift then takes half as much from every sample.
        time_slices: so many equally long spans of the samples' time are groups of them, the column `time`; 0: none.
        out_of_scope: at most so many samples of no class, where the data set has any, to see how sure models are of
            them (`stress.out_of_scope`); 0: none.
        alerts: judge the recall of one class at a fixed rate of alerts; None where every class counts alike.
        ranking: judge whether each sample's class is among the first that a model names, in bands of how often classes
            are in the training split; None where the first alone counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: Annotated[str, Field(min_length=1)]
    modality: str = UNNAMED
    split: Annotated[str, Field(pattern=r"^(validation|test)$")] = "test"
    max_samples: Annotated[int, Field(ge=1, strict=True)]
    max_suite_gib: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 4.0
    corruptions: Annotated[dict[str, Params | None], Field(min_length=1)]
    of_levels: tuple[str, ...] = ()
    time_slices: Annotated[int, Field(ge=0, le=_MOST_SLICES, strict=True)] = 0
    out_of_scope: Annotated[int, Field(ge=0, strict=True)] = 0
    alerts: AlertsSpec | None = None
    ranking: RankingSpec | None = None

    @field_validator("modality")
    @classmethod
    def _known_modality(cls, value: str) -> str:
        if value not in NAMES:
            raise ValueError(f"{' | '.join(NAMES)}.{nearest(value, NAMES)}")
        return value

    @field_validator("corruptions")
    @classmethod
    def _strengths_that_rise(cls, value: dict[str, Params | None], info: ValidationInfo) -> dict[str, Params | None]:
        if "modality" not in info.data:
            return value  # its own fault is told
        # A suite whose severities do not rise, or reach an unreadable strength, would say nothing about a model.
        known = modality(info.data["modality"]).corruptions
        for name, params in value.items():
            if name not in known.names:
                guess = nearest(name, known.names)
                raise ValueError(f"a known corruption, not {name!r}: {', '.join(known.names)}.{guess}")
            fault = "" if params is None else known.fault(name, params)
            if fault:
                raise ValueError(f"{name}: {fault}")
        return value

    @model_validator(mode="after")
    def _shares_of_levels(self) -> Self:
        able = [name for name in self.corruptions if self.known.in_levels(name)]
        odd = [name for name in self.of_levels if name not in able]
        if odd or len(set(self.of_levels)) != len(self.of_levels):
            raise ValueError(f"of_levels: corruptions of the suite in shares of the value range, once each: {able}")
        return self

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if asked_by(self.alerts, self.ranking) is not None and self.out_of_scope:
            raise ValueError("out_of_scope only where every class counts alike: without alerts and ranking")
        return self

    @property
    def asked(self) -> Asked:
        """What models are asked; None where every class counts alike."""
        return asked_by(self.alerts, self.ranking)

    @property
    def known(self) -> Corruptions:
        """The corruptions of its modality."""
        return modality(self.modality).corruptions

    def check_modality(self, of: str) -> None:
        """See that the suite is for samples of a modality.

        Raises:
            PolicyError: it is for another one.
        """
        if self.modality != of:
            fix = f"choose a suite for {of}"
            raise PolicyError(f"stress suite {self.name}: modality", self.modality, f"{of}, as the samples are", fix)

    @property
    def digest(self) -> str:
        """sha256 over the content; comments and layout do not count, published strengths do."""
        content = self.model_dump(mode="json")
        # Suites of before these were known keep their digests.
        if self.modality == UNNAMED:
            del content["modality"]
        if not self.of_levels:
            del content["of_levels"]
        for name in ("time_slices", "out_of_scope"):
            if not content[name]:
                del content[name]
        for name in ("alerts", "ranking"):
            if content[name] is None:
                del content[name]
        for name, params in self.corruptions.items():
            if params is None:
                content["corruptions"][name] = self.known.published_content(name)
        return digest_of(content)
