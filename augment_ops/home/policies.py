"""Policies with where they stand, who approved them, and what their newest run measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from augment_ops.errors import PolicyError
from augment_ops.home.sources import Sources
from augment_ops.lifecycle.listing import Listed, listed
from augment_ops.pipeline.known_runs import RunLine
from augment_ops.policy.library import load, policy_names
from augment_ops.policy.published import load_published, published_versions
from augment_ops.policy.spec import Policy


@dataclass(frozen=True, kw_only=True)
class PolicyLine:
    """A policy of the library.

    Attributes:
        run: the newest run that was asked to train with it, whatever its version then; None where none was.
    """

    policy: Listed
    run: RunLine | None


def policy_lines(sources: Sources) -> list[PolicyLine]:
    """Every policy, by name."""
    begun, found = sources.runs.begun(), []
    for one in listed(sources.workspace, sources.acts()):
        last = next((run for run in begun if run.params.get("policy") == one.name), None)
        found.append(PolicyLine(policy=one, run=sources.runs.line(last) if last else None))
    return found


def open_proposals(lines: Iterable[PolicyLine]) -> list[Listed]:
    """The policies that are proposed and approved nowhere: they wait for whoever may approve them."""
    return [line.policy for line in lines if line.policy.state == "proposed"]


def versions(sources: Sources) -> list[str]:
    """What two of can be compared: `name` as its file has it, and `name/version` of what was published."""
    policies, found = sources.settings.policies, []
    for name in policy_names(policies):
        found += [name, *(f"{name}/{version}" for version in published_versions(policies, name))]
    return found


def policy_of(sources: Sources, named: str) -> Policy | None:
    """The policy of one of `versions`; None where its file cannot be read."""
    name, _, version = named.partition("/")
    policies = sources.settings.policies
    try:
        return load_published(policies, name, version) if version else load(policies, name)
    except PolicyError:
        return None


def newest_run(sources: Sources, policy: Policy) -> RunLine | None:
    """The newest run that trained with exactly this content and came to a decision; None where none has."""
    asked = (run for run in sources.runs.begun() if run.params.get("policy") == policy.name)
    lines = (sources.runs.line(run) for run in asked)
    return next((line for line in lines if line.policy_digest == policy.digest and line.brief), None)
