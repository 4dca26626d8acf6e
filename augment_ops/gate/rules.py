"""What the gate demands, read from policies/gates/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError
from augment_ops.gate.rule_models import (
    AveragePrecision,
    BudgetRatio,
    Calibration,
    Champion,
    ClassRecall,
    Control,
    DataWait,
    Drift,
    Equivalent,
    Fitness,
    Groups,
    Invariance,
    Leakage,
    OutOfScopeRules,
    RequiredApprovals,
    Rule,
    Statistics,
    Tail,
    Unseen,
)
from augment_ops.policy.yaml_file import load_model
from augment_ops.stress.asked import Asked
from augment_ops.stress.definition import AlertsSpec, RankingSpec, asked_by


class GateRules(Rule):
    """policies/gates/<name>.yaml. Invariance and class recall are what a gate is; a rule that is null is said aloud.

    The status of both quality reports is always demanded, and the evidence is always verified; neither can be set.

    Attributes:
        suite: name of the stress suite that the thresholds were chosen for; a report of another one is refused.
        alerts: as its suite has them: every other rule is then about the samples of that class alone, and accuracy is
            the recall of the class at that rate of alerts.
        average_precision: how well the class that alerts are for is ordered before the rest, whatever the rate.
        tail: the classes found worst, taken together; not where one class is judged.
        out_of_scope: how sure the candidate is of samples that belong to no class; only where every class counts alike.
        ranking: as its suite has it: a sample is right where its item is among the first, and the classes of every rule
            are bands of items.
        equivalent: groups of classes that nobody tells apart; every rule but calibration judges each group as a class.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: Annotated[str, Field(min_length=1)]
    suite: Annotated[str, Field(min_length=1)]
    statistics: Statistics
    invariance: Invariance
    class_recall: ClassRecall
    fitness: Fitness | None = None
    alerts: AlertsSpec | None = None
    average_precision: AveragePrecision | None = None
    tail: Tail | None = None
    out_of_scope: OutOfScopeRules | None = None
    ranking: RankingSpec | None = None
    equivalent: Equivalent = ()
    champion: Champion | None = None
    control: Control | None = None
    unseen: Unseen | None = None
    groups: Groups | None = None
    calibration: Calibration | None = None
    leakage: Leakage | None = None
    approvals: RequiredApprovals | None = None
    data_wait: DataWait | None = None
    budget: BudgetRatio | None = None
    drift: Drift | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Rules of before one of these was known, and those without, keep their digest."""
        document: dict[str, Any] = written(self)
        for name in ("fitness", "alerts", "average_precision", "tail", "out_of_scope", "ranking", "equivalent"):
            if not document.get(name):
                document.pop(name, None)
        return document

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.alerts is not None and self.equivalent:
            raise ValueError("alerts or equivalent: with alerts one class is judged, and no other is taken for it")
        if self.average_precision is not None and self.alerts is None:
            raise ValueError("average_precision only beside alerts, which say what class is looked for")
        if self.tail is not None and self.alerts is not None:
            raise ValueError("tail or alerts: with alerts one class is judged, which has no tail")
        if self.ranking is not None and self.equivalent:
            raise ValueError("ranking or equivalent: with a ranking no class is judged, but bands of them")
        if asked_by(self.alerts, self.ranking) is not None and self.out_of_scope is not None:
            raise ValueError("out_of_scope only where every class counts alike: without alerts and ranking")
        return self

    @property
    def asked(self) -> Asked:
        """What models are asked; None where every class counts alike."""
        return asked_by(self.alerts, self.ranking)

    @property
    def measure(self) -> str:
        """What the share of samples is called that a model is right about."""
        return "accuracy" if self.asked is None else self.asked.measure

    @property
    def digest(self) -> str:
        """sha256 over the content; comments and layout do not count."""
        return digest_of(self.model_dump(mode="json", warnings=False))


def load(path: str | Path) -> GateRules:
    """Read a gate's rules.

    Raises:
        PolicyError: every fault of the file at once; the file's name must be the gate's name.
    """
    path = Path(path)
    rules = load_model(path, GateRules, kind="gate")
    if rules.name != path.stem:
        expected = f"{path.stem}, the file's own name"
        raise PolicyError(f"{path}: name", rules.name, expected, "rename the file or correct `name`")
    return rules
