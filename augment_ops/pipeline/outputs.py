"""What the stages leave behind where no other room has it: frozen values, which the store keeps as documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from augment_ops.content import LATER
from augment_ops.delivery.choice import Choice
from augment_ops.delivery.offline import ShardManifest
from augment_ops.gate.decision import Decision
from augment_ops.gate.explanation import Explanation
from augment_ops.identity import GATE
from augment_ops.pipeline.parameters import RunParams
from augment_ops.policy.spec import Policy
from augment_ops.quality.report import QualityReport
from augment_ops.report.brief import Brief
from augment_ops.stress.report import Role, StressReport
from augment_ops.stress.suite import SuiteManifest


@dataclass(frozen=True, kw_only=True)
class ResolvedPolicy:
    """The one policy version that this run may use.

    Attributes:
        text: the file as registered.
        p50_ms, p95_ms: measured per sample at the budget's size; `budget_p95_ms` is what the policy allows itself.
        state: draft, proposed, approved or deprecated; approved_by: whose approvals counted when it was admitted.
        warnings: what a stricter environment would have refused.
    """

    name: str
    version: str
    digest: str
    domain: str
    owner: str
    description: str
    limitations: tuple[str, ...]
    text: str
    engine: str
    p50_ms: float
    p95_ms: float
    budget_p95_ms: float
    budget_at: tuple[int, ...]
    state: str = "draft"
    approved_by: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def policy(self) -> Policy:
        """The policy itself."""
        return Policy.from_text(self.text, f"policy {self.name} {self.version}")


@dataclass(frozen=True)
class Augmentation:
    """How training gets its augmented samples.

    Attributes:
        digest: of the plan or of the shards; what decides the bytes.
        shards: where they were written first; None where they are made while training.
        choice: how the run came to `mode`, where it left that open (`delivery: auto`); None where it asked for it.
    """

    mode: str
    digest: str
    epochs: int
    shards: ShardManifest | None
    choice: Choice | None = field(default=None, metadata=LATER)

    def workers(self, params: RunParams) -> int:
        """Threads or processes that augment while training."""
        return params.workers if self.choice is None else self.choice.workers


@dataclass(frozen=True)
class AugmentedCheck:
    """Quality of augmented samples, with some of them drawn.

    Attributes:
        contact_sheet: object digest of a PNG: originals beside augmented samples.
    """

    report: QualityReport
    contact_sheet: str


@dataclass(frozen=True)
class StressTest:
    """The frozen suite, and what the models did on it.

    Attributes:
        artifacts: role → sha256 of the exported program that answered (`report.models` has the digests of weights).
        reused: role → earlier run whose outcomes of that model are in the report; of the others the model was asked.
    """

    suite: SuiteManifest
    report: StressReport
    artifacts: dict[Role, str] = field(default_factory=dict, metadata=LATER)
    reused: dict[Role, str] = field(default_factory=dict, metadata=LATER)


@dataclass(frozen=True)
class Decided:
    """The gate's decision and the model it is about.

    Attributes:
        explanation: what lies behind the reasons that did not pass.
        version: registered version of the candidate; None where the gate refused it.
        champion_version: the champion it was compared with; None where there was none.
    """

    decision: Decision
    explanation: Explanation
    version: str | None
    champion_version: str | None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What whoever decides is shown before they do.

    Attributes:
        brief: the small table; the report has it too.
        asks: role whose answer the run waits for; empty where nobody is asked, and no page made yet.
        path: of the page on this machine; url, gallery_url, diff_url: of page, augmented samples and the policy's
            changes in MLflow's UI. Empty where there is none.
        digest: sha256 of the page.
    """

    brief: Brief
    asks: str = ""
    path: str = ""
    url: str = ""
    gallery_url: str = ""
    diff_url: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Approval:
    """Whether the candidate may be promoted, and who said so.

    Attributes:
        by: id of the person, `gate` where nobody is asked.
    """

    approved: bool
    by: str
    role: str
    reason: str
    at: str

    @property
    def told(self) -> tuple[str, str]:
        """What was done, and who did it why."""
        if self.by != GATE:
            return "approved by" if self.approved else "rejected by", f"{self.by} as {self.role}: {self.reason}"
        return "approved by", f"{'the gate alone' if self.approved else 'nobody'}: {self.reason}"


@dataclass(frozen=True)
class Promotion:
    """What became of the candidate.

    Attributes:
        promoted: whether the candidate is the champion now.
        version: its registered version, where it has one.
        previous: the champion before, to which a rollback would return.
        rollout: rules by which it may become champion step by step; empty where it was promoted or refused.
    """

    promoted: bool
    version: str | None
    previous: str | None
    message: str
    rollout: str = field(default="", metadata=LATER)

    @property
    def passed(self) -> bool:
        """Whether nothing keeps the candidate from production: it is champion, or waits for its rollout."""
        return self.promoted or bool(self.rollout)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where the report is, and what it comes to.

    Attributes:
        path: of the page on this machine.
        url: of the page in MLflow's UI; empty without a server.
        digest: sha256 of the page.
    """

    verdict: str
    summary: str
    reasons: tuple[dict[str, Any], ...]
    promotion: str
    model_version: str | None
    path: str
    url: str
    mlflow_run_url: str
    digest: str
