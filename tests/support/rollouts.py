"""A rollout of the digits in a ledger and a log, without any model: what a driver reads, written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from augment_ops.content import canonical_json
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import ensure
from augment_ops.lifecycle.book import book_of
from augment_ops.rollout.comparisons import Arm, Comparison, ComparisonLog
from augment_ops.rollout.drive import Driver
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.state import Rollout, entries_of, rollouts
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, log_uri
from support.people import write_approvers, write_environments

MODELS = {"1": "a" * 64, "2": "b" * 64, "3": "c" * 64}
RULES = """
name: quick
version: 1.0.0
owner: tests
description: A shadow and a canary.
ends: promote
confidence: 0.95
by: request
kept: 1.0
flush_s: 1.0
patience_s: 1.0
trip: {failures: 5}
steps:
  - {name: shadow, shadow: true, share: 1.0, answers: 200, hours: 0, longest_hours: 1, otherwise: pause}
  - {name: half, share: 0.5, answers: 200, hours: 0, longest_hours: 1, otherwise: pause}
conditions:
  agreement: {at_least: 0.8}
  errors: {increase_at_most: 0.2}
  accuracy: {loss_at_most: 0.1, labels: 50}
"""


def workspace_of(folder: Path) -> Workspace:
    """Ada's, who has a key and may approve, as bob may; production asks for one of them."""
    policies = folder / "policies"
    (policies / "rollout").mkdir(parents=True)
    write_approvers(policies, {"ml-lead": {name: ensure(folder / f"{name}.pem") for name in ("ada", "bob")}})
    write_environments(policies, ways=("ml-lead",))
    (policies / "rollout" / "quick.yaml").write_text(RULES)
    settings = {"AUGMENT_OPS_HOME": str(folder / "home"), "AUGMENT_OPS_POLICIES": str(policies)}
    return Workspace(Settings.from_environment(settings), "ada", key=folder / "ada.pem")


def in_name_of(person: str, workspace: Workspace) -> Workspace:
    """The workspace of somebody else, with their key."""
    path = workspace.key
    return Workspace(workspace.settings, person, key=None if path is None else path.with_name(f"{person}.pem"))


def crown(workspace: Workspace, version: str, previous: str, environment: str = "dev") -> Entry:
    """Make a version champion in the ledger."""
    subjects = {
        "version": f"digits/{version}",
        "model": MODELS[version],
        "artifact": "f" * 64,
        "registered": "d" * 64,
        "previous": previous,
        "environment": environment,
    }
    return workspace.ledger.append("promote", "lead", subjects, "for a test", f"{environment}:{version}:promote")


def begin(workspace: Workspace, rules: str = RULES, environment: str = "dev", origin: str = "") -> str:
    """Begin to roll version 2 out beside the first; the id.

    Args:
        origin: the run of a driver that begins it.
    """
    return start(workspace, crown(workspace, "1", "none", environment).seq, "1", "2", rules, environment, origin=origin)


def start(
    workspace: Workspace,
    champion_seq: int,
    champion: str,
    challenger: str,
    rules: str = RULES,
    environment: str = "dev",
    *,
    reason: str = "as agreed",
    origin: str = "",
) -> str:
    """Enter the beginning of a rollout, past all checks; the id."""
    subjects = {
        "version": f"digits/{challenger}",
        "model": MODELS["2"],
        "artifact": "f" * 64,
        "registered": "d" * 64,
        "environment": environment,
        "previous": champion,
        "champion_seq": str(champion_seq),
        "rules": workspace.store.put(canonical_json(rules_of(rules).model_dump(mode="json"))),
        "rules_name": "quick",
        **({"origin": origin} if origin else {}),
    }
    return str(workspace.ledger.append("rollout-start", "carl", subjects, reason, "rollout:begun").seq)


def rules_of(text: str) -> RolloutRules:
    """The rules of a text."""
    return RolloutRules.model_validate(yaml.safe_load(text))


def compare(
    workspace: Workspace,
    rollout: str,
    step: int,
    n: int = 400,
    *,
    same: float = 1.0,
    failed: float = 0.0,
    arm: str = "shadow",
    first: int = 0,
    dataset: str = "digits",
    at: datetime | None = None,
) -> None:
    """Write a file of n requests with one sample each: `<step>-<arm>-<number>`.

    Args:
        same: share of samples of which the challenger says what the champion says.
        failed: share of requests in which the challenger fails.
        at: when they came; by default now.
    """
    found = []
    for number in range(first, first + n):
        champion = Arm(predictions=("7",), confidences=np.array([0.9], np.float32), seconds=0.01)
        said = "7" if number % 100 < 100 * same else "1"
        challenger = Arm(predictions=(said,), confidences=np.array([0.9], np.float32), seconds=0.01)
        if number % 100 < 100 * failed:
            challenger = Arm(predictions=None, confidences=None, seconds=0.01)
        one = f"{step}-{arm}-{number}"
        found.append(
            Comparison(
                step=step,
                request=one,
                subject=one,
                ids=(one,),
                at=at or datetime.now(UTC),
                arm=arm,  # type: ignore[arg-type]
                champion=champion if arm != "challenger" else None,
                challenger=challenger if arm != "champion" else None,
            )
        )
    ComparisonLog(log_uri(workspace.settings), dataset, rollout).write(found)


def halves(
    workspace: Workspace, rollout: str, step: int = 1, n: int = 400, *, failed: float = 0.0, dataset: str = "digits"
) -> None:
    """Write what a canary of half of the requests makes."""
    compare(workspace, rollout, step, n, arm="champion", dataset=dataset)
    compare(workspace, rollout, step, n, arm="challenger", failed=failed, dataset=dataset)


def last(workspace: Workspace) -> Rollout:
    """The last rollout of the digits."""
    return rollouts(entries_of(book_of(workspace), "digits"), "digits")[-1]


class Told:
    """A driver, with what it said."""

    def __init__(self, workspace: Workspace, environment: str = "dev", *, whole: bool = False) -> None:
        self.says: list[str] = []
        self._driver = Driver(workspace, "digits", environment, self.says.append, whole=whole)

    def tick(self) -> Rollout | None:
        """Look once."""
        return self._driver.tick()
