"""The rules that compare the candidate with another model on the same samples: champion, control, unseen corruptions.

Every comparison is a loss: how much more often the other is right. A rule that asks for proof of safety passes where
the whole interval is within the margin, and needs no correction for several of them, because all must pass
(intersection-union; Berger & Hsu 1996, Statistical Science 11(4)). Proof of harm is corrected by Holm.
"""

from __future__ import annotations

import numpy as np

from augment_ops.gate.decision import Evidence, Outcome, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.gains import gain, gain_interval, shown
from augment_ops.gate.phrasing import of, points
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE, Estimate, corrected
from augment_ops.statistics import mean
from augment_ops.stress.report import CLEAN, Role

# One mistake among fewer samples of a class moves its recall by more than 20 points: no comparison.
SMALLEST_CLASS = 5


def champion(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """Clean and mean stressed accuracy, and every class, against the champion's."""
    rule = rules.champion
    if rule is None:
        return [_not_set("champion", "the candidate is not compared with the champion")]
    if evidence.champion_version is None:
        outcome: Outcome = "pass" if rule.first_champion == "allow" else "investigate"
        # Of format 1 as it was worded; the report stands beside the candidate's promotion, which "yet" contradicts.
        none = "There is no champion yet" if evidence.format == 1 else "No model was champion when the gate decided"
        message = f"{none}; the rules let a first one pass."
        if outcome == "investigate":
            message = f"{none}, and the rules ask a person to look at a first one."
        return [Reason(rule="champion", outcome=outcome, message=message)]
    if not (cells.complete("candidate") and cells.complete("champion")):
        return []
    name = f"champion {evidence.champion_version}"
    estimates = corrected(
        [
            cells.samples.loss("champion", (), rule.clean_margin),
            cells.samples.loss("champion", cells.corruptions, rule.stressed_margin),
        ]
    )
    return [
        _not_worse(rules, cells, "champion", f"clean {rules.measure} of {name}", estimates[0], CLEAN),
        _not_worse(rules, cells, "champion", f"mean stressed {rules.measure} of {name}", estimates[1]),
        *_classes(rules, cells, "champion", rule.class_margin),
    ]


def control(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """What the augmentation brings under stress, and what it costs without: as a whole and in every class."""
    rule = rules.control
    if rule is None:
        return [_not_set("control", "the effect of the augmentation is not looked at")]
    if evidence.control_digest is None:
        message = "There is no control to measure the augmentation's effect against; train one."
        return [Reason(rule="control", outcome="error", message=message)]
    if not (cells.complete("candidate") and cells.complete("control")):
        return []
    clean = cells.samples.loss("control", (), rule.clean_margin)
    return [
        _effect(rules, cells),
        _not_worse(rules, cells, "control", f"clean {rules.measure} of the control", clean, CLEAN),
        *_classes(rules, cells, "control", rule.class_margin),
    ]


def unseen(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """Progress on the corruptions that the policy does not train on."""
    rule = rules.unseen
    if rule is None:
        return [_not_set("unseen", "progress on corruptions that the policy does not train on is not demanded")]
    if not cells.unseen:
        demanded = rule.min_gain >= 0
        message = "The policy trains on every corruption of the suite: nothing in it is unseen."
        return [Reason(rule="unseen", outcome="investigate" if demanded else "not-set", message=message)]
    if evidence.control_digest is None:
        return [
            Reason(
                rule="unseen", outcome="error", message="There is no control to measure progress against; train one."
            )
        ]
    if not (cells.complete("candidate") and cells.complete("control")):
        return []
    loss = cells.samples.loss("control", cells.unseen, -rule.min_gain)
    names = ", ".join(cells.unseen)
    message = (
        f"On what the policy does not train on ({names}) it changes mean {rules.measure} by "
        f"{points(-loss.value, sign=True)} over the control "
        f"({gain_interval(rules, loss)}); at least {points(rule.min_gain, sign=True)} must be shown."
    )
    return [gain("unseen", shown(rules, loss), message, loss, "control", clean=False)]


def _effect(rules: GateRules, cells: Cells) -> Reason:
    share = cells.share
    rule = rules.control
    assert rule is not None  # the caller has looked
    loss = cells.samples.loss("control", cells.corruptions, -rule.min_gain)
    theirs, ours = (_mean_accuracy(cells, role) for role in ("control", "candidate"))
    same = (
        " (the same model)"
        if cells.samples.outcomes.models["candidate"] == cells.samples.outcomes.models["control"]
        else ""
    )
    found = (
        f"Augmentation changes mean stressed {rules.measure} by {points(-loss.value, sign=True)} over the "
        f"control{same}, {share(theirs)} to {share(ours)} ({gain_interval(rules, loss)})"
    )
    outcome: Outcome
    if loss.p_safe <= rules.statistics.alpha:
        outcome, message = "pass", f"{found}; at least {points(rule.min_gain, sign=True)} is shown."
    elif loss.low > max(rule.min_gain, 0.0) + TOLERANCE:
        outcome, message = "fail", f"{found}: the policy does harm."
    else:
        outcome, message = rule.no_effect, f"{found}: no effect of {points(rule.min_gain, sign=True)} is shown."
    return gain("control", outcome, message, loss, "control", clean=False)


def _not_worse(
    rules: GateRules, cells: Cells, against: Role, what: str, loss: Estimate, corruption: str | None = None
) -> Reason:
    """Pass where the loss is shown to be within the margin, fail where it is shown to be beyond."""
    share = cells.share
    outcome = shown(rules, loss)
    ours, theirs = (_accuracy(cells, role, corruption) for role in ("candidate", against))
    relation = (
        f"{points(loss.value)} below"
        if loss.value > 0
        else f"{points(-loss.value)} above"
        if loss.value
        else "equal to"
    )
    spread = of(loss, rules.statistics.confidence)
    sure = {"pass": "accepted", "fail": "accepted", "investigate": "accepted, which is not shown"}[outcome]
    message = (
        f"The candidate's {share(ours)} is {relation} the {what} ({share(theirs)}; {spread} below); "
        f"at most {points(loss.limit)} below is {sure}."
    )
    return Reason(
        rule=against,
        outcome=outcome,
        message=message,
        corruption=corruption,
        severity=None if corruption is None else 0,
        class_name=None,
        measured=loss.value,
        threshold=loss.limit,
        n=loss.n,
        low=loss.low,
        high=loss.high,
        p=loss.p_safe,
        against=against,
    )


def _classes(rules: GateRules, cells: Cells, against: Role, margin: float) -> list[Reason]:
    """Every class whose loss is shown to be beyond the margin, or is measured beyond it; one reason for the rest.

    The burden of proof is on the gate: 45 samples of a class cannot show a loss of 10 points to be absent.
    """
    labels, (_, left_in) = cells.samples.outcomes.labels, cells.samples.hits(against, cells.corruptions)
    items: list[tuple[int, bool, Estimate]] = [
        (label, stressed, cells.samples.loss(against, cells.corruptions if stressed else (), margin, label))
        for stressed in (False, True)
        for label in range(len(cells.classes))
        if ((labels == label) & (left_in > 0 if stressed else True)).sum() >= SMALLEST_CLASS
    ]
    losses = corrected([loss for *_, loss in items])
    found = [(label, stressed, loss) for (label, stressed, _), loss in zip(items, losses, strict=True)]
    reasons = [_class_loss(rules, cells, against, *item) for item in found if item[2].beyond]
    if reasons or not found:
        return reasons
    label, stressed, worst = max(found, key=lambda item: item[2].value)
    where = "under stress" if stressed else "clean"
    change = f"loses most, {points(worst.value)}" if worst.value > 0 else "is the nearest to a loss, with none"
    message = (
        f"No class is measured more than {points(margin)} below the {against}'s recall; class {cells.classes[label]} "
        f"{change} ({where}; {of(worst, rules.statistics.confidence)})."
    )
    return [_class_reason(cells, against, "pass", message, label, stressed, worst)]


def _class_loss(rules: GateRules, cells: Cells, against: Role, label: int, stressed: bool, loss: Estimate) -> Reason:
    outcome: Outcome = "fail" if loss.p_harm <= rules.statistics.alpha else "investigate"
    where = "mean recall under stress" if stressed else "clean recall"
    doubt = "" if outcome == "fail" else ", which is not enough to tell"
    message = (
        f"Class {cells.classes[label]} loses {points(loss.value)} of {where} against the {against} "
        f"({of(loss, rules.statistics.confidence)}, n = {loss.n}{doubt}); at most {points(loss.limit)} is accepted."
    )
    return _class_reason(cells, against, outcome, message, label, stressed, loss)


def _class_reason(
    cells: Cells, against: Role, outcome: Outcome, message: str, label: int, stressed: bool, loss: Estimate
) -> Reason:
    return Reason(
        rule=against,
        outcome=outcome,
        message=message,
        corruption=None if stressed else CLEAN,
        severity=None if stressed else 0,
        class_name=cells.classes[label],
        measured=loss.value,
        threshold=loss.limit,
        n=loss.n,
        low=loss.low,
        high=loss.high,
        p=loss.p_harm,
        against=against,
    )


def _accuracy(cells: Cells, role: Role, corruption: str | None) -> float:
    clean = cells.clean(role)
    return _mean_accuracy(cells, role) if corruption is None or clean is None else clean.accuracy


def _mean_accuracy(cells: Cells, role: Role) -> float:
    found = cells.stressed(role)
    if any(cell.remains is not None for cell in found):  # each sample over the cells in which it is left, as in losses
        return float(np.nanmean(cells.samples.stressed(role, cells.corruptions)))
    return mean(cell.accuracy for cell in found)


def _not_set(rule: str, consequence: str) -> Reason:
    return Reason(rule=rule, outcome="not-set", message=f"No rule is set: {consequence}.")
