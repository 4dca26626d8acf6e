"""What is about to serve must be what was judged: the registered file itself, asked in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import GovernanceError, StoreError
from augment_ops.modalities import modality
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.outputs import StressTest
from augment_ops.runtime.artifact import Artifact, read_artifact
from augment_ops.stress import probe, recheck
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.report import Role
from augment_ops.training.result import TrainingResult

_FIX = "start a new run; do not promote this version by hand"


def check_registered(ctx: Context, version: str, champion: str | None) -> None:
    """Ask the registered candidate, the control and the champion once more, each in a process of its own.

    The candidate has to give the logits that the stress test probed. All have to give the stored outcomes on a sample
    of cells that was drawn by the ledger's head, which nobody knew when the outcomes were written.

    Args:
        version: registered number of the candidate; champion: of the champion that it was compared with.

    Raises:
        GovernanceError: a model does not answer as the one that was judged, or cannot be asked.
    """
    from augment_ops.runtime.isolated import ask_in_isolated_process

    stress = ctx.output("stress_test", StressTest)
    outcomes = from_bytes(ctx.store.get(stress.report.outcomes), stress.report.outcomes)
    asked = probe.from_bytes(ctx.store.get(stress.report.probe))
    labels, plural = stress.suite.read_labels(ctx.store.get), modality(stress.suite.modality).plural
    groups = ctx.snapshot.group_columns(stress.suite.sample_ids)
    odd = recheck.of_another_suite(stress.suite, outcomes, labels, groups)
    if odd:
        raise GovernanceError(
            "outcomes of the stress test", odd, "those of the suite that was frozen, and of its snapshot", _FIX
        )
    picks = recheck.pick(stress.suite, ctx.ledger.head(), labels)
    probed = probe.samples(asked, stress.suite, ctx.store.get)
    picked = recheck.samples(stress.suite, picks, ctx.store.get)

    def ask(role: Role, program: Callable[[], Artifact], called: str) -> Sequence[str]:
        where = f"{called}, asked in an isolated process"
        try:
            samples = np.concatenate([probed, picked]) if role == "candidate" else picked
            said, confinement = ask_in_isolated_process(program(), samples)
        except StoreError as error:
            raise GovernanceError(where, str(error.faults[0].found), "the model that was evaluated", _FIX) from error
        if role == "candidate":
            _check_probe(where, asked, said[: len(probed)], plural)
        other = recheck.differing(outcomes, role, picks, said[-len(picked) :])
        if other:
            found = f"other answers than are stored on {len(other)} of {len(picked)} samples, such as {other[0]}"
            raise GovernanceError(where, found, "the outcomes that the gate has judged", _FIX)
        return confinement

    model = f"{ctx.dataset}-classifier version"
    tracker = ctx.tracker  # here, because two threads that import MLflow at once find it half imported
    candidate, control = (ctx.output(f"train_{role}", TrainingResult) for role in ("candidate", "control"))
    questions: list[tuple[Role, Callable[[], Artifact], str]] = [
        ("candidate", lambda: tracker.download_model(ctx.dataset, version, candidate.artifact), f"{model} {version}"),
        (
            "control",
            lambda: read_artifact(ctx.store.local(control.artifact), control.artifact, control.format),
            f"control {control.artifact[:12]}…",
        ),
    ]
    if champion is not None:
        questions.append(("champion", lambda: tracker.download_model(ctx.dataset, champion), f"{model} {champion}"))
    with ThreadPoolExecutor(len(questions)) as pool:  # each waits for a process of its own
        held = [done.result() for done in [pool.submit(ask, *question) for question in questions]]
    ctx.say(
        f"{model} {version}, asked in an isolated process: {len(probed)} stored {plural}, the same answers; "
        f"{len(picked)} more on {len(picks)} cells, of {len(questions)} models ({', '.join(held[0])})"
    )


def _check_probe(where: str, asked: probe.Probe, answered: NDArray[np.float32], plural: str) -> None:
    apart = probe.difference(asked, answered)
    if apart > 1:
        found = f"logits up to {apart:.3g} times further from those evaluated than rounding explains"
        raise GovernanceError(where, found, f"the logits of the stress test on {len(answered)} stored {plural}", _FIX)
