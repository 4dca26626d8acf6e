"""What is shown to be broken wins; a step is passed when all it needs is there; reasons say which, with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from augment_ops.rollout.judge import Judgement, MeasuredCondition, judge
from augment_ops.rollout.rules import RolloutRules
from support.simulated_rollouts import DEFAULT

ACCURACY = MeasuredCondition(
    condition="accuracy", about="", step=None, estimate=0.031, low=0.012, high=0.05, limit=0.01, n=3412, state="broken"
)
OPEN = replace(ACCURACY, estimate=0.0, low=-0.02, state="open")
HOLDS = replace(ACCURACY, estimate=-0.01, low=-0.02, high=0.0, state="holds")
RECALL = replace(HOLDS, condition="recall", about="7", limit=0.1)
LATENCY = replace(OPEN, condition="latency", step=1, estimate=1.1, low=0.4, high=None, limit=1.5, n=212)
ENOUGH: dict[str, Any] = {"answers": 10_000, "hours": 1.0}


def judged(
    rules: RolloutRules,
    step: int,
    measured: Sequence[MeasuredCondition],
    *,
    answers: int,
    hours: float,
    champion_answers: int = 10_000,
) -> Judgement:
    return judge(rules, step, measured, answers=answers, champion_answers=champion_answers, hours=hours)


def demanding(**conditions: Any) -> RolloutRules:
    content = DEFAULT.model_dump(mode="json")
    for name, values in conditions.items():
        content["conditions"][name].update(values)
    return RolloutRules.model_validate(content)


def test_what_is_broken_is_rolled_back_whatever_else_there_is() -> None:
    found = judged(DEFAULT, 0, [HOLDS, ACCURACY, LATENCY], answers=3, hours=0.0)
    assert found.action == "roll back"
    assert found.reasons == (
        "Accuracy in the shadows falls by 3.1 points (1.2 to 5.0), n = 3,412; 1.0 points at most is accepted: "
        "accuracy is shown to be broken.",
    )
    assert judged(DEFAULT, 0, [ACCURACY], answers=3, hours=1e6).action == "roll back"


def test_a_step_needs_its_answers_and_its_hours() -> None:
    assert judged(DEFAULT, 0, [], **ENOUGH).action == "advance"
    few = judged(DEFAULT, 0, [], answers=9_999, hours=1.0)
    early = judged(DEFAULT, 0, [], answers=10_000, hours=0.5)
    assert (few.action, early.action) == ("go on", "go on")
    assert few.reasons[0] == "shadow has 9,999 of 10,000 answers."
    assert early.reasons[0] == "shadow has lasted 30 minutes of 1 hour."


def with_canaries(*shares: float) -> RolloutRules:
    content = DEFAULT.model_dump(mode="json")
    canaries = [{**content["steps"][-1], "name": f"of-{share:g}".replace(".", "-"), "share": share} for share in shares]
    content["steps"] = [content["steps"][0], *canaries]
    return RolloutRules.model_validate(content)


def test_a_canary_needs_the_champions_answers_as_well() -> None:
    """Three answers of a champion cannot show that a challenger fails on every request; in a shadow they are pairs."""
    rules, enough = with_canaries(0.01, 0.5, 0.9, 1.0), {"answers": 5000, "hours": 2.0}
    few = judged(rules, 2, [], **enough, champion_answers=3)
    assert (few.action, few.reasons[0]) == ("go on", "of-0-5 has 3 of 5,000 answers of the champion to compare with.")
    late = judged(rules, 2, [], answers=5000, hours=73.0, champion_answers=3)
    assert (late.action, late.reasons[1]) == ("pause", few.reasons[0])
    wanted = [one.champion_answers for one in rules.steps]
    assert wanted == [0, 5000, 5000, 556, 0]  # where the challenger is asked nine times as often, nine times as few
    for step, least in enumerate(wanted):
        assert judged(rules, step, [], answers=10_000, hours=2.0, champion_answers=least).action == "advance"
        if least:
            assert judged(rules, step, [], answers=10_000, hours=2.0, champion_answers=least - 1).action == "go on"


def test_a_step_that_takes_too_long_ends_as_the_rules_say() -> None:
    content = DEFAULT.model_dump(mode="json")
    content["steps"][1]["otherwise"] = "roll_back"
    rules = RolloutRules.model_validate(content)
    paused = judged(rules, 2, [], answers=5, hours=72.5)
    back = judged(rules, 1, [], answers=5, hours=72.5)
    assert (paused.action, back.action) == ("pause", "roll back")
    assert paused.reasons[:2] == (
        "canary-10 has taken 72.5 hours, and 72 hours is the longest.",
        "canary-10 has 5 of 1,000 answers.",
    )
    assert judged(rules, 1, [], answers=200, hours=72.5).action == "advance"
    assert judged(rules, 1, [], answers=5, hours=72.0).action == "go on"


def test_what_has_to_be_shown_is_waited_for() -> None:
    rules = demanding(accuracy={"shown": True})
    assert judged(rules, 0, [OPEN], **ENOUGH).action == "go on"
    assert judged(rules, 0, [HOLDS], **ENOUGH).action == "advance"
    assert judged(rules, 0, [OPEN], answers=10_000, hours=169.0).action == "pause"
    never = judged(rules, 0, [], **ENOUGH)
    assert never.action == "go on"
    assert never.reasons[0] == "accuracy has to be shown to hold, and is not. No label has come."


def test_what_holds_in_another_step_is_not_shown_in_this_one() -> None:
    rules, here = demanding(latency={"shown": True}), replace(LATENCY, state="holds")
    enough: dict[str, Any] = {"answers": 5000, "hours": 2.0}
    assert judged(rules, 1, [here], **enough).action == "advance"
    assert judged(rules, 2, [here], **enough).action == "go on"
    assert judged(rules, 2, [here, replace(here, step=2)], **enough).action == "advance"


def test_a_class_that_holds_does_not_show_it_of_all() -> None:
    rules = demanding(agreement={"shown": True})
    of_class = replace(HOLDS, condition="agreement", about="3", limit=0.5)
    assert judged(rules, 0, [of_class], **ENOUGH).action == "go on"
    assert judged(rules, 0, [of_class, replace(of_class, about="")], **ENOUGH).action == "advance"


def test_an_advance_says_what_is_known_and_what_is_not() -> None:
    few = replace(OPEN, n=12)
    said = judged(DEFAULT, 1, [LATENCY, few, RECALL, replace(RECALL, about="8", state="open")], **ENOUGH)
    assert said.action == "advance"
    assert said.reasons == (
        "canary-1: 10,000 answers in 1 hour, and nothing is shown to be broken.",
        "agreement: not judged, no answers have come that it could be measured by.",
        "errors: not judged, no answers have come that it could be measured by.",
        "The p95 of latency in canary-1 is 1.10 times the champion's (0.40 or more), n = 212; 1.5 times at most is "
        "accepted: latency is neither shown to hold nor broken.",
        "confidence: not judged, no answers have come that it could be measured by.",
        "inputs: not judged, no answers have come that it could be measured by.",
        "Accuracy in the shadows falls by 0.0 points (-2.0 to 5.0), n = 12; 1.0 points at most is accepted, and 200 "
        "labels are needed to judge it.",
        "recall: none of 2 classes is shown to be broken, 1 shown to hold.",
        "slice_agreement: not judged, too few answers have come, or the log keeps nothing of what was asked.",
        "slice_accuracy: not judged, no slice of the inputs has 30 labels, or the log keeps nothing of what was asked.",
    )


@pytest.mark.parametrize(
    ("condition", "about", "said"),
    [
        ("agreement", "3", "Agreement with the champion on what it calls 3 in canary-10 is 4.0% (-1.0 to 20.0)"),
        ("agreement", "", "Agreement in canary-10 is 4.0% (-1.0 to 20.0)"),
        ("errors", "", "The share of requests that fail in canary-10 rises by 4.0 points (-1.0 to 20.0)"),
        ("confidence", "", "The mean confidence in canary-10 moves by +4.0 points (-1.0 to 20.0)"),
        ("inputs", "amount", "The input amount in canary-10 differs between the two by a PSI of 0.04"),
        ("recall", "3", "Recall of class 3 in canary-10 falls by 4.0 points (-1.0 to 20.0)"),
        (
            "slice_agreement",
            "mean is 3 at most",
            "Agreement with the champion where mean is 3 at most in canary-10 is 4.0%",
        ),
        ("slice_accuracy", "shop is 'b'", "Accuracy where shop is 'b' in canary-10 falls by 4.0 points (-1.0 to 20.0)"),
    ],
)
def test_every_condition_has_words(condition: str, about: str, said: str) -> None:
    one = MeasuredCondition(
        condition=condition,
        about=about,
        step=2,
        estimate=0.04,
        low=-0.01,
        high=0.2,
        limit=0.01,
        n=500,
        state="broken",
    )
    (reason,) = judged(DEFAULT, 2, [one], answers=1, hours=0.0).reasons
    assert reason.startswith(said)
    assert reason.endswith(f"{condition.replace('_', ' ')} is shown to be broken.")
