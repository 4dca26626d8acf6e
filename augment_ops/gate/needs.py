"""How many held-out samples a gate needs before it can pass anything; known before any model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from augment_ops.gate.rules import GateRules


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a rule needs more of: as long as it has no more, no verdict is `PASS`, whatever the models do.

    Attributes:
        rule: name as in the gate's file.
        has: class → samples that the suite has of it, fewest first; the key is empty where the rule counts all.
        least: samples that the rule needs, of each class or of all.
    """

    rule: str
    has: Mapping[str, int]
    least: int


def unmet(rules: GateRules, counts: Mapping[str, int]) -> list[Need]:
    """The needs that a suite of these samples does not meet; none where the gate can judge all that it has to.

    Args:
        counts: class → its samples in the suite, 0 for a class without; with alerts, those of the class that is looked
            for count alone.
    """
    judged = dict(counts) if rules.alerts is None else {rules.alerts.class_name: counts.get(rules.alerts.class_name, 0)}
    found = []
    total = sum(judged.values())
    if total < rules.invariance.min_n:
        found.append(Need(rule="invariance", has={"": total}, least=rules.invariance.min_n))
    few = {name: n for name, n in judged.items() if n < rules.class_recall.min_n}
    if few:
        has = dict(sorted(few.items(), key=lambda item: item[1]))
        found.append(Need(rule="class_recall", has=has, least=rules.class_recall.min_n))
    return found
