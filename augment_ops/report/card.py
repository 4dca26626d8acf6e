"""The model card: what the model is for, what it is not for, whose terms hold, and code that loads and asks it.

After Mitchell et al. 2019, Model Cards for Model Reporting, arXiv:1810.03993: what nobody has stated is said not to be.
"""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.modalities.base import Modality
from augment_ops.report.formats import percent, points, whole
from augment_ops.report.inputs import ReportInputs
from augment_ops.report.stress_summary import share_range, worst_gap
from augment_ops.stress.report import CLEAN

NOT_STATED = "not stated"
_CLASSES = 20  # that are named

_REGISTERED = """\
import numpy as np

from augment_ops.settings import Settings
from augment_ops.workspace import Workspace

workspace = Workspace(Settings.from_environment(), "your-name")
# The file is held against its sha256, and read in a process of its own.
with workspace.tracker.load_model({dataset!r}, {version!r}, {artifact!r}) as model:
"""
_STORED = """\
import numpy as np

from augment_ops.runtime import load
from augment_ops.runtime.artifact import read_artifact
from augment_ops.settings import Settings
from augment_ops.workspace import open_store

sha256 = {artifact!r}
file = read_artifact(open_store(Settings.from_environment()).local(sha256), sha256, {format!r})
with load(file) as model:  # in a process of its own
"""
_ASKED = """\
    {plural} = np.zeros((1, {shape}), np.{dtype})  # yours: {dtype} (N, {shape})
    scores = model({plural})  # float32 (N, {k}); softmax of them gives probabilities
print(scores.argmax(axis=1))  # places in the list of classes above, from 0
"""


@dataclass(frozen=True)
class ModelCard:
    """The card.

    Attributes:
        facts: name and text, in order.
        limits: one a line.
        code: Python that loads the model and asks it.
        needs: what has to be so for that code to run.
    """

    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    code: str
    needs: str


def card_of(inputs: ReportInputs, kind: Modality) -> ModelCard | None:
    """The card of the candidate; None where nothing was trained.

    Args:
        kind: modality of the samples.
    """
    model, snapshot = inputs.candidate, inputs.snapshot
    if model is None or not snapshot.get("classes"):
        return None
    version = inputs.brief.version if inputs.brief else ""
    return ModelCard(
        _facts(inputs, kind, version), _limits(inputs, kind), _code(inputs, kind, version), _needs(version)
    )


def _facts(inputs: ReportInputs, kind: Modality, version: str) -> tuple[tuple[str, str], ...]:
    model, snapshot, policy = inputs.candidate, inputs.snapshot, inputs.policy
    assert model is not None  # as `card_of` has seen
    classes = snapshot["classes"]
    shape = " × ".join(map(str, snapshot.get("image_shape") or ()))
    named = ", ".join(classes[:_CLASSES]) + (f", … ({len(classes)} in all)" if len(classes) > _CLASSES else "")
    return (
        ("Model", f"{inputs.dataset}-classifier, {f'version {version}' if version else 'not registered'}"),
        ("What it is", f"{model.factory}, {whole(model.parameters)} parameters, format {model.format}"),
        (
            "Use",
            f"tells {len(classes)} classes of {inputs.dataset} apart, on {kind.plural} like those it was tested with",
        ),
        ("Takes", f"{kind.codec.dtype} (N, {shape}): {kind.plural}, {' × '.join(kind.axes)}"),
        ("Gives", f"float32 (N, {len(classes)}), a score a class, in this order: {named}"),
        ("Trained with", f"policy {policy.get('name')} {policy.get('version')}, seed {model.seed}"),
        ("Trained on", f"snapshot {snapshot['digest']} of {snapshot.get('uri') or inputs.dataset}"),
        ("Licence of the data", snapshot.get("licence") or NOT_STATED),
        ("Licence of the model", NOT_STATED),
        ("Responsible", policy.get("owner") or NOT_STATED),
        ("Personal data", NOT_STATED),
    )


def _limits(inputs: ReportInputs, kind: Modality) -> tuple[str, ...]:
    limits = [f"policy: {one}" for one in inputs.policy.get("limitations") or ()]
    stress = inputs.judged.stress if inputs.judged else inputs.stress
    clean = None if stress is None else stress.cell("candidate", CLEAN, 0)
    if stress is not None and clean is not None:
        low, high = share_range(clean.accuracy, clean.n)
        measure = inputs.judged.measure if inputs.judged else "accuracy"
        limits.append(
            f"{measure} {percent(clean.accuracy)} ({percent(low)} to {percent(high)}) was measured on {whole(clean.n)} "
            f"{kind.plural} of the held-out split, and on no others"
        )
        if (worst := worst_gap(stress)) is not None:
            place = f"{worst[0].replace('_', ' ')} at severity {worst[1]}"
            limits.append(f"it loses {points(worst[2], sign=False)} points under {place}")
        if stress.unseen:
            limits.append(f"not trained on: {', '.join(name.replace('_', ' ') for name in stress.unseen)}")
    return (*limits, f"{kind.plural} of none of these classes get a class all the same")


def _code(inputs: ReportInputs, kind: Modality, version: str) -> str:
    model, shape = inputs.candidate, inputs.snapshot.get("image_shape") or ()
    assert model is not None  # as `card_of` has seen
    loads = (_REGISTERED if version else _STORED).format(
        dataset=inputs.dataset, version=version, artifact=model.artifact, format=model.format
    )
    asks = _ASKED.format(
        plural=kind.plural,
        shape=", ".join(map(str, shape)),
        dtype=kind.codec.dtype,
        k=len(inputs.snapshot["classes"]),
    )
    return loads + asks


def _needs(version: str) -> str:
    if version:
        return "Needs augment-ops, and MLFLOW_TRACKING_URI or AUGMENT_OPS_HOME as the run had them."
    where = "The gate refused this model, so it is in no registry; the store of the run has it."
    return f"{where} Needs augment-ops, and AUGMENT_OPS_HOME or AUGMENT_OPS_STORE as the run had them."
