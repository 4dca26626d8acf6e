"""`augment-ops augment`: a file of samples written again with augmented copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.cli.policy_acts import complete
from augment_ops.cli.run_options import with_options, written
from augment_ops.cli.runs import settings_here
from augment_ops.cli.terminal import progress, result, tell_facts, warn
from augment_ops.errors import InputError
from augment_ops.progress import Advance

if TYPE_CHECKING:
    from augment_ops.delivery.batch_file.manifest import BatchFileManifest
    from augment_ops.lifecycle.admission import Admitted
    from augment_ops.policy.spec import Policy

# Parameters of a run that mean the same here.
_LIKE_A_RUN = ("modality", "columns", "text_columns", "text_bytes", "allow_outside", "seed", "environment")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("augment")(with_options(augment, only=_LIKE_A_RUN))


def augment(
    context: typer.Context,
    input_: Annotated[
        str,
        typer.Option(
            "--input", help="A table of rows or texts (.csv, .parquet, .jsonl), or a folder or archive of images."
        ),
    ],
    policy: Annotated[str, typer.Option(help="Name, name@version, or file.", autocompletion=complete)],
    output: Annotated[
        Path,
        typer.Option(help="What to write: .csv, .parquet or .jsonl; of images a folder (no ending) or .tar.gz."),
    ],
    factor: Annotated[
        str, typer.Option(help="How often each sample is written: 3 is once as it is, and two augmented copies.")
    ] = "2",
    force: Annotated[bool, typer.Option("--force", help="Replace an output that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as one JSON object.")] = False,
) -> None:
    """Write a file of samples again with augmented copies beside the originals, and a manifest beside it.

    Originals stay as they are and are marked; labels, identifiers and columns that are no features are copied. Rows of
    validation and test are written without copies. The modality is the policy's. Needs the extra pipeline.

    Example: augment-ops augment --input questions.csv --policy intents-robust --factor 3 --output more.csv
    """
    from augment_ops.content import canonical_json
    from augment_ops.delivery.batch_file.multiply import multiply
    from augment_ops.delivery.batch_file.request import BatchFileRequest, factor_of
    from augment_ops.modalities import modality
    from augment_ops.pipeline.params import parse_params

    copies = factor_of(factor)
    asked = written(context)
    admitted, found = _admitted(policy, str(asked.get("environment", "dev")))
    if asked.get("modality", found.modality) != found.modality:
        fix, wanted = "leave --modality out, or name another policy", f"{found.modality}, which policy {policy} is for"
        raise InputError("--modality", asked["modality"], wanted, fix)
    params = parse_params({"modality": found.modality, **asked})
    for warning in admitted.warnings:
        warn(f"warning: {warning}")
    request = BatchFileRequest(
        input=input_,
        output=output,
        policy=found,
        factor=copies,
        seed=params.seed,
        asked=params.asked(),
        allow_outside=params.allow_outside,
        force=force,
        environment=params.environment,
        approved_by=tuple(admitted.standing.counted),
    )
    with _phases(modality(found.modality).plural) as advance:
        made = multiply(request, advance=advance)
    if as_json:
        print(canonical_json(made).decode())
    else:
        _show(made, output, modality(found.modality).plural)


@contextmanager
def _phases(unit: str) -> Iterator[Advance]:
    """How far it is, of each phase by itself: a table is read before it is written, at another pace."""
    with ExitStack() as shown:
        now: dict[str, Advance] = {}

        def advance(done: int, total: int | None, then: str) -> None:
            phase = then or "augmenting"
            if phase not in now:
                shown.close()
                now[phase] = shown.enter_context(progress(phase, unit))
            now[phase](done, total, "")

        yield advance


def _admitted(name: str, environment: str) -> tuple[Admitted, Policy]:
    """The policy, and what admits it to that environment: the same as a run there asks for."""
    from augment_ops.lifecycle.admission import admit_policy
    from augment_ops.workspace import Workspace

    settings = settings_here()
    workspace = Workspace(settings, settings.actor)
    policy = workspace.admit_to_run(name)
    return admit_policy(workspace, policy, environment), policy


def _show(made: BatchFileManifest, output: Path, plural: str) -> None:
    from augment_ops.delivery.batch_file.manifest import manifest_path

    counts = made.counts
    facts: dict[str, Any] = {
        "output": f"{output}: {counts.output:,} {plural}",
        "originals": f"{counts.input:,}",
        "copies": f"{counts.copies:,}, of which {counts.unchanged:,} came out as their originals",
        "without copies": f"{counts.passed:,} of validation and test" if counts.passed else "",
        "policy": f"{made.policy} {made.policy_version} ({made.policy_digest[:12]}), seed {made.seed}",
        "manifest": str(manifest_path(output)),
        "left out": "; ".join(made.notes),
    }
    tell_facts(result(), facts)
