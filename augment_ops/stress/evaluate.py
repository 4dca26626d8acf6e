"""Run models over a frozen suite, and keep what each said about every sample; every number of the report follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import StoreError, TrainingError
from augment_ops.modalities import modality
from augment_ops.modalities.source import Samples
from augment_ops.stress import measures, probe
from augment_ops.stress.chosen import Put
from augment_ops.stress.operating import HeldBack, operating_points, threshold_of
from augment_ops.stress.ordering import orderings
from augment_ops.stress.out_of_scope import separations
from augment_ops.stress.outcomes import Outcomes, Predictions, confidences, group_codes, probabilities, scores_of
from augment_ops.stress.ranking import Ranked, first_of, first_shares, ranks
from augment_ops.stress.report import CLEAN, FlippedSample, Role, StressReport
from augment_ops.stress.slices import slices
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER
from augment_ops.stress.suite import Get, SuiteCell, SuiteManifest

Predict = Callable[[Samples], NDArray[np.float32]]  # (N, *shape) → logits float32 (N, K)
Models = Mapping[Role, tuple[str, Predict | Predictions]]

_BATCH = 512  # asking costs what six images of 28×28 cost, and more where processes wait for a core
_ROWS = 1024  # of a table: what a call costs is that of many rows
_BATCH_BYTES = 32 * 2**20  # large samples go in smaller batches: what waits is held in memory
_TOGETHER = 64  # that a network computes at a time (runtime/isolated_pt2.py): a batch is whole times as many
_FLIPPED = 8  # samples a corruption: one row of a page


def evaluate(
    manifest: SuiteManifest,
    get: Get,
    put: Put,
    models: Models,
    champion_version: str | None,
    *,
    seen: Mapping[str, tuple[str, ...]],
    columns: Mapping[str, list[str | None]],
    held_back: HeldBack | None = None,
    workers: int = 1,
) -> StressReport:
    """Measure every model on every cell.

    Samples are verified and read in batches: what is held is a batch, and six bytes a sample, cell and model. A model
    whose logits are not finite is measured as such: the accuracy of that cell is NaN (law 2), and the gate refuses it.
    What each corruption destroyed follows from the frozen samples alone, and is the same for every model.

    Args:
        get: reads an object of the store by its sha256.
        put: keeps the per-sample outcomes.
        models: role → (model digest, function that gives logits, or what the model said about this very suite before).
            Roles of one digest are asked once. The candidate is always asked: its logits are probed.
        champion_version: registered version of the model in the role `champion`.
        seen: corruption → transforms of the candidate's policy that train on it.
        columns: metadata column → the group of each sample, in the order of the suite; None where it has none.
        held_back: what thresholds are chosen on, where the suite asks for any; without, none could be.
        workers: threads that ask models; above 1 they must be thread-safe, and see batches in any order.

    Raises:
        StoreError: the manifest or a cell is not what was frozen, or predictions are of another suite or model.
        TrainingError: a model fails on a sample, or does not give one row of logits a sample, one column a class.
    """
    manifest.check()
    labels = manifest.read_labels(get)
    outcomes, logits = _ask(manifest, get, models, labels, columns, workers)
    outcomes = replace(outcomes, thresholds=_thresholds(manifest, models, held_back))
    return StressReport(
        suite=manifest.name,
        suite_digest=manifest.digest,
        snapshot_digest=manifest.snapshot_digest,
        classes=outcomes.classes,
        models=outcomes.models,
        champion_version=champion_version,
        cells=measures.cells(outcomes),
        confusion={role: measures.confusion(outcomes, role) for role in models},
        flipped=_flipped(outcomes),
        outcomes=put(outcomes.to_bytes()),
        probe=put(probe.to_bytes(manifest, logits)),
        seen={cell.corruption: tuple(seen.get(cell.corruption, ())) for cell in manifest.cells if cell.severity},
        measures=measures.measures(outcomes),
        slices=slices(outcomes),
        orderings=orderings(outcomes),
        operating=operating_points(outcomes),
        separations=separations(outcomes),
    )


def _thresholds(manifest: SuiteManifest, models: Models, held_back: HeldBack | None) -> dict[Role, float | None]:
    """By role, as the suite's rule chooses them; a model in two roles, or known of before, is not asked again."""
    if manifest.alerts is None or manifest.alerts.threshold is None:
        return {}
    chosen: dict[str, float | None] = {}
    for digest, source in models.values():
        if isinstance(source, Predictions):
            chosen.setdefault(digest, source.threshold)
        elif digest not in chosen:
            chosen[digest] = _chosen(manifest, source, held_back)
    return {role: chosen[digest] for role, (digest, _) in models.items()}


def _chosen(manifest: SuiteManifest, predict: Predict, held_back: HeldBack | None) -> float | None:
    """None where a score is not finite too: nobody would run such a model."""
    assert manifest.alerts is not None  # the caller has looked
    if held_back is None or not len(held_back.labels):
        return None
    wanted = manifest.classes.index(manifest.alerts.class_name)
    size, count = _batch_size(manifest), len(held_back.labels)
    scores = np.empty(count, np.float32)
    for start in range(0, count, size):
        rows = np.arange(start, min(count, start + size))
        scores[rows] = scores_of(np.asarray(predict(held_back.samples.take(rows)), np.float32), wanted)
    return threshold_of(manifest.alerts, held_back.labels == wanted, scores) if np.isfinite(scores).all() else None


def _ask(
    manifest: SuiteManifest,
    get: Get,
    models: Models,
    labels: NDArray[np.int64],
    columns: Mapping[str, list[str | None]],
    workers: int,
) -> tuple[Outcomes, dict[tuple[str, int], NDArray[np.float32]]]:
    """The outcomes, and the candidate's logits on the cells and rows that are probed."""
    shape = (len(models), len(manifest.cells), len(labels))
    kept = _room(manifest, shape)
    roles, digests = list(models), [digest for digest, _ in models.values()]
    destroyed = np.zeros(shape[1:], np.uint8)
    names, groups = group_codes(columns, len(labels))
    corruptions = modality(manifest.modality).corruptions
    outcomes = Outcomes(
        suite_digest=manifest.digest,
        models={role: digest for role, (digest, _) in models.items()},
        addresses=tuple((cell.corruption, cell.severity) for cell in manifest.cells),
        classes=manifest.judged_classes,
        sample_ids=manifest.sample_ids,
        labels=manifest.judged_labels(labels).astype(np.int16),
        predicted=kept["predicted"],
        p_true=kept["p_true"],
        p_predicted=kept["p_predicted"],
        columns=names,
        groups=groups,
        causes=corruptions.causes,
        destroyed=destroyed,
        alerts=manifest.alerts,
        scores=kept.get("scores"),
        ranked=_ranked(manifest, kept, labels),
        out_of_scope=kept.get("out_of_scope"),
    )
    probed: dict[tuple[str, int], NDArray[np.float32]] = {}
    named: list[tuple[int, NDArray[np.int32]]] = []  # of rankings: place of a model, and first items of clean samples
    asked = _to_ask(manifest, models, kept)

    def ask(m: int, c: int, cell: SuiteCell, first: int, samples: Samples) -> None:
        role, rows = roles[m], slice(first, first + len(samples))
        where = f"under {cell.corruption} at severity {cell.severity}"
        logits = _logits(manifest, where, role, asked[m], samples, manifest.sample_ids[rows])
        for name, values in _read(manifest, logits, labels[rows]).items():
            kept[name][m, c, rows] = values
        if manifest.ranking is not None and not cell.severity:
            named.append((m, first_of(logits, manifest.ranking.at)))
        if role == "candidate" and first == 0 and probe.wanted(manifest, cell):
            probed[cell.corruption, cell.severity] = logits[: probe.ROWS].copy()

    def ask_outside(m: int, first: int, samples: Samples) -> None:
        assert manifest.out_of_scope is not None  # the samples are its
        rows = slice(first, first + len(samples))
        logits = _logits(manifest, "out of scope", roles[m], asked[m], samples, manifest.out_of_scope.sample_ids[rows])
        kept["out_of_scope"][m, rows] = confidences(logits)

    def look(c: int, cell: SuiteCell, first: int, clean: Samples, samples: Samples) -> None:
        destroyed[c, first : first + len(samples)] = corruptions.remains(cell.corruption, clean, samples)

    with ThreadPoolExecutor(workers) as pool:
        tasks = _Tasks(pool, 2 * workers)
        for c, cell in enumerate(manifest.cells):
            for first, clean, samples in _batches(manifest, cell, get):
                if cell.severity:
                    tasks.add(look, c, cell, first, clean, samples)
                for m in asked:
                    tasks.add(ask, m, c, cell, first, samples)
        for first, samples in _in_parts(manifest.outside(get), _batch_size(manifest)):
            for m in asked:
                tasks.add(ask_outside, m, first, samples)
        tasks.finish()
    for m, items in named:
        kept["recommended"][m] += np.bincount(items, minlength=len(manifest.classes)).astype(np.int32)
    for m, digest in enumerate(digests):
        for array in kept.values():
            array[m] = array[digests.index(digest)]
    return outcomes, dict(sorted(probed.items(), key=lambda item: item[0][1]))


class _Tasks:
    """What threads do, of which `most` is begun or waits at a time: what waits is held in memory.

    Whatever is done first makes room, since a cell's last batch is a short one.
    """

    def __init__(self, pool: ThreadPoolExecutor, most: int) -> None:
        self._pool, self._most = pool, most
        self._pending: list[Future[None]] = []

    def add(self, task: Callable[..., None], *arguments: Any) -> None:
        """Begin a task, once there is room; the first that failed, in this order, is raised."""
        while len(self._pending) >= self._most:
            self._collect()
        self._pending.append(self._pool.submit(task, *arguments))

    def finish(self) -> None:
        """Wait for all of them."""
        while self._pending:
            self._collect()

    def _collect(self) -> None:
        done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        if any(one.exception() for one in done):
            for one in self._pending:
                one.result()
        self._pending = [one for one in self._pending if one not in done]


def _to_ask(manifest: SuiteManifest, models: Models, kept: Mapping[str, NDArray[Any]]) -> dict[int, Predict]:
    """The models to ask, by their place; what others said before is put into `kept`."""
    digests, asked = [digest for digest, _ in models.values()], dict[int, Predict]()
    for m, (role, (digest, source)) in enumerate(models.items()):
        if digests.index(digest) < m:
            continue  # what is said of the role before holds for it
        if isinstance(source, Predictions):
            _check_known(manifest, role, digest, source)
            for name, array in kept.items():
                array[m] = getattr(source, name)
        else:
            asked[m] = source
    return asked


def _room(manifest: SuiteManifest, shape: tuple[int, int, int]) -> dict[str, NDArray[Any]]:
    """What is kept of every model, by the names that `Predictions` has: (M, C, N), or (M, K) of what is recommended,
    (M, S) of samples of no class.
    """
    kinds: dict[str, type[np.number[Any]]] = {"predicted": np.int16, "p_true": np.float16, "p_predicted": np.float16}
    if manifest.alerts is not None:
        kinds["scores"] = np.float32
    if manifest.ranking is not None:
        kinds["ranks"] = np.int32
    kept: dict[str, NDArray[Any]] = {name: np.empty(shape, kind) for name, kind in kinds.items()}
    if manifest.ranking is not None:
        kept["recommended"] = np.zeros((shape[0], len(manifest.classes)), np.int32)
    if manifest.out_of_scope is not None:
        kept["out_of_scope"] = np.empty((shape[0], len(manifest.out_of_scope.sample_ids)), np.float16)
    return kept


def _ranked(manifest: SuiteManifest, kept: Mapping[str, NDArray[Any]], labels: NDArray[np.int64]) -> Ranked | None:
    if manifest.ranking is None:
        return None
    return Ranked(
        ranking=manifest.ranking,
        ranks=kept["ranks"],
        recommended=kept["recommended"],
        frequency=np.array(manifest.frequency, np.int32),
        items=labels.astype(np.int32),
    )


def _check_known(manifest: SuiteManifest, role: Role, digest: str, known: Predictions) -> None:
    shape, found = (len(manifest.cells), len(manifest.sample_ids)), known.predicted.shape
    if role == "candidate" or (known.suite_digest, known.model_digest, found) != (manifest.digest, digest, shape):
        raise StoreError(
            f"{role} model: predictions of before",
            f"{found} by model {known.model_digest[:12]}… on suite {known.suite_digest[:12]}…",
            f"{shape} by model {digest[:12]}… on suite {manifest.digest[:12]}…, of a control or champion",
            "ask the model itself",
        )


def _batches(manifest: SuiteManifest, cell: SuiteCell, get: Get) -> Iterator[tuple[int, Samples, Samples]]:
    """Number of the first sample, and samples (n, *shape) untouched and corrupted, as a model takes them."""
    size = _batch_size(manifest)
    first = 0
    for clean, samples in manifest.pairs(cell, get):
        for start in range(0, len(samples), size):
            yield first + start, clean[start : start + size], samples[start : start + size]
        first += len(samples)


def _in_parts(batches: Iterator[Samples], size: int) -> Iterator[tuple[int, Samples]]:
    first = 0
    for samples in batches:
        for start in range(0, len(samples), size):
            yield first + start, samples[start : start + size]
        first += len(samples)


def _batch_size(manifest: SuiteManifest) -> int:
    """How many samples a model is asked about at a time; of rows of a table (F,), numbers that stand for themselves."""
    is_row = len(manifest.shape) == 1 and np.dtype(manifest.dtype).kind == "f"
    size = max(1, min(_ROWS if is_row else _BATCH, _BATCH_BYTES // manifest.sample_bytes))
    return size if size < _TOGETHER else size // _TOGETHER * _TOGETHER


def _logits(
    manifest: SuiteManifest, where: str, role: Role, predict: Predict, samples: Samples, ids: Sequence[str]
) -> NDArray[np.float32]:
    """Logits float32 (n, K); a failure is narrowed down to the first sample that causes it.

    Args:
        where: the samples are of, for the error; ids: n, of the samples.
    """
    try:
        logits = np.asarray(predict(samples), np.float32)
    except Exception as error:  # a network may raise anything
        if len(samples) > 1:
            middle = len(samples) // 2
            halves = ((samples[:middle], ids[:middle]), (samples[middle:], ids[middle:]))
            return np.concatenate([_logits(manifest, where, role, predict, half, of) for half, of in halves])
        raise TrainingError(
            f"{role} model",
            f"{type(error).__name__}: {str(error).strip()[:200]} on sample {ids[0]} {where}",
            "logits for every sample of the suite",
            f"make the network take every {np.dtype(manifest.dtype)} sample of shape {manifest.shape}",
        ) from error
    count, classes = len(samples), len(manifest.classes)
    if logits.shape != (count, classes):
        raise TrainingError(
            f"{role} model",
            f"logits of shape {logits.shape} for {count} samples",
            f"({count}, {classes}): one column for each class of the snapshot",
            "evaluate models that were trained on the classes of this snapshot",
        )
    return logits


def _read(manifest: SuiteManifest, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """What is kept of logits (n, K), by the names that `Predictions` has, (n,) each.

    NaN and `NOT_A_NUMBER` for logits that are not finite.
    """
    shares, finite = probabilities(logits)
    rows, found = np.arange(len(logits)), dict[str, NDArray[Any]]()
    if manifest.ranking is None:
        guesses = np.where(finite[:, None], logits, 0).argmax(axis=1)
        most = shares[rows, guesses]
    else:
        found["ranks"] = ranks(logits, labels)
        guesses = manifest.ranking.taken_for(found["ranks"], manifest.judged_labels(labels))
        most = first_shares(shares, manifest.ranking.at)
    found |= {
        "predicted": np.where(finite, guesses, NOT_A_NUMBER),
        "p_true": np.where(finite, shares[rows, labels], np.nan),
        "p_predicted": np.where(finite, most, np.nan),
    }
    if manifest.alerts is not None:
        found["scores"] = scores_of(logits, manifest.classes.index(manifest.alerts.class_name))
    return found


def _flipped(outcomes: Outcomes) -> tuple[FlippedSample, ...]:
    """At each corruption's highest severity, up to `_FLIPPED` samples, taken in turn from the worst classes."""
    if "candidate" not in outcomes.models:
        return ()
    answered = outcomes.answered[list(outcomes.models).index("candidate")]
    labels = outcomes.labels.astype(np.int64)
    clean_right = answered[0] == labels
    highest: dict[str, int] = {}
    for name, severity in outcomes.addresses:
        highest[name] = max(severity, highest.get(name, 0))
    highest.pop(CLEAN)
    guesses_of = {name: answered[outcomes.addresses.index((name, s))].astype(np.int64) for name, s in highest.items()}
    accuracy = {name: float((guesses == labels).mean()) for name, guesses in guesses_of.items()}
    chosen: list[FlippedSample] = []
    for name in sorted(highest, key=lambda key: accuracy[key]):
        guesses, left = guesses_of[name], outcomes.left[outcomes.addresses.index((name, highest[name]))]
        rows = np.flatnonzero(left & clean_right & (guesses != labels) & (guesses != NOT_A_NUMBER))
        chosen += [
            FlippedSample(name, highest[name], outcomes.sample_ids[row], int(labels[row]), int(guesses[row]))
            for row in measures.worst_classes_in_turn(rows, labels, guesses)[:_FLIPPED]
        ]
    return tuple(chosen)
