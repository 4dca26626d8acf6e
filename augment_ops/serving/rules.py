"""How a champion is served, read from policies/serving/*.yaml."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment_ops.content import digest_of
from augment_ops.machine import usable_cores
from augment_ops.policy.yaml_file import load_model
from augment_ops.serving.augmenting_rules import AugmentRules, BreakerRules, ViewRules

_FROZEN = ConfigDict(extra="forbid", frozen=True)
_Seconds = Annotated[float, Field(gt=0, le=3600)]


class BatchRules(BaseModel):
    """How requests are answered together.

    Attributes:
        max_samples: of one forward pass.
        max_delay_ms: that the first of a batch waits for others, at most; 0 waits for nobody.
    """

    model_config = _FROZEN

    max_samples: Annotated[int, Field(ge=1, le=65_536)]
    max_delay_ms: Annotated[float, Field(ge=0, le=10_000)]


class RequestLimits(BaseModel):
    """What is refused.

    Attributes:
        body_mib: of a request; samples: in a request; waiting: samples that wait for a model.
        body_s: until a body is there.
        requests_per_s: of one token; None for any number.
    """

    model_config = _FROZEN

    body_mib: Annotated[float, Field(gt=0, le=1024)]
    samples: Annotated[int, Field(ge=1, le=1_000_000)]
    waiting: Annotated[int, Field(ge=1, le=10_000_000)]
    body_s: _Seconds
    requests_per_s: Annotated[float, Field(gt=0)] | None

    @model_validator(mode="after")
    def _consistent(self) -> RequestLimits:
        if self.samples > self.waiting:
            raise ValueError(f"samples {self.samples} must not lie above waiting {self.waiting}: none would be taken")
        return self

    @property
    def body_bytes(self) -> int:
        """Of a request, at most."""
        return int(self.body_mib * (1 << 20))


class LogRules(BaseModel):
    """What is kept of the answers.

    Attributes:
        share: of the requests, 0 to 1.
        queue_mib: of answers that wait to be written; flush_s: after which they are.
        samples: whether the samples are kept beside the answers.
        retention_days: for which, and a day more, a day of the log stays: by so much may the clocks of replicas
            differ. None for ever.
    """

    model_config = _FROZEN

    share: Annotated[float, Field(ge=0, le=1)]
    queue_mib: Annotated[float, Field(gt=0, le=65_536)]
    flush_s: _Seconds
    samples: bool
    retention_days: Annotated[float, Field(ge=1)] | None

    @property
    def queue_bytes(self) -> int:
        """Of answers that wait to be written, in one worker."""
        return int(self.queue_mib * (1 << 20))


class ServingRules(BaseModel):
    """How a champion is served.

    Attributes:
        workers: processes that answer; 0 for one a core.
        follow_s: how often the ledger is asked who is champion.
        drain_s: for answers that are on their way when the service ends.
        test_time: augmentation of what is predicted; None for none. augment: augmentation as a service; None for none.
        breaker: of either.
    """

    model_config = _FROZEN

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    workers: Annotated[int, Field(ge=0, le=256)]
    follow_s: _Seconds
    drain_s: _Seconds
    batch: BatchRules
    limits: RequestLimits
    log: LogRules
    test_time: ViewRules | None = None
    augment: AugmentRules | None = None
    breaker: BreakerRules | None = None

    @model_validator(mode="after")
    def _augmented(self) -> ServingRules:
        if self.breaker is None and (self.test_time or self.augment):
            raise ValueError("breaker must be there where test_time or augment is: what is not bounded harms the rest")
        if self.test_time is not None and self.test_time.views * self.limits.samples > self.limits.waiting:
            raise ValueError(
                f"test_time.views {self.test_time.views} times limits.samples {self.limits.samples} must not lie above "
                f"limits.waiting {self.limits.waiting}: the largest requests would never be augmented"
            )
        return self

    @cached_property
    def digest(self) -> str:
        """Hex sha256 over the content, without comments and layout."""
        content = self.model_dump(mode="json")
        for name in ("test_time", "augment", "breaker"):  # files from before there were such sections keep their digest
            if content[name] is None:
                del content[name]
        if self.augment is not None and self.augment.nearline is None:
            del content["augment"]["nearline"]
        return digest_of(content)

    @property
    def processes(self) -> int:
        """How many answer."""
        return self.workers or usable_cores()

    @classmethod
    def load(cls, path: Path) -> ServingRules:
        """Read one file of policies/serving/.

        Raises:
            PolicyError: every fault of the file at once.
        """
        return load_model(path, cls, kind="serving policy")
