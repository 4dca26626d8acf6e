"""Two runs or two policies side by side: what differs, what was measured with intervals, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augment_ops.content import from_json
from augment_ops.errors import AugmentOpsError
from augment_ops.home.policies import newest_run, policy_of
from augment_ops.home.sources import Sources
from augment_ops.pipeline.known_runs import UNREADABLE, RunLine
from augment_ops.pipeline.outputs import StressTest
from augment_ops.pipeline.overview import RunDifference, compare
from augment_ops.pipeline.run import Run
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.diff import compare as differences
from augment_ops.policy.spec import Policy
from augment_ops.report.stress_summary import Point, role_curves


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value with its interval as it is drawn: shares of the width of the scale, 0 to 100."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One thing that both were measured by.

    Attributes:
        points: of the first and the second; None where one was not measured.
        marks: the same, as they are drawn.
    """

    name: str
    points: tuple[Point | None, Point | None]
    marks: tuple[Mark | None, Mark | None]


@dataclass(frozen=True, kw_only=True)
class MeasuredRuns:
    """The candidates of two runs under stress.

    Attributes:
        rows: clean first, then each corruption at the highest severity that both have.
        floor: share at the left end of the scale; its right end is 1.
        caution: why a difference may not be the candidates'; empty where both answered the same samples.
    """

    rows: tuple[Pair, ...]
    floor: float
    caution: str


@dataclass(frozen=True, kw_only=True)
class RunsCompared:
    """Two runs.

    Attributes:
        rows: empty where the documents of one cannot be read.
    """

    lines: tuple[RunLine, RunLine]
    rows: tuple[RunDifference, ...]
    measured: MeasuredRuns | None


@dataclass(frozen=True, kw_only=True)
class PoliciesCompared:
    """Two policies.

    Attributes:
        changes: from the first to the second, a line each; empty where nothing that counts differs.
        lines: the newest run of each; None where none trained with it.
    """

    policies: tuple[Policy, Policy]
    changes: tuple[str, ...]
    lines: tuple[RunLine | None, RunLine | None]
    measured: MeasuredRuns | None


def compare_runs(sources: Sources, before: Run, after: Run) -> RunsCompared:
    """Two runs, as far as each has come."""
    first, second = sources.runs.line(before), sources.runs.line(after)
    readable = UNREADABLE not in (first.summary.state, second.summary.state)
    return RunsCompared(
        lines=(first, second),
        rows=tuple(compare(sources.settings, sources.workspace.store, before, after)) if readable else (),
        measured=_measured(sources, first, second),
    )


def compare_policies(sources: Sources, before: str, after: str) -> PoliciesCompared | None:
    """Two of `policies.versions`; None where a file cannot be read."""
    old, new = policy_of(sources, before), policy_of(sources, after)
    if old is None or new is None:
        return None
    found = differences(old, new, load_limits(sources.settings.policies, new.domain))
    lines = newest_run(sources, old), newest_run(sources, new)
    return PoliciesCompared(
        policies=(old, new),
        changes=tuple(found.lines()) if old.digest != new.digest else (),
        lines=lines,
        measured=_measured(sources, *lines) if lines[0] and lines[1] else None,
    )


def _measured(sources: Sources, *lines: RunLine | None) -> MeasuredRuns | None:
    tested = [_stress_test(sources, line) for line in lines]
    if tested[0] is None or tested[1] is None:
        return None
    reports = [one.report for one in tested if one is not None]
    curves = [{name: role_curves(one, name).get("candidate", ()) for name in one.corruptions} for one in reports]
    rows = [("clean", tuple(next((c[0] for c in of.values() if c and c[0].x == 0), None) for of in curves))]
    for name in [name for name in curves[0] if name in curves[1]]:
        level = min((max((p.x for p in of[name]), default=0) for of in curves), default=0)
        at = tuple(next((p for p in of[name] if p.x == level), None) for of in curves)
        rows.append((f"{name.replace('_', ' ')}, severity {level}", at))
    floor = _floor([point for _, points in rows for point in points if point is not None])
    same = tested[0].suite.digest == tested[1].suite.digest
    caution = "" if same else "They answered different frozen samples: a difference may be that of the samples."
    return MeasuredRuns(rows=tuple(_pair(name, points, floor) for name, points in rows), floor=floor, caution=caution)


def _stress_test(sources: Sources, line: RunLine | None) -> StressTest | None:
    if line is None or "stress_test" not in line.stages:
        return None
    try:
        return from_json(StressTest, sources.workspace.store.get(line.stages["stress_test"].output))
    except AugmentOpsError:  # lost or altered since: the run's own line says so
        return None


def _pair(name: str, points: Sequence[Point | None], floor: float) -> Pair:
    first, second = points
    return Pair(name=name, points=(first, second), marks=(_mark(first, floor), _mark(second, floor)))


def _mark(point: Point | None, floor: float) -> Mark | None:
    if point is None or not point.low <= point.y <= point.high:  # not a number
        return None
    at, low, high = (
        round(max(0.0, value - floor) / (1 - floor) * 100, 2) for value in (point.y, point.low, point.high)
    )
    return Mark(at=at, low=low, high=high)


def _floor(points: Sequence[Point]) -> float:
    """The tenth below everything that is drawn, at most 0.8."""
    lowest = min((point.low for point in points if point.low == point.low), default=0.0)
    return min(0.8, int(lowest * 10) / 10)
