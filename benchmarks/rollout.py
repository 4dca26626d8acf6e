"""Rollouts of made-up models under the default rules: how often an equal one goes back, and when a worse one does.

    python benchmarks/rollout.py [power | CASE ROLLOUTS ...]

Each rollout is judged after every 100 answers of the challenger (500 where nothing should end it), from shadow to
promotion, by the same functions as in production, on tables as the log of comparisons gives them. Only time is left
out: a step's hours have passed when its answers are there. Writes each into benchmarks/rollout.json as it ends, and
goes on where it was stopped; without arguments all cases, which takes half an hour.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from augment_ops.files import replace_file  # noqa: E402
from augment_ops.rollout.measures import alpha_of  # noqa: E402
from augment_ops.rollout.sequential import mean_interval  # noqa: E402
from support.simulated_rollouts import DEFAULT, Model, rolled_out  # noqa: E402

EVERY, SELDOM = 100, 500
# Rightness is drawn anew on 40% of the samples: two models of 90% differ in it on 7%.
CHAMPION, EQUAL = Model(), {"own": 0.4}
CASES: dict[str, tuple[Model, Model, float, int, int]] = {
    "equal": (CHAMPION, Model(**EQUAL), 1.0, 200, SELDOM),
    "equal, no labels": (CHAMPION, Model(**EQUAL), 0.0, 50, SELDOM),
    # Just what is accepted: half as slow again, 0.2 points more failures, 1 point less accurate, 10 points less sure.
    "at every limit": (
        Model(confidence=0.6),
        Model(**EQUAL, accuracy=0.89, fails=0.002, seconds=0.03, confidence=0.5),
        1.0,
        200,
        SELDOM,
    ),
    "3 points worse": (CHAMPION, Model(**EQUAL, accuracy=0.87), 1.0, 200, EVERY),
    "3 points worse, every fifth label": (CHAMPION, Model(**EQUAL, accuracy=0.87), 0.2, 50, EVERY),
    "3 points worse, no labels": (CHAMPION, Model(**EQUAL, accuracy=0.87), 0.0, 20, EVERY),
    "5 points worse": (CHAMPION, Model(**EQUAL, accuracy=0.85), 1.0, 100, EVERY),
    "3 times slower": (CHAMPION, Model(**EQUAL, seconds=0.06), 0.0, 50, EVERY),
    "1% of requests crash": (CHAMPION, Model(**EQUAL, fails=0.01), 0.0, 50, EVERY),
    "a class lost, no labels": (CHAMPION, Model(**EQUAL, lost=3), 0.0, 50, EVERY),
    "a class lost, labels": (CHAMPION, Model(**EQUAL, lost=3), 1.0, 50, EVERY),
    "25 points less sure": (CHAMPION, Model(**EQUAL, confidence=0.6), 0.0, 50, EVERY),
}


def power() -> dict[str, dict[str, float]]:
    """Share of 600 streams of labelled pairs in which 3 points are shown to be more than 1, by how many pairs."""
    accuracy = DEFAULT.conditions.accuracy
    assert accuracy is not None
    of_pairs = alpha_of(DEFAULT) / 2  # the other half is for the canaries: see measures
    looks, found = np.arange(500, 20_001, 500), {}
    for differ in (0.07, 0.10, 0.15):
        shares, rng = [differ / 2 - 0.015, 1 - differ, differ / 2 + 0.015], np.random.default_rng(3)
        counts = rng.multinomial(500, shares, size=(600, len(looks))).cumsum(axis=1)
        low, _ = mean_interval([-1, 0, 1], counts, of_pairs)
        shown = (low > accuracy.loss_at_most).cumsum(axis=1) > 0
        found[f"{differ:.0%} differ"] = {str(n): round(float(shown[:, looks == n].mean()), 3) for n in looks[3::4]}
    return found


def one(name: str, number: int) -> str:
    """How a rollout of a case ends: in which step, after how many answers, by what."""
    champion, challenger, labelled, _, every = CASES[name]
    rng = np.random.default_rng([number, *name.encode()])
    found = rolled_out(rng, champion, challenger, every=every, labelled=labelled)
    step = [*(step.name for step in DEFAULT.steps), "promoted"][found.step]
    return " ".join([found.ended.replace(" ", "-"), step, str(found.answers), *found.conditions])


def told(name: str, each: list[str]) -> dict[str, Any]:
    """What so many rollouts of a case say."""
    champion, challenger, labelled, _, every = CASES[name]
    found = [line.split(" ") for line in each]
    back = [line for line in found if line[0] == "rolled-back"]
    until = sorted(int(line[2]) for line in back)
    return {
        "champion": asdict(champion),
        "challenger": asdict(challenger),
        "share labelled": labelled,
        "judged after every so many answers": every,
        "rollouts": len(each),
        "ended": dict(Counter(line[0] for line in found)),
        "rolled back in": dict(Counter(line[1] for line in back)),
        "by": dict(Counter(condition for line in back for condition in line[3:])),
        "reached canary-50": sum(line[1] in ("canary-50", "promoted") for line in found),
        "answers until rolled back, median and 95%": np.quantile(until, [0.5, 0.95]).tolist() if back else [],
        "each": each,
    }


def main(arguments: list[str]) -> None:
    """Run the cases that are named until there are as many rollouts of each as is said; those that are kept count."""
    path = HERE / "rollout.json"
    if arguments == ["power"]:
        shown = power()
        kept = json.loads(path.read_text()) if path.exists() else {}
        replace_file(path, json.dumps({"rules": DEFAULT.digest, **kept, "power": shown}, indent=1) + "\n")
        return
    asked = dict(zip(arguments[::2], map(int, arguments[1::2]), strict=True)) or {
        name: case[3] for name, case in CASES.items()
    }
    for name, rollouts in asked.items():
        for _ in range(rollouts):
            kept = json.loads(path.read_text()) if path.exists() else {}
            if kept.get("rules") != DEFAULT.digest:
                kept = {"rules": DEFAULT.digest}
            each = kept.get(name, {"each": []})["each"]
            if len(each) >= rollouts:
                break
            kept[name] = told(name, [*each, one(name, len(each))])
            replace_file(path, json.dumps(kept, indent=1) + "\n")
        print(name, {key: value for key, value in kept[name].items() if key != "each"}, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
