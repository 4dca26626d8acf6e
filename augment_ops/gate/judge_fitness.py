"""Whether a cell says anything about a model: what a corruption destroys of this data set is no evidence.

Which samples are destroyed is a fact of the frozen suite, the same for every model, and is in the per-sample outcomes.
They are left out of every gap, recall and mean. A cell that destroys too much is unfit for this data set: the
corruption is judged at the highest severity below it that is fit, and where none is, it cannot be judged.
"""

from __future__ import annotations

import numpy as np

from augment_ops.gate.decision import Outcome, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE
from augment_ops.gate.unfit import Unfit, unfit
from augment_ops.stress.outcomes import Outcomes


def fitness(rules: GateRules, cells: Cells) -> list[Reason]:
    """A reason for each cell that the rules ask for and that is unfit, and one that sums up what is destroyed.

    Outcomes of before do not know what is left: rules of before, which do not ask, judge them as they did.
    """
    outcomes = cells.samples.outcomes
    if outcomes.destroyed is None:
        if rules.fitness is None:
            return []
        message = "What the corruptions left of each sample is not in the outcomes; run stress_test again."
        return [Reason(rule="fitness", outcome="error", message=message)]
    asked = [(name, s) for name in cells.corruptions for s in sorted(rules.invariance.severities)]
    found = [fault for address in asked if (fault := unfit(rules, outcomes, *address)) is not None]
    return [_unfit(rules, cells, fault) for fault in found] + [_summary(rules, cells, outcomes)]


def _unfit(rules: GateRules, cells: Cells, fault: Unfit) -> Reason:
    below = [s for s in cells.judged[fault.corruption] if s < fault.severity]
    outcome: Outcome = "warn" if below else "investigate"
    instead = "no severity up to it is fit, so it cannot be judged"
    if below:
        instead = f"it is judged at severity {max(below)}"
    of_them = f"{cells.share(fault.destroyed / fault.n)}: {_causes(cells.samples.outcomes, fault)}"
    message = (
        f"{fault.corruption} at severity {fault.severity} leaves nothing of {fault.destroyed} of {fault.n} samples "
        f"({of_them}), {fault.why(cells.share)}: it is unfit for this data set, and {instead}."
    )
    limit = None if rules.fitness is None else rules.fitness.max_destroyed
    return Reason(
        rule="fitness",
        outcome=outcome,
        message=message,
        corruption=fault.corruption,
        severity=fault.severity,
        class_name=fault.class_name,
        measured=fault.destroyed / fault.n,
        threshold=limit,
        n=fault.n,
    )


def _causes(outcomes: Outcomes, fault: Unfit) -> str:
    assert outcomes.destroyed is not None  # the caller has looked
    codes = outcomes.destroyed[outcomes.addresses.index((fault.corruption, fault.severity))]
    counts = np.bincount(codes, minlength=len(outcomes.causes) + 1)[1:]
    return ", ".join(f"{cause} {n}" for cause, n in zip(outcomes.causes, counts.tolist(), strict=True) if n)


def _summary(rules: GateRules, cells: Cells, outcomes: Outcomes) -> Reason:
    judged = [(name, s) for name in cells.corruptions for s in cells.judged[name]]
    share_of = {address: _share(outcomes, address) for address in judged if address in outcomes.addresses}
    worst = max(share_of, key=lambda address: share_of[address], default=None)
    found = "Of no cell that is judged a sample is destroyed"
    if worst is not None and share_of[worst] > TOLERANCE:
        found = (
            f"In {sum(value > TOLERANCE for value in share_of.values())} of {len(share_of)} cells that are judged "
            f"samples are destroyed, at most {cells.share(share_of[worst])} ({worst[0]} at severity {worst[1]}); they "
            "are left out"
        )
    if rules.fitness is None:
        message = f"No rule is set: a cell is judged on what is left, however little. {found}."
        return Reason(rule="fitness", outcome="not-set", message=message)
    highest = 0.0 if worst is None else share_of[worst]
    limit = rules.fitness.max_destroyed
    return Reason(
        rule="fitness", outcome="pass", message=f"{found}.", measured=highest, threshold=limit, n=len(outcomes.labels)
    )


def _share(outcomes: Outcomes, address: tuple[str, int]) -> float:
    return float(1 - outcomes.left[outcomes.addresses.index(address)].mean())
