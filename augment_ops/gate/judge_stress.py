"""The rules that read the candidate's own stress test: invariance and class recall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from augment_ops.gate.decision import Outcome, Reason, Waiver
from augment_ops.gate.evidence import Cells
from augment_ops.gate.phrasing import of, points
from augment_ops.gate.rule_models import ClassRecall
from augment_ops.gate.rules import GateRules
from augment_ops.gate.statistics import TOLERANCE, Estimate, below, corrected
from augment_ops.stress.report import CLEAN, Cell


def invariance(rules: GateRules, cells: Cells) -> list[Reason]:
    """One reason for each corruption and severity of the candidate, largest gap first."""
    rule, clean = rules.invariance, cells.clean("candidate")
    if clean is None:
        return []
    if clean.n < rule.min_n:
        message = f"The suite has {clean.n} samples; {rule.min_n} are needed to judge gaps."
        return [
            Reason(
                rule="invariance",
                outcome="investigate",
                message=message,
                measured=clean.accuracy,
                threshold=float(rule.min_n),
                n=clean.n,
            )
        ]
    stressed = sorted(cells.stressed("candidate"), key=lambda cell: cell.accuracy)
    return [_gap_reason(rules, cells, clean, cell) for cell in stressed]


def _gap_reason(rules: GateRules, cells: Cells, clean: Cell, cell: Cell) -> Reason:
    share = cells.share
    warn, block = rules.invariance.gaps(cell.corruption)
    before = cell.before(clean)
    gap = before - cell.accuracy
    estimate = cells.samples.gap(cell.corruption, cell.severity, block)
    outcome: Outcome = "pass"
    threshold, doubt = block, ""
    if gap >= block - TOLERANCE:
        outcome = "fail"
    elif rules.invariance.burden == "safety" and estimate.high >= block - TOLERANCE:
        outcome, doubt = "investigate", f"; its {of(estimate, rules.statistics.confidence)} reaches the limit"
    elif gap >= warn - TOLERANCE:
        outcome, threshold = "warn", warn
    message = (
        f"{cell.corruption} at severity {cell.severity} costs {points(gap)} of {rules.measure} "
        f"({share(before)} to {share(cell.accuracy)}; limit {points(threshold)}{doubt})"
    )
    recalls = cell.class_before(clean)
    worst = _worst_hit(recalls, cell) if len(cells.classes) > 1 else None
    if outcome != "pass" and worst is not None:
        message += (
            f", most in class {cells.classes[worst]} ({share(recalls[worst])} to {share(cell.class_recall[worst])})"
        )
    name = cells.classes[worst] if outcome != "pass" and worst is not None else None
    return Reason(
        rule="invariance",
        outcome=outcome,
        message=message + ".",
        corruption=cell.corruption,
        severity=cell.severity,
        class_name=name,
        measured=gap,
        threshold=threshold,
        n=cell.n,
        low=estimate.low,
        high=estimate.high,
        p=estimate.p_safe,
    )


def _worst_hit(recalls: tuple[float | None, ...], cell: Cell) -> int | None:
    """Index of the class whose recall falls most."""
    falls = [
        (before - after, -index)
        for index, (before, after) in enumerate(zip(recalls, cell.class_recall, strict=True))
        if before is not None and after is not None
    ]
    return -max(falls)[1] if falls else None


Judged = list[tuple[int, Cell, Estimate]]  # class, cell, what its recall misses


def class_recall(rules: GateRules, cells: Cells, waivers: Sequence[Waiver] = ()) -> list[Reason]:
    """Floors on every class: a reason for each class and corruption below one, and one that sums up the rest.

    The exact tests are corrected by Holm within the clean cells and within the stressed ones. A recall that is shown to
    be below its floor fails however few samples there are; one that is not shown to be cannot pass with few, unless
    somebody has waived that: then it is a warning. Nobody can waive a class without samples, nor all classes.
    """
    rule, clean = rules.class_recall, cells.clean("candidate")
    if clean is None:
        return []
    waived = {one.class_name: one for one in waivers}
    small = [_too_few(rule, name, n, waived.get(name)) for name, n in _few(rule, cells, clean)]
    on_clean = _against(rules, [clean], rule.clean_floor)
    stressed = _against(rules, cells.stressed("candidate"), rule.stressed_floor)
    low = [_low_class(rules, cells, index, group) for index, group in _by_class(rules, on_clean)]
    low += [_low_class(rules, cells, index, group) for index, group in _by_class(rules, stressed)]
    judged = [item for item in (*on_clean, *stressed) if item[2].n >= rule.min_n]
    if low:
        return small + low
    if not judged:
        return [*small, _nothing_judged(rule, clean)] if all(reason.outcome == "warn" for reason in small) else small
    index, cell, estimate = max(judged, key=lambda item: item[2].value)
    where = "clean" if cell.corruption == CLEAN else f"{cell.corruption} at severity {cell.severity}"
    message = (
        f"No class that can be judged is below its floor; the lowest recall is {cells.share(1 - estimate.value)}, "
        f"class {cells.classes[index]}, {where}."
    )
    return [*small, _reason(cells, "pass", message, index, cell, estimate, estimate.p_harm)]


def _against(rules: GateRules, judged: list[Cell], floor: float) -> Judged:
    """Every class that has samples in every cell, against the floor."""
    items = [
        (index, cell, below(round(recall * n), n, floor, rules.statistics.confidence))
        for cell in judged
        for index, (recall, n) in enumerate(zip(cell.class_recall, cell.class_n, strict=True))
        if recall is not None
    ]
    estimates = corrected([estimate for *_, estimate in items])
    return [(index, cell, estimate) for (index, cell, _), estimate in zip(items, estimates, strict=True)]


def _by_class(rules: GateRules, judged: Judged) -> Iterator[tuple[int, list[tuple[Cell, Estimate, Outcome]]]]:
    """What does not pass, class by class and corruption by corruption."""
    groups: dict[tuple[int, str], list[tuple[Cell, Estimate, Outcome]]] = {}
    for index, cell, estimate in judged:
        outcome = _recall_outcome(rules, estimate)
        if outcome != "pass":
            groups.setdefault((index, cell.corruption), []).append((cell, estimate, outcome))
    for (index, _), group in sorted(groups.items(), key=lambda item: item[0][0]):
        yield index, group


def _recall_outcome(rules: GateRules, estimate: Estimate) -> Outcome:
    rule = rules.class_recall
    if estimate.beyond and estimate.p_harm <= rules.statistics.alpha:
        return "fail"
    if estimate.n < rule.min_n:
        return "pass"  # said once for the class, whatever the cell
    if estimate.beyond or (rule.burden == "safety" and estimate.high > estimate.limit + TOLERANCE):
        return "investigate"
    return "pass"


def _few(rule: ClassRecall, cells: Cells, clean: Cell) -> list[tuple[str, int]]:
    return [(name, n) for name, n in zip(cells.classes, clean.class_n, strict=True) if n < rule.min_n]


def _too_few(rule: ClassRecall, name: str, n: int, waiver: Waiver | None) -> Reason:
    outcome: Outcome = "investigate"
    message = f"Class {name} has {n} samples in the suite; {rule.min_n} are needed to judge its recall."
    if n == 0:
        message = f"Class {name} has no sample in the suite: nothing can be said of it. Add some to the held-out split."
    elif waiver is not None:
        outcome = "warn"
        message = f"{message.rstrip('.')}; waived by {waiver.by} until {waiver.until}: {waiver.reason.rstrip('.')}."
    return Reason(
        rule="class_recall", outcome=outcome, message=message, class_name=name, threshold=float(rule.min_n), n=n
    )


def _nothing_judged(rule: ClassRecall, clean: Cell) -> Reason:
    """Where every class is waived, nobody has looked at any."""
    most = max(clean.class_n, default=0)
    message = f"Every class is waived, and none is judged: one has to have {rule.min_n} samples; the most are {most}."
    return Reason(rule="class_recall", outcome="investigate", message=message, threshold=float(rule.min_n), n=most)


def _low_class(rules: GateRules, cells: Cells, index: int, group: Iterable[tuple[Cell, Estimate, Outcome]]) -> Reason:
    share = cells.share
    found = list(group)
    outcome: Outcome = "fail" if any(verdict == "fail" for *_, verdict in found) else "investigate"
    cell, estimate, _ = max((f for f in found if f[2] == outcome), key=lambda item: item[1].value)
    under = "clean samples" if cell.corruption == CLEAN else "samples"
    where = "" if cell.corruption == CLEAN else f" under {cell.corruption} at severity {cell.severity}"
    low, high = 1 - estimate.high, 1 - estimate.low
    message = (
        f"Class {cells.classes[index]} is recognised in {share(1 - estimate.value)} of {estimate.n} {under}{where} "
        f"(at least {share(1 - estimate.limit)}; {100 * rules.statistics.confidence:g}% interval {share(low)} to "
        f"{share(high)})."
    )
    others = [str(other.severity) for other, *_ in found if other is not cell]
    if others:
        message += f" Also at severity {', '.join(others)}."
    return _reason(cells, outcome, message, index, cell, estimate, estimate.p_harm)


def _reason(
    cells: Cells, outcome: Outcome, message: str, index: int, cell: Cell, estimate: Estimate, p: float
) -> Reason:
    """Recall as a share again, not as what is missing."""
    return Reason(
        rule="class_recall",
        outcome=outcome,
        message=message,
        corruption=cell.corruption,
        severity=cell.severity,
        class_name=cells.classes[index],
        measured=1 - estimate.value,
        threshold=1 - estimate.limit,
        n=estimate.n,
        low=1 - estimate.high,
        high=1 - estimate.low,
        p=p,
    )
