"""Comparisons of made-up models: tables as the log of a rollout gives them, and whole rollouts of such."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from augment_ops.rollout.columns import schema
from augment_ops.rollout.counting import tally, tally_labels
from augment_ops.rollout.judge import judge
from augment_ops.rollout.measures import measure
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.tally import Tally

DEFAULT = RolloutRules.load(Path(__file__).parents[2] / "policies" / "rollout" / "default.yaml")
CLASSES = 10
_NAMES = np.array([str(one) for one in range(CLASSES)], dtype=object)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model of ten classes.

    Attributes:
        accuracy: where it is right is drawn by the sample: two models of 90% are right on the same 90% of the samples.
        own: share of the samples on which that is drawn anew for this model alone.
        fails: share of requests that fail; seconds: median until an answer, of a lognormal with a spread of 0.4.
        lost: a class that it never names.
        confidence: mean of its confidences.
    """

    accuracy: float = 0.9
    own: float = 0.0
    fails: float = 0.0
    seconds: float = 0.02
    lost: int | None = None
    confidence: float = 0.85


def answers(
    rng: np.random.Generator, n: int, step: int, champion: Model, challenger: Model, rules: RolloutRules = DEFAULT
) -> tuple[pa.Table, dict[str, str]]:
    """N requests of one sample that came in a step, as the rules assign them; and the label of each."""
    label, luck = rng.integers(0, CLASSES, n), rng.random(n)
    ids = pa.array(rng.integers(0, 2**62, n)).cast(pa.string())
    asked = rng.random(n) < rules.steps[step].share
    other = np.where(asked, "shadow" if rules.steps[step].shadow else "challenger", "champion")
    columns: dict[str, object] = {
        "step": np.full(n, step, np.int32),
        "request": ids,
        "subject": ids,
        "first": np.ones(n, bool),
        "sample_id": ids,
        "time": np.datetime64("2026-11-29", "us") + np.arange(n).astype("timedelta64[ms]"),
        "arm": other,
    }
    told = {"champion": (other != "challenger"), "challenger": asked}
    for side, model in (("champion", champion), ("challenger", challenger)):
        predicted, sure, seconds = _said(rng, model, label, luck)
        failed = rng.random(n) < model.fails
        there = told[side] & ~failed
        columns[f"{side}_seconds"] = pa.array(seconds, mask=~told[side])
        columns[f"{side}_prediction"] = pa.array(_NAMES[predicted], pa.string(), mask=~there)
        columns[f"{side}_confidence"] = pa.array(sure.astype(np.float32), mask=~there)
    table = pa.table(columns, schema=schema())
    return table, dict(zip(ids.to_pylist(), _NAMES[label].tolist(), strict=True))


def _said(
    rng: np.random.Generator, model: Model, label: np.ndarray, luck: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = len(label)
    drawn = np.where(rng.random(n) < model.own, rng.random(n), luck)
    predicted = np.where(drawn < model.accuracy, label, (label + 1) % CLASSES)
    if model.lost is not None:
        predicted = np.where(predicted == model.lost, (predicted + 2) % CLASSES, predicted)
    sure = np.clip(rng.normal(model.confidence, 0.1, n), 0, 1)
    return predicted, sure, model.seconds * np.exp(rng.normal(0, 0.4, n))


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How a rollout ended.

    Attributes:
        ended: promoted, rolled back, or none where it ran out of looks.
        step: index of the step in which it did; answers: of the challenger until then, in all steps.
        conditions: that were shown to be broken.
    """

    ended: str
    step: int
    answers: int
    conditions: tuple[str, ...] = ()


def rolled_out(
    rng: np.random.Generator,
    champion: Model,
    challenger: Model,
    *,
    every: int,
    labelled: float = 1.0,
    rules: RolloutRules = DEFAULT,
    most: int = 4,
) -> Rollout:
    """A rollout that is judged each time the challenger has been asked about so many samples more, until it ends.

    Args:
        labelled: share of the samples whose label comes, at once.
        most: times the answers of a step, after which nobody waits any longer.
    """
    whole = Tally.nothing(len(rules.steps))
    for index, step in enumerate(rules.steps):
        size = min(every, step.answers)
        for _ in range(most * step.answers // size):
            table, labels = answers(rng, round(size / step.share), index, champion, challenger, rules)
            known = dict(islice(labels.items(), round(labelled * len(labels))))
            whole += tally(rules, table) + tally_labels(rules, table, known)
            measured = measure(rules, whole, index)
            asked = {"answers": int(whole.asked[index]), "champion_answers": whole.champion_answers(index)}
            found = judge(rules, index, measured, **asked, hours=step.hours)
            if found.action == "roll back":
                broken = sorted({one.condition for one in measured if one.state == "broken"})
                return Rollout(
                    ended="rolled back", step=index, answers=int(whole.asked.sum()), conditions=tuple(broken)
                )
            if found.action == "advance":
                break
        else:
            return Rollout(ended="none", step=index, answers=int(whole.asked.sum()))
    return Rollout(ended="promoted", step=len(rules.steps), answers=int(whole.asked.sum()))
