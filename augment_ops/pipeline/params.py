"""What a run is asked to do: typed, validated once, the same from the command line and from Airflow's form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augment_ops.errors import Fault, InputError, nearest
from augment_ops.names import LONGEST_DATASET
from augment_ops.policy.library import policy_path

# Samples seen in one training when `epochs` is 0 (automatic): 8 epochs of 54,000 samples, 40 of 1,100.
_AUTO_SAMPLES = 432_000
_AUTO_EPOCHS = (8, 40)

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class RunParams(BaseModel):
    """Parameters of one pipeline run.

    Attributes:
        dataset: `digits`, or the URI of an image folder, tar, zip, IDX folder, `.npz`, or CSV/Parquet index.
        dataset_name: kebab-case name under which runs and models are kept; empty takes it from the URI.
        policy: name in policies/augment/.
        delivery: `online` augments while training, `offline` writes the augmented shards first, `nearline` keeps what
            it augments in a cache for the next training; the bytes are the same.
        cache_gib: what the cache of `nearline` may take in the store, in GiB; what was used longest ago goes first.
        environment: where the model is meant for; production demands a person's approval.
        approval: `auto` lets the gate alone decide, `ml-lead` asks a named person.
        epochs: passes over the training split; 0 chooses by the size of the data set.
        workers: threads (processes, for policies that are not compiled) that augment while training; 0 lets the trainer
            augment for itself.
        image_size: `HxW` in pixels, to which images are resized when read; empty keeps them.
        channels: `1` reads everything as grey, `3` as colour; `auto` brings the rarer kind to the more frequent one,
            and `as-is` leaves the rarer ones out.
        allow_outside: whether links and index entries may lead outside the data set's folder.
        max_samples: at most so many samples, taken evenly; 0 takes all.
        production_window: URI of recent production images for the drift check; empty looks in the state folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dataset: _Name = "digits"
    dataset_name: Annotated[str, Field(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", max_length=LONGEST_DATASET)] = ""
    policy: _Name = "digits-robust"
    delivery: Literal["online", "nearline", "offline"] = "online"
    cache_gib: Annotated[float, Field(ge=0, le=1e6)] = 4.0
    environment: Literal["dev", "staging", "production"] = "dev"
    approval: Literal["auto", "ml-lead"] = "auto"
    gate: _Name = "default"
    suite: _Name = "invariances"
    quality: _Name = "default"
    drift: _Name = "default"
    model: _Name = "augment_ops.training.models:small_cnn"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 7
    epochs: Annotated[int, Field(ge=0, le=10_000)] = 0
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 64
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    image_size: Annotated[str, Field(pattern=r"^([1-9][0-9]{0,3}x[1-9][0-9]{0,3})?$")] = ""
    channels: Literal["auto", "1", "3", "as-is"] = "auto"
    allow_outside: bool = False
    max_samples: Annotated[int, Field(ge=0)] = 0
    production_window: str = ""

    def epochs_for(self, n: int) -> int:
        """Epochs to train on `n` samples."""
        low, high = _AUTO_EPOCHS
        return self.epochs or min(high, max(low, round(_AUTO_SAMPLES / max(n, 1))))

    def resize_to(self) -> tuple[int, int] | None:
        """`image_size` as (H, W), or None."""
        if not self.image_size:
            return None
        height, _, width = self.image_size.partition("x")
        return int(height), int(width)

    def named(self) -> dict[str, object]:
        """The parameters by name, and `policy_file`: where the policy lies, below policies/ unless it is a path."""
        return {**self.model_dump(), "policy_file": policy_path(Path(), self.policy)}

    def rule_files(self) -> tuple[str, ...]:
        """The rules below policies/ that a run names, beside those that bind all."""
        return (
            f"quality/{self.quality}.yaml", f"stress/{self.suite}.yaml", f"gates/{self.gate}.yaml",
            f"drift/{self.drift}.yaml",
        )  # fmt: skip


def parse_params(values: Mapping[str, Any]) -> RunParams:
    """Validate the parameters of a run.

    Raises:
        InputError: every unknown key, wrong type and value out of range at once.
    """
    try:
        return RunParams.model_validate(dict(values))
    except ValidationError as error:
        faults = [_fault(item) for item in error.errors(include_url=False)]
        raise InputError.of("run parameters", faults) from error


def _fault(item: Any) -> Fault:
    name = ".".join(str(part) for part in item["loc"])
    known = sorted(RunParams.model_fields)
    if item["type"] == "extra_forbidden":
        return Fault(name, "unknown key", f"one of {', '.join(known)}", f"remove or rename it.{nearest(name, known)}")
    message = str(item["msg"])
    return Fault(
        name, repr(item["input"])[:120], message[:1].lower() + message[1:], "correct the value (numbers have no quotes)"
    )
