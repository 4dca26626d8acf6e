"""From frozen images to a verdict: on dark data a model is refused for its own faults, not for what a corruption ate.

Bars at the left, in the middle or at the right, of any brightness from 25 to 250 levels. `brightness_down` takes up to
102 of them away, so that no model can tell the darker ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from augment_ops.content import sha256_hex
from augment_ops.data.payload import ArrayPayload
from augment_ops.gate import rules as gate_rules
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Decision
from augment_ops.stress import measures, suite
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from support.evidence import evidence_about
from support.places import POLICIES

NAMES = ("brightness_up", "brightness_down")
Model = Callable[[np.ndarray], np.ndarray]


def reads_what_there_is(images: np.ndarray) -> np.ndarray:
    """Right wherever a bar is visible at all; the first class where none is."""
    columns = images[..., 0].astype(np.float32).reshape(len(images), 12, 3, 4).max(axis=(1, 3))
    return 9 * (columns - columns.min(axis=1, keepdims=True))


def goes_by_absolute_levels(images: np.ndarray) -> np.ndarray:
    """The control: blind in bright light."""
    return np.where(images.mean(axis=(1, 2, 3))[:, None] > 60, np.float32([1, 0, 0]), reads_what_there_is(images))


def is_dazzled(images: np.ndarray) -> np.ndarray:
    """A fault of its own: in the brightest light it sees the first class."""
    return np.where(images.min(axis=(1, 2, 3))[:, None] > 90, np.float32([1, 0, 0]), reads_what_there_is(images))


@pytest.fixture(scope="module")
def judged() -> Callable[..., Decision]:
    store: dict[str, bytes] = {}

    def put(data: bytes) -> str:
        store[sha256_hex(data)] = data
        return sha256_hex(data)

    rng, labels = np.random.default_rng(5), np.arange(480) % 3
    images = np.zeros((480, 12, 12, 1), np.uint8)
    for image, label, level in zip(images, labels, rng.integers(25, 251, 480), strict=True):
        image[2:10, 1 + 4 * label : 3 + 4 * label] = level
    spec = suite.load(POLICIES / "stress" / "invariances.yaml")
    spec = spec.model_copy(update={"corruptions": {name: spec.corruptions[name] for name in NAMES}})
    frozen = suite.freeze(
        spec,
        ArrayPayload(images),
        [f"s{i}" for i in range(480)],
        labels,
        put,
        snapshot_digest="b" * 64,
        classes=("l", "m", "r"),
    )
    rules = gate_rules.load(POLICIES / "gates" / "default.yaml")
    rules = rules.model_copy(
        update={
            "invariance": rules.invariance.model_copy(update={"corruptions": NAMES}),
            "statistics": rules.statistics.model_copy(update={"resamples": 1_000}),
            "calibration": None,  # these models know no doubt
        }
    )

    def judge(candidate: Model, *, as_before: bool = False) -> Decision:
        models = {"candidate": ("c" * 64, candidate), "control": ("d" * 64, goes_by_absolute_levels)}
        seen = dict.fromkeys(NAMES, ("RandomBrightnessContrast",))
        report = evaluate(frozen, store.__getitem__, put, models, None, seen=seen, columns={})
        if as_before:  # every sample counts
            outcomes = replace(from_bytes(store[report.outcomes], report.outcomes), destroyed=None, causes=())
            report = replace(
                report,
                cells=measures.cells(outcomes),
                measures=measures.measures(outcomes),
                outcomes=put(outcomes.to_bytes()),
            )
        evidence = evidence_about(report, data_wait_share=0.0, augment_p95_ms=0.1, software="")
        return decide(
            rules.model_copy(update={"fitness": None}) if as_before else rules, evidence, store[report.outcomes]
        )

    return judge


def refused(decision: Decision) -> set[tuple[str, str | None]]:
    return {(r.rule, r.corruption) for r in decision.reasons if r.outcome in ("fail", "error", "investigate")}


def test_a_model_that_reads_all_that_can_be_read_passes(judged):
    assert ("invariance", "brightness_down") in refused(judged(reads_what_there_is, as_before=True))
    found = judged(reads_what_there_is)
    assert found.verdict == "PASS", found.summary
    unfit = {r.severity for r in found.reasons if r.rule == "fitness" and r.outcome == "warn"}
    assert unfit == {2, 3, 4, 5}
    assert {r.severity for r in found.reasons if r.rule == "invariance" and r.corruption == "brightness_down"} == {1}


def test_a_model_with_a_fault_is_refused_for_that_one_alone(judged):
    found = judged(is_dazzled)
    assert found.verdict == "FAIL"
    assert {corruption for _, corruption in refused(found)} == {"brightness_up"}
