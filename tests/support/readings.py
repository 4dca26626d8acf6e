"""A modality for tests, as unlike images as can be: two numbers a sample, NaN for missing, with a schema."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from augment_ops import modalities
from augment_ops.engine.key import generator, sample_key
from augment_ops.quality import duplicates, neutral, rules
from augment_ops.quality.checks import Checks
from augment_ops.quality.pairs import Pairs, identical
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, Rules, judged
from augment_ops.quality.samples import CheckedSamples
from augment_ops.stress import definition

SCHEMA = {"names": ["depth", "force"]}


class ReadingCorruptions:
    """`gone`: values are missing; `offset`: both are off by a share of the column's range in the data set."""

    names = ("gone", "offset")
    causes = ("silent",)
    measured: list[int]

    def __init__(self) -> None:
        self.measured = []

    def parameters(self, name: str) -> Mapping[str, str]:
        return {"share": "share of the readings" if name == "gone" else "share of the range"}

    def fault(self, name: str, params: Mapping[str, Sequence[float]]) -> str:
        return "" if list(params) == ["share"] else "five strengths for share"

    def in_levels(self, name: str) -> bool:
        return False

    def published(self, name: str, shape: tuple[int, ...]) -> Mapping[str, Sequence[float]]:
        return {"share": (0.1, 0.2, 0.3, 0.4, 0.5)}

    def published_content(self, name: str) -> object:
        return [0.1, 0.2, 0.3, 0.4, 0.5]

    def shape_fault(self, name: str, shape: tuple[int, ...]) -> str:
        return "" if shape == (2,) else "two readings a sample"

    def bound(self, batches: Iterable[Any], schema: Any, of_levels: Sequence[str]) -> Any:
        assert schema == SCHEMA
        whole = np.concatenate(list(batches))
        self.measured.append(len(whole))
        span = np.nanmax(whole, axis=0) - np.nanmin(whole, axis=0)

        def corrupt(name: str, severity: int, samples: Any, ids: Sequence[str], params: Any = None) -> Any:
            share = (params or self.published(name, (2,)))["share"][severity - 1]
            if name == "offset":
                return samples + share * span
            drawn = [generator(sample_key("stress", name, severity, one)).random(2) for one in ids]
            return np.where(np.array(drawn) < share, np.nan, samples)

        return corrupt

    def remains(self, name: str, clean: Any, corrupted: Any) -> Any:
        return np.isnan(corrupted).all(axis=1).astype(np.uint8)


def missing_values(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    found = np.isnan(samples.payload.take(samples.readable["row"].to_numpy(np.int64))).mean()
    names = ", ".join((samples.schema or {})["names"])
    return judged("missing-values", rule, float(found), "share", f"{found:.0%} of {names} is missing", "look")


def newly_missing(pairs: Pairs, rule: Ceiling) -> CheckResult:
    bad = np.isnan(pairs.augmented).any(axis=1)
    return pairs.share("missing-values", rule, bad, f"lack one of {(pairs.schema or {})['names']}", "look")


class ReadingRules(Rules):
    unreadable: Ceiling
    label_conflict: Ceiling
    missing_values: Ceiling
    exact_duplicates_between_splits: Ceiling


class AugmentedReadingRules(Rules):
    missing_values: Ceiling
    identical: Ceiling


class Readings:
    name = plural = "readings"
    corruptions = ReadingCorruptions()
    catalogue = modalities.modality("tabular").catalogue  # what it may name is no matter here
    codec = SimpleNamespace(dtype=np.dtype(np.float64), content="content_sha256")
    checks = Checks(
        data_rules=ReadingRules,
        data={
            "unreadable": neutral.unreadable,
            "label_conflict": duplicates.label_conflict,
            "missing_values": missing_values,
            "exact_duplicates_between_splits": duplicates.exact_between,
        },
        augmented_rules=AugmentedReadingRules,
        augmented={"missing_values": newly_missing, "identical": identical},
        contents="values",
        records="rows",
    )


@contextmanager
def registered() -> Iterator[ReadingCorruptions]:
    """While it holds, there is the modality `readings`; its corruptions."""
    module = ModuleType("modality")
    module.MODALITY = Readings()  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "augment_ops.modalities.readings", ModuleType("readings"))
        patch.setitem(sys.modules, "augment_ops.modalities.readings.modality", module)
        names = (*modalities.NAMES, "readings")
        for place in (modalities, definition, rules):
            patch.setattr(place, "NAMES", names)
        Readings.corruptions.measured.clear()
        yield Readings.corruptions
    modalities.modality.cache_clear()
    rules._model.cache_clear()
