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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.engine.key import sample_key
from augment_ops.statistics import softmax
from augment_ops.stress.asked import Alerts, Asked
from augment_ops.stress.ranking import Ranked, Ranking
from augment_ops.stress.report import CLEAN, Role
from augment_ops.stress.sound_outcomes import NOT_A_NUMBER, check, damaged

NO_GROUP = -1  # the group of a sample whose column is empty

_ARRAYS: dict[str, str] = {
    "labels": "<i2", "predicted": "<i2", "p_true": "<f2", "p_predicted": "<f2", "groups": "<i2",
}  # fmt: skip
# 1 does not know what the corruptions left; it is read as before, and its decisions are made again as they were.
# 3 has scores, where a suite asks for alerts, 4 ranks, where it asks for a ranking, 5 how sure models are of what is of
# no class, where it has any; else outcomes are written as 2.
FORMAT = "augment-ops outcomes 2"
_WITH_ALERTS, _WITH_RANKS, _WITH_OUTSIDE = (f"augment-ops outcomes {number}" for number in (3, 4, 5))
_FORMATS = ("augment-ops outcomes 1", FORMAT, _WITH_ALERTS, _WITH_RANKS, _WITH_OUTSIDE)
_RANKED = ("ranks", "recommended", "frequency", "items")


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """What one model said about every sample of a suite, in the order of its cells and samples.

    Attributes:
        predicted, p_true, p_predicted, scores, ranks: (C, N), as `Outcomes` has them.
        threshold: as `Outcomes` has it.
        recommended: (K,), as `Ranked` has it.
        out_of_scope: (S,), as `Outcomes` has it.
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
    out_of_scope: NDArray[np.float16] | None = None


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
        out_of_scope: float16 (M, S), what `p_predicted` is of S samples of no class; NaN where logits are not finite.
            None where the suite has none.
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
    out_of_scope: NDArray[np.float16] | None = None

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
            raise damaged(f"models {', '.join(self.models)}", f"one in the role {role}")
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
            out_of_scope=None if self.out_of_scope is None else self.out_of_scope[m],
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
        if self.out_of_scope is not None:
            arrays["out_of_scope"] = np.ascontiguousarray(self.out_of_scope, "<f2")
        buffer = io.BytesIO()
        np.savez(buffer, header=np.frombuffer(canonical_json(header), np.uint8), **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @property
    def _format(self) -> str:
        if self.destroyed is None:
            return _FORMATS[0]
        if self.out_of_scope is not None:
            return _WITH_OUTSIDE
        return _WITH_RANKS if self.ranked is not None else FORMAT if self.alerts is None else _WITH_ALERTS


def from_bytes(data: bytes, digest: str) -> Outcomes:
    """Read outcomes back.

    Raises:
        StoreError: their sha256 is not `digest`, or they are not of this form.
    """
    found = sha256_hex(data)
    if found != digest:
        raise damaged(f"bytes with sha256 {found[:12]}…", f"{digest[:12]}…")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            arrays = {name: file[name] for name in _ARRAYS}
            kind = _format(header)
            arrays["destroyed"] = None if kind == _FORMATS[0] else file["destroyed"]
            arrays["scores"] = file["scores"] if kind == _WITH_ALERTS else None
            arrays["out_of_scope"] = file["out_of_scope"] if kind == _WITH_OUTSIDE else None
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
        raise damaged(found, "an object that `Outcomes.to_bytes` made") from error
    check(outcomes, _ARRAYS)
    return outcomes


def _format(header: dict[str, object]) -> str:
    """One of `_FORMATS`."""
    if header["format"] not in _FORMATS:
        raise damaged(f"{header['format']!r:.60}", f"{' or '.join(_FORMATS)}; a newer version may have written it")
    return str(header["format"])


def _ranking(content: dict[str, Any]) -> Ranking:
    bands = tuple((str(name), int(least)) for name, least in content["bands"])
    return Ranking(at=int(content["at"]), bands=bands)


def merged(classes: Sequence[str], groups: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes as they are judged where those of a group are one, called `0 = O = o`; and which each class is.

    Args:
        groups: of classes, each in one group at most; those that are not among `classes` count for nothing.
    """
    group_of = {name: group for group in groups for name in group}
    called = [" = ".join(group_of[name]) if name in group_of else name for name in classes]
    names = tuple(dict.fromkeys(called))
    return names, tuple(names.index(name) for name in called)


def probabilities(logits: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Softmax of logits (N, K), float64; and bool (N,), whether a row is finite: else its shares mean nothing."""
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(logits).all(axis=1))
    return softmax(np.where(finite[:, None], logits, 0)), finite


def confidences(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest softmax probability, float32 (N,), of logits (N, K); NaN for logits that are not finite."""
    shares, finite = probabilities(logits)
    found: NDArray[np.float32] = np.where(finite, shares.max(axis=1), np.nan).astype(np.float32)
    return found


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
