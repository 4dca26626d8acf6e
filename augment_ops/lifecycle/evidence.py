"""What an approval of a policy rests on: what it costs, and what it does to real samples.

Both are documents in the store, named by their sha256, which the approval is bound to.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from augment_ops.content import LATER, canonical_json, from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.engine.cost import measure_cost
from augment_ops.engine.key import sample_key
from augment_ops.errors import InputError, PolicyError, StoreError
from augment_ops.machine import usable_cores
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples
from augment_ops.policy.draws import each_alone, levels_of, sampled
from augment_ops.policy.spec import Policy
from augment_ops.progress import Advance, unheard
from augment_ops.quantities import milliseconds

PROFILE, PREVIEW = "profile", "preview"
KINDS = (PROFILE, PREVIEW)
_BATCH = 32  # samples timed together, as a loader hands them over
_BATCHES = 60  # p95 of 60 is the third largest; a policy of ten transforms takes seconds
_PREVIEW_SEED = 7
_SAMPLES = 6  # of the snapshot that the whole policy is shown on
_COPIES = 5


@dataclass(frozen=True)
class Step:
    """What one transform costs.

    Attributes:
        where: its place in the policy; `policy` for the whole.
        p50_ms, p95_ms: CPU time per sample, applied as often as the policy applies it.
    """

    where: str
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a policy costs at one shape of sample, on one machine.

    Attributes:
        at: the shape of the samples timed.
        budget_p95_ms: what the policy allows itself, at its own size.
        one: what one sample is called.
        whole: the policy; steps: each transform alone. They add up to more than the whole, which is fused.
    """

    policy: str
    version: str
    digest: str
    engine: str
    at: tuple[int, ...]
    budget_p95_ms: float
    whole: Step
    steps: tuple[Step, ...]
    machine: str
    one: str = field(default="an image", metadata=LATER)

    @property
    def over_budget(self) -> bool:
        """Whether the whole policy takes longer than it allows itself."""
        return not self.whole.p95_ms <= self.budget_p95_ms

    def check(self) -> None:
        """Refuse a policy over its budget.

        Raises:
            PolicyError: with the transform that costs most.
        """
        if self.over_budget:
            times = self.whole.p95_ms / self.budget_p95_ms
            dearest = max(self.steps, key=lambda step: step.p95_ms, default=self.whole)
            raise PolicyError(
                f"policy {self.policy} {self.version}: budget.p95_ms",
                f"p95 {milliseconds(self.whole.p95_ms)} {self.one} at {_size(self.at)}, {times:.4g} times the budget",
                f"at most {milliseconds(self.budget_p95_ms)}",
                f"make {dearest.where} cheaper ({milliseconds(dearest.p95_ms)} alone), or raise the budget in a new "
                "version",
            )


@dataclass(frozen=True)
class Shown:
    """One draw of the gallery; with the policy's step at p = 1, the seed and the sample it can be made again."""

    level: str
    epoch: int
    rms: float


@dataclass(frozen=True)
class GalleryRow:
    """What one transform does at low, middle and high strength; no draws where it changes nothing."""

    where: str
    draws: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A gallery of a policy on real samples.

    Attributes:
        snapshot: digest of the data set's snapshot; samples: ids of those shown, the first for the rows.
        gallery: sha256 of a PNG in the store.
        copies: epochs 0 to copies - 1 of the whole policy are shown.
    """

    policy: str
    version: str
    digest: str
    engine: str
    dataset: str
    snapshot: str
    seed: int
    samples: tuple[str, ...]
    copies: int
    rows: tuple[GalleryRow, ...]
    gallery: str


def profile(policy: Policy, at: tuple[int, ...] | None = None, *, advance: Advance = unheard) -> Profile:
    """Measure what a policy and each of its transforms cost.

    Args:
        at: shape of the samples; by default the one that the budget names.
        advance: is told how many of the transforms, and the whole, are measured.
    """
    shape = at or policy.budget.at
    kind = modality(policy.modality)
    samples = kind.invented(_BATCH, shape, sample_key("cost images", policy.digest))
    whole = kind.augmenter(policy, _PREVIEW_SEED)
    parts = list(each_alone(policy, always=False))
    steps = []
    for number, (place, alone) in enumerate(parts):
        advance(number, len(parts) + 1, place)
        steps.append(_cost(place, kind.augmenter(alone, _PREVIEW_SEED), samples))
    advance(len(parts), len(parts) + 1, "the whole policy")
    return Profile(
        policy=policy.name,
        version=policy.version,
        digest=policy.digest,
        engine=whole.engine,
        at=shape,
        budget_p95_ms=policy.budget.p95_ms,
        whole=_cost("policy", whole, samples),
        steps=tuple(steps),
        machine=f"{platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}",
        one=kind.one,
    )


def preview(
    policy: Policy,
    store: Store,
    dataset: str,
    *,
    asked: Mapping[str, Any] = MappingProxyType({}),
    advance: Advance = unheard,
) -> Preview:
    """Render the gallery of a policy on a data set.

    Args:
        dataset: as a run takes it: `digits`, or a URI.
        asked: parameters of a run that the policy's modality has, such as which column of a table is what.
        advance: is told how many of the transforms, and the whole, are drawn.

    Raises:
        InputError: no sample to show, or a parameter that the modality does not have.
    """
    from augment_ops.report.plots import Panel, Pen, gallery

    snapshot = Snapshot.open(store, ingest(dataset, store, modality=policy.modality, **asked).digest)
    train = snapshot.split("train")
    if len(train.labels) == 0:
        raise InputError(
            f"preview on {dataset}", "no sample in its train split", "one at least", "name another data set"
        )
    rows = _one_a_class(train.labels)
    samples, ids = train.take(rows), [train.ids[row] for row in rows]
    panels, told = [], []
    parts = list(each_alone(policy, always=True))
    for number, (place, alone) in enumerate(parts):
        advance(number, len(parts) + 1, place)
        draws = levels_of(alone, samples[0], ids[0], _PREVIEW_SEED)
        panels.append(Panel(place.partition(".")[2], tuple((draw.level, draw.sample) for draw in draws)))
        told.append(GalleryRow(place, tuple(Shown(draw.level, draw.epoch, draw.rms) for draw in draws)))
    advance(len(parts), len(parts) + 1, "the whole policy")
    copies = sampled(policy, samples, ids, _PREVIEW_SEED, _COPIES)
    title = f"{policy.name} {policy.version} on {snapshot.manifest.dataset}"
    pen = Pen(modality(policy.modality), snapshot.manifest.schema)
    picture = gallery(pen, title, samples, panels, copies)
    return Preview(
        policy=policy.name,
        version=policy.version,
        digest=policy.digest,
        engine=modality(policy.modality).augmenter(policy, _PREVIEW_SEED).engine,
        dataset=snapshot.manifest.dataset,
        snapshot=snapshot.manifest.digest,
        seed=_PREVIEW_SEED,
        samples=tuple(ids),
        copies=_COPIES,
        rows=tuple(told),
        gallery=store.put(picture),
    )


def keep(store: Store, document: Profile | Preview) -> str:
    """Put a document into the store; its sha256."""
    return store.put(canonical_json(document))


def documents(store: Store, evidence: Mapping[str, str]) -> tuple[Profile, Preview]:
    """The evidence itself."""
    return from_json(Profile, store.get(evidence[PROFILE])), from_json(Preview, store.get(evidence[PREVIEW]))


def why_broken(store: Store, evidence: dict[str, str], digest: str) -> list[str]:
    """Why evidence does not hold for a policy's digest (missing, altered, of another policy); empty where all does."""
    faults = [f"no {kind}" for kind in KINDS if kind not in evidence]
    for kind, sha256 in evidence.items():
        try:
            document = _read(kind, store.get(sha256))
            if isinstance(document, Preview):
                store.get(document.gallery)
        except StoreError as error:
            faults.append(f"{kind} {sha256[:12]}…: {error.faults[0].found}")
            continue
        if document.digest != digest:
            faults.append(f"{kind} {sha256[:12]}… is of another policy ({document.digest[:12]}…)")
    return faults


def _read(kind: str, content: bytes) -> Profile | Preview:
    return from_json(Profile, content) if kind == PROFILE else from_json(Preview, content)


def _cost(where: str, augmenter: BatchAugmenter, samples: Samples) -> Step:
    cost = measure_cost(augmenter, samples, batches=_BATCHES)
    return Step(where, cost.p50_ms, cost.p95_ms)


def _one_a_class(labels: np.ndarray) -> list[int]:
    """The first sample of each class, as many as are shown; more of the first classes where there are fewer."""
    _, first = np.unique(labels, return_index=True)
    rest = [row for row in range(min(len(labels), _SAMPLES)) if row not in set(first.tolist())]
    return sorted([*first.tolist(), *rest][:_SAMPLES])


def _size(at: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in at)
