"""The numbers of a stress report computed again from the samples: one that was edited afterwards is found out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from augment_ops.content import canonical_json
from augment_ops.errors import StoreError
from augment_ops.gate.decision import Reason
from augment_ops.gate.needs import alike_fault
from augment_ops.gate.rules import GateRules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.gate.statistics import TOLERANCE, Bootstrap
from augment_ops.gate.unfit import judged
from augment_ops.stress import measures
from augment_ops.stress.asked import Alerts, said_of
from augment_ops.stress.operating import operating_points
from augment_ops.stress.ordering import orderings
from augment_ops.stress.out_of_scope import separations
from augment_ops.stress.outcomes import NO_GROUP, Outcomes, from_bytes
from augment_ops.stress.report import Cell, Measures, StressReport

Address = tuple[str, str, int]
Altered = dict[Address, str]  # role, corruption, severity → what is wrong with that cell


def recompute(
    rules: GateRules, report: StressReport, outcomes: bytes | None, key: str
) -> tuple[VerifiedOutcomes | None, Altered, list[Reason]]:
    """The samples behind a report, the cells that do not follow from them, and what else is wrong.

    Args:
        outcomes: the object that `report.outcomes` names.
        key: digest of the evidence; keys the bootstrap.
    """
    if outcomes is None:
        message = f"The per-sample outcomes {report.outcomes[:12]}… of the stress report are missing or damaged"
        return None, {}, [_error(f"{message}; run stress_test again.")]
    try:
        found = from_bytes(outcomes, report.outcomes)
    except StoreError as error:
        fault = error.faults[0]
        return (
            None,
            {},
            [_error(f"The {fault.where} are not those of the report: {fault.found}, not {fault.expected}.")],
        )
    strange = list(_of_another_report(rules, report, found))
    if strange:
        return None, {}, [_error(f"The per-sample outcomes are of {what}.") for what in strange]
    bootstrap = Bootstrap(key, rules.statistics.confidence, rules.statistics.resamples)
    names = tuple(dict.fromkeys((*rules.invariance.corruptions, *report.corruptions)))
    asked = found.judged().alike(rules.equivalent) if rules.equivalent else found.judged()
    samples = VerifiedOutcomes(asked, found, bootstrap, judged(rules, asked, names))
    return samples, _altered(report, found), [*_altered_slices(report, found), *_altered_orderings(report, found)]


def _of_another_report(rules: GateRules, report: StressReport, outcomes: Outcomes) -> Iterator[str]:
    wanted = rules.asked
    if outcomes.asked != wanted:
        yield f"{said_of(outcomes.asked)}, where the rules judge {said_of(wanted)}"
    if outcomes.suite_digest != report.suite_digest:
        yield f"another suite ({outcomes.suite_digest[:12]}…)"
    if outcomes.models != report.models:
        yield f"other models ({', '.join(f'{role} {digest[:12]}…' for role, digest in outcomes.models.items())})"
    if outcomes.classes != report.classes:
        yield f"other classes ({outcomes.classes!r:.80})"
    if (
        isinstance(wanted, Alerts)
        and outcomes.alerts == wanted
        and not (outcomes.labels == outcomes.classes.index(wanted.class_name)).any()
    ):
        yield f"no sample of class {wanted.class_name}, which alerts are for"
    alike = alike_fault(rules, outcomes.classes)
    if alike:
        yield f"other classes than the rules: {alike}"


def _altered(report: StressReport, outcomes: Outcomes) -> Altered:
    found: Altered = {}
    true: dict[Address, Cell] = {(c.role, c.corruption, c.severity): c for c in measures.cells(outcomes)}
    for cell in report.cells:
        address: Address = (cell.role, cell.corruption, cell.severity)
        again = true.get(address)
        if not _equal(cell, again):
            found[address] = "changed after the evaluation: the samples give " + (
                "no such cell" if again is None else f"an accuracy of {again.accuracy:.4f}"
            )
    rest: dict[Address, Measures] = {(m.role, m.corruption, m.severity): m for m in measures.measures(outcomes)}
    given: dict[Address, Measures] = {(m.role, m.corruption, m.severity): m for m in report.measures}
    for address, measure in rest.items():
        if address not in found and not _equal(given.get(address), measure):
            found[address] = (
                "changed after the evaluation: the samples give another precision, calibration or flip share"
            )
    return found


def _equal(a: Cell | Measures | None, b: Cell | Measures | None) -> bool:
    return a == b or canonical_json(a) == canonical_json(b)  # NaN equals NaN in a document only


def _altered_slices(report: StressReport, outcomes: Outcomes) -> list[Reason]:
    """The report's slices are fairlearn's; these are counted here, so that two computations have to agree."""
    true = {}
    for row, (column, names) in enumerate(outcomes.columns.items()):
        for code in np.unique(outcomes.groups[row]):
            rows = outcomes.groups[row] == code
            for m, role in enumerate(outcomes.models) if code != NO_GROUP else ():
                right, left = outcomes.right[m][:, rows], outcomes.left[1:, rows]
                stressed = float(right[1:][left].mean()) if left.any() else math.nan
                true[column, names[code], role] = (int(rows.sum()), float(right[0].mean()), stressed)
    given = {(s.column, s.group, s.role): (s.n, s.clean, s.stressed) for s in report.slices}
    odd = {key for key in {*true, *given} if not _same(true.get(key), given.get(key))}
    return [
        _error(f"The {role} on {column}={group}: not what the samples give; run stress_test again.")
        for column, group, role in sorted(odd)
    ]


def _altered_orderings(report: StressReport, outcomes: Outcomes) -> list[Reason]:
    """Reports of before have none, and nothing is judged by what they say: the rules count again themselves."""
    told = (
        ("orderings", report.orderings, orderings(outcomes)),
        ("operating points", report.operating, operating_points(outcomes)),
        ("samples of no class", report.separations, separations(outcomes)),
    )
    return [
        _error(f"The {name} of the stress report are not what the samples give; run stress_test again.")
        for name, given, true in told
        if given and canonical_json(given) != canonical_json(true)
    ]


def _same(a: tuple[float, ...] | None, b: tuple[float, ...] | None) -> bool:
    if a is None or b is None:
        return False
    pairs = list(zip(a, b, strict=True))
    return all(math.isclose(x, y, abs_tol=TOLERANCE) or (math.isnan(x) and math.isnan(y)) for x, y in pairs)


def _error(message: str) -> Reason:
    return Reason(rule="evidence", outcome="error", message=message)
