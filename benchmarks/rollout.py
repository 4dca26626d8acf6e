"""Rollouts of made-up models under the default rules: how often an equal one goes back, and when a worse one does.

    python benchmarks/rollout.py [CASE ROLLOUTS ...]

Each rollout is judged after every 100 answers of the challenger, from shadow to promotion, by the same functions as in
production, on tables as the log of comparisons gives them. Only time is left out: a step's hours have passed when its
answers are there. Writes its cases into benchmarks/rollout.json; without arguments all, which takes half an hour.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.simulated_rollouts import DEFAULT, Model, rolled_out  # noqa: E402

EVERY = 100
# Rightness is drawn anew on 40% of the samples: two models of 90% differ in it on 7%.
CHAMPION, EQUAL = Model(), {"own": 0.4}
CASES: dict[str, tuple[Model, Model, float, int]] = {
    "equal": (CHAMPION, Model(**EQUAL), 1.0, 200),
    "equal, no labels": (CHAMPION, Model(**EQUAL), 0.0, 50),
    # Just what is accepted: half as slow again, 0.2 points more failures, 1 point less accurate, 10 points less sure.
    "at every limit": (
        Model(confidence=0.6),
        Model(**EQUAL, accuracy=0.89, fails=0.002, seconds=0.03, confidence=0.5),
        1.0,
        200,
    ),
    "3 points worse": (CHAMPION, Model(**EQUAL, accuracy=0.87), 1.0, 200),
    "3 points worse, every fifth label": (CHAMPION, Model(**EQUAL, accuracy=0.87), 0.2, 50),
    "3 points worse, no labels": (CHAMPION, Model(**EQUAL, accuracy=0.87), 0.0, 20),
    "5 points worse": (CHAMPION, Model(**EQUAL, accuracy=0.85), 1.0, 100),
    "3 times slower": (CHAMPION, Model(**EQUAL, seconds=0.06), 0.0, 50),
    "1% of requests crash": (CHAMPION, Model(**EQUAL, fails=0.01), 0.0, 50),
    "a class lost, no labels": (CHAMPION, Model(**EQUAL, lost=3), 0.0, 50),
    "a class lost, labels": (CHAMPION, Model(**EQUAL, lost=3), 1.0, 50),
    "25 points less sure": (CHAMPION, Model(**EQUAL, confidence=0.6), 0.0, 50),
}


def measured(name: str, rollouts: int) -> dict[str, Any]:
    """How so many rollouts of a case ended."""
    champion, challenger, labelled, _ = CASES[name]
    rng, began = np.random.default_rng([ord(letter) for letter in name]), time.process_time()
    found = [rolled_out(rng, champion, challenger, every=EVERY, labelled=labelled) for _ in range(rollouts)]
    steps = [*(step.name for step in DEFAULT.steps), "promoted"]
    back = [one for one in found if one.ended == "rolled back"]
    until = np.array([one.answers for one in back] or [np.nan])
    last = len(DEFAULT.steps) - 1
    return {
        "champion": asdict(champion),
        "challenger": asdict(challenger),
        "share labelled": labelled,
        "rollouts": rollouts,
        "ended": dict(Counter(one.ended for one in found)),
        "rolled back in": dict(Counter(steps[one.step] for one in back)),
        "by": dict(Counter(condition for one in back for condition in one.conditions)),
        f"reached {DEFAULT.steps[last].name}": sum(one.step >= last for one in found),
        "answers until rolled back, median": float(np.median(until)),
        "answers until rolled back, 95%": float(np.quantile(until, 0.95)),
        "processor seconds": round(time.process_time() - began),
    }


def main(arguments: list[str]) -> None:
    """Run the cases that are named, each with the number of rollouts after it."""
    asked = dict(zip(arguments[::2], map(int, arguments[1::2]), strict=True)) or {
        name: case[-1] for name, case in CASES.items()
    }
    path = HERE / "rollout.json"
    for name, rollouts in asked.items():
        result = measured(name, rollouts)
        kept = json.loads(path.read_text()) if path.exists() else {}
        kept |= {"rules": DEFAULT.digest, "judged every": EVERY, name: result}
        path.write_text(json.dumps(kept, indent=1).replace("NaN", "null") + "\n")
        print(name, result)


if __name__ == "__main__":
    main(sys.argv[1:])
