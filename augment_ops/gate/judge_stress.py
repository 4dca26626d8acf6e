"""The rules that read the stress test: invariance, class recall, champion, control."""

from __future__ import annotations

from collections.abc import Iterator

from augment_ops.gate.decision import Evidence, Outcome, Reason
from augment_ops.gate.evidence import Cells
from augment_ops.gate.rules import ClassRecall, GateRules
from augment_ops.stress.report import CLEAN, Cell, Role

# A threshold in decimals and a quotient of counts meet with an error of this size: 0.95 - 0.80 is 0.1499….
TOLERANCE = 1e-9


def invariance(rules: GateRules, cells: Cells) -> list[Reason]:
    """One reason for each corruption and severity of the candidate, largest gap first."""
    rule, clean = rules.invariance, cells.clean("candidate")
    if clean is None:
        return []
    if clean.n < rule.min_n:
        message = f"The suite has {clean.n} samples; {rule.min_n} are needed to judge gaps."
        return [Reason("invariance", "investigate", message, measured=clean.accuracy, threshold=rule.min_n, n=clean.n)]
    stressed = sorted(cells.stressed("candidate"), key=lambda cell: cell.accuracy)
    return [_gap_reason(rules, cells, clean, cell) for cell in stressed]


def _gap_reason(rules: GateRules, cells: Cells, clean: Cell, cell: Cell) -> Reason:
    gap = clean.accuracy - cell.accuracy
    outcome: Outcome = "pass"
    threshold = rules.invariance.block_gap
    if gap >= rules.invariance.block_gap - TOLERANCE:
        outcome = "fail"
    elif gap >= rules.invariance.warn_gap - TOLERANCE:
        outcome, threshold = "warn", rules.invariance.warn_gap
    message = (
        f"{cell.corruption} at severity {cell.severity} costs {points(gap)} of accuracy "
        f"({share(clean.accuracy)} to {share(cell.accuracy)}; limit {points(threshold)})"
    )
    worst = _worst_hit(clean, cell)
    if outcome != "pass" and worst is not None:
        message += (
            f", most in class {cells.classes[worst]} "
            f"({share(clean.class_recall[worst])} to {share(cell.class_recall[worst])})"
        )
    name = cells.classes[worst] if outcome != "pass" and worst is not None else None
    return Reason("invariance", outcome, message + ".", cell.corruption, cell.severity, name, gap, threshold, cell.n)


def _worst_hit(clean: Cell, cell: Cell) -> int | None:
    """Index of the class whose recall falls most."""
    falls = [
        (before - after, -index)
        for index, (before, after) in enumerate(zip(clean.class_recall, cell.class_recall, strict=True))
        if before is not None and after is not None
    ]
    return -max(falls)[1] if falls else None


def class_recall(rules: GateRules, cells: Cells) -> list[Reason]:
    """Floors on every class: a reason for each class and corruption below one, and one that sums up the rest."""
    rule, clean = rules.class_recall, cells.clean("candidate")
    if clean is None:
        return []
    small = [_too_few(rule, cells.classes[i], n) for i, n in enumerate(clean.class_n) if n < rule.min_n]
    judged = [i for i, n in enumerate(clean.class_n) if n >= rule.min_n]
    low = list(_below_floor(rule, cells, clean, judged))
    if not judged or low:
        return small + low
    recall, index, cell = min(
        ((c.class_recall[i] or 0.0, i, c) for c in (clean, *cells.stressed("candidate")) for i in judged),
        key=lambda item: item[0],
    )
    where = "clean" if cell.corruption == CLEAN else f"{cell.corruption} at severity {cell.severity}"
    message = (
        f"No class that can be judged is below its floor; the lowest recall is {share(recall)}, "
        f"class {cells.classes[index]}, {where}."
    )
    floor = rule.clean_floor if cell.corruption == CLEAN else rule.stressed_floor
    passed = Reason(
        "class_recall", "pass", message, cell.corruption, cell.severity, cells.classes[index], recall, floor,
        cell.class_n[index],
    )  # fmt: skip
    return [*small, passed]


def _too_few(rule: ClassRecall, name: str, n: int) -> Reason:
    message = f"Class {name} has {n} samples in the suite; {rule.min_n} are needed to judge its recall."
    return Reason("class_recall", "investigate", message, class_name=name, threshold=rule.min_n, n=n)


def _below_floor(rule: ClassRecall, cells: Cells, clean: Cell, judged: list[int]) -> Iterator[Reason]:
    for index in judged:
        name, n = cells.classes[index], clean.class_n[index]
        recall = clean.class_recall[index] or 0.0
        if recall < rule.clean_floor - TOLERANCE:
            message = (
                f"Class {name} is recognised in {share(recall)} of {n} clean samples; "
                f"at least {share(rule.clean_floor)}."
            )
            yield Reason("class_recall", "fail", message, CLEAN, 0, name, recall, rule.clean_floor, n)
        for corruption in cells.corruptions:
            found = [c for c in cells.stressed("candidate") if c.corruption == corruption]
            low = [c for c in found if (c.class_recall[index] or 0.0) < rule.stressed_floor - TOLERANCE]
            if low:
                yield _low_class(rule, name, index, low)


def _low_class(rule: ClassRecall, name: str, index: int, low: list[Cell]) -> Reason:
    worst = min(low, key=lambda cell: cell.class_recall[index] or 0.0)
    recall = worst.class_recall[index] or 0.0
    others = [str(cell.severity) for cell in low if cell is not worst]
    message = (
        f"Class {name} is recognised in {share(recall)} of {worst.class_n[index]} samples under {worst.corruption} "
        f"at severity {worst.severity}; at least {share(rule.stressed_floor)}."
    )
    if others:
        message += f" Also below at severity {', '.join(others)}."
    return Reason(
        "class_recall", "fail", message, worst.corruption, worst.severity, name, recall, rule.stressed_floor,
        worst.class_n[index],
    )  # fmt: skip


def champion(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """Clean and mean stressed accuracy against the champion's."""
    rule = rules.champion
    if rule is None:
        return [_not_set("champion", "the candidate is not compared with the champion")]
    if evidence.champion_version is None:
        outcome: Outcome = "pass" if rule.first_champion == "allow" else "investigate"
        message = "There is no champion yet; the rules let a first one pass."
        if outcome == "investigate":
            message = "There is no champion yet, and the rules ask a person to look at a first one."
        return [Reason("champion", outcome, message)]
    if not (cells.complete("candidate") and cells.complete("champion")):
        return []
    version = evidence.champion_version
    clean, stressed = _clean_pair(cells, "champion"), _mean_pair(cells, "champion")
    return [
        _compared(f"clean accuracy of champion {version}", rule.clean_margin, *clean, CLEAN),
        _compared(f"mean stressed accuracy of champion {version}", rule.stressed_margin, *stressed),
    ]


def _compared(what: str, margin: float, ours: float, theirs: float, corruption: str | None = None) -> Reason:
    loss = theirs - ours
    outcome: Outcome = "fail" if loss > margin + TOLERANCE else "pass"
    relation = f"{points(loss)} below" if loss > 0 else f"{points(-loss)} above" if loss < 0 else "equal to"
    message = (
        f"The candidate's {share(ours)} is {relation} the {what} ({share(theirs)}); "
        f"at most {points(margin)} below is accepted."
    )
    return Reason("champion", outcome, message, corruption, measured=loss, threshold=margin)


def control(rules: GateRules, evidence: Evidence, cells: Cells) -> list[Reason]:
    """What the augmentation gained; never blocks, but must have been measured."""
    rule = rules.control
    if rule is None:
        return [_not_set("control", "the gain over training without augmentation is not looked at")]
    if evidence.control_digest is None:
        message = "There is no control to measure the augmentation's gain against; train one."
        return [Reason("control", "error", message)]
    if not (cells.complete("candidate") and cells.complete("control")):
        return []
    ours, theirs = _mean_pair(cells, "control")
    gain = ours - theirs
    outcome: Outcome = "warn" if gain <= rule.warn_gain + TOLERANCE else "pass"
    same = " (the same model)" if evidence.control_digest == evidence.candidate_digest else ""
    message = (
        f"Augmentation changes mean stressed accuracy by {points(gain, sign=True)} over the control{same}: "
        f"{share(theirs)} to {share(ours)}."
    )
    return [Reason("control", outcome, message, measured=gain, threshold=rule.warn_gain)]


def _clean_pair(cells: Cells, other: Role) -> tuple[float, float]:
    ours, theirs = cells.clean("candidate"), cells.clean(other)
    assert ours is not None and theirs is not None  # complete() was asked
    return ours.accuracy, theirs.accuracy


def _mean_pair(cells: Cells, other: Role) -> tuple[float, float]:
    return _mean(cells.stressed("candidate")), _mean(cells.stressed(other))


def _mean(cells: list[Cell]) -> float:
    return sum(cell.accuracy for cell in cells) / len(cells)


def _not_set(rule: str, consequence: str) -> Reason:
    return Reason(rule, "not-set", f"No rule is set: {consequence}.")


def share(value: float | None) -> str:
    """0.8231 → 82.3%."""
    return "no recall" if value is None else f"{100 * value:.1f}%"


def points(value: float, *, sign: bool = False) -> str:
    """0.1512 → 15.1 points."""
    return f"{100 * value:+.1f} points" if sign else f"{100 * value:.1f} points"
