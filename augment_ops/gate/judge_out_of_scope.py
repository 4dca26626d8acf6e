"""The rule that reads how sure the candidate is of samples that belong to no class."""

from __future__ import annotations

import numpy as np

from augment_ops.gate.decision import Evidence, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.gains import gain, gain_interval, shown
from augment_ops.gate.phrasing import interval, points
from augment_ops.gate.rule_models import OutOfScopeRules
from augment_ops.gate.rules import GateRules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import Estimate, below
from augment_ops.stress.out_of_scope import ACCEPTED, area, levels, separations
from augment_ops.stress.report import CLEAN, Role, Separation, ShareOf

# Each draws every sample again; fifty of them lie beyond the 2.5% quantile (`gate.ranked` has the same number).
_MOST_RESAMPLES = 2_000


def out_of_scope(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """What share of them the candidate accepts, and how well it tells them apart beside control and champion.

    Nothing where no rule is set. A suite without such samples is no evidence that a model knows them.
    """
    rule = rules.out_of_scope
    if rule is None or cells.clean("candidate") is None:
        return []
    found = {one.role: one for one in separations(cells.samples.whole)}
    n = found["candidate"].n if found else 0
    if n < rule.min_n:
        message = f"The suite has {n} samples of no class; {rule.min_n} are needed to judge how sure it is of them."
        return [Reason(rule="out_of_scope", outcome="investigate", message=message, threshold=float(rule.min_n), n=n)]
    if evidence.control_digest is None:
        message = "There is no control to compare with how sure the candidate is of samples of no class; train one."
        return [Reason(rule="out_of_scope", outcome="error", message=message)]
    if found["candidate"].accepted is None:
        return [_not_finite("candidate")]
    others: tuple[Role, ...] = ("control",) if evidence.champion_version is None else ("control", "champion")
    return [
        _accepted(rules, rule, cells, found["candidate"].accepted),
        *(_compared(rules, rule, cells.samples, found, against) for against in others if cells.clean(against)),
    ]


def _accepted(rules: GateRules, rule: OutOfScopeRules, cells: Cells, accepted: ShareOf) -> Reason:
    share = cells.share
    n = accepted.n
    estimate = below(round((1 - accepted.value) * n), n, 1 - rule.max_accepted, rules.statistics.confidence)
    message = (
        f"Where {share(ACCEPTED)} of the clean samples are accepted by how sure the candidate is, "
        f"{share(accepted.value)} of {n} samples of no class are as well "
        f"({interval(estimate.low, estimate.high, rules.statistics.confidence)}); at most "
        f"{share(rule.max_accepted)} must be shown."
    )
    return Reason(
        rule="out_of_scope",
        outcome=shown(rules, estimate),
        message=message,
        corruption=CLEAN,
        severity=0,
        measured=accepted.value,
        threshold=rule.max_accepted,
        n=n,
        low=estimate.low,
        high=estimate.high,
        p=estimate.p_safe,
    )


def _compared(
    rules: GateRules, rule: OutOfScopeRules, samples: VerifiedOutcomes, found: dict[Role, Separation], against: Role
) -> Reason:
    ours, theirs = found["candidate"], found[against]
    if theirs.accepted is None:
        return _not_finite(against)
    loss = _loss(samples, against, theirs.area - ours.area, rule.margin)
    message = (
        f"The area under the curve by which the candidate tells samples of no class from others is {ours.area:.3f}, "
        f"{points(-loss.value, sign=True)} against the {against}'s {theirs.area:.3f} "
        f"({gain_interval(rules, loss)}); at most {points(rule.margin)} less must be "
        "shown."
    )
    return gain("out_of_scope", shown(rules, loss), message, loss, against)


def _not_finite(role: Role) -> Reason:
    message = f"The {role} gave logits that are not finite; how sure it is of samples of no class is not known."
    return Reason(rule="out_of_scope", outcome="error", message=message, against=None if role == "candidate" else role)


def _loss(samples: VerifiedOutcomes, against: Role, value: float, limit: float) -> Estimate:
    """How far the candidate's area is below; a paired bootstrap that draws each kind of samples by itself."""
    whole, bootstrap = samples.whole, samples.bootstrap
    assert whole.out_of_scope is not None  # there are samples
    n = whole.out_of_scope.shape[1]
    if whole.models["candidate"] == whole.models[against]:
        return Estimate(value=0.0, low=0.0, high=0.0, n=n, limit=limit, p_harm=1.0, p_safe=0.0)
    roles = list(whole.models)
    coded = [levels(whole.p_predicted[m, 0], whole.out_of_scope[m]) for m in map(roles.index, ("candidate", against))]
    rng, draws = bootstrap.stream(f"out of scope {against}"), []
    inside_n = len(whole.labels)
    for _ in range(min(bootstrap.resamples, _MOST_RESAMPLES)):
        of_class, of_none = rng.integers(0, inside_n, inside_n), rng.integers(0, n, n)
        ours, theirs = (area(inside[of_class], outside[of_none]) for inside, outside in coded)
        draws.append(theirs - ours)
    if np.ptp(draws) == 0:  # both tell them apart without a mistake, say
        return bootstrap.alike(value, n, limit)
    return bootstrap.judged(value, np.array(draws), n, limit)
