"""What an earlier stress test heard of a model on the same frozen suite, so that the model need not be asked again.

A hint in the store says where that is. It says nothing that counts: what it points at is believed where the ledger
names it as the output of a stress test, and where that output names this suite, this model and this program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from augment_ops import __version__
from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, GovernanceError
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.outputs import StressTest
from augment_ops.pipeline.provenance import Provenance, check_declared
from augment_ops.pipeline.run import find
from augment_ops.stress.outcomes import FORMAT, Predictions, from_bytes
from augment_ops.stress.report import Role

_STAGE = "stress_test"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One model on one suite.

    Attributes:
        model: digest of its weights; artifact: sha256 of the program, because equal weights do not make equal networks.
    """

    suite: str
    model: str
    artifact: str

    @property
    def document(self) -> str:
        """Name of the hint. What another format or version of ours has heard is not looked for."""
        return f"outcomes/{digest_of([self.suite, self.model, self.artifact, FORMAT, __version__])}.json"


@dataclass(frozen=True, kw_only=True)
class Known:
    """Predictions of a model, and the run whose stress test asked it."""

    run: str
    predictions: Predictions


@dataclass(frozen=True, kw_only=True)
class OutcomesHint:
    """The output of a run's stress test, and the role that the model had there."""

    run: str
    output: str
    role: Role


def known(store: Store, ledger: Ledger, asked: Asked, say: Callable[[str], None]) -> Known | None:
    """What was heard of a model on a suite; None where nothing was, or nothing that can be believed.

    Args:
        say: is told why what a hint points at is not believed.
    """
    data = store.get_document(asked.document)
    if data is None:
        return None
    try:
        hint = from_json(OutcomesHint, data)
        return Known(run=hint.run, predictions=_believed(store, ledger, asked, hint))
    except AugmentOpsError as error:
        fault = error.faults[0]
        say(f"outcomes of before are not used again for model {asked.model[:12]}…: {fault.where}: {fault.found}")
        return None


def remember(store: Store, ledger: Ledger, run_id: str, output: str, stress: StressTest) -> None:
    """Leave a hint for each model of a stress test; one that holds already stays.

    Args:
        output: digest of the stress test's document, which the ledger names by now.
    """
    for role, artifact in stress.artifacts.items():
        asked = Asked(suite=stress.suite.digest, model=stress.report.models[role], artifact=artifact)
        if known(store, ledger, asked, lambda _: None) is None:
            store.put_document(asked.document, canonical_json(OutcomesHint(run=run_id, output=output, role=role)))


def _believed(store: Store, ledger: Ledger, asked: Asked, hint: OutcomesHint) -> Predictions:
    """What the hint points at.

    Raises:
        AugmentOpsError: it is not what the ledger and the documents that it names say.
    """
    provenance = Provenance.of(ledger, hint.run)
    check_declared(store, provenance)
    software = find(store, hint.run).software
    if software != __version__:
        raise _not_it(hint, f"made by version {software}", __version__)
    if hint.output not in {output for _, output in provenance.made(_STAGE)}:
        raise _not_it(hint, f"output {hint.output[:12]}…", "one that the ledger names as made by that run")
    stress = from_json(StressTest, store.get(hint.output))
    if asked != _asked_in(stress, hint.role):
        raise _not_it(hint, f"another suite or model as {hint.role}", "the same suite, model and program")
    data = store.get(stress.report.outcomes)
    predictions = from_bytes(data, stress.report.outcomes).predictions(hint.role)
    if (predictions.suite_digest, predictions.model_digest) != (asked.suite, asked.model):
        raise _not_it(hint, "outcomes of another suite or model", "those that its report is about")
    return predictions


def _asked_in(stress: StressTest, role: Role) -> Asked | None:
    if role not in stress.artifacts or stress.report.suite_digest != stress.suite.digest:
        return None
    return Asked(suite=stress.suite.digest, model=stress.report.models[role], artifact=stress.artifacts[role])


def _not_it(hint: OutcomesHint, found: str, expected: str) -> GovernanceError:
    return GovernanceError(
        f"stress test of run {hint.run}", found, expected, "nothing need be done: the model is asked"
    )  # fmt: skip
