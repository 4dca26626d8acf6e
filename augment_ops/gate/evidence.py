"""Whether the evidence may be believed at all: present, of this run, complete, and consistent in itself.

Nothing is judged here. Every doubt is an `error`, and what is doubtful is kept from the rules that judge.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from augment_ops.gate.decision import Evidence, Reason, Waiver
from augment_ops.gate.recompute import recompute
from augment_ops.gate.rules import GateRules
from augment_ops.gate.samples import VerifiedOutcomes
from augment_ops.stress import measures
from augment_ops.stress.report import CLEAN, Cell, Role, StressReport

Address = tuple[Role, str, int]  # role, corruption, severity

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Accuracy and recalls are quotients of counts; double precision restores them to far better than this.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells that may be believed, and what the rules have to judge.

    Attributes:
        by_address: every cell without a fault, one an address.
        corruptions: required by the rules or present in the report, in that order.
        judged: corruption → severities that are judged: those the rules ask for, where they are fit (`gate.unfit`).
        unseen: those of the corruptions that the policy does not train on.
        samples: what the cells follow from.
        share: a share, as reasons say it (`Evidence.share`).
    """

    by_address: dict[Address, Cell]
    classes: tuple[str, ...]
    corruptions: tuple[str, ...]
    judged: Mapping[str, tuple[int, ...]]
    unseen: tuple[str, ...]
    samples: VerifiedOutcomes
    share: Callable[[float | None], str]

    def clean(self, role: Role) -> Cell | None:
        """The cell of the untouched samples, or None."""
        return self.by_address.get((role, CLEAN, 0))

    def stressed(self, role: Role) -> list[Cell]:
        """The cells that are judged, in the order of the suite; missing ones are left out."""
        found = [self.by_address.get((role, name, s)) for name in self.corruptions for s in self.judged[name]]
        return [cell for cell in found if cell is not None]

    def complete(self, role: Role) -> bool:
        """Whether not one cell is missing."""
        wanted = sum(len(self.judged[name]) for name in self.corruptions)
        return self.clean(role) is not None and 0 < wanted == len(self.stressed(role))


def examine(
    rules: GateRules, evidence: Evidence, outcomes: bytes | None, key: str
) -> tuple[list[Reason], Cells | None]:
    """Faults of the evidence, and the cells left to judge (None without a stress report, or what it follows from).

    Args:
        key: digest of the evidence.
    """
    reasons = [*_identity_faults(evidence), *_training_faults(evidence)]
    report = evidence.stress
    if report is None:
        return [*reasons, _error("evidence", "The stress report is missing; run stress_test first.")], None
    reasons += _report_faults(rules, evidence, report)
    samples, altered, faults = recompute(rules, report, outcomes, key)
    cells, cell_faults = _sound_cells(rules, evidence, report, samples, altered)
    return reasons + faults + cell_faults, cells


def _identity_faults(evidence: Evidence) -> Iterator[Reason]:
    for name in ("snapshot_digest", "policy_digest", "suite_digest", "candidate_digest"):
        value = getattr(evidence, name)
        if not _is_digest(value):
            yield _error("evidence", f"{name} is {_shown(value)}, not a sha256: what was judged cannot be named.")
    if evidence.control_digest is not None and not _is_digest(evidence.control_digest):
        yield _error("evidence", f"control_digest is {_shown(evidence.control_digest)}, not a sha256.")
    if not (isinstance(evidence.plural, str) and evidence.plural.isalpha()):
        yield _error("evidence", f"The evidence says of its samples that they are {_shown(evidence.plural)}, no word.")
    if type(evidence.format) is not int or not 1 <= evidence.format <= Evidence.NEWEST_FORMAT:
        yield _error(
            "evidence", f"The evidence is of format {_shown(evidence.format)}, which this version does not know."
        )
    findings: object = evidence.findings
    if not isinstance(findings, dict):
        yield _error("evidence", f"The evidence has {_shown(findings)} as what the quality reports found.")
    waivers: object = evidence.waivers
    if not isinstance(waivers, tuple) or not all(isinstance(one, Waiver) and _is_stated(one) for one in waivers):
        yield _error("evidence", "The evidence has waivers that do not say by whom, until when and why.")
    if evidence.suite_fault:
        yield _error(
            "evidence", f"The stored {evidence.plural} of the stress suite are not those frozen: {evidence.suite_fault}"
        )
    if evidence.remains_fault != "":  # None is no answer
        message = f"The outcomes leave out other samples than the corruptions destroyed: {evidence.remains_fault}"
        yield _error("evidence", f"{message}; run stress_test again.")
    if not evidence.documents:
        yield _error("evidence", "The evidence names no document that it was read from.")
    for stage, digest in evidence.documents.items():
        if not _is_digest(digest):
            yield _error("evidence", f"The document of {stage} has the digest {_shown(digest)}, not a sha256.")


def _is_stated(waiver: Waiver) -> bool:
    return bool(waiver.by.strip() and waiver.reason.strip() and _DAY.fullmatch(waiver.until))


def _training_faults(evidence: Evidence) -> Iterator[Reason]:
    if evidence.candidate_policy_digest != evidence.policy_digest:
        yield _error(
            "evidence",
            f"The candidate was trained with the policy {_shown(evidence.candidate_policy_digest)}, this run resolved "
            f"{_shown(evidence.policy_digest)}.",
        )
    wanted = {"candidate", *(() if evidence.control_digest is None else ("control",))}
    for role in sorted(wanted):
        if evidence.trained_on.get(role) != evidence.snapshot_digest:
            yield _error(
                "evidence",
                f"The {role} was trained on the snapshot {_shown(evidence.trained_on.get(role))}, this run has "
                f"{_shown(evidence.snapshot_digest)}.",
            )


def _report_faults(rules: GateRules, evidence: Evidence, report: StressReport) -> Iterator[Reason]:
    if report.suite != rules.suite:
        message = f"The stress report is of suite {_shown(report.suite)}, the rules are for {_shown(rules.suite)}."
        yield _error("evidence", message)
    pairs = (
        ("snapshot_digest", evidence.snapshot_digest, report.snapshot_digest),
        ("suite_digest", evidence.suite_digest, report.suite_digest),
        ("candidate's model digest", evidence.candidate_digest, report.models.get("candidate")),
        ("control's model digest", evidence.control_digest, report.models.get("control")),
    )
    for name, expected, found in pairs:
        if expected != found:
            yield _error(
                "evidence", f"The stress report has the {name} {_shown(found)}, this run has {_shown(expected)}."
            )
    version = evidence.champion_version
    if version != report.champion_version:
        yield _error(
            "evidence",
            f"The stress report compares with champion {_shown(report.champion_version)}, "
            f"the registry has {_shown(version)}; run stress_test again.",
        )
    if version is not None and not (isinstance(version, str) and version.strip()):
        yield _error("evidence", f"The champion's version is {_shown(version)}, which names none.")
    if (version is None) != ("champion" not in report.models):
        state = "evaluates no champion" if version is not None else "evaluates a champion"
        yield _error("evidence", f"The stress report {state}, and the champion's version is {_shown(version)}.")
    for role, digest in report.models.items():
        if not _is_digest(digest):
            yield _error("evidence", f"The stress report has a model {_shown(role)} with digest {_shown(digest)}.")
    resolved = {name: evidence.seen.get(name, ()) for name in report.corruptions}
    odd = sorted(name for name in {*resolved, *report.seen} if resolved.get(name) != report.seen.get(name))
    if odd:
        message = f"The stress report says otherwise than the policy which of {odd!r:.100} the policy trains on."
        yield _error("evidence", message)
    if len(report.classes) < 2 or len(set(report.classes)) != len(report.classes):
        message = f"The stress report has the classes {report.classes!r:.100}; two distinct ones are the least."
        yield _error("evidence", message)


def _sound_cells(
    rules: GateRules,
    evidence: Evidence,
    report: StressReport,
    samples: VerifiedOutcomes | None,
    altered: dict[tuple[str, str, int], str],
) -> tuple[Cells | None, list[Reason]]:
    """Cells without a fault; a reason for each group of faulty or missing ones."""
    times = Counter((c.role, c.corruption, c.severity) for c in report.cells)
    # Every cell shows the same samples: the candidate's clean cell says how many, by class.
    reference = report.cell("candidate", CLEAN, 0)
    faults: dict[tuple[str, str, str], list[int]] = {}
    sound: dict[Address, Cell] = {}
    for cell in report.cells:
        address: Address = (cell.role, cell.corruption, cell.severity)
        fault = "more than one cell" if times[address] > 1 else _cell_fault(cell, report, reference)
        fault = fault or altered.get(address)
        if fault is None:
            sound[address] = cell
        else:
            faults.setdefault((cell.role, cell.corruption, fault), []).append(cell.severity)
    names = dict.fromkeys((*rules.invariance.corruptions, *report.corruptions))
    severities = tuple(sorted(rules.invariance.severities))
    for role in dict.fromkeys(("candidate", *report.models)):
        for name, severity in ((CLEAN, 0), *((n, s) for n in names for s in severities)):
            if not times[role, name, severity]:
                faults.setdefault((role, name, "no cell"), []).append(severity)
    unseen = tuple(name for name in names if not report.seen.get(name))
    cells = None
    if samples is not None:
        found = Cells(
            by_address=sound,
            classes=report.classes,
            corruptions=tuple(names),
            judged=samples.judged,
            unseen=unseen,
            samples=samples,
            share=evidence.share,
        )
        cells = _judged(rules, found)
    return cells, [_group(role, name, fault, at) for (role, name, fault), at in faults.items()]


def _judged(rules: GateRules, cells: Cells) -> Cells:
    """The cells as the rules judge them: of all samples or of the class that alerts are for, of classes that differ."""
    if rules.asked is None and not rules.equivalent:
        return cells
    asked = cells.samples.outcomes
    again = {(cell.role, cell.corruption, cell.severity): cell for cell in measures.cells(asked)}
    return replace(
        cells,
        by_address={address: again[address] for address in cells.by_address},
        classes=asked.classes,
    )


def _group(role: str, corruption: str, fault: str, severities: list[int]) -> Reason:
    distinct = sorted(set(severities))
    where = "" if corruption == CLEAN and distinct == [0] else f" at severity {', '.join(map(str, distinct))}"
    return Reason(
        rule="evidence",
        outcome="error",
        message=f"The {role} on {corruption}{where}: {fault}; run stress_test again.",
        corruption=corruption,
        severity=distinct[0] if len(distinct) == 1 else None,
        measured=math.nan if fault == _NOT_A_NUMBER else None,
    )


_NOT_A_NUMBER = "the accuracy or a recall is not a number"


def _cell_fault(cell: Cell, report: StressReport, reference: Cell | None) -> str | None:  # noqa: PLR0911
    """What is wrong with a cell, or None. Comparisons are written so that NaN falls on the wrong side."""
    if cell.role not in report.models:
        return "a cell of a model that the report does not name"
    if (cell.corruption == CLEAN) != (cell.severity == 0) or cell.severity not in range(6) or not cell.corruption:
        return "a severity that does not exist"
    if not len(cell.class_n) == len(cell.class_recall) == len(report.classes):
        return "not one count and one recall a class"
    gone = 0 if cell.remains is None else cell.remains.count
    if not cell.n + gone > 0 or any(not n >= 0 for n in cell.class_n) or sum(cell.class_n) != cell.n:
        return f"counts by class that do not add up to n = {cell.n}, or no sample at all"
    if reference is not None and not _of_the_same(cell, reference, gone):
        return "other samples than the candidate's clean cell"
    if not cell.n:
        return None  # nothing is left to be right or wrong about: `gate.unfit` says so
    recalls = [r for r, n in zip(cell.class_recall, cell.class_n, strict=True) if n]
    if any((r is None) != (n == 0) for r, n in zip(cell.class_recall, cell.class_n, strict=True)):
        return "a class with samples and without recall, or the reverse"
    if not all(math.isfinite(value) for value in (cell.accuracy, *(r for r in recalls if r is not None))):
        return _NOT_A_NUMBER
    if not all(0 <= value <= 1 for value in (cell.accuracy, *(r for r in recalls if r is not None))):
        return "an accuracy or recall outside 0 to 1"
    right = sum(r * n for r, n in zip(cell.class_recall, cell.class_n, strict=True) if n and r is not None)
    if abs(right / cell.n - cell.accuracy) > _ROUNDING:
        return f"an accuracy of {cell.accuracy:.4f} where the recalls give {right / cell.n:.4f}"
    return None


def _of_the_same(cell: Cell, reference: Cell, gone: int) -> bool:
    """Whether a cell has the samples of the clean one, less those destroyed; which ones, the outcomes say."""
    if not gone:
        return cell.class_n == reference.class_n
    fewer = all(ours <= all_of for ours, all_of in zip(cell.class_n, reference.class_n, strict=True))
    return fewer and cell.severity > 0 and cell.n + gone == reference.n


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    return f"{value[:12]}…" if isinstance(value, str) and _is_digest(value) else repr(value)[:40]


def _error(rule: str, message: str) -> Reason:
    return Reason(rule=rule, outcome="error", message=message)
