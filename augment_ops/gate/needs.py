"""How many held-out samples a gate needs before it can pass anything; known before any model is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from augment_ops.gate.phrasing import listed
from augment_ops.gate.rules import GateRules
from augment_ops.stress.outcomes import merged

_FEWEST_CLASSES = 2


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a rule needs more of: as long as it has no more, no verdict is `PASS`, whatever the models do.

    Attributes:
        rule: name as in the gate's file.
        has: class → samples that the suite has of it, fewest first; the key is empty where the rule counts all.
        least: samples that the rule needs, of each class or of all.
        of: how many classes are judged.
    """

    rule: str
    has: Mapping[str, int]
    least: int
    of: int


def unmet(rules: GateRules, counts: Mapping[str, int], waived: Collection[str] = (), *, outside: int = 0) -> list[Need]:
    """The needs that a suite of these samples does not meet; none where the gate can judge all that it has to.

    Args:
        counts: class, or band of a ranking → its samples in the suite, 0 for one without; with alerts, those of the
            class that is looked for count alone, and classes that are judged as one together.
        waived: classes, as they are judged, that may go unjudged: where they have samples, and another is judged.
        outside: samples of no class in the suite.
    """
    judged = _judged(rules, counts)
    found = []
    total = sum(judged.values())
    if total < rules.invariance.min_n:
        found.append(Need(rule="invariance", has={"": total}, least=rules.invariance.min_n, of=len(judged)))
    if rules.out_of_scope is not None and outside < rules.out_of_scope.min_n:
        found.append(Need(rule="out_of_scope", has={"": outside}, least=rules.out_of_scope.min_n, of=len(judged)))
    few = {name: n for name, n in judged.items() if n < rules.class_recall.min_n}
    most = max(few, key=lambda name: few[name], default="")
    none_judged = len(few) == len(judged)
    few = {name: n for name, n in few.items() if name not in waived or n == 0}
    if none_judged and most and not few:
        few = {most: judged[most]}  # the one that lacks least
    if few:
        has = dict(sorted(few.items(), key=lambda item: item[1]))
        found.append(Need(rule="class_recall", has=has, least=rules.class_recall.min_n, of=len(judged)))
    return found


def alike_fault(rules: GateRules, classes: Sequence[str]) -> str:
    """What is wrong with judging classes as one on this data set; empty where nothing is.

    Classes that are not there are mistyped; where all are one, every model is right.
    """
    strange = tuple(name for group in rules.equivalent for name in group if name not in classes)
    if strange:
        return f"the data set has no class {listed(strange)}, which the rules judge as one with others"
    if rules.equivalent and len(merged(classes, rules.equivalent)[0]) < _FEWEST_CLASSES:
        return "the rules judge all classes as one: nothing is left to be wrong about"
    return ""


def _judged(rules: GateRules, counts: Mapping[str, int]) -> dict[str, int]:
    if rules.alerts is not None:
        return {rules.alerts.class_name: counts.get(rules.alerts.class_name, 0)}
    names, codes = merged(tuple(counts), rules.equivalent)
    found = dict.fromkeys(names, 0)
    for n, code in zip(counts.values(), codes, strict=True):
        found[names[code]] += n
    return found
