"""The gate's input and output as values: evidence in, decision out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from augment_ops.content import LATER
from augment_ops.gate.phrasing import share
from augment_ops.stress.report import Role, StressReport

Verdict = Literal["PASS", "FAIL", "INVESTIGATE", "ERROR"]
Outcome = Literal["pass", "warn", "fail", "investigate", "error", "not-set"]


@dataclass(frozen=True, kw_only=True)
class QualityFinding:
    """A check of a quality report that is not in order.

    Attributes:
        name: of the check.
        status: `warn` or `fail`.
        measured: NaN where it could not be measured.
        unit: `share`, `samples`, ….
        limit: the threshold that it is beyond; None where none is.
        message: what was found, where, and what to do.
    """

    name: str
    status: str
    measured: float
    unit: str
    limit: float | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """Somebody's word that a class may go unjudged for want of samples; the ledger has it.

    Attributes:
        class_name: as the gate judges it.
        by: id of who gave it.
        until: last day on which it counts, ISO 8601.
        reason: theirs.
    """

    class_name: str
    by: str
    until: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the gate may look at. A part that is missing is None, and fails closed.

    Attributes:
        snapshot_digest, policy_digest, suite_digest: what this run resolved; every report must name the same.
        candidate_digest, control_digest: model digests as training reported them.
        candidate_policy_digest: the policy that the candidate was trained with, as training reported it.
        trained_on: digest of the snapshot that each model was trained on, by role.
        data_quality, augmented_quality: status of the two quality reports (`ok`, `warn`, `fail`) or None.
        leakage: what the quality reports measured as leakage between splits, by name of the check.
        stress: the stress report.
        suite_fault: what is wrong with the stored samples of the suite when the gate decides; empty where nothing is.
        seen: corruption → transforms of the policy that train on it, derived again from the policy that was resolved.
        champion_version: registered version of the champion when the run decided, None where there is none.
        data_wait_share: of the candidate's training, 0 to 1.
        augment_p95_ms: measured p95 per sample of the policy at its budget's size.
        budget_p95_ms: the policy's own budget.
        drift_status: `ok`, `warn`, `drift`, `insufficient`, or `no-window`.
        environment: where the model is meant for.
        approval: who lets it through after the gate: `auto`, or the role that a person must hold.
        documents: digest of every document the evidence was read from, by stage.
        software: what computed the decision, where it counts for its last digit.
        remains_fault: where the frozen samples now give other destroyed ones than the outcomes have; empty where not.
        plural: what samples are called in reasons.
        format: of 1, reasons and summary are worded as they were: such decisions are made again to the byte. Of 2, the
            summary takes reasons of one kind together, and causes are named. Of 3, groups in which no sample is of the
            class that alerts are for are not judged, instead of having too few. Of 4, shares below 1% have two digits.
        findings: rule (`data_quality`, `augmented_quality`) → the checks of its report that are not in order.
        waivers: those in force when the run decided, one a class at most.
    """

    NEWEST_FORMAT: ClassVar[int] = 4

    snapshot_digest: str
    policy_digest: str
    suite_digest: str
    candidate_digest: str | None
    control_digest: str | None
    candidate_policy_digest: str | None
    trained_on: dict[str, str]
    data_quality: str | None
    augmented_quality: str | None
    leakage: dict[str, float]
    stress: StressReport | None
    suite_fault: str
    seen: dict[str, tuple[str, ...]]
    champion_version: str | None
    data_wait_share: float | None
    augment_p95_ms: float | None
    budget_p95_ms: float | None
    drift_status: str | None
    environment: str | None
    approval: str | None
    documents: dict[str, str]
    software: str
    remains_fault: str = field(default="", metadata=LATER)
    plural: str = field(default="images", metadata=LATER)
    format: int = field(default=1, metadata=LATER)
    findings: dict[str, tuple[QualityFinding, ...]] = field(default_factory=dict, metadata=LATER)
    waivers: tuple[Waiver, ...] = field(default=(), metadata=LATER)

    def share(self, value: float | None) -> str:
        """A share, as reasons of this format say it."""
        return share(value, fine=self.format not in (1, 2, 3))


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What one rule found. Addresses are None where the rule has none.

    Attributes:
        rule: name as in the gate's file.
        measured, threshold: compared numbers; NaN or None where there is none.
        n: samples behind `measured`.
        message: one sentence that names corruption, severity and class where they apply.
        low, high: interval of `measured` at the confidence of the rules.
        p: of the test that decides: that `measured` is beyond the threshold where the rule asks for proof of harm
            (after Holm's correction), that it is within where it asks for proof of safety.
        against: the model that it is compared with.
        group: `column=group` of the metadata.
    """

    rule: str
    outcome: Outcome
    message: str
    corruption: str | None = None
    severity: int | None = None
    class_name: str | None = None
    measured: float | None = None
    threshold: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    against: Role | None = None
    group: str | None = None


@dataclass(frozen=True)
class Decision:
    """The verdict with its reasons; recomputed from the same evidence and rules it is the same, byte for byte.

    Attributes:
        rules_digest: digest of the gate's rules.
        evidence_digest: digest of the `Evidence`.
        reasons: worst first, then in the order of the rules.
        summary: two sentences for a person.
    """

    verdict: Verdict
    gate: str
    rules_digest: str
    evidence_digest: str
    reasons: tuple[Reason, ...]
    summary: str
