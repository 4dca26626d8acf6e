"""What every model said about every sample under every corruption: the raw material of every measure.

One object of the store, so that whoever doubts a number computes it again. It is a plain `.npz` without compression:
`numpy.load` reads it, and its `header` is JSON.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import LATER, canonical_json, sha256_hex
from augment_ops.engine.key import sample_key
from augment_ops.errors import StoreError
from augment_ops.statistics import softmax
from augment_ops.stress.ranking import UNRANKED, Ranked, Ranking
from augment_ops.stress.report import CLEAN, Role

NOT_A_NUMBER = -1  # the "predicted class" of a sample whose logits are not finite; equals no label
NO_GROUP = -1  # the group of a sample whose column is empty

_ARRAYS: dict[str, str] = {
    "labels": "<i2", "predicted": "<i2", "p_true": "<f2", "p_predicted": "<f2", "groups": "<i2",
}  # fmt: skip
# 1 does not know what the corruptions left; it is read as before, and its decisions are made again as they were.
# 3 has scores, where a suite asks for alerts, and 4 ranks, where it asks for a ranking; else outcomes are written as 2.
FORMAT = "augment-ops outcomes 2"
_WITH_ALERTS, _WITH_RANKS = "augment-ops outcomes 3", "augment-ops outcomes 4"
_FORMATS = ("augment-ops outcomes 1", FORMAT, _WITH_ALERTS, _WITH_RANKS)
_RANKED = ("ranks", "recommended", "frequency", "items")


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Who looks at a fixed share of all samples, those that look most like one class: a model is right about a sample
    of that class where it is among them.

    Attributes:
        class_name: the class that is looked for.
        rate: share of the samples of a cell, above 0 and below 1, that an alert is raised for, whatever the scores are:
            who looks at alerts has so many hours a day, under stress as well.
        precision: share of the alerts that has to be right where recall at a fixed precision is measured beside it;
            None where it is not.
        threshold: by which of the two a threshold is chosen on the validation split, for every model alike; None where
            none is.
    """

    class_name: str
    rate: float
    precision: float | None = field(default=None, metadata=LATER)
    threshold: Literal["rate", "precision"] | None = field(default=None, metadata=LATER)

    @property
    def measure(self) -> str:
        """What the share of right samples is called."""
        return f"recall of class {self.class_name} at {100 * self.rate:g}% alerts"

    def __str__(self) -> str:
        """What is looked for, in words."""
        said = f"alerts for class {self.class_name} at a rate of {self.rate:g}"
        if self.precision is not None:
            said += f", and a precision of {self.precision:g}"
        return said if self.threshold is None else f"{said}, with a threshold chosen by {self.threshold}"


Asked = Alerts | Ranking | None  # what a suite asks beside every class alike


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """What one model said about every sample of a suite, in the order of its cells and samples.

    Attributes:
        predicted, p_true, p_predicted, scores, ranks: (C, N), as `Outcomes` has them.
        threshold: as `Outcomes` has it.
        recommended: (K,), as `Ranked` has it.
    """

    suite_digest: str
    model_digest: str
    predicted: NDArray[np.int16]
    p_true: NDArray[np.float16]
    p_predicted: NDArray[np.float16]
    scores: NDArray[np.float32] | None = None
    threshold: float | None = None
    ranks: NDArray[np.int32] | None = None
    recommended: NDArray[np.int32] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """Per-sample outcomes of M models in C cells of N samples.

    Attributes:
        suite_digest: of the suite that was shown.
        models: role → model digest, in the order of the first axis.
        addresses: (corruption, severity) in the order of the second axis; (`clean`, 0) comes first.
        sample_ids: in the order of the last axis.
        labels: int16 (N,), indices into `classes`.
        predicted: int16 (M, C, N), the class of the largest logit, or `NOT_A_NUMBER`.
        p_true, p_predicted: float16 (M, C, N), softmax probability of the label and of the predicted class; float16
            keeps them to 0.0005, a thirtieth of the width of a calibration bin.
        columns: metadata column → names of its groups.
        groups: int16 (len(columns), N), indices into those names, or `NO_GROUP`.
        causes: how a corruption can destroy a sample, in the words of its modality.
        destroyed: uint8 (C, N), 0 where something is left of the sample, else the place in `causes`, from 1: a fact of
            the frozen samples, the same for all models. None in outcomes of before.
        alerts: what is looked for, and at how many samples; None where every class counts alike.
        scores: float32 (M, C, N), softmax probability of the class that is looked for; NaN where logits are not finite.
            Finer than `p_true`, because alerts are a matter of order. None without alerts.
        thresholds: role → score from which on its model would raise an alert, chosen on the validation split; None
            where none could be chosen. Empty where alerts ask for none.
        ranked: where items are ranked. The classes are then bands of items and, last, what is missed; `p_true` is the
            probability of the sample's item, and `p_predicted` that of the first items together.
    """

    suite_digest: str
    models: dict[Role, str]
    addresses: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    sample_ids: tuple[str, ...]
    labels: NDArray[np.int16]
    predicted: NDArray[np.int16]
    p_true: NDArray[np.float16]
    p_predicted: NDArray[np.float16]
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 0), np.int16))
    causes: tuple[str, ...] = ()
    destroyed: NDArray[np.uint8] | None = None
    alerts: Alerts | None = None
    scores: NDArray[np.float32] | None = None
    thresholds: dict[Role, float | None] = field(default_factory=dict)
    ranked: Ranked | None = None

    @property
    def asked(self) -> Asked:
        """What the suite asks; None where every class counts alike."""
        return self.alerts if self.ranked is None else self.ranked.ranking

    @cached_property
    def left(self) -> NDArray[np.bool_]:
        """Of which samples something is left, bool (C, N)."""
        if self.destroyed is None:
            return np.ones(self.predicted.shape[1:], bool)
        left: NDArray[np.bool_] = self.destroyed == 0
        return left

    @cached_property
    def wanted(self) -> NDArray[np.bool_]:
        """Which samples are of the class that is looked for, bool (N,).

        Raises:
            ValueError: outcomes without alerts.
        """
        if self.alerts is None:
            raise ValueError("outcomes without alerts")
        found: NDArray[np.bool_] = self.labels == self.classes.index(self.alerts.class_name)
        return found

    @cached_property
    def answered(self) -> NDArray[np.int16]:
        """The class that each sample is taken for, int16 (M, C, N): the predicted one.

        With alerts the class that is looked for where one is raised; where none is, the predicted one of the others
        (the first of them, where it is not known).
        """
        if self.alerts is None:
            return self.predicted
        wanted = self.classes.index(self.alerts.class_name)
        passed = np.where(self.predicted == wanted, int(wanted == 0), self.predicted)
        found: NDArray[np.int16] = np.where(self.alerted, wanted, passed).astype(np.int16)
        return found

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether the class that a sample is taken for is its label, bool (M, C, N)."""
        right: NDArray[np.bool_] = self.answered == self.labels
        return right

    @cached_property
    def alerted(self) -> NDArray[np.bool_]:
        """Which samples an alert is raised for, bool (M, C, N): those of the highest scores of what is left in a cell.

        As many as the rate says, rounded down, at least one. Among equal scores the order is that of a hash of the ids,
        which knows nothing of labels.

        Raises:
            ValueError: outcomes without alerts.
        """
        if self.alerts is None or self.scores is None:
            raise ValueError("outcomes without alerts")
        drawn = [sample_key("alert", sample) for sample in self.sample_ids]
        place = np.argsort(np.array([first for first, _ in drawn], np.uint64), kind="stable").argsort()
        found = np.zeros(self.scores.shape, np.bool_)
        for m, c in np.ndindex(self.scores.shape[:2]):
            rows = np.flatnonzero(self.left[c] & np.isfinite(self.scores[m, c]))
            count = min(len(rows), max(1, int(self.alerts.rate * self.left[c].sum())))
            order = np.lexsort((place[rows], -self.scores[m, c, rows]))
            found[m, c, rows[order[:count]]] = True
        return found

    def judged(self) -> Outcomes:
        """What the rules judge: itself; with alerts, the samples of the class that is looked for alone.

        Of those, class 0 was predicted where an alert was raised, and 1, which none of the classes is, where not. Of a
        ranking the bands are judged, and what is missed is no class.
        """
        if self.ranked is not None:
            return replace(self, classes=self.classes[:-1], ranked=None)
        if self.alerts is None:
            return self
        code = self.classes.index(self.alerts.class_name)
        rows = np.flatnonzero(self.labels == code)
        answered = np.where(self.alerted, 0, 1).astype(np.int16)
        return replace(
            self,
            classes=(self.alerts.class_name,),
            sample_ids=tuple(self.sample_ids[row] for row in rows),
            labels=np.zeros(len(rows), np.int16),
            predicted=answered[..., rows],
            p_true=self.p_true[..., rows],
            p_predicted=self.p_predicted[..., rows],
            groups=self.groups[:, rows],
            destroyed=None if self.destroyed is None else self.destroyed[:, rows],
            alerts=None,
            scores=None,
            thresholds={},
        )

    def alike(self, groups: Sequence[Sequence[str]]) -> Outcomes:
        """The outcomes where nobody tells the classes of a group apart: one that is taken for another of them is right.

        Probabilities stay those of single classes.

        Args:
            groups: as `merged` takes them.
        """
        names, codes = merged(self.classes, groups)
        place = np.array(codes, np.int16)
        predicted = np.where(self.predicted == NOT_A_NUMBER, NOT_A_NUMBER, place[self.predicted]).astype(np.int16)
        return replace(self, classes=names, labels=place[self.labels], predicted=predicted)

    def at(self, role: Role, corruption: str = CLEAN, severity: int = 0) -> tuple[int, int] | None:
        """Position on the first two axes, or None where that was not evaluated."""
        roles = list(self.models)
        if role not in self.models or (corruption, severity) not in self.addresses:
            return None
        return roles.index(role), self.addresses.index((corruption, severity))

    def predictions(self, role: Role) -> Predictions:
        """What the model of that role said.

        Raises:
            StoreError: no model was asked in that role.
        """
        if role not in self.models:
            raise _damaged(f"models {', '.join(self.models)}", f"one in the role {role}")
        m = list(self.models).index(role)
        return Predictions(
            suite_digest=self.suite_digest,
            model_digest=self.models[role],
            predicted=self.predicted[m],
            p_true=self.p_true[m],
            p_predicted=self.p_predicted[m],
            scores=None if self.scores is None else self.scores[m],
            threshold=self.thresholds.get(role),
            ranks=None if self.ranked is None else self.ranked.ranks[m],
            recommended=None if self.ranked is None else self.ranked.recommended[m],
        )

    def to_bytes(self) -> bytes:
        """The object; equal outcomes give equal bytes."""
        header: dict[str, object] = {
            "format": self._format,
            "suite_digest": self.suite_digest,
            "models": list(self.models.items()),
            "addresses": self.addresses,
            "classes": self.classes,
            "sample_ids": self.sample_ids,
            "columns": list(self.columns.items()),
        }
        arrays = {name: np.ascontiguousarray(getattr(self, name), kind) for name, kind in _ARRAYS.items()}
        if self.destroyed is not None:
            header["causes"] = self.causes
            arrays["destroyed"] = np.ascontiguousarray(self.destroyed, np.uint8)
        if self.alerts is not None:
            header["alerts"] = self.alerts
            arrays["scores"] = np.ascontiguousarray(self.scores, "<f4")
        if self.thresholds:
            header["thresholds"] = list(self.thresholds.items())
        if self.ranked is not None:
            header["ranking"] = self.ranked.ranking
            arrays |= {name: np.ascontiguousarray(getattr(self.ranked, name), "<i4") for name in _RANKED}
        buffer = io.BytesIO()
        np.savez(buffer, header=np.frombuffer(canonical_json(header), np.uint8), **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @property
    def _format(self) -> str:
        if self.destroyed is None:
            return _FORMATS[0]
        return _WITH_RANKS if self.ranked is not None else FORMAT if self.alerts is None else _WITH_ALERTS


def from_bytes(data: bytes, digest: str) -> Outcomes:
    """Read outcomes back.

    Raises:
        StoreError: their sha256 is not `digest`, or they are not of this form.
    """
    found = sha256_hex(data)
    if found != digest:
        raise _damaged(f"bytes with sha256 {found[:12]}…", f"{digest[:12]}…")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            arrays = {name: file[name] for name in _ARRAYS}
            kind = _format(header)
            arrays["destroyed"] = None if kind == _FORMATS[0] else file["destroyed"]
            arrays["scores"] = file["scores"] if kind == _WITH_ALERTS else None
            ranks = {name: file[name] for name in _RANKED} if kind == _WITH_RANKS else {}
        outcomes = Outcomes(
            suite_digest=header["suite_digest"],
            models=dict(header["models"]),
            addresses=tuple((str(name), int(severity)) for name, severity in header["addresses"]),
            classes=tuple(header["classes"]),
            sample_ids=tuple(header["sample_ids"]),
            columns={name: tuple(groups) for name, groups in header["columns"]},
            causes=() if kind == _FORMATS[0] else tuple(header["causes"]),
            alerts=Alerts(**header["alerts"]) if kind == _WITH_ALERTS else None,
            thresholds=dict(header.get("thresholds", ())),
            ranked=Ranked(ranking=_ranking(header["ranking"]), **ranks) if ranks else None,
            **arrays,
        )
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        found = f"{type(error).__name__}: {str(error)[:120]}"
        raise _damaged(found, "an object that `Outcomes.to_bytes` made") from error
    _check(outcomes)
    return outcomes


def _format(header: dict[str, object]) -> str:
    """One of `_FORMATS`."""
    if header["format"] not in _FORMATS:
        raise _damaged(f"{header['format']!r:.60}", f"{' or '.join(_FORMATS)}; a newer version may have written it")
    return str(header["format"])


def _ranking(content: dict[str, Any]) -> Ranking:
    bands = tuple((str(name), int(least)) for name, least in content["bands"])
    return Ranking(at=int(content["at"]), bands=bands)


def _check(outcomes: Outcomes) -> None:
    n, k = len(outcomes.sample_ids), len(outcomes.classes)
    shape = (len(outcomes.models), len(outcomes.addresses), n)
    for name, kind in _ARRAYS.items():
        array: NDArray[np.generic] = getattr(outcomes, name)
        wanted = {"labels": (n,), "groups": (len(outcomes.columns), n)}.get(name, shape)
        if array.shape != wanted or array.dtype != np.dtype(kind):
            raise _damaged(f"{name} {array.dtype} {array.shape}", f"{np.dtype(kind)} {wanted}")
    if outcomes.addresses[:1] != ((CLEAN, 0),) or len(set(outcomes.addresses)) != len(outcomes.addresses):
        raise _damaged(f"cells {outcomes.addresses!r:.80}", "distinct cells, the clean one first")
    labels, guesses = outcomes.labels, outcomes.predicted
    if n == 0 or labels.min() < 0 or labels.max() >= k or guesses.size == 0 or not _within(guesses, k):
        raise _damaged(f"{n} samples, labels and predictions beyond {k} classes", "indices of classes")
    _check_remains(outcomes)
    _check_alerts(outcomes)
    if outcomes.ranked is not None:
        _check_ranked(outcomes, outcomes.ranked)


def _check_ranked(outcomes: Outcomes, ranked: Ranked) -> None:
    """Who is right follows from the ranks."""
    ranking, items = ranked.ranking, len(ranked.frequency)
    if ranking.fault or outcomes.classes != ranking.classes:
        raise _damaged(f"a ranking at {ranking.at} with classes {outcomes.classes!r:.80}", ranking.fault or "its bands")
    shapes: dict[str, tuple[int, ...]] = {
        "ranks": outcomes.predicted.shape,
        "recommended": (len(outcomes.models), items),
        "frequency": (items,),
        "items": outcomes.labels.shape,
    }
    for name, wanted in shapes.items():
        array: NDArray[np.generic] = getattr(ranked, name)
        if array.shape != wanted or array.dtype != np.int32:
            raise _damaged(f"{name} {array.dtype} {array.shape}", f"int32 {wanted}")
    if not (ranked.items.min() >= 0 and ranked.items.max() < items) or not np.array_equal(
        ranking.band_of(ranked.frequency)[ranked.items], outcomes.labels
    ):
        raise _damaged("items that are in other bands", "the bands of the items")
    hit = ranking.taken_for(ranked.ranks, outcomes.labels)
    if ranked.ranks.min() < 1 or (outcomes.predicted != np.where(ranked.ranks == UNRANKED, NOT_A_NUMBER, hit)).any():
        raise _damaged("ranks that give other hits", "a hit where the rank is among the first")


def _check_alerts(outcomes: Outcomes) -> None:
    alerts, scores = outcomes.alerts, outcomes.scores
    if alerts is None or scores is None:
        return
    fault = alerts_fault(alerts, outcomes.classes)
    if fault:
        raise _damaged(f"alerts for {alerts.class_name!r:.60} at a rate of {alerts.rate!r:.20}", fault)
    finite, answered = np.isfinite(scores), outcomes.predicted != NOT_A_NUMBER
    if scores.dtype != np.float32 or scores.shape != outcomes.predicted.shape or (finite != answered).any():
        raise _damaged(f"scores {scores.dtype} {scores.shape}", f"float32 {outcomes.predicted.shape}, one an answer")
    if set(outcomes.thresholds) != (set(outcomes.models) if alerts.threshold is not None else set()):
        raise _damaged(f"thresholds of {', '.join(outcomes.thresholds) or 'no model'}", "one a model that is asked for")
    if not all(value is None or 0 <= value <= 1 for value in outcomes.thresholds.values()):
        raise _damaged(f"thresholds {outcomes.thresholds!r:.80}", "scores from 0 to 1")
    if finite.any() and not 0 <= scores[finite].min() <= scores[finite].max() <= 1:
        raise _damaged("scores beyond 0 to 1", "probabilities")


def merged(classes: Sequence[str], groups: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes as they are judged where those of a group are one, called `0 = O = o`; and which each class is.

    Args:
        groups: of classes, each in one group at most; those that are not among `classes` count for nothing.
    """
    group_of = {name: group for group in groups for name in group}
    called = [" = ".join(group_of[name]) if name in group_of else name for name in classes]
    names = tuple(dict.fromkeys(called))
    return names, tuple(names.index(name) for name in called)


def said_of(asked: Asked) -> str:
    """What is asked, in words."""
    return "every class alike" if asked is None else str(asked)


def alerts_fault(alerts: Alerts, classes: Sequence[str]) -> str:
    """What alerts have to be for samples of these classes; empty where they are."""
    if alerts.class_name not in classes:
        return f"one of the classes {', '.join(classes)}"[:200]
    if not (isinstance(alerts.rate, float) and 0 < alerts.rate < 1):
        return "a rate above 0 and below 1"
    precise = alerts.precision is None or (isinstance(alerts.precision, float) and 0 < alerts.precision <= 1)
    if not precise:
        return "a precision above 0 and at most 1"
    known = alerts.threshold in (None, "rate") or (alerts.threshold == "precision" and alerts.precision is not None)
    return "" if known else "a threshold by rate, or by precision where one is named"


def _check_remains(outcomes: Outcomes) -> None:
    codes = outcomes.destroyed
    if codes is None:
        return
    wanted = outcomes.predicted.shape[1:]
    if codes.shape != wanted or codes.dtype != np.uint8:
        raise _damaged(f"destroyed {codes.dtype} {codes.shape}", f"uint8 {wanted}")
    if codes.max() > len(outcomes.causes) or codes[0].any():
        raise _damaged("destroyed samples without a cause, or clean ones", f"0 to {len(outcomes.causes)}, clean ones 0")


def _within(guesses: NDArray[np.int16], classes: int) -> bool:
    return bool(guesses.min() >= NOT_A_NUMBER and guesses.max() < classes)


def probabilities(logits: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Softmax of logits (N, K), float64; and bool (N,), whether a row is finite: else its shares mean nothing."""
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(logits).all(axis=1))
    return softmax(np.where(finite[:, None], logits, 0)), finite


def scores_of(logits: NDArray[np.float32], code: int) -> NDArray[np.float32]:
    """Softmax probability of one class, float32 (N,), of logits (N, K); NaN for logits that are not finite."""
    shares, finite = probabilities(logits)
    found: NDArray[np.float32] = np.where(finite, shares[:, code], np.nan).astype(np.float32)
    return found


def group_codes(
    columns: Mapping[str, list[str | None]], n: int
) -> tuple[dict[str, tuple[str, ...]], NDArray[np.int16]]:
    """Sorted names of each column's groups, and int16 (columns, N) codes; `NO_GROUP` where the column is empty."""
    names = {column: tuple(sorted({v for v in values if v is not None})) for column, values in columns.items()}
    codes = np.full((len(columns), n), NO_GROUP, np.int16)
    for row, (column, values) in enumerate(columns.items()):
        place = {name: code for code, name in enumerate(names[column])}
        codes[row] = [NO_GROUP if value is None else place[value] for value in values]
    return names, codes


def _damaged(found: str, expected: str) -> StoreError:
    return StoreError(
        "outcomes of the stress test", found, expected, "restore the object from a backup, or run stress_test again"
    )
