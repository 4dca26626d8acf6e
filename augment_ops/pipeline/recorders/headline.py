"""What MLflow's list and pages say of a run at first sight: its name, a few short tags and numbers, and links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from augment_ops.data.store import Store
from augment_ops.pipeline.cause import AlertCause, alert_behind, in_markdown
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import Decided, Promotion, ResolvedPolicy, StressTest
from augment_ops.pipeline.stages.report import judged
from augment_ops.report.formats import percent, points
from augment_ops.report.stress_summary import ClassRow, clean_accuracy, worst_classes, worst_gap
from augment_ops.shown import PARAGRAPH, link, markdown, own_addresses, plain

_SEPARATOR = " · "
_DECIMALS = 4  # a hundredth of a point


@dataclass(frozen=True)
class Headline:
    """The candidate in three numbers, shares from 0 to 1; None where the stress test could not measure one.

    Attributes:
        measure: what `accuracy` is called: the recall at a rate of alerts where one class is looked for.
        gap: corruption, severity and size of the largest loss against clean samples.
        tail: the class with the lowest recall under any corruption.
    """

    measure: str
    accuracy: float | None
    gap: tuple[str, int, float] | None
    tail: ClassRow | None

    @property
    def metrics(self) -> dict[str, float]:
        """By the names of the list's columns, rounded to what fits there: `stress.…` has them whole."""
        found = {
            "accuracy": self.accuracy,
            "worst_gap": None if self.gap is None else self.gap[2],
            "tail_recall": None if self.tail is None else self.tail.worst,
        }
        return {name: round(value, _DECIMALS) for name, value in found.items() if value is not None}

    @property
    def sentence(self) -> str:
        """One line of Markdown with what the numbers are about; empty where there are none."""
        found = []
        if self.accuracy is not None:
            found.append(f"{markdown(self.measure)} {percent(self.accuracy)} on clean samples")
        if self.gap is not None:
            corruption, severity, size = self.gap
            found.append(f"largest loss {points(size, sign=False)} points ({_under(corruption, severity)})")
        if self.tail is not None:
            row = self.tail
            where = f"class {markdown(row.name)}, {_under(row.corruption, row.severity)}"
            found.append(f"lowest class recall {percent(row.worst)} ({where})")
        line = "; ".join(found)
        return f"{line[:1].upper()}{line[1:]}." if found else ""


def headline(store: Store, tested: StressTest, decided: Decided) -> Headline:
    """Read the numbers out of the stress test, as the gate judged it."""
    asked = judged(store, tested, decided.decision.rules_digest)
    report, measure = (asked.stress, asked.measure) if asked else (tested.report, "accuracy")
    lowest = next(iter(worst_classes(report, 1)), None)
    return Headline(measure, clean_accuracy(report, "candidate"), worst_gap(report), lowest)


def run_name(dataset: str, policy: str, cause: AlertCause | None, ending: str = "") -> str:
    """What a run is called in MLflow's list: what came of it, policy, the kind of alert that started it, data set.

    The list shows some twenty characters of a name, so it begins with what is asked first.
    """
    after = f"after {cause.kind}" if cause is not None else ""
    return _SEPARATOR.join(plain(part) for part in (ending, policy, after, dataset) if part)


def named(policy: ResolvedPolicy) -> str:
    """A policy with its version."""
    return f"{policy.name} {policy.version}"


def ending(decided: Decided, promotion: Promotion | None = None) -> str:
    """The verdict, and what was made of one that let the candidate through."""
    verdict = decided.decision.verdict
    return f"{verdict}, rejected" if promotion is not None and outcome(decided, promotion) == "rejected" else verdict


def outcome(
    decided: Decided, promotion: Promotion
) -> Literal["champion", "champion already", "waits for its rollout", "rejected", "refused"]:
    """What became of the candidate, in a few words."""
    if promotion.promoted:
        return "champion already" if promotion.version == decided.champion_version else "champion"
    if promotion.rollout:
        return "waits for its rollout"
    return "refused" if decided.version is None else "rejected"


def description(ctx: Context, decided: Decided, *lines: str, report: str) -> str:
    """The decision in Markdown, for the page of a run and that of a registered version.

    Args:
        lines: what else there is to be said, a paragraph each.
        report: address of the report; empty where no server shows it.
    """
    # The verdict with its links first: MLflow folds what comes after a few lines.
    first = _SEPARATOR.join([f"**{markdown(decided.decision.verdict)}**", *_links(ctx, report)])
    said = [markdown(line, PARAGRAPH) for line in lines]
    summary = markdown(decided.decision.summary, PARAGRAPH)
    numbers = headline(ctx.store, ctx.output("stress_test", StressTest), decided).sentence
    policy = named(ctx.output("resolve_policy", ResolvedPolicy))
    cause = alert_behind(ctx.ledger, ctx.run.id)
    why = in_markdown(cause, own_addresses(ctx.settings)) if cause is not None else ""
    about = f"Policy {markdown(policy)}, for {markdown(ctx.params.environment)}; started by {markdown(ctx.run.actor)}."
    return "\n\n".join(part for part in (first, *said, why, summary, numbers, about) if part)


def _links(ctx: Context, report: str) -> Iterator[str]:
    ours = own_addresses(ctx.settings)
    pages = {
        "Report": report,
        f"Run {ctx.run.id}": ctx.parent.url if ctx.parent.list_url else "",
        "Airflow run": ctx.run.link,
        "All runs side by side": ctx.parent.list_url,
    }
    yield from (link(name, at, ours) for name, at in pages.items() if at)


def _under(corruption: str, severity: int) -> str:
    return f"{markdown(corruption.replace('_', ' '))}, severity {severity}"
