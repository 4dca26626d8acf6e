"""`augment-ops rollout …`: a version takes the place of the champion step by step, or goes back."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.cli.runs import settings_here
from augment_ops.cli.terminal import plain, result, styled, table, tell_facts

if TYPE_CHECKING:
    from augment_ops.rollout.judge import MeasuredCondition
    from augment_ops.rollout.state import Rollout
    from augment_ops.rollout.story import Story
    from augment_ops.workspace import Workspace

Dataset = Annotated[str, typer.Argument(help="name of the data set")]
Reason = Annotated[str, typer.Option(help="for the ledger")]
Environment = Annotated[str, typer.Option(help="where; default: where a rollout runs")]
KeyFile = Annotated[Path | None, typer.Option(help="your private key, where acts are signed")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    rollout = typer.Typer(help="Give a new version requests step by step, by rules.", no_args_is_help=True)
    for command in (start, status, pause, resume, abort, approve, promote, drive):
        rollout.command(command.__name__)(command)
    app.add_typer(rollout, name="rollout")


def start(
    dataset: Dataset,
    reason: Reason,
    environment: Annotated[str, typer.Option(help="where; default: the best protected one that has a champion")] = "",
    version: Annotated[str, typer.Option(help="number of it; default: the last that a run let in")] = "",
    rules: Annotated[
        str, typer.Option(help="name in policies/rollout/; default: the environment's, else default")
    ] = "",
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Begin to give a version that passed the gate requests beside the champion.

    Services follow within a second, and take it on by themselves; where none runs, `rollout drive` does.

    Example: augment-ops rollout start digits --environment production --reason "trained on November's labels"
    """
    from augment_ops.rollout.starting import start as begin

    workspace = _workspace(dataset, key)
    _tell(begin(workspace, dataset, reason=reason, environment=environment, version=version, rules=rules), as_json)


def status(
    dataset: Dataset,
    environment: Annotated[str, typer.Option(help="only its rollouts; default: of all environments")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="every rollout there was, and not the last of each alone")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON array")] = False,
) -> None:
    """Show the last rollout of each environment: its steps, what is known of its conditions, and who did what.

    Example: augment-ops rollout status digits
    """
    from augment_ops.lifecycle.book import book_of
    from augment_ops.lifecycle.champion import environment_with_champion
    from augment_ops.rollout.state import entries_of, rollouts
    from augment_ops.rollout.story import story

    workspace = _workspace(dataset)
    entries = entries_of(book_of(workspace), dataset)
    if environment:
        environment_with_champion(entries, dataset, workspace.settings.policies, environment)
    found = [one for one in rollouts(entries, dataset) if environment in ("", one.environment)]
    shown = found if every else list({one.environment: one for one in found}.values())
    told = [story(workspace.store, one) for one in shown]
    if as_json:
        print(json.dumps([_document(one) for one in told], default=str))
    elif not told:
        print(f"{dataset} has had no rollout{f' in {environment}' if environment else ''}")
    for one in () if as_json else told:
        _show(one)


def pause(
    dataset: Dataset, reason: Reason, environment: Environment = "", key: KeyFile = None, as_json: AsJson = False
) -> None:
    """Give all requests to the champion, until somebody resumes.

    Example: augment-ops rollout pause digits --reason "a wave of complaints since ten"
    """
    from augment_ops.rollout.acts import pause_rollout

    _tell(pause_rollout(_workspace(dataset, key), dataset, reason=reason, environment=environment), as_json)


def resume(
    dataset: Dataset, reason: Reason, environment: Environment = "", key: KeyFile = None, as_json: AsJson = False
) -> None:
    """Go on in the step in which a rollout was paused; the step's time begins anew.

    Example: augment-ops rollout resume digits --reason "the complaints were about the page"
    """
    from augment_ops.rollout.acts import resume as go_on

    _tell(go_on(_workspace(dataset, key), dataset, reason=reason, environment=environment), as_json)


def abort(
    dataset: Dataset, reason: Reason, environment: Environment = "", key: KeyFile = None, as_json: AsJson = False
) -> None:
    """End a rollout: the champion stays. Its challenger may be rolled out again.

    Example: augment-ops rollout abort digits --reason "a better one is trained"
    """
    from augment_ops.rollout.acts import abort as end

    _tell(end(_workspace(dataset, key), dataset, reason=reason, environment=environment), as_json)


def approve(
    dataset: Dataset, reason: Reason, environment: Environment = "", key: KeyFile = None, as_json: AsJson = False
) -> None:
    """Let a rollout that waits for a person go on, signed with your key. Nobody approves what they began.

    Example: augment-ops rollout approve digits --environment production --reason "looked at the rare classes"
    """
    from augment_ops.rollout.acts import approve as let_on

    _tell(let_on(_workspace(dataset, key), dataset, reason=reason, environment=environment), as_json)


def promote(
    dataset: Dataset, reason: Reason, environment: Environment = "", key: KeyFile = None, as_json: AsJson = False
) -> None:
    """Make the challenger champion before its last step; refused where a condition is shown to be broken.

    Example: augment-ops rollout promote digits --reason "the one before it is wrong on the new forms"
    """
    from augment_ops.rollout.drive import promote as crown

    _tell(crown(_workspace(dataset, key), dataset, reason=reason, environment=environment), as_json)


def drive(dataset: Dataset, environment: Environment = "", as_json: AsJson = False) -> None:
    """Take a rollout on until it has ended, or until Ctrl-C: count, judge, and enter what follows.

    Any number of drivers may work at once; a service has one of its own.

    Example: augment-ops rollout drive digits
    """
    from augment_ops.lifecycle.book import book_of
    from augment_ops.rollout.acts import present_rollout
    from augment_ops.rollout.drive import drive as go_on
    from augment_ops.rollout.ending import again

    workspace = _workspace(dataset)
    rollout = present_rollout(workspace, dataset, environment)
    go_on(workspace, dataset, rollout.environment, say=_say, stop=threading.Event())
    _tell(again(book_of(workspace), rollout), as_json)


def _workspace(dataset: str, key: Path | None = None) -> Workspace:
    from augment_ops.lifecycle.datasets import check_known
    from augment_ops.workspace import Workspace

    settings = settings_here()
    workspace = Workspace(settings, settings.actor, key=key)
    check_known(workspace.store, workspace.ledger.read(("promote", "rollback")), dataset)
    return workspace


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tell(rollout: Rollout, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_facts(rollout)))
        return
    print(f"rollout {rollout.id} of {rollout.dataset} in {rollout.environment}: {_stands(rollout)}")


def _stands(rollout: Rollout) -> str:
    versions = f"version {rollout.challenger} beside champion version {rollout.champion}"
    if rollout.outcome:
        return f"{versions}, {rollout.outcome.replace('_', ' ')}: {rollout.why}"
    why = {"paused": f": {rollout.paused}", "waits": " for a person"}.get(rollout.state, "")
    return f"{versions}, {rollout.state}{why}, step {rollout.step}"


def _facts(rollout: Rollout) -> dict[str, Any]:
    told = asdict(rollout)
    return {
        "state": rollout.state,
        **{name: value for name, value in told.items() if name not in ("acts", "approvals")},
    }


def _document(story: Story) -> dict[str, Any]:
    steps = [{"began": step.began, "stands": step.stands, **step.rules.model_dump(mode="json")} for step in story.steps]
    seen = None
    if story.seen is not None:
        told = story.seen
        seen = {"at": told.at, "answers": told.answers, "hours": told.hours, "judgement": asdict(told.judgement)}
        seen["measured"] = [asdict(one) for one in told.measured]
    return {**_facts(story.rollout), "steps": steps, "seen": seen, "told": [asdict(one) for one in story.told]}


def _show(story: Story) -> None:
    from augment_ops.rollout.story import kind_of

    rollout, output = story.rollout, result()
    output.print(plain(f"\nrollout {rollout.id} of {rollout.dataset} in {rollout.environment}: {_stands(rollout)}\n"))
    tell_facts(
        output, {"begun by": f"{rollout.by}, {rollout.began[:16]}Z: {rollout.reason}", "rules": rollout.rules_name}
    )
    steps = table("step", "kind", "answers", "hours", "began", "stands")
    for step in story.steps:
        wanted = step.rules
        steps.add_row(
            plain(wanted.name), kind_of(wanted), f"{wanted.answers:,}", f"{wanted.hours:g}", step.began[:16],
            styled(step.stands),
        )  # fmt: skip
    output.print(steps)
    if story.seen is not None:
        seen = story.seen
        output.print(plain(f"\n{seen.answers:,} answers of the challenger in {seen.hours:.2f} h, seen {seen.at[:19]}Z"))
        known = table("condition", "about", "measured", "between", "limit", "n", "state")
        for one in seen.measured:
            known.add_row(
                one.condition, plain(one.about or _step_of(story, one.step)), f"{one.estimate:.4f}", _between(one),
                f"{one.limit:g}", f"{one.n:,}", styled(one.state),
            )  # fmt: skip
        output.print(known)
        for reason in seen.judgement.reasons:
            output.print(plain(reason), soft_wrap=True)
    for told in story.told:
        output.print(plain(f"{told.at[:19]}Z  {told.by} {told.what}: {told.why}"), soft_wrap=True)


def _between(one: MeasuredCondition) -> str:
    low, high = ("any" if end is None else f"{end:.4f}" for end in (one.low, one.high))
    return f"{low} to {high}"


def _step_of(story: Story, step: int | None) -> str:
    return "all shadows" if step is None or story.rules is None else story.rules.steps[step].name
