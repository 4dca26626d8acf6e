"""An alert as people read it: one message, in the forms that the channels take. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from typing import Literal

from augment_ops.shown import PARAGRAPH, html, plain, slack

Kind = Literal["drift", "age", "policy", "blind", "rollout", "failed"]
_LINE = 200  # characters of a subject: longer ones are cut by mail programs, in the middle of a word

# What to do, below docs/.
RUNBOOKS: dict[Kind, str] = {
    "drift": "runbooks/drift.md",
    "age": "runbooks/model-too-old.md",
    "policy": "governance.md",
    "blind": "runbooks/monitoring-blind.md",
    "rollout": "rollout.md",
    "failed": "pipeline.md",
}
_HAPPENED: dict[Kind, str] = {
    "drift": "production data have drifted",
    "age": "the champion is old",
    "policy": "a newer version of its policy is approved",
    "blind": "monitoring is blind",
    "rollout": "a rollout asks for attention",
    "failed": "a run has failed",
}


@dataclass(frozen=True)
class Message:
    """What a person is told.

    Attributes:
        subject: one line.
        found: what was found, one sentence or a few.
        evidence: address of what shows it; empty where there is none.
        todo: address, or path in this repository, of the page that says what to do.
    """

    kind: Kind
    dataset: str
    subject: str
    found: str
    evidence: str
    todo: str

    @property
    def text(self) -> str:
        """For a log."""
        return "\n".join([plain(self.subject), *self._body(plain, str)])

    @property
    def html(self) -> str:
        """For a mail."""
        return "".join(f"<p>{line}</p>" for line in self._body(html, escape))

    @property
    def slack(self) -> str:
        """For Slack, which makes links, mentions and pictures of plain text."""
        return "\n".join([slack(self.subject), *self._body(slack, escape)])

    @property
    def data(self) -> dict[str, str]:
        """For a webhook: the fields by their names, as JSON."""
        return asdict(self)

    def _body(self, shown: Callable[[object, int], str], escaped: Callable[[str], str]) -> list[str]:
        """The lines: what others wrote through `shown`; the two addresses are ours, and stay links."""
        evidence = [f"Evidence: {escaped(plain(self.evidence, PARAGRAPH))}"] if self.evidence else []
        return [shown(self.found, PARAGRAPH), f"What to do: {escaped(plain(self.todo))}", *evidence]


def message_of(kind: Kind, dataset: str, found: str, evidence: str = "", docs: str = "") -> Message:
    """The message about an alert.

    Args:
        found: what was found.
        evidence: address of what shows it.
        docs: address under which this repository can be read; without one the page is named by its path.
    """
    subject = " ".join(f"AugmentOps, {dataset}: {_HAPPENED[kind]}".split())[:_LINE]
    base = f"{docs.rstrip('/')}/" if docs else ""
    return Message(kind, dataset, subject, found, evidence, f"{base}docs/{RUNBOOKS[kind]}")
