"""A frozen stress suite: the content-addressed samples that a definition in policies/stress/ gives for a split.

Freezing hands every cell's bytes to a `put`, a batch at a time, and keeps the digests; the digest of the manifest
covers the definition, the samples, the labels and every byte of every cell. Models are then compared on the very same
bytes, today and when the next challenger comes. Neither writing nor reading holds more than a batch in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import LATER, canonical_json, digest_of, sha256_hex
from augment_ops.errors import DataError, Fault, PolicyError, StoreError
from augment_ops.modalities import UNNAMED, modality
from augment_ops.modalities.base import Payload
from augment_ops.modalities.corruptions import SEVERITIES
from augment_ops.modalities.source import Samples, Schema
from augment_ops.policy.yaml_file import load_model
from augment_ops.stress.asked import Alerts, Asked, alerts_fault
from augment_ops.stress.chosen import OutOfScope, Put, chosen_rows, frozen_outside
from augment_ops.stress.definition import Params, SuiteSpec
from augment_ops.stress.ranking import Ranking
from augment_ops.stress.report import CLEAN

FORMAT = 2  # of the manifest; a suite that was frozen in another one is frozen again. 1 had one object a cell

_BATCH_BYTES = 16 * 2**20  # of one object; about 75 samples of 224×224×3 bytes
# Smaller samples are corrupted one cell after the other: what a call costs in the interpreter outweighs its loops,
# which run side by side, and two threads are slower than one.
_WORTH_A_THREAD_BYTES = 8 * 2**10


Get = Callable[[str], bytes]


@dataclass(frozen=True)
class SuiteCell:
    """One corruption at one severity.

    Attributes:
        objects: sha256 of the raw bytes of each batch (n, *shape), in C order.
    """

    corruption: str
    severity: int
    objects: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SuiteManifest:
    """A frozen suite.

    Attributes:
        digest: sha256 over everything below.
        spec_digest: of the definition it was made from.
        snapshot_digest, split: what it was made from.
        shape: of one sample.
        batch: how many samples an object holds; the last of a cell holds the rest.
        sample_ids: in the order of the cells.
        labels: sha256 of the int64 little-endian (N,) labels.
        cells: the untouched samples (`clean`, severity 0) first.
        modality: of the samples.
        dtype: of the cells, as NumPy writes it, little-endian.
        alerts: what is looked for, where it is one class.
        time_slices: as `SuiteSpec` has it.
        ranking: what is asked, where classes are items that are ranked.
        frequency: of a ranking, samples of each class in the training split; else empty.
        out_of_scope: None where the suite asks for no samples of no class, or the data set has none.
    """

    digest: str
    name: str
    version: str
    spec_digest: str
    snapshot_digest: str
    split: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    batch: int
    sample_ids: tuple[str, ...]
    labels: str
    cells: tuple[SuiteCell, ...]
    modality: str = field(default=UNNAMED, metadata=LATER)
    dtype: str = field(default="|u1", metadata=LATER)
    alerts: Alerts | None = field(default=None, metadata=LATER)
    time_slices: int = field(default=0, metadata=LATER)
    ranking: Ranking | None = field(default=None, metadata=LATER)
    frequency: tuple[int, ...] = field(default=(), metadata=LATER)
    out_of_scope: OutOfScope | None = field(default=None, metadata=LATER)

    @property
    def asked(self) -> Asked:
        """What models are asked; None where every class counts alike."""
        return self.alerts if self.ranking is None else self.ranking

    @property
    def judged_classes(self) -> tuple[str, ...]:
        """What a sample can be taken for: its classes, or the bands of a ranking."""
        return self.classes if self.ranking is None else self.ranking.classes

    def judged_labels(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of labels (N,), those among `judged_classes`."""
        return labels if self.ranking is None else self.ranking.band_of(self.frequency)[labels]

    @property
    def content_digest(self) -> str:
        """What `digest` has to be."""
        content = json.loads(canonical_json(self))
        del content["digest"]
        return digest_of(content)

    @property
    def sample_bytes(self) -> int:
        """Of one sample."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def check(self) -> None:
        """See that the manifest is the one that was frozen.

        Raises:
            StoreError: its content does not give its digest.
        """
        if self.content_digest != self.digest:
            raise _altered(f"manifest of stress suite {self.name}", "content of another digest", self.digest)

    def objects(self) -> Iterator[tuple[str, str]]:
        """Of the stored samples: what they are, and their sha256."""
        for cell in self.cells:
            for digest in cell.objects:
                yield f"{cell.corruption} at severity {cell.severity}", digest
        for digest in () if self.out_of_scope is None else self.out_of_scope.objects:
            yield "samples out of scope", digest

    def batches(self, cell: SuiteCell, get: Get) -> Iterator[Samples]:
        """Read a cell, a batch at a time: (n, *shape), read-only, in the order of the samples.

        Raises:
            StoreError: not the bytes that were frozen.
        """
        where = f"stress cell {cell.corruption}/{cell.severity}"
        return self._batches(cell.objects, len(self.sample_ids), where, get)

    def outside(self, get: Get) -> Iterator[Samples]:
        """Read the samples of no class, a batch at a time, as `batches` gives them; none where there are none.

        Raises:
            StoreError: not the bytes that were frozen.
        """
        of = self.out_of_scope or OutOfScope(sample_ids=(), objects=())
        return self._batches(of.objects, len(of.sample_ids), "samples out of scope", get)

    def _batches(self, objects: Sequence[str], count: int, where: str, get: Get) -> Iterator[Samples]:
        expected = -(-count // self.batch)
        if len(objects) != expected:
            raise _altered(where, f"{len(objects)} objects", f"{expected}, for {count} samples")
        for number, digest in enumerate(objects):
            data = _read(get, digest, where)
            shape = (min(self.batch, count - number * self.batch), *self.shape)
            if len(data) != shape[0] * self.sample_bytes:
                raise _altered(where, f"{len(data)} bytes", f"{np.dtype(self.dtype)} {shape}")
            yield np.frombuffer(data, self.dtype).reshape(shape)

    def pairs(self, cell: SuiteCell, get: Get) -> Iterator[tuple[Samples, Samples]]:
        """The same samples untouched and corrupted, a batch at a time, both as `batches` gives them.

        Raises:
            StoreError: not the bytes that were frozen.
        """
        clean = self.cells[0]
        if cell == clean:
            yield from ((batch, batch) for batch in self.batches(cell, get))
        else:
            yield from zip(self.batches(clean, get), self.batches(cell, get), strict=True)

    def sample(self, cell: SuiteCell, row: int, get: Get) -> Samples:
        """Read the batch that one sample lies in, and give that sample: (*shape), read-only.

        Raises:
            StoreError: not the bytes that were frozen.
        """
        number, place = divmod(row, self.batch)
        data = _read(get, cell.objects[number], f"stress cell {cell.corruption}/{cell.severity}")
        found: Samples = np.frombuffer(data, self.dtype).reshape(-1, *self.shape)[place]
        return found

    def samples(self, cell: SuiteCell, get: Get) -> Samples:
        """Read a whole cell: (N, *shape).

        Raises:
            StoreError: not the bytes that were frozen.
        """
        parts = list(self.batches(cell, get))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def read_labels(self, get: Get) -> NDArray[np.int64]:
        """Read the labels: int64 (N,), read-only.

        Raises:
            StoreError: not the bytes that were frozen.
        """
        data = _read(get, self.labels, "labels of the stress suite")
        if len(data) != 8 * len(self.sample_ids):
            raise _altered("labels of the stress suite", f"{len(data)} bytes", f"int64 ({len(self.sample_ids)},)")
        return np.frombuffer(data, "<i8").astype(np.int64)


def load(path: str | Path) -> SuiteSpec:
    """Read a suite's definition.

    Raises:
        PolicyError: every fault of the file at once; the file's name must be the suite's name.
    """
    path = Path(path)
    spec = load_model(path, SuiteSpec, kind="stress suite")
    if spec.name != path.stem:
        expected = f"{path.stem}, the file's own name"
        raise PolicyError(f"{path}: name", spec.name, expected, "rename the file or correct `name`")
    return spec


def build(
    spec: SuiteSpec, samples: Samples, ids: Sequence[str], schema: Schema | None = None
) -> Iterator[tuple[str, int, Samples]]:
    """Yield (corruption, severity, samples) one cell at a time: `clean` at 0 first, then in the order of the file.

    Args:
        samples: (N, *shape); not modified.
        ids: N sample ids; they key the randomness.
        schema: of the data set, where its modality has one.

    Raises:
        TransformError: samples or ids that cannot be corrupted.
    """
    corrupt = spec.known.bound([samples], schema, spec.of_levels)
    for name, severity, params in _plan(spec):
        yield name, severity, samples if name == CLEAN else corrupt(name, severity, samples, ids, params)


def freeze(
    spec: SuiteSpec,
    samples: Payload,
    ids: Sequence[str],
    labels: NDArray[np.int64],
    put: Put,
    *,
    snapshot_digest: str,
    classes: Sequence[str],
    of: str = UNNAMED,
    schema: Schema | None = None,
    frequency: Sequence[int] = (),
    outside: tuple[Sequence[str], Payload] | None = None,
    workers: int = 1,
) -> SuiteManifest:
    """Make every cell from a held-out split and store it; the same input gives the same manifest, byte for byte.

    Args:
        samples: those of the whole split; what one object holds is read at a time.
        ids: N distinct sample ids.
        labels: int64 (N,), each an index into `classes`.
        put: stores bytes and returns their sha256; putting the same bytes twice must be harmless, at the same time too.
        of: modality of the samples.
        schema: of the data set, where its modality has one.
        frequency: samples of each class in the training split, which a ranking makes its bands of.
        outside: ids and samples of no class, where the data set has any.
        workers: threads that corrupt and `put`, a batch of a cell each.

    Raises:
        PolicyError: a suite for another modality.
        DataError: no samples, ids that repeat, labels that do not fit, or samples that a corruption cannot work on or
            does not change.
    """
    spec.check_modality(of)
    _check_split(samples, ids, labels, classes)
    alerts = None if spec.alerts is None else spec.alerts.as_asked()
    _check_alerts(spec, alerts, classes)
    ranking = None if spec.ranking is None else spec.ranking.as_asked()
    if ranking is not None and len(frequency) != len(classes):
        found = f"{len(frequency)} numbers for {len(classes)} classes"
        raise DataError(f"suite {spec.name}: ranking", found, "how often each class is in train", "count the classes")
    check_shape(spec, samples.shape)
    dtype = modality(of).codec.dtype.newbyteorder("<")
    sample_bytes = int(np.prod(samples.shape)) * dtype.itemsize
    rows = chosen_rows(spec, ids, samples.shape)
    chosen_ids = [str(ids[row]) for row in rows]
    batch = max(1, _BATCH_BYTES // sample_bytes)
    starts = range(0, len(rows), batch)
    corrupt = spec.known.bound((samples.take(rows[at : at + batch]) for at in starts), schema, spec.of_levels)
    plan = list(_plan(spec))

    def kept(part: Samples, part_ids: Sequence[str], planned: tuple[str, int, Params | None]) -> str:
        name, severity, params = planned
        cell = part if name == CLEAN else corrupt(name, severity, part, part_ids, params)
        return put(cell.astype(dtype, copy=False).tobytes())

    objects: list[tuple[str, ...]] = []  # of each batch, in the order of the plan
    with ThreadPoolExecutor(workers if sample_bytes >= _WORTH_A_THREAD_BYTES else 1) as pool:
        for start in starts:
            part, part_ids = samples.take(rows[start : start + batch]), chosen_ids[start : start + batch]
            objects.append(tuple(pool.map(partial(kept, part, part_ids), plan)))
    cells = tuple(
        SuiteCell(name, severity, digests)
        for (name, severity, _), digests in zip(plan, zip(*objects, strict=True), strict=True)
    )
    _check_effect(spec, cells, samples.shape)
    manifest = SuiteManifest(
        digest="",
        name=spec.name,
        version=spec.version,
        spec_digest=spec.digest,
        snapshot_digest=snapshot_digest,
        split=spec.split,
        classes=tuple(classes),
        shape=tuple(samples.shape),
        batch=batch,
        sample_ids=tuple(chosen_ids),
        labels=put(np.asarray(labels)[rows].astype("<i8").tobytes()),
        cells=cells,
        modality=of,
        dtype=dtype.str,
        alerts=alerts,
        time_slices=spec.time_slices,
        ranking=ranking,
        frequency=() if ranking is None else tuple(map(int, frequency)),
        out_of_scope=frozen_outside(spec, outside, batch, dtype, put),
    )
    return replace(manifest, digest=manifest.content_digest)


def _plan(spec: SuiteSpec) -> Iterator[tuple[str, int, Params | None]]:
    """Corruption, severity and explicit strengths of every cell."""
    yield CLEAN, 0, None
    for name, params in spec.corruptions.items():
        for severity in SEVERITIES:
            yield name, severity, params


def _check_alerts(spec: SuiteSpec, alerts: Alerts | None, classes: Sequence[str]) -> None:
    fault = "" if alerts is None else alerts_fault(alerts, classes)
    if alerts is not None and fault:
        fix = "name a class of the data set in the suite and in its gate, or choose a suite without alerts"
        raise DataError(f"suite {spec.name}: alerts", f"class {alerts.class_name!r}", fault, fix)


def check_shape(spec: SuiteSpec, shape: tuple[int, ...]) -> None:
    """See that every corruption of a suite works on samples of `shape`.

    Raises:
        DataError: every corruption that does not.
    """
    faults = [
        Fault(
            f"suite {spec.name}: {name}",
            f"{modality(spec.modality).plural} of shape {shape}",
            needed,
            "choose a suite for such samples, or leave this corruption out of it",
        )
        for name in spec.corruptions
        if (needed := spec.known.shape_fault(name, shape))
    ]
    if faults:
        raise DataError.of("held-out split", faults)


def _check_effect(spec: SuiteSpec, cells: Sequence[SuiteCell], shape: tuple[int, ...]) -> None:
    """A corruption that leaves every sample as it was would be passed by any model."""
    clean = cells[0].objects
    faults = [
        Fault(
            f"suite {spec.name}: {cell.corruption}",
            f"no sample of shape {shape} that its severity 5 changes",
            "other samples",
            "give it strengths that such samples show, or leave it out of the suite",
        )
        for cell in cells
        if cell.severity == SEVERITIES[-1] and cell.objects == clean
    ]
    if faults:
        raise DataError.of("held-out split", faults)


def _check_split(samples: Payload, ids: Sequence[str], labels: NDArray[np.int64], classes: Sequence[str]) -> None:
    where = "held-out split"
    if len(samples) == 0:
        raise DataError(where, "no samples", "at least one", "give the data set a test split")
    if not len(samples) == len(ids) == len(labels):
        found = f"{len(samples)} samples, {len(ids)} ids, {len(labels)} labels"
        raise DataError(where, found, "one id and one label a sample", "pass the arrays of one split")
    if len({str(i) for i in ids}) != len(ids):
        raise DataError(where, "sample ids that repeat", "distinct ids", "ingest the data set again")
    if len(set(classes)) != len(classes) or labels.min() < 0 or labels.max() >= len(classes):
        found = f"labels {labels.min()} to {labels.max()} for {len(set(classes))} distinct classes"
        raise DataError(where, found, "labels that index distinct classes", "leave out samples without a valid label")


def _read(get: Get, digest: str, what: str) -> bytes:
    data = get(digest)
    if sha256_hex(data) != digest:
        raise _altered(what, f"bytes with sha256 {sha256_hex(data)[:12]}…", digest)
    return data


def _altered(where: str, found: str, expected: str) -> StoreError:
    return StoreError(
        where,
        found,
        expected,
        "restore it from a backup, or remove the damaged object from the store: the next run freezes it again",
    )
