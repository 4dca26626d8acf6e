"""How drift is watched for, read from policies/drift/*.yaml: what is compared, how, and what follows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError, nearest
from augment_ops.modalities import NAMES, modality
from augment_ops.monitoring.drift.detectors.catalogue import OF_ANSWERS, OF_COLUMNS, OF_VECTORS
from augment_ops.policy.yaml_file import load_model

Channel = Literal["log", "email", "slack", "webhook"]

SIZE = "size"  # a property of the samples of every modality

_FROZEN = ConfigDict(extra="forbid", frozen=True)
_Positive = Annotated[float, Field(gt=0)]
# A month: most chargebacks, returns and diagnoses come within it, and what it costs to look for them stays small.
_LABEL_WAIT_DAYS = 30.0


def _known(name: str) -> str:
    return _among(name, [*(one for each in NAMES for one in modality(each).properties), SIZE])


def _among(name: str, known: Collection[str]) -> str:
    if name not in known:
        raise ValueError(f"one of {', '.join(known)}.{nearest(name, known)}")
    return name


ColumnDetector = Annotated[str, AfterValidator(lambda name: _among(name, OF_COLUMNS))]
VectorDetector = Annotated[str, AfterValidator(lambda name: _among(name, OF_VECTORS))]
AnswerDetector = Annotated[str, AfterValidator(lambda name: _among(name, OF_ANSWERS))]
AnyDetector = Annotated[str, AfterValidator(lambda name: _among(name, (*OF_COLUMNS, *OF_VECTORS, *OF_ANSWERS)))]


class EffectLimits(BaseModel):
    """Limits on a detector's effect; see its module for what the effect is."""

    model_config = _FROZEN

    warn: _Positive
    drift: _Positive

    @model_validator(mode="after")
    def _ordered(self) -> EffectLimits:
        if self.warn > self.drift:
            raise ValueError(f"warn {self.warn} must not lie above drift {self.drift}")
        return self


class Detect(BaseModel):
    """What is compared, and by which detectors; an empty list compares nothing.

    Attributes:
        images: properties of samples, whatever their modality (which says what there is), by the detectors of
            `numbers`. The key is called after the first modality.
        numbers, categories: columns of a table.
        embeddings: what the model makes of a sample before its last layer.
        predictions: predicted classes.
        labels: classes of the labels that have arrived.
        answers: predictions against labels, or what stands for that before labels arrive.
    """

    model_config = _FROZEN

    images: tuple[Annotated[str, AfterValidator(_known)], ...] = ()
    numbers: tuple[ColumnDetector, ...] = ()
    categories: tuple[ColumnDetector, ...] = ()
    embeddings: tuple[VectorDetector, ...] = ()
    predictions: tuple[ColumnDetector, ...] = ()
    labels: tuple[ColumnDetector, ...] = ()
    answers: tuple[AnswerDetector, ...] = ()

    @model_validator(mode="after")
    def _sensible(self) -> Detect:
        for name in type(self).model_fields:
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must not repeat")
        if self.images and not self.numbers:
            raise ValueError("images are compared by the detectors of numbers, of which there are none")
        return self

    @property
    def used(self) -> set[str]:
        """Names of all detectors asked for."""
        lists = (self.numbers, self.categories, self.embeddings, self.predictions, self.labels, self.answers)
        return {name for some in lists for name in some}


class Reference(BaseModel):
    """What a window is compared with.

    Attributes:
        kind: `snapshot`: the held-out part of the snapshot that the champion was trained on; `rolling`: the windows of
            the log before this one that did not drift; `period`: a fixed stretch of the log.
        windows: of a rolling reference.
        start, end: of a period, ISO 8601 in UTC; the end is excluded.
    """

    model_config = _FROZEN

    kind: Literal["snapshot", "rolling", "period"]
    windows: Annotated[int, Field(ge=1, le=1000)] = 14
    start: str = ""
    end: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        if self.kind == "period" and not moment(self.start) < moment(self.end):
            raise ValueError("a period needs a start that lies before its end")
        return self


class DriftRules(BaseModel):
    """What counts as drift, and what follows from it.

    Attributes:
        window_h: length of a window in hours; windows begin at multiples of it since 1970, UTC.
        grace_h: how long after its end a window is judged, so that late records are in it.
        min_n: samples needed on each side; `min_class_n` of one class, for its recall.
        significance: probability that a window without any change raises an alarm by chance, over all that is compared.
        limits: by detector.
        bins, tail_share: of the detectors that have bins.
        permutations: shuffles of the detectors of embeddings.
        cool_down_h: no second training starts so soon after one that an alert started.
        max_age_days: a champion older than this starts a training; None for never.
        follow_policy: whether a newer approved version of the champion's policy starts one.
        label_wait_days: a window is judged again while labels of it arrive, until so long after its end; 0 for never.
        retrain_days: labelled production data of so many days goes into the snapshot of a training after an alert.
        notify: through which channels an alert is told.
        evidently: when Evidently's page is made beside ours; it takes seconds and megabytes.
    """

    model_config = _FROZEN

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    reference: Reference
    window_h: Annotated[float, Field(ge=1 / 60, le=24 * 366)]
    grace_h: Annotated[float, Field(ge=0, le=24 * 366)]
    min_n: Annotated[int, Field(ge=2)]
    min_class_n: Annotated[int, Field(ge=1)]
    significance: Annotated[float, Field(gt=0, lt=1)]
    detect: Detect
    limits: dict[AnyDetector, EffectLimits]
    bins: Annotated[int, Field(ge=2, le=100)]
    tail_share: Annotated[float, Field(gt=0, lt=0.25)]
    permutations: Annotated[int, Field(ge=99, le=100_000)]
    cool_down_h: Annotated[float, Field(ge=0)]
    max_age_days: Annotated[float, Field(gt=0)] | None = None
    follow_policy: bool = False
    label_wait_days: Annotated[float, Field(ge=0, le=366)] = _LABEL_WAIT_DAYS
    retrain_days: Annotated[float, Field(gt=0)]
    notify: tuple[Channel, ...]
    evidently: Literal["every", "not-ok", "never"]

    @model_validator(mode="after")
    def _consistent(self) -> DriftRules:
        without = sorted(self.detect.used - set(self.limits))
        if without:
            raise ValueError(f"limits must name every detector that is used; {', '.join(without)} have none")
        if not any(getattr(self.detect, name) for name in Detect.model_fields):
            raise ValueError("detect must name something to compare")
        return self

    @cached_property
    def digest(self) -> str:
        """Hex sha256 over the content, without comments and layout."""
        content = self.model_dump(mode="json")
        if self.label_wait_days == _LABEL_WAIT_DAYS:  # files from before there was such a field keep their digest
            del content["label_wait_days"]
        return digest_of(content)

    @property
    def window(self) -> timedelta:
        """Length of a window, in whole seconds: its beginning names its record."""
        return timedelta(seconds=round(self.window_h * 3600))

    @property
    def label_wait(self) -> timedelta:
        """How long labels of a window are waited for; zero where nothing is asked of labels."""
        asked = self.detect.labels or {"accuracy", "recall"} & set(self.detect.answers)
        return timedelta(days=self.label_wait_days) if asked else timedelta(0)

    def check_modality(self, of: str) -> None:
        """See that samples of a modality have what is compared: what they have not would be passed over in silence.

        Raises:
            PolicyError: it names properties that they have not.
        """
        known = modality(of)
        odd = [name for name in self.detect.images if name not in (*known.properties, SIZE)]
        if odd:
            raise PolicyError(
                f"drift rules {self.name}: detect.images",
                ", ".join(odd),
                f"properties of {known.plural}: {', '.join((*known.properties, SIZE))}",
                "choose rules for such samples (transactions compares columns), or take these out",
            )

    @classmethod
    def load(cls, path: Path) -> DriftRules:
        """Read one file of policies/drift/.

        Raises:
            PolicyError: every fault of the file at once.
        """
        return load_model(path, cls, kind="drift policy")


def moment(text: str) -> datetime:
    """A time of ISO 8601, in UTC where it names no zone.

    Raises:
        ValueError: another form, or a year that UTC does not have.
    """
    found = datetime.fromisoformat(text)
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:  # the first or last day of all years, elsewhere
        raise ValueError(text) from error
