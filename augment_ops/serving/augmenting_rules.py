"""What of policies/serving/*.yaml is about augmentation while serving: views, the service, and their breakers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Share = Annotated[float, Field(ge=0, le=1)]
_VERSION = r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}"
_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"


class BreakerRules(BaseModel):
    """When augmentation is switched off, and how it is tried again.

    Attributes:
        window_s: over which it is judged; min_requests: fewer in a window say nothing.
        latency_share: of the latency, which augmentation may be, and latency_ms: mean latency up to which nobody minds.
        error_rate: share of what was to be augmented that may fail.
        waiting: samples that may wait, in the mean of what comes.
        open_s: for how long it stays off the first time; twice as long each time that the trials go wrong, and at most
            longest_open_s.
        trials: requests that are augmented before it is judged again.
    """

    model_config = _FROZEN

    window_s: _Seconds
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)]
    latency_share: _Share
    latency_ms: Annotated[float, Field(ge=0)]
    error_rate: _Share
    waiting: Annotated[int, Field(ge=0)]
    open_s: _Seconds
    longest_open_s: _Seconds
    trials: Annotated[int, Field(ge=1, le=10_000)]

    @model_validator(mode="after")
    def _consistent(self) -> BreakerRules:
        if self.open_s > self.longest_open_s:
            raise ValueError(f"open_s {self.open_s:g} must not lie above longest_open_s {self.longest_open_s:g}")
        return self


class ViewRules(BaseModel):
    """Test-time augmentation: an answer is the mean over views of the sample.

    Attributes:
        policy, version: by which the views are made.
        views: of each sample; itself: whether the first of them is the sample as it came.
        seed: of the keys; the epoch of a key is the number of the view, from 0.
    """

    model_config = _FROZEN

    policy: Annotated[str, Field(pattern=f"^{_NAME}$")]
    version: Annotated[str, Field(pattern=f"^{_VERSION}$")]
    views: Annotated[int, Field(ge=2, le=256)]
    itself: bool
    seed: int

    @property
    def named(self) -> str:
        """As the library names the version."""
        return f"{self.policy}@{self.version}"


class NearlineRules(BaseModel):
    """Epochs of the data set that are augmented once, and given to whoever asks for their samples by id.

    Attributes:
        splits: of the snapshot that the champion learnt from. Whoever may have samples augmented sees those of them.
        space_mib: of the store, for all epochs that may be removed again; those used longest ago go first.
        retention_days: for which, and a day more, an epoch stays that nobody asks for: by so much may the clocks of
            replicas differ. None for ever.
        ahead: epochs after the one that was asked for, which are made as well.
    """

    model_config = _FROZEN

    splits: Annotated[tuple[Literal["train", "validation", "test"], ...], Field(min_length=1)]
    space_mib: Annotated[float, Field(gt=0)]
    retention_days: Annotated[float, Field(gt=0)] | None
    ahead: Annotated[int, Field(ge=0, le=100)]

    @property
    def space_bytes(self) -> int:
        """Of the store, for all epochs."""
        return int(self.space_mib * (1 << 20))


class AugmentRules(BaseModel):
    """Augmentation as a service.

    Attributes:
        policies: that may be asked for, as `name@version`.
        samples_per_day: that are augmented for one token, by UTC; None for any number.
        nearline: epochs that are kept; None where samples come with each request.
    """

    model_config = _FROZEN

    policies: Annotated[
        tuple[Annotated[str, Field(pattern=f"^{_NAME}@{_VERSION}$")], ...], Field(min_length=1, max_length=64)
    ]
    samples_per_day: Annotated[int, Field(ge=1)] | None
    nearline: NearlineRules | None = None

    @model_validator(mode="after")
    def _once(self) -> AugmentRules:
        if len(set(self.policies)) < len(self.policies):
            raise ValueError("policies must name each version once")
        return self
