"""`augment-ops gate | waive`: make a decision again, judge by another gate, answer for what none judges."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from augment_ops.cli.terminal import progress
from augment_ops.cli.waivers import waive
from augment_ops.errors import EXIT_CHECK_SAID_NO
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.gate.decision import Decision


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("gate")(gate)
    app.command("waive")(waive)


def gate(
    replay: Annotated[str, typer.Option(help="digest of a decision, id of a run, or path of a decision.json")],
    by: Annotated[str, typer.Option(help="name in policies/gates/: judge the same evidence by this gate instead")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Make a decision again from the evidence in the store, and compare it byte for byte.

    With --by, judge the evidence by another gate: what would a stricter one have said? Nothing is changed either way.

    Exit code: 0 the same (or, with --by, PASS), 1 not the same, 2 no such decision, 3 its evidence cannot be read.

    Example: augment-ops gate --replay cli-0123456789ab
    """
    from augment_ops.pipeline.replay import find_decision, judge_by
    from augment_ops.pipeline.replay import replay as make_again
    from augment_ops.workspace import open_store

    settings = Settings.from_environment()
    store = open_store(settings)
    find_decision(store, replay)  # one that there is not is said at once
    if by:
        with progress(f"judging by {by}", "decisions", at_once=True):
            decision = judge_by(store, replay, settings.policies / "gates" / f"{by}.yaml")
        _print(decision, {"judged by": decision.gate}, as_json)
        if decision.verdict != "PASS":
            raise SystemExit(EXIT_CHECK_SAID_NO)
        return
    with progress("making the decision again", "decisions", at_once=True):
        made = make_again(store, replay)
    same = "the same decision, byte for byte" if not made.differences else "; ".join(made.differences)
    _print(made.again, {"replayed": same}, as_json, {"same": not made.differences, "differences": made.differences})
    if made.differences:
        raise SystemExit(EXIT_CHECK_SAID_NO)


def _print(decision: Decision, facts: dict[str, str], as_json: bool, more: dict[str, object] | None = None) -> None:
    from augment_ops.content import digest_of

    facts |= {"decision": digest_of(decision), "evidence": decision.evidence_digest, "rules": decision.rules_digest}
    if as_json:
        print(json.dumps({**asdict(decision), "decision_digest": facts["decision"], **(more or {})}))
        return
    from augment_ops.cli.decision import show_decision
    from augment_ops.cli.terminal import result

    reasons = [asdict(reason) for reason in decision.reasons]
    show_decision(result(), decision.verdict, decision.summary, reasons, facts)
