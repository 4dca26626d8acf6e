"""The rule that reads how well the class that alerts are for is ordered before the rest, whatever their rate."""

from __future__ import annotations

from augment_ops.gate.decision import Evidence, Outcome, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.gains import gain, gain_interval
from augment_ops.gate.phrasing import points
from augment_ops.gate.ranked import RankedSamples
from augment_ops.gate.rule_models import AveragePrecision
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE, Estimate
from augment_ops.stress.definition import AlertsSpec
from augment_ops.stress.operating import operating_points
from augment_ops.stress.report import OperatingPoint, Role, ShareOf


def average_precision(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """Average precision against the control and, where there is one, the champion; nothing where no rule is set.

    Where a score is no number, the cell is no evidence, and nothing is said here.
    """
    rule, wanted = rules.average_precision, rules.alerts
    if rule is None or wanted is None or cells.clean("candidate") is None:
        return []
    name = f"average precision of class {wanted.class_name}"
    ranked = RankedSamples(cells.samples)
    if ranked.n < rule.min_n:
        found = f"{ranked.n} samples of class {wanted.class_name}"
        return [
            Reason(
                rule="average_precision",
                outcome="investigate",
                message=f"The suite has {found}; {rule.min_n} are needed to judge the {name}.",
                threshold=float(rule.min_n),
                n=ranked.n,
            )
        ]
    if evidence.control_digest is None:
        message = f"There is no control to measure the {name} against; train one."
        return [Reason(rule="average_precision", outcome="error", message=message)]
    others: tuple[Role, ...] = ("control",) if evidence.champion_version is None else ("control", "champion")
    return [
        _compared(rules, rule, cells, ranked, against, name) for against in others if cells.clean(against) is not None
    ]


def operating(rules: GateRules, cells: Cells) -> list[Reason]:
    """What each model gives at the threshold that was chosen for it before: said, and judged by no rule.

    Recall at a fixed rate is judged instead, which no choice of a threshold can lift.
    """
    alerts = rules.alerts
    if alerts is None or alerts.threshold is None or cells.clean("candidate") is None:
        return []
    return [_at_threshold(alerts, cells, point) for point in operating_points(cells.samples.whole)]


def _at_threshold(alerts: AlertsSpec, cells: Cells, point: OperatingPoint) -> Reason:
    share = cells.share
    by_rate = alerts.threshold == "rate"
    asked = f"a rate of {share(alerts.rate)}" if by_rate else f"a precision of {share(alerts.precision)}"
    against = None if point.role == "candidate" else point.role
    if point.threshold is None or point.alerts is None:
        message = f"No threshold was found for the {point.role} that gives {asked} on the validation split."
        return Reason(rule="operating", outcome="not-set", message=message, against=against)
    recall, precision = (_said(cells, found) for found in (point.recall, point.precision))
    message = (
        f"At the {point.role}'s threshold of {point.threshold:.4g}, chosen on the validation split for {asked}, "
        f"{_said(cells, point.alerts)} of the test samples have an alert; recall {recall}, precision {precision}."
    )
    return Reason(
        rule="operating",
        outcome="not-set",
        message=message,
        class_name=alerts.class_name,
        measured=point.alerts.value,
        n=point.alerts.n,
        low=point.alerts.low,
        high=point.alerts.high,
        against=against,
    )


def _said(cells: Cells, found: ShareOf | None) -> str:
    """A share with its interval."""
    share = cells.share
    return "unknown" if found is None else f"{share(found.value)} ({share(found.low)} to {share(found.high)})"


def _compared(
    rules: GateRules, rule: AveragePrecision, cells: Cells, ranked: RankedSamples, against: Role, name: str
) -> Reason:
    share = cells.share
    accepted = -rule.min_gain if against == "control" else rule.champion_margin
    loss = ranked.loss(against, accepted)
    message = (
        f"On clean samples the {name} is {share(ranked.value('candidate'))}, {points(-loss.value, sign=True)} against "
        f"the {against}'s {share(ranked.value(against))} "
        f"({gain_interval(rules, loss)}); at least "
        f"{points(-accepted, sign=True)} must be shown."
    )
    return gain("average_precision", _outcome(rules, rule, loss, against), message, loss, against)


def _outcome(rules: GateRules, rule: AveragePrecision, loss: Estimate, against: Role) -> Outcome:
    """Pass where it is shown; fail where harm is: beyond the margin, or of a policy that was to bring something."""
    if loss.p_safe <= rules.statistics.alpha:
        return "pass"
    if loss.low > max(-loss.limit if against == "control" else loss.limit, 0.0) + TOLERANCE:
        return "fail"
    return rule.no_effect if against == "control" else "investigate"
